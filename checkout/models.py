"""Purchases at a till, and the coupons used in them."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of
from stores.models import Role


class CheckoutState(StrEnum):
    """Reserved by a till for a while; then settled, or released. Settled, it may be voided or refunded."""

    RESERVED = "reserved"
    RELEASED = "released"
    SETTLED = "settled"
    VOIDED = "voided"
    REFUNDED = "refunded"  # wholly; after a part it is still settled


class TillAction(StrEnum):
    """What a till may be refused."""

    SETTLE = "settle"
    RESERVE = "reserve"
    CONFIRM = "confirm"
    RELEASE = "release"
    VOID = "void"
    REFUND = "refund"


class Checkout(Model):
    """One purchase at a till. Asked again under the same request id, it is the same purchase."""

    __tablename__ = "checkouts"
    __table_args__ = (
        UniqueConstraint("chain_id", "store_id", "request_id"),
        one_of("state", CheckoutState),
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        CheckConstraint("member_discount_cents >= 0 AND coupon_discount_cents >= 0", name="discounts_not_negative"),
        CheckConstraint("payable_cents >= 0", name="payable_not_negative"),
        CheckConstraint(
            "payable_cents = amount_cents - member_discount_cents - coupon_discount_cents - points_discount_cents",
            name="adds_up",
        ),
        CheckConstraint("points_earned >= 0", name="points_not_negative"),
        CheckConstraint("points_used >= 0 AND points_discount_cents >= 0", name="points_used_not_negative"),
        CheckConstraint("refunded_cents BETWEEN 0 AND payable_cents", name="refunded_within_payable"),
        CheckConstraint("refunded_cents = 0 OR state IN ('settled', 'refunded')", name="refunded_was_settled"),
        CheckConstraint(
            "state <> 'refunded' OR (refunded_cents = payable_cents AND payable_cents > 0)", name="refunded_wholly"
        ),
        CheckConstraint("(state IN ('reserved', 'released')) = (settled_at IS NULL)", name="settled_has_time"),
        CheckConstraint("(settled_at IS NULL) = (business_day IS NULL)", name="settled_has_day"),
        CheckConstraint("state NOT IN ('reserved', 'released') OR reserved_until IS NOT NULL", name="reserved_has_end"),
        CheckConstraint("(state = 'voided') = (voided_at IS NOT NULL)", name="voided_has_time"),
        Index(None, "chain_id", "id"),
        Index(None, "chain_id", "business_day", "store_id"),
        Index(None, "card_id", "id"),
        Index(
            "ix_checkouts_reserved",
            "reserved_until",
            sqlite_where=text("state = 'reserved'"),
            postgresql_where=text("state = 'reserved'"),
        ),
        Index(
            "ix_checkouts_voided",
            "store_id",
            "voided_at",
            sqlite_where=text("voided_at IS NOT NULL"),
            postgresql_where=text("voided_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    settled_by: Mapped[str] = mapped_column(String(40))  # "staff:7", "key:3"
    request_id: Mapped[str] = mapped_column(String(80))
    fingerprint: Mapped[str] = mapped_column(String(64))
    amount_cents: Mapped[int]
    member_discount_cents: Mapped[int]
    coupon_discount_cents: Mapped[int]
    points_used: Mapped[int] = mapped_column(default=0, server_default="0")
    points_discount_cents: Mapped[int] = mapped_column(default=0, server_default="0")
    payable_cents: Mapped[int]
    refunded_cents: Mapped[int] = mapped_column(default=0, server_default="0")
    points_earned: Mapped[int]
    state: Mapped[str] = mapped_column(String(10), default=CheckoutState.SETTLED)
    reserved_until: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    business_day: Mapped[date | None]
    voided_at: Mapped[datetime | None]
    voided_by: Mapped[str | None] = mapped_column(String(40))
    void_approved_by: Mapped[str | None] = mapped_column(String(40))  # the manager whose PIN allowed it


class Redemption(Model):
    """A coupon used in a checkout. Undone, it stays in the books."""

    __tablename__ = "redemptions"
    __table_args__ = (
        CheckConstraint("discount_cents >= 0", name="discount_not_negative"),
        CheckConstraint("undone_at >= redeemed_at", name="undone_after"),
        Index(
            "uq_redemptions_coupon_in_use",
            "coupon_id",
            unique=True,
            sqlite_where=text("undone_at IS NULL"),
            postgresql_where=text("undone_at IS NULL"),
        ),
        Index(None, "checkout_id"),
        Index(None, "chain_id", "id"),
        Index(None, "chain_id", "redeemed_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    checkout_id: Mapped[int] = mapped_column(ForeignKey("checkouts.id"))
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"))
    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    discount_cents: Mapped[int]
    redeemed_at: Mapped[datetime | None]  # NULL while it is only reserved
    undone_at: Mapped[datetime | None]


class Refund(Model):
    """A part of a checkout's payment handed back. Asked again under the same request id, it is the same refund."""

    __tablename__ = "refunds"
    __table_args__ = (
        UniqueConstraint("chain_id", "store_id", "request_id"),
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        CheckConstraint("points_taken >= 0 AND points_short >= 0 AND points_returned >= 0", name="points_not_negative"),
        Index(None, "checkout_id"),
        Index(None, "chain_id", "id"),
        Index(None, "chain_id", "business_day", "store_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    checkout_id: Mapped[int] = mapped_column(ForeignKey("checkouts.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    request_id: Mapped[str] = mapped_column(String(80))
    fingerprint: Mapped[str] = mapped_column(String(64))
    amount_cents: Mapped[int]
    points_taken: Mapped[int]  # of those the checkout earned
    points_short: Mapped[int]  # spent meanwhile, borne by the chain
    points_returned: Mapped[int]  # of those the checkout used
    reason: Mapped[str] = mapped_column(String(200), default="")
    refunded_by: Mapped[str] = mapped_column(String(40))  # "staff:7", "key:3"
    approved_by: Mapped[str | None] = mapped_column(String(40))  # the manager whose PIN allowed it
    refunded_at: Mapped[datetime]
    business_day: Mapped[date]


class RefusedAttempt(Model):
    """A till was refused: what it tried and why. What succeeded is a checkout or a refund."""

    __tablename__ = "refused_attempts"
    __table_args__ = (one_of("action", TillAction), Index(None, "chain_id", "store_id", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    action: Mapped[str] = mapped_column(String(10))
    made_by: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
    code: Mapped[str] = mapped_column(String(60))  # of the refusal
    card_id: Mapped[int | None] = mapped_column(ForeignKey("cards.id"))
    checkout_id: Mapped[int | None] = mapped_column(ForeignKey("checkouts.id"))
    amount_cents: Mapped[int | None]


class TillPolicy(Model):
    """How long, and up to which amount, a role may undo and refund by itself. Beyond it a manager's PIN is needed."""

    __tablename__ = "till_policies"
    __table_args__ = (
        one_of("role", Role),
        CheckConstraint("window_minutes BETWEEN 0 AND 525600", name="window_range"),
        CheckConstraint("most_refund_cents >= 0", name="most_refund_not_negative"),
    )

    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(20), primary_key=True)
    window_minutes: Mapped[int]
    is_same_day_only: Mapped[bool]  # the same business day of the store
    most_refund_cents: Mapped[int | None]  # of one checkout in all; NULL: no limit
