"""The outbox: what happened, written in the same transaction, read by position.

Ids of parallel PostgreSQL transactions become visible out of order. A reader therefore goes by (transaction, id) and
only as far as every earlier transaction has ended, so that nothing is passed over.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, String, and_, literal_column, or_, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.functions import FunctionElement

from core.db import Model, db
from core.errors import Invalid


class current_transaction(FunctionElement[int]):
    """The number of the running transaction; 0 where writers stand in line anyway."""

    type = BigInteger()
    inherit_cache = True


@compiles(current_transaction)
def _no_transaction_number(element: object, compiler: object, **_: object) -> str:
    return "0"


@compiles(current_transaction, "postgresql")
def _postgresql_transaction_number(element: object, compiler: object, **_: object) -> str:
    return "(pg_current_xact_id()::text::bigint)"


class Event(Model):
    """Something that happened to a chain's members, told once."""

    __tablename__ = "events"
    __table_args__ = (Index(None, "chain_id", "transaction_no", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    transaction_no: Mapped[int] = mapped_column(server_default=current_transaction())
    kind: Mapped[str] = mapped_column(String(40))
    payload: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class EventReader(Model):
    """How far a reader of the outbox has come in a chain's events: moved in the transaction that acts on them."""

    __tablename__ = "event_readers"

    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"), primary_key=True)
    reader: Mapped[str] = mapped_column(String(40), primary_key=True)
    transaction_no: Mapped[int] = mapped_column(default=0)
    event_id: Mapped[int] = mapped_column(default=0)


class Position(NamedTuple):
    """How far a reader has come."""

    transaction_no: int
    id: int

    def __str__(self) -> str:
        return f"{self.transaction_no}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        parts = text.split("-")
        if len(parts) != 2 or not all(p.isascii() and p.isdecimal() and len(p) < 19 for p in parts):
            raise Invalid()
        return cls(int(parts[0]), int(parts[1]))


START = Position(0, 0)


def record(kind: str, *, chain_id: int, at: datetime, **payload: Any) -> None:
    """Note what happened, in the open transaction."""
    db.session.add(Event(chain_id=chain_id, kind=kind, payload=payload, at=at))


def read_events(chain_id: int, *, after: Position = START, limit: int = 100) -> Sequence[Event]:
    """The next events of a chain in an order that later readings keep."""
    query = select(Event).where(
        Event.chain_id == chain_id,
        or_(
            Event.transaction_no > after.transaction_no,
            and_(Event.transaction_no == after.transaction_no, Event.id > after.id),
        ),
    )
    if db.engine.dialect.name == "postgresql":
        oldest_running: ColumnElement[int] = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        query = query.where(Event.transaction_no < oldest_running)
    return db.session.scalars(query.order_by(Event.transaction_no, Event.id).limit(limit)).all()
