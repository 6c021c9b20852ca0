"""Taking an approved reward back: the coupon if it is still there, the points as far as they are still there.

What is used or spent already stays with the member, is borne by the chain and goes on counting in the budget.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from cards import ledger
from core.audit import Author
from core.db import db
from coupons import giving
from coupons.errors import CouponAlreadyRedeemed, CouponNotUsable
from coupons.models import Coupon, CouponState
from coupons.voiding import void_coupon
from sharing import reward_books as books
from sharing.reward_models import Reward, RewardState

ATTEMPTS = 10  # against a till, a friend or the clock that changes the coupon at the same time


class Kept(NamedTuple):
    """What could not be taken back."""

    points_short: int = 0
    is_coupon_lost: bool = False


def claw_back_given(reward: Reward, *, reason: str, words: str, by: Author, now: datetime) -> Reward:
    """Take back what a held reward gave; ``words`` stand in the audit row of its coupon. Needs an open transaction.

    Raises RewardStateForbids when it is not approved.
    """
    if reward.state != RewardState.APPROVED:
        raise books.forbids(reward.state)
    kept = _take_points(reward, now) if reward.points is not None else _take_coupon(reward, words, by, now)
    return books.change(
        reward,
        RewardState.CLAWED_BACK,
        by=by.name,
        now=now,
        reason=reason,
        committed_cents=kept_cents(reward, kept),
        **kept._asdict(),
    )


def collect_short(chain_id: int, card_id: int, returned: int, *, now: datetime) -> None:
    """Take what clawbacks of a card found spent out of points that came back to it, oldest first.

    A till had them reserved, or a checkout that spent them was undone. Needs an open transaction.
    """
    is_short = (
        Reward.card_id == card_id,
        Reward.chain_id == chain_id,
        Reward.state == RewardState.CLAWED_BACK,
        Reward.points_short > 0,
    )
    for reward_id in db.session.scalars(select(Reward.id).where(*is_short).order_by(Reward.id)).all():
        reward = books.hold(chain_id, reward_id).reward
        ledger.hold(card_id)
        owed = min(reward.points_short, returned)
        taken = ledger.take_back(card_id, owed, cause=f"clawback:{reward.id}", now=now).points
        if taken:
            returned -= taken
            kept = Kept(points_short=reward.points_short - taken)
            books.correct_kept(reward, kept.points_short, committed_cents=kept_cents(reward, kept))


def kept_cents(reward: Reward, kept: Kept) -> int:
    """What a reward that was taken back still costs."""
    if reward.points is not None:
        return -(-reward.cost_cents * kept.points_short // reward.points)
    return reward.cost_cents if kept.is_coupon_lost else 0


def _take_points(reward: Reward, now: datetime) -> Kept:
    assert reward.points is not None
    ledger.hold(reward.card_id)
    taken = ledger.take_back(reward.card_id, reward.points, cause=f"clawback:{reward.id}", now=now)
    return Kept(points_short=taken.short)


def _take_coupon(reward: Reward, words: str, by: Author, now: datetime) -> Kept:
    """Void the coupon. One that waits for a friend is called back first; one that a friend has taken is his."""
    assert reward.coupon_id is not None
    for _ in range(ATTEMPTS):
        try:
            void_coupon(reward.chain_id, reward.coupon_id, reason=words, by=by, now=now)
            return Kept()
        except CouponAlreadyRedeemed:
            return Kept(is_coupon_lost=True)
        except CouponNotUsable:
            state = db.session.scalar(select(Coupon.state).where(Coupon.id == reward.coupon_id))
        if state == CouponState.EXPIRED:
            return Kept()
        if state == CouponState.VOID:
            taken = db.session.scalar(select(Coupon.id).where(Coupon.given_coupon_id == reward.coupon_id))
            return Kept(is_coupon_lost=taken is not None)
        if state == CouponState.GIFTING:
            _call_back(reward, now)
    raise RuntimeError("the coupon of a reward could not be taken back")


def _call_back(reward: Reward, now: datetime) -> None:
    assert reward.coupon_id is not None
    try:
        giving.cancel(reward.card_id, reward.coupon_id, now=now)
    except CouponNotUsable:
        return  # a friend was faster: the next look says so
