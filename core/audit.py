"""Who changed what: a row for every important change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, db


class AuditEntry(Model):
    """One change: by whom, to what, before and after, from where."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "chain_id", "id"), Index(None, "chain_id", "object_kind", "object_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    actor: Mapped[str] = mapped_column(String(40))
    action: Mapped[str] = mapped_column(String(60))
    object_kind: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[int | None]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    address: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str | None] = mapped_column(String(64))
    at: Mapped[datetime]


class Author(NamedTuple):
    """Whoever does something: ``staff:7``, ``key:3``, ``wallet:9``, ``system``; and from where."""

    name: str
    address: str | None = None
    request_id: str | None = None


SYSTEM = Author("system")


def note(
    action: str,
    *,
    chain_id: int,
    object_kind: str,
    object_id: int | None,
    by: Author,
    at: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write the audit row of a change, in the open transaction."""
    db.session.add(
        AuditEntry(
            chain_id=chain_id,
            actor=by.name,
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            before=before,
            after=after,
            address=by.address,
            request_id=by.request_id,
            at=at,
        )
    )


def list_entries(chain_id: int, *, before: int | None = None, limit: int = 50) -> Sequence[AuditEntry]:
    """A chain's changes, the newest first, older than the entry ``before``."""
    query = select(AuditEntry).where(AuditEntry.chain_id == chain_id)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return db.session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)).all()
