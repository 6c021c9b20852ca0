"""Reports: what each file holds, its first rows, its totals; charts where people would rather look than read."""

from flask import Blueprint, render_template
from flask_babel import gettext

from app.auth.guard import HQ, MANAGERS, access, actor, require_staff
from app.dashboard.frame import chain_of
from app.dashboard.period import Asked, periods, read_asked
from app.languages import language
from app.reports import reading
from app.reports.columns import KIND_WORDS, Kind
from app.reports.pack import REPORTS
from app.reports.question import Question, Reader, ask
from app.reports.recording import list_delivered
from app.reports.report import Report
from app.reports.views import reader_of
from core.audit import AuditEntry
from core.clock import utc_now
from core.db import db
from core.money import money
from stores.models import Staff

bp = Blueprint("reports", __name__, url_prefix="/dashboard/reports", template_folder="templates")
bp.before_request(require_staff)


@bp.get("")
@access(*MANAGERS)
def index() -> str:
    """Every file of the pack, for one period."""
    asked, reader = read_asked(), reader_of(actor())
    delivered = list_delivered(actor().chain_id) if actor().role in HQ else []
    return render_template(
        "dashboard/reports/index.html",
        nav="reports",
        asked=asked,
        periods=periods(asked, "reports.index"),
        reports=[report for report in REPORTS.values() if _is_for(report, reader)],
        days=reading.by_day(_narrowed(reader, asked), asked.first, asked.last),
        delivered=[(entry, _who(entry)) for entry in delivered],
        may_see_exports=actor().role in HQ,
        cash=_cash,
        unit="¥" if chain_of(actor()).currency in ("CNY", "JPY") else "",
    )


@bp.get("/<name>")
@access(*MANAGERS)
def show(name: str) -> str:
    """The first rows of one report, its totals and what its columns mean."""
    asked = read_asked()
    question = _question(name, asked)
    preview = reading.preview(question)
    chain = chain_of(actor())
    return render_template(
        "dashboard/reports/show.html",
        nav="reports",
        report=question.report,
        asked=asked,
        periods=periods(asked, "reports.show", name=name),
        preview=preview,
        totals=[_total(question.report, header, value) for header, value in preview.totals.items()],
        kinds=KIND_WORDS,
        is_number=lambda column: column.kind in (Kind.NUMBER, Kind.CENTS),
        shown=lambda value: reading.shown(value, chain.timezone),
    )


def _question(name: str, asked: Asked) -> Question:
    return ask(
        name,
        reader_of(actor()),
        first=asked.first.isoformat(),
        last=asked.last.isoformat(),
        store_code=asked.store_code,
        now=utc_now(),
    )


def _narrowed(reader: Reader, asked: Asked) -> Reader:
    """The same reader, for the chosen store only."""
    if asked.store.store is None:
        return reader
    return Reader(reader.chain_id, frozenset([asked.store.store.id]), reader.shows_personal)


def _is_for(report: Report, reader: Reader) -> bool:
    return reader.store_ids is None or not report.is_for_head_office


def _total(report: Report, header: str, value: int) -> tuple[str, str]:
    column = next(column for column in report.columns if column.header == header)
    words = column.meaning.say(language())
    return words, _cash(value) if column.kind == Kind.CENTS else f"{value:,}"


def _cash(cents: int) -> str:
    return money(cents, chain_of(actor()).currency, language())


def _who(entry: AuditEntry) -> str:
    """Who took a report."""
    kind, _, number = entry.actor.partition(":")
    if kind == "staff":
        return db.session.scalar(db.select(Staff.name).filter_by(id=int(number))) or entry.actor
    return {"key": gettext("API key"), "command": gettext("terminal")}.get(kind, entry.actor)
