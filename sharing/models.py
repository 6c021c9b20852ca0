"""Share links, who opened them, and who came through whom."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of

DEFAULT_WINDOW_DAYS = 7  # so long a share link is remembered


class ShareChannel(StrEnum):
    FRIEND = "friend"
    GROUP = "group"
    MOMENTS = "moments"
    POSTER = "poster"
    COPY = "copy"


class ShareLink(Model):
    """One act of sharing by a member. ``parent_id`` is the link by which the sharer himself came."""

    __tablename__ = "share_links"
    __table_args__ = (
        UniqueConstraint("token"),
        one_of("channel", ShareChannel),
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
    channel: Mapped[str] = mapped_column(String(10))
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
    """When a visitor last counted on a link: the row that makes parallel openings one visit."""

    __tablename__ = "share_visitors"
    __table_args__ = (Index(None, "visitor", "last_visit_at"),)

    share_link_id: Mapped[int] = mapped_column(ForeignKey("share_links.id"), primary_key=True)
    visitor: Mapped[str] = mapped_column(String(64), primary_key=True)
    last_visit_at: Mapped[datetime]


class Referral(Model):
    """Member came through referrer: the edge of the propagation tree. Written once, for good.

    ``path`` is the line of ancestors, ten hex digits each, from the root to the member himself: a sub-tree is a range
    of paths.
    """

    __tablename__ = "referrals"
    __table_args__ = (
        UniqueConstraint("chain_id", "member_id"),
        CheckConstraint("member_id <> referrer_id", name="not_self"),
        CheckConstraint("depth >= 1", name="depth_positive"),
        CheckConstraint("length(path) = 10 * (depth + 1)", name="path_fits_depth"),
        Index(None, "chain_id", "referrer_id"),
        Index(None, "chain_id", "path"),
        Index(None, "chain_id", "root_id"),
        Index(None, "chain_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    referrer_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    root_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id"))
    share_link_id: Mapped[int] = mapped_column(ForeignKey("share_links.id"))
    channel: Mapped[str] = mapped_column(String(10))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    depth: Mapped[int]
    path: Mapped[str] = mapped_column(String().with_variant(String(collation="C"), "postgresql"))
    created_at: Mapped[datetime]


class SharingPolicy(Model):
    """How a chain counts: the attribution window, and whether a store code scanned later beats a link."""

    __tablename__ = "sharing_policies"
    __table_args__ = (CheckConstraint("window_days BETWEEN 1 AND 90", name="window_range"),)

    chain_id: Mapped[int] = mapped_column(ForeignKey("chains.id"), primary_key=True)
    window_days: Mapped[int] = mapped_column(default=DEFAULT_WINDOW_DAYS)
    store_code_wins: Mapped[bool] = mapped_column(default=False)
