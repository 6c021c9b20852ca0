"""Sharing: how the chain's cards spread in a period, and who spread them."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import NamedTuple

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.auth.guard import MANAGERS, access, actor, require_staff
from app.dashboard import personal, store_choice
from app.dashboard.store_choice import Choice
from app.reports.views import reader_of
from core.clock import business_day, day_start, utc_now
from sharing import branching, propagation
from sharing.propagation import Numbers
from sharing.spreaders import Spreader, top_spreaders
from stores.models import Chain, Store
from stores.queries import get_chain

bp = Blueprint("sharing", __name__, url_prefix="/dashboard/sharing", template_folder="templates")
bp.before_request(require_staff)

DAYS = (7, 30, 90)
USUAL_DAYS = 30
TOP = 10
PAGE = 50


class Asked(NamedTuple):
    """The period and the stores that a page is about."""

    chain: Chain
    first: date
    last: date
    choice: Choice
    store_ids: Collection[int] | None

    @property
    def store(self) -> Store | None:
        return self.choice.store

    @property
    def start(self) -> datetime:
        return day_start(self.first, self.chain.timezone, self.chain.cutoff_hour)

    @property
    def end(self) -> datetime:
        return day_start(self.last + timedelta(days=1), self.chain.timezone, self.chain.cutoff_hour)

    @property
    def scope(self) -> tuple[int, datetime, datetime]:
        """What every number of sharing/propagation.py is counted in."""
        return self.chain.id, self.start, self.end

    @property
    def query(self) -> dict[str, str]:
        """The same as part of an address."""
        store = {"store": self.store.code} if self.store else {}
        return {"from": self.first.isoformat(), "to": self.last.isoformat()} | store


@bp.get("")
@access(*MANAGERS)
def index() -> str:
    """The numbers of a period with their definitions, and who spread the card."""
    asked = _asked()
    stores = {"store_ids": asked.store_ids}
    spreaders = top_spreaders(*asked.scope, **stores, limit=TOP + 1)
    numbers = propagation.numbers(*asked.scope, **stores)
    k_factor = propagation.k_factor(*asked.scope, **stores)
    return render_template(
        "dashboard/sharing/index.html",
        nav="shares",
        asked=asked,
        periods=_periods(asked),
        numbers=numbers,
        k_factor=k_factor,
        sentence=_sentence(numbers, k_factor.value),
        took=_span(propagation.time_to_convert(*asked.scope, **stores)),
        generations=propagation.generations(*asked.scope, **stores),
        channels=branching.by_channel(*asked.scope, **stores),
        store_rows=branching.by_store(*asked.scope, **stores, limit=TOP),
        spreaders=spreaders[:TOP],
        has_more=len(spreaders) > TOP,
        member_url=member_url,
        called=called,
        per_cent=per_cent,
    )


@bp.get("/spreaders")
@access(*MANAGERS)
def spreaders() -> str:
    """Everybody who brought a member in the period, the most first."""
    asked, after = _asked(), _after()
    rows = top_spreaders(*asked.scope, store_ids=asked.store_ids, after=after, limit=PAGE)
    return render_template(
        "dashboard/sharing/spreaders.html",
        nav="shares",
        asked=asked,
        spreaders=rows,
        after=after,
        next_after=_key(rows[-1]) if len(rows) == PAGE else None,
        member_url=member_url,
        called=called,
        per_cent=per_cent,
    )


def member_url(member_id: int) -> str:
    """The page of a member."""
    return url_for("members.show", member_id=member_id)


def per_cent(part: float) -> str:
    """A share as people read it: 31%, 4.2%."""
    return f"{part:.0%}" if part == 0 or part >= 0.1 else f"{part:.1%}"


def _asked() -> Asked:
    chain = get_chain(actor().chain_id)
    today = business_day(utc_now(), chain.timezone, chain.cutoff_hour)
    last = _day("to") or today
    first = _day("from") or last - timedelta(days=USUAL_DAYS - 1)
    first, last = min(first, last), max(first, last)
    choice = store_choice.choose(request.args.get("store", ""))
    store_ids = frozenset([choice.store.id]) if choice.store else actor().store_ids
    return Asked(chain, first, last, choice, store_ids)


def _day(name: str) -> date | None:
    try:
        day = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return day if 2000 <= day.year < 2100 else None


def _periods(asked: Asked) -> list[tuple[str, str, bool]]:
    """The usual periods: words, address, whether this is the one."""
    today = business_day(utc_now(), asked.chain.timezone, asked.chain.cutoff_hour)
    found = []
    for days in DAYS:
        first = today - timedelta(days=days - 1)
        address = url_for("sharing.index", **asked.query | {"from": first.isoformat(), "to": today.isoformat()})
        found.append((_("%(days)s days", days=days), address, (asked.first, asked.last) == (first, today)))
    return found


def _sentence(numbers: Numbers, k_factor: float) -> str:
    """The period in a sentence."""
    if not numbers.new_members:
        return _("Nobody joined in this period.")
    if not numbers.referred:
        return ngettext(
            "%(num)d member joined, nobody through a friend.",
            "%(num)d members joined, nobody through a friend.",
            numbers.new_members,
        )
    return _(
        "Of %(all)s new members %(share)s came through a friend; each new member brings %(k)s more.",
        all=f"{numbers.new_members:,}",
        share=per_cent(numbers.referred_share),
        k=f"{k_factor:.2f}",
    )


def _span(took: timedelta | None) -> str:
    """A length of time in its largest unit."""
    if took is None:
        return "–"
    minutes = round(took.total_seconds() / 60)
    if minutes < 1:
        return _("under a minute")
    if minutes < 90:
        return ngettext("%(num)d minute", "%(num)d minutes", minutes)
    hours = round(minutes / 60)
    if hours < 48:
        return ngettext("%(num)d hour", "%(num)d hours", hours)
    return ngettext("%(num)d day", "%(num)d days", round(hours / 24))


def _after() -> tuple[int, int] | None:
    """The last spreader of the page before: how many he brought, and who he is."""
    parts = request.args.get("after", "").split("-")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and len(part) < 19 for part in parts):
        return None
    return int(parts[0]), int(parts[1])


def _key(spreader: Spreader) -> str:
    return f"{spreader.direct}-{spreader.member_id}"


def called(name: str, number: str) -> str:
    """A member's name as far as the reader may know it."""
    return personal.called(personal.Called(name, number), reader_of(actor()))
