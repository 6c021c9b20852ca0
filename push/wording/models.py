"""What campaigns say: saved templates, what a vendor calls them, the links in a message and who followed them."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of
from push.models import PushChannel


class MessageTemplate(Model):
    """A saved message: texts by channel and language, with variables (see push/wording/message_templates.py)."""

    __tablename__ = "message_templates"
    __table_args__ = (
        UniqueConstraint("chain_id", "name"),
        CheckConstraint("length(name) > 0", name="has_name"),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    name: Mapped[str] = mapped_column(String(60))
    texts: Mapped[dict[str, Any]]  # {"any" or a channel: {"zh": {"title", "body"}, "en": {…}}}
    created_by: Mapped[str] = mapped_column(String(40))
    created_at: Mapped[datetime]
    archived_at: Mapped[datetime | None]


class VendorTemplate(Model):
    """What an SMS vendor or WeChat calls an approved template, and which variable fills each of its fields."""

    __tablename__ = "vendor_templates"
    __table_args__ = (
        UniqueConstraint("chain_id", "channel", "code", "language"),
        one_of("channel", PushChannel),
        CheckConstraint("language IN ('zh', 'en')", name="language_known"),
        CheckConstraint("length(code) > 0", name="has_code"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    channel: Mapped[str] = mapped_column(String(20))
    code: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(60))
    language: Mapped[str] = mapped_column(String(2))
    fields: Mapped[dict[str, Any]]  # {"thing1": "{chain}", "time2": "{valid_until}"}
    archived_at: Mapped[datetime | None]


class CampaignLink(Model):
    """An address in a campaign's message, that its short links lead to."""

    __tablename__ = "campaign_links"
    __table_args__ = (UniqueConstraint("campaign_id", "url"), Index(None, "chain_id", "id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    url: Mapped[str] = mapped_column(String(500))


class Click(Model):
    """A member followed a link of a delivery: its first time and how often. Not of members who said no."""

    __tablename__ = "clicks"
    __table_args__ = (
        CheckConstraint("count >= 1", name="count_positive"),
        Index(None, "chain_id", "first_at"),
        Index(None, "chain_id", "campaign_id"),
    )

    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id"), primary_key=True, autoincrement=False)
    link_id: Mapped[int] = mapped_column(ForeignKey("campaign_links.id"), primary_key=True, autoincrement=False)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    count: Mapped[int]


class TrialAddress(Model):
    """Where a person of head office has messages sent to look at them: his own phone, his own mailbox."""

    __tablename__ = "trial_addresses"
    __table_args__ = (one_of("channel", PushChannel), Index(None, "chain_id"))

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True, autoincrement=False)
    channel: Mapped[str] = mapped_column(String(20), primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    address: Mapped[str] = mapped_column(String(254))
    at: Mapped[datetime]
