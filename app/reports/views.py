"""The CSV pack over HTTP: for head office's browsers and keys, and for managers' own stores."""

import json
from collections.abc import Generator, Iterator

from flask import Blueprint, Response, request, stream_with_context
from werkzeug import Response as AnyResponse

from app.auth.guard import HQ, MANAGERS, Actor, access, actor, author, require_bearer, require_staff
from app.auth.sessions import signed_in
from app.errors import is_browser
from app.reports.control import control_totals
from app.reports.question import Question, Reader, ask
from app.reports.recording import record_delivered, record_request
from app.reports.streaming import export
from core.audit import Author
from core.clock import utc_now
from core.errors import NotSignedIn

bp = Blueprint("report_files", __name__, url_prefix="/reports")


@bp.before_request
def require_staff_or_key() -> AnyResponse | None:
    """A person's browser, or an API key. A script without either is refused, not led to the log-in page."""
    if request.headers.get("Authorization"):
        require_bearer()
        return None
    if not is_browser() and signed_in() is None:
        raise NotSignedIn()
    return require_staff()


@bp.get("/<name>.csv")
@access(*MANAGERS)
def csv_file(name: str) -> Response:
    """A report, streamed. Whatever can be refused is refused before the first byte."""
    question = asked(name)
    record_request(question, by=author())
    lines = _lines(question, author())
    header = next(lines)  # the database has taken the query
    answer = Response(
        stream_with_context(_resumed(header, lines)),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{question.file_name}"',
            "X-Accel-Buffering": "no",
        },
    )
    answer.call_on_close(lines.close)
    return answer


@bp.get("/<name>.control.json")
@access(*MANAGERS)
def control_file(name: str) -> Response:
    """How many rows the same file has, its sums and its SHA-256."""
    text = json.dumps(control_totals(asked(name)), ensure_ascii=False, indent=2) + "\n"
    return Response(text, content_type="application/json; charset=utf-8")


def asked(name: str) -> Question:
    """The question of this request, or the refusal."""
    given = request.args
    return ask(
        name,
        reader_of(actor()),
        first=given.get("from"),
        last=given.get("to"),
        store_code=given.get("store"),
        segment=given.get("segment"),
        bom=given.get("bom"),
        now=utc_now(),
    )


def reader_of(who: Actor) -> Reader:
    """What a person or key may read: head office everything, a manager his stores without personal data."""
    return Reader(who.chain_id, who.store_ids, shows_personal=who.role in HQ)


def _lines(question: Question, by: Author) -> Generator[bytes, None, None]:
    with export(question) as answer:
        yield from answer.lines()
    record_delivered(answer, by=by)


def _resumed(header: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield header
    yield from lines
