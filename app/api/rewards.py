"""What bringing a friend gives: its rules, what was earned by them, and deciding that."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema
from sqlalchemy import select

from app.api.blueprint import api_blueprint
from app.api.idempotent import in_one_transaction
from app.api.offer_schemas import SentenceSchema
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import HQ, HQ_ADMIN, access, actor, author
from cards.freezing import CardNotFound
from cards.models import Card
from core.clock import utc_now
from core.db import db
from core.text import Text
from sharing import reward_queries, reward_rules, rewarding
from sharing.fraud_queries import findings_of
from sharing.fraud_sentences import explain
from sharing.reward_models import FraudFinding, Reward, RewardRule, RewardRuleState, RewardSide, RewardState
from sharing.reward_models import RewardTrigger as Trigger
from sharing.reward_rules import (
    LONGEST_HOLD,
    LONGEST_NAME,
    LONGEST_NAME_EN,
    LONGEST_WITHIN,
    MOST_CAP,
    MOST_CENTS,
    MOST_POINTS,
    RuleDraft,
)
from sharing.reward_terms import friend_sentence, referrer_sentence
from stores.queries import get_chain

bp = api_blueprint("rewards", "What bringing a friend gives")

RULE, REWARD = "/reward-rules/<int:rule_id>", "/rewards/<int:reward_id>"
LARGEST_ID = 2**53
Answered = tuple[dict[str, Any], int]


def _number(description: str, least: int, most: int, **more: Any) -> fields.Integer:
    metadata = {"description": description} if description else {}
    return fields.Integer(strict=True, validate=validate.Range(least, most), metadata=metadata, **more)


def _optional(description: str, least: int, most: int) -> fields.Integer:
    return _number(description, least, most, allow_none=True)


def _name(longest: int, **more: Any) -> fields.String:
    return fields.String(validate=[validate.Length(1, longest), validate.ContainsNoneOf("\0")], **more)


class RuleFieldsSchema(Schema):
    """The rules of a reward. Money in minor units; null is without a limit."""

    name = _name(LONGEST_NAME)
    name_en = _name(LONGEST_NAME_EN)
    trigger = fields.String(validate=validate.OneOf(list(Trigger)))
    min_cents = _number("of the first purchase, as paid", 0, MOST_CENTS)
    within_days = _optional("of joining, the first purchase; needed for it", 1, LONGEST_WITHIN)
    hold_days = _number("between earning and giving", 0, LONGEST_HOLD)
    referrer_offer_id = _optional("a coupon of this offer for who brought the friend", 1, LARGEST_ID)
    referrer_points = _optional("or points", 1, MOST_POINTS)
    referrer_cost_cents = _optional("only where nothing else says what one costs", 0, MOST_CENTS)
    friend_offer_id = _optional("a coupon of this offer for the friend", 1, LARGEST_ID)
    friend_points = _optional("or points", 1, MOST_POINTS)
    friend_cost_cents = _optional("only where nothing else says what one costs", 0, MOST_CENTS)
    per_day_cap = _optional("rewards of one referrer in a business day", 1, MOST_CAP)
    lifetime_cap = _optional("rewards of one referrer by this rule", 1, MOST_CAP)
    budget_cents = _optional("what all rewards that are not rejected may cost", 1, MOST_CENTS)


class WriteRuleSchema(RuleFieldsSchema):
    """A new rule: a draft until it is started. At least one side gets a coupon or points."""

    name = _name(LONGEST_NAME, required=True)
    name_en = _name(LONGEST_NAME_EN, required=True)
    trigger = fields.String(required=True, validate=validate.OneOf(list(Trigger)))


class ChangeRuleSchema(RuleFieldsSchema):
    """What is left out stays. A rule that was started only takes another budget."""

    @validates_schema
    def has_something(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("Say what changes.")


class RewardRuleSchema(Schema):
    """A rule, the sentences that members read of it, and what of its budget is promised."""

    id = fields.Integer()
    state = fields.String(validate=validate.OneOf(list(RewardRuleState)))
    name = fields.String()
    name_en = fields.String()
    trigger = fields.String(validate=validate.OneOf(list(Trigger)))
    min_cents = fields.Integer()
    within_days = fields.Integer(allow_none=True)
    hold_days = fields.Integer()
    referrer_offer_id = fields.Integer(allow_none=True)
    referrer_points = fields.Integer(allow_none=True)
    referrer_cost_cents = fields.Integer(metadata={"description": "the most that one reward costs"})
    friend_offer_id = fields.Integer(allow_none=True)
    friend_points = fields.Integer(allow_none=True)
    friend_cost_cents = fields.Integer()
    per_day_cap = fields.Integer(allow_none=True)
    lifetime_cap = fields.Integer(allow_none=True)
    budget_cents = fields.Integer(allow_none=True)
    committed_cents = fields.Integer(metadata={"description": "what rewards that are not rejected may cost"})
    referrer_sentence = fields.Nested(SentenceSchema, allow_none=True)
    friend_sentence = fields.Nested(SentenceSchema, allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    started_at = fields.AwareDateTime(format="iso", allow_none=True)
    ended_at = fields.AwareDateTime(format="iso", allow_none=True)


class FindingSchema(Schema):
    """What a fraud rule saw of the referral: figures, nobody's name."""

    rule = fields.String()
    action = fields.String()
    sentence = fields.Nested(SentenceSchema)
    found_at = fields.AwareDateTime(format="iso")
    dismissed_at = fields.AwareDateTime(format="iso", allow_none=True)


class RewardSchema(Schema):
    """What one side gets for one referral, and where that stands."""

    id = fields.Integer()
    rule_id = fields.Integer()
    referral_id = fields.Integer()
    side = fields.String(validate=validate.OneOf(list(RewardSide)))
    state = fields.String(validate=validate.OneOf(list(RewardState)))
    reason = fields.String(allow_none=True, metadata={"description": "why it is rejected, flagged or taken back"})
    card = fields.String(metadata={"description": "number of the card that gets it"})
    member_id = fields.Integer(metadata={"description": "who gets it"})
    referrer_id = fields.Integer()
    friend_id = fields.Integer()
    offer_id = fields.Integer(allow_none=True)
    points = fields.Integer(allow_none=True)
    cost_cents = fields.Integer(metadata={"description": "at most, as the rule said when it was earned"})
    committed_cents = fields.Integer(metadata={"description": "of the rule's budget, now"})
    checkout_id = fields.Integer(allow_none=True, metadata={"description": "the first purchase"})
    coupon_id = fields.Integer(allow_none=True, metadata={"description": "the coupon that it gave"})
    points_short = fields.Integer(metadata={"description": "spent before it was taken back"})
    is_coupon_lost = fields.Boolean(metadata={"description": "the coupon was used before it was taken back"})
    earned_on = fields.Date(metadata={"description": "business day of the chain"})
    due_at = fields.AwareDateTime(format="iso", metadata={"description": "the end of the holding days"})
    decided_at = fields.AwareDateTime(format="iso", allow_none=True)
    decided_by = fields.String(allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    findings = fields.List(fields.Nested(FindingSchema))


class RewardsQuery(PageQuery):
    """A page of rewards, perhaps of one state, rule, side or member."""

    state = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(list(RewardState)))
    rule = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, LARGEST_ID))
    side = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(list(RewardSide)))
    card = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Regexp(r"\d{16}"),
        metadata={"description": "a card of the member who gets them"},
    )


class RulesQuery(PageQuery):
    """A page of rules, perhaps of one state."""

    state = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(list(RewardRuleState)))


class BecauseSchema(Schema):
    """A decision has a reason; the audit keeps it."""

    reason = fields.String(
        required=True,
        validate=[validate.Length(1, rewarding.LONGEST_REASON), validate.ContainsNoneOf("\0")],
    )


# --- Rewards -------------------------------------------------------------------------------------------------------


@bp.get("/rewards")
@access(*HQ)
@bp.arguments(RewardsQuery, location="query")
@bp.response(200, page_schema(RewardSchema))
def rewards(asked: dict[str, Any]) -> dict[str, Any]:
    """The chain's rewards, newest first."""
    lines = reward_queries.list_rewards(
        actor().chain_id,
        state=asked["state"],
        rule_id=asked["rule"],
        side=asked["side"],
        member_id=_member_of(asked["card"]),
        before=asked["cursor"],
        limit=asked["limit"],
    )
    shown = rewards_shown(lines)
    return page([line.reward for line in lines], limit=asked["limit"], show=lambda reward: shown[reward.id])


@bp.post(f"{REWARD}/approve")
@access(*HQ_ADMIN)
@bp.arguments(BecauseSchema)
@bp.alt_response(200, schema=RewardSchema)
@in_one_transaction
def approve(body: dict[str, Any], reward_id: int) -> Answered:
    """Let a flagged or rejected reward through: given at once if it is due, else held to its end.

    What was found of the referral is dismissed with the reason; caps and budget are asked again of a rejected one.
    """
    return _decide(rewarding.approve, reward_id, body["reason"])


@bp.post(f"{REWARD}/reject")
@access(*HQ_ADMIN)
@bp.arguments(BecauseSchema)
@bp.alt_response(200, schema=RewardSchema)
@in_one_transaction
def reject(body: dict[str, Any], reward_id: int) -> Answered:
    """Refuse a pending or flagged reward."""
    return _decide(rewarding.reject, reward_id, body["reason"])


@bp.post(f"{REWARD}/claw-back")
@access(*HQ_ADMIN)
@bp.arguments(BecauseSchema)
@bp.alt_response(200, schema=RewardSchema)
@in_one_transaction
def claw_back(body: dict[str, Any], reward_id: int) -> Answered:
    """Take an approved reward back, as far as it is still there."""
    return _decide(rewarding.claw_back, reward_id, body["reason"])


def _decide(decide: Callable[..., Reward], reward_id: int, reason: str) -> Answered:
    chain_id = actor().chain_id
    decide(chain_id, reward_id, reason=reason, by=author(), now=utc_now())
    return _dumped(RewardSchema, rewards_shown([reward_queries.get_reward(chain_id, reward_id)])[reward_id]), 200


def _member_of(number: str | None) -> int | None:
    """Whose card this is. Raises CardNotFound."""
    if number is None:
        return None
    member_id = db.session.scalar(select(Card.member_id).filter_by(chain_id=actor().chain_id, number=number))
    if member_id is None:
        raise CardNotFound()
    return member_id


def rewards_shown(lines: Sequence[reward_queries.RewardLine]) -> dict[int, dict[str, Any]]:
    """Rewards as they are answered; as many queries as for one."""
    cards = {line.reward.card_id for line in lines}
    numbers = {row.id: row.number for row in db.session.execute(select(Card.id, Card.number).where(Card.id.in_(cards)))}
    findings = findings_of(actor().chain_id, [line.reward.referral_id for line in lines])
    own = [name for name in RewardSchema._declared_fields if hasattr(Reward, name)]
    return {
        line.reward.id: {name: getattr(line.reward, name) for name in own}
        | {
            "card": numbers[line.reward.card_id],
            "referrer_id": line.referrer.id,
            "friend_id": line.friend.id,
            "findings": [_finding_shown(found) for found in findings.get(line.reward.referral_id, [])],
        }
        for line in lines
    }


def _finding_shown(found: FraudFinding) -> dict[str, Any]:
    own = {name: getattr(found, name) for name in ("rule", "action", "found_at", "dismissed_at")}
    return own | {"sentence": explain(found.rule, found.evidence)._asdict()}


# --- Rules ---------------------------------------------------------------------------------------------------------


@bp.get("/reward-rules")
@access(*HQ)
@bp.arguments(RulesQuery, location="query")
@bp.response(200, page_schema(RewardRuleSchema))
def rules(asked: dict[str, Any]) -> dict[str, Any]:
    """The chain's reward rules, newest first."""
    found = reward_rules.list_rules(
        actor().chain_id, state=asked["state"], before=asked["cursor"], limit=asked["limit"]
    )
    return page(found, limit=asked["limit"], show=rule_shown)


@bp.post("/reward-rules")
@access(*HQ_ADMIN)
@bp.arguments(WriteRuleSchema)
@bp.alt_response(201, schema=RewardRuleSchema)
@in_one_transaction
def write_rule(body: dict[str, Any]) -> Answered:
    """Write a rule down as a draft. Nothing is earned by it before it is started."""
    rule = reward_rules.create_rule(actor().chain_id, RuleDraft(**body), by=author(), now=utc_now())
    return _rule_json(rule), 201


@bp.patch(RULE)
@access(*HQ_ADMIN)
@bp.arguments(ChangeRuleSchema)
@bp.alt_response(200, schema=RewardRuleSchema)
@in_one_transaction
def change_rule(body: dict[str, Any], rule_id: int) -> Answered:
    """Change a draft; of a rule that was started only the budget, not below what is promised already."""
    chain_id, who = actor().chain_id, {"by": author(), "now": utc_now()}
    rule = reward_rules.get_rule(chain_id, rule_id)
    if rule.state != RewardRuleState.DRAFT and body.keys() == {"budget_cents"}:
        return _rule_json(reward_rules.change_budget(chain_id, rule_id, body["budget_cents"], **who)), 200
    draft = replace(reward_rules.draft_of(rule), **body)
    return _rule_json(reward_rules.rewrite_rule(chain_id, rule_id, draft, **who)), 200


@bp.post(f"{RULE}/start")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=RewardRuleSchema)
@in_one_transaction
def start(rule_id: int) -> Answered:
    """Let a draft run: friends who join from now on fall under it. Of each trigger one rule runs at a time."""
    return _move(reward_rules.start_rule, rule_id)


@bp.post(f"{RULE}/pause")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=RewardRuleSchema)
@in_one_transaction
def pause(rule_id: int) -> Answered:
    """Earn nothing more for now; what is earned already stays."""
    return _move(reward_rules.pause_rule, rule_id)


@bp.post(f"{RULE}/resume")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=RewardRuleSchema)
@in_one_transaction
def resume(rule_id: int) -> Answered:
    """Let a paused rule run again; what fell into the pause is not earned later."""
    return _move(reward_rules.resume_rule, rule_id)


@bp.post(f"{RULE}/end")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=RewardRuleSchema)
@in_one_transaction
def end(rule_id: int) -> Answered:
    """Take no more friends; whoever joined while it ran still gets what was promised."""
    return _move(reward_rules.end_rule, rule_id)


def _move(move: Callable[..., RewardRule], rule_id: int) -> Answered:
    return _rule_json(move(actor().chain_id, rule_id, by=author(), now=utc_now())), 200


def rule_shown(rule: RewardRule) -> dict[str, Any]:
    """A rule as it is answered."""
    currency = get_chain(rule.chain_id).currency
    own = [name for name in RewardRuleSchema._declared_fields if hasattr(RewardRule, name)]
    said = {"referrer_sentence": referrer_sentence(rule, currency), "friend_sentence": friend_sentence(rule, currency)}
    return {name: getattr(rule, name) for name in own} | {name: _said(text) for name, text in said.items()}


def _said(text: Text | None) -> dict[str, str] | None:
    return None if text is None else text._asdict()


def _rule_json(rule: RewardRule) -> dict[str, Any]:
    return _dumped(RewardRuleSchema, rule_shown(rule))


def _dumped(schema: type[Schema], shown: dict[str, Any]) -> dict[str, Any]:
    dumped: dict[str, Any] = schema().dump(shown)
    return dumped
