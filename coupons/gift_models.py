"""Coupons that go from hand to hand: a member's gift to a friend, a coupon that staff give."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of


class GiftState(StrEnum):
    """Where the giving of a coupon to a friend stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class CouponGift(Model):
    """A member gives a coupon to a friend: open until accepted, cancelled or timed out."""

    __tablename__ = "coupon_gifts"
    __table_args__ = (
        UniqueConstraint("token"),
        one_of("state", GiftState),
        CheckConstraint("made_at < valid_until", name="validity_order"),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended_has_time"),
        CheckConstraint("(state = 'accepted') = (new_coupon_id IS NOT NULL)", name="accepted_has_coupon"),
        Index(
            "uq_coupon_gifts_one_open",
            "coupon_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index(None, "chain_id", "state", "valid_until"),
        Index(None, "coupon_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"))
    giver_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    receiver_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    new_coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"))
    share_link_id: Mapped[int | None]  # of a higher package, so the database cannot hold it here
    token: Mapped[str] = mapped_column(String(40))
    message: Mapped[str] = mapped_column(String(100), default="")
    state: Mapped[str] = mapped_column(String(10), default=GiftState.OPEN)
    made_at: Mapped[datetime]
    valid_until: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class StaffGift(Model):
    """A coupon that a member of staff gave, with his reason. His first, second … of this offer in a business day."""

    __tablename__ = "staff_gifts"
    __table_args__ = (
        UniqueConstraint("offer_id", "staff_id", "day", "ordinal"),
        CheckConstraint("ordinal BETWEEN 1 AND most", name="ordinal_range"),
        CheckConstraint("length(reason) > 0", name="reason_not_empty"),
        Index(None, "chain_id", "day"),
    )

    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"), primary_key=True, autoincrement=False)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    day: Mapped[date]
    ordinal: Mapped[int]
    most: Mapped[int]
    reason: Mapped[str] = mapped_column(String(200))
    given_at: Mapped[datetime]
