"""When a campaign goes out. No database: time alone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.errors import ScheduleInvalid
from push.scheduling import UNDO, WEEKDAYS, check_schedule, first_due, next_occurrence, stale_after
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


def test_a_recurring_campaign_without_a_day_left_is_refused():
    with pytest.raises(ScheduleInvalid):
        first_due(weekly("wed", at="12:00", until="2026-05-26"), "Asia/Shanghai", now=NOON)


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
