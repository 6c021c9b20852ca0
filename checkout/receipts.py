"""What stands on a receipt: the lines of a purchase in the order of their calculation, its points, its refunds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, select

from cards.models import Card, Member, Tier
from checkout.models import Checkout, Redemption, Refund
from core.db import db
from core.text import Text
from coupons.applicability import step_of
from coupons.combining import MEMBER_STEP
from coupons.models import Coupon, Offer
from stores.models import Store


class CouponLine(NamedTuple):
    """A coupon on a receipt."""

    coupon_id: int
    name: Text
    discount_cents: int
    is_undone: bool
    step: int


@dataclass(frozen=True)
class PrintedReceipt:
    """One purchase, ready to be shown or printed."""

    checkout: Checkout
    number: str
    member_name: str
    tier: Text
    balance: int  # of points, by now
    store: Store
    coupons: tuple[CouponLine, ...]
    refunds: Sequence[Refund]

    @property
    def before_member_price(self) -> tuple[CouponLine, ...]:
        return tuple(line for line in self.coupons if line.step < MEMBER_STEP)

    @property
    def after_member_price(self) -> tuple[CouponLine, ...]:
        return tuple(line for line in self.coupons if line.step >= MEMBER_STEP)


def find_printed(chain_id: int, store_id: int, checkout_id: int) -> PrintedReceipt | None:
    """A booked purchase of this store."""
    return _printed(Checkout.id == checkout_id, Checkout.chain_id == chain_id, Checkout.store_id == store_id)


def find_of_card(card_id: int, checkout_id: int) -> PrintedReceipt | None:
    """A booked purchase with this card, for its holder."""
    return _printed(Checkout.id == checkout_id, Checkout.card_id == card_id)


def _printed(*which: ColumnElement[bool]) -> PrintedReceipt | None:
    row = db.session.execute(
        select(Checkout, Card.number, Card.points, Member.name, Tier.name, Tier.name_en, Store)
        .join(Card, Card.id == Checkout.card_id)
        .join(Tier, Tier.id == Card.tier_id)
        .join(Member, Member.id == Checkout.member_id)
        .join(Store, Store.id == Checkout.store_id)
        .where(*which, Checkout.settled_at.is_not(None))
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        return None
    checkout, number, points, name, tier, tier_en, store = row
    lines = _coupon_lines([checkout.id]).get(checkout.id, ())
    refunds = db.session.scalars(select(Refund).filter_by(checkout_id=checkout.id).order_by(Refund.id)).all()
    return PrintedReceipt(checkout, number, name, Text(tier, tier_en), points, store, lines, refunds)


class CardLine(NamedTuple):
    """A purchase among those of a card."""

    id: int
    settled_at: datetime
    state: str
    store_name: str
    store_timezone: str
    amount_cents: int
    payable_cents: int
    refunded_cents: int
    points_earned: int


def list_of_card(card_id: int, *, before: int | None = None, limit: int = 20) -> list[CardLine]:
    """What was bought with a card, newest first; ``before`` is the id of the last one seen."""
    of_store = {"store_name": Store.name, "store_timezone": Store.timezone}
    query = (
        select(*(of_store.get(name) or getattr(Checkout, name) for name in CardLine._fields))
        .join(Store, Store.id == Checkout.store_id)
        .where(Checkout.card_id == card_id, Checkout.settled_at.is_not(None))
    )
    if before is not None:
        query = query.where(Checkout.id < before)
    return [CardLine._make(row) for row in db.session.execute(query.order_by(Checkout.id.desc()).limit(limit))]


class DayLine(NamedTuple):
    """A purchase in the list of a day."""

    id: int
    settled_at: datetime
    state: str
    settled_by: str
    amount_cents: int
    member_discount_cents: int
    points_used: int
    points_discount_cents: int
    payable_cents: int
    refunded_cents: int
    points_earned: int
    member_name: str
    number: str
    coupons: tuple[CouponLine, ...] = ()


def list_of_day(
    chain_id: int, store_id: int, day: date, *, before: int | None = None, limit: int = 50
) -> list[DayLine]:
    """The purchases of a business day in one store, newest first; ``before`` is the id of the last one seen."""
    query = _day_lines().where(
        Checkout.chain_id == chain_id, Checkout.business_day == day, Checkout.store_id == store_id
    )
    if before is not None:
        query = query.where(Checkout.id < before)
    return _with_coupons(db.session.execute(query.order_by(Checkout.id.desc()).limit(limit)).all())


def find_day_line(chain_id: int, store_id: int, checkout_id: int) -> DayLine | None:
    """One of them, of whichever day."""
    query = _day_lines().where(
        Checkout.id == checkout_id,
        Checkout.chain_id == chain_id,
        Checkout.store_id == store_id,
        Checkout.settled_at.is_not(None),
    )
    found = _with_coupons(db.session.execute(query).all())
    return found[0] if found else None


def _day_lines() -> Any:
    names = [name for name in DayLine._fields if name not in ("member_name", "number", "coupons")]
    return (
        select(*(getattr(Checkout, name) for name in names), Member.name, Card.number)
        .join(Card, Card.id == Checkout.card_id)
        .join(Member, Member.id == Checkout.member_id)
    )


def _with_coupons(rows: Sequence[Row[Any]]) -> list[DayLine]:
    coupons = _coupon_lines([row[0] for row in rows])
    return [DayLine._make((*row, coupons.get(row[0], ()))) for row in rows]


def _coupon_lines(checkout_ids: Sequence[int]) -> dict[int, tuple[CouponLine, ...]]:
    """The coupons of each purchase, in the order in which they were calculated."""
    rows = db.session.execute(
        select(
            Redemption.checkout_id,
            Redemption.coupon_id,
            Offer.name,
            Offer.name_en,
            Redemption.discount_cents,
            Redemption.undone_at,
            Offer.kind,
        )
        .join(Offer, Offer.id == Redemption.offer_id)
        .join(Coupon, Coupon.id == Redemption.coupon_id)
        .where(Redemption.checkout_id.in_(checkout_ids))
        .order_by(Coupon.valid_until, Coupon.id)
    )
    lines: dict[int, list[CouponLine]] = {}
    for checkout_id, coupon_id, name, name_en, cents, undone_at, kind in rows:
        line = CouponLine(coupon_id, Text(name, name_en), cents, undone_at is not None, step_of(kind))
        lines.setdefault(checkout_id, []).append(line)
    return {key: tuple(sorted(found, key=lambda line: line.step)) for key, found in lines.items()}
