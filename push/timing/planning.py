"""When campaigns go out: the next times of a schedule, and a calendar of all that went and will go."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import case, func, select

from core.clock import business_day, day_start
from core.db import db
from push.models import Campaign, CampaignState, Delivery, DeliveryState, Purpose, PushChannel, Run
from push.timing import scheduling
from push.timing.policies import Policy
from push.timing.zones import zones_of
from stores.models import Chain

PLANNED = (CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED)
WAITING = (DeliveryState.PENDING, DeliveryState.SENDING)
ARRIVED = (DeliveryState.SENT, DeliveryState.DELIVERED)
KIND = Campaign.schedule["kind"].as_string()
MOST_TIMES = 100  # of one campaign in a calendar
MOST_CAMPAIGNS = 500
A_WEEK = timedelta(days=7)


def next_times(schedule: dict[str, Any], chain: Chain, *, now: datetime, limit: int = 5) -> list[datetime]:
    """When a checked schedule goes out next, at most so often; nothing where only events tell.

    By the members' clocks it is the first of them that counts. Raises ScheduleInvalid when that is never.
    """
    if schedule["kind"] == "event":
        return []
    zones = zones_of(chain)
    first = scheduling.first_due(schedule, chain.timezone, now=now, zones=zones)
    return list(islice(_from(schedule, chain, zones, first), limit))


def reached_at(schedule: dict[str, Any], chain: Chain, due_at: datetime) -> dict[str, datetime]:
    """When what is due then reaches each of the zones by which it goes."""
    return scheduling.instants(schedule, due_at, scheduling.places(schedule, chain.timezone, zones_of(chain)))


def _from(schedule: dict[str, Any], chain: Chain, zones: Sequence[str], first: datetime) -> Iterator[datetime]:
    due: datetime | None = first
    while due is not None:
        yield due
        due = scheduling.next_occurrence(schedule, chain.timezone, after=due, zones=zones)


# --- the calendar ---------------------------------------------------------------------------------------------------


@dataclass
class Entry:
    """A campaign on one day: what went out of it, or when it will."""

    campaign: Campaign
    at: datetime
    runs: int = 0
    audience: int = 0
    arrived: int = 0
    waiting: int = 0
    capped: int = 0

    @property
    def is_past(self) -> bool:
        return self.runs > 0


@dataclass
class Day:
    """A day of the chain with its pushes, and how they weigh against the caps."""

    day: date
    entries: list[Entry] = field(default_factory=list)
    promotions: int = 0  # pushes of the day that count for the caps
    in_week: int = 0  # those of the seven days that end with it

    def exceeds(self, policy: Policy) -> bool:
        """Whether somebody whom all of them mean would not get all of them."""
        return bool(self.promotions) and (self.promotions > policy.cap_per_day or self.in_week > policy.cap_per_week)


class Calendar(NamedTuple):
    days: list[Day]
    waiting_for_events: list[Campaign]


def calendar_of(chain: Chain, first: date, last: date, *, now: datetime) -> Calendar:
    """Every push of some days: what went out with what became of it, and what is to come as far as it is known."""
    begin = first - A_WEEK
    days = {begin + timedelta(days=n): Day(begin + timedelta(days=n)) for n in range((last - begin).days + 1)}
    start, end = day_start(begin, chain.timezone), day_start(last + timedelta(days=1), chain.timezone)
    for entry in (*_past(chain, begin, last), *_planned(chain, max(start, now), end), *_missed(chain, start, end)):
        days[business_day(entry.at, chain.timezone)].entries.append(entry)
    for day in days.values():
        day.entries.sort(key=lambda entry: (entry.at, entry.campaign.id))
        day.promotions = sum(_weight(entry) for entry in day.entries)
    for day in days.values():
        day.in_week = sum(days[each].promotions for each in _week_before(day.day) if each in days)
    return Calendar([day for day in days.values() if day.day >= first], _waiting_for_events(chain))


def _week_before(day: date) -> Iterator[date]:
    return (day - timedelta(days=n) for n in range(7))


def _weight(entry: Entry) -> int:
    """What a push adds to the count that the caps are about: nothing for service, nothing where only the inbox is."""
    is_disturbing = any(name != PushChannel.INBOX for name in entry.campaign.channels)
    counts = entry.campaign.purpose == Purpose.PROMOTION and is_disturbing and entry.campaign.state != "missed"
    return (1 if entry.campaign.schedule["kind"] == "event" else max(1, entry.runs)) if counts else 0


def _past(chain: Chain, first: date, last: date) -> Iterator[Entry]:
    """What went out, a campaign and day in one entry: an event campaign has a run for everybody it happens to."""
    day = _day_number(chain, first, last)
    start, end = day_start(first, chain.timezone), day_start(last + timedelta(days=1), chain.timezone)
    in_time = (Run.chain_id == chain.id, Run.due_at >= start, Run.due_at < end)
    runs = db.session.execute(
        select(
            Run.campaign_id,
            day,
            func.min(Run.due_at),
            func.sum(case((Run.continues_run_id.is_(None), 1), else_=0)),
            func.sum(Run.audience_count),
        )
        .where(*in_time)
        .group_by(Run.campaign_id, day)
    ).all()
    counts: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    of_run = (  # first, from an index alone
        select(Delivery.run_id, Delivery.state, func.count().label("count"))
        .where(Delivery.run_id.in_(select(Run.id).where(*in_time)))
        .group_by(Delivery.run_id, Delivery.state)
        .subquery()
    )
    rows = db.session.execute(
        select(Run.campaign_id, day, of_run.c.state, func.sum(of_run.c.count))
        .join(of_run, of_run.c.run_id == Run.id)
        .group_by(Run.campaign_id, day, of_run.c.state)
    )
    for campaign_id, number, state, count in rows:
        counts[campaign_id, number][state] += count
    campaigns = _campaigns({run[0] for run in runs})
    for campaign_id, number, at, times, audience in runs:
        states = counts[campaign_id, number]
        yield Entry(
            campaigns[campaign_id],
            at,
            max(1, times),
            audience,
            sum(states[state] for state in ARRIVED),
            sum(states[state] for state in WAITING),
        )


def _day_number(chain: Chain, first: date, last: date) -> Any:
    """Which day of the calendar a run was due on, by the chain's clock."""
    ends = [day_start(first + timedelta(days=n + 1), chain.timezone) for n in range((last - first).days + 1)]
    return case(*((Run.due_at < end, n) for n, end in enumerate(ends)), else_=len(ends))


def count_capped(chain_id: int, campaign_id: int, start: datetime, end: datetime) -> int:
    """How many messages of a campaign's runs due in a time were left out because their members had had enough."""
    return db.session.scalars(
        select(func.count(Delivery.id))
        .join(Run, Run.id == Delivery.run_id)
        .where(
            Run.chain_id == chain_id,
            Run.campaign_id == campaign_id,
            Run.due_at >= start,
            Run.due_at < end,
            Delivery.state == DeliveryState.SKIPPED,
            Delivery.reason == "capped",
        )
    ).one()


def _campaigns(ids: set[int]) -> dict[int, Campaign]:
    return {each.id: each for each in db.session.scalars(select(Campaign).where(Campaign.id.in_(ids)))}


def _planned(chain: Chain, start: datetime, end: datetime) -> Iterator[Entry]:
    """What is to come of those that have a time."""
    if start >= end:
        return
    zones = zones_of(chain)
    found = db.session.scalars(
        select(Campaign)
        .where(
            Campaign.chain_id == chain.id,
            Campaign.state.in_(PLANNED),
            Campaign.next_run_at < end,
            KIND != "event",
        )
        .order_by(Campaign.next_run_at)
        .limit(MOST_CAMPAIGNS)
    )
    for campaign in found:
        assert campaign.next_run_at is not None
        for due in islice(_from(campaign.schedule, chain, zones, campaign.next_run_at), MOST_TIMES):
            if due >= end:
                break
            if due >= start:
                yield Entry(campaign, due)


def _missed(chain: Chain, start: datetime, end: datetime) -> Iterator[Entry]:
    """Those that wait for somebody's word, on the day that was theirs."""
    found = db.session.scalars(
        select(Campaign).where(
            Campaign.chain_id == chain.id,
            Campaign.state == CampaignState.MISSED,
            Campaign.send_at >= start,
            Campaign.send_at < end,
        )
    )
    for campaign in found:
        assert campaign.send_at is not None
        yield Entry(campaign, campaign.send_at)


def _waiting_for_events(chain: Chain) -> list[Campaign]:
    return list(
        db.session.scalars(
            select(Campaign)
            .where(
                Campaign.chain_id == chain.id,
                Campaign.state.in_(PLANNED),
                KIND == "event",
            )
            .order_by(Campaign.id)
            .limit(MOST_CAMPAIGNS)
        )
    )
