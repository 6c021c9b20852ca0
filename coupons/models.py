"""Offers, their stock, and the coupons members hold."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of


class OfferKind(StrEnum):
    CASH = "cash"
    PERCENT = "percent"


class OfferState(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class CouponState(StrEnum):
    CLAIMED = "claimed"
    GIFTING = "gifting"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    VOID = "void"


class CouponSource(StrEnum):
    """How the member came by the coupon."""

    CLAIM_PAGE = "claim_page"
    STORE_CODE = "store_code"
    WELCOME = "welcome"
    CAMPAIGN = "campaign"
    SHARE_REWARD = "share_reward"
    IMPORT = "import"
    API = "api"


class Offer(Model):
    """What a coupon gives and when. Money in minor units, percentages in basis points.

    Valid between two moments, or for some days after the claim: the day of the claim counts as the first.
    """

    __tablename__ = "offers"
    __table_args__ = (
        UniqueConstraint("token"),
        one_of("kind", OfferKind),
        one_of("state", OfferState),
        CheckConstraint(
            "(kind = 'cash' AND value_cents > 0 AND percent_bp IS NULL AND cap_cents IS NULL)"
            " OR (kind = 'percent' AND percent_bp BETWEEN 1 AND 10000 AND value_cents IS NULL)",
            name="kind_has_its_value",
        ),
        CheckConstraint("cap_cents > 0", name="cap_positive"),
        CheckConstraint("min_cents >= 0", name="min_not_negative"),
        CheckConstraint("stock >= 0", name="stock_not_negative"),
        CheckConstraint("per_member_limit BETWEEN 1 AND 100", name="per_member_limit_range"),
        CheckConstraint("valid_from < valid_until", name="validity_order"),
        CheckConstraint("valid_days BETWEEN 1 AND 3650", name="valid_days_range"),
        CheckConstraint("(valid_until IS NULL) <> (valid_days IS NULL)", name="one_kind_of_validity"),
        CheckConstraint("(valid_from IS NULL) = (valid_until IS NULL)", name="fixed_validity_is_whole"),
        Index(None, "chain_id", "id"),
        Index(
            "uq_offers_one_welcome",
            "program_id",
            unique=True,
            sqlite_where=text("program_id IS NOT NULL AND state = 'running'"),
            postgresql_where=text("program_id IS NOT NULL AND state = 'running'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    program_id: Mapped[int | None] = mapped_column(ForeignKey("programs.id"))  # the welcome gift of this program
    token: Mapped[str] = mapped_column(String(40))  # of the public claim page
    name: Mapped[str] = mapped_column(String(60))
    name_en: Mapped[str] = mapped_column(String(80))
    kind: Mapped[str] = mapped_column(String(20))
    value_cents: Mapped[int | None]
    percent_bp: Mapped[int | None]  # taken off: 1000 is 10 % off
    cap_cents: Mapped[int | None]
    min_cents: Mapped[int] = mapped_column(default=0)
    stock: Mapped[int | None]  # NULL: as many as are asked for
    per_member_limit: Mapped[int] = mapped_column(default=1)
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    valid_days: Mapped[int | None]
    is_public: Mapped[bool] = mapped_column(default=True)  # listed to members for claiming
    state: Mapped[str] = mapped_column(String(10), default=OfferState.DRAFT)
    created_at: Mapped[datetime]


class OfferSlot(Model):
    """A part of an offer's stock. Many parts let many claims through at once; their sum is the stock."""

    __tablename__ = "offer_slots"
    __table_args__ = (CheckConstraint("claimed BETWEEN 0 AND stock", name="claimed_within_stock"),)

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    stock: Mapped[int]
    claimed: Mapped[int] = mapped_column(default=0)


class Coupon(Model):
    """One claimable right of one member, from an offer. It is used at most once."""

    __tablename__ = "coupons"
    __table_args__ = (
        UniqueConstraint("code"),
        UniqueConstraint("offer_id", "member_id", "ordinal"),
        one_of("state", CouponState),
        one_of("source", CouponSource),
        CheckConstraint("valid_from < valid_until", name="validity_order"),
        CheckConstraint("ordinal BETWEEN 1 AND 100", name="ordinal_range"),
        CheckConstraint("(state = 'redeemed') = (redeemed_at IS NOT NULL)", name="redeemed_has_time"),
        CheckConstraint("redeemed_at < valid_until", name="redeemed_in_time"),
        Index(None, "chain_id", "id"),
        Index(
            "ix_coupons_open_by_card",
            "card_id",
            "valid_until",
            sqlite_where=text("state = 'claimed'"),
            postgresql_where=text("state = 'claimed'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"))
    slot: Mapped[int | None]  # the part of the stock it was taken from
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    ordinal: Mapped[int]  # the member's first, second … of this offer
    code: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(10), default=CouponState.CLAIMED)
    source: Mapped[str] = mapped_column(String(20))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    claimed_at: Mapped[datetime]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime]
    redeemed_at: Mapped[datetime | None]
