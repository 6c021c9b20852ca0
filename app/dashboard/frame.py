"""What stands around every staff page: the chain, the person, and the entries his role has."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from flask import Flask, current_app, g
from sqlalchemy import select

from app.auth.guard import Actor, allowed_roles
from app.dashboard.pushes.push_tabs import push_tabs
from app.languages import LANGUAGES, language
from core.clock import utc_now
from core.db import db
from stores.models import Chain, Store

ENTRIES = {
    "today": "home.index",
    "members": "members.index",
    "coupons": "offers.index",
    "pushes": "campaigns.index",
    "shares": "sharing.index",
    "reports": "reports.index",
    "stores": "stores.index",
    "settings": "settings.index",
}


def init_app(app: Flask) -> None:
    app.context_processor(surroundings)
    app.jinja_env.globals.update(push_tabs=push_tabs)
    app.jinja_env.filters.update(local_time=local_time, local_day=local_day, day_said=day_said)


def local_time(moment: datetime, zone: str | None = None) -> str:
    """A moment as people say it, in the chain's time zone: 5月20日 12:00."""
    shown = moment.astimezone(ZoneInfo(zone or _zone()))
    return f"{_day(shown)}{shown:, %H:%M}" if language() == "en" else f"{_day(shown)}{shown: %H:%M}"


def local_day(moment: datetime, zone: str | None = None) -> str:
    """The day of a moment in the chain's time zone: 5月20日, with the year when it is another one."""
    return _day(moment.astimezone(ZoneInfo(zone or _zone())))


def day_said(day: date) -> str:
    """A day as people say it: 5月20日, 20 May; with the year when it is another one."""
    return _day(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(_zone())))


def _day(shown: datetime) -> str:
    this_year = shown.year == utc_now().astimezone(shown.tzinfo).year
    patterns = ("d MMM", "d MMM y") if language() == "en" else ("M月d日", "y年M月d日")
    return str(format_datetime(shown, patterns[not this_year], locale=LANGUAGES[language()]))


def _zone() -> str:
    chain = g.get("chain")
    return chain.timezone if chain else "UTC"


def surroundings() -> dict[str, Any]:
    """The variables of ``staff.html`` for whoever is signed in; nothing on other pages."""
    person: Actor | None = g.get("actor")
    if person is None or person.kind != "staff":
        return {}
    chain = chain_of(person)
    english = language() == "en"
    return {
        "chain_name": chain.name_en if english else chain.name,
        "chain_accent": chain.accent,
        "staff_name": person.name,
        "staff_role": person.role,
        "staff_where": _where(person),
        "nav_hidden": [entry for entry, endpoint in ENTRIES.items() if not _may_open(person, endpoint)],
    }


def chain_of(person: Actor) -> Chain:
    """The chain that a signed-in person works for, read once a request."""
    if "chain" not in g:
        g.chain = db.session.get_one(Chain, person.chain_id)
    return g.chain  # type: ignore[no-any-return]


def _where(person: Actor) -> str:
    """The name of the store of somebody who has one only."""
    if person.store_ids is None or len(person.store_ids) != 1:
        return ""
    return db.session.scalar(select(Store.name).where(Store.id.in_(person.store_ids))) or ""


def _may_open(person: Actor, endpoint: str) -> bool:
    return endpoint in current_app.view_functions and person.role in allowed_roles(endpoint)
