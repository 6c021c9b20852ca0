"""Gifts to be looked at: by whoever holds the link, by the giver, by whoever was given one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from cards.models import Card, CardState, Member
from core.db import db
from coupons import errors
from coupons.gift_models import CouponGift, GiftState
from coupons.models import Coupon, Offer
from stores.models import Chain


@dataclass(frozen=True)
class GiftView:
    """A gift with what its pages show."""

    gift: CouponGift
    coupon: Coupon  # the giver's
    offer: Offer
    chain: Chain
    giver_name: str  # as he wrote it; empty when he wrote none
    giver_wallet_id: int
    giver_card_id: int


class Given(NamedTuple):
    """What became of the last giving of a coupon, for the giver. ``receiver_name`` is the whole name."""

    token: str
    state: str
    message: str
    made_at: datetime
    valid_until: datetime
    ended_at: datetime | None
    receiver_id: int | None
    receiver_name: str


class Giver(NamedTuple):
    """Who gave a coupon; friends see the name as he chose it (sharing/naming.py)."""

    member_id: int
    name: str
    message: str


def find_gift(token: str) -> GiftView | None:
    """The gift of a token; None when it is unknown or the giver's card is no longer active."""
    row = db.session.execute(
        select(CouponGift, Coupon, Offer, Chain, Member.name, Card.wallet_id, Card.id)
        .join(Coupon, Coupon.id == CouponGift.coupon_id)
        .join(Card, (Card.id == Coupon.card_id) & (Card.state == CardState.ACTIVE))
        .join(Offer, Offer.id == Coupon.offer_id)
        .join(Chain, Chain.id == CouponGift.chain_id)
        .join(Member, Member.id == CouponGift.giver_id)
        .where(CouponGift.token == token)
        .execution_options(populate_existing=True)
    ).one_or_none()
    return None if row is None else GiftView(*row)


def is_known(token: str) -> bool:
    """Whether a token is of a gift, whatever became of it: then it was not guessed."""
    return db.session.scalar(select(CouponGift.id).where(CouponGift.token == token)) is not None


def gifts_of_coupons(coupon_ids: Sequence[int]) -> dict[int, Given]:
    """How the last giving of each coupon stands; coupons that were never given are not in it."""
    last = select(func.max(CouponGift.id)).where(CouponGift.coupon_id.in_(coupon_ids)).group_by(CouponGift.coupon_id)
    rows = db.session.execute(
        select(
            CouponGift.coupon_id,
            CouponGift.token,
            CouponGift.state,
            CouponGift.message,
            CouponGift.made_at,
            CouponGift.valid_until,
            CouponGift.ended_at,
            CouponGift.receiver_id,
            func.coalesce(Member.name, ""),
        )
        .outerjoin(Member, Member.id == CouponGift.receiver_id)
        .where(CouponGift.id.in_(last))
    )
    return {row[0]: Given(*row[1:]) for row in rows}


def taken_since(chain_id: int, giver_id: int, since: datetime) -> list[tuple[Offer, str]]:
    """What friends took of this member's gifts since a moment, at most a day ago: the offer, the friend's name."""
    rows = db.session.execute(
        select(Offer, Member.name)
        .select_from(CouponGift)
        .join(Coupon, Coupon.id == CouponGift.coupon_id)
        .join(Offer, Offer.id == Coupon.offer_id)
        .join(Member, Member.id == CouponGift.receiver_id)
        .where(
            CouponGift.chain_id == chain_id,
            CouponGift.state == GiftState.ACCEPTED,
            CouponGift.valid_until > since,
            CouponGift.ended_at > since,
            CouponGift.giver_id == giver_id,
        )
        .order_by(CouponGift.ended_at.desc())
    )
    return [(row[0], row[1]) for row in rows]


def find_giver(coupon_id: int) -> Giver | None:
    """Whoever gave this coupon; None when nobody did."""
    row = db.session.execute(
        select(Member.id, Member.name, CouponGift.message)
        .join(CouponGift, CouponGift.giver_id == Member.id)
        .where(CouponGift.new_coupon_id == coupon_id)
    ).one_or_none()
    return None if row is None else Giver(*row)


def find_card_of_coupon(wallet_id: int, coupon_id: int) -> int:
    """The card of this wallet that holds the coupon. Raises CouponNotFound."""
    card_id = db.session.scalar(
        select(Card.id)
        .join(Coupon, Coupon.card_id == Card.id)
        .where(Coupon.id == coupon_id, Card.wallet_id == wallet_id)
    )
    if card_id is None:
        raise errors.CouponNotFound()
    return card_id
