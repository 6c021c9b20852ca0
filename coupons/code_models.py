"""Codes on paper that turn into coupons."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of


class BatchKind(StrEnum):
    GENERATED = "generated"
    IMPORTED = "imported"


class BatchState(StrEnum):
    """``making`` while its codes are being written: none of them works yet."""

    MAKING = "making"
    ACTIVE = "active"
    VOID = "void"


class CodeBatch(Model):
    """Printed codes that were made or taken in together. Each turns into one coupon of the offer."""

    __tablename__ = "code_batches"
    __table_args__ = (
        one_of("kind", BatchKind),
        one_of("state", BatchState),
        CheckConstraint("(state = 'void') = (voided_at IS NOT NULL)", name="voided_has_time"),
        CheckConstraint("made BETWEEN 0 AND size", name="made_within_size"),
        CheckConstraint("state <> 'active' OR made = size", name="active_is_whole"),
        Index(None, "chain_id", "id"),
        Index(None, "offer_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"))
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(10), default=BatchState.ACTIVE)
    size: Mapped[int] = mapped_column(default=0)
    made: Mapped[int] = mapped_column(default=0, server_default="0")  # how many of them are written
    made_by: Mapped[str] = mapped_column(String(40))
    made_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]


class PrintedCode(Model):
    """A code on paper. It is used at most once, for one coupon."""

    __tablename__ = "printed_codes"
    __table_args__ = (
        UniqueConstraint("chain_id", "code"),
        CheckConstraint("length(code) BETWEEN 8 AND 32", name="code_length"),
        CheckConstraint("(coupon_id IS NULL) = (used_at IS NULL)", name="used_has_time"),
        Index(
            "uq_printed_codes_one_coupon",
            "coupon_id",
            unique=True,
            sqlite_where=text("coupon_id IS NOT NULL"),
            postgresql_where=text("coupon_id IS NOT NULL"),
        ),
    )

    batch_id: Mapped[int] = mapped_column(ForeignKey("code_batches.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"))
    used_at: Mapped[datetime | None]
