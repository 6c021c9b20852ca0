"""Where members can be reached besides e-mail and phone, and where they must not be any more."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of
from push.models import PushChannel


class SuppressionReason(StrEnum):
    BOUNCED = "bounced"  # the address does not exist
    COMPLAINED = "complained"  # reported as spam
    REFUSED = "refused"  # the provider never will: a blocked number, a user who left


class Suppression(Model):
    """An address that a channel must not use any more, whoever of the chain's members has it; erased with him."""

    __tablename__ = "suppressions"
    __table_args__ = (
        one_of("channel", PushChannel),
        one_of("reason", SuppressionReason),
        CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifting_is_whole"),
        Index(
            "uq_suppressions_standing",
            "chain_id",
            "channel",
            "address",
            unique=True,
            sqlite_where=text("lifted_at IS NULL"),
            postgresql_where=text("lifted_at IS NULL"),
        ),
        Index(None, "chain_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))  # whose it was then
    channel: Mapped[str] = mapped_column(String(20))
    address: Mapped[str] = mapped_column(String(254))
    reason: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(String(40))


class WebPushSubscription(Model):
    """A browser that a wallet lets us wake (RFC 8030). The push service says when it is gone."""

    __tablename__ = "web_push_subscriptions"
    __table_args__ = (UniqueConstraint("endpoint"), Index(None, "wallet_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    wallet_id: Mapped[int] = mapped_column(ForeignKey("wallets.id"))
    endpoint: Mapped[str] = mapped_column(String(1000))
    p256dh: Mapped[str] = mapped_column(String(120))  # the browser's public key, base64url
    auth: Mapped[str] = mapped_column(String(40))  # its secret, base64url
    created_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]


class WechatUser(Model):
    """A member as the chain's WeChat account knows him."""

    __tablename__ = "wechat_users"
    __table_args__ = (UniqueConstraint("chain_id", "openid"),)

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True, autoincrement=False)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    openid: Mapped[str] = mapped_column(String(64))
    is_following: Mapped[bool]  # template messages reach followers only
    at: Mapped[datetime]


class WechatConsent(Model):
    """How many subscription messages of a template a member still allows: each "allow" is good for one."""

    __tablename__ = "wechat_consents"
    __table_args__ = (
        CheckConstraint("balance >= 0", name="balance_not_negative"),
        Index(None, "chain_id", "template_code"),
    )

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True, autoincrement=False)
    template_code: Mapped[str] = mapped_column(String(80), primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    balance: Mapped[int]
    at: Mapped[datetime]


class EarlyReceipt(Model):
    """What a provider told of a message by its own name for it, before we had noted that name; kept for an hour."""

    __tablename__ = "early_receipts"
    __table_args__ = (one_of("channel", PushChannel),)

    id: Mapped[int] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(String(20))
    ref: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(12))
    error: Mapped[str] = mapped_column(String(200))
    source: Mapped[str] = mapped_column(String(40))
    at: Mapped[datetime]
