"""Reports: what each file holds, its first rows, its totals; charts where people would rather look than read."""

from datetime import date, timedelta
from typing import NamedTuple

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext

from app.auth.guard import HQ, MANAGERS, access, actor, require_staff
from app.dashboard import store_choice
from app.dashboard.frame import chain_of
from app.dashboard.store_choice import Choice
from app.languages import language
from app.reports import reading
from app.reports.columns import KIND_WORDS, Kind
from app.reports.pack import REPORTS
from app.reports.question import Question, Reader, ask
from app.reports.recording import list_delivered
from app.reports.report import Report
from app.reports.views import reader_of
from core.audit import AuditEntry
from core.clock import business_day, utc_now
from core.db import db
from core.money import money
from stores.models import Staff

bp = Blueprint("reports", __name__, url_prefix="/dashboard/reports", template_folder="templates")
bp.before_request(require_staff)

USUAL_DAYS = 30
PERIODS = (1, 7, 30, 90)


class Asked(NamedTuple):
    """The period and store of a page; always something that can be answered."""

    first: date
    last: date
    today: date
    store: Choice

    @property
    def store_code(self) -> str:
        return self.store.store.code if self.store.store else ""

    @property
    def query(self) -> dict[str, str]:
        store = {"store": self.store_code} if self.store_code else {}
        return {"from": self.first.isoformat(), "to": self.last.isoformat()} | store


@bp.get("")
@access(*MANAGERS)
def index() -> str:
    """Every file of the pack, for one period."""
    asked, reader = _asked(), reader_of(actor())
    delivered = list_delivered(actor().chain_id) if actor().role in HQ else []
    return render_template(
        "dashboard/reports/index.html",
        nav="reports",
        asked=asked,
        periods=_periods(asked, "reports.index"),
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
    asked = _asked()
    question = _question(name, asked)
    preview = reading.preview(question)
    chain = chain_of(actor())
    return render_template(
        "dashboard/reports/show.html",
        nav="reports",
        report=question.report,
        asked=asked,
        periods=_periods(asked, "reports.show", name=name),
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


def _asked() -> Asked:
    """The period of this request: the last 30 days, where it makes no sense or is not given."""
    chain = chain_of(actor())
    today = business_day(utc_now(), chain.timezone, chain.cutoff_hour)
    last = _day(request.args.get("to")) or today
    first = _day(request.args.get("from")) or last - timedelta(days=USUAL_DAYS - 1)
    return Asked(min(first, last), max(first, last), today, store_choice.choose(request.args.get("store", "")))


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2099 else None


def _narrowed(reader: Reader, asked: Asked) -> Reader:
    """The same reader, for the chosen store only."""
    if asked.store.store is None:
        return reader
    return Reader(reader.chain_id, frozenset([asked.store.store.id]), reader.shows_personal)


def _periods(asked: Asked, endpoint: str, **more: str) -> list[tuple[str, str, bool]]:
    """Words, address and whether it is shown, of the usual periods."""
    store = {"store": asked.store_code} if asked.store_code else {}
    tabs = []
    for days in PERIODS:
        first = asked.today - timedelta(days=days - 1)
        words = gettext("Today") if days == 1 else gettext("%(days)s days", days=days)
        query = {"from": first.isoformat(), "to": asked.today.isoformat()} | store
        tabs.append((words, url_for(endpoint, **more, **query), (asked.first, asked.last) == (first, asked.today)))
    return tabs


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
