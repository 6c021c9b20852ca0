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


class DisabledBecause(StrEnum):
    STAFF = "staff"  # somebody wanted it so
    FAILING = "failing"  # nothing arrived for days
    GONE = "gone"  # it said so itself


class WebhookEndpoint(Model):
    """Where a partner listens, for which kinds of event, with the secret that signs."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        one_of("disabled_because", DisabledBecause),
        CheckConstraint("length(url) > 0", name="has_url"),
        CheckConstraint("failures >= 0", name="failures_not_negative"),
        CheckConstraint("(previous_secret IS NULL) = (previous_until IS NULL)", name="previous_secret_ends"),
        CheckConstraint("(disabled_because IS NULL) = (disabled_at IS NULL)", name="disabled_has_reason"),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    name: Mapped[str] = mapped_column(String(80), default="", server_default="")  # whose it is
    url: Mapped[str] = mapped_column(String(500))
    secret: Mapped[str] = mapped_column(String(80))  # "whsec_…"; shown once
    previous_secret: Mapped[str | None] = mapped_column(String(80))  # signs too, for a day after a new one came
    previous_until: Mapped[datetime | None]
    kinds: Mapped[list[Any]]  # event kinds; empty: all
    failures: Mapped[int] = mapped_column(default=0)  # in a row
    failing_since: Mapped[datetime | None]
    resting_until: Mapped[datetime | None]  # nothing is tried before
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_because: Mapped[str | None] = mapped_column(String(10))


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
        Index(None, "endpoint_id", "id"),
        Index(
            "ix_webhook_messages_due",
            "endpoint_id",
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
    error: Mapped[str | None] = mapped_column(String(200))  # why there was none
    tried_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    at: Mapped[datetime]
