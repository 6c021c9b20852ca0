"""Parallel openings of one link by one visitor are one visit, and the proof that the race is real."""

from threading import Barrier

import pytest
from sqlalchemy import func, select, update

from core.db import db, transaction
from core.hot import one_action, this_transaction
from core.tokens import hashed
from sharing import linking, visiting
from sharing.models import ShareLink, ShareVisit, ShareVisitor
from tests.concurrency.racing import race
from tests.factories import NOON, in_days, make_card, make_chain, make_store, make_store_code, make_wallet

OPENINGS = 16


@pytest.fixture
def link(app):
    card = make_card(make_store_code(make_store(make_chain())))
    with transaction():
        return linking.create_link(this_transaction(), card.chain_id, card.id, "group", now=NOON)


def visits(link):
    rows = db.session.scalar(select(func.count(ShareVisit.id)))
    return rows, db.session.scalar(select(ShareLink.visits).filter_by(id=link.id))


def opening(link, visitor="a friend", now=NOON):
    with one_action() as hot:
        return visiting.count_visit(hot, link.token, visitor=visitor, now=now)


def test_parallel_openings_by_one_visitor_count_once(app, link):
    results = race(app, lambda _: opening(link), racers=OPENINGS)

    assert results.count(True) == 1
    assert visits(link) == (1, 1)


def test_parallel_openings_after_half_an_hour_count_once_more(app, link):
    opening(link)

    results = race(app, lambda _: opening(link, now=in_days(1)), racers=OPENINGS)

    assert results.count(True) == 1
    assert visits(link) == (2, 2)


def test_parallel_openings_by_many_visitors_all_count(app, link):
    results = race(app, lambda number: opening(link, visitor=f"friend {number}"), racers=OPENINGS)

    assert results.count(True) == OPENINGS
    assert visits(link) == (OPENINGS, OPENINGS)


def test_parallel_openings_over_http_count_once(app, link):
    make_wallet("a friend's secret")

    def ask(_):
        return (
            app.test_client()
            .post(
                f"/api/v1/share-links/{link.token}/visits",
                headers={"Authorization": "Bearer a friend's secret", "User-Agent": "Mozilla/5.0"},
            )
            .status_code
        )

    assert race(app, ask, racers=OPENINGS) == [204] * OPENINGS
    assert visits(link) == (1, 1)
    assert db.session.scalar(select(ShareVisitor.visitor)) == hashed("a friend's secret")


def test_control_the_race_is_real(app, link):
    """Look-then-write counts one visitor many times. If this fails, the tests above prove nothing."""
    looked = Barrier(OPENINGS)

    def look_then_write(_):
        known = db.session.scalar(select(func.count(ShareVisit.id)).filter_by(visitor="a friend"))
        db.session.rollback()
        looked.wait()
        if known:
            return False
        with transaction():
            db.session.add(ShareVisit(chain_id=link.chain_id, share_link_id=link.id, visitor="a friend", at=NOON))
            db.session.execute(update(ShareLink).values(visits=ShareLink.visits + 1))
        return True

    assert race(app, look_then_write, racers=OPENINGS).count(True) > 1
