"""Giving a coupon to a friend: it waits for him for a day, then it is his, or the giver's again.

While it waits the giver's coupon is ``gifting`` and no till takes it. Taking it makes a new coupon with a new code; the
old one is void. Friends who take it, the giver who calls it back and the clock that ends it stand in line at the
giver's coupon; one conditional UPDATE of the gift then decides, and nothing of what a loser did remains.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ScalarSelect, case, select, true, update

from cards.models import Card
from core import events
from core.db import db, insert, transaction
from core.errors import DomainError
from core.hot import AlreadyThere, Hot, Sql, this_transaction
from core.tokens import hashed, new_code
from coupons import errors, limits, terms
from coupons.gift_models import CouponGift, GiftState
from coupons.gift_views import GiftView, find_gift
from coupons.models import Coupon, CouponState, Offer, OfferPhone
from stores.models import Chain

LASTS = timedelta(hours=24)
LONGEST_MESSAGE = 100
BATCH = 500
ATTEMPTS = 10  # against claims of the same member at the same time

RECEIVER = Sql(limits.SCOPED_CARD.format(holder="k.wallet_id = :wallet_id"))
HELD = Sql("SELECT count(*) FROM coupons WHERE offer_id = :offer_id AND member_id = :member_id")
NEW_COUPON = Sql("""
    INSERT INTO coupons (chain_id, offer_id, slot, card_id, member_id, ordinal, code, state, source, store_id,
                         claimed_at, valid_from, valid_until, committed_cents, given_coupon_id)
    SELECT c.chain_id, c.offer_id, NULL, k.id, k.member_id, :ordinal, :code, 'claimed', 'friend', NULL,
           :now, c.valid_from, c.valid_until, c.committed_cents, c.id
    FROM coupons c JOIN cards k ON k.id = :card_id
    WHERE c.id = :coupon_id
    RETURNING id
""")


class Accepted(NamedTuple):
    """A friend's new coupon."""

    id: int
    code: str
    offer_id: int
    card_id: int
    valid_from: datetime
    valid_until: datetime


class Receiver(NamedTuple):
    """The card that takes a gift: of the wallet's cards the first that the offer is for, else the first."""

    card_id: int
    member_id: int
    is_in_scope: bool
    phone: str | None
    phone_verified_at: object


def offer_gift(
    card_id: int, coupon_id: int, *, message: str = "", share_link_id: int | None = None, now: datetime
) -> CouponGift:
    """Hold a coupon of this card out to a friend: whoever opens the gift's token first. Needs an open transaction.

    ``share_link_id`` is the link by which a friend without a card comes. Raises CouponNotFound, CouponNotGivable,
    CouponBeingGiven, CouponAlreadyRedeemed, CouponExpired, CouponNotUsable, GiftMessageTooLong.
    """
    said = " ".join(message.split())
    if len(said) > LONGEST_MESSAGE:
        raise errors.GiftMessageTooLong()
    may_be_given = select(Offer.id).where(Offer.id == Coupon.offer_id, Offer.may_be_given).exists()
    held_out = db.session.execute(
        update(Coupon)
        .where(
            Coupon.id == coupon_id,
            Coupon.card_id == card_id,
            Coupon.state == CouponState.CLAIMED,
            Coupon.valid_until > now,
            may_be_given,
        )
        .values(state=CouponState.GIFTING)
        .returning(Coupon.chain_id, Coupon.offer_id, Coupon.member_id, Coupon.valid_until)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if held_out is None:
        raise _why_not(card_id, coupon_id, now)
    gift = CouponGift(
        chain_id=held_out.chain_id,
        coupon_id=coupon_id,
        giver_id=held_out.member_id,
        share_link_id=share_link_id,
        token=new_code(),
        message=said,
        state=GiftState.OPEN,
        made_at=now,
        valid_until=min(now + LASTS, held_out.valid_until),
    )
    db.session.add(gift)
    db.session.flush()
    what = {"coupon_id": coupon_id, "offer_id": held_out.offer_id, "card_id": card_id, "gift_id": gift.id}
    events.record("coupon.gifted", chain_id=gift.chain_id, at=now, **what)
    return gift


def cancel(card_id: int, coupon_id: int, *, now: datetime) -> None:
    """The giver takes his coupon back. Needs an open transaction. One that nobody waits for stays as it is.

    Raises CouponNotFound, and CouponNotUsable when a friend was faster.
    """
    _stand_in_line(coupon_id)
    coupon = db.session.execute(
        select(Coupon.state, CouponGift.id)
        .outerjoin(CouponGift, (CouponGift.coupon_id == Coupon.id) & (CouponGift.state == GiftState.OPEN))
        .where(Coupon.id == coupon_id, Coupon.card_id == card_id)
    ).one_or_none()
    if coupon is None:
        raise errors.CouponNotFound()
    if coupon.state == CouponState.VOID:
        raise errors.CouponNotUsable()
    if coupon.id is not None and _end(coupon.id, GiftState.CANCELLED, now):
        _give_back(coupon_id, coupon.id, GiftState.CANCELLED, now)


def accept(token: str, *, wallet_id: int, now: datetime) -> Accepted:
    """Take a gift onto a card of this wallet. Needs an open transaction. Among many exactly one gets it.

    Whoever has taken it gets it again. Raises GiftGone, GiftToOneself, CardNeeded, CardNotInScope, OfferLimitReached,
    PhoneNeeded, OfferPhoneLimitReached.
    """
    _stand_in_line(select(CouponGift.coupon_id).where(CouponGift.token == token).scalar_subquery())
    found = find_gift(token)
    if found is None:
        raise errors.GiftGone()
    if taken := find_taken(found, wallet_id):
        return taken
    if found.gift.state != GiftState.OPEN or found.coupon.state != CouponState.GIFTING:
        raise errors.GiftGone()
    if found.giver_wallet_id == wallet_id:
        raise errors.GiftToOneself()
    hot = this_transaction()
    receiver = _receiver(hot, found, wallet_id)
    new_id = _write_coupon(hot, found, receiver, now)
    if not _end(found.gift.id, GiftState.ACCEPTED, now, receiver_id=receiver.member_id, new_coupon_id=new_id):
        raise errors.GiftGone()
    _count_phone(found.offer, receiver)
    db.session.execute(
        update(Coupon)
        .where(Coupon.id == found.coupon.id, Coupon.state == CouponState.GIFTING)
        .values(state=CouponState.VOID, committed_cents=0)  # the new one has taken it over
        .execution_options(synchronize_session=False)
    )
    what = {"coupon_id": new_id, "offer_id": found.offer.id, "card_id": receiver.card_id, "gift_id": found.gift.id}
    events.record("coupon.accepted", chain_id=found.chain.id, at=now, given_coupon_id=found.coupon.id, **what)
    return _accepted(new_id)


def find_taken(found: GiftView, wallet_id: int) -> Accepted | None:
    """The coupon of whoever has taken this gift; None for anybody else."""
    new_id = found.gift.new_coupon_id
    is_his = select(Card.id).join(Coupon, Coupon.card_id == Card.id).where(Coupon.id == new_id)
    if new_id is None or db.session.scalar(is_his.where(Card.wallet_id == wallet_id)) is None:
        return None
    return _accepted(new_id)


def time_out_batch(*, now: datetime) -> int:
    """End gifts that nobody took in time; return how many were due. Zero means that none is left."""
    due = db.session.execute(
        select(CouponGift.id, CouponGift.coupon_id)
        .where(CouponGift.state == GiftState.OPEN, CouponGift.valid_until <= now)
        .order_by(CouponGift.id)
        .limit(BATCH)
    ).all()
    for gift in due:
        with transaction():
            _stand_in_line(gift.coupon_id)
            if _end(gift.id, GiftState.TIMED_OUT, now):
                _give_back(gift.coupon_id, gift.id, GiftState.TIMED_OUT, now)
    return len(due)


def _stand_in_line(coupon_id: int | ScalarSelect[int]) -> None:
    """One at a time ends the giving of a coupon. SQLite, which has one writer, knows no other way."""
    db.session.execute(select(Coupon.id).where(Coupon.id == coupon_id).with_for_update())


def _end(gift_id: int, state: GiftState, now: datetime, **more: int) -> bool:
    """What decides: the gift ends once. It is taken in time and times out after it."""
    in_time = {GiftState.ACCEPTED: CouponGift.valid_until > now, GiftState.TIMED_OUT: CouponGift.valid_until <= now}
    ended = db.session.scalar(
        update(CouponGift)
        .where(CouponGift.id == gift_id, CouponGift.state == GiftState.OPEN, in_time.get(state, true()))
        .values(state=state, ended_at=now, **more)
        .returning(CouponGift.id)
        .execution_options(synchronize_session=False)
    )
    return ended is not None


def _give_back(coupon_id: int, gift_id: int, how: GiftState, now: datetime) -> None:
    """The giver's coupon is his again; where its time is over meanwhile, it has expired and frees its budget."""
    is_over = Coupon.valid_until <= now
    coupon = db.session.execute(
        update(Coupon)
        .where(Coupon.id == coupon_id, Coupon.state == CouponState.GIFTING)
        .values(state=case((is_over, CouponState.EXPIRED), else_=CouponState.CLAIMED))
        .returning(Coupon.chain_id, Coupon.offer_id, Coupon.card_id, Coupon.state, Coupon.committed_cents)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if coupon is None:  # the chain has made it void meanwhile
        return
    what = {"coupon_id": coupon_id, "offer_id": coupon.offer_id, "card_id": coupon.card_id}
    events.record("coupon.returned", chain_id=coupon.chain_id, at=now, gift_id=gift_id, how=how, **what)
    if coupon.state == CouponState.EXPIRED:
        events.record("coupon.expired", chain_id=coupon.chain_id, at=now, **what)
        limits.free_budget({coupon.offer_id: coupon.committed_cents})


def _receiver(hot: Hot, found: GiftView, wallet_id: int) -> Receiver:
    row = hot.row(RECEIVER, offer_id=found.offer.id, chain_id=found.chain.id, wallet_id=wallet_id)
    if row is None:
        raise errors.CardNeeded()
    receiver = Receiver(*row)
    if not receiver.is_in_scope:
        raise errors.CardNotInScope()
    if found.offer.per_phone_limit is not None and not (receiver.phone and receiver.phone_verified_at):
        raise errors.PhoneNeeded()
    return receiver


def _write_coupon(hot: Hot, found: GiftView, receiver: Receiver, now: datetime) -> int:
    """The friend's coupon; it counts among those of this offer that he may have. Raises OfferLimitReached."""
    for _ in range(ATTEMPTS):
        held = hot.row(HELD, offer_id=found.offer.id, member_id=receiver.member_id)
        assert held is not None
        if held[0] >= found.offer.per_member_limit:
            raise errors.OfferLimitReached(limit=found.offer.per_member_limit)
        values = {"coupon_id": found.coupon.id, "card_id": receiver.card_id, "ordinal": held[0] + 1, "now": now}
        try:
            row = hot.row(NEW_COUPON, code=new_code(), **values)
        except AlreadyThere:
            continue  # a claim of the same member came between, or the same code by chance
        assert row is not None
        return int(row[0])
    raise RuntimeError("no room among the member's coupons could be taken")


def _count_phone(offer: Offer, receiver: Receiver) -> None:
    """Where the offer counts by phone, the friend's phone has had one more. Raises OfferPhoneLimitReached."""
    if offer.per_phone_limit is None:
        return
    assert receiver.phone is not None
    row = {"offer_id": offer.id, "phone_hash": hashed(receiver.phone), "claimed": 1, "most": offer.per_phone_limit}
    counted = db.session.scalar(
        insert(OfferPhone)
        .values(row)
        .on_conflict_do_update(
            index_elements=["offer_id", "phone_hash"],
            set_={"claimed": OfferPhone.claimed + 1, "most": offer.per_phone_limit},
            where=OfferPhone.claimed < offer.per_phone_limit,
        )
        .returning(OfferPhone.claimed)
    )
    if counted is None:
        raise errors.OfferPhoneLimitReached(limit=offer.per_phone_limit)


def _accepted(coupon_id: int) -> Accepted:
    row = db.session.execute(
        select(Coupon.id, Coupon.code, Coupon.offer_id, Coupon.card_id, Coupon.valid_from, Coupon.valid_until).where(
            Coupon.id == coupon_id
        )
    ).one()
    return Accepted(*row)


def _why_not(card_id: int, coupon_id: int, now: datetime) -> DomainError:
    """Why a coupon cannot be held out."""
    row = db.session.execute(
        select(Coupon.state, Coupon.valid_until, Offer.may_be_given, Chain.timezone, Chain.cutoff_hour)
        .join(Offer, Offer.id == Coupon.offer_id)
        .join(Chain, Chain.id == Coupon.chain_id)
        .where(Coupon.id == coupon_id, Coupon.card_id == card_id)
    ).one_or_none()
    if row is None:
        return errors.CouponNotFound()
    if row.state == CouponState.GIFTING:
        return errors.CouponBeingGiven()
    if row.state == CouponState.REDEEMED:
        return errors.CouponAlreadyRedeemed()
    if row.state == CouponState.EXPIRED or (row.state == CouponState.CLAIMED and row.valid_until <= now):
        return errors.CouponExpired(day=terms.end_text(row.valid_until, row.timezone, cutoff_hour=row.cutoff_hour))
    return errors.CouponNotGivable() if row.state == CouponState.CLAIMED else errors.CouponNotUsable()
