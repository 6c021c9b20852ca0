"""The books of a reward rule: its budget, its caps, and the one way in which a reward changes its state.

Whoever makes or changes a reward locks its rule first: what is committed, what is counted and what is decided then
happen one after the other. SQLite, which has one writer, knows no other way.
"""

from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, func, or_, select, update

from core import events
from core.db import db
from sharing import reward_errors as errors
from sharing.reward_models import Reward, RewardRule, RewardSide, RewardState
from sharing.reward_queries import STATE_WORDS

LIVE = (RewardState.PENDING, RewardState.FLAGGED, RewardState.APPROVED)
BY_SYSTEM = "system"


class Held(NamedTuple):
    """A reward that nobody else changes before the end of the transaction, and its rule."""

    reward: Reward
    rule: RewardRule


def hold_rule(rule_id: int) -> RewardRule:
    """Lock a rule and read it as it is now. Needs an open transaction."""
    query = select(RewardRule).where(RewardRule.id == rule_id).with_for_update(key_share=True)
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def hold(chain_id: int, reward_id: int) -> Held:
    """Lock a reward by its rule and read both as they are now. Needs an open transaction; raises RewardNotFound."""
    rule_id = db.session.scalar(select(Reward.rule_id).filter_by(id=reward_id, chain_id=chain_id))
    if rule_id is None:
        raise errors.RewardNotFound()
    rule = hold_rule(rule_id)
    query = select(Reward).where(Reward.id == reward_id).execution_options(populate_existing=True)
    return Held(db.session.scalars(query).one(), rule)


def commit_budget(rule_id: int, cents: int) -> bool:
    """Take so much of the rule's budget, if it is there; one statement decides."""
    total = RewardRule.committed_cents + cents
    taken = db.session.scalar(
        update(RewardRule)
        .where(RewardRule.id == rule_id, or_(RewardRule.budget_cents.is_(None), total <= RewardRule.budget_cents))
        .values(committed_cents=total)
        .returning(RewardRule.id)
        .execution_options(synchronize_session=False)
    )
    return taken is not None


def free_budget(rule_id: int, cents: int) -> None:
    """Give back what a reward no longer commits."""
    db.session.execute(
        update(RewardRule)
        .where(RewardRule.id == rule_id)
        .values(committed_cents=RewardRule.committed_cents - cents)
        .execution_options(synchronize_session=False)
    )


def is_capped(rule: RewardRule, side: str, member_id: int, day: date) -> bool:
    """Whether a referrer has had what he may by this rule. Decides only while the rule is held; friends have no cap."""
    if side != RewardSide.REFERRER or (rule.per_day_cap is None and rule.lifetime_cap is None):
        return False
    counts = or_(
        Reward.state.in_(LIVE),
        and_(Reward.state == RewardState.CLAWED_BACK, or_(Reward.points_short > 0, Reward.is_coupon_lost)),
    )
    had = select(func.count()).where(
        Reward.rule_id == rule.id,
        Reward.chain_id == rule.chain_id,
        Reward.member_id == member_id,
        Reward.side == RewardSide.REFERRER,
        counts,
    )
    if rule.lifetime_cap is not None and (db.session.scalar(had) or 0) >= rule.lifetime_cap:
        return True
    today = had.where(Reward.earned_on == day)
    return rule.per_day_cap is not None and (db.session.scalar(today) or 0) >= rule.per_day_cap


def change(reward: Reward, state: RewardState, *, by: str, now: datetime, **values: Any) -> Reward:
    """Move a reward on from the state in which it was read, and tell it. Needs an open transaction.

    Raises RewardStateForbids when somebody else was first. ``committed_cents`` below what it was frees the budget.
    """
    is_open = state in (RewardState.PENDING, RewardState.FLAGGED)
    decision = {"decided_at": None, "decided_by": None} if is_open else {"decided_at": now, "decided_by": by}
    was, committed = reward.state, reward.committed_cents
    moved: Reward | None = db.session.scalar(
        update(Reward)
        .where(Reward.id == reward.id, Reward.state == was)
        .values(**{"state": state, "reason": None} | decision | values)
        .returning(Reward)
        .execution_options(populate_existing=True)
    )
    if moved is None:
        raise forbids(db.session.scalars(select(Reward.state).where(Reward.id == reward.id)).one())
    if moved.committed_cents < committed:
        free_budget(moved.rule_id, committed - moved.committed_cents)
    tell(moved, now)
    return moved


def correct_kept(reward: Reward, points_short: int, *, committed_cents: int) -> None:
    """Write down that less of a held reward that was taken back is with the member now; the budget gets its part."""
    freed = reward.committed_cents - committed_cents
    reward.points_short, reward.committed_cents = points_short, committed_cents
    free_budget(reward.rule_id, freed)


def forbids(state: str) -> errors.RewardStateForbids:
    """The refusal that names the state a reward is in."""
    return errors.RewardStateForbids(state=STATE_WORDS[RewardState(state)])


def tell(reward: Reward, now: datetime) -> None:
    """Note in the outbox where a reward stands."""
    events.record(
        f"reward.{reward.state}",
        chain_id=reward.chain_id,
        at=now,
        reward_id=reward.id,
        rule_id=reward.rule_id,
        referral_id=reward.referral_id,
        side=reward.side,
        member_id=reward.member_id,
        card_id=reward.card_id,
        reason=reward.reason,
        offer_id=reward.offer_id,
        points=reward.points,
        coupon_id=reward.coupon_id,
        checkout_id=reward.checkout_id,
    )
