"""What pushes must do in a year, written the slow and obvious way: every quarter of an hour somebody looks.

Nothing here knows the database or the code under test. A wall clock is not reckoned but watched, as it goes through the
year.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass
class Person:
    """A member: by which clock he lives, which addresses he gave, what he agreed to."""

    zone: str
    addresses: set[str]
    agrees: dict[tuple[str, str], bool]  # (channel, purpose)
    is_active: bool = True

    def reason_against(self, channel: str, purpose: str) -> str | None:
        if not self.is_active:
            return "card_inactive"
        if channel != "inbox" and channel not in self.addresses:
            return "no_address"
        without_a_word = purpose == "service" or channel == "inbox"
        return None if self.agrees.get((channel, purpose), without_a_word) else "opted_out"


@dataclass
class Plan:
    """A campaign."""

    channels: list[str]
    mode: str
    purpose: str
    schedule: dict[str, Any]


@dataclass
class Manners:
    quiet_from: int
    quiet_until: int
    cap_per_day: int
    cap_per_week: int

    def is_quiet(self, hour: int) -> bool:
        asleep, at = set(), self.quiet_from
        while at != self.quiet_until:
            asleep.add(at)
            at = (at + 1) % 24
        return hour in asleep


@dataclass
class Row:
    """One delivery."""

    id: int
    plan: int
    run_due: datetime
    send_until: datetime
    person: int
    channel: str
    due: datetime
    state: str = "pending"
    reason: str | None = None
    sent_at: datetime | None = None

    @property
    def outcome(self) -> tuple[Any, ...]:
        return self.plan, self.run_due, self.person, self.channel, self.state, self.reason, self.sent_at


# --- clocks on walls --------------------------------------------------------------------------------------------------


@cache
def wall_clock(zone: str, year: int) -> dict[datetime, datetime]:
    """When each time on the wall comes first, watched from the end of the year before to the middle of the next."""
    first: dict[datetime, datetime] = {}
    now, end = datetime(year - 1, 12, 20, tzinfo=UTC), datetime(year + 1, 2, 1, tzinfo=UTC)
    while now < end:
        first.setdefault(now.astimezone(ZoneInfo(zone)).replace(tzinfo=None), now)
        now += QUARTER
    return first


def comes_at(wall: datetime, zone: str, year: int) -> datetime:
    """A time that the clocks skip comes when it would have, had they not been put forward."""
    clock, earlier = wall_clock(zone, year), wall
    while earlier not in clock:
        earlier -= QUARTER
    return clock[earlier] + (wall - earlier)


def hour_of(now: datetime, zone: str) -> int:
    return now.astimezone(ZoneInfo(zone)).hour


# --- schedules --------------------------------------------------------------------------------------------------------


@dataclass
class Turn:
    """One going-out: when it begins, and when it reaches each clock."""

    due: datetime
    reaches: dict[str, datetime]
    send_until: datetime


def turns(schedule: dict[str, Any], chain_zone: str, zones: list[str], begin: datetime, year: int) -> list[Turn]:
    """All that come after ``begin``, in their order; two at one moment are one."""
    clocks = [chain_zone, *zones] if schedule.get("zone") == "member" else [chain_zone]
    last = None
    if "until" in schedule:
        last = comes_at(
            datetime.combine(date.fromisoformat(schedule["until"]) + DAY, datetime.min.time()), chain_zone, year
        )
    found: dict[datetime, Turn] = {}
    for wall in walls(schedule, year):
        comes = {zone: comes_at(wall, zone, year) for zone in clocks}
        due = min(comes.values())
        if due <= begin or (last is not None and due >= last):
            continue
        fresh = max(comes.values()) + timedelta(hours=schedule["fresh_hours"])
        found.setdefault(due, Turn(due, {zone: comes.get(zone, due) for zone in zones}, min(fresh, last or fresh)))
    return [found[due] for due in sorted(found)]


def walls(schedule: dict[str, Any], year: int) -> Iterator[datetime]:
    if schedule["kind"] == "at":
        yield datetime.fromisoformat(schedule["at"])
        return
    day = datetime(year, 1, 1) - 5 * DAY
    while day < datetime(year + 1, 1, 20):
        for minutes in range(0, 24 * 60, 15):
            wall = day + timedelta(minutes=minutes)
            if is_meant(schedule, wall):
                yield wall
        day += DAY


def is_meant(schedule: dict[str, Any], wall: datetime) -> bool:
    if schedule["kind"] == "cron":
        minute, hours, days, months, weekdays = schedule["cron"].split()
        return (
            wall.minute == int(minute)
            and str(wall.hour) in hours.split(",")
            and (days == "*" or str(wall.day) in days.split(","))
            and (months == "*" or str(wall.month) in months.split(","))
            and (weekdays == "*" or NAMES[wall.weekday()] in weekdays.split(","))
        )
    if f"{wall:%H:%M}" != schedule["time"]:
        return False
    if "weekdays" in schedule:
        return NAMES[wall.weekday()] in schedule["weekdays"]
    is_last = (wall + DAY).day == 1
    return wall.day in schedule["monthdays"] or (is_last and max(schedule["monthdays"]) > wall.day)


# --- the year ---------------------------------------------------------------------------------------------------------


@dataclass
class Year:
    """A chain's members, plans and manners, and what has become of every delivery so far."""

    zone: str
    year: int
    people: list[Person]
    plans: list[Plan]
    manners: Manners
    begin: datetime
    rows: list[Row] = field(default_factory=list)
    open: list[Row] = field(default_factory=list)  # those of them that have not ended
    coming: list[tuple[datetime, int, Turn]] = field(default_factory=list)

    def __post_init__(self) -> None:
        zones = sorted({person.zone for person in self.people})
        self.coming = sorted(
            (
                (turn.due, number, turn)
                for number, plan in enumerate(self.plans)
                for turn in turns(plan.schedule, self.zone, zones, self.begin, self.year)
            ),
            key=lambda each: each[:2],
        )

    def look(self, now: datetime, *, workers_are_there: bool) -> None:
        """One quarter of an hour: begin what is due, then send until nothing moves."""
        while self.coming and self.coming[0][0] <= now:
            _, number, turn = self.coming.pop(0)
            self._freeze(number, turn)
        self.open = [row for row in self.open if row.state == "pending"]
        self._give_up(now)
        if not workers_are_there:
            return
        while sum(self._work(channel, now) for channel in ("inbox", "email", "gateway")):
            pass

    def _freeze(self, number: int, turn: Turn) -> None:
        plan = self.plans[number]
        if plan.mode == "first":
            for who, person in enumerate(self.people):
                reached = [name for name in plan.channels if person.reason_against(name, plan.purpose) is None]
                self._write(number, turn, who, (reached or plan.channels)[0])
            return
        for channel in plan.channels:
            for who in range(len(self.people)):
                self._write(number, turn, who, channel)

    def _write(self, number: int, turn: Turn, who: int, channel: str) -> None:
        person = self.people[who]
        row = Row(len(self.rows), number, turn.due, turn.send_until, who, channel, turn.reaches[person.zone])
        if reason := person.reason_against(channel, self.plans[number].purpose):
            row.state, row.reason = "skipped", reason
        self._add(row)

    def _give_up(self, now: datetime) -> None:
        for row in self.open:
            if now >= row.send_until:
                row.state, row.reason = "skipped", "stale"

    def _work(self, channel: str, now: datetime) -> int:
        due = [row for row in self.open if row.state == "pending" and row.channel == channel and row.due <= now]
        for row in sorted(due, key=lambda row: (row.due, row.id)):
            self._decide(row, now)
        return len(due)

    def _decide(self, row: Row, now: datetime) -> None:
        plan, person = self.plans[row.plan], self.people[row.person]
        if now >= row.send_until:
            row.state, row.reason = "skipped", "stale"
        elif reason := person.reason_against(row.channel, plan.purpose):
            row.state, row.reason = "skipped", reason
            if plan.mode == "first" and reason != "card_inactive":
                self._next_channel(row, now)
        elif row.channel == "inbox":
            row.state, row.sent_at = "delivered", now
        elif self.manners.is_quiet(hour_of(now, person.zone)):
            awake = now
            while self.manners.is_quiet(hour_of(awake, person.zone)):
                awake += QUARTER
            row.due = min(awake, row.send_until)
        elif plan.purpose == "promotion" and self._had_enough(row.person, now):
            row.state, row.reason = "skipped", "capped"
        else:
            row.state, row.sent_at = "sent", now

    def _had_enough(self, who: int, now: datetime) -> bool:
        sent = [
            row.sent_at
            for row in self.rows
            if row.person == who and row.state == "sent" and self.plans[row.plan].purpose == "promotion"
        ]
        in_a_day = sum(1 for at in sent if at is not None and now - at < DAY)
        in_a_week = sum(1 for at in sent if at is not None and now - at < 7 * DAY)
        return in_a_day >= self.manners.cap_per_day or in_a_week >= self.manners.cap_per_week

    def _next_channel(self, row: Row, now: datetime) -> None:
        channels = self.plans[row.plan].channels
        following = channels[channels.index(row.channel) + 1 :]
        if following:
            self._add(Row(len(self.rows), row.plan, row.run_due, row.send_until, row.person, following[0], now))

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        self.open.append(row)
