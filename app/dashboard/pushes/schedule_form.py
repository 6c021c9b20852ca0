"""When a campaign goes out, as it is typed: the fields of the editor, the sentence they make, the next times."""

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from werkzeug.datastructures import MultiDict

from app.languages import LANGUAGES, language
from core.errors import DomainError
from core.text import Text
from push import sentences
from push.timing.planning import next_times, reached_at
from push.timing.policies import get_policy, quiet_until
from push.timing.scheduling import FRESH_HOURS, check_schedule, first_due
from push.timing.zones import zones_of
from stores.models import Chain

Typed = MultiDict[str, str]
UNREADABLE = -1  # what the domain refuses, in its own words
MONTHDAYS = range(1, 32)


class Time(NamedTuple):
    """One of the next times, in words; where the night holds it back, until when; and by the clocks of other places."""

    words: str
    held_until: str
    places: list[tuple[str, str]]


class Times(NamedTuple):
    """What a typed schedule means; or what is wrong with it."""

    sentence: Text | None
    times: list[Time]
    problem: str = ""
    is_event: bool = False


def schedule_of(typed: Typed, chain: Chain) -> dict[str, Any]:
    """What the fields say. Nonsense is passed on, for the domain to refuse with its reason."""
    kind = typed.get("kind") or "now"
    schedule: dict[str, Any] = {"kind": kind}
    if typed.get("fresh_hours"):
        schedule["fresh_hours"] = _whole(typed["fresh_hours"])
    schedule |= _FIELDS.get(kind, lambda _typed, _chain: {})(typed, chain)
    if kind != "now" and typed.get("zone") == "member":
        schedule["zone"] = "member"
    if kind in ("recurring", "event") and typed.get("until"):
        schedule["until"] = typed["until"]
    return schedule


def fill_schedule(typed: Typed, chain: Chain, schedule: dict[str, Any]) -> None:
    """The fields as they were typed for a schedule: ``schedule_of`` makes the same one of them."""
    typed["fresh_hours"] = str(schedule.get("fresh_hours", FRESH_HOURS))
    typed["kind"] = "recurring" if schedule["kind"] == "cron" else schedule["kind"]
    typed["zone"] = schedule.get("zone", "chain")
    for name in ("until", "cron"):
        typed[name] = schedule.get(name, "")
    if "at" in schedule:
        typed["at"], typed["at_exact"] = _on_the_wall(schedule["at"], chain), schedule["at"]
    if schedule["kind"] == "event":
        typed["event"], typed["event_days"] = schedule["event"], str(schedule["days"])
        typed["event_time"] = schedule.get("time", "")
    elif "time" in schedule:
        typed["time"] = schedule["time"]
    typed["pattern"] = next((name for name in ("cron", "monthdays") if name in schedule), "weekdays")
    typed.setlist("weekdays", schedule.get("weekdays", []))
    typed.setlist("monthdays", [str(day) for day in schedule.get("monthdays", [])])


def field_of_time(typed: Typed, part: str) -> str:
    """What a part of the schedule is called among the fields."""
    return {"time": "event_time", "days": "event_days"}.get(part, part) if typed.get("kind") == "event" else part


def times_of(typed: Typed, chain: Chain, *, now: datetime) -> Times:
    """The sentence of what was typed, and the next five times; with the problem where it makes none."""
    try:
        schedule = check_schedule(schedule_of(typed, chain))
        first_due(schedule, chain.timezone, now=now, zones=zones_of(chain))
    except DomainError as refusal:
        return Times(None, [], refusal.say(language()))
    return shown_times(schedule, chain, now=now)


def shown_times(schedule: dict[str, Any], chain: Chain, *, now: datetime) -> Times:
    """The same of a schedule that is written down."""
    sentence = sentences.schedule_sentence(schedule, chain.timezone)
    try:
        dues = next_times(schedule, chain, now=now)
    except DomainError as refusal:
        return Times(sentence, [], refusal.say(language()))
    return Times(sentence, [_time(schedule, chain, due) for due in dues], is_event=schedule["kind"] == "event")


def _time(schedule: dict[str, Any], chain: Chain, due: datetime) -> Time:
    where = reached_at(schedule, chain, due)
    held = quiet_until(get_policy(chain.id), chain.timezone, now=due) if len(where) == 1 else None
    places = [(zone_word(zone), moment_words(at, zone)) for zone, at in where.items()] if len(where) > 1 else []
    return Time(moment_words(due, chain.timezone), moment_words(held, chain.timezone) if held else "", places)


def moment_words(moment: datetime, zone: str) -> str:
    """A day of the week, a date and a time: 11月27日 周五 17:30."""
    local = moment.astimezone(ZoneInfo(zone))
    pattern = "EEE d MMM, HH:mm" if language() == "en" else "M月d日 EEE HH:mm"
    return str(format_datetime(local, pattern, tzinfo=local.tzinfo, locale=LANGUAGES[language()]))


def zone_word(zone: str) -> str:
    """A zone by its place: Tokyo."""
    return zone.rpartition("/")[2].replace("_", " ")


# --- the fields of each kind ----------------------------------------------------------------------------------------


def _at(typed: Typed, chain: Chain) -> dict[str, Any]:
    """The moment as it was written, where nobody has touched the field: it may be more exact than the field shows."""
    at, exact = typed.get("at", ""), typed.get("at_exact", "")
    is_untouched = exact and typed.get("zone") != "member" and _on_the_wall(exact, chain) == at
    return {"at": exact if is_untouched else at}


def _recurring(typed: Typed, _chain: Chain) -> dict[str, Any]:
    pattern = typed.get("pattern") or "weekdays"
    if pattern == "cron":
        return {"kind": "cron", "cron": " ".join(typed.get("cron", "").split())}
    if pattern == "monthdays":
        return {"monthdays": [_whole(day) for day in typed.getlist("monthdays")], "time": typed.get("time", "")}
    return {"weekdays": typed.getlist("weekdays"), "time": typed.get("time", "")}


def _event(typed: Typed, _chain: Chain) -> dict[str, Any]:
    days = typed.get("event_days", "").strip() or "0"
    found: dict[str, Any] = {"event": typed.get("event", ""), "days": _whole(days)}
    return found | ({"time": typed["event_time"]} if typed.get("event_time") else {})


_FIELDS = {"at": _at, "recurring": _recurring, "event": _event}


def _on_the_wall(at: str, chain: Chain) -> str:
    """A moment as the field shows it: by the chain's clock, to the minute."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return at
    local = moment.astimezone(ZoneInfo(chain.timezone)) if moment.tzinfo else moment
    return local.replace(tzinfo=None).isoformat(timespec="minutes")


def _whole(text: str) -> int:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else UNREADABLE
