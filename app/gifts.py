"""Coupons on their way from a phone to a friend's: what pages and the API do alike."""

from datetime import datetime

from app.languages import language
from cards import holding, wallets
from cards.models import CardState
from core.clock import utc_now
from core.db import transaction
from core.hot import one_action, this_transaction
from coupons import gift_views, giving
from coupons.errors import GiftGone
from coupons.gift_models import CouponGift, GiftState
from coupons.gift_views import GiftView
from coupons.giving import Accepted
from sharing import joining, linking, visiting
from sharing.models import Occasion, ShareChannel
from sharing.traces import NO_TRACE, Trace


def give(
    chain_id: int, card_id: int, coupon_id: int, message: str, *, now: datetime, trace: Trace = NO_TRACE
) -> CouponGift:
    """Hold a coupon out to a friend, who comes through the giver if he has no card yet. Needs an open transaction."""
    hot = this_transaction()
    link = linking.create_link(
        hot, chain_id, card_id, ShareChannel.FRIEND, now=now, occasion=Occasion.COUPON, trace=trace
    )
    return giving.offer_gift(card_id, coupon_id, message=message, share_link_id=link.id, now=now)


def is_open(found: GiftView, *, now: datetime) -> bool:
    """Whether somebody can still take it."""
    return found.gift.state == GiftState.OPEN and found.gift.valid_until > now


def take(token: str, *, key_hash: str, trace: Trace = NO_TRACE) -> Accepted:
    """Take a gift, and the chain's card with it where this wallet has none.

    Raises GiftGone, GiftToOneself, CardNeeded, CardNotInScope, OfferLimitReached, PhoneNeeded, OfferPhoneLimitReached.
    """
    now = utc_now()
    found = gift_views.find_gift(token)
    if found is None:
        raise GiftGone()
    wallet_id = _with_card(found, key_hash, trace, now) if is_open(found, now=now) else wallets.find_wallet_id(key_hash)
    if wallet_id is None:
        raise GiftGone()
    with transaction():
        return giving.accept(token, wallet_id=wallet_id, now=now)


def find_card(wallet_id: int | None, chain_id: int, *, now: datetime) -> int | None:
    """An active card of the chain in this wallet."""
    cards = holding.cards_of_wallet(wallet_id, now=now) if wallet_id else []
    return next((h.card.id for h in cards if h.chain.id == chain_id and h.card.state == CardState.ACTIVE), None)


def _with_card(found: GiftView, key_hash: str, trace: Trace, now: datetime) -> int:
    """The wallet, with a card of the chain: its own, or the one that comes through the giver."""
    link = link_of(found)
    wallet_id = wallets.find_wallet_id(key_hash)
    if wallet_id == found.giver_wallet_id or find_card(wallet_id, found.chain.id, now=now) is not None:
        assert wallet_id is not None
        return wallet_id
    with one_action() as hot:
        wallet_id = wallets.open_wallet(hot, key_hash, language=language(), now=now)
        if link is not None:
            visiting.count_visit(hot, link, visitor=key_hash, now=now)
            joining.join_by_link(
                hot, link, wallet_id=wallet_id, visitor=key_hash, language=language(), now=now, trace=trace
            )
    return wallet_id


def link_of(found: GiftView) -> str | None:
    """The share link by which a friend without a card comes."""
    return linking.token_of(found.gift.share_link_id) if found.gift.share_link_id else None
