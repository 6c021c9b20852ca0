"""A store's day at its till: a clerk sees his own part, a manager everybody's, head office every store's."""

import re
from datetime import date

from flask import Blueprint, render_template, request

from app.auth.guard import EVERYBODY, access, actor, require_staff
from app.languages import language
from app.till import desk
from checkout import day_report
from checkout.queries import Till
from core.errors import DomainError
from core.text import Text
from stores.models import Role

bp = Blueprint("till_day", __name__, url_prefix="/till", template_folder="templates")
bp.before_request(require_staff)

OTHERS_FIGURES = re.compile(r"\{\w+\}")
EARLIEST = date(2000, 1, 1)  # before it nobody sold anything here


@bp.get("/day")
@access(*EVERYBODY)
def index() -> str:
    """The day report, ready to be printed."""
    where = desk.till_asked()
    today = desk.today_at(where)
    day = _day_asked(today)
    only = None if desk.is_manager() else actor().author_name
    report = day_report.read_day(actor().chain_id, where, day, only=only)
    return render_template(
        "till/day.html",
        report=report,
        total=report.total,
        names=day_report.names_of_authors(actor().chain_id, report.authors),
        today=today,
        is_own=only is not None,
        may_sell=actor().role != Role.HQ_ANALYST,
        csv=_csv_address(where, day),
        reason=reason_words,
        count=desk.count_sales(where),
        **desk.words(where),
    )


def reason_words(code: str) -> str:
    """The sentence of a refusal that happened, by its code; its own figures are not known any more."""
    kinds = [DomainError]
    while kinds:
        kind = kinds.pop()
        if kind.code == code and kind is not DomainError:
            return OTHERS_FIGURES.sub("…", kind.sentence.say(language()))
        kinds += kind.__subclasses__()
    return Text("未通过", "Refused").say(language())


def _day_asked(today: date) -> date:
    """The day that a manager asks for; a clerk has today."""
    try:
        day = date.fromisoformat(request.args.get("day", ""))
    except ValueError:
        return today
    return max(min(day, today), EARLIEST) if desk.is_manager() else today


def _csv_address(where: Till, day: date) -> str:
    """The same purchases as a file, for those who may take it away."""
    if actor().role == Role.CLERK:
        return ""
    return f"/reports/checkouts.csv?from={day}&to={day}&store={where.code}"
