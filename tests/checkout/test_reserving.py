"""A reserved basket is confirmed, released or timed out: one of the three."""

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, update

from cards.models import Card, Member, PointEntry, Program
from checkout import errors, reserving, settling
from checkout.errors import CouponOnHold
from checkout.models import Checkout, Redemption
from core.audit import Author
from core.db import db, transaction
from core.events import Event
from core.hot import one_action
from coupons.errors import CouponAlreadyRedeemed
from coupons.models import Coupon
from tests.factories import NOON, in_days, make_coupon, make_offer

TILL = Author("key:1")
UNTIL = NOON + timedelta(minutes=10)
SOON = NOON + timedelta(minutes=5)


@pytest.fixture
def coupon(shop):
    with transaction():
        db.session.execute(update(Program).values(spend_points=100, spend_cents=100))
        db.session.execute(update(Card).values(points=1000))
    return make_coupon(shop.card, make_offer(shop.chain))


def reserve(shop, coupon, **more):
    sale = shop.sale(5800, coupon_ids=(coupon.id,), use_points=300, **more)
    with one_action(durable=True) as hot:
        return settling.reserve(hot, sale, until=UNTIL, now=NOON)


def confirm(shop, reserved, *, now=SOON):
    with transaction():
        return reserving.confirm(shop.chain.id, reserved.id, store_ids={shop.store.id}, by=TILL, now=now)


def release(shop, reserved, *, now=SOON):
    with transaction():
        return reserving.release(shop.chain.id, reserved.id, store_ids={shop.store.id}, by=TILL, now=now)


def entries():
    return db.session.execute(select(PointEntry.delta, PointEntry.cause).order_by(PointEntry.id)).all()


def card():
    return tuple(db.session.execute(select(Card.points, Card.earned_points, Card.spent_cents)).one())


def kinds():
    return db.session.scalars(select(Event.kind).where(Event.kind.like("checkout.%")).order_by(Event.id)).all()


def test_a_reservation_takes_the_coupon_and_the_points_and_books_nothing(shop, coupon):
    reserved = reserve(shop, coupon)

    row = db.session.execute(select(Checkout)).scalar_one()
    assert (row.state, row.settled_at, row.business_day, row.reserved_until) == ("reserved", None, None, UNTIL)
    assert (reserved.payable_cents, reserved.points_earned, reserved.state) == (4710, 47, "reserved")
    assert db.session.scalar(select(Coupon.state)) == "redeemed"
    assert db.session.execute(select(Redemption.redeemed_at, Redemption.discount_cents)).one() == (None, 500)
    assert (entries(), card()) == ([(-300, f"reserve:{reserved.id}")], (700, 0, 0))
    assert (db.session.scalar(select(Member.last_visit_at)), kinds()) == (None, ["checkout.reserved"])


def test_while_it_is_reserved_nobody_else_uses_the_coupon(shop, coupon):
    reserve(shop, coupon)

    with pytest.raises(CouponOnHold):
        shop.settle(coupon_ids=(coupon.id,))


def test_once_it_is_confirmed_the_coupon_was_used(shop, coupon):
    confirm(shop, reserve(shop, coupon))

    with pytest.raises(CouponAlreadyRedeemed):
        shop.settle(coupon_ids=(coupon.id,))


def test_confirmed_it_is_booked_as_it_was_priced(shop, coupon):
    reserved = reserve(shop, coupon)

    confirmed = confirm(shop, reserved)

    assert (confirmed.id, confirmed.state, confirmed.payable_cents) == (reserved.id, "settled", 4710)
    assert (confirmed.settled_at, confirmed.business_day) == (SOON, date(2026, 5, 20))
    assert confirmed.coupon_ids == (coupon.id,)
    assert entries() == [(-300, f"reserve:{reserved.id}"), (47, f"checkout:{reserved.id}")]
    assert card() == (747, 47, 4710)
    assert db.session.scalar(select(Redemption.redeemed_at)) == SOON
    assert db.session.scalar(select(Member.last_visit_at)) == SOON
    assert kinds() == ["checkout.reserved", "checkout.settled"]


def test_released_everything_is_as_before(shop, coupon):
    reserved = reserve(shop, coupon)

    given_back = release(shop, reserved)

    assert given_back == ((coupon.id,), ())
    assert db.session.execute(select(Coupon.state, Coupon.redeemed_at)).one() == ("claimed", None)
    assert db.session.execute(select(Redemption.redeemed_at, Redemption.undone_at)).one() == (None, SOON)
    assert entries()[-1] == (300, f"release:{reserved.id}")
    assert card() == (1000, 0, 0)
    assert shop.settle(coupon_ids=(coupon.id,)).coupon_ids == (coupon.id,)


def test_what_has_ended_does_not_end_again(shop, coupon):
    reserved = reserve(shop, coupon)
    confirm(shop, reserved)

    with pytest.raises(errors.CheckoutNotReserved):
        release(shop, reserved)
    with pytest.raises(errors.CheckoutNotReserved):
        confirm(shop, reserved)


def test_after_its_time_it_is_not_confirmed_but_let_go(shop, coupon):
    reserved = reserve(shop, coupon)

    with pytest.raises(errors.ReservationOver):
        confirm(shop, reserved, now=UNTIL)

    assert reserving.release_batch(now=UNTIL - timedelta(seconds=1)) == 0
    assert (reserving.release_batch(now=UNTIL), reserving.release_batch(now=UNTIL)) == (1, 0)
    assert db.session.scalar(select(Checkout.state)) == "released"
    assert card() == (1000, 0, 0)


def test_a_card_at_the_till_tells_of_what_is_overdue(shop, coupon):
    reserve(shop, coupon)

    assert shop.quote(now=SOON).standing.has_overdue is False
    standing = shop.quote(now=UNTIL).standing
    assert standing.has_overdue is True
    with transaction():
        assert reserving.release_overdue(standing.card_id, now=UNTIL) == 1
    assert shop.quote(now=UNTIL).coupon_ids == (coupon.id,)


def test_a_coupon_that_ran_out_while_reserved_comes_back_expired(shop, coupon):
    with transaction():
        db.session.execute(update(Coupon).values(valid_until=SOON))
    reserved = reserve(shop, coupon)

    assert release(shop, reserved, now=UNTIL) == ((), (coupon.id,))


def test_reserved_before_it_ran_out_it_may_still_be_confirmed(shop, coupon):
    with transaction():
        db.session.execute(update(Coupon).values(valid_until=NOON + timedelta(minutes=1)))

    assert confirm(shop, reserve(shop, coupon)).coupon_discount_cents == 500


def test_the_same_request_again_gets_the_first_reservation(shop, coupon):
    first = reserve(shop, coupon, request_id="key:1:basket")

    again = reserve(shop, coupon, request_id="key:1:basket")

    assert (again.id, again.is_repeat, again.reserved_until) == (first.id, True, UNTIL)
    assert db.session.scalar(select(func.count(Checkout.id))) == 1


@pytest.mark.parametrize("minutes", [0, -1, 61])
def test_nothing_is_held_for_ever(minutes):
    with pytest.raises(errors.ReservationTooLong):
        reserving.end_of(minutes, NOON)


def test_a_reservation_of_another_store_is_not_there(shop, coupon):
    reserved = reserve(shop, coupon)

    with transaction(), pytest.raises(errors.CheckoutNotFound):
        reserving.confirm(shop.chain.id, reserved.id, store_ids={99}, by=TILL, now=SOON)


def test_time_runs_for_reservations_of_every_chain(shop, coupon):
    reserve(shop, coupon)

    assert reserving.release_batch(now=in_days(1)) == 1
