"""Share links: one for every act of sharing, which knows the link by which the sharer came."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from cards.freezing import CardNotFound
from cards.models import Card, CardState, Member, Program
from core.db import db
from core.errors import DomainError
from core.hot import AlreadyThere, Hot, Sql
from core.tokens import new_code
from coupons.errors import OfferNotFound
from coupons.models import Offer
from coupons.queries import find_claimable, find_welcome_offer
from sharing import errors, naming
from sharing.models import Occasion, ShareChannel, ShareLink, SharerName, ShownAs
from sharing.traces import NO_TRACE, Trace
from stores.models import Chain, Store

ATTEMPTS = 5
USUAL = ", ".join(f"'{channel}'" for channel in ShareChannel)
IS_OWN = """own.code = CAST(:channel AS VARCHAR(20)) AND own.archived_at IS NULL
         AND (own.is_for_members OR CAST(:occasion AS VARCHAR(10)) IN ('staff', 'api'))"""
CREATE = Sql(f"""
    INSERT INTO share_links (chain_id, program_id, card_id, member_id, store_id, parent_id, token, channel,
                             own_channel_id, occasion, offer_id, device, network, visits, created_at)
    SELECT k.chain_id, k.program_id, k.id, k.member_id, k.store_id, COALESCE(r.share_link_id, k.share_link_id), :token,
           CAST(:channel AS VARCHAR(20)), own.id, CAST(:occasion AS VARCHAR(10)), f.id, :device, :network, 0, :now
    FROM cards k
    LEFT JOIN referrals r ON r.chain_id = k.chain_id AND r.member_id = k.member_id
    LEFT JOIN share_channels own ON own.chain_id = k.chain_id AND {IS_OWN}
    LEFT JOIN offers f ON f.id = CAST(:offer_id AS BIGINT) AND f.chain_id = k.chain_id
    WHERE k.id = :card_id AND k.chain_id = :chain_id AND k.state = 'active'
      AND (own.id IS NOT NULL OR CAST(:channel AS VARCHAR(20)) IN ({USUAL}))
      AND (f.id IS NOT NULL OR CAST(:offer_id AS BIGINT) IS NULL)
    RETURNING id, program_id, member_id, store_id, parent_id
""")
CARD = Sql("SELECT state FROM cards WHERE id = :card_id AND chain_id = :chain_id")
CHANNEL = Sql(f"""
    SELECT 1 WHERE CAST(:channel AS VARCHAR(20)) IN ({USUAL})
       OR EXISTS (SELECT 1 FROM share_channels own WHERE own.chain_id = :chain_id AND {IS_OWN})
""")


class NewLink(NamedTuple):
    """The link of one act of sharing."""

    id: int
    token: str
    chain_id: int
    program_id: int
    card_id: int
    member_id: int
    store_id: int | None  # where the sharer joined
    parent_id: int | None  # the link by which he came
    channel: str
    occasion: str
    created_at: datetime


@dataclass(frozen=True)
class LinkView:
    """What a friend is shown: whose card, from whom, what comes with it."""

    link: ShareLink
    chain: Chain
    program: Program
    store: Store | None  # where the sharer joined
    sharer_name: str  # as he chose to be named; empty for "a friend"
    welcome: Offer | None  # the gift of a new card
    offer: Offer | None  # the coupon that was shared, while somebody new can claim it


def create_link(
    hot: Hot,
    chain_id: int,
    card_id: int,
    channel: str,
    *,
    now: datetime,
    occasion: str = Occasion.WALLET,
    offer_id: int | None = None,
    trace: Trace = NO_TRACE,
) -> NewLink:
    """Make the link of one act of sharing, by one statement.

    ``channel`` is one of ShareChannel or the code of the chain's own; of those, members use what is made for them, and
    staff and the API every one. ``offer_id`` is shown to the friend. Raises CardNotFound, CardNotActive,
    ChannelUnknown, OfferNotFound.
    """
    values = {
        "chain_id": chain_id,
        "card_id": card_id,
        "channel": channel,
        "occasion": occasion,
        "offer_id": offer_id,
        "now": now,
        **trace._asdict(),
    }
    for _ in range(ATTEMPTS):
        token = new_code()
        try:
            row = hot.row(CREATE, token=token, **values)
        except AlreadyThere:
            continue  # a token drawn twice
        if row is None:
            raise _refusal(hot, chain_id, card_id, channel, occasion)
        return NewLink(row[0], token, chain_id, row[1], card_id, row[2], row[3], row[4], channel, occasion, now)
    raise RuntimeError("no token could be drawn")


def _refusal(hot: Hot, chain_id: int, card_id: int, channel: str, occasion: str) -> DomainError:
    card = hot.row(CARD, chain_id=chain_id, card_id=card_id)
    if card is None:
        return CardNotFound()
    if card[0] != CardState.ACTIVE:
        return errors.CardNotActive()
    if hot.row(CHANNEL, chain_id=chain_id, channel=channel, occasion=occasion) is None:
        return errors.ChannelUnknown()
    return OfferNotFound()


def find_link(token: str, *, now: datetime) -> LinkView | None:
    """What the friend's page shows; None when the link is unknown or the sharer's card is no longer active."""
    row = db.session.execute(
        select(ShareLink, Chain, Program, Store, Member.name, SharerName.shown_as, SharerName.nickname)
        .join(Card, (Card.id == ShareLink.card_id) & (Card.state == CardState.ACTIVE))
        .join(Chain, Chain.id == ShareLink.chain_id)
        .join(Program, Program.id == ShareLink.program_id)
        .join(Member, Member.id == ShareLink.member_id)
        .outerjoin(Store, Store.id == ShareLink.store_id)
        .outerjoin(SharerName, SharerName.member_id == ShareLink.member_id)
        .where(ShareLink.token == token)
    ).first()
    if row is None:
        return None
    link, chain, program, store, name, shown_as, nickname = row
    choice = naming.Choice(ShownAs(shown_as), nickname) if shown_as else naming.DEFAULT
    offer = find_claimable(link.offer_id, program.id, now=now) if link.offer_id else None
    return LinkView(link, chain, program, store, choice.of(name), find_welcome_offer(program.id, now=now), offer)


def find_shareable(chain_id: int, number: str, *, store_ids: Collection[int] | None = None) -> int | None:
    """The card of this number, for staff who make a link for its member; those of a store have their own members."""
    query = select(Card.id).where(Card.chain_id == chain_id, Card.number == number)
    if store_ids is not None:
        query = query.join(Member, Member.id == Card.member_id).where(Member.store_id.in_(store_ids))
    return db.session.scalar(query)


def token_of(link_id: int) -> str | None:
    """What opens a link that another row remembers."""
    return db.session.scalar(select(ShareLink.token).where(ShareLink.id == link_id))
