"""The alarm of an offer that is nearly gone."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.audit import SYSTEM
from core.db import db, transaction
from core.events import Event
from coupons import offers
from coupons.models import OfferBudget, OfferSlot
from coupons.stock_alarm import alarm_batch, alarms
from tests.factories import NOON, make_chain, make_offer

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def chain():
    return make_chain()


def take(offer, count):
    """Count so many as claimed."""
    with transaction():
        for slot in db.session.scalars(select(OfferSlot).filter_by(offer_id=offer.id)):
            taken = min(count, slot.stock - slot.claimed)
            slot.claimed += taken
            count -= taken


def commit(offer, cents):
    with transaction():
        db.session.get_one(OfferBudget, offer.id).committed_cents = cents


def told():
    kinds = ("offer.stock_low", "offer.sold_out")
    return [
        (e.kind, e.payload["offer_id"]) for e in db.session.scalars(select(Event).order_by(Event.id)) if e.kind in kinds
    ]


def levels(chain):
    return [(alarm.offer.id, alarm.level, alarm.left, alarm.left_cents) for alarm in alarms(chain.id, now=NOON)]


def test_a_fifth_left_is_told_once_and_nothing_left_once_more(chain):
    offer = make_offer(chain, stock=100)
    take(offer, 79)
    assert (alarm_batch(chain.id, now=NOON), levels(chain)) == (0, [])

    take(offer, 1)
    assert levels(chain) == [(offer.id, 20, 20, None)]
    assert [alarm_batch(chain.id, now=NOON) for _ in range(3)] == [1, 0, 0]

    take(offer, 20)
    assert [alarm_batch(chain.id, now=NOON) for _ in range(3)] == [1, 0, 0]
    assert levels(chain) == [(offer.id, 0, 0, None)]
    assert told() == [("offer.stock_low", offer.id), ("offer.sold_out", offer.id)]


def test_what_goes_at_once_is_told_as_gone(chain):
    offer = make_offer(chain, stock=1)
    take(offer, 1)
    alarm_batch(chain.id, now=NOON)

    assert told() == [("offer.sold_out", offer.id)]


def test_more_stock_ends_the_alarm_and_it_can_be_told_again(chain):
    offer = make_offer(chain, stock=10)
    take(offer, 10)
    alarm_batch(chain.id, now=NOON)
    with transaction():
        offers.change_stock(chain.id, offer.id, stock=100, seen_stock=10, by=SYSTEM, now=NOON)

    assert (alarm_batch(chain.id, now=NOON), levels(chain)) == (0, [])
    take(offer, 90)
    assert alarm_batch(chain.id, now=NOON) == 1


def test_a_budget_is_gone_when_it_does_not_cover_one_more_coupon(chain):
    offer = make_offer(chain, budget_cents=10_000)  # each takes 500
    commit(offer, 7_999)
    assert levels(chain) == []
    commit(offer, 8_000)
    assert levels(chain) == [(offer.id, 20, None, 2_000)]
    commit(offer, 9_501)
    assert levels(chain) == [(offer.id, 0, None, 499)]


def test_only_running_offers_alarm_and_the_emptiest_stand_first(chain):
    low, gone, paused = (make_offer(chain, stock=10) for _ in range(3))
    make_offer(chain)
    make_offer(make_chain("other"), stock=1)
    take(low, 8)
    take(gone, 10)
    take(paused, 10)
    with transaction():
        offers.pause(chain.id, paused.id, by=SYSTEM, now=NOON)

    assert [alarm.offer.id for alarm in alarms(chain.id, now=NOON)] == [gone.id, low.id]


def test_an_offer_whose_last_day_has_passed_alarms_nobody(chain):
    over = NOON + timedelta(days=2)
    offer = make_offer(chain, stock=1, valid_days=None, valid_from=NOON, valid_until=over)
    take(offer, 1)

    assert (alarms(chain.id, now=over), alarm_batch(chain.id, now=over)) == ([], 0)
    assert [alarm.offer.id for alarm in alarms(chain.id, now=over - timedelta(seconds=1))] == [offer.id]


@pytest.mark.parametrize(
    ("claimed", "committed", "is_of_budget"), [(8, 2_000, False), (8, 10_000, True), (0, 9_000, True)]
)
def test_an_alarm_says_what_runs_out_first(chain, claimed, committed, is_of_budget):
    offer = make_offer(chain, stock=10, budget_cents=10_000)
    take(offer, claimed)
    commit(offer, committed)

    assert [alarm.is_of_budget for alarm in alarms(chain.id, now=NOON)] == [is_of_budget]
