"""The outbox: what happened, written in the same transaction, read by position.

Ids of parallel PostgreSQL transactions become visible out of order. A reader therefore goes by (transaction, id) and
only as far as every earlier transaction has ended, so that nothing is passed over.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Tuple,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.functions import FunctionElement

from core.db import Model, db, insert
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
    query = select(Event).where(Event.chain_id == chain_id, _place() > tuple_(*after), *_settled())
    return db.session.scalars(query.order_by(Event.transaction_no, Event.id).limit(limit)).all()


class News(NamedTuple):
    """The next events for a reader who remembers where he is, and how far he is once he has read them all."""

    after: Position
    events: Sequence[Event]
    until: Position

    def first(self, count: int) -> "News":
        """Only the first so many of them, to be read by themselves."""
        if count >= len(self.events):
            return self
        return News(self.after, self.events[:count], _of(self.events[count - 1]))


def news_for(
    reader: str, chain_id: int, *, kinds: Collection[str], since: datetime | None = None, limit: int = 100
) -> News | None:
    """The next events of these kinds for a reader; None when nothing has happened since he last read.

    What happened before ``since`` is passed over in one go: the history of a chain that begins to need a reader.
    """
    row = db.session.get(EventReader, (chain_id, reader), populate_existing=True)
    after = START if row is None else Position(row.transaction_no, row.event_id)
    of_chain = select(Event).where(Event.chain_id == chain_id, _place() > tuple_(*after), *_settled())
    last = db.session.execute(
        of_chain.with_only_columns(Event.transaction_no, Event.id)
        .order_by(Event.transaction_no.desc(), Event.id.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return None
    end = Position(*last)  # whatever commits meanwhile comes after it
    query = of_chain.where(Event.kind.in_(kinds), _place() <= tuple_(*end))
    if since is not None:
        query = query.where(Event.at >= since)
    events = db.session.scalars(query.order_by(Event.transaction_no, Event.id).limit(limit)).all()
    return News(after, events, end if len(events) < limit else _of(events[-1]))


def mark_read(reader: str, chain_id: int, news: News) -> bool:
    """Move the reader behind these events, in the open transaction that acts on them.

    False when another has read them in the meantime: then they are not to be acted on. Whatever the transaction did is
    undone together with the move, and read again.
    """
    fresh = insert(EventReader).values(chain_id=chain_id, reader=reader, transaction_no=0, event_id=0)
    db.session.execute(fresh.on_conflict_do_nothing(index_elements=["chain_id", "reader"]))
    moved = db.session.scalar(
        update(EventReader)
        .where(
            EventReader.chain_id == chain_id,
            EventReader.reader == reader,
            EventReader.transaction_no == news.after.transaction_no,
            EventReader.event_id == news.after.id,
        )
        .values(transaction_no=news.until.transaction_no, event_id=news.until.id)
        .returning(EventReader.event_id)
        .execution_options(synchronize_session=False)
    )
    return moved is not None


def _of(event: Event) -> Position:
    return Position(event.transaction_no, event.id)


def _place() -> Tuple:
    return tuple_(Event.transaction_no, Event.id)


def _settled() -> list[ColumnElement[bool]]:
    """Only events that no slower transaction can still come before."""
    if db.engine.dialect.name != "postgresql":
        return []
    oldest_running: ColumnElement[int] = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    return [Event.transaction_no < oldest_running]
