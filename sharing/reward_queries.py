"""Rewards to be looked at: by the member, by whoever decides, by reports. Nothing here decides."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from cards.models import Card, CardState, Member
from checkout.models import Checkout, CheckoutState
from core.db import db
from core.errors import DomainError
from core.hot import reading
from core.text import Text
from coupons import claiming
from coupons.errors import CardNeeded
from coupons.models import Coupon, Offer
from sharing import reward_errors as errors
from sharing.models import Referral
from sharing.reward_models import FraudFinding, Reward, RewardRule, RewardSide, RewardState

STATE_WORDS = {
    RewardState.PENDING: Text("等待到账", "pending"),
    RewardState.APPROVED: Text("已发放", "approved"),
    RewardState.REJECTED: Text("已拒绝", "rejected"),
    RewardState.FLAGGED: Text("待审核", "flagged"),
    RewardState.CLAWED_BACK: Text("已收回", "clawed back"),
}
Receiver, Friend, Referrer = aliased(Member), aliased(Member), aliased(Member)


class RewardLine(NamedTuple):
    """A reward with whatever a list says beside it. ``offer`` is None where points are given.

    ``friend`` and ``referrer`` are the two ends of the referral, ``member`` the one of them who gets the reward. Names
    are whole: to another member show them masked.
    """

    reward: Reward
    rule: RewardRule
    offer: Offer | None
    member: Member
    friend: Member
    referrer: Member

    @property
    def other(self) -> Member:
        """Who stands on the other side."""
        return self.friend if self.reward.side == RewardSide.REFERRER else self.referrer


class Total(NamedTuple):
    """So many rewards, what they cost at most, what of the budget they commit now, and the points among them."""

    rewards: int = 0
    cost_cents: int = 0
    committed_cents: int = 0
    points: int = 0


class Found(NamedTuple):
    """A finding as it was seen, and what a person made of it."""

    rule: str
    action: str
    evidence: dict[str, object]
    found_at: datetime
    dismissed_at: datetime | None
    dismissed_by: str | None
    dismiss_reason: str | None


def rewards_of_member(
    chain_id: int, member_id: int, *, side: str | None = None, before: int | None = None, limit: int = 50
) -> list[RewardLine]:
    """What a member got, gets or did not get: newest first; ``before`` is the id of the last one seen."""
    query = _lines(chain_id).where(Reward.member_id == member_id)
    if side is not None:
        query = query.where(Reward.side == side)
    return _page(query, before, limit)


def list_rewards(
    chain_id: int,
    *,
    state: str | None = None,
    rule_id: int | None = None,
    side: str | None = None,
    member_id: int | None = None,
    reason: str | None = None,
    referral_id: int | None = None,
    store_ids: Collection[int] | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[RewardLine]:
    """The chain's rewards, newest first; ``before`` is the id of the last one seen.

    With ``store_ids`` only those of members who joined there.
    """
    query = _lines(chain_id)
    if side is not None:
        query = query.where(Reward.side == side)
    if member_id is not None:
        query = query.where(Reward.member_id == member_id)
    if store_ids is not None:
        query = query.where(Receiver.store_id.in_(store_ids))
    if state is not None:
        query = query.where(Reward.state == state)
    if rule_id is not None:
        query = query.where(Reward.rule_id == rule_id)
    if reason is not None:
        query = query.where(Reward.reason == reason)
    if referral_id is not None:
        query = query.where(Reward.referral_id == referral_id)
    return _page(query, before, limit)


def lines_of(
    chain_id: int, referral_ids: Collection[int], *, state: str, store_ids: Collection[int] | None = None
) -> list[RewardLine]:
    """The rewards of some referrals that are in a state, the oldest first."""
    query = _lines(chain_id).where(Reward.referral_id.in_(referral_ids), Reward.state == state)
    if store_ids is not None:
        query = query.where(Receiver.store_id.in_(store_ids))
    query = query.order_by(Reward.id).execution_options(populate_existing=True)
    return [RewardLine(*row) for row in db.session.execute(query)]


def get_reward(chain_id: int, reward_id: int) -> RewardLine:
    """One reward of the chain, or RewardNotFound."""
    rows = _page(_lines(chain_id).where(Reward.id == reward_id), None, 1)
    if not rows:
        raise errors.RewardNotFound()
    return rows[0]


def count_by_state(
    chain_id: int, *, rule_id: int | None = None, member_id: int | None = None, side: str | None = None
) -> dict[RewardState, Total]:
    """How many rewards are in each state, and what they come to; every state is there."""
    query = select(
        Reward.state,
        func.count(),
        func.sum(Reward.cost_cents),
        func.sum(Reward.committed_cents),
        func.coalesce(func.sum(Reward.points), 0),
    ).where(Reward.chain_id == chain_id)
    if rule_id is not None:
        query = query.where(Reward.rule_id == rule_id)
    if member_id is not None:
        query = query.where(Reward.member_id == member_id)
    if side is not None:
        query = query.where(Reward.side == side)
    rows = db.session.execute(query.group_by(Reward.state))
    totals = {RewardState(state): Total(*(int(figure or 0) for figure in figures)) for state, *figures in rows}
    return {state: totals.get(state, Total()) for state in RewardState}


def findings_of(referral_id: int) -> list[Found]:
    """What looked dishonest of a referral, dismissed or not, in the order it was found."""
    rows = db.session.scalars(select(FraudFinding).filter_by(referral_id=referral_id).order_by(FraudFinding.id))
    return [Found(*(getattr(row, name) for name in Found._fields)) for row in rows]


def why_not_given(reward: Reward, *, now: datetime) -> DomainError | None:
    """What keeps a reward from being given now; None where nothing does."""
    if reward.offer_id is not None:
        with reading() as hot:
            return claiming.why_not(hot, reward.offer_id, card_id=reward.card_id, now=now)
    state = db.session.scalar(select(Card.state).where(Card.id == reward.card_id))
    return None if state == CardState.ACTIVE else CardNeeded()


def find_coupon(reward: Reward) -> Coupon | None:
    """The coupon that a reward gave."""
    return None if reward.coupon_id is None else db.session.get(Coupon, reward.coupon_id, populate_existing=True)


def find_first_purchase(rule: RewardRule, referral: Referral) -> Checkout | None:
    """The friend's first purchase that stands, in time, and reaches the rule's minimum as it is paid now.

    A purchase for which nothing was paid is none.
    """
    until = referral.created_at + timedelta(days=rule.within_days or 0)
    checkout: Checkout | None = db.session.scalar(
        select(Checkout)
        .join(Card, Card.id == Checkout.card_id)
        .where(
            Card.chain_id == referral.chain_id,
            Card.member_id == referral.member_id,
            Checkout.settled_at >= referral.created_at,
            Checkout.settled_at < until,
            Checkout.state == CheckoutState.SETTLED,
            Checkout.payable_cents - Checkout.refunded_cents >= max(rule.min_cents, 1),
        )
        .order_by(Checkout.settled_at, Checkout.id)
        .limit(1)
    )
    return checkout


def _lines(chain_id: int) -> Select[Reward, RewardRule, Offer, Member, Member, Member]:
    return (
        select(Reward, RewardRule, Offer, Receiver, Friend, Referrer)
        .join(RewardRule, RewardRule.id == Reward.rule_id)
        .outerjoin(Offer, Offer.id == Reward.offer_id)
        .join(Receiver, Receiver.id == Reward.member_id)
        .join(Referral, Referral.id == Reward.referral_id)
        .join(Friend, Friend.id == Referral.member_id)
        .join(Referrer, Referrer.id == Referral.referrer_id)
        .where(Reward.chain_id == chain_id)
    )


def _page(
    query: Select[Reward, RewardRule, Offer, Member, Member, Member], before: int | None, limit: int
) -> list[RewardLine]:
    if before is not None:
        query = query.where(Reward.id < before)
    query = query.order_by(Reward.id.desc()).limit(limit).execution_options(populate_existing=True)
    return [RewardLine(*row) for row in db.session.execute(query)]
