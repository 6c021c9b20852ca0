"""Handing a part of the payment back: never more than was paid, and everything that went with it."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from cards.models import Card, PointEntry, Program, Tier
from checkout import errors, policies, refunding
from checkout.models import Checkout, CheckoutState, Redemption, Refund
from checkout.policies import Approval, Policy
from checkout.refunding import refund
from checkout.undoing import Found
from checkout.voiding import void
from core.audit import AuditEntry, Author
from core.db import db, transaction
from core.errors import IdempotencyKeyReused
from core.events import Event
from coupons.models import Coupon
from stores.models import Role
from tests.factories import NOON, in_days, make_coupon, make_offer, make_store

SOON = NOON + timedelta(minutes=5)
MANAGER = Author("staff:7", "127.0.0.1", "r-1")
_numbers = iter(range(1, 10**6))


def hand_back(shop, checkout_id, amount_cents, *, role=Role.STORE_MANAGER, now=SOON, store_ids=None, **more):
    request_id = more.pop("request_id", None) or f"staff:7:refund-{next(_numbers)}"
    with transaction():
        return refund(
            shop.chain.id,
            checkout_id,
            amount_cents,
            **({"request_id": request_id, "fingerprint": "f" * 64} | more),
            role=role,
            store_ids=store_ids or {shop.store.id},
            by=MANAGER,
            now=now,
        )


def write(statement):
    with transaction():
        db.session.execute(statement)


def card_of(shop):
    columns = select(Card.points, Card.earned_points, Card.spent_cents)
    return tuple(db.session.execute(columns.where(Card.id == shop.card.id)).one())


def test_a_part_takes_its_share_of_the_points_and_leaves_the_coupon_used(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    settled = shop.settle(5800, coupon_ids=(coupon.id,))  # 50.10, 50 points

    refunded = hand_back(shop, settled.id, 2000)

    assert (refunded.refunded_cents, refunded.left_cents, refunded.state) == (2000, 3010, "settled")
    assert (refunded.points_taken, refunded.points_short, refunded.coupon_ids) == (20, 0, ())
    assert card_of(shop) == (30, 30, 3010)
    assert db.session.scalar(select(Coupon.state)) == "redeemed"
    lines = db.session.execute(select(PointEntry.delta, PointEntry.cause).order_by(PointEntry.id)).all()
    assert lines[-1] == (-20, f"refund:{settled.id}:2000")


def test_the_last_part_brings_everything_back(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    settled = shop.settle(5800, coupon_ids=(coupon.id,))
    hand_back(shop, settled.id, 2001)

    last = hand_back(shop, settled.id, 3009)

    assert (last.state, last.left_cents, last.coupon_ids) == ("refunded", 0, (coupon.id,))
    assert card_of(shop) == (0, 0, 0)
    assert db.session.execute(select(Coupon.state, Coupon.redeemed_at)).one() == ("claimed", None)
    assert db.session.scalar(select(Redemption.undone_at)) == SOON
    assert db.session.scalar(select(func.sum(PointEntry.delta))) == 0


def test_used_points_come_back_in_their_share(shop):
    write(update(Program).values(spend_points=100, spend_cents=100))
    write(update(Card).values(points=1000))
    settled = shop.settle(5800, use_points=1000)  # 45.10 paid, 45 points

    first = hand_back(shop, settled.id, 1503)
    last = hand_back(shop, settled.id, 3007)

    assert (first.points_returned, last.points_returned) == (333, 667)
    assert (first.points_taken, last.points_taken) == (15, 30)
    assert card_of(shop) == (1000, 0, 0)


def test_points_spent_meanwhile_are_borne_by_the_chain(shop):
    settled = shop.settle(5800)
    write(update(Card).values(points=10))

    refunded = hand_back(shop, settled.id, 5510)

    assert (refunded.points_taken, refunded.points_short) == (10, 45)
    assert card_of(shop) == (0, 0, 0)


def test_more_than_is_left_is_refused(shop):
    settled = shop.settle(5800)
    hand_back(shop, settled.id, 5000)

    with pytest.raises(errors.RefundTooMuch) as caught:
        hand_back(shop, settled.id, 511)

    assert caught.value.say("zh") == "最多还能退 ¥5.10。"
    assert db.session.scalar(select(Checkout.refunded_cents)) == 5000


@pytest.mark.parametrize("amount", [0, -5])
def test_nothing_is_not_refunded(shop, amount):
    with pytest.raises(errors.AmountInvalid):
        hand_back(shop, shop.settle().id, amount)


def test_the_same_request_again_gets_the_first_refund(shop):
    settled = shop.settle(5800)
    first = hand_back(shop, settled.id, 1000, request_id="key:1:again")

    again = hand_back(shop, settled.id, 1000, request_id="key:1:again")

    assert (again.id, again.points_taken, again.is_repeat) == (first.id, first.points_taken, True)
    assert db.session.scalar(select(func.sum(Refund.amount_cents))) == 1000


def test_another_refund_under_the_same_request_is_refused(shop):
    one, other = shop.settle(5800), shop.settle(5800)
    hand_back(shop, one.id, 1000, request_id="key:1:same")

    with pytest.raises(IdempotencyKeyReused):
        hand_back(shop, one.id, 2000, request_id="key:1:same", fingerprint="e" * 64)
    with pytest.raises(IdempotencyKeyReused):
        hand_back(shop, other.id, 1000, request_id="key:1:same")

    assert db.session.scalar(select(func.sum(Checkout.refunded_cents))) == 1000


def test_after_a_refund_the_whole_is_not_undone(shop):
    settled = shop.settle(5800)
    hand_back(shop, settled.id, 1000)

    with transaction(), pytest.raises(errors.CheckoutRefunded):
        void(shop.chain.id, settled.id, role=Role.STORE_MANAGER, store_ids=None, by=MANAGER, now=SOON)


def test_after_an_undo_nothing_is_refunded(shop):
    settled = shop.settle(5800)
    with transaction():
        void(shop.chain.id, settled.id, role=Role.STORE_MANAGER, store_ids=None, by=MANAGER, now=SOON)

    with pytest.raises(errors.CheckoutAlreadyVoided):
        hand_back(shop, settled.id, 1000)


def test_a_refund_takes_the_tier_back(shop):
    settled = shop.settle(110_000)
    silver, gold = db.session.scalars(select(Tier.id).order_by(Tier.rank)).all()
    assert db.session.scalar(select(Card.tier_id)) == gold

    hand_back(shop, settled.id, 60_000)

    assert db.session.scalar(select(Card.tier_id)) == silver


def test_a_clerk_refunds_nothing_by_himself_unless_the_chain_lets_him(shop):
    settled = shop.settle(5800)

    with pytest.raises(errors.RefundNeedsApproval):
        hand_back(shop, settled.id, 100, role=Role.CLERK)
    with transaction():
        policies.set_policy(shop.chain.id, Role.CLERK, Policy(60, False, 2000), by=MANAGER, now=NOON)

    assert hand_back(shop, settled.id, 1500, role=Role.CLERK).refunded_cents == 1500
    with pytest.raises(errors.RefundNeedsApproval) as caught:
        hand_back(shop, settled.id, 501, role=Role.CLERK)
    assert caught.value.say("zh") == "这笔您自己还能退 ¥5.00，更多请店长输入 PIN。"


def test_a_managers_approval_lets_a_clerk_refund_and_is_kept(shop):
    settled = shop.settle(5800)

    hand_back(shop, settled.id, 1000, role=Role.CLERK, approval=Approval("staff:9", Role.STORE_MANAGER))

    assert db.session.execute(select(Refund.refunded_by, Refund.approved_by)).one() == ("staff:7", "staff:9")


def test_a_managers_time_runs_out_too(shop):
    settled = shop.settle(5800)
    approval = Approval("staff:9", Role.STORE_MANAGER)

    with pytest.raises(errors.RefundTooLate) as caught:
        hand_back(shop, settled.id, 1000, role=Role.CLERK, now=in_days(3), approval=approval)

    assert caught.value.say("zh") == "已超过可退款的时间（48 小时）。这笔账不能再改。"


def test_an_analyst_refunds_nothing(shop):
    with pytest.raises(errors.RefundNotPermitted):
        hand_back(shop, shop.settle().id, 1000, role=Role.HQ_ANALYST)


def test_a_checkout_of_another_store_is_not_there(shop):
    with pytest.raises(errors.CheckoutNotFound):
        hand_back(shop, shop.settle().id, 1000, store_ids={make_store(shop.chain).id})


def test_a_refund_is_in_the_audit_and_told(shop):
    settled = shop.settle(5800)

    refunded = hand_back(shop, settled.id, 1000, reason="少一份")

    noted = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "checkout refunded")).one()
    told = db.session.scalars(select(Event).where(Event.kind == "checkout.refunded")).one()
    assert (noted.before, noted.after["refunded_cents"]) == ({"refunded_cents": 0}, 1000)
    assert (told.payload["refund_id"], told.payload["amount_cents"], told.payload["points_taken"]) == (
        refunded.id,
        1000,
        10,
    )
    assert db.session.scalar(select(Refund.reason)) == "少一份"


@given(
    payable=st.integers(1, 100_000),
    earned_share=st.integers(0, 5),
    used=st.integers(0, 10_000),
    cuts=st.lists(st.integers(1, 99_999), max_size=6),
)
def test_many_small_refunds_end_where_one_large_one_does(payable, earned_share, used, cuts):
    found = Found(
        1,
        1,
        1,
        1,
        1,
        payable,
        0,
        payable // 100 * earned_share,
        used,
        NOON,
        None,
        CheckoutState.SETTLED,
        "UTC",
        0,
        "CNY",
    )
    steps = [refunding.shares(found, cut) for cut in sorted({cut for cut in cuts if cut < payable} | {0, payable})]

    assert steps[0] == (0, 0)
    assert steps[-1] == (found.points_earned, used)
    assert all(a.taken <= b.taken and a.returned <= b.returned for a, b in pairwise(steps))
