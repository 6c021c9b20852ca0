"""Offers, what of them is scarce, and the coupons members hold."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text, true
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of

JsonOrNull = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")  # no rule is NULL, not 'null'


class OfferKind(StrEnum):
    CASH = "cash"
    PERCENT = "percent"
    GIFT = "gift"
    FIXED_PRICE = "fixed_price"


class OfferState(StrEnum):
    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


class Stacking(StrEnum):
    """Whether a coupon goes together with others."""

    EXCLUSIVE = "exclusive"
    STACKABLE = "stackable"


class MemberPrice(StrEnum):
    """How a coupon goes together with the discount of the card's tier."""

    INSTEAD = "instead"
    ON_TOP = "on_top"


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
    CLAIM_WORD = "claim_word"
    PRINTED_CODE = "printed_code"
    STAFF_GIFT = "staff_gift"
    FRIEND = "friend"


class Offer(Model):
    """What a coupon gives and when. Money in minor units, percentages in basis points.

    Valid between two moments, or for some days after the claim: the day of the claim counts as the first, unless the
    validity begins ``valid_delay_days`` later. Within that, only on some weekdays, in some hours, not on some dates;
    all three are read in the zone of the store where the coupon is used, by its business day and its clock.
    A gift and a fixed price are of one item, which is rung up at ``item_cents`` like any other.
    """

    __tablename__ = "offers"
    __table_args__ = (
        UniqueConstraint("token"),
        one_of("kind", OfferKind),
        one_of("state", OfferState),
        CheckConstraint(
            "(kind = 'cash' AND value_cents > 0 AND percent_bp IS NULL AND cap_cents IS NULL AND item_cents IS NULL)"
            " OR (kind = 'percent' AND percent_bp BETWEEN 1 AND 10000 AND value_cents IS NULL AND item_cents IS NULL)"
            " OR (kind IN ('gift', 'fixed_price') AND item_cents > 0 AND value_cents IS NULL AND percent_bp IS NULL"
            " AND cap_cents IS NULL)",
            name="kind_has_its_value",
        ),
        CheckConstraint("(kind = 'fixed_price') = (price_cents IS NOT NULL)", name="fixed_price_has_price"),
        CheckConstraint("price_cents > 0 AND price_cents < item_cents", name="price_below_item"),
        CheckConstraint(
            "(item_cents IS NULL) = (item_name IS NULL) AND (item_cents IS NULL) = (item_name_en IS NULL)",
            name="item_has_names",
        ),
        one_of("stacking", Stacking),
        one_of("member_price", MemberPrice),
        CheckConstraint("stack_group IS NULL OR stacking = 'stackable'", name="groups_are_stackable"),
        CheckConstraint("valid_delay_days BETWEEN 0 AND 365", name="valid_delay_range"),
        CheckConstraint("valid_delay_days = 0 OR valid_days IS NOT NULL", name="delay_needs_days"),
        CheckConstraint("weekdays BETWEEN 1 AND 127", name="weekdays_range"),
        CheckConstraint("per_day_limit > 0", name="per_day_limit_positive"),
        CheckConstraint("per_phone_limit BETWEEN 1 AND 100", name="per_phone_limit_range"),
        CheckConstraint("budget_cents > 0", name="budget_positive"),
        CheckConstraint(
            "budget_cents IS NULL OR kind <> 'percent' OR cap_cents IS NOT NULL", name="budget_needs_a_cap"
        ),
        CheckConstraint("staff_gift_limit BETWEEN 1 AND 1000", name="staff_gift_limit_range"),
        CheckConstraint("hq_share_bp BETWEEN 0 AND 10000", name="hq_share_range"),
        CheckConstraint("(submitted_at IS NULL) = (submitted_by IS NULL)", name="submission_is_whole"),
        CheckConstraint("(approved_at IS NULL) = (approved_by IS NULL)", name="approval_is_whole"),
        CheckConstraint("approved_by <> submitted_by", name="approved_by_a_second"),
        CheckConstraint("approved_at IS NULL OR submitted_at IS NOT NULL", name="approved_after_submission"),
        CheckConstraint("alarm_level IN (0, 20)", name="alarm_level_known"),
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
        Index(
            "uq_offers_one_claim_word",
            "chain_id",
            "claim_word",
            unique=True,
            sqlite_where=text("claim_word IS NOT NULL AND state = 'running'"),
            postgresql_where=text("claim_word IS NOT NULL AND state = 'running'"),
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
    item_name: Mapped[str | None] = mapped_column(String(60))
    item_name_en: Mapped[str | None] = mapped_column(String(80))
    item_cents: Mapped[int | None]  # what the item costs without the coupon
    price_cents: Mapped[int | None]  # what it costs with a fixed price
    min_cents: Mapped[int] = mapped_column(default=0)  # of the amount before discounts, without the item
    stock: Mapped[int | None]  # NULL: as many as are asked for
    per_member_limit: Mapped[int] = mapped_column(default=1)
    per_day_limit: Mapped[int | None]  # claims in one business day of the chain
    per_phone_limit: Mapped[int | None]  # per verified phone; with it, a verified phone is needed to claim
    budget_cents: Mapped[int | None]  # the most that its coupons may take off together
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    valid_days: Mapped[int | None]
    valid_delay_days: Mapped[int] = mapped_column(default=0, server_default="0")
    weekdays: Mapped[int | None]  # bits, Monday is 1, Sunday 64; NULL: every day
    hours: Mapped[list[list[int]] | None] = mapped_column(JsonOrNull)  # [[840, 1020]]: minutes, 14:00 to 17:00
    blackout_dates: Mapped[list[str] | None] = mapped_column(JsonOrNull)  # ["2026-10-01"]
    is_for_all_stores: Mapped[bool] = mapped_column(default=True, server_default=true())  # else those of offer_stores
    is_for_all_programs: Mapped[bool] = mapped_column(default=True, server_default=true())  # else of offer_programs
    is_for_all_tiers: Mapped[bool] = mapped_column(default=True, server_default=true())  # else those of offer_tiers
    stacking: Mapped[str] = mapped_column(String(10), default=Stacking.EXCLUSIVE, server_default=Stacking.EXCLUSIVE)
    stack_group: Mapped[str | None] = mapped_column(String(40))  # at most one of a group in a purchase
    member_price: Mapped[str] = mapped_column(String(10), default=MemberPrice.ON_TOP, server_default=MemberPrice.ON_TOP)
    is_public: Mapped[bool] = mapped_column(default=True)  # listed to members for claiming
    claim_word: Mapped[str | None] = mapped_column(String(40))  # 口令, in small letters
    staff_gift_limit: Mapped[int | None]  # how many one member of staff may give in a business day; NULL: none
    may_be_given: Mapped[bool] = mapped_column(default=True, server_default=true())  # by a member to a friend
    hq_share_bp: Mapped[int] = mapped_column(
        default=10_000, server_default="10000"
    )  # of the discount, borne by head office
    state: Mapped[str] = mapped_column(String(10), default=OfferState.DRAFT)
    created_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]  # a draft that waits for the second person
    submitted_by: Mapped[str | None] = mapped_column(String(40))
    approved_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(String(40))
    alarm_level: Mapped[int | None]  # the lowest stock alarm that was told: 20 (per cent), 0


class OfferSlot(Model):
    """A part of an offer's stock. Many parts let many claims through at once; their sum is the stock."""

    __tablename__ = "offer_slots"
    __table_args__ = (CheckConstraint("claimed BETWEEN 0 AND stock", name="claimed_within_stock"),)

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(primary_key=True)
    stock: Mapped[int]
    claimed: Mapped[int] = mapped_column(default=0)


class OfferDay(Model):
    """How many coupons of an offer went out in one business day of the chain. Only where that is limited."""

    __tablename__ = "offer_days"
    __table_args__ = (CheckConstraint("claimed BETWEEN 0 AND most", name="claimed_within_day"),)

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    claimed: Mapped[int]
    most: Mapped[int]


class OfferPhone(Model):
    """How many coupons of an offer one verified phone has had; the phone is a hash. Only where that is limited."""

    __tablename__ = "offer_phones"
    __table_args__ = (CheckConstraint("claimed BETWEEN 0 AND most", name="claimed_within_phone"),)

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    phone_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    claimed: Mapped[int]
    most: Mapped[int]


class OfferBudget(Model):
    """The most that an offer's coupons, out and used, may take off together. Only where that is limited.

    A claim commits the most its coupon can take, used or not, so that an undo always fits; its end frees it.
    """

    __tablename__ = "offer_budgets"
    __table_args__ = (CheckConstraint("committed_cents BETWEEN 0 AND budget_cents", name="committed_within_budget"),)

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    budget_cents: Mapped[int]
    committed_cents: Mapped[int] = mapped_column(default=0)


class OfferStore(Model):
    """A store in which the coupons of an offer can be used."""

    __tablename__ = "offer_stores"

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"), primary_key=True)


class OfferProgram(Model):
    """A program whose cards can claim and use the coupons of an offer."""

    __tablename__ = "offer_programs"

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    program_id: Mapped[int] = mapped_column(ForeignKey("programs.id"), primary_key=True)


class OfferTier(Model):
    """A tier whose cards can claim and use the coupons of an offer."""

    __tablename__ = "offer_tiers"

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    tier_id: Mapped[int] = mapped_column(ForeignKey("tiers.id"), primary_key=True)


class OfferPolicy(Model):
    """How a chain makes its offers."""

    __tablename__ = "offer_policies"

    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"), primary_key=True)
    needs_approval: Mapped[bool] = mapped_column(default=False)  # by a second person, before an offer runs


class OfferSighting(Model):
    """An offer was shown to one visitor, counted once a business day; the visitor is a hash."""

    __tablename__ = "offer_sightings"
    __table_args__ = (one_of("source", CouponSource), Index(None, "chain_id", "day"))

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    visitor: Mapped[str] = mapped_column(String(64), primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    source: Mapped[str] = mapped_column(String(20))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))


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
        CheckConstraint("committed_cents >= 0", name="committed_not_negative"),
        CheckConstraint("(source = 'friend') = (given_coupon_id IS NOT NULL)", name="friend_has_giver"),
        Index(None, "chain_id", "id"),
        Index(
            "ix_coupons_open_by_card",
            "card_id",
            "valid_until",
            sqlite_where=text("state = 'claimed'"),
            postgresql_where=text("state = 'claimed'"),
        ),
        Index(
            "uq_coupons_given_once",
            "given_coupon_id",
            unique=True,
            sqlite_where=text("given_coupon_id IS NOT NULL"),
            postgresql_where=text("given_coupon_id IS NOT NULL"),
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
    committed_cents: Mapped[int] = mapped_column(
        default=0, server_default="0"
    )  # of the offer's budget; 0 where there is none
    given_coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"))  # the friend's coupon it was before


class WelcomeDue(Model):
    """A new card whose welcome gift follows in a transaction of its own, which takes this row away."""

    __tablename__ = "welcome_dues"
    __table_args__ = (Index(None, "chain_id", "due_at"),)

    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"), primary_key=True, autoincrement=False)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"))
    due_at: Mapped[datetime]
