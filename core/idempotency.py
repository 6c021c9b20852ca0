"""Repeats are harmless: the same key with the same request gets the first answer."""

import hashlib
import json
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import String, UniqueConstraint, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, db, insert
from core.errors import IdempotencyKeyReused


class IdempotencyRecord(Model):
    """One request that was answered, by whoever sent it under a key of his own."""

    __tablename__ = "idempotency_records"
    __table_args__ = (UniqueConstraint("scope", "key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str] = mapped_column(String(60))
    key: Mapped[str] = mapped_column(String(80))
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    answer: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]


class Answer(NamedTuple):
    status: int
    body: dict[str, Any]


def fingerprint(*parts: object) -> str:
    """What makes two requests the same: method, path and body, hashed."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def earlier_answer(scope: str, key: str, *, fingerprint: str, now: datetime) -> Answer | None:
    """Take the key, or return what it was answered with. Needs an open transaction.

    A parallel request with the same key waits here until the first has ended.
    """
    taken = db.session.scalar(
        insert(IdempotencyRecord)
        .values(scope=scope, key=key, fingerprint=fingerprint, created_at=now)
        .on_conflict_do_nothing(index_elements=["scope", "key"])
        .returning(IdempotencyRecord.id)
    )
    if taken is not None:
        return None
    record = db.session.execute(
        select(IdempotencyRecord.fingerprint, IdempotencyRecord.status, IdempotencyRecord.answer).where(
            IdempotencyRecord.scope == scope, IdempotencyRecord.key == key
        )
    ).one()
    if record.fingerprint != fingerprint:
        raise IdempotencyKeyReused()
    return Answer(record.status, record.answer)


def forget_answer(scope: str, key: str) -> None:
    """Free a key whose request came to nothing after all. Needs an open transaction."""
    db.session.execute(delete(IdempotencyRecord).where(IdempotencyRecord.scope == scope, IdempotencyRecord.key == key))


def keep_answer(scope: str, key: str, answer: Answer) -> None:
    """Note the answer in the transaction that took the key."""
    db.session.execute(
        update(IdempotencyRecord)
        .where(IdempotencyRecord.scope == scope, IdempotencyRecord.key == key)
        .values(status=answer.status, answer=answer.body)
    )
