"""Coupons and offers to be looked at: by members, tills and head office. Nothing here decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, case, func, or_, select

from cards.models import Tier
from core.db import db
from coupons.drafts import most_cents
from coupons.models import (
    Coupon,
    CouponSource,
    CouponState,
    Offer,
    OfferBudget,
    OfferProgram,
    OfferSlot,
    OfferState,
    OfferTier,
)

MOST = 200  # coupons of one card on one page


@dataclass(frozen=True)
class HeldCoupon:
    """A coupon with its offer. ``state`` says ``expired`` as soon as its time is over."""

    coupon: Coupon
    offer: Offer
    state: CouponState
    is_usable: bool  # now, as far as its time goes


class OfferOnShow(NamedTuple):
    """An offer that members may claim. ``left`` is None where there is no limit; ``held`` is the reader's own count."""

    offer: Offer
    left: int | None
    held: int

    @property
    def is_claimable(self) -> bool:
        return self.left != 0 and self.held < self.offer.per_member_limit


class Funnel(NamedTuple):
    """What became of an offer's coupons."""

    claimed: int = 0
    redeemed: int = 0
    open: int = 0  # still to be used


def coupons_of_card(card_id: int, *, now: datetime, limit: int = MOST) -> list[HeldCoupon]:
    """The card's coupons: the usable first, the soonest to end on top; then the used and the ended, newest first."""
    is_over = or_(Coupon.state != CouponState.CLAIMED, Coupon.valid_until <= now)
    query = (
        _with_offer()
        .where(Coupon.card_id == card_id)
        .order_by(case((is_over, 1), else_=0), case((is_over, None), else_=Coupon.valid_until), Coupon.id.desc())
        .limit(limit)
    )
    return [_held(coupon, offer, now) for coupon, offer in db.session.execute(query)]


def has_many_coupons(offer_id: int, *, more_than: int) -> bool:
    """Whether more coupons than this came of an offer; looked up without counting them all."""
    query = select(Coupon.member_id).where(Coupon.offer_id == offer_id).order_by(Coupon.member_id, Coupon.ordinal)
    return db.session.scalar(query.offset(more_than).limit(1)) is not None


def find_coupon(card_id: int, coupon_id: int, *, now: datetime) -> HeldCoupon | None:
    """One coupon of this card."""
    row = db.session.execute(_with_offer().where(Coupon.card_id == card_id, Coupon.id == coupon_id)).first()
    return None if row is None else _held(row[0], row[1], now)


def count_usable(card_ids: Sequence[int], *, now: datetime) -> dict[int, int]:
    """How many coupons each card may use now or later."""
    rows = db.session.execute(
        select(Coupon.card_id, func.count())
        .where(Coupon.card_id.in_(card_ids), Coupon.state == CouponState.CLAIMED, Coupon.valid_until > now)
        .group_by(Coupon.card_id)
    )
    return {row[0]: row[1] for row in rows}


def public_offers(chain_id: int, *, now: datetime, member_id: int | None = None, limit: int = 50) -> list[OfferOnShow]:
    """What members of the chain may claim now; with ``member_id`` also how many of each he has."""
    offers = db.session.scalars(
        select(Offer)
        .where(Offer.chain_id == chain_id, Offer.is_public, _is_running(now))
        .order_by(Offer.id.desc())
        .limit(limit)
    ).all()
    ids = [offer.id for offer in offers]
    left, held = _count_claimable(offers), _count_held(ids, member_id)
    return [OfferOnShow(offer, left.get(offer.id), held.get(offer.id, 0)) for offer in offers]


def find_claimable(offer_id: int, program_id: int, *, now: datetime) -> Offer | None:
    """A public offer that somebody who now takes a card of this program can claim, if coupons are left."""
    base = select(Tier.id).where(Tier.program_id == program_id, Tier.rank == 0)
    for_program = select(OfferProgram.offer_id).where(OfferProgram.program_id == program_id)
    for_newcomers = select(OfferTier.offer_id).where(OfferTier.tier_id.in_(base))
    offer: Offer | None = db.session.scalar(
        select(Offer).where(
            Offer.id == offer_id,
            Offer.is_public,
            _is_running(now),
            or_(Offer.is_for_all_programs, Offer.id.in_(for_program)),
            or_(Offer.is_for_all_tiers, Offer.id.in_(for_newcomers)),
        )
    )
    return None if offer is None or _count_claimable([offer]).get(offer.id) == 0 else offer


def find_welcome_offer(program_id: int, *, now: datetime) -> Offer | None:
    """The gift that comes with a new card of this program, if there is one and some are left."""
    offer: Offer | None = db.session.scalar(select(Offer).where(Offer.program_id == program_id, _is_running(now)))
    if offer is None or count_left([offer.id]).get(offer.id) == 0:
        return None
    return offer


def count_left(offer_ids: Sequence[int]) -> dict[int, int]:
    """How many coupons each offer still has; offers without a stock are not in it."""
    rows = db.session.execute(
        select(OfferSlot.offer_id, func.sum(OfferSlot.stock - OfferSlot.claimed))
        .where(OfferSlot.offer_id.in_(offer_ids))
        .group_by(OfferSlot.offer_id)
    )
    return {offer_id: int(left) for offer_id, left in rows}


def _count_claimable(offers: Sequence[Offer]) -> dict[int, int]:
    """How many coupons of each offer its stock and its budget still allow; offers without either are not in it."""
    left = count_left([offer.id for offer in offers])
    bounded = {offer.id: most_cents(offer) for offer in offers if offer.budget_cents is not None}
    if not bounded:
        return left
    rooms = select(OfferBudget.offer_id, OfferBudget.budget_cents - OfferBudget.committed_cents)
    for offer_id, room in db.session.execute(rooms.where(OfferBudget.offer_id.in_(bounded))):
        if most := bounded[offer_id]:
            left[offer_id] = min(left.get(offer_id, room // most), room // most)
    return left


def committed_of(offer_id: int) -> int | None:
    """What of the offer's budget its coupons may take or have taken; None where there is no budget."""
    return db.session.scalar(select(OfferBudget.committed_cents).where(OfferBudget.offer_id == offer_id))


def funnels(offer_ids: Sequence[int], *, now: datetime) -> dict[int, Funnel]:
    """For each offer: how many coupons came out, how many were used, how many may still be.

    What a member gave to a friend is a new coupon, but came out once.
    """
    is_open = (Coupon.state.in_((CouponState.CLAIMED, CouponState.GIFTING))) & (Coupon.valid_until > now)
    rows = db.session.execute(
        select(
            Coupon.offer_id,
            func.count(case((Coupon.source != CouponSource.FRIEND, 1))),
            func.count(case((Coupon.state == CouponState.REDEEMED, 1))),
            func.count(case((is_open, 1))),
        )
        .where(Coupon.offer_id.in_(offer_ids))
        .group_by(Coupon.offer_id)
    )
    found = {offer_id: Funnel(claimed, redeemed, left) for offer_id, claimed, redeemed, left in rows}
    return {offer_id: found.get(offer_id, Funnel()) for offer_id in offer_ids}


def count_by_source(offer_id: int) -> list[tuple[str, int, int]]:
    """How members came by the offer's coupons: source, how many, redeemed; the most first.

    Those from friends came out before, by another source.
    """
    used = func.count(case((Coupon.state == CouponState.REDEEMED, 1)))
    rows = db.session.execute(
        select(Coupon.source, func.count(), used)
        .where(Coupon.offer_id == offer_id)
        .group_by(Coupon.source)
        .order_by(func.count().desc(), Coupon.source)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def _count_held(offer_ids: Sequence[int], member_id: int | None) -> dict[int, int]:
    if member_id is None:
        return {}
    rows = db.session.execute(
        select(Coupon.offer_id, func.count())
        .where(Coupon.offer_id.in_(offer_ids), Coupon.member_id == member_id)
        .group_by(Coupon.offer_id)
    )
    return {row[0]: row[1] for row in rows}


def _is_running(now: datetime) -> Any:
    return (Offer.state == OfferState.RUNNING) & or_(Offer.valid_until.is_(None), Offer.valid_until > now)


def _with_offer() -> Select[Coupon, Offer]:
    return select(Coupon, Offer).join(Offer, Offer.id == Coupon.offer_id)


def _held(coupon: Coupon, offer: Offer, now: datetime) -> HeldCoupon:
    is_over = coupon.state == CouponState.CLAIMED and coupon.valid_until <= now
    state = CouponState.EXPIRED if is_over else CouponState(coupon.state)
    return HeldCoupon(coupon, offer, state, state == CouponState.CLAIMED and coupon.valid_from <= now)
