"""Whom a member brought, as he himself may see it: his direct friends, and how many came through them."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import exists, func, select

from cards.models import Card, Member
from checkout.models import Checkout, CheckoutState
from core.db import db
from core.text import Text
from sharing import queries
from sharing.models import OwnChannel, Referral, ShareLink
from sharing.queries import Generation


class Friend(NamedTuple):
    """A member who came through the reader. The name is whole: show it masked."""

    id: int  # of the referral: where a page goes on
    name: str
    channel: str
    own_channel: Text | None  # what the chain calls a channel of its own
    joined_at: datetime
    has_bought: bool  # a purchase that stands


def friends_of(chain_id: int, member_id: int, *, before: int | None = None, limit: int = 20) -> list[Friend]:
    """Direct friends, newest first; ``before`` is the id of the last one seen."""
    has_bought = exists().where(
        Card.member_id == Referral.member_id,
        Card.chain_id == Referral.chain_id,
        Checkout.card_id == Card.id,
        Checkout.state == CheckoutState.SETTLED,
    )
    query = (
        select(
            Referral.id,
            Member.name,
            Referral.channel,
            OwnChannel.name,
            OwnChannel.name_en,
            Referral.created_at,
            has_bought,
        )
        .join(Member, Member.id == Referral.member_id)
        .join(ShareLink, ShareLink.id == Referral.share_link_id)
        .outerjoin(OwnChannel, OwnChannel.id == ShareLink.own_channel_id)
        .where(Referral.chain_id == chain_id, Referral.referrer_id == member_id)
    )
    if before is not None:
        query = query.where(Referral.id < before)
    rows = db.session.execute(query.order_by(Referral.id.desc()).limit(limit))
    return [
        Friend(number, name, channel, Text(own, own_en) if own else None, joined_at, bought)
        for number, name, channel, own, own_en, joined_at, bought in rows
    ]


def count_friends(chain_id: int, member_id: int) -> int:
    """How many came through this member directly."""
    query = select(func.count()).where(Referral.chain_id == chain_id, Referral.referrer_id == member_id)
    return db.session.scalar(query) or 0


def generations_below(chain_id: int, member_id: int) -> list[Generation]:
    """How many came through this member, generation by generation: his friends, theirs, and so on."""
    root = queries.find_root(chain_id, member_id=member_id)
    return queries.count_below(chain_id, root) if root is not None else []


def has_shared(card_id: int) -> bool:
    """Whether this card was ever shared."""
    return db.session.scalar(select(ShareLink.id).where(ShareLink.card_id == card_id).limit(1)) is not None
