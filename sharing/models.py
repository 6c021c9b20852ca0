"""Share links, who opened them, and who came through whom."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of

DEFAULT_WINDOW_DAYS = 7  # so long a share link is remembered


class ShareChannel(StrEnum):
    FRIEND = "friend"
    GROUP = "group"
    MOMENTS = "moments"
    POSTER = "poster"
    COPY = "copy"


class Occasion(StrEnum):
    """Where the thought of sharing arose."""

    WALLET = "wallet"  # the card itself
    JOINED = "joined"  # the card was just taken
    RECEIPT = "receipt"  # after a purchase
    COUPON = "coupon"
    STAFF = "staff"  # printed for the member: a table card, a courier slip
    API = "api"


class ShownAs(StrEnum):
    """How a member wants to be named to the friends he shares with."""

    NAME = "name"
    MASKED = "masked"  # 王*
    NICKNAME = "nickname"
    NOBODY = "nobody"  # "a friend"


class OwnChannel(Model):
    """A channel that a chain adds to the usual ones: a table card, a courier slip. Its code is for good."""

    __tablename__ = "share_channels"
    __table_args__ = (
        UniqueConstraint("chain_id", "code"),
        CheckConstraint("code NOT IN ('friend', 'group', 'moments', 'poster', 'copy')", name="code_is_its_own"),
        CheckConstraint("length(code) BETWEEN 2 AND 20", name="code_length"),
        CheckConstraint("length(name) > 0 AND length(name_en) > 0", name="has_names"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    code: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20))
    name_en: Mapped[str] = mapped_column(String(30))
    is_for_members: Mapped[bool]  # members see it among the ways to share; else only staff and the API use it
    archived_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class SharerName(Model):
    """A member's choice of how friends see him; without a row, by his name."""

    __tablename__ = "sharer_names"
    __table_args__ = (
        one_of("shown_as", ShownAs),
        CheckConstraint("(shown_as = 'nickname') = (nickname IS NOT NULL)", name="nickname_is_given"),
        CheckConstraint("length(nickname) > 0", name="nickname_not_empty"),
        Index(None, "chain_id", "member_id"),
    )

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True, autoincrement=False)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    shown_as: Mapped[str] = mapped_column(String(10))
    nickname: Mapped[str | None] = mapped_column(String(20))


class ShareLink(Model):
    """One act of sharing by a member. ``parent_id`` is the link by which the sharer himself came.

    ``device`` and ``network`` are keyed hashes of what the browser and its address look like (app/traces.py); they
    serve the fraud rules alone and are forgotten after 90 days.
    """

    __tablename__ = "share_links"
    __table_args__ = (
        UniqueConstraint("token"),
        CheckConstraint(
            "(channel IN ('friend', 'group', 'moments', 'poster', 'copy')) = (own_channel_id IS NULL)",
            name="channel_known",
        ),
        one_of("occasion", Occasion),
        CheckConstraint("length(token) >= 13", name="token_length"),
        CheckConstraint("visits >= 0", name="visits_not_negative"),
        Index(None, "chain_id", "id"),
        Index(None, "card_id"),
        Index(None, "chain_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    program_id: Mapped[int] = mapped_column(ForeignKey("programs.id"))
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))  # where the sharer joined
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("share_links.id"))
    token: Mapped[str] = mapped_column(String(40))
    channel: Mapped[str] = mapped_column(String(20))  # one of ShareChannel, or the code of the chain's own
    own_channel_id: Mapped[int | None] = mapped_column(ForeignKey("share_channels.id"))
    occasion: Mapped[str] = mapped_column(String(10), default=Occasion.WALLET, server_default=Occasion.WALLET)
    offer_id: Mapped[int | None] = mapped_column(ForeignKey("offers.id"))  # the coupon that was shared
    device: Mapped[str | None] = mapped_column(String(32))
    network: Mapped[str | None] = mapped_column(String(32))
    visits: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]


class ShareVisit(Model):
    """One counted opening of a share link by one visitor (a hash): once in 30 minutes."""

    __tablename__ = "share_visits"
    __table_args__ = (Index(None, "chain_id", "at"), Index(None, "share_link_id", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    share_link_id: Mapped[int] = mapped_column(ForeignKey("share_links.id"))
    visitor: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]


class ShareVisitor(Model):
    """When a visitor last counted on a link: the row that makes parallel openings one visit.

    ``opened_at`` is his last opening, counted or not: what attribution goes by.
    """

    __tablename__ = "share_visitors"
    __table_args__ = (
        CheckConstraint("opened_at >= last_visit_at", name="opened_since_visit"),
        Index(None, "visitor", "opened_at"),
    )

    share_link_id: Mapped[int] = mapped_column(ForeignKey("share_links.id"), primary_key=True)
    visitor: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_visit_at: Mapped[datetime]
    opened_at: Mapped[datetime]


class Referral(Model):
    """Member came through referrer: the edge of the propagation tree. Written once, for good.

    ``path`` is the line of ancestors, ten hex digits each, from the root to the member himself: a sub-tree is a range
    of paths. ``device`` and ``network``: see ShareLink.
    """

    __tablename__ = "referrals"
    __table_args__ = (
        UniqueConstraint("chain_id", "member_id"),
        CheckConstraint("member_id <> referrer_id", name="not_self"),
        CheckConstraint("depth >= 1", name="depth_positive"),
        CheckConstraint("length(path) = 10 * (depth + 1)", name="path_fits_depth"),
        Index(None, "chain_id", "referrer_id", "created_at"),
        Index(None, "chain_id", "path"),
        Index(None, "chain_id", "root_id"),
        Index(None, "chain_id", "depth", "channel", "created_at"),
        Index(None, "chain_id", "created_at"),
        Index(
            "ix_referrals_device",
            "chain_id",
            "device",
            "created_at",
            sqlite_where=text("device IS NOT NULL"),
            postgresql_where=text("device IS NOT NULL"),
        ),
        Index(
            "ix_referrals_network",
            "chain_id",
            "network",
            "created_at",
            sqlite_where=text("network IS NOT NULL"),
            postgresql_where=text("network IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    referrer_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    root_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    share_link_id: Mapped[int] = mapped_column(ForeignKey("share_links.id"))
    channel: Mapped[str] = mapped_column(String(20))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    depth: Mapped[int]
    path: Mapped[str] = mapped_column(String().with_variant(String(collation="C"), "postgresql"))
    device: Mapped[str | None] = mapped_column(String(32))
    network: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime]


class SharingPolicy(Model):
    """How a chain counts: the attribution window, and whether a store code scanned later beats a link."""

    __tablename__ = "sharing_policies"
    __table_args__ = (CheckConstraint("window_days BETWEEN 1 AND 90", name="window_range"),)

    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"), primary_key=True)
    window_days: Mapped[int] = mapped_column(default=DEFAULT_WINDOW_DAYS)
    store_code_wins: Mapped[bool] = mapped_column(default=False)
