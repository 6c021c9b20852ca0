"""Share links: one for every act of sharing, which knows the link by which the sharer came."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from cards.freezing import CardNotFound
from cards.models import Card, CardState, Member, Program
from core.db import db
from core.tokens import new_code
from coupons.models import Offer
from coupons.queries import find_welcome_offer
from sharing import errors
from sharing.models import Referral, ShareChannel, ShareLink
from stores.models import Chain, Store


@dataclass(frozen=True)
class LinkView:
    """What a friend is shown: whose card, from whom, what comes with it."""

    link: ShareLink
    chain: Chain
    program: Program
    store: Store | None  # where the sharer joined
    sharer_name: str  # as he wrote it; empty when he wrote none
    welcome: Offer | None  # the gift of a new card


def create_link(chain_id: int, card_id: int, channel: str, *, now: datetime) -> ShareLink:
    """Make the link of one act of sharing. Needs an open transaction.

    Raises CardNotFound, CardNotActive, ChannelUnknown.
    """
    if channel not in list(ShareChannel):
        raise errors.ChannelUnknown()
    found = db.session.execute(
        select(Card, Referral.share_link_id)
        .outerjoin(Referral, (Referral.chain_id == Card.chain_id) & (Referral.member_id == Card.member_id))
        .where(Card.id == card_id, Card.chain_id == chain_id)
    ).first()
    if found is None:
        raise CardNotFound()
    card, came_by = found
    if card.state != CardState.ACTIVE:
        raise errors.CardNotActive()
    link = ShareLink(
        chain_id=chain_id,
        program_id=card.program_id,
        card_id=card.id,
        member_id=card.member_id,
        store_id=card.store_id,
        parent_id=came_by or card.share_link_id,
        token=new_code(),
        channel=channel,
        visits=0,
        created_at=now,
    )
    db.session.add(link)
    db.session.flush()
    return link


def find_link(token: str, *, now: datetime) -> LinkView | None:
    """What the friend's page shows; None when the link is unknown or the sharer's card is no longer active."""
    row = db.session.execute(
        select(ShareLink, Chain, Program, Store, Member.name)
        .join(Card, (Card.id == ShareLink.card_id) & (Card.state == CardState.ACTIVE))
        .join(Chain, Chain.id == ShareLink.chain_id)
        .join(Program, Program.id == ShareLink.program_id)
        .join(Member, Member.id == ShareLink.member_id)
        .outerjoin(Store, Store.id == ShareLink.store_id)
        .where(ShareLink.token == token)
    ).first()
    if row is None:
        return None
    link, chain, program, store, name = row
    return LinkView(link, chain, program, store, name, find_welcome_offer(program.id, now=now))


def token_of(link_id: int) -> str | None:
    """What opens a link that another row remembers."""
    return db.session.scalar(select(ShareLink.token).where(ShareLink.id == link_id))
