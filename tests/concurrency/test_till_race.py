"""Many tills at once: sets of coupons, points, refunds, reservations. And the proof that the races are real."""

from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from cards.models import Card, PointEntry, Program
from checkout import reserving, settling
from checkout.models import Checkout, Redemption, Refund
from checkout.refunding import refund
from checkout.voiding import void
from core.audit import Author
from core.db import db, transaction
from core.hot import one_action
from coupons.models import Coupon
from stores.models import Role
from tests.checkout.shop import Shop, book
from tests.concurrency.racing import race
from tests.factories import NOON, make_coupon, make_offer

TILLS = 16
MANY = 64
SOON = NOON + timedelta(minutes=5)
UNTIL = NOON + timedelta(minutes=10)
TILL = Author("key:1")


@pytest.fixture
def shop(app):
    shop = Shop()
    with transaction():
        db.session.execute(update(Program).values(spend_points=100, spend_cents=100))
        db.session.execute(update(Card).values(points=1000))
    return shop


@pytest.fixture
def held(shop):
    return [make_coupon(shop.card, make_offer(shop.chain, stacking="stackable")).id for _ in range(3)]


def at_once(app, attempt, racers=TILLS):
    results = race(app, attempt, racers=racers)
    db.session.rollback()  # look at what is there now
    return results


def count(column, *where):
    return db.session.scalar(select(func.count(column)).where(*where))


def balance():
    """The card's points, which are always what it began with and the sum of its lines."""
    points = db.session.scalar(select(Card.points))
    assert points == 1000 + (db.session.scalar(select(func.sum(PointEntry.delta))) or 0)
    return points


@pytest.mark.parametrize("tills", [TILLS, MANY])
def test_one_set_of_coupons_is_used_at_one_till(app, shop, held, tills):
    sales = [shop.sale(coupon_ids=tuple(held)) for _ in range(tills)]

    results = at_once(app, lambda till: book(sales[till]).state, tills)

    assert results.count("settled") == 1
    assert set(results) <= {"settled", "coupon_already_redeemed"}
    assert (count(Checkout.id), count(Redemption.id)) == (1, 3)


def test_of_two_sets_that_overlap_one_wins_and_the_loser_takes_nothing(app, shop, held):
    first, shared, last = held
    for _ in range(8):
        sales = [shop.sale(coupon_ids=(first, shared)), shop.sale(coupon_ids=(shared, last))]

        results = at_once(app, lambda till, sales=sales: book(sales[till]), 2)

        won = [result for result in results if isinstance(result, settling.Settled)]
        assert len(won) == 1
        assert set(results) - set(won) == {"coupon_already_redeemed"}
        used = set(db.session.scalars(select(Coupon.id).where(Coupon.state == "redeemed")))
        assert used == set(won[0].coupon_ids)
        with transaction():
            void(shop.chain.id, won[0].id, role=Role.STORE_MANAGER, store_ids=None, by=TILL, now=SOON)


def test_a_ring_of_overlapping_sets_ends_without_a_deadlock(app, shop, held):
    sets = [(held[n % 3], held[(n + 1) % 3]) for n in range(TILLS)]
    sales = [shop.sale(coupon_ids=pair) for pair in sets]

    results = at_once(app, lambda till: book(sales[till]).state)

    assert results.count("settled") == 1
    assert count(Redemption.id) == 2


def test_points_are_never_spent_twice(app, shop):
    sales = [shop.sale(5800, use_points=300) for _ in range(MANY)]

    results = at_once(app, lambda till: book(sales[till]).points_used, MANY)

    spent = sum(result for result in results if isinstance(result, int))
    earned = 52 * results.count(300)
    assert results.count(300) >= 3
    assert balance() == 1000 - spent + earned
    assert db.session.scalar(select(func.min(PointEntry.balance))) >= 0
    assert {result for result in results if result != 300} <= {"points_not_enough", "quote_changed"}


def hand_back(shop, checkout_id, amount_cents, number):
    with transaction():
        return refund(
            shop.chain.id,
            checkout_id,
            amount_cents,
            request_id=f"key:1:refund-{number}",
            fingerprint="f" * 64,
            role=Role.STORE_MANAGER,
            store_ids=None,
            by=TILL,
            now=SOON,
        )


def test_refunds_never_come_to_more_than_was_paid(app, shop):
    settled = shop.settle(5800)  # 55.10

    results = at_once(app, lambda till: hand_back(shop, settled.id, 500, till).amount_cents, MANY)

    assert results.count(500) == 11
    assert results.count("refund_too_much") == MANY - 11
    assert db.session.scalar(select(Checkout.refunded_cents)) == 5500
    assert db.session.scalar(select(func.sum(Refund.amount_cents))) == 5500
    assert balance() == 1000


def test_one_refund_sent_sixteen_times_is_one_refund(app, shop):
    settled = shop.settle(5800)

    results = at_once(app, lambda _till: hand_back(shop, settled.id, 500, 1))

    assert {result.id for result in results} == {db.session.scalar(select(Refund.id))}
    assert [result.is_repeat for result in results].count(False) == 1


def test_a_checkout_is_undone_or_refunded_not_both(app, shop):
    settled = shop.settle(5800)

    def attempt(till):
        if till % 2:
            return hand_back(shop, settled.id, 5510, till).state
        with transaction():
            void(shop.chain.id, settled.id, role=Role.STORE_MANAGER, store_ids=None, by=TILL, now=SOON)
        return "voided"

    results = at_once(app, attempt)

    assert results.count("voided") + results.count("refunded") == 1
    assert db.session.scalar(select(Checkout.state)) in results
    assert db.session.execute(select(Card.earned_points, Card.spent_cents)).one() == (0, 0)
    assert balance() == 1000


def test_a_reservation_ends_once(app, shop, held):
    for turn in range(6):
        sale = shop.sale(coupon_ids=tuple(held), use_points=300)
        with one_action(durable=True) as hot:
            reserved = settling.reserve(hot, sale, until=UNTIL, now=NOON)

        def attempt(till, reserved=reserved):
            if till % 3 == 2:
                return "timed out" if reserving.release_batch(now=UNTIL) else "nothing to do"
            end = (reserving.confirm, reserving.release)[till % 3]
            with transaction():
                end(shop.chain.id, reserved.id, store_ids=None, by=TILL, now=SOON)
            return end.__name__

        results = at_once(app, attempt)

        ends = [result for result in results if result in ("confirm", "release", "timed out")]
        assert len(ends) == 1, turn
        assert set(results) - set(ends) <= {"checkout_not_reserved", "nothing to do"}
        state = db.session.scalar(select(Checkout.state).where(Checkout.id == reserved.id))
        assert state == ("settled" if ends == ["confirm"] else "released")
        balance()
        if state == "settled":
            return


def test_many_reserve_the_same_coupons_and_one_gets_them(app, shop, held):
    sales = [shop.sale(coupon_ids=tuple(held), use_points=900) for _ in range(TILLS)]

    def attempt(till):
        with one_action(durable=True) as hot:
            return settling.reserve(hot, sales[till], until=UNTIL, now=NOON).state

    results = at_once(app, attempt)

    assert results.count("reserved") == 1
    assert balance() == 100


# --- controls: the same without the guards ------------------------------------------------------------------------


def test_control_looking_first_lets_tills_share_a_set(app, shop, held):
    """If this fails, the tests above prove nothing."""
    looked = Barrier(TILLS)

    def look_then_write(_till):
        free = count(Coupon.id, Coupon.id.in_(held), Coupon.state == "claimed") == len(held)
        db.session.rollback()
        looked.wait()
        if not free:
            return "refused"
        with transaction():
            db.session.execute(update(Coupon).where(Coupon.id.in_(held)).values(state="redeemed", redeemed_at=NOON))
        return "settled"

    assert at_once(app, look_then_write).count("settled") > 1


def test_control_adding_refunds_up_first_pays_too_much(app, shop):
    settled = shop.settle(5800)
    looked = Barrier(TILLS)

    def look_then_write(till):
        refunded = db.session.scalar(select(func.coalesce(func.sum(Refund.amount_cents), 0)))
        db.session.rollback()
        looked.wait()
        if refunded + 3000 > settled.payable_cents:
            return "refused"
        row = {"chain_id": shop.chain.id, "checkout_id": settled.id, "store_id": shop.store.id, "amount_cents": 3000}
        points = {"points_taken": 0, "points_short": 0, "points_returned": 0}
        more = {"request_id": f"r{till}", "fingerprint": "f", "refunded_by": "key:1", "reason": ""}
        with transaction():
            db.session.add(Refund(**row, **points, **more, refunded_at=SOON, business_day=SOON.date()))
        return 3000

    results = at_once(app, look_then_write)

    assert sum(result for result in results if result == 3000) > settled.payable_cents


def test_control_without_a_condition_points_would_go_below_zero(app, shop):
    """The table itself refuses it: that is the last guard, not the first."""
    looked = Barrier(TILLS)

    def look_then_write(_till):
        enough = (db.session.scalar(select(Card.points)) or 0) >= 300
        db.session.rollback()
        looked.wait()
        if not enough:
            return "refused"
        try:
            with transaction():
                db.session.execute(update(Card).values(points=Card.points - 300))
        except IntegrityError:
            return "refused by the table"
        return "spent"

    results = at_once(app, look_then_write)

    assert results.count("refused by the table") > 0
