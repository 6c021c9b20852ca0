"""A coupon that a member of staff gives: with a reason, and so many a business day."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select

from core import audit
from core.audit import Author
from core.clock import business_day
from core.db import db
from core.hot import AlreadyThere, CheckRefused, Sql, this_transaction
from coupons import errors
from coupons.claiming import Claimed, claim
from coupons.gift_models import StaffGift
from coupons.models import CouponSource, Offer, OfferState
from coupons.offers import get_offer
from stores.models import Chain

ATTEMPTS = 20
LONGEST_REASON = 200
GIFT = Sql("""
    INSERT INTO staff_gifts (coupon_id, chain_id, offer_id, staff_id, store_id, day, ordinal, most, reason, given_at)
    SELECT :coupon_id, :chain_id, :offer_id, :staff_id, :store_id, :day,
           1 + (SELECT count(*) FROM staff_gifts
                WHERE offer_id = :offer_id AND staff_id = :staff_id AND day = :day),
           :most, :reason, :now
""")


def give(
    chain_id: int,
    offer_id: int,
    *,
    staff_id: int,
    card_id: int,
    store_id: int | None,
    reason: str,
    by: Author,
    now: datetime,
) -> Claimed:
    """Give a member's card a coupon. Needs an open transaction that ends with a refusal.

    Raises OfferNotFound, StaffGiftNotAllowed, ReasonNeeded, StaffGiftLimitReached, and what claiming raises.
    """
    offer, reason = get_offer(chain_id, offer_id), reason.strip()[:LONGEST_REASON]
    if offer.staff_gift_limit is None:
        raise errors.StaffGiftNotAllowed()
    if not reason:
        raise errors.ReasonNeeded()
    hot = this_transaction()
    claimed = claim(hot, offer_id, card_id=card_id, source=CouponSource.STAFF_GIFT, store_id=store_id, now=now)
    chain = db.session.get_one(Chain, chain_id)
    day = business_day(now, chain.timezone, chain.cutoff_hour)
    _count(claimed.id, offer, staff_id, store_id, day if hot.is_postgresql else day.isoformat(), reason, now)
    what = {"offer_id": offer_id, "card_id": card_id, "reason": reason}
    audit.note("coupon given", chain_id=chain_id, object_kind="coupon", object_id=claimed.id, by=by, at=now, after=what)
    return claimed


def _count(
    coupon_id: int, offer: Offer, staff_id: int, store_id: int | None, day: object, reason: str, now: datetime
) -> None:
    """Write the gift as the next of this person's day; a CHECK says when there is no next."""
    for _ in range(ATTEMPTS):
        try:
            this_transaction().run(
                GIFT,
                coupon_id=coupon_id,
                chain_id=offer.chain_id,
                offer_id=offer.id,
                staff_id=staff_id,
                store_id=store_id,
                day=day,
                most=offer.staff_gift_limit,
                reason=reason,
                now=now,
            )
        except AlreadyThere:
            continue  # the same person gave one at this very moment
        except CheckRefused as refused:
            raise errors.StaffGiftLimitReached(limit=offer.staff_gift_limit) from refused
        return
    raise errors.StaffGiftLimitReached(limit=offer.staff_gift_limit)


def offers_to_give(chain_id: int, *, now: datetime) -> Sequence[Offer]:
    """What staff can give at present, by name."""
    is_on = Offer.valid_until.is_(None) | (Offer.valid_until > now)
    return db.session.scalars(
        select(Offer)
        .where(
            Offer.chain_id == chain_id, Offer.state == OfferState.RUNNING, Offer.staff_gift_limit.is_not(None), is_on
        )
        .order_by(Offer.name, Offer.id)
        .limit(100)
    ).all()


def count_given(chain_id: int, staff_id: int, *, now: datetime) -> dict[int, int]:
    """How many of each offer this person gave in the business day of now."""
    chain = db.session.get_one(Chain, chain_id)
    rows = db.session.execute(
        select(StaffGift.offer_id, func.count())
        .where(
            StaffGift.chain_id == chain_id,
            StaffGift.staff_id == staff_id,
            StaffGift.day == business_day(now, chain.timezone, chain.cutoff_hour),
        )
        .group_by(StaffGift.offer_id)
    )
    return {row[0]: row[1] for row in rows}
