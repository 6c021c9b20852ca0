"""Parallel openings of one store code by one visitor are one scan, and the proof that the race is real."""

from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from core.db import db, transaction
from core.hot import one_action
from stores import scanning
from stores.models import Scan
from tests.concurrency.racing import race
from tests.factories import NOON, in_days, make_chain, make_store, make_store_code

OPENINGS = 16


@pytest.fixture
def code(app):
    return make_store_code(make_store(make_chain()))


def scan(code, visitor="a phone", now=NOON):
    with one_action() as hot:
        return scanning.count_scan(hot, code.token, visitor=visitor, now=now)


def scans():
    return db.session.scalar(select(func.count(Scan.id)))


def test_parallel_scans_by_one_visitor_count_once(app, code):
    assert race(app, lambda _: scan(code), racers=OPENINGS).count(True) == 1
    assert scans() == 1


def test_parallel_scans_after_half_an_hour_count_once_more(app, code):
    scan(code)

    assert race(app, lambda _: scan(code, now=in_days(1)), racers=OPENINGS).count(True) == 1
    assert scans() == 2


def test_parallel_scans_with_clocks_apart_count_once(app, code):
    results = race(app, lambda number: scan(code, now=NOON + timedelta(seconds=number)), racers=OPENINGS)

    assert results.count(True) == 1
    assert scans() == 1


def test_parallel_scans_by_many_visitors_all_count(app, code):
    assert race(app, lambda number: scan(code, f"phone {number}"), racers=OPENINGS) == [True] * OPENINGS
    assert scans() == OPENINGS


def test_control_the_race_is_real(app, code):
    """Look-then-write counts one visitor many times. If this fails, the tests above prove nothing."""
    looked = Barrier(OPENINGS)

    def look_then_write(_):
        known = db.session.scalar(select(func.count(Scan.id)).filter_by(visitor="a phone"))
        db.session.rollback()
        looked.wait()
        if known:
            return False
        place = {"chain_id": code.chain_id, "store_id": code.store_id, "store_code_id": code.id}
        with transaction():
            db.session.add(Scan(**place, visitor="a phone", at=NOON))
        return True

    assert race(app, look_then_write, racers=OPENINGS).count(True) > 1
