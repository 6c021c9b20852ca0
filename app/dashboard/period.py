"""The days, and perhaps the one store, that a page of figures is about."""

from datetime import date, timedelta
from typing import NamedTuple

from flask import request, url_for
from flask_babel import gettext

from app.auth.guard import actor
from app.dashboard import store_choice
from app.dashboard.frame import chain_of
from app.dashboard.store_choice import Choice
from core.clock import business_day, utc_now

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


def read_asked() -> Asked:
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


def periods(asked: Asked, endpoint: str, **more: object) -> list[tuple[str, str, bool]]:
    """Words, address and whether it is shown, of the usual periods."""
    store = {"store": asked.store_code} if asked.store_code else {}
    tabs = []
    for days in PERIODS:
        first = asked.today - timedelta(days=days - 1)
        words = gettext("Today") if days == 1 else gettext("%(days)s days", days=days)
        query = {"from": first.isoformat(), "to": asked.today.isoformat()} | store
        tabs.append((words, url_for(endpoint, **more, **query), (asked.first, asked.last) == (first, asked.today)))
    return tabs
