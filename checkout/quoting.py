"""Quoting: what a card makes of an amount, line by line.

The order of the lines is the order of calculation: first the member price of the card's tier, then the coupon, on what
is left. A minimum is compared with the amount before any discount. The best coupon is the one that takes most off; of
two alike, the one that ends first.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from cards import rotating_code
from cards.models import CardState
from cards.rotating_code import CardCodeUnknown
from checkout import errors
from core.errors import DomainError
from core.hot import Hot, Row, Sql, moment
from core.money import WHOLE, money, share_of, whole_units
from core.text import Text
from coupons.applicability import Purchase, UsableCoupon, fits
from coupons.errors import CouponNotFound

MOST_CENTS = 1_000_000_000  # more is a slip of the finger
MOST_COUPONS = 200  # of one card that are looked at
AT_ONCE = 1  # every coupon is exclusive
SHOWN_AFTER = timedelta(days=7)  # so long an expired coupon is still shown, with its reason

COUPON_COLUMNS = """q.id, q.offer_id, f.name, f.name_en, f.kind, f.value_cents, f.percent_bp, f.cap_cents, f.min_cents,
       q.state, q.valid_from, q.valid_until"""
STANDING = Sql(f"""
    SELECT k.id, k.number, k.state, k.points, k.member_id, m.name, m.phone,
           k.tier_id, t.name, t.name_en, t.discount_bp, t.points_multiplier_bp, p.points_per_unit,
           s.id, s.closed_at, s.timezone, c.cutoff_hour, c.currency, k.code_secret, p.code_mode,
           {COUPON_COLUMNS}
    FROM cards k
    JOIN members m ON m.id = k.member_id
    JOIN programs p ON p.id = k.program_id
    JOIN tiers t ON t.id = k.tier_id
    JOIN chains c ON c.id = k.chain_id
    LEFT JOIN stores s ON s.id = :store_id AND s.chain_id = k.chain_id
    LEFT JOIN coupons q ON q.card_id = k.id AND q.state = 'claimed' AND q.valid_until > :shown_until
    LEFT JOIN offers f ON f.id = q.offer_id
    WHERE k.number = :number AND k.chain_id = :chain_id
    ORDER BY q.valid_until <= :now, q.valid_until, q.id
    LIMIT {MOST_COUPONS}
""")
COUPON = Sql(f"""
    SELECT {COUPON_COLUMNS} FROM coupons q JOIN offers f ON f.id = q.offer_id
    WHERE q.id = :coupon_id AND q.card_id = :card_id
""")
COUPONS_FROM = 20  # where the columns of the coupon begin


class Presented(NamedTuple):
    """A card held out at a till. Without a password it was checked a moment ago."""

    number: str
    password: str | None


@dataclass(frozen=True)
class Standing:
    """A card at a till: all that one reading tells."""

    card_id: int
    number: str
    state: str
    points: int
    member_id: int
    member_name: str
    member_phone: str | None
    tier_id: int
    tier_name: Text
    discount_bp: int
    points_multiplier_bp: int
    points_per_unit: int
    store_id: int
    timezone: str
    cutoff_hour: int
    currency: str
    coupons: tuple[UsableCoupon, ...]


class LineKind(StrEnum):
    MEMBER_PRICE = "member_price"
    COUPON = "coupon"


class Line(NamedTuple):
    """One step from the amount to what is payable."""

    kind: LineKind
    label: Text
    discount_cents: int
    coupon_id: int | None = None


class Fit(NamedTuple):
    coupon: UsableCoupon
    discount_cents: int


class Refused(NamedTuple):
    coupon_id: int
    name: Text | None  # None: there is no such coupon on this card
    refusal: DomainError


@dataclass(frozen=True)
class Quote:
    """What is to be paid and why. ``fits`` has the best coupon first."""

    standing: Standing
    amount_cents: int
    member_discount_cents: int
    fits: tuple[Fit, ...]
    refused: tuple[Refused, ...]
    chosen: Fit | None
    points: int

    @property
    def coupon_discount_cents(self) -> int:
        return self.chosen.discount_cents if self.chosen else 0

    @property
    def payable_cents(self) -> int:
        return self.amount_cents - self.member_discount_cents - self.coupon_discount_cents

    @property
    def best(self) -> Fit | None:
        return self.fits[0] if self.fits else None

    @property
    def coupon_ids(self) -> tuple[int, ...]:
        return (self.chosen.coupon.id,) if self.chosen else ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """The discounts in their order: member price, then the coupon. What takes nothing off is no line."""
        lines = []
        if self.member_discount_cents:
            label = member_price(self.standing.discount_bp)
            lines.append(Line(LineKind.MEMBER_PRICE, label, self.member_discount_cents))
        if self.chosen:
            coupon, discount = self.chosen
            lines.append(Line(LineKind.COUPON, coupon.name, discount, coupon.id))
        return tuple(lines)


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
) -> Quote:
    """Price a purchase. Without ``coupon_ids`` the best coupon is chosen; with an empty one, none.

    A wanted coupon that does not fit is among the refused. Raises CardCodeUnknown, CardCodeOutdated, CardFrozen,
    CardClosed, StoreNotFound, StoreClosed, AmountInvalid, CouponsNotStackable.
    """
    standing = find_standing(hot, chain_id, store_id, card, now=now)
    priced = price(standing, amount_cents, now=now, coupon_ids=coupon_ids)
    unknown = set(coupon_ids or ()) - {coupon.id for coupon in standing.coupons}
    if not unknown:
        return priced
    refused = tuple(_refused_elsewhere(hot, standing, coupon_id, amount_cents, now) for coupon_id in sorted(unknown))
    return Quote(**(vars(priced) | {"refused": priced.refused + refused}))


def find_standing(hot: Hot, chain_id: int, store_id: int, card: Presented, *, now: datetime) -> Standing:
    """The card at this store, with the coupons it holds: one reading. Raises as ``quote`` does."""
    rows = hot.rows(
        STANDING,
        chain_id=chain_id,
        store_id=store_id,
        number=card.number,
        now=now,
        shown_until=now - SHOWN_AFTER,
    )
    if not rows:
        raise CardCodeUnknown()
    first = rows[0]
    secret, mode = bytes(first[18]), first[19]
    if card.password is not None and not rotating_code.is_shown(secret, mode, card.password, now=now):
        raise errors.CardCodeOutdated()
    if first[13] is None:
        raise errors.StoreNotFound()
    if first[14] is not None:
        raise errors.StoreClosed()
    if first[2] != CardState.ACTIVE:
        raise errors.CardFrozen() if first[2] == CardState.FROZEN else errors.CardClosed()
    return _standing(first, [row for row in rows if row[COUPONS_FROM] is not None])


def price(standing: Standing, amount_cents: int, *, now: datetime, coupon_ids: Collection[int] | None = None) -> Quote:
    """The calculation alone. Raises AmountInvalid, CouponsNotStackable."""
    if not 0 < amount_cents <= MOST_CENTS:
        raise errors.AmountInvalid()
    if coupon_ids is not None and len(set(coupon_ids)) > AT_ONCE:
        raise errors.CouponsNotStackable()
    member_discount = share_of(amount_cents, standing.discount_bp)
    purchase = Purchase(
        amount_cents, amount_cents - member_discount, standing.currency, standing.timezone, standing.cutoff_hour
    )
    fitting, refused = _sorted_out(standing.coupons, purchase, now)
    if coupon_ids is None:
        chosen = fitting[0] if fitting else None
    else:
        chosen = next((fit for fit in fitting if fit.coupon.id in coupon_ids), None)
    paid = purchase.payable_cents - (chosen.discount_cents if chosen else 0)
    return Quote(standing, amount_cents, member_discount, fitting, refused, chosen, points_for(paid, standing))


def points_for(paid_cents: int, standing: Standing) -> int:
    """Points for each whole unit of currency paid, times the tier's multiplier, rounded down."""
    units = whole_units(paid_cents, standing.currency)
    return units * standing.points_per_unit * standing.points_multiplier_bp // WHOLE


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


def _sorted_out(
    coupons: Iterable[UsableCoupon], purchase: Purchase, now: datetime
) -> tuple[tuple[Fit, ...], tuple[Refused, ...]]:
    fitting, refused = [], []
    for coupon in coupons:
        try:
            fitting.append(Fit(coupon, fits(coupon, purchase, now=now)))
        except DomainError as refusal:
            refused.append(Refused(coupon.id, coupon.name, refusal))
    fitting.sort(key=lambda fit: (-fit.discount_cents, fit.coupon.valid_until, fit.coupon.id))
    return tuple(fitting), tuple(refused)


def _refused_elsewhere(hot: Hot, standing: Standing, coupon_id: int, amount_cents: int, now: datetime) -> Refused:
    """Why a wanted coupon is not among those the card can use: read for the words."""
    row = hot.row(COUPON, coupon_id=coupon_id, card_id=standing.card_id)
    if row is None:
        return Refused(coupon_id, None, CouponNotFound())
    coupon = _coupon(row)
    purchase = Purchase(amount_cents, amount_cents, standing.currency, standing.timezone, standing.cutoff_hour)
    try:
        fits(coupon, purchase, now=now)
    except DomainError as refusal:
        return Refused(coupon_id, coupon.name, refusal)
    return Refused(coupon_id, coupon.name, CouponNotFound())  # it came in this very moment: ask again


def _standing(row: Row, coupon_rows: Iterable[Row]) -> Standing:
    return Standing(
        card_id=row[0],
        number=row[1],
        state=row[2],
        points=row[3],
        member_id=row[4],
        member_name=row[5],
        member_phone=row[6],
        tier_id=row[7],
        tier_name=Text(row[8], row[9]),
        discount_bp=row[10],
        points_multiplier_bp=row[11],
        points_per_unit=row[12],
        store_id=row[13],
        timezone=row[15],
        cutoff_hour=row[16],
        currency=row[17],
        coupons=tuple(_coupon(each[COUPONS_FROM:]) for each in coupon_rows),
    )


def _coupon(row: Row) -> UsableCoupon:
    coupon_id, offer_id, name, name_en, *rules, state, valid_from, valid_until = row
    kind, value_cents, percent_bp, cap_cents, min_cents = rules
    return UsableCoupon(
        coupon_id,
        offer_id,
        Text(name, name_en),
        kind,
        value_cents,
        percent_bp,
        cap_cents,
        min_cents,
        state,
        moment(valid_from),
        moment(valid_until),
    )
