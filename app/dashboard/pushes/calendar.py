"""The calendar of all pushes: a month of what went out and what is to come, and one of its days in full."""

from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_date, get_day_names
from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext

from app.auth.guard import HQ, HQ_ADMIN, access, actor, require_staff
from app.dashboard.pushes.campaign_showing import share
from app.languages import LANGUAGES, language
from core.clock import business_day, day_start, utc_now
from core.errors import DomainError
from push import sentences
from push.audiences import segments
from push.models import Campaign, CampaignState, Purpose
from push.timing import planning
from push.timing.planning import Day, Entry
from push.timing.policies import Policy, get_policy
from push.timing.scheduling import EARLIEST, LATEST
from stores.models import Chain
from stores.queries import get_chain

bp = Blueprint("calendar", __name__, url_prefix="/dashboard/campaigns/calendar", template_folder="../templates")
bp.before_request(require_staff)

SHOWN = 4  # pushes of a day in the month; the rest is on the day's own page
UNDER_WAY = (CampaignState.RUNNING, CampaignState.PAUSED)
COUNTED = 8  # planned pushes of a day whose audience is counted


class Line(NamedTuple):
    """One push on one day, in words."""

    campaign: Campaign
    time: str
    state: str
    is_past: bool
    figure: str  # of what arrived, in the month


class Cell(NamedTuple):
    """A day of the month."""

    day: date
    is_today: bool
    is_outside: bool
    lines: list[Line]
    more: int
    load: str
    is_too_much: bool


@bp.get("")
@access(*HQ)
def index() -> str:
    """A month; with one of its days in full when it is asked for."""
    chain, now = get_chain(actor().chain_id), utc_now()
    today = business_day(now, chain.timezone)
    chosen = _day(request.args.get("day", ""))
    month = (chosen or _day(f"{request.args.get('month', '')}-01") or today).replace(day=1)
    first = month - timedelta(days=month.weekday())
    last = month.replace(day=monthrange(month.year, month.month)[1])
    last += timedelta(days=6 - last.weekday())
    found, policy = planning.calendar_of(chain, first, last, now=now), get_policy(chain.id)
    return render_template(
        "dashboard/campaigns/calendar.html",
        nav="pushes",
        title=_month_words(month),
        weekdays=_weekdays(),
        cells=[_cell(chain, day, month, today, policy) for day in found.days],
        this_month=f"{today:%Y-%m}" if month != today.replace(day=1) else "",
        before=f"{month - timedelta(days=1):%Y-%m}",
        after=f"{last.replace(day=1) if last.month != month.month else last + timedelta(days=1):%Y-%m}",
        waiting=[
            (each, sentences.schedule_sentence(each.schedule, chain.timezone)) for each in found.waiting_for_events
        ],
        policy=policy,
        chosen=_chosen(chain, next((each for each in found.days if each.day == chosen), None), policy, now),
        may_edit=actor().role in HQ_ADMIN,
    )


def _cell(chain: Chain, day: Day, month: date, today: date, policy: Policy) -> Cell:
    lines = [_line(chain, entry) for entry in day.entries]
    return Cell(
        day.day,
        day.day == today,
        day.day.month != month.month,
        lines[:SHOWN],
        max(0, len(lines) - SHOWN),
        _load(day) if day.exceeds(policy) else "",
        day.exceeds(policy),
    )


def _line(chain: Chain, entry: Entry) -> Line:
    local = entry.at.astimezone(ZoneInfo(chain.timezone))
    figure = share(entry.arrived, entry.audience) if entry.is_past and entry.audience else ""
    return Line(entry.campaign, f"{local:%H:%M}", _state(entry), entry.is_past, figure)


def _state(entry: Entry) -> str:
    """What became of it that day, by the states of the product."""
    if entry.is_past:
        return str(entry.campaign.state) if entry.waiting and entry.campaign.state in UNDER_WAY else "finished"
    if entry.campaign.state in (CampaignState.PAUSED, CampaignState.MISSED):
        return str(entry.campaign.state)
    return "scheduled"


def _load(day: Day) -> str:
    """How many promotions somebody could get, whom all of them mean."""
    of_day = ngettext("%(num)d promotion", "%(num)d promotions", day.promotions)
    return str(_("%(day)s, %(week)s in seven days", day=of_day, week=day.in_week))


# --- one day --------------------------------------------------------------------------------------------------------


def _chosen(chain: Chain, day: Day | None, policy: Policy, now: datetime) -> dict[str, Any] | None:
    if day is None:
        return None
    return {
        "day": day.day,
        "words": _day_words(day.day),
        "rows": [_row(chain, entry, n) for n, entry in enumerate(day.entries)],
        "load": _load(day),
        "promotions": day.promotions,
        "is_too_much": day.exceeds(policy),
        "is_past": day.day < business_day(now, chain.timezone),
    }


def _row(chain: Chain, entry: Entry, number: int) -> dict[str, Any]:
    campaign, line = entry.campaign, _line(chain, entry)
    return {
        "line": line,
        "audience": sentences.audience_sentence(chain, campaign.audience),
        "is_service": campaign.purpose == Purpose.SERVICE,
        "result": _result(chain, entry) if entry.is_past else _forecast(chain, entry, number),
    }


def _result(chain: Chain, entry: Entry) -> str:
    start = day_start(business_day(entry.at, chain.timezone), chain.timezone)
    capped = planning.count_capped(chain.id, entry.campaign.id, start, start + timedelta(days=1))
    arrived, audience = f"{entry.arrived:,}", f"{entry.audience:,}"
    parts = [_("%(arrived)s of %(audience)s sent out", arrived=arrived, audience=audience)]
    if entry.waiting:
        parts.append(_("%(count)s wait", count=f"{entry.waiting:,}"))
    if capped:
        parts.append(_("%(count)s held back by the limit", count=f"{capped:,}"))
    return " · ".join(map(str, parts))


def _forecast(chain: Chain, entry: Entry, number: int) -> str:
    """How many it would reach today; counted for the first few of a day only."""
    if number >= COUNTED:
        return ""
    try:
        reach = segments.count_reach(chain, entry.campaign.audience, entry.campaign.channels, now=utc_now())
    except DomainError as refusal:  # its segment is gone, say
        return refusal.say(language())
    return str(
        ngettext(
            "%(count)s member as of today", "%(count)s members as of today", reach.members, count=f"{reach.members:,}"
        )
    )


# --- words ----------------------------------------------------------------------------------------------------------


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if EARLIEST <= day <= LATEST else None


def _month_words(month: date) -> str:
    pattern = "MMMM y" if language() == "en" else "y年M月"
    return str(format_date(month, pattern, locale=LANGUAGES[language()]))


def _day_words(day: date) -> str:
    pattern = "EEEE d MMMM" if language() == "en" else "M月d日 EEEE"
    return str(format_date(day, pattern, locale=LANGUAGES[language()]))


def _weekdays() -> list[str]:
    names = get_day_names("abbreviated", locale=LANGUAGES[language()])
    return [names[number] for number in range(7)]
