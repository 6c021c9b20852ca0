"""A coupon under sixteen tills, a checkout under sixteen undos, and the proof that the races are real."""

from threading import Barrier

import pytest
from sqlalchemy import func, select

from cards.models import Card, PointEntry
from checkout.models import Checkout, Redemption
from checkout.voiding import void
from core.audit import AuditEntry, Author
from core.db import db, transaction
from core.events import Event
from coupons.models import Coupon
from stores.models import Role
from tests.checkout.shop import Shop, book
from tests.concurrency.racing import race
from tests.factories import NOON, make_coupon, make_offer

TILLS = 16


@pytest.fixture
def shop(app):
    return Shop()


@pytest.fixture
def coupon(shop):
    return make_coupon(shop.card, make_offer(shop.chain))


def at_once(app, attempt):
    results = race(app, attempt, racers=TILLS)
    db.session.rollback()  # look at what is there now
    return results


def count(column, **where):
    return db.session.scalar(select(func.count(column)).filter_by(**where))


def test_one_coupon_is_redeemed_at_one_till(app, shop, coupon):
    sales = [shop.sale(coupon_ids=(coupon.id,)) for _ in range(TILLS)]

    def attempt(till):
        book(sales[till])
        return "settled"

    results = at_once(app, attempt)

    assert sorted(results) == ["coupon_already_redeemed"] * (TILLS - 1) + ["settled"]
    assert (count(Checkout.id), count(Redemption.id), count(PointEntry.id)) == (1, 1, 1)
    assert db.session.scalar(select(Card.points)) == 50


def test_one_request_sent_sixteen_times_is_one_checkout(app, shop, coupon):
    sale = shop.sale(coupon_ids=(coupon.id,))

    results = at_once(app, lambda _till: book(sale))

    assert {settled.id for settled in results} == {db.session.scalar(select(Checkout.id))}
    assert [settled.is_repeat for settled in results].count(False) == 1
    assert (count(Redemption.id), count(Event.id, kind="checkout.settled")) == (1, 1)


def test_one_request_without_a_coupon_is_one_checkout_too(app, shop):
    sale = shop.sale()

    results = at_once(app, lambda _till: book(sale))

    assert len({settled.id for settled in results}) == 1
    assert db.session.scalar(select(Card.points)) == 55


def test_points_of_parallel_purchases_add_up(app, shop):
    sales = [shop.sale() for _ in range(TILLS)]

    at_once(app, lambda till: book(sales[till]).id)

    balances = db.session.scalars(select(PointEntry.balance).order_by(PointEntry.balance)).all()
    assert balances == [55 * (n + 1) for n in range(TILLS)]
    assert db.session.scalar(select(Card.points)) == 55 * TILLS


def test_one_checkout_is_undone_once(app, shop, coupon):
    settled = shop.settle(coupon_ids=(coupon.id,))
    shop.settle(2000)

    def attempt(till):
        with transaction():
            void(shop.chain.id, settled.id, role=Role.CLERK, store_ids=None, by=Author(f"staff:{till}"), now=NOON)
        return "voided"

    results = at_once(app, attempt)

    assert sorted(results) == ["checkout_already_voided"] * (TILLS - 1) + ["voided"]
    assert db.session.scalar(select(Card.points)) == db.session.scalar(select(func.sum(PointEntry.delta))) == 19
    assert (count(AuditEntry.id, action="checkout voided"), count(Event.id, kind="checkout.voided")) == (1, 1)
    assert db.session.scalar(select(Coupon.state)) == "claimed"


def test_undos_and_purchases_of_one_card_at_once_stay_balanced(app, shop):
    settled = [shop.settle() for _ in range(TILLS // 2)]
    sales = [shop.sale() for _ in range(TILLS // 2)]

    def attempt(number):
        if number % 2:
            return book(sales[number // 2]).id
        with transaction():
            return void(
                shop.chain.id, settled[number // 2].id, role=Role.CLERK, store_ids=None, by=Author("staff:1"), now=NOON
            ).points_taken

    at_once(app, attempt)

    assert db.session.scalar(select(Card.points)) == db.session.scalar(select(func.sum(PointEntry.delta)))
    assert db.session.scalar(select(Card.points)) == 55 * (TILLS // 2)


def test_control_the_race_is_real(app, shop, coupon):
    """Look-then-write redeems more than once. If this fails, the tests above prove nothing."""
    looked = Barrier(TILLS)

    def look_then_write(_till):
        free = db.session.scalar(select(Coupon.state).filter_by(id=coupon.id)) == "claimed"
        db.session.rollback()
        looked.wait()
        if free:
            with transaction():
                held = db.session.get(Coupon, coupon.id)
                held.state, held.redeemed_at = "redeemed", NOON
        return "redeemed" if free else "refused"

    assert at_once(app, look_then_write).count("redeemed") > 1
