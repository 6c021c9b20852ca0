"""When a campaign goes out. No database: time alone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from push.errors import ScheduleInvalid
from push.timing.scheduling import (
    UNDO,
    WEEKDAYS,
    check_schedule,
    end_of,
    first_due,
    instants,
    next_occurrence,
    places,
    stale_after,
)
from tests.factories import NOON

NEW_YORK = "America/New_York"  # 2026: clocks go forward on 8 March, back on 1 November, at 02:00


def weekly(*weekdays, at, **more):
    return check_schedule({"kind": "recurring", "weekdays": list(weekdays), "time": at, **more})


def local(text, zone):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def occurrences(schedule, zone, *, after, count):
    found = []
    while len(found) < count and (after := next_occurrence(schedule, zone, after=after)):
        found.append(after)
    return found


def test_now_waits_ten_minutes():
    assert first_due(check_schedule({"kind": "now"}), "Asia/Shanghai", now=NOON) == NOON + UNDO


def test_a_time_is_meant_by_the_chains_clock():
    schedule = check_schedule({"kind": "at", "at": "2026-05-21T18:00"})

    assert first_due(schedule, "Asia/Shanghai", now=NOON) == datetime(2026, 5, 21, 10, tzinfo=UTC)


def test_a_time_with_its_offset_is_meant_as_written():
    schedule = check_schedule({"kind": "at", "at": "2026-05-21T18:00:00Z"})

    assert first_due(schedule, "Asia/Shanghai", now=NOON) == datetime(2026, 5, 21, 18, tzinfo=UTC)


def test_a_time_that_has_passed_is_refused():
    with pytest.raises(ScheduleInvalid):
        first_due(check_schedule({"kind": "at", "at": "2026-05-20T11:59"}), "Asia/Shanghai", now=NOON)


def test_named_weekdays_are_those_days_and_no_others():
    mondays = occurrences(weekly("mon", at="09:00"), "Asia/Shanghai", after=NOON, count=3)

    assert [(day.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%a %H:%M")) for day in mondays] == ["Mon 09:00"] * 3


def test_today_counts_while_its_hour_has_not_passed():
    schedule = weekly("wed", at="12:00")

    assert next_occurrence(schedule, "Asia/Shanghai", after=NOON - timedelta(seconds=1)) == NOON
    assert next_occurrence(schedule, "Asia/Shanghai", after=NOON) == NOON + timedelta(days=7)


def test_the_local_hour_stays_when_the_clocks_change():
    every_day = weekly(*WEEKDAYS, at="18:00")

    before_spring = local("2026-03-06T19:00", NEW_YORK)
    spring = occurrences(every_day, NEW_YORK, after=before_spring, count=3)

    assert [moment.hour for moment in spring] == [23, 22, 22]  # in UTC
    assert {moment.astimezone(ZoneInfo(NEW_YORK)).hour for moment in spring} == {18}


def test_an_hour_that_is_skipped_is_the_hour_the_clocks_jump_to():
    every_day = weekly(*WEEKDAYS, at="02:30")

    days = occurrences(every_day, NEW_YORK, after=local("2026-03-07T12:00", NEW_YORK), count=2)

    assert [moment.astimezone(ZoneInfo(NEW_YORK)).strftime("%d %H:%M") for moment in days] == ["08 03:30", "09 02:30"]


def test_an_hour_that_comes_twice_is_taken_once():
    every_day = weekly(*WEEKDAYS, at="01:30")

    days = occurrences(every_day, NEW_YORK, after=local("2026-10-31T12:00", NEW_YORK), count=2)

    assert days == [datetime(2026, 11, 1, 5, 30, tzinfo=UTC), datetime(2026, 11, 2, 6, 30, tzinfo=UTC)]


def test_nothing_comes_after_the_last_day():
    schedule = weekly("wed", at="12:00", until="2026-05-27")

    assert occurrences(schedule, "Asia/Shanghai", after=NOON, count=9) == [NOON + timedelta(days=7)]


@pytest.mark.parametrize(("chain", "store"), [("Asia/Shanghai", NEW_YORK), (NEW_YORK, "Asia/Shanghai")])
@pytest.mark.parametrize("kind", ["weekly", "cron"])
def test_by_the_members_clocks_the_last_day_is_that_of_each(kind, chain, store):
    until = {"until": "2026-05-22", "zone": "member"}
    schedule = weekly(*WEEKDAYS, at="08:00", **until) if kind == "weekly" else cron("0 8 * * *", **until)
    due, days = datetime(2026, 5, 21, 16, tzinfo=UTC), []
    while due := next_occurrence(schedule, chain, after=due, zones=[store]):
        days.append(instants(schedule, due, places(schedule, chain, [store])))

    assert days == [{zone: local("2026-05-22T08:00", zone) for zone in (chain, store)}]
    assert end_of(schedule, chain, [store]) == local("2026-05-23T00:00", NEW_YORK)


def test_a_recurring_campaign_without_a_day_left_is_refused():
    with pytest.raises(ScheduleInvalid):
        first_due(weekly("wed", at="12:00", until="2026-05-26"), "Asia/Shanghai", now=NOON)


def test_an_event_whose_last_day_is_over_cannot_begin():
    schedule = check_schedule({"kind": "event", "event": "joined", "until": "2026-05-19"})

    with pytest.raises(ScheduleInvalid):
        first_due(schedule, "Asia/Shanghai", now=NOON)


def test_a_message_stays_fresh_as_long_as_said():
    assert stale_after(check_schedule({"kind": "now", "fresh_hours": 3}), NOON) == NOON + timedelta(hours=3)
    assert stale_after(check_schedule({"kind": "now"}), NOON) == NOON + timedelta(hours=24)


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        {},
        {"kind": "sometimes"},
        {"kind": "now", "at": "2026-05-21T18:00"},
        {"kind": "at"},
        {"kind": "at", "at": "tomorrow"},
        {"kind": "recurring", "weekdays": [], "time": "18:00"},
        {"kind": "recurring", "weekdays": [1], "time": "18:00"},
        {"kind": "recurring", "weekdays": ["mon"], "time": "25:00"},
        {"kind": "recurring", "weekdays": ["mon"], "time": "18:00", "until": "soon"},
        {"kind": "recurring", "weekdays": ["mon"], "time": "18:00", "until": "9999-12-31"},
        {"kind": "event", "event": "joined", "until": "0001-01-01"},
        {"kind": "now", "fresh_hours": 0},
        {"kind": "now", "fresh_hours": True},
    ],
)
def test_what_is_no_schedule_is_refused(schedule):
    with pytest.raises(ScheduleInvalid):
        check_schedule(schedule)


ZONES = ["Asia/Shanghai", NEW_YORK, "Europe/London", "Australia/Lord_Howe", "America/Santiago", "UTC"]


@given(
    zone=st.sampled_from(ZONES),
    weekdays=st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    minute=st.integers(0, 1439),
    start=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),
)
def test_recurring_comes_once_each_named_day_and_never_otherwise(zone, weekdays, minute, start):
    after = start.replace(tzinfo=UTC)
    schedule = weekly(*sorted(weekdays), at=f"{minute // 60:02d}:{minute % 60:02d}")

    found = occurrences(schedule, zone, after=after, count=20)

    local_days = [moment.astimezone(ZoneInfo(zone)).date() for moment in found]
    first = local_days[0]
    wanted = [first + timedelta(days=n) for n in range((local_days[-1] - first).days + 1)]
    assert local_days == [day for day in wanted if WEEKDAYS[day.weekday()] in weekdays]
    assert found[0] - after <= timedelta(days=8)


def monthly(*days, at="10:00", **more):
    return check_schedule({"kind": "recurring", "monthdays": list(days), "time": at, **more})


def cron(line, **more):
    return check_schedule({"kind": "cron", "cron": line, **more})


def by_the_clock(schedule, zone, *, after, count, form="%m-%d %H:%M"):
    return [
        each.astimezone(ZoneInfo(zone)).strftime(form) for each in occurrences(schedule, zone, after=after, count=count)
    ]


def test_a_day_that_a_month_lacks_is_its_last_day():
    after = datetime(2026, 1, 1, tzinfo=UTC)

    found = by_the_clock(monthly(1, 31), "Asia/Shanghai", after=after, count=5)
    assert found == ["01-01 10:00", "01-31 10:00", "02-01 10:00", "02-28 10:00", "03-01 10:00"]


def test_a_cron_line_goes_by_the_chains_clock_and_its_named_days():
    found = by_the_clock(cron("30 18 * * MON,fri"), "Asia/Shanghai", after=NOON, count=4, form="%a %H:%M")

    assert found == ["Fri 18:30", "Mon 18:30", "Fri 18:30", "Mon 18:30"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("0 18 * * 1", id="a weekday as a number"),
        pytest.param("* 18 * * *", id="every minute"),
        pytest.param("*/5 * * * *", id="every five minutes"),
        pytest.param("٣ 18 * * *", id="a minute in other digits"),
        pytest.param("0 18 * *", id="four fields"),
        pytest.param("0 18 1 * mon", id="a day of the month and of the week, of which one is enough elsewhere"),
        pytest.param("0 18 31 2 *", id="a day that never comes"),
        pytest.param("0 25 * * *", id="an hour that is none"),
        pytest.param("0 18 * * xyz", id="a day that is none"),
        pytest.param("x" * 200, id="a word"),
        pytest.param(None, id="nothing"),
    ],
)
def test_a_cron_line_that_could_be_misread_is_refused(line):
    with pytest.raises(ScheduleInvalid):
        cron(line)


@pytest.mark.parametrize("kind", ["weekly", "cron"])
def test_every_day_has_one_occurrence_over_a_change_of_the_clocks(kind):
    schedule = weekly(*WEEKDAYS, at="02:30") if kind == "weekly" else cron("30 2 * * *")

    spring = occurrences(schedule, NEW_YORK, after=local("2026-03-07T12:00", NEW_YORK), count=3)
    autumn = occurrences(schedule, NEW_YORK, after=local("2026-10-31T12:00", NEW_YORK), count=2)
    assert [each.isoformat() for each in spring] == [
        "2026-03-08T07:30:00+00:00", "2026-03-09T06:30:00+00:00", "2026-03-10T06:30:00+00:00",
    ]  # fmt: skip
    assert [each.isoformat() for each in autumn] == ["2026-11-01T07:30:00+00:00", "2026-11-02T07:30:00+00:00"]


def test_by_the_members_clocks_a_run_begins_in_the_east_and_reaches_every_zone_at_the_same_hour():
    schedule = weekly("sat", at="18:00", zone="member")
    zones = ["Asia/Shanghai", "Pacific/Auckland", NEW_YORK]

    due = first_due(schedule, "Asia/Shanghai", now=NOON, zones=zones)
    times = instants(schedule, due, places(schedule, "Asia/Shanghai", zones))

    assert due == local("2026-05-23T18:00", "Pacific/Auckland")
    assert times == {zone: local("2026-05-23T18:00", zone) for zone in zones}


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "recurring", "weekdays": ["sun"], "time": "02:30", "zone": "member"},
        {"kind": "cron", "cron": "30 2 * * sun", "zone": "member"},
        {"kind": "at", "at": "2026-09-27T02:30", "zone": "member"},
    ],
    ids=lambda schedule: schedule["kind"],
)
def test_an_hour_that_the_first_clock_skips_comes_to_the_other_zones_as_it_was_written(schedule):
    schedule, zones = check_schedule(schedule), ["Asia/Shanghai", "Pacific/Auckland"]
    due = first_due(schedule, zones[0], now=datetime(2026, 9, 26, 4, tzinfo=UTC), zones=zones)

    times = instants(schedule, due, zones)

    assert due == datetime(2026, 9, 26, 14, 30, tzinfo=UTC)  # 03:30 in Auckland, where there is no 02:30 that day
    assert times == {"Pacific/Auckland": due, "Asia/Shanghai": datetime(2026, 9, 26, 18, 30, tzinfo=UTC)}


def test_by_the_members_clocks_a_time_counts_while_it_lies_ahead_everywhere():
    schedule = check_schedule({"kind": "at", "at": "2026-05-20T20:00", "zone": "member"})

    assert first_due(schedule, "Asia/Shanghai", now=NOON) == local("2026-05-20T20:00", "Asia/Shanghai")
    with pytest.raises(ScheduleInvalid):  # it is 2026-05-21 already in Auckland's afternoon of that hour
        first_due(
            schedule, "Asia/Shanghai", now=local("2026-05-20T20:30", "Pacific/Auckland"), zones=["Pacific/Auckland"]
        )
    with pytest.raises(ScheduleInvalid):
        check_schedule({"kind": "at", "at": "2026-05-20T20:00Z", "zone": "member"})


@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "event", "event": "moon"},
        {"kind": "event", "event": "lapsed", "days": 0},
        {"kind": "event", "event": "birthday", "days": 61},
        {"kind": "event", "event": "joined", "days": True},
        {"kind": "recurring", "weekdays": ["mon"], "monthdays": [1], "time": "10:00"},
        {"kind": "recurring", "monthdays": [0], "time": "10:00"},
        {"kind": "recurring", "monthdays": [], "time": "10:00"},
        {"kind": "recurring", "weekdays": ["mon"], "time": "10:00", "zone": "moon"},
    ],
)
def test_schedules_of_another_shape_are_refused(schedule):
    with pytest.raises(ScheduleInvalid):
        check_schedule(schedule)


@settings(deadline=None, max_examples=60)
@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
    st.sampled_from([weekly("mon", "thu", at="02:30"), monthly(15, 31), cron("0 */6 * * *"), cron("15 2 1 * *")]),
    st.sampled_from([NEW_YORK, "Asia/Shanghai", "Australia/Lord_Howe"]),
)
def test_the_next_occurrence_is_the_first_of_all_that_come_after(moment, schedule, zone):
    after = moment.replace(tzinfo=UTC)
    following = next_occurrence(schedule, zone, after=after)
    from_before = occurrences(schedule, zone, after=after - timedelta(days=40), count=170)

    assert following is not None
    assert following == next(each for each in from_before if each > after)
