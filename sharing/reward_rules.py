"""The rules by which a chain rewards bringing a friend: written as drafts, then running, paused, ended.

What a reward costs at most is known before it is given: it is what the budget counts.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, delete, select, update
from sqlalchemy.exc import IntegrityError

from cards.models import Program
from core import audit
from core.audit import Author
from core.db import db
from core.text import Text
from coupons.drafts import most_cents
from coupons.models import Offer, OfferState
from sharing import reward_errors as errors
from sharing.reward_models import RewardRule, RewardRuleState, RewardSide, RewardTrigger

LONGEST_NAME, LONGEST_NAME_EN = 40, 60
MOST_CENTS = 100_000_000_000
MOST_POINTS = 1_000_000
MOST_CAP = 1_000_000
LONGEST_HOLD, LONGEST_WITHIN = 90, 365  # days

MOVES = {
    RewardRuleState.PAUSED: (RewardRuleState.RUNNING,),
    RewardRuleState.ENDED: (RewardRuleState.RUNNING, RewardRuleState.PAUSED),
}


@dataclass(frozen=True)
class RuleDraft:
    """A reward rule as it is written. A cost is only asked for where nothing says what the side costs."""

    name: str
    name_en: str
    trigger: str
    min_cents: int = 0
    within_days: int | None = None
    hold_days: int = 7
    referrer_offer_id: int | None = None
    referrer_points: int | None = None
    referrer_cost_cents: int | None = None
    friend_offer_id: int | None = None
    friend_points: int | None = None
    friend_cost_cents: int | None = None
    per_day_cap: int | None = None
    lifetime_cap: int | None = None
    budget_cents: int | None = None


class Gift(NamedTuple):
    """What one side gets: a coupon of an offer, or points; and what that costs at most."""

    offer_id: int | None
    points: int | None
    cost_cents: int


def gift_of(rule: RewardRule, side: RewardSide) -> Gift | None:
    """What a rule gives to a side; None when nothing."""
    if side == RewardSide.REFERRER:
        gift = Gift(rule.referrer_offer_id, rule.referrer_points, rule.referrer_cost_cents)
    else:
        gift = Gift(rule.friend_offer_id, rule.friend_points, rule.friend_cost_cents)
    return None if gift.offer_id is None and gift.points is None else gift


def create_rule(chain_id: int, draft: RuleDraft, *, by: Author, now: datetime) -> RewardRule:
    """Write a draft down. Needs an open transaction; raises RewardRuleInvalid."""
    draft = _checked(chain_id, draft)
    rule = RewardRule(chain_id=chain_id, state=RewardRuleState.DRAFT, created_at=now, **asdict(draft))
    db.session.add(rule)
    db.session.flush()
    _note("created", rule, by, now, after=_plain(draft))
    return rule


def rewrite_rule(chain_id: int, rule_id: int, draft: RuleDraft, *, by: Author, now: datetime) -> RewardRule:
    """Change a draft. Needs an open transaction.

    Raises RewardRuleNotFound, RewardRuleStateForbids, RewardRuleInvalid.
    """
    draft = _checked(chain_id, draft)
    before = _plain(draft_of(get_rule(chain_id, rule_id)))
    rule = _change(chain_id, rule_id, RewardRule.state == RewardRuleState.DRAFT, **asdict(draft))
    _note("rewritten", rule, by, now, before=before, after=_plain(draft))
    return rule


def discard_rule(chain_id: int, rule_id: int, *, by: Author, now: datetime) -> None:
    """Throw a draft away. Needs an open transaction; raises RewardRuleNotFound, RewardRuleStateForbids."""
    rule = get_rule(chain_id, rule_id)
    gone = db.session.scalar(
        delete(RewardRule)
        .where(RewardRule.id == rule_id, RewardRule.state == RewardRuleState.DRAFT)
        .returning(RewardRule.id)
        .execution_options(synchronize_session=False)
    )
    if gone is None:
        raise errors.RewardRuleStateForbids()
    _note("discarded", rule, by, now, before=_plain(draft_of(rule)))


def start_rule(chain_id: int, rule_id: int, *, by: Author, now: datetime) -> RewardRule:
    """Let a draft run: friends who join from now on fall under it. Needs an open transaction.

    Raises RewardRuleNotFound, RewardRuleStateForbids, RewardRuleInvalid, RewardOfferNotRunning, RewardRuleTaken.
    """
    draft = _checked(chain_id, draft_of(get_rule(chain_id, rule_id)))  # its offers may have changed since
    _refuse_idle_offers(draft, now)
    is_draft = RewardRule.state == RewardRuleState.DRAFT
    try:
        with db.session.begin_nested():
            costs = {name: getattr(draft, name) for name in ("referrer_cost_cents", "friend_cost_cents")}
            rule = _change(chain_id, rule_id, is_draft, state=RewardRuleState.RUNNING, started_at=now, **costs)
    except IntegrityError as error:
        raise errors.RewardRuleTaken() from error
    _note("started", rule, by, now, after={"state": rule.state})
    return rule


def pause_rule(chain_id: int, rule_id: int, *, by: Author, now: datetime) -> RewardRule:
    """Earn nothing more by this rule for now; what is earned already stays. Needs an open transaction.

    Raises RewardRuleNotFound, RewardRuleStateForbids.
    """
    return _move(chain_id, rule_id, RewardRuleState.PAUSED, "paused", by, now)


def resume_rule(chain_id: int, rule_id: int, *, by: Author, now: datetime) -> RewardRule:
    """Let a paused rule run again; what fell into the pause is not earned later. Needs an open transaction.

    Raises RewardRuleNotFound, RewardRuleStateForbids.
    """
    rule = _change(chain_id, rule_id, RewardRule.state == RewardRuleState.PAUSED, state=RewardRuleState.RUNNING)
    _note("resumed", rule, by, now, after={"state": rule.state})
    return rule


def end_rule(chain_id: int, rule_id: int, *, by: Author, now: datetime) -> RewardRule:
    """Take no more friends; whoever joined while it ran still gets what he was promised. Needs an open transaction.

    Raises RewardRuleNotFound, RewardRuleStateForbids.
    """
    return _move(chain_id, rule_id, RewardRuleState.ENDED, "ended", by, now, ended_at=now)


def change_budget(chain_id: int, rule_id: int, budget_cents: int | None, *, by: Author, now: datetime) -> RewardRule:
    """Give a rule more or less to spend, in whatever state it is; None: without end. Needs an open transaction.

    Raises RewardRuleNotFound; RewardRuleInvalid when more than that is promised already.
    """
    before = get_rule(chain_id, rule_id).budget_cents
    if budget_cents is not None and not 0 < budget_cents <= MOST_CENTS:
        raise _invalid("预算要大于零。", "the budget is above zero.")
    fits = RewardRule.committed_cents <= budget_cents if budget_cents is not None else RewardRule.id == rule_id
    try:
        rule = _change(chain_id, rule_id, fits, budget_cents=budget_cents)
    except errors.RewardRuleStateForbids as error:
        raise _invalid("已承诺的奖励比这个预算多。", "the rewards already promised may cost more than this.") from error
    _note("budget", rule, by, now, before={"budget_cents": before}, after={"budget_cents": budget_cents})
    return rule


def get_rule(chain_id: int, rule_id: int) -> RewardRule:
    """The rule, or RewardRuleNotFound."""
    rule: RewardRule | None = db.session.scalar(select(RewardRule).filter_by(id=rule_id, chain_id=chain_id))
    if rule is None:
        raise errors.RewardRuleNotFound()
    return rule


def list_rules(
    chain_id: int, *, state: str | None = None, before: int | None = None, limit: int = 50
) -> Sequence[RewardRule]:
    """Newest first, perhaps of one state; ``before`` is the id of the last one seen."""
    query: Select[RewardRule] = select(RewardRule).filter_by(chain_id=chain_id)
    if state is not None:
        query = query.where(RewardRule.state == state)
    if before is not None:
        query = query.where(RewardRule.id < before)
    return db.session.scalars(query.order_by(RewardRule.id.desc()).limit(limit)).all()


def running_rules(chain_id: int) -> Sequence[RewardRule]:
    """What a friend who joins now falls under: at most one rule of each trigger, card issued first."""
    query = select(RewardRule).filter_by(chain_id=chain_id, state=RewardRuleState.RUNNING)
    return db.session.scalars(query.order_by(RewardRule.trigger)).all()


def draft_of(rule: RewardRule) -> RuleDraft:
    """The rule as it is written, to be changed or copied."""
    return RuleDraft(**{field.name: getattr(rule, field.name) for field in fields(RuleDraft)})


def find_cost(chain_id: int, offer_id: int | None, points: int | None) -> int | None:
    """The most that a coupon of this offer takes off, or what so many points are worth; None where nothing says it."""
    if offer_id is not None:
        offer = db.session.scalar(select(Offer).filter_by(id=offer_id, chain_id=chain_id))
        if offer is None:
            raise _invalid("没有这个券活动。", "there is no such offer.")
        return most_cents(offer)
    if points is None:
        return 0
    worth = select(Program.spend_points, Program.spend_cents).where(
        Program.chain_id == chain_id, Program.spend_points.is_not(None)
    )
    return max((-(-points * (cents or 0) // (step or 1)) for step, cents in db.session.execute(worth)), default=None)


def _checked(chain_id: int, draft: RuleDraft) -> RuleDraft:
    """The draft with what its sides cost. Raises RewardRuleInvalid."""
    draft = replace(draft, name=" ".join(draft.name.split()), name_en=" ".join(draft.name_en.split()))
    _check_words(draft)
    _check_figures(draft)
    referrer = _cost(chain_id, draft, draft.referrer_offer_id, draft.referrer_points, draft.referrer_cost_cents)
    friend = _cost(chain_id, draft, draft.friend_offer_id, draft.friend_points, draft.friend_cost_cents)
    if draft.budget_cents is not None and max(referrer, friend) > draft.budget_cents:
        raise _invalid("预算连一份奖励都不够。", "the budget is less than one reward costs.")
    return replace(draft, referrer_cost_cents=referrer, friend_cost_cents=friend)


def _check_words(draft: RuleDraft) -> None:
    if draft.trigger not in list(RewardTrigger):
        raise _invalid("触发条件不对。", "there is no such trigger.")
    if not (draft.name and draft.name_en):
        raise _invalid("请填写中文和英文名称。", "it needs a name in Chinese and in English.")
    if len(draft.name) > LONGEST_NAME or len(draft.name_en) > LONGEST_NAME_EN:
        raise _invalid("名称太长。", "the name is too long.")


def _check_figures(draft: RuleDraft) -> None:
    is_purchase = draft.trigger == RewardTrigger.FIRST_PURCHASE
    if is_purchase and not 1 <= (draft.within_days or 0) <= LONGEST_WITHIN:
        raise _invalid("首次消费的期限要在 1 到 365 天之间。", "the first purchase has 1 to 365 days.")
    if not is_purchase and (draft.within_days is not None or draft.min_cents):
        raise _invalid("领卡奖励没有消费门槛。", "a reward for a card has no minimum and no time for a purchase.")
    if not 0 <= draft.min_cents <= MOST_CENTS:
        raise _invalid("最低消费不能是负数。", "the minimum is not below zero.")
    if not 0 <= draft.hold_days <= LONGEST_HOLD:
        raise _invalid("等待期要在 0 到 90 天之间。", "it is held for 0 to 90 days.")
    for offer_id, points in (
        (draft.referrer_offer_id, draft.referrer_points),
        (draft.friend_offer_id, draft.friend_points),
    ):
        if offer_id is not None and points is not None:
            raise _invalid("每一方只能得券或积分中的一种。", "each side gets a coupon or points, not both.")
        if points is not None and not 0 < points <= MOST_POINTS:
            raise _invalid("积分要大于零。", "points are above zero.")
    if {draft.referrer_offer_id, draft.referrer_points, draft.friend_offer_id, draft.friend_points} == {None}:
        raise _invalid("至少要给一方奖励。", "it gives something to one side at least.")
    if any(cap is not None and not 0 < cap <= MOST_CAP for cap in (draft.per_day_cap, draft.lifetime_cap)):
        raise _invalid("上限要大于零。", "a cap is above zero.")
    if draft.budget_cents is not None and not 0 < draft.budget_cents <= MOST_CENTS:
        raise _invalid("预算要大于零。", "the budget is above zero.")


def _cost(chain_id: int, draft: RuleDraft, offer_id: int | None, points: int | None, given: int | None) -> int:
    cost = find_cost(chain_id, offer_id, points)
    if cost is not None:
        return cost
    if given is not None and not 0 <= given <= MOST_CENTS:
        raise _invalid("成本不能是负数。", "a cost is not below zero.")
    if not given and draft.budget_cents is not None:
        raise _invalid("有预算时，请填写每份奖励的成本。", "with a budget, say what one reward costs.")
    return given or 0


def _refuse_idle_offers(draft: RuleDraft, now: datetime) -> None:
    ids = [offer_id for offer_id in (draft.referrer_offer_id, draft.friend_offer_id) if offer_id is not None]
    for offer in db.session.scalars(select(Offer).where(Offer.id.in_(ids)).order_by(Offer.id)):
        is_over = offer.valid_until is not None and offer.valid_until <= now
        if offer.state != OfferState.RUNNING or is_over:
            raise errors.RewardOfferNotRunning(offer=Text(offer.name, offer.name_en))


def _move(
    chain_id: int, rule_id: int, state: RewardRuleState, verb: str, by: Author, now: datetime, **more: Any
) -> RewardRule:
    before = get_rule(chain_id, rule_id).state
    rule = _change(chain_id, rule_id, RewardRule.state.in_(MOVES[state]), state=state, **more)
    _note(verb, rule, by, now, before={"state": before}, after={"state": state})
    return rule


def _change(chain_id: int, rule_id: int, condition: ColumnElement[bool], **values: Any) -> RewardRule:
    rule: RewardRule | None = db.session.scalar(
        update(RewardRule)
        .where(RewardRule.id == rule_id, RewardRule.chain_id == chain_id, condition)
        .values(**values)
        .returning(RewardRule)
        .execution_options(populate_existing=True)
    )
    if rule is None:
        get_rule(chain_id, rule_id)
        raise errors.RewardRuleStateForbids()
    return rule


def _plain(draft: RuleDraft) -> dict[str, Any]:
    return {name: value for name, value in asdict(draft).items() if value is not None}


def _invalid(zh: str, en: str) -> errors.RewardRuleInvalid:
    return errors.RewardRuleInvalid(problem=Text(zh, en))


def _note(verb: str, rule: RewardRule, by: Author, now: datetime, **change: dict[str, Any]) -> None:
    audit.note(
        f"reward rule {verb}",
        chain_id=rule.chain_id,
        object_kind="reward_rule",
        object_id=rule.id,
        by=by,
        at=now,
        **change,
    )
