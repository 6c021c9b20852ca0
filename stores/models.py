"""The chain, its stores, their codes, and who works there."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of

DEFAULT_ACCENT = "#C8402F"


class Role(StrEnum):
    HQ_ADMIN = "hq_admin"
    HQ_ANALYST = "hq_analyst"
    STORE_MANAGER = "store_manager"
    CLERK = "clerk"


class Chain(Model):
    """The tenant: one brand with its stores, time zone, currency and languages."""

    __tablename__ = "chains"
    __table_args__ = (
        UniqueConstraint("slug"),
        CheckConstraint("cutoff_hour BETWEEN 0 AND 12", name="cutoff_hour_range"),
        CheckConstraint("length(accent) = 7", name="accent_is_hex"),
        CheckConstraint("language IN ('zh', 'en')", name="language_known"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(80))
    name_en: Mapped[str] = mapped_column(String(80))
    timezone: Mapped[str] = mapped_column(String(60))
    currency: Mapped[str] = mapped_column(String(3))
    language: Mapped[str] = mapped_column(String(2), default="zh")
    cutoff_hour: Mapped[int] = mapped_column(default=0)
    accent: Mapped[str] = mapped_column(String(7), default=DEFAULT_ACCENT)
    created_at: Mapped[datetime]


class Store(Model):
    """One shop. ``code`` is head office's own number for it."""

    __tablename__ = "stores"
    __table_args__ = (
        UniqueConstraint("chain_id", "code"),
        CheckConstraint("length(code) > 0", name="code_not_empty"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude_range"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude_range"),
        CheckConstraint("(longitude IS NULL) = (latitude IS NULL)", name="point_is_whole"),
        Index(None, "chain_id", "city"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    code: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(300), default="")
    city: Mapped[str] = mapped_column(String(80), default="")
    region: Mapped[str] = mapped_column(String(80), default="")
    country: Mapped[str] = mapped_column(String(2), default="")
    postcode: Mapped[str] = mapped_column(String(20), default="")
    phone: Mapped[str] = mapped_column(String(40), default="")
    timezone: Mapped[str] = mapped_column(String(60))
    longitude: Mapped[float | None]
    latitude: Mapped[float | None]
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class StoreCode(Model):
    """One printed or shown QR of a store, with a label and its own token."""

    __tablename__ = "store_codes"
    __table_args__ = (
        UniqueConstraint("token"),
        CheckConstraint("length(token) >= 13", name="token_length"),
        Index(None, "chain_id", "store_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    token: Mapped[str] = mapped_column(String(40))
    label: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Scan(Model):
    """One opening of a store code by one visitor; the visitor is a hash."""

    __tablename__ = "scans"
    __table_args__ = (
        Index(None, "chain_id", "store_id", "at"),
        Index(None, "store_code_id", "visitor", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    store_code_id: Mapped[int] = mapped_column(ForeignKey("store_codes.id"))
    visitor: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class ScanVisitor(Model):
    """When a visitor last counted on a store code: the row that makes parallel openings one scan."""

    __tablename__ = "scan_visitors"

    store_code_id: Mapped[int] = mapped_column(ForeignKey("store_codes.id"), primary_key=True)
    visitor: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_scan_at: Mapped[datetime]


class Staff(Model):
    """A person who works for the chain and signs in."""

    __tablename__ = "staff"
    __table_args__ = (
        UniqueConstraint("login"),
        one_of("role", Role),
        CheckConstraint("failed_logins >= 0", name="failed_logins_not_negative"),
        CheckConstraint("failed_pins >= 0", name="failed_pins_not_negative"),
        CheckConstraint("language IN ('zh', 'en')", name="language_known"),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    login: Mapped[str] = mapped_column(String(120))
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str] = mapped_column(String(200))
    language: Mapped[str] = mapped_column(String(2), default="zh")
    failed_logins: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    pin_hash: Mapped[str | None] = mapped_column(String(200))  # of a manager, typed at a till to allow more
    failed_pins: Mapped[int] = mapped_column(default=0, server_default="0")
    pin_locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class StaffStore(Model):
    """A store a manager or clerk works in. HQ roles need none."""

    __tablename__ = "staff_stores"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"), primary_key=True)


class StaffSession(Model):
    """One signed-in browser; the cookie holds the token, we hold its hash."""

    __tablename__ = "staff_sessions"
    __table_args__ = (
        UniqueConstraint("token_hash"),
        CheckConstraint("created_at < valid_until", name="validity_order"),
        Index(None, "staff_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    token_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    valid_until: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ApiKey(Model):
    """A till's or partner's key: a role, perhaps one store, kept hashed."""

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("key_hash"),
        one_of("role", Role),
        CheckConstraint("role LIKE 'hq_%' OR store_id IS NOT NULL", name="store_roles_need_a_store"),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    name: Mapped[str] = mapped_column(String(80))
    role: Mapped[str] = mapped_column(String(20))
    key_hash: Mapped[str] = mapped_column(String(64))
    last_four: Mapped[str] = mapped_column(String(4))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
