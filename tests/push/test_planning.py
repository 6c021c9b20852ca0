"""The next times of a schedule, and the calendar of all pushes."""

from datetime import UTC, date, datetime, timedelta

import pytest

from core.audit import SYSTEM
from core.db import db, transaction
from push import campaigns, errors, runs
from push.models import Campaign, Delivery, DeliveryState
from push.timing import entering, planning
from push.timing.policies import Policy
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member, schedule, send_all, start

pytestmark = pytest.mark.usefixtures("app")
FRIDAYS = {"kind": "recurring", "weekdays": ["fri"], "time": "17:30"}  # by Shanghai's clock
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = NOON.date()


@pytest.fixture
def chain():
    return make_chain()


def calendar(chain, first=0, last=13, *, now=NOON):
    return planning.calendar_of(chain, TODAY + first * DAY, TODAY + last * DAY, now=now)


def names(days):
    return {day.day: [entry.campaign.name for entry in day.entries] for day in days if day.entries}


def test_the_next_times_of_a_recurring_campaign(chain):
    found = planning.next_times(campaigns.scheduling.check_schedule(FRIDAYS), chain, now=NOON, limit=3)

    assert [at.astimezone(UTC).strftime("%a %H:%M") for at in found] == ["Fri 09:30"] * 3
    assert found[1] - found[0] == timedelta(days=7)


def test_what_ends_has_fewer_next_times(chain):
    until = (TODAY + 10 * DAY).isoformat()
    checked = campaigns.scheduling.check_schedule(FRIDAYS | {"until": until})

    assert len(planning.next_times(checked, chain, now=NOON)) == 2


@pytest.mark.parametrize(
    ("given", "count"), [({"kind": "now"}, 1), ({"kind": "event", "event": "joined", "days": 0}, 0)]
)
def test_what_goes_once_has_one_time_and_an_event_none(chain, given, count):
    checked = campaigns.scheduling.check_schedule(given)

    assert len(planning.next_times(checked, chain, now=NOON)) == count


def test_a_time_that_never_comes_is_said(chain):
    checked = campaigns.scheduling.check_schedule({"kind": "at", "at": "2020-01-01T10:00"})

    with pytest.raises(errors.ScheduleInvalid):
        planning.next_times(checked, chain, now=NOON)


def test_each_zone_is_reached_by_its_own_clock(chain):
    make_store(chain, timezone="Asia/Tokyo")
    db.session.commit()
    checked = campaigns.scheduling.check_schedule(FRIDAYS | {"zone": "member"})
    (due,) = planning.next_times(checked, chain, now=NOON, limit=1)

    found = planning.reached_at(checked, chain, due)

    assert found["Asia/Shanghai"] - found["Asia/Tokyo"] == HOUR


def test_the_calendar_shows_what_is_to_come(chain):
    schedule(make_campaign(chain, schedule=FRIDAYS), FRIDAYS)
    schedule(make_campaign(chain), {"kind": "at", "at": f"{TODAY + DAY}T10:00"})

    days = calendar(chain).days

    assert sum(len(day.entries) for day in days) == 3
    assert all(not entry.is_past for day in days for entry in day.entries)
    assert [entry.at for day in days for entry in day.entries] == sorted(e.at for d in days for e in d.entries)


def test_the_calendar_shows_what_became_of_what_went(chain):
    code = make_store_code(make_store(chain))
    for _ in range(3):
        make_member(code)
    start(make_campaign(chain))
    send_all()
    runs.finish_batch(now=NOON)

    (entry,) = [entry for day in calendar(chain, now=NOON + HOUR).days for entry in day.entries]

    assert (entry.runs, entry.audience, entry.arrived, entry.waiting) == (1, 3, 3, 0)
    assert entry.is_past


def test_runs_of_an_event_campaign_are_one_entry_a_day(chain):
    code = make_store_code(make_store(chain))
    joined = {"kind": "event", "event": "joined", "days": 0}
    campaign = make_campaign(chain, schedule=joined)
    schedule(campaign, joined, now=NOON - HOUR)
    soon = calendar(chain, now=NOON - HOUR)
    assert (names(soon.days), [each.id for each in soon.waiting_for_events]) == ({}, [campaign.id])
    runs.start_due_batch(now=NOON - 50 * timedelta(minutes=1))

    for n in range(3):
        at = NOON + n * HOUR
        make_member(code, now=at)
        entering.enter_batch(now=at)
        runs.start_entered_batch(now=at)

    found = calendar(chain, now=NOON + 4 * HOUR)

    (entry,) = [entry for day in found.days for entry in day.entries]
    assert (entry.runs, entry.audience) == (3, 3)
    assert [each.id for each in found.waiting_for_events] == [campaign.id]


def test_a_missed_one_stands_on_the_day_that_was_its(chain):
    schedule(make_campaign(chain), {"kind": "now"}, now=NOON - 5 * HOUR)
    runs.start_due_batch(now=NOON)

    assert [entry.campaign.state for day in calendar(chain).days for entry in day.entries] == ["missed"]


def test_the_days_say_where_the_caps_are_exceeded(chain):
    for hour in (10, 12):
        schedule(make_campaign(chain, "email"), {"kind": "at", "at": f"{TODAY + DAY}T{hour}:00"})
    schedule(make_campaign(chain, "inbox"), {"kind": "at", "at": f"{TODAY + DAY}T15:00"})
    service = make_campaign(chain, "email", purpose="service")
    schedule(service, {"kind": "at", "at": f"{TODAY + DAY}T16:00"})

    days = {day.day: day for day in calendar(chain).days}
    tomorrow, later = days[TODAY + DAY], days[TODAY + 5 * DAY]

    assert (tomorrow.promotions, tomorrow.in_week, later.in_week) == (2, 2, 2)
    assert tomorrow.exceeds(Policy(cap_per_day=1))
    assert not tomorrow.exceeds(Policy(cap_per_day=2, cap_per_week=3))
    assert not later.exceeds(Policy(cap_per_day=1))
    assert days[TODAY + 8 * DAY].in_week == 0


def test_the_week_looks_back_beyond_the_first_day(chain):
    make_member(make_store_code(make_store(chain)), email="a@example.com")
    start(make_campaign(chain, "email"), now=NOON - 2 * DAY)

    assert calendar(chain).days[0].in_week == 1


def test_those_who_had_had_enough_are_counted(chain):
    code = make_store_code(make_store(chain))
    for n in range(2):
        make_member(code, email=f"m{n}@example.com")
    for _ in range(2):
        start(make_campaign(chain, "email"))
        send_all()
    second = db.session.scalars(db.select(Campaign).order_by(Campaign.id.desc())).first()

    assert planning.count_capped(chain.id, second.id, NOON - HOUR, NOON + HOUR) == 2


def test_another_chains_pushes_are_not_in_it(chain):
    other = make_chain("other")
    schedule(make_campaign(other, schedule=FRIDAYS), FRIDAYS)
    start(make_campaign(other))

    assert names(calendar(chain).days) == {}
    assert calendar(chain).waiting_for_events == []


def test_the_days_are_those_of_the_chains_clock(chain):
    late = datetime(TODAY.year, TODAY.month, TODAY.day, 15, 30, tzinfo=UTC)  # half past eleven at night in Shanghai
    schedule(make_campaign(chain), {"kind": "at", "at": late.isoformat()})
    early = late + HOUR  # the next day there
    schedule(make_campaign(chain), {"kind": "at", "at": early.isoformat()})

    assert list(names(calendar(chain).days)) == [TODAY, TODAY + DAY]


def test_a_missed_campaign_that_recurs_is_sent_now_and_keeps_its_times(chain):
    campaign = make_campaign(chain, schedule=FRIDAYS)
    due = schedule(campaign, FRIDAYS).next_run_at
    runs.start_due_batch(now=due + 5 * HOUR)

    with transaction():
        sent = campaigns.send_missed(chain.id, campaign.id, by=SYSTEM, now=due + 6 * HOUR)
    assert sent.next_run_at == due + 6 * HOUR + timedelta(minutes=10)
    runs.start_due_batch(now=sent.next_run_at)

    assert len(runs.list_runs(chain.id, campaign.id)) == 1
    assert campaigns.get_campaign(chain.id, campaign.id).next_run_at == due + timedelta(days=7)


def test_a_missed_campaign_whose_last_day_is_over_is_not_sent(chain):
    given = FRIDAYS | {"until": (TODAY + 5 * DAY).isoformat()}
    campaign = make_campaign(chain, schedule=given)
    due = schedule(campaign, given).next_run_at
    runs.start_due_batch(now=due + 5 * HOUR)

    with pytest.raises(errors.ScheduleInvalid), transaction():
        campaigns.send_missed(chain.id, campaign.id, by=SYSTEM, now=due + 7 * DAY)


def test_only_what_was_missed_is_sent_after_all(chain):
    campaign = make_campaign(chain)

    with pytest.raises(errors.CampaignStateConflict), transaction():
        campaigns.send_missed(chain.id, campaign.id, by=SYSTEM, now=NOON)


def test_a_month_of_campaigns_takes_few_queries(chain, count_queries):
    code = make_store_code(make_store(chain))
    make_member(code)
    for n in range(6):
        start(make_campaign(chain), now=NOON + n * HOUR)
        schedule(make_campaign(chain, schedule=FRIDAYS), FRIDAYS)
    count_queries.clear()

    calendar(chain, -20, 20, now=NOON + 7 * HOUR)

    assert len(count_queries) <= 8
    assert db.session.scalar(db.select(db.func.count(Delivery.id)).filter_by(state=DeliveryState.PENDING)) == 6
    assert isinstance(calendar(chain).days[0].day, date)
