"""Undoing a purchase: once, in time, exactly."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from cards.models import Card, PointEntry
from checkout import errors
from checkout.models import Checkout, Redemption
from checkout.voiding import void
from core.audit import AuditEntry, Author
from core.db import db, transaction
from core.events import Event
from coupons.models import Coupon
from stores.models import Role
from tests.checkout.shop import Shop
from tests.factories import NOON, make_chain, make_coupon, make_offer, make_store

SOON = NOON + timedelta(minutes=5)
CLERK = Author("staff:7", "127.0.0.1", "r-1")


def undo(shop, checkout_id, *, role=Role.CLERK, now=SOON, store_ids=None, chain_id=None):
    with transaction():
        return void(
            chain_id or shop.chain.id,
            checkout_id,
            role=role,
            store_ids={shop.store.id} if store_ids is None else store_ids,
            by=CLERK,
            now=now,
        )


def test_an_undo_takes_everything_back(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    settled = shop.settle(5800, coupon_ids=(coupon.id,))

    voided = undo(shop, settled.id)

    assert (voided.payable_cents, voided.coupon_ids, voided.expired_coupon_ids) == (5010, (coupon.id,), ())
    assert (voided.points_taken, voided.points_short) == (50, 0)
    assert db.session.execute(select(Checkout.state, Checkout.voided_at, Checkout.voided_by)).one() == (
        "voided",
        SOON,
        "staff:7",
    )
    assert db.session.execute(select(Coupon.state, Coupon.redeemed_at)).one() == ("claimed", None)
    assert db.session.scalar(select(Redemption.undone_at)) == SOON
    assert db.session.scalar(select(Card.points)) == 0


def test_the_ledger_stays_balanced(shop):
    settled = shop.settle(5800)
    shop.settle(2000)
    undo(shop, settled.id)

    lines = db.session.execute(select(PointEntry.delta, PointEntry.balance, PointEntry.cause).order_by(PointEntry.id))
    assert lines.all()[-1] == (-55, 19, f"void:{settled.id}")
    assert db.session.scalar(select(func.sum(PointEntry.delta))) == db.session.scalar(select(Card.points)) == 19


def test_points_spent_meanwhile_stay_spent(shop):
    settled = shop.settle(5800)
    with transaction():
        db.session.execute(update(Card).values(points=20))
        db.session.add(
            PointEntry(chain_id=shop.chain.id, card_id=shop.card.id, delta=-35, balance=20, cause="spent", at=NOON)
        )

    voided = undo(shop, settled.id)

    assert (voided.points_taken, voided.points_short) == (20, 35)
    assert db.session.scalar(select(Card.points)) == 0
    assert db.session.scalar(select(func.sum(PointEntry.delta))) == 0


def test_a_coupon_whose_time_has_passed_comes_back_expired(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain), valid_until=NOON + timedelta(hours=1))
    settled = shop.settle(5800, coupon_ids=(coupon.id,))

    voided = undo(shop, settled.id, role=Role.STORE_MANAGER, now=NOON + timedelta(hours=2))

    assert (voided.coupon_ids, voided.expired_coupon_ids) == ((), (coupon.id,))
    assert db.session.scalar(select(Coupon.state)) == "expired"


def test_a_coupon_that_came_back_can_be_used_again(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    undo(shop, shop.settle(coupon_ids=(coupon.id,)).id)

    again = shop.settle(coupon_ids=(coupon.id,))

    assert again.coupon_ids == (coupon.id,)
    assert db.session.scalar(select(func.count(Redemption.id))) == 2


def test_a_second_undo_is_refused(shop):
    settled = shop.settle()
    undo(shop, settled.id)

    with pytest.raises(errors.CheckoutAlreadyVoided):
        undo(shop, settled.id)

    assert db.session.scalar(select(Card.points)) == 0


@pytest.mark.parametrize(
    ("role", "after", "allowed"),
    [
        pytest.param(Role.CLERK, timedelta(minutes=30), True, id="a clerk in half an hour"),
        pytest.param(Role.CLERK, timedelta(minutes=31), False, id="a clerk later"),
        pytest.param(Role.STORE_MANAGER, timedelta(hours=48), True, id="a manager in two days"),
        pytest.param(Role.STORE_MANAGER, timedelta(hours=49), False, id="a manager later"),
        pytest.param(Role.HQ_ADMIN, timedelta(hours=48), True, id="head office in two days"),
        pytest.param(Role.HQ_ADMIN, timedelta(hours=49), False, id="head office later"),
    ],
)
def test_each_role_has_its_time(shop, role, after, allowed):
    settled = shop.settle()

    if allowed:
        assert undo(shop, settled.id, role=role, now=NOON + after).id == settled.id
    else:
        with pytest.raises(errors.VoidTooLate):
            undo(shop, settled.id, role=role, now=NOON + after)


def test_a_clerk_does_not_change_yesterdays_books(shop):
    midnight = NOON + timedelta(hours=12)  # in Shanghai
    settled = shop.settle(now=midnight - timedelta(minutes=5))

    with pytest.raises(errors.VoidTooLate) as caught:
        undo(shop, settled.id, now=midnight)

    assert caught.value.say("zh") == "已超过可撤销的时间（30 分钟、当个营业日内）。请店长输入 PIN。"
    assert undo(shop, settled.id, role=Role.STORE_MANAGER, now=midnight).id == settled.id


def test_an_analyst_undoes_nothing(shop):
    settled = shop.settle()

    with pytest.raises(errors.VoidNotPermitted):
        undo(shop, settled.id, role=Role.HQ_ANALYST)


def test_a_checkout_of_another_store_or_chain_is_not_there(shop):
    settled = shop.settle()
    other = make_store(shop.chain)
    foreign = make_chain("other")

    with pytest.raises(errors.CheckoutNotFound):
        undo(shop, settled.id, store_ids={other.id})
    with pytest.raises(errors.CheckoutNotFound):
        undo(shop, settled.id, chain_id=foreign.id)
    with pytest.raises(errors.CheckoutNotFound):
        undo(shop, settled.id + 1)


def test_an_undo_is_in_the_audit_and_told(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    settled = shop.settle(5800, coupon_ids=(coupon.id,))

    undo(shop, settled.id)

    noted = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "checkout voided")).one()
    told = db.session.scalars(select(Event).where(Event.kind == "checkout.voided")).one()
    effects = {"coupon_ids": [coupon.id], "points_taken": 50, "points_short": 0, "points_returned": 0}
    assert (noted.actor, noted.object_id, noted.address, noted.at) == ("staff:7", settled.id, "127.0.0.1", SOON)
    assert noted.after == {"state": "voided", "approved_by": None} | effects
    assert told.payload == effects | {
        "checkout_id": settled.id,
        "card_id": shop.card.id,
        "member_id": shop.card.member_id,
        "store_id": shop.store.id,
        "payable_cents": 5010,
    }


def test_the_undo_of_another_shops_checkout_is_not_mine(app):
    mine, theirs = Shop(), Shop(slug="other")
    settled = theirs.settle()

    with pytest.raises(errors.CheckoutNotFound):
        undo(mine, settled.id, store_ids={theirs.store.id})
