"""What a page of sharing is about: days of the chain, perhaps one store, perhaps one program."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from flask import request, url_for
from flask_babel import gettext as _

from app.auth.guard import actor
from app.dashboard import store_choice
from app.dashboard.store_choice import Choice
from app.security import row_number
from cards.models import Program
from core.clock import business_day, day_start, utc_now
from sharing.branching import list_programs
from stores.models import Chain, Store
from stores.queries import get_chain

DAYS = (7, 30, 90)
USUAL_DAYS = 30


class Asked(NamedTuple):
    """The period, the stores and the program that a page is about."""

    chain: Chain
    first: date
    last: date
    choice: Choice
    store_ids: Collection[int] | None
    programs: list[Program]
    program: Program | None

    @property
    def store(self) -> Store | None:
        return self.choice.store

    @property
    def period(self) -> tuple[int, datetime, datetime]:
        """The first arguments of every figure of sharing."""
        zone, cutoff = self.chain.timezone, self.chain.cutoff_hour
        return (
            self.chain.id,
            day_start(self.first, zone, cutoff),
            day_start(self.last + timedelta(days=1), zone, cutoff),
        )

    @property
    def narrowed(self) -> dict[str, Any]:
        """Their last ones."""
        return {"store_ids": self.store_ids, "program_id": self.program.id if self.program else None}

    @property
    def query(self) -> dict[str, str]:
        """The same as part of an address."""
        return self.file_query | ({"program": str(self.program.id)} if self.program else {})

    @property
    def file_query(self) -> dict[str, str]:
        """As part of a file's address: files hold every program."""
        store = {"store": self.store.code} if self.store else {}
        return {"from": self.first.isoformat(), "to": self.last.isoformat()} | store


def read_asked() -> Asked:
    """What this request asks for; the last 30 days where it makes no sense or says nothing."""
    chain = get_chain(actor().chain_id)
    today = business_day(utc_now(), chain.timezone, chain.cutoff_hour)
    last = _day("to") or today
    first = _day("from") or last - timedelta(days=USUAL_DAYS - 1)
    choice = store_choice.choose(request.args.get("store", ""))
    store_ids = frozenset([choice.store.id]) if choice.store else actor().store_ids
    programs, chosen = list_programs(chain.id), request.args.get("program", type=row_number)
    program = next((each for each in programs if each.id == chosen), None)
    return Asked(chain, min(first, last), max(first, last), choice, store_ids, programs, program)


def periods(asked: Asked) -> list[tuple[str, str, bool]]:
    """The usual periods: words, address, whether this is the one."""
    today = business_day(utc_now(), asked.chain.timezone, asked.chain.cutoff_hour)
    found = []
    for days in DAYS:
        first = today - timedelta(days=days - 1)
        address = url_for("sharing.index", **asked.query | {"from": first.isoformat(), "to": today.isoformat()})
        found.append((_("%(days)s days", days=days), address, (asked.first, asked.last) == (first, today)))
    return found


def _day(name: str) -> date | None:
    try:
        day = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return day if 2000 <= day.year < 2100 else None
