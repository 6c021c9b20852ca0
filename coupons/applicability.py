"""Whether a coupon fits a purchase, and what it takes off. Pure: figures in, a discount or a refusal out."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from core.clock import business_day
from core.errors import DomainError
from core.money import share_of
from core.text import Text
from coupons import errors, hours, terms
from coupons.models import CouponState, MemberPrice, OfferKind, Stacking

ITEM_KINDS = (OfferKind.GIFT, OfferKind.FIXED_PRICE)


class UsableCoupon(NamedTuple):
    """A coupon with those rules of its offer that a till needs, as they are for one card in one store."""

    id: int
    offer_id: int
    name: Text
    kind: str
    value_cents: int | None
    percent_bp: int | None
    cap_cents: int | None
    min_cents: int
    state: str
    valid_from: datetime
    valid_until: datetime  # exclusive
    item_name: Text | None = None
    item_cents: int | None = None
    price_cents: int | None = None
    weekdays: int | None = None
    hours: Sequence[Sequence[int]] | None = None
    blackout_dates: Sequence[str] | None = None
    is_for_this_store: bool = True
    is_for_this_program: bool = True
    is_for_this_tier: bool = True
    stacking: str = Stacking.EXCLUSIVE
    stack_group: str | None = None
    member_price: str = MemberPrice.ON_TOP
    stores: Text | None = None  # the names of those it is for, read only where this store is none of them
    programs: Text | None = None  # likewise
    tiers: Text | None = None

    @property
    def order(self) -> tuple[datetime, int]:
        """Of two alike, the one that ends first goes first."""
        return self.valid_until, self.id


class Item(NamedTuple):
    """A line of the basket."""

    name: str
    quantity: int
    price_cents: int  # of one piece
    sku: str | None = None


class Purchase(NamedTuple):
    """What is being paid for, by whom, and where: the place decides how days and money are written."""

    amount_cents: int  # before any discount: what a minimum is compared with
    currency: str
    timezone: str
    cutoff_hour: int
    discount_bp: int = 0  # the member price of the card's tier
    items: tuple[Item, ...] | None = None  # None: the till sends no basket


def check(coupon: UsableCoupon, purchase: Purchase, now: datetime) -> DomainError | None:
    """Why this coupon cannot be used for this purchase; None when it can. What it takes off is another matter."""
    return (
        _untimely(coupon, purchase, now)
        or _elsewhere(coupon)
        or _outside_its_hours(coupon, purchase, now)
        or _without_item(coupon, purchase)
        or _too_small(coupon, purchase)
    )


def as_rung_up(coupon: UsableCoupon, purchase: Purchase) -> UsableCoupon:
    """The coupon with its item at the price it has in the basket, never above the price that the terms name."""
    index = item_index(coupon, purchase)
    if index is None or purchase.items is None:
        return coupon
    return coupon._replace(item_cents=min(purchase.items[index].price_cents, coupon.item_cents or 0))


def item_index(coupon: UsableCoupon, purchase: Purchase) -> int | None:
    """Which line of the basket is the coupon's item: by name or SKU, whatever the capitals. The dearest of several."""
    if coupon.item_name is None or purchase.items is None:
        return None
    lines = _lines_by_name(purchase.items)
    found = [lines[name] for name in map(_plain, coupon.item_name) if name in lines]
    return -max(found)[1] if found else None


@lru_cache(maxsize=64)
def _lines_by_name(items: tuple[Item, ...]) -> dict[str, tuple[int, int]]:
    """Under each name and SKU the dearest line of the basket, the first of them: its price, and its number below zero.

    Kept, because every coupon looks for its item several times.
    """
    lines: dict[str, tuple[int, int]] = {}
    for index, item in enumerate(items):
        for name in map(_plain, (item.name, item.sku or item.name)):
            lines[name] = max((item.price_cents, -index), lines.get(name, (-1, 0)))
    return lines


def _plain(name: str) -> str:
    return name.strip().casefold()


def step_of(kind: str) -> int:
    """The step in which coupons of a kind are calculated: items, (the member price,) percentages, amounts."""
    return {OfferKind.PERCENT: 3, OfferKind.CASH: 4}.get(OfferKind(kind), 1)


def discount_of(coupon: UsableCoupon, left_cents: int) -> int:
    """The figure alone: the coupon's value, share or item, at most its cap, at most what is left to pay."""
    if coupon.kind == OfferKind.PERCENT:
        share = share_of(left_cents, coupon.percent_bp or 0)
        return min(share, left_cents if coupon.cap_cents is None else coupon.cap_cents)
    return min(fixed_discount(coupon), left_cents)


def fixed_discount(coupon: UsableCoupon) -> int:
    """What a coupon takes off whatever the amount is. Not of a percentage."""
    if coupon.kind == OfferKind.CASH:
        return coupon.value_cents or 0
    return max(0, (coupon.item_cents or 0) - (coupon.price_cents or 0))


def _untimely(coupon: UsableCoupon, purchase: Purchase, now: datetime) -> DomainError | None:
    zone, hour = purchase.timezone, purchase.cutoff_hour
    if coupon.state == CouponState.REDEEMED:
        return errors.CouponAlreadyRedeemed()
    if coupon.state == CouponState.EXPIRED or (coupon.state == CouponState.CLAIMED and coupon.valid_until <= now):
        return errors.CouponExpired(day=terms.end_text(coupon.valid_until, zone, cutoff_hour=hour))
    if coupon.state == CouponState.GIFTING:
        return errors.CouponWaitsForFriend()
    if coupon.state != CouponState.CLAIMED:
        return errors.CouponNotUsable()
    if now < coupon.valid_from:
        return errors.CouponNotYetValid(day=terms.start_text(coupon.valid_from, zone, cutoff_hour=hour))
    return None


def _elsewhere(coupon: UsableCoupon) -> DomainError | None:
    if not coupon.is_for_this_store:
        return errors.CouponWrongStore(stores=coupon.stores or Text("其他门店", "other stores"))
    if not coupon.is_for_this_program:
        return errors.CouponWrongProgram(programs=coupon.programs or Text("其他会员卡", "other cards"))
    if not coupon.is_for_this_tier:
        return errors.CouponWrongTier(tiers=coupon.tiers or Text("其他等级", "other tiers"))
    return None


def _outside_its_hours(coupon: UsableCoupon, purchase: Purchase, now: datetime) -> DomainError | None:
    if coupon.weekdays is None and not coupon.hours and not coupon.blackout_dates:
        return None
    local = now.astimezone(ZoneInfo(purchase.timezone))
    day = business_day(now, purchase.timezone, purchase.cutoff_hour)
    if day.isoformat() in (coupon.blackout_dates or ()):
        return errors.CouponBlackedOut(day=terms.day_text(day))
    said = hours.when_text(coupon.weekdays, coupon.hours)
    when = Text(f"{said.zh} ", said.en) if coupon.hours else said
    if not hours.is_on(coupon.weekdays, day):
        return errors.CouponNotToday(when=when)
    if not hours.is_within(coupon.hours, local.hour * hours.HOUR + local.minute):
        return errors.CouponNotNow(when=when)
    return None


def _without_item(coupon: UsableCoupon, purchase: Purchase) -> DomainError | None:
    if coupon.kind not in ITEM_KINDS:
        return None
    if purchase.items is None:
        is_there = purchase.amount_cents >= (coupon.item_cents or 0)
    else:
        is_there = item_index(coupon, purchase) is not None
    item = coupon.item_name or coupon.name
    return None if is_there else errors.CouponItemMissing(item=item)


def _too_small(coupon: UsableCoupon, purchase: Purchase) -> DomainError | None:
    item_cents = 0
    if coupon.kind in ITEM_KINDS:
        index = item_index(coupon, purchase)
        item_cents = coupon.item_cents or 0
        if index is not None and purchase.items is not None:
            item_cents = purchase.items[index].price_cents
    missing = coupon.min_cents - (purchase.amount_cents - item_cents)
    if missing <= 0:
        return None
    return errors.CouponMinimumNotMet(missing=terms.amount(missing, purchase.currency))
