"""Who took which report, in the audit: before the first byte, and with its sum when the last one has gone."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from app.reports.question import Question
from app.reports.streaming import Export
from core import audit
from core.audit import AuditEntry, Author
from core.clock import utc_now
from core.db import db, transaction

REQUESTED = "report requested"
DELIVERED = "report delivered"


def record_request(question: Question, *, by: Author) -> None:
    """Before the first byte."""
    _note(REQUESTED, question, by, _asked(question))


def record_delivered(answer: Export, *, by: Author) -> None:
    """After the last byte."""
    sums = {"rows": answer.rows, "bytes": answer.size, "sha256": answer.sha256}
    _note(DELIVERED, answer.question, by, _asked(answer.question) | sums)


def list_delivered(chain_id: int, *, limit: int = 20) -> Sequence[AuditEntry]:
    """The latest reports that went out, newest first."""
    query = (
        select(AuditEntry)
        .where(AuditEntry.chain_id == chain_id, AuditEntry.object_kind == "report", AuditEntry.action == DELIVERED)
        .order_by(AuditEntry.id.desc())
        .limit(limit)
    )
    return db.session.scalars(query).all()


def _asked(question: Question) -> dict[str, Any]:
    return {
        "report": question.report.name,
        "file": question.file_name,
        "from": None if question.is_open else question.first.isoformat(),
        "to": question.last.isoformat(),
        "store": question.store.code if question.store else None,
        "segment": question.segment_id,
        "personal_data": question.shows_personal,
    }


def _note(action: str, question: Question, by: Author, after: dict[str, Any]) -> None:
    with transaction():
        audit.note(
            action,
            chain_id=question.chain.id,
            object_kind="report",
            object_id=None,
            by=by,
            at=utc_now(),
            after=after,
        )
