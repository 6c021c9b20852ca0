"""Quoting: what a card makes of an amount, line by line.

The order of the lines is the order of calculation: coupons of items, the member price of the card's tier, percentages,
amounts, points; each on what is left. A minimum is compared with the amount before any discount. The best combination
is the one with the least to pay; of two alike, the one with fewer coupons.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from cards import rotating_code
from cards.models import CardState
from cards.rotating_code import CardCodeUnknown
from checkout import errors
from checkout.standing import SHOWN_AFTER, Standing, find_coupon, is_on_hold, read_standing
from core.errors import DomainError
from core.hot import Hot
from core.money import WHOLE, money, whole_units
from core.text import Text
from coupons import combining
from coupons.applicability import Item, Purchase, UsableCoupon, as_rung_up, check
from coupons.combining import Combination
from coupons.errors import CouponAlreadyRedeemed, CouponNotFound, CouponNothingLeft

__all__ = ["SHOWN_AFTER", "Item", "Standing"]

MOST_CENTS = 1_000_000_000  # more is a slip of the finger


class Presented(NamedTuple):
    """A card held out at a till. Without a password it was checked a moment ago."""

    number: str
    password: str | None


class Order(NamedTuple):
    """What a till wants priced, and how."""

    amount_cents: int
    coupon_ids: Collection[int] | None = None  # None: the best; none: none
    use_points: int = 0
    items: tuple[Item, ...] | None = None


class LineKind(StrEnum):
    MEMBER_PRICE = "member_price"
    COUPON = "coupon"
    POINTS = "points"


class Line(NamedTuple):
    """One step from the amount to what is payable."""

    kind: LineKind
    label: Text
    discount_cents: int
    coupon_id: int | None = None


class Fit(NamedTuple):
    """A coupon that could be used, and what it takes off by itself."""

    coupon: UsableCoupon
    discount_cents: int


class Refused(NamedTuple):
    coupon_id: int
    name: Text | None  # None: there is no such coupon on this card
    refusal: DomainError


class SpendablePoints(NamedTuple):
    """How many points can be used for a purchase, and what they take off."""

    most_points: int
    most_cents: int
    step_points: int  # they are used in multiples of this …
    step_cents: int  # … each of which takes so much off


@dataclass(frozen=True)
class Bill:
    """What is to be paid and why."""

    standing: Standing
    amount_cents: int
    combination: Combination
    points_used: int = 0
    points_discount_cents: int = 0

    @property
    def coupons(self) -> tuple[UsableCoupon, ...]:
        return self.combination.coupons

    @property
    def coupon_ids(self) -> tuple[int, ...]:
        return self.combination.coupon_ids

    @property
    def member_discount_cents(self) -> int:
        return self.combination.member_discount_cents

    @property
    def coupon_discount_cents(self) -> int:
        return self.combination.coupon_discount_cents

    @property
    def payable_cents(self) -> int:
        return self.combination.payable_cents - self.points_discount_cents

    @property
    def points(self) -> int:
        """What the purchase earns."""
        return points_for(self.payable_cents, self.standing)

    @property
    def spendable(self) -> SpendablePoints | None:
        """What points could do here; None where they cannot be spent."""
        return spendable_points(self.standing, self.combination.payable_cents)

    @property
    def lines(self) -> tuple[Line, ...]:
        """The discounts in their order. What takes nothing off is no line."""
        lines = [
            Line(LineKind.COUPON, coupon.name, discount, coupon.id)
            if coupon
            else Line(LineKind.MEMBER_PRICE, member_price(self.standing.discount_bp), discount)
            for coupon, discount in self.combination.steps
        ]
        if self.points_used:
            label = Text(f"{self.points_used} 积分抵扣", f"{self.points_used} points")
            lines.append(Line(LineKind.POINTS, label, self.points_discount_cents))
        return tuple(lines)


@dataclass(frozen=True, kw_only=True)
class Quote(Bill):
    """A bill, and what else there would be. ``fits`` has the coupon first that takes most off by itself."""

    fits: tuple[Fit, ...]
    refused: tuple[Refused, ...]  # also of those in ``fits``: why it does not go with what is in the bill
    best: Combination


def presented(code: str) -> Presented:
    """What a till read or somebody typed. Raises CardCodeUnknown."""
    return Presented(*rotating_code.split_code(code))


def quote(
    hot: Hot,
    chain_id: int,
    store_id: int,
    card: Presented,
    amount_cents: int,
    *,
    now: datetime,
    coupon_ids: Collection[int] | None = None,
    use_points: int = 0,
    items: tuple[Item, ...] | None = None,
) -> Quote:
    """Price a purchase. Without ``coupon_ids`` the best combination is chosen; with an empty one, none.

    A wanted coupon that does not fit is among the refused. Raises CardCodeUnknown, CardCodeOutdated, CardFrozen,
    CardClosed, StoreNotFound, StoreClosed, AmountInvalid, ItemsDoNotAddUp, CouponsNotStackable, and what
    ``use_points`` is refused with.
    """
    standing = find_standing(hot, chain_id, store_id, card, now=now)
    order = Order(amount_cents, coupon_ids, use_points, items)
    priced = price(standing, amount_cents, now=now, coupon_ids=coupon_ids, use_points=use_points, items=items)
    unknown = set(coupon_ids or ()) - {coupon.id for coupon in standing.coupons}
    if not unknown:
        return priced
    purchase = _purchase(standing, order)
    refused = tuple(_refused_elsewhere(hot, standing, coupon_id, purchase, now) for coupon_id in sorted(unknown))
    return Quote(**(_fields(priced) | {"refused": priced.refused + refused}))


def bill(hot: Hot, chain_id: int, store_id: int, card: Presented, order: Order, *, now: datetime) -> Bill:
    """The price of exactly what is wanted, without looking for anything better: what is to be booked.

    Raises what ``quote`` raises, and the refusal of a wanted coupon.
    """
    wanted_ids = tuple(dict.fromkeys(order.coupon_ids or ()))
    standing = find_standing(hot, chain_id, store_id, card, now=now, coupon_ids=wanted_ids)
    purchase = _purchase(standing, order)
    by_id = {coupon.id: coupon for coupon in standing.coupons}
    wanted = []
    for coupon_id in wanted_ids:
        if coupon_id not in by_id:
            raise _refused_elsewhere(hot, standing, coupon_id, purchase, now).refusal
        refusal = check(by_id[coupon_id], purchase, now)
        if refusal is not None:
            raise refusal
        wanted.append(as_rung_up(by_id[coupon_id], purchase))
    _refuse_clash(wanted, purchase)
    combination = combining.priced(wanted, purchase)
    if any(not step.discount_cents for step in combination.steps):
        raise CouponNothingLeft()
    return _with_points(Bill(standing, order.amount_cents, combination), order.use_points)


def find_standing(
    hot: Hot,
    chain_id: int,
    store_id: int,
    card: Presented,
    *,
    now: datetime,
    coupon_ids: Collection[int] | None = None,
) -> Standing:
    """The card at this store, with the coupons it holds (or those named): one reading. Raises as ``quote`` does."""
    standing = read_standing(hot, chain_id, store_id, card.number, now=now, coupon_ids=coupon_ids)
    if standing is None:
        raise CardCodeUnknown()
    secret, mode = standing.code_secret, standing.code_mode
    if card.password is not None and not rotating_code.is_shown(secret, mode, card.password, now=now):
        raise errors.CardCodeOutdated()
    if not standing.is_in_chain:
        raise errors.StoreNotFound()
    if standing.is_store_closed:
        raise errors.StoreClosed()
    if standing.state != CardState.ACTIVE:
        raise errors.CardFrozen() if standing.state == CardState.FROZEN else errors.CardClosed()
    return standing


def price(
    standing: Standing,
    amount_cents: int,
    *,
    now: datetime,
    coupon_ids: Collection[int] | None = None,
    use_points: int = 0,
    items: tuple[Item, ...] | None = None,
) -> Quote:
    """The calculation alone. Raises AmountInvalid, ItemsDoNotAddUp, CouponsNotStackable, and as ``use_points`` is."""
    purchase = _purchase(standing, Order(amount_cents, coupon_ids, use_points, items))
    fitting, refused = _sorted_out(standing.coupons, purchase, now)
    usable = [coupon for coupon, _ in fitting]
    best = combining.best(usable, purchase)
    chosen = best
    if coupon_ids is not None:
        wanted = [coupon for coupon in usable if coupon.id in coupon_ids]
        _refuse_clash(wanted, purchase)
        chosen = _useful(wanted, purchase)
    left_out = [
        Refused(coupon.id, coupon.name, refusal)
        for coupon in usable
        if (refusal := combining.explain(coupon, chosen, purchase))
    ]
    priced = _with_points(Bill(standing, amount_cents, chosen), use_points)
    return Quote(**(_fields(priced) | {"fits": fitting, "refused": (*refused, *left_out), "best": best}))


def points_for(paid_cents: int, standing: Standing) -> int:
    """Points for each whole unit of currency paid, times the tier's multiplier, rounded down."""
    units = whole_units(paid_cents, standing.currency)
    return units * standing.points_per_unit * standing.points_multiplier_bp // WHOLE


def spendable_points(standing: Standing, payable_cents: int) -> SpendablePoints | None:
    """How many of the card's points this payment takes, in whole steps, never worth more than it."""
    if standing.spend_points is None or standing.spend_cents is None:
        return None
    steps = min(standing.points // standing.spend_points, payable_cents // standing.spend_cents)
    return SpendablePoints(
        steps * standing.spend_points, steps * standing.spend_cents, standing.spend_points, standing.spend_cents
    )


def member_price(discount_bp: int) -> Text:
    """The tier's discount in words: 会员价 95 折."""
    kept = Decimal(WHOLE - discount_bp) / 100
    digits = f"{kept.normalize():f}"
    if kept == 0:
        return Text("会员免单", "Free for members")
    if kept % 10 == 0:
        digits = f"{kept / 10:f}".rstrip("0").rstrip(".")
    elif kept != int(kept):
        digits = f"{(kept / 10).normalize():f}"
    return Text(f"会员价 {digits} 折", f"Member price, {(Decimal(discount_bp) / 100).normalize():f}% off")


def shown_money(cents: int, currency: str) -> Text:
    """An amount in both languages."""
    return Text(money(cents, currency, "zh"), money(cents, currency, "en"))


def _purchase(standing: Standing, order: Order) -> Purchase:
    if not 0 < order.amount_cents <= MOST_CENTS:
        raise errors.AmountInvalid()
    if order.items is not None:
        total = sum(item.quantity * item.price_cents for item in order.items)
        if total != order.amount_cents:
            raise errors.ItemsDoNotAddUp(total=shown_money(total, standing.currency))
    return Purchase(
        order.amount_cents,
        standing.currency,
        standing.timezone,
        standing.cutoff_hour,
        standing.discount_bp,
        order.items,
    )


def _sorted_out(
    coupons: Iterable[UsableCoupon], purchase: Purchase, now: datetime
) -> tuple[tuple[Fit, ...], tuple[Refused, ...]]:
    fitting, refused = [], []
    for coupon in coupons:
        refusal = check(coupon, purchase, now)
        if refusal is None:
            usable = as_rung_up(coupon, purchase)
            discount = combining.priced((usable,), purchase).coupon_discount_cents
            if discount:
                fitting.append(Fit(usable, discount))
                continue
            refusal = CouponNothingLeft()
        refused.append(Refused(coupon.id, coupon.name, refusal))
    fitting.sort(key=lambda fit: (-fit.discount_cents, *fit.coupon.order))
    return tuple(fitting), tuple(refused)


def _refuse_clash(wanted: Sequence[UsableCoupon], purchase: Purchase) -> None:
    clashing = combining.clash(wanted, purchase)
    if clashing:
        one, other = clashing
        raise errors.CouponsNotStackable(one=one.name, other=other.name)


def _useful(wanted: Sequence[UsableCoupon], purchase: Purchase) -> Combination:
    """The wanted coupons without those for which nothing is left."""
    combination = combining.priced(wanted, purchase)
    while any(not step.discount_cents for step in combination.steps):
        useful = [step.coupon for step in combination.steps if step.coupon and step.discount_cents]
        combination = combining.priced(useful, purchase)
    return combination


def _with_points(priced: Bill, use_points: int) -> Bill:
    """The bill with so many points used, or a refusal that says how many could be."""
    if not use_points:
        return priced
    spendable = priced.spendable
    if spendable is None:
        raise errors.PointsNotAccepted()
    if use_points < 0 or use_points % spendable.step_points:
        raise errors.PointsNotMultiple(step=spendable.step_points)
    if use_points > priced.standing.points:
        raise errors.PointsNotEnough(points=priced.standing.points)
    if use_points > spendable.most_points:
        raise errors.PointsTooMany(most=spendable.most_points)
    worth = use_points // spendable.step_points * spendable.step_cents
    return Bill(priced.standing, priced.amount_cents, priced.combination, use_points, worth)


def _fields(bill: Bill) -> dict[str, Any]:
    return {name: getattr(bill, name) for name in bill.__dataclass_fields__}


def _refused_elsewhere(hot: Hot, standing: Standing, coupon_id: int, purchase: Purchase, now: datetime) -> Refused:
    """Why a wanted coupon is not among those the card can use: read for the words."""
    coupon = find_coupon(hot, coupon_id, standing)
    if coupon is None:
        return Refused(coupon_id, None, CouponNotFound())
    refusal = check(coupon, purchase, now)
    if refusal is None or (isinstance(refusal, CouponAlreadyRedeemed) and is_on_hold(hot, coupon_id)):
        refusal = errors.CouponOnHold()  # None: it came back in this very moment
    return Refused(coupon_id, coupon.name, refusal)
