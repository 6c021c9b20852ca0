"""What a chain gives for bringing a friend, what became of it, and what looked dishonest."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of


class RewardTrigger(StrEnum):
    """What a reward is for."""

    CARD_ISSUED = "card_issued"
    FIRST_PURCHASE = "first_purchase"


class RewardRuleState(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class RewardSide(StrEnum):
    """Who is rewarded: the direct referrer, or the new member. Nobody above."""

    REFERRER = "referrer"
    FRIEND = "friend"


class RewardState(StrEnum):
    PENDING = "pending"  # in its holding days
    APPROVED = "approved"  # given
    REJECTED = "rejected"
    FLAGGED = "flagged"  # for a person to decide
    CLAWED_BACK = "clawed_back"


class FraudRule(StrEnum):
    """What may be wrong with a referral."""

    OWN_PHONE = "own_phone"  # friend and referrer have one phone
    EXISTING_MEMBER = "existing_member"  # the friend's phone was a member's before
    OWN_DEVICE = "own_device"  # the friend joined where the link was made: same browser, same address
    DEVICE_CLUSTER = "device_cluster"  # many joined from what looks like one device
    NETWORK_CLUSTER = "network_cluster"  # many friends of one referrer joined from one address
    VELOCITY = "velocity"  # a referrer brought too many within an hour
    CLOSED_LOOP = "closed_loop"  # the friend's phone or device stands above him in the tree
    FARM = "farm"  # many claims, no checkouts
    PERSON = "person"  # a person found it wrong


class FraudAction(StrEnum):
    OFF = "off"
    FLAG = "flag"
    REJECT = "reject"


class RewardRule(Model):
    """What bringing a friend gives. A referral falls under the rules that ran when the friend joined.

    Each side gets a coupon of an offer, or points, or nothing. ``committed_cents`` is what the rewards that are not
    rejected may cost; the budget is never exceeded by it.
    """

    __tablename__ = "reward_rules"
    __table_args__ = (
        one_of("trigger", RewardTrigger),
        one_of("state", RewardRuleState),
        CheckConstraint("length(name) > 0 AND length(name_en) > 0", name="has_names"),
        CheckConstraint("min_cents >= 0", name="min_not_negative"),
        CheckConstraint("trigger = 'first_purchase' OR min_cents = 0", name="min_is_of_a_purchase"),
        CheckConstraint("(trigger = 'first_purchase') = (within_days IS NOT NULL)", name="purchase_has_time"),
        CheckConstraint("within_days BETWEEN 1 AND 365", name="within_days_range"),
        CheckConstraint("hold_days BETWEEN 0 AND 90", name="hold_days_range"),
        CheckConstraint("referrer_points > 0 AND friend_points > 0", name="points_positive"),
        CheckConstraint("referrer_offer_id IS NULL OR referrer_points IS NULL", name="referrer_gets_one"),
        CheckConstraint("friend_offer_id IS NULL OR friend_points IS NULL", name="friend_gets_one"),
        CheckConstraint(
            "referrer_offer_id IS NOT NULL OR referrer_points IS NOT NULL OR friend_offer_id IS NOT NULL"
            " OR friend_points IS NOT NULL",
            name="gives_something",
        ),
        CheckConstraint("referrer_cost_cents >= 0 AND friend_cost_cents >= 0", name="costs_not_negative"),
        CheckConstraint("per_day_cap > 0 AND lifetime_cap > 0", name="caps_positive"),
        CheckConstraint("budget_cents > 0", name="budget_positive"),
        CheckConstraint("committed_cents >= 0", name="committed_not_negative"),
        CheckConstraint("budget_cents IS NULL OR committed_cents <= budget_cents", name="within_budget"),
        CheckConstraint("(state = 'draft') = (started_at IS NULL)", name="started_has_time"),
        CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_has_time"),
        CheckConstraint("ended_at >= started_at", name="ended_after_start"),
        Index(None, "chain_id", "id"),
        Index(
            "uq_reward_rules_one_running",
            "chain_id",
            "trigger",
            unique=True,
            sqlite_where=text("state IN ('running', 'paused')"),
            postgresql_where=text("state IN ('running', 'paused')"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    name: Mapped[str] = mapped_column(String(40))
    name_en: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(10), default=RewardRuleState.DRAFT)
    trigger: Mapped[str] = mapped_column(String(20))
    min_cents: Mapped[int] = mapped_column(default=0)  # of the first purchase, as paid
    within_days: Mapped[int | None]  # of joining, the first purchase
    hold_days: Mapped[int]
    referrer_offer_id: Mapped[int | None] = mapped_column(ForeignKey("offers.id"))
    referrer_points: Mapped[int | None]
    referrer_cost_cents: Mapped[int] = mapped_column(default=0)  # the most that one reward of this side costs
    friend_offer_id: Mapped[int | None] = mapped_column(ForeignKey("offers.id"))
    friend_points: Mapped[int | None]
    friend_cost_cents: Mapped[int] = mapped_column(default=0)
    per_day_cap: Mapped[int | None]  # rewards of one referrer in a business day
    lifetime_cap: Mapped[int | None]  # rewards of one referrer by this rule
    budget_cents: Mapped[int | None]
    committed_cents: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Reward(Model):
    """What one side gets for one referral. Given when it is approved, at the end of its holding days.

    ``reason`` is why it is rejected, flagged or clawed back: a fraud rule's name, or ``refunded``, ``voided``, ``cap``,
    ``budget``, ``card_closed``, ``not_given`` (no coupon was left), ``person``.
    """

    __tablename__ = "rewards"
    __table_args__ = (
        UniqueConstraint("rule_id", "referral_id", "side"),
        one_of("side", RewardSide),
        one_of("state", RewardState),
        CheckConstraint("(offer_id IS NULL) <> (points IS NULL)", name="one_kind"),
        CheckConstraint("points > 0", name="points_positive"),
        CheckConstraint("cost_cents >= 0 AND committed_cents >= 0", name="cost_not_negative"),
        CheckConstraint("committed_cents <= cost_cents", name="commits_its_cost"),
        CheckConstraint("(state IN ('pending', 'approved')) = (reason IS NULL)", name="refusal_has_reason"),
        CheckConstraint("state <> 'approved' OR offer_id IS NULL OR coupon_id IS NOT NULL", name="approved_is_given"),
        CheckConstraint("(state IN ('pending', 'flagged')) = (decided_at IS NULL)", name="decided_has_time"),
        CheckConstraint("(decided_at IS NULL) = (decided_by IS NULL)", name="decision_is_whole"),
        CheckConstraint("points_short BETWEEN 0 AND points", name="points_short_range"),
        CheckConstraint("NOT is_coupon_lost OR coupon_id IS NOT NULL", name="lost_was_given"),
        Index(None, "chain_id", "id"),
        Index(None, "chain_id", "state", "id"),
        Index(None, "chain_id", "member_id", "id"),
        Index(None, "referral_id"),
        Index(None, "checkout_id"),
        Index(
            "ix_rewards_due",
            "chain_id",
            "due_at",
            sqlite_where=text("state = 'pending'"),
            postgresql_where=text("state = 'pending'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    rule_id: Mapped[int] = mapped_column(ForeignKey("reward_rules.id"))
    referral_id: Mapped[int] = mapped_column(ForeignKey("referrals.id"))
    side: Mapped[str] = mapped_column(String(10))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))  # who gets it
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    checkout_id: Mapped[int | None] = mapped_column(ForeignKey("checkouts.id"))  # the first purchase
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("offers.id"))
    points: Mapped[int | None]
    cost_cents: Mapped[int]  # as the rule said when the reward was earned
    committed_cents: Mapped[int]  # of the rule's budget, by this reward, now
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str | None] = mapped_column(String(30))
    earned_on: Mapped[date]  # the business day of the chain: what the daily cap counts
    due_at: Mapped[datetime]  # the end of the holding days
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"))
    points_short: Mapped[int] = mapped_column(default=0)  # spent before the clawback, borne by the chain
    is_coupon_lost: Mapped[bool] = mapped_column(default=False)  # used before the clawback
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(40))  # "staff:7", "key:3", "system"
    created_at: Mapped[datetime]


class FraudFinding(Model):
    """A rule that a referral broke, with what was seen. A person can dismiss it."""

    __tablename__ = "fraud_findings"
    __table_args__ = (
        UniqueConstraint("referral_id", "rule"),
        one_of("rule", FraudRule),
        CheckConstraint("action IN ('flag', 'reject')", name="action_known"),
        CheckConstraint("(dismissed_at IS NULL) = (dismissed_by IS NULL)", name="dismissal_is_whole"),
        CheckConstraint("dismiss_reason IS NULL OR dismissed_at IS NOT NULL", name="reason_needs_dismissal"),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    referral_id: Mapped[int] = mapped_column(ForeignKey("referrals.id"))
    rule: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(10))
    evidence: Mapped[dict[str, Any]]  # figures and ids, no personal data
    found_at: Mapped[datetime]
    dismissed_at: Mapped[datetime | None]
    dismissed_by: Mapped[str | None] = mapped_column(String(40))
    dismiss_reason: Mapped[str | None] = mapped_column(String(200))


class FraudSetting(Model):
    """What a chain does where a rule is broken; without a row, what every chain begins with (sharing/fraud.py)."""

    __tablename__ = "fraud_settings"
    __table_args__ = (
        one_of("rule", FraudRule),
        one_of("action", FraudAction),
        CheckConstraint("threshold BETWEEN 1 AND 10000", name="threshold_range"),
    )

    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"), primary_key=True)
    rule: Mapped[str] = mapped_column(String(20), primary_key=True)
    action: Mapped[str] = mapped_column(String(10))
    threshold: Mapped[int | None]
