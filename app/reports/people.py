"""Members to be looked at: the list, and one member with all that is known of him."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, exists, func, or_, select

from app.reports.question import Reader
from cards.contacts import PhoneInvalid, parse_phone
from cards.models import Card, Member, PointEntry, Program, Tier
from checkout.models import Checkout, CheckoutState
from core.clock import day_start, utc_now
from core.db import db
from core.errors import NotFound
from coupons.gift_models import CouponGift, GiftState
from coupons.queries import HeldCoupon, coupons_of_card
from push.audiences.consents import Word, current_consents, words_of
from push.audiences.saved_segments import only_segment
from push.audiences.segments import narrowed
from push.models import Campaign, Delivery
from sharing.models import Referral, ShareChannel
from stores.models import Chain, Store

MOST_COUNTED = 10_000  # a list says "more than" beyond this
SHOWN = 30  # rows of each part of a member's page
CARD_DIGITS = 16
FEWEST_DIGITS = 4  # of a number or phone to look for


@dataclass(frozen=True)
class Filters:
    """What a list of members is asked for. Days are the chain's business days, both included."""

    search: str = ""
    tier_id: int | None = None
    store_id: int | None = None
    state: str = ""
    joined_from: date | None = None
    joined_to: date | None = None
    segment_id: int | None = None


class Listed(NamedTuple):
    """A member in a list, with his main card."""

    id: int
    name: str
    phone: str | None
    email: str | None
    joined_at: datetime
    last_visit_at: datetime | None
    number: str | None
    state: str | None
    points: int | None
    channel: str | None
    tier: str | None
    tier_en: str | None
    store_id: int | None
    store_name: str | None
    store_code: str | None


class HeldCard(NamedTuple):
    card: Card
    program: Program
    tier: Tier
    store: Store | None


class Friend(NamedTuple):
    """The other end of a referral or of a gift."""

    member_id: int
    name: str
    number: str
    store_id: int | None
    channel: str
    at: datetime


class Hands(NamedTuple):
    """Whom a coupon came from and went to, one step each."""

    giver: Friend | None = None
    taker: Friend | None = None


@dataclass
class Person:
    """One member, with the latest of everything."""

    member: Member
    store: Store | None
    cards: list[HeldCard]
    spent_cents: int
    checkout_count: int
    coupons: list[HeldCoupon]
    hands: dict[int, Hands]  # of those coupons that friends gave or took
    points: Sequence[Row[PointEntry, str]]
    checkouts: Sequence[Row[Checkout, str]]
    deliveries: Sequence[Row[Delivery, str]]
    consents: dict[str, bool]  # of promotion
    words: dict[tuple[str, str], Word]  # what he said of each (purpose, channel)
    came_through: Friend | None
    generation: int
    brought: list[Friend]
    brought_count: int


def list_people(
    reader: Reader, filters: Filters, *, chain: Chain, after: int | None = None, limit: int = 50
) -> list[Listed]:
    """Newest first; ``after`` is the id of the last one seen."""
    query = _matching(
        select(
            Member.id,
            Member.name,
            Member.phone,
            Member.email,
            Member.joined_at,
            Member.last_visit_at,
            Card.number,
            Card.state,
            Card.points,
            Card.channel,
            Tier.name,
            Tier.name_en,
            Member.store_id,
            Store.name,
            Store.code,
        ),
        reader,
        filters,
        chain,
    )
    if after is not None:
        query = query.where(Member.id < after)
    return [Listed(*row) for row in db.session.execute(query.order_by(Member.id.desc()).limit(limit))]


def count_people(reader: Reader, filters: Filters, *, chain: Chain) -> int:
    """How many there are; one more than MOST_COUNTED stands for more."""
    some = _matching(select(Member.id), reader, filters, chain).limit(MOST_COUNTED + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def find_person(reader: Reader, member_id: int, *, now: datetime) -> Person:
    """One member. Raises NotFound, also for the member of somebody else's store."""
    member = db.session.scalar(_of(reader, select(Member).where(Member.id == member_id)))
    if member is None:
        raise NotFound()
    cards = _cards(member)
    bought = db.session.execute(
        select(func.count(), func.coalesce(func.sum(Checkout.payable_cents - Checkout.refunded_cents), 0)).where(
            Checkout.card_id.in_([held.card.id for held in cards]), Checkout.state == CheckoutState.SETTLED
        )
    ).one()
    edge = db.session.scalar(select(Referral).filter_by(chain_id=member.chain_id, member_id=member.id))
    brought = select(Referral).filter_by(chain_id=member.chain_id, referrer_id=member.id)
    card_ids = [held.card.id for held in cards]
    coupons = [coupon for card_id in card_ids for coupon in coupons_of_card(card_id, now=now, limit=SHOWN)]
    return Person(
        member=member,
        store=db.session.get(Store, member.store_id) if member.store_id else None,
        cards=cards,
        spent_cents=int(bought[1]),
        checkout_count=bought[0],
        coupons=coupons,
        hands=_hands([held.coupon.id for held in coupons]),
        points=_points(card_ids),
        checkouts=_checkouts(card_ids),
        deliveries=_deliveries(member),
        consents=current_consents(member.id),
        words=words_of(member.id),
        came_through=_friends(edge and select(Referral).filter_by(id=edge.id), Referral.referrer_id)[0]
        if edge
        else None,
        generation=edge.depth if edge else 0,
        brought=_friends(brought.order_by(Referral.id.desc()).limit(SHOWN), Referral.member_id),
        brought_count=db.session.scalar(select(func.count()).select_from(brought.subquery())) or 0,
    )


def may_see(reader: Reader, friend: Friend) -> bool:
    """Whether somebody at the other end of a referral or gift is one of the reader's own members."""
    return reader.store_ids is None or friend.store_id in reader.store_ids


def looks_for(search: str, chain: Chain) -> Any:
    """The condition that a member is meant by what somebody typed: number, phone, e-mail or name."""
    text = search.strip()
    digits = "".join(letter for letter in text if letter.isdigit())
    only_digits = bool(digits) and not set(text) - set("0123456789+-() ")
    if only_digits and len(digits) == CARD_DIGITS:
        return Card.number == digits
    if only_digits and len(digits) >= FEWEST_DIGITS:
        try:
            return Member.phone == parse_phone(text, currency=chain.currency)
        except PhoneInvalid:
            return or_(Member.phone.endswith(digits), Card.number.endswith(digits))
    if "@" in text:
        return Member.email == text.lower()
    return Member.name.icontains(text, autoescape=True)


def _matching(query: Select[Any], reader: Reader, filters: Filters, chain: Chain) -> Select[Any]:
    main = (
        (Card.chain_id == Member.chain_id) & (Card.wallet_id == Member.wallet_id) & (Card.program_id == _program(chain))
    )
    query = (
        _of(reader, query.select_from(Member))
        .outerjoin(Card, main)
        .outerjoin(Tier, Tier.id == Card.tier_id)
        .outerjoin(Store, Store.id == Member.store_id)
    )
    if filters.search:
        query = query.where(looks_for(filters.search, chain))
    for column, wanted in (
        (Card.tier_id, filters.tier_id),
        (Member.store_id, filters.store_id),
        (Card.state, filters.state or None),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    if filters.joined_from:
        query = query.where(Member.joined_at >= day_start(filters.joined_from, chain.timezone, chain.cutoff_hour))
    if filters.joined_to:
        until = filters.joined_to + timedelta(days=1)
        query = query.where(Member.joined_at < day_start(until, chain.timezone, chain.cutoff_hour))
    if filters.segment_id is not None:
        within = narrowed(select(Member.id), chain, only_segment(filters.segment_id), now=utc_now()).subquery()
        query = query.where(Member.id.in_(select(within.c.id)))
    return query


def _program(chain: Chain) -> Any:
    return select(Program.id).filter_by(chain_id=chain.id, is_default=True).scalar_subquery()


def _of(reader: Reader, query: Select[Any]) -> Select[Any]:
    """Members of the chain; for a manager those who joined in his stores, or hold a card of one."""
    query = query.where(Member.chain_id == reader.chain_id)
    if reader.store_ids is None:
        return query
    issued = exists().where(Card.member_id == Member.id, Card.store_id.in_(reader.store_ids)).correlate(Member)
    return query.where(or_(Member.store_id.in_(reader.store_ids), issued))


def _cards(member: Member) -> list[HeldCard]:
    rows = db.session.execute(
        select(Card, Program, Tier, Store)
        .join(Program, Program.id == Card.program_id)
        .join(Tier, Tier.id == Card.tier_id)
        .outerjoin(Store, Store.id == Card.store_id)
        .where(Card.chain_id == member.chain_id, Card.member_id == member.id)
        .order_by(Program.is_default.desc(), Card.id)
    )
    return [HeldCard(*row) for row in rows]


def _points(card_ids: Sequence[int]) -> Sequence[Row[PointEntry, str]]:
    return db.session.execute(
        select(PointEntry, Card.number)
        .join(Card, Card.id == PointEntry.card_id)
        .where(PointEntry.card_id.in_(card_ids))
        .order_by(PointEntry.id.desc())
        .limit(SHOWN)
    ).all()


def _checkouts(card_ids: Sequence[int]) -> Sequence[Row[Checkout, str]]:
    return db.session.execute(
        select(Checkout, Store.name)
        .join(Store, Store.id == Checkout.store_id)
        .where(Checkout.card_id.in_(card_ids), Checkout.state != CheckoutState.RELEASED)
        .order_by(Checkout.id.desc())
        .limit(SHOWN)
    ).all()


def _deliveries(member: Member) -> Sequence[Row[Delivery, str]]:
    return db.session.execute(
        select(Delivery, Campaign.name)
        .join(Campaign, Campaign.id == Delivery.campaign_id)
        .where(Delivery.member_id == member.id)
        .order_by(Delivery.id.desc())
        .limit(SHOWN)
    ).all()


def _hands(coupon_ids: Sequence[int]) -> dict[int, Hands]:
    givers = _friends_by_gift(CouponGift.new_coupon_id, coupon_ids, CouponGift.giver_id)
    takers = _friends_by_gift(CouponGift.coupon_id, coupon_ids, CouponGift.receiver_id)
    return {coupon_id: Hands(givers.get(coupon_id), takers.get(coupon_id)) for coupon_id in givers.keys() | takers}


def _friends_by_gift(of: Any, coupon_ids: Sequence[int], end: Any) -> dict[int, Friend]:
    """The members at one end of the gifts that were taken, by coupon."""
    rows = db.session.execute(
        select(of, Member.id, Member.name, _a_number(), Member.store_id, CouponGift.ended_at)
        .join(Member, Member.id == end)
        .where(of.in_(coupon_ids), CouponGift.state == GiftState.ACCEPTED)
    )
    return {row[0]: Friend(*row[1:5], ShareChannel.FRIEND, row[5]) for row in rows}


def _a_number() -> Any:
    """The number of one of the member's cards."""
    return (
        select(func.min(Card.number))
        .where(Card.member_id == Member.id, Card.chain_id == Member.chain_id)
        .correlate(Member)
        .scalar_subquery()
    )


def _friends(edges: Any, end: Any) -> list[Friend]:
    """The members at one end of these referrals, with the number of one of their cards."""
    query = edges.with_only_columns(
        Member.id,
        Member.name,
        _a_number(),
        Member.store_id,
        Referral.channel,
        Referral.created_at,
        maintain_column_froms=True,
    ).join(Member, Member.id == end)
    return [Friend(*row) for row in db.session.execute(query)]
