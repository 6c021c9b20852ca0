"""The companion of a file: how many rows it has, what its columns sum up to, and its SHA-256."""

from typing import Any

from app.reports.question import Question
from app.reports.streaming import Export, export


def control_totals(question: Question) -> dict[str, Any]:
    """Make the whole file without sending it, and say what it is."""
    with export(question) as answer:
        for _ in answer.lines():
            pass
        return control_of(answer)


def control_of(answer: Export) -> dict[str, Any]:
    """What a file is whose lines have all been sent. Rows and sums are counted anew by the database."""
    question = answer.question
    totals = answer.totals()
    return {
        "report": question.report.name,
        "file": question.file_name,
        "from": None if question.is_open else question.first.isoformat(),
        "to": question.last.isoformat(),
        "store": question.store.code if question.store else None,
        "segment": question.segment_id,
        "currency": question.chain.currency,
        "made_at": question.now.isoformat(timespec="seconds"),
        "bom": question.bom,
        "personal_data": question.shows_personal,
        "rows": totals.pop("rows"),
        "totals": totals,
        "bytes": answer.size,
        "sha256": answer.sha256,
    }


def quick_totals(question: Question) -> dict[str, int]:
    """Rows and sums alone, without making the file."""
    with export(question) as answer:
        return answer.totals()
