"""From what happened to rewards: a friend's card or first purchase earns them, its undoing takes them away.

Whoever acts on what happened keeps the edges as they are first (``keep_edges``). Each function is told of one thing and
looks at how all stands now: hearing of it twice, late or in another order changes nothing.
"""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import or_, select, text

from cards.models import Card, CardState
from checkout.models import Checkout, CheckoutState
from core.audit import SYSTEM
from core.clock import business_day
from core.db import db, insert
from sharing import reward_books as books
from sharing.clawing_back import claw_back_given
from sharing.fraud import Verdict, judge
from sharing.models import Referral, ShareLink
from sharing.reward_models import (
    FraudAction,
    Reward,
    RewardRule,
    RewardRuleState,
    RewardSide,
    RewardState,
    RewardTrigger,
)
from sharing.reward_queries import find_first_purchase
from sharing.reward_rules import Gift, gift_of
from stores.models import Chain

VOIDED, REFUNDED, CARD_CLOSED, CAP, BUDGET = "voided", "refunded", "card_closed", "cap", "budget"


class Trigger(NamedTuple):
    """What earned a reward: when, and by which purchase."""

    at: datetime
    checkout_id: int | None = None


class Standing(NamedTuple):
    """The state in which a reward begins."""

    state: RewardState
    reason: str | None = None

    def committed(self, gift: Gift) -> int:
        return 0 if self.state == RewardState.REJECTED else gift.cost_cents


def keep_edges() -> None:
    """Until the end of the transaction nobody's referrer is corrected: sharing/moving.py keeps this lock away.

    Friends may join meanwhile. On SQLite the open transaction does it already.
    """
    if db.session.connection().dialect.name == "postgresql":
        db.session.execute(text("LOCK TABLE referrals IN ROW EXCLUSIVE MODE"))


def is_of_another(reward: Reward) -> bool:
    """Whether the friend's referrer was corrected since the referrer's reward was made."""
    referral = _referral(reward.chain_id, Referral.id == reward.referral_id)
    return reward.side == RewardSide.REFERRER and referral is not None and referral.referrer_id != reward.member_id


def friend_joined(chain_id: int, referral_id: int, *, now: datetime) -> None:
    """A friend took a card through a member. Needs an open transaction."""
    referral = _referral(chain_id, Referral.id == referral_id)
    if referral is None:
        return
    for rule_id in _rules_of(referral, RewardTrigger.CARD_ISSUED):
        _earn(rule_id, referral, Trigger(referral.created_at), now)
    for rule_id in _rules_of(referral, RewardTrigger.FIRST_PURCHASE):  # he bought before his referrer was corrected
        _earn_by_purchase(rule_id, referral, now)


def purchase_settled(chain_id: int, checkout_id: int, *, now: datetime) -> None:
    """Somebody bought something: it may be a friend's first purchase. Needs an open transaction."""
    checkout = db.session.get(Checkout, checkout_id, populate_existing=True)
    referral = None if checkout is None else _referral(chain_id, Referral.member_id == checkout.member_id)
    if referral is None:
        return
    for rule_id in _rules_of(referral, RewardTrigger.FIRST_PURCHASE):
        _earn_by_purchase(rule_id, referral, now, only=checkout_id)


def purchase_undone(chain_id: int, checkout_id: int, *, now: datetime) -> None:
    """A purchase was voided or refunded: what it earned goes, unless the rest of it is enough.

    Another purchase that stands takes its place. Needs an open transaction.
    """
    query = select(Reward.id).where(
        Reward.checkout_id == checkout_id, Reward.chain_id == chain_id, Reward.state.in_(books.LIVE)
    )
    undone: dict[int, int] = {}
    for reward_id in db.session.scalars(query.order_by(Reward.id)).all():
        reward, rule = books.hold(chain_id, reward_id)
        reason = why_undone(rule, reward)
        if reason is None or reward.checkout_id != checkout_id or reward.state not in books.LIVE:
            continue
        if reward.state == RewardState.APPROVED:
            claw_back_given(reward, reason=reason, words=f"reward {reward.id}: {reason}", by=SYSTEM, now=now)
        else:
            books.change(reward, RewardState.REJECTED, by=books.BY_SYSTEM, now=now, reason=reason, committed_cents=0)
        undone[rule.id] = reward.referral_id
    for rule_id, referral_id in undone.items():
        referral = _referral(chain_id, Referral.id == referral_id)
        if referral is not None:
            _earn_by_purchase(rule_id, referral, now)


def why_undone(rule: RewardRule, reward: Reward) -> str | None:
    """Whether what earned a reward is gone meanwhile: its purchase voided or refunded, or the friend's card closed."""
    if reward.checkout_id is None:
        state = db.session.scalar(
            select(Card.state).join(Referral, Referral.card_id == Card.id).where(Referral.id == reward.referral_id)
        )
        return CARD_CLOSED if state in (CardState.CLOSED, CardState.ERASED) else None
    checkout = db.session.get_one(Checkout, reward.checkout_id, populate_existing=True)
    if checkout.state == CheckoutState.VOIDED:
        return VOIDED
    return REFUNDED if checkout.payable_cents - checkout.refunded_cents < max(rule.min_cents, 1) else None


def _referral(chain_id: int, which: Any) -> Referral | None:
    query = select(Referral).where(Referral.chain_id == chain_id, which)
    return db.session.scalar(query.execution_options(populate_existing=True))


def _rules_of(referral: Referral, trigger: RewardTrigger) -> list[int]:
    """The rules that ran when the friend joined. A rule that ended since still keeps its promise."""
    return list(
        db.session.scalars(
            select(RewardRule.id)
            .where(
                RewardRule.chain_id == referral.chain_id,
                RewardRule.trigger == trigger,
                RewardRule.state.in_((RewardRuleState.RUNNING, RewardRuleState.ENDED)),
                RewardRule.started_at <= referral.created_at,
                or_(RewardRule.ended_at.is_(None), RewardRule.ended_at > referral.created_at),
            )
            .order_by(RewardRule.id)
        )
    )


def _earn_by_purchase(rule_id: int, referral: Referral, now: datetime, *, only: int | None = None) -> None:
    """Reward the friend's first purchase, when there is one; with ``only``, if it is this one."""
    rule = books.hold_rule(rule_id)
    first = find_first_purchase(rule, referral)
    if first is None or first.settled_at is None or only not in (None, first.id):
        return
    _earn(rule_id, referral, Trigger(first.settled_at, first.id), now)


def _earn(rule_id: int, referral: Referral, trigger: Trigger, now: datetime) -> None:
    """Make the rewards of both sides, those that are not made yet."""
    rule = books.hold_rule(rule_id)
    if rule.state == RewardRuleState.PAUSED:
        return
    earlier = {reward.side: reward for reward in _rewards_of(rule, referral)}
    sides = [side for side in RewardSide if gift_of(rule, side) and _may_begin(earlier.get(side))]
    verdict = judge(rule.chain_id, referral.id, now=now) if sides else None
    for side in sides:
        _begin(rule, referral, side, earlier.get(side), trigger, verdict, now)


def _rewards_of(rule: RewardRule, referral: Referral) -> list[Reward]:
    query = select(Reward).where(Reward.rule_id == rule.id, Reward.referral_id == referral.id)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def _may_begin(earlier: Reward | None) -> bool:
    """Whether a side has no reward yet, or one whose purchase was undone and that left nothing behind."""
    if earlier is None:
        return True
    is_gone = earlier.state == RewardState.REJECTED or (
        earlier.state == RewardState.CLAWED_BACK and not earlier.points_short and not earlier.is_coupon_lost
    )
    return is_gone and earlier.decided_by == books.BY_SYSTEM and earlier.reason in (VOIDED, REFUNDED)


def _begin(
    rule: RewardRule,
    referral: Referral,
    side: RewardSide,
    earlier: Reward | None,
    trigger: Trigger,
    verdict: Verdict | None,
    now: datetime,
) -> None:
    gift = gift_of(rule, side)
    assert gift is not None
    member_id, card_id = _receiver(referral, side)
    day = _business_day(rule.chain_id, trigger.at)
    standing = _standing(rule, side, member_id, gift, day, verdict)
    values = {
        "reason": standing.reason,
        "checkout_id": trigger.checkout_id,
        "cost_cents": gift.cost_cents,
        "committed_cents": standing.committed(gift),
        "earned_on": day,
        "due_at": trigger.at + timedelta(days=rule.hold_days),
    }
    if earlier is not None:
        books.change(earlier, standing.state, by=books.BY_SYSTEM, now=now, coupon_id=None, **values)
        return
    is_decided = standing.state == RewardState.REJECTED
    values |= {
        "chain_id": rule.chain_id,
        "rule_id": rule.id,
        "referral_id": referral.id,
        "side": side,
        "member_id": member_id,
        "card_id": card_id,
        "offer_id": gift.offer_id,
        "points": gift.points,
        "state": standing.state,
        "points_short": 0,
        "is_coupon_lost": False,
        "decided_at": now if is_decided else None,
        "decided_by": books.BY_SYSTEM if is_decided else None,
        "created_at": now,
    }
    books.tell(db.session.scalars(insert(Reward).values(values).returning(Reward)).one(), now)


def _standing(
    rule: RewardRule, side: RewardSide, member_id: int, gift: Gift, day: date, verdict: Verdict | None
) -> Standing:
    """How a new reward begins: what looks dishonest, the caps and the budget are asked, in this order."""
    if verdict is not None and verdict.action == FraudAction.REJECT:
        return Standing(RewardState.REJECTED, verdict.rule)
    if books.is_capped(rule, side, member_id, day):
        return Standing(RewardState.REJECTED, CAP)
    if not books.commit_budget(rule.id, gift.cost_cents):
        return Standing(RewardState.REJECTED, BUDGET)
    return Standing(RewardState.PENDING) if verdict is None else Standing(RewardState.FLAGGED, verdict.rule)


def _receiver(referral: Referral, side: RewardSide) -> tuple[int, int]:
    """The member and the card that get it: the referrer's is the card he shared, if it is his, else his first."""
    if side == RewardSide.FRIEND:
        return referral.member_id, referral.card_id
    shared = select(ShareLink.card_id).where(ShareLink.id == referral.share_link_id).scalar_subquery()
    cards = select(Card.id).where(Card.chain_id == referral.chain_id, Card.member_id == referral.referrer_id)
    order = (Card.id == shared).desc(), (Card.state == CardState.ACTIVE).desc(), Card.id
    return referral.referrer_id, db.session.scalars(cards.order_by(*order).limit(1)).one()


def _business_day(chain_id: int, at: datetime) -> date:
    chain = db.session.get_one(Chain, chain_id)
    return business_day(at, chain.timezone, chain.cutoff_hour)
