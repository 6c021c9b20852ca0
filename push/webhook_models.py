"""What partner systems are told: endpoints, and one message per event and endpoint (Standard Webhooks)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of


class WebhookState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"


class WebhookEndpoint(Model):
    """Where a partner listens, for which kinds of event, with the secret that signs."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("length(url) > 0", name="has_url"),
        CheckConstraint("failures >= 0", name="failures_not_negative"),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    url: Mapped[str] = mapped_column(String(500))
    secret: Mapped[str] = mapped_column(String(80))  # "whsec_…"; shown once
    kinds: Mapped[list[Any]]  # event kinds; empty: all
    failures: Mapped[int] = mapped_column(default=0)  # in a row
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]


class WebhookMessage(Model):
    """One thing told to one endpoint, with the same id at every attempt."""

    __tablename__ = "webhook_messages"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "message_id"),
        one_of("state", WebhookState),
        CheckConstraint("(state = 'sending') = (leased_until IS NOT NULL)", name="lease_means_sending"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent_has_time"),
        CheckConstraint("attempts >= 0", name="attempts_not_negative"),
        Index(None, "chain_id", "id"),
        Index(
            "ix_webhook_messages_due",
            "due_at",
            sqlite_where=text("state IN ('pending', 'sending')"),
            postgresql_where=text("state IN ('pending', 'sending')"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("webhook_endpoints.id"))
    message_id: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(40))
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(10), default=WebhookState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    status: Mapped[int | None]  # the last answer's
    sent_at: Mapped[datetime | None]
    at: Mapped[datetime]
