"""Purchases at a till, and the coupons used in them."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of


class CheckoutState(StrEnum):
    SETTLED = "settled"
    VOIDED = "voided"


class Checkout(Model):
    """One purchase at a till. Asked again under the same request id, it is the same purchase."""

    __tablename__ = "checkouts"
    __table_args__ = (
        UniqueConstraint("chain_id", "store_id", "request_id"),
        one_of("state", CheckoutState),
        CheckConstraint("amount_cents > 0", name="amount_positive"),
        CheckConstraint("member_discount_cents >= 0 AND coupon_discount_cents >= 0", name="discounts_not_negative"),
        CheckConstraint("payable_cents >= 0", name="payable_not_negative"),
        CheckConstraint("payable_cents = amount_cents - member_discount_cents - coupon_discount_cents", name="adds_up"),
        CheckConstraint("points_earned >= 0", name="points_not_negative"),
        CheckConstraint("(state = 'voided') = (voided_at IS NOT NULL)", name="voided_has_time"),
        Index(None, "chain_id", "id"),
        Index(None, "chain_id", "business_day", "store_id"),
        Index(None, "card_id", "id"),
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
    payable_cents: Mapped[int]
    points_earned: Mapped[int]
    state: Mapped[str] = mapped_column(String(10), default=CheckoutState.SETTLED)
    settled_at: Mapped[datetime]
    business_day: Mapped[date]
    voided_at: Mapped[datetime | None]
    voided_by: Mapped[str | None] = mapped_column(String(40))


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
    redeemed_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
