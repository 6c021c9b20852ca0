"""Whom campaigns mean: saved segments, and who came into an event campaign for what."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of


class ReadyMade(StrEnum):
    """The segments by recency, frequency and money that are worked out for a chain (see push/audiences/rfm.py)."""

    CHAMPIONS = "champions"
    LOYAL = "loyal"
    PROMISING = "promising"
    NEW = "new"
    AT_RISK = "at_risk"
    LOST = "lost"


def _one_standing(column: str) -> Index:
    """Of those that are not archived, one in a chain."""
    return Index(
        f"uq_segments_standing_{column}",
        "chain_id",
        column,
        unique=True,
        sqlite_where=text("archived_at IS NULL"),
        postgresql_where=text("archived_at IS NULL"),
    )


class Segment(Model):
    """A saved audience: a rule tree under a name (see push/audiences/segments.py)."""

    __tablename__ = "segments"
    __table_args__ = (
        one_of("ready_made", ReadyMade),
        CheckConstraint("length(name) > 0", name="has_name"),
        _one_standing("name"),
        _one_standing("ready_made"),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    name: Mapped[str] = mapped_column(String(60))
    rules: Mapped[dict[str, Any]]
    ready_made: Mapped[str | None] = mapped_column(String(10))  # none once somebody changed its rules
    created_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class CampaignEntry(Model):
    """A member came into a campaign that waits for an event, for one occasion: never again for the same one.

    ``occasion`` says which: ``joined``, ``birthday:2026``, ``coupon:17``, ``lapsed:2026-03-01``, ``tier:4``.
    """

    __tablename__ = "campaign_entries"
    __table_args__ = (
        CheckConstraint("length(occasion) > 0", name="has_occasion"),
        Index(None, "chain_id", "run_id", "member_id"),
        Index(
            "ix_campaign_entries_due",
            "due_at",
            "campaign_id",
            sqlite_where=text("run_id IS NULL"),
            postgresql_where=text("run_id IS NULL"),
        ),
    )

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), primary_key=True, autoincrement=False)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True, autoincrement=False)
    occasion: Mapped[str] = mapped_column(String(40), primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    due_at: Mapped[datetime]  # when the message is to go
    run_id: Mapped[int | None] = mapped_column(ForeignKey("campaign_runs.id"))  # the run that took it along
    at: Mapped[datetime]


class CampaignLook(Model):
    """How far the clock has looked for what a campaign waits for, in a time zone; nothing else is kept of it."""

    __tablename__ = "campaign_looks"
    __table_args__ = (CheckConstraint("days >= 0", name="days_not_negative"), Index(None, "chain_id", "campaign_id"))

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), primary_key=True, autoincrement=False)
    zone: Mapped[str] = mapped_column(String(60), primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    days: Mapped[int]  # those the campaign waited for then: with others all is looked at anew
    looked_at: Mapped[datetime]
