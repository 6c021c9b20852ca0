"""One holds the duty; another takes over when he stops."""

from datetime import timedelta

import pytest

from core.db import transaction
from core.leases import take_lease
from tests.concurrency.racing import race
from tests.factories import NOON

MINUTE = timedelta(minutes=1)


def take(holder: str, now=NOON) -> bool:
    with transaction():
        return take_lease("clock", holder, now=now, until=now + MINUTE)


@pytest.mark.usefixtures("app")
def test_a_lease_that_is_held_is_not_given_away():
    assert [take("one"), take("two")] == [True, False]


@pytest.mark.usefixtures("app")
def test_a_holder_renews_his_lease():
    take("one")

    assert take("one", NOON + MINUTE / 2)
    assert not take("two", NOON + MINUTE)


@pytest.mark.usefixtures("app")
def test_a_lease_that_ran_out_goes_to_the_next():
    take("one")

    assert take("two", NOON + MINUTE)
    assert not take("one", NOON + MINUTE)


def test_of_many_at_once_one_gets_it(app):
    assert race(app, lambda number: take(f"holder-{number}"), racers=12).count(True) == 1


def test_of_many_at_once_one_takes_over(app):
    take("gone")

    got = race(app, lambda number: take(f"holder-{number}", NOON + 2 * MINUTE), racers=12)
    assert got.count(True) == 1
