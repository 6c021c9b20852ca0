"""Campaigns, their runs, one delivery per member and channel, and what members agreed to."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of


class CampaignState(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    MISSED = "missed"


class RunState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"


class SkipReason(StrEnum):
    OPTED_OUT = "opted_out"
    NO_ADDRESS = "no_address"
    CAPPED = "capped"
    QUIET = "quiet"
    STALE = "stale"
    HOLDOUT = "holdout"
    CARD_INACTIVE = "card_inactive"
    DUPLICATE = "duplicate"


class PushChannel(StrEnum):
    INBOX = "inbox"
    EMAIL = "email"
    GATEWAY = "gateway"  # SMS and other services behind a signed HTTP call
    WEB_PUSH = "web_push"  # a browser that the member let us wake
    WECHAT_TEMPLATE = "wechat_template"  # to followers of the chain's WeChat account
    WECHAT_SUBSCRIPTION = "wechat_subscription"  # one message for each "allow" of the member


class Purpose(StrEnum):
    """What a message is for. Promotion needs a yes of its own and counts for the caps; service does neither."""

    PROMOTION = "promotion"
    SERVICE = "service"


class ConsentPurpose(StrEnum):
    """What a member says yes or no to."""

    PROMOTION = "promotion"
    SERVICE = "service"
    MEASUREMENT = "measurement"  # that we note which links he follows


class ChannelMode(StrEnum):
    """Over every channel chosen, or over the first that takes it."""

    EVERY = "every"
    FIRST = "first"


class Campaign(Model):
    """A push to members: whom, what, when. The word never means an offer."""

    __tablename__ = "campaigns"
    __table_args__ = (
        one_of("state", CampaignState),
        one_of("purpose", Purpose),
        one_of("channel_mode", ChannelMode),
        CheckConstraint("holdout_bp BETWEEN 0 AND 5000", name="holdout_range"),
        CheckConstraint("(submitted_at IS NULL) = (submitted_by IS NULL)", name="submission_is_whole"),
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="approval_is_whole"),
        CheckConstraint("approved_by <> submitted_by", name="approved_by_a_second"),
        CheckConstraint("approved_at IS NULL OR submitted_at IS NOT NULL", name="approved_after_submission"),
        CheckConstraint("send_at IS NULL OR send_until IS NULL OR send_at < send_until", name="window_order"),
        CheckConstraint("(state = 'scheduled') <= (next_run_at IS NOT NULL)", name="scheduled_has_time"),
        Index(None, "chain_id", "id"),
        Index(
            "ix_campaigns_due",
            "next_run_at",
            sqlite_where=text("state = 'scheduled'"),
            postgresql_where=text("state = 'scheduled'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("offers.id"))  # handed out with the message
    name: Mapped[str] = mapped_column(String(80))
    audience: Mapped[dict[str, Any]]  # rules: see push/audiences/segments.py
    purpose: Mapped[str] = mapped_column(String(10), default=Purpose.PROMOTION, server_default=Purpose.PROMOTION)
    channels: Mapped[list[Any]]  # in the order of choice
    channel_mode: Mapped[str] = mapped_column(String(10), default=ChannelMode.EVERY, server_default=ChannelMode.EVERY)
    variants: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")  # see push/wording/variants.py
    texts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")  # of variants and channels
    holdout_bp: Mapped[int] = mapped_column(default=0, server_default="0")  # of the audience, that gets nothing
    title: Mapped[str] = mapped_column(String(80))
    title_en: Mapped[str] = mapped_column(String(120))
    body: Mapped[str] = mapped_column(Text)
    body_en: Mapped[str] = mapped_column(Text)
    schedule: Mapped[dict[str, Any]]  # {"kind": "now"} | {"kind": "at"} | {"kind": "recurring", …}
    send_at: Mapped[datetime | None]
    send_until: Mapped[datetime | None]  # later than this a message is stale
    next_run_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(10), default=CampaignState.DRAFT)
    submitted_at: Mapped[datetime | None]
    submitted_by: Mapped[str | None] = mapped_column(String(40))
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(String(40))
    created_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime]


class Run(Model):
    """One going-out of a campaign, with the message as it was then. One per campaign and due time."""

    __tablename__ = "campaign_runs"
    __table_args__ = (
        UniqueConstraint("campaign_id", "due_at"),
        one_of("state", RunState),
        CheckConstraint("audience_count >= 0", name="audience_not_negative"),
        CheckConstraint("(state = 'finished') = (finished_at IS NOT NULL)", name="finished_has_time"),
        Index(None, "chain_id", "id"),
        Index(None, "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("offers.id"))
    continues_run_id: Mapped[int | None] = mapped_column(ForeignKey("campaign_runs.id"))  # with other words
    title: Mapped[str] = mapped_column(String(80))
    title_en: Mapped[str] = mapped_column(String(120))
    body: Mapped[str] = mapped_column(Text)
    body_en: Mapped[str] = mapped_column(Text)
    texts: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    variants: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    pause_reason: Mapped[str | None] = mapped_column(String(20))  # "errors": too many went wrong
    due_at: Mapped[datetime]
    send_until: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(10), default=RunState.RUNNING)
    audience_count: Mapped[int] = mapped_column(default=0)  # its deliveries, those over a next channel too
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Delivery(Model):
    """One message of one run to one member over one channel."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("run_id", "member_id", "channel"),
        one_of("state", DeliveryState),
        one_of("channel", PushChannel),
        one_of("reason", SkipReason),
        CheckConstraint("(state = 'sending') = (leased_until IS NOT NULL)", name="lease_means_sending"),
        CheckConstraint("(state = 'skipped') = (reason IS NOT NULL)", name="skipped_has_reason"),
        CheckConstraint("(state IN ('sent', 'delivered')) <= (sent_at IS NOT NULL)", name="sent_has_time"),
        CheckConstraint("attempts >= 0", name="attempts_not_negative"),
        CheckConstraint("variant IN ('A', 'B', 'C', 'D')", name="variant_known"),
        CheckConstraint("delivered_at IS NULL OR state = 'delivered'", name="delivered_has_state"),
        Index(None, "chain_id", "id"),
        Index(None, "run_id", "state"),
        Index(
            "ix_deliveries_provider_ref",
            "channel",
            "provider_ref",
            sqlite_where=text("provider_ref IS NOT NULL"),
            postgresql_where=text("provider_ref IS NOT NULL"),
        ),
        Index(None, "member_id", "sent_at"),
        Index(
            "ix_deliveries_error",
            "run_id",
            "state",
            "channel",
            sqlite_where=text("error IS NOT NULL"),
            postgresql_where=text("error IS NOT NULL"),
        ),
        Index(
            "ix_deliveries_due",
            "run_id",
            "channel",
            "due_at",
            "id",
            sqlite_where=text("state IN ('pending', 'sending')"),
            postgresql_where=text("state IN ('pending', 'sending')"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    run_id: Mapped[int] = mapped_column(ForeignKey("campaign_runs.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    channel: Mapped[str] = mapped_column(String(20))
    variant: Mapped[str] = mapped_column(String(1), default="A", server_default="A")
    state: Mapped[str] = mapped_column(String(10), default=DeliveryState.PENDING)
    reason: Mapped[str | None] = mapped_column(String(20))
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"))
    due_at: Mapped[datetime]  # when it may be tried next
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    # From then on it is tried again for so long, and no longer. What was skipped then keeps it: until then it would go.
    first_tried_at: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(200))
    provider_ref: Mapped[str | None] = mapped_column(String(100))  # what the provider calls it, for its receipts
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]  # by the provider's receipt
    read_at: Mapped[datetime | None]  # opened


class Consent(Model):
    """What a member agreed to, or withdrew, for one channel and purpose. The newest word counts; the old ones stay."""

    __tablename__ = "consents"
    __table_args__ = (
        one_of("channel", PushChannel),
        one_of("purpose", ConsentPurpose),
        Index(None, "member_id", "channel", "id"),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    channel: Mapped[str] = mapped_column(String(20))
    purpose: Mapped[str] = mapped_column(
        String(11), default=ConsentPurpose.PROMOTION, server_default=ConsentPurpose.PROMOTION
    )
    is_granted: Mapped[bool]
    source: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]


class PushPolicy(Model):
    """A chain's manners: quiet hours in the member's zone, and how often at most."""

    __tablename__ = "push_policies"
    __table_args__ = (
        CheckConstraint("quiet_from BETWEEN 0 AND 23 AND quiet_until BETWEEN 0 AND 23", name="hours"),
        CheckConstraint("cap_per_day >= 1 AND cap_per_week >= cap_per_day", name="cap_order"),
        CheckConstraint("global_holdout_bp BETWEEN 0 AND 2000", name="global_holdout_range"),
        CheckConstraint("error_pause_bp BETWEEN 1 AND 10000 AND error_pause_after >= 1", name="error_pause_range"),
    )

    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"), primary_key=True)
    quiet_from: Mapped[int] = mapped_column(default=21)
    quiet_until: Mapped[int] = mapped_column(default=9)
    cap_per_day: Mapped[int] = mapped_column(default=1)
    cap_per_week: Mapped[int] = mapped_column(default=3)
    needs_approval: Mapped[bool] = mapped_column(default=False, server_default=false())
    global_holdout_bp: Mapped[int] = mapped_column(default=0, server_default="0")  # of members, that get no promotion
    error_pause_bp: Mapped[int] = mapped_column(default=2000, server_default="2000")  # of what was tried in a run …
    error_pause_after: Mapped[int] = mapped_column(default=50, server_default="50")  # … once so many were


class PushTurn(Model):
    """Where workers queue for one member: whoever decides about his caps or his coupon writes this row first."""

    __tablename__ = "push_turns"
    __table_args__ = (CheckConstraint("turn >= 1", name="turn_positive"),)

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True, autoincrement=False)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    turn: Mapped[int]
