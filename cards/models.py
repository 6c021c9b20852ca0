"""Programs, wallets, members, cards and their points."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of
from stores.models import DEFAULT_ACCENT


class CardState(StrEnum):
    ACTIVE = "active"
    FROZEN = "frozen"
    CLOSED = "closed"
    MERGED = "merged"
    ERASED = "erased"


class CardChannel(StrEnum):
    """How the card was come by."""

    SCAN = "scan"
    SHARE = "share"
    IMPORT = "import"


class CodeMode(StrEnum):
    """Whether the shown code changes every 30 seconds, or stands printed."""

    ROTATING = "rotating"
    STATIC = "static"


class TierBy(StrEnum):
    """What carries a card to the next tier."""

    POINTS = "points"
    SPEND = "spend"


class Program(Model):
    """A kind of card a chain issues: face, benefits, terms. Each chain has one default."""

    __tablename__ = "programs"
    __table_args__ = (
        one_of("code_mode", CodeMode),
        CheckConstraint("points_per_unit >= 0", name="points_not_negative"),
        one_of("tier_by", TierBy),
        CheckConstraint("spend_points > 0 AND spend_cents > 0", name="spending_positive"),
        CheckConstraint("(spend_points IS NULL) = (spend_cents IS NULL)", name="spending_is_whole"),
        Index(None, "chain_id", "id"),
        Index(
            "uq_programs_one_default",
            "chain_id",
            unique=True,
            sqlite_where=text("is_default"),
            postgresql_where=text("is_default"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    is_default: Mapped[bool]
    name: Mapped[str] = mapped_column(String(40))
    name_en: Mapped[str] = mapped_column(String(60))
    benefits: Mapped[str] = mapped_column(Text, default="")  # one per line
    benefits_en: Mapped[str] = mapped_column(Text, default="")
    terms: Mapped[str] = mapped_column(Text, default="")
    terms_en: Mapped[str] = mapped_column(Text, default="")
    face_color: Mapped[str] = mapped_column(String(7), default=DEFAULT_ACCENT)
    face_pattern: Mapped[str] = mapped_column(String(20), default="waves")
    code_mode: Mapped[str] = mapped_column(String(10), default=CodeMode.ROTATING)
    points_per_unit: Mapped[int] = mapped_column(default=1)  # points for each whole unit of currency paid
    spend_points: Mapped[int | None]  # so many points …
    spend_cents: Mapped[int | None]  # … take so much off at the till; NULL: points cannot be spent
    tier_by: Mapped[str] = mapped_column(String(10), default=TierBy.POINTS, server_default=TierBy.POINTS)
    created_at: Mapped[datetime]


class Tier(Model):
    """A level of a program. Rank 0 is where everybody begins."""

    __tablename__ = "tiers"
    __table_args__ = (
        UniqueConstraint("program_id", "rank"),
        CheckConstraint("discount_bp BETWEEN 0 AND 10000", name="discount_range"),
        CheckConstraint("points_multiplier_bp >= 0", name="multiplier_not_negative"),
        CheckConstraint("rank >= 0 AND threshold_points >= 0", name="threshold_not_negative"),
        CheckConstraint("threshold_cents >= 0", name="spend_not_negative"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    program_id: Mapped[int] = mapped_column(ForeignKey("programs.id"))
    rank: Mapped[int]
    name: Mapped[str] = mapped_column(String(20))
    name_en: Mapped[str] = mapped_column(String(30))
    discount_bp: Mapped[int] = mapped_column(default=0)
    points_multiplier_bp: Mapped[int] = mapped_column(default=10_000)
    threshold_points: Mapped[int] = mapped_column(default=0)  # earned, where tiers go by points
    threshold_cents: Mapped[int] = mapped_column(default=0, server_default="0")  # paid, where tiers go by spend


class Wallet(Model):
    """A person's holder of cards across chains: a device that keeps a secret; we keep its hash."""

    __tablename__ = "wallets"
    __table_args__ = (UniqueConstraint("key_hash"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64))
    language: Mapped[str] = mapped_column(String(2), default="zh")
    created_at: Mapped[datetime]


class Member(Model):
    """A wallet as one chain knows it: whoever holds a card of the chain."""

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("chain_id", "wallet_id"),
        CheckConstraint("language IN ('zh', 'en')", name="language_known"),
        CheckConstraint("phone_verified_at IS NULL OR phone IS NOT NULL", name="verified_has_phone"),
        CheckConstraint("birthday IS NULL OR length(birthday) = 5", name="birthday_length"),
        Index(None, "chain_id", "id"),
        Index(None, "chain_id", "store_id", "id"),
        Index(None, "chain_id", "joined_at"),
        Index(None, "chain_id", "phone"),
        Index(
            "ix_members_birthday",
            "chain_id",
            "birthday",
            sqlite_where=text("birthday IS NOT NULL"),
            postgresql_where=text("birthday IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallets.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))  # where he joined
    name: Mapped[str] = mapped_column(String(60), default="")
    phone: Mapped[str | None] = mapped_column(String(20))  # E.164
    phone_verified_at: Mapped[datetime | None]
    email: Mapped[str | None] = mapped_column(String(254))
    birthday: Mapped[str | None] = mapped_column(String(5))  # "05-31": nobody needs the year
    language: Mapped[str] = mapped_column(String(2), default="zh")
    joined_at: Mapped[datetime]
    last_visit_at: Mapped[datetime | None]


class Card(Model):
    """The membership: one per wallet and program. It remembers where it came from."""

    __tablename__ = "cards"
    __table_args__ = (
        UniqueConstraint("number"),
        UniqueConstraint("chain_id", "program_id", "wallet_id"),
        one_of("state", CardState),
        one_of("channel", CardChannel),
        CheckConstraint("length(number) = 16", name="number_length"),
        CheckConstraint("points >= 0", name="points_not_negative"),
        CheckConstraint("value_cents >= 0", name="value_not_negative"),
        CheckConstraint("earned_points >= 0 AND spent_cents >= 0", name="progress_not_negative"),
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_has_time"),
        Index(None, "chain_id", "member_id"),
        Index(None, "wallet_id"),
        Index(None, "chain_id", "issued_on", "store_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    program_id: Mapped[int] = mapped_column(ForeignKey("programs.id"))
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallets.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    tier_id: Mapped[int] = mapped_column(ForeignKey("tiers.id"))
    number: Mapped[str] = mapped_column(String(16))
    code_secret: Mapped[bytes] = mapped_column(LargeBinary(20))
    state: Mapped[str] = mapped_column(String(10), default=CardState.ACTIVE)
    points: Mapped[int] = mapped_column(default=0)
    value_cents: Mapped[int] = mapped_column(default=0)
    earned_points: Mapped[int] = mapped_column(
        default=0, server_default="0"
    )  # by checkouts that stand: progress to the next tier
    spent_cents: Mapped[int] = mapped_column(
        default=0, server_default="0"
    )  # paid in checkouts that stand, refunds taken off
    channel: Mapped[str] = mapped_column(String(10))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    store_code_id: Mapped[int | None] = mapped_column(ForeignKey("store_codes.id"))
    share_link_id: Mapped[int | None]  # of a higher package, so the database cannot hold it here
    issued_at: Mapped[datetime]
    issued_on: Mapped[date]  # the business day of the store
    closed_at: Mapped[datetime | None]


class PointEntry(Model):
    """One line of a card's points ledger; the card's balance is the sum."""

    __tablename__ = "point_entries"
    __table_args__ = (
        CheckConstraint("delta <> 0", name="delta_not_zero"),
        CheckConstraint("balance >= 0", name="balance_not_negative"),
        Index(None, "card_id", "id"),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    delta: Mapped[int]
    balance: Mapped[int]  # after this line
    cause: Mapped[str] = mapped_column(String(60))  # "checkout:17", "void:17"
    at: Mapped[datetime]


class PhoneCode(Model):
    """A one-time code sent to a phone, kept hashed. It proves the phone once, within minutes and a few tries."""

    __tablename__ = "phone_codes"
    __table_args__ = (
        CheckConstraint("tries BETWEEN 0 AND 5", name="tries_range"),
        CheckConstraint("made_at < valid_until", name="validity_order"),
        Index(None, "phone", "made_at"),
        Index(None, "wallet_id", "made_at"),
        Index(None, "address", "made_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallets.id"))
    phone: Mapped[str] = mapped_column(String(20))  # E.164
    address: Mapped[str] = mapped_column(String(64))  # a hash of the network address that asked
    code_hash: Mapped[str] = mapped_column(String(64))
    tries: Mapped[int] = mapped_column(default=0)
    made_at: Mapped[datetime]
    valid_until: Mapped[datetime]
    used_at: Mapped[datetime | None]
