"""What a day is: in the store's zone, with the chain's cut-off, over the changes of the clocks."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.clock import business_day, day_start, utc_now

NEW_YORK = "America/New_York"


def local(zone: str, *parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def test_the_clock_is_aware_and_utc():
    assert utc_now().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("moment", "cutoff", "day"),
    [
        ((2026, 5, 31, 23, 59), 0, date(2026, 5, 31)),
        ((2026, 6, 1, 0, 0), 0, date(2026, 6, 1)),
        ((2026, 6, 1, 3, 59), 4, date(2026, 5, 31)),
        ((2026, 6, 1, 4, 0), 4, date(2026, 6, 1)),
        ((2026, 1, 1, 2, 0), 4, date(2025, 12, 31)),
    ],
)
def test_a_moment_before_the_cut_off_belongs_to_the_day_before(moment, cutoff, day):
    assert business_day(local("Asia/Shanghai", *moment), "Asia/Shanghai", cutoff) == day


def test_a_day_is_23_hours_long_when_the_clocks_go_forward():
    assert day_start(date(2026, 3, 9), NEW_YORK) - day_start(date(2026, 3, 8), NEW_YORK) == timedelta(hours=23)


def test_a_day_is_25_hours_long_when_the_clocks_go_back():
    assert day_start(date(2026, 11, 2), NEW_YORK) - day_start(date(2026, 11, 1), NEW_YORK) == timedelta(hours=25)


def test_a_cut_off_in_the_hour_that_is_left_out_begins_the_day_after_it():
    assert day_start(date(2026, 3, 8), NEW_YORK, 2) == local(NEW_YORK, 2026, 3, 8, 3, 0)


def test_an_hour_that_comes_twice_belongs_to_one_day():
    first, second = (local(NEW_YORK, 2026, 11, 1, 1, 30, fold=fold) for fold in (0, 1))

    assert second - first == timedelta(hours=1)
    assert {business_day(moment, NEW_YORK, 1) for moment in (first, second)} == {date(2026, 11, 1)}


@given(
    moment=some.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)),
    zone=some.sampled_from(
        "Asia/Shanghai America/New_York Europe/Dublin Africa/Cairo Asia/Beirut America/Havana Australia/Lord_Howe "
        "Asia/Kathmandu Atlantic/Azores America/Sao_Paulo Pacific/Auckland".split()
    ),
    cutoff=some.integers(0, 12),
)
def test_every_moment_lies_between_the_start_of_its_day_and_the_next(moment, zone, cutoff):
    moment = moment.replace(tzinfo=UTC)
    day = business_day(moment, zone, cutoff)

    assert day_start(day, zone, cutoff) <= moment < day_start(day + timedelta(days=1), zone, cutoff)
