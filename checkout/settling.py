"""Settling: the purchase, its coupons, its points and its event are booked together, once, or not at all.

On PostgreSQL that is one statement, SETTLE: it locks the card as it was priced, then all the coupons in one order, and
writes only if every one of them can be used. So a coupon is used once however many tills try, of two sets that overlap
one wins and the other takes nothing, and a till that asks again under the same request id meets ``UNIQUE (chain_id,
store_id, request_id)`` and gets its first checkout. On SQLite the same steps follow one another in one transaction in
which nobody else writes.

A reservation (RESERVE) takes the same things and leaves the rest to be done when it is confirmed.
"""

from datetime import date, datetime
from typing import Any, NamedTuple

from cards import ledger
from checkout import errors, quoting
from checkout.models import CheckoutState
from checkout.quoting import Bill, Item, Order, Presented
from checkout.standing import numbers_text
from core.clock import business_day
from core.errors import DomainError, IdempotencyKeyReused
from core.hot import AlreadyThere, Hot, Sql, moment
from coupons import redeeming

ATTEMPTS = 3  # a coupon or a tier that changes under our hands sends us round again

FIGURES = """settled_by, request_id, fingerprint, amount_cents, member_discount_cents, coupon_discount_cents,
             points_used, points_discount_cents, payable_cents, points_earned"""
FIGURE_VALUES = """:settled_by, :request_id, :fingerprint, :amount_cents, :member_discount_cents,
             :coupon_discount_cents, :points_used, :points_discount_cents, :payable_cents, :points"""


def _one_statement(columns: str, values: str, redeemed_at: str, points: str, payload: str) -> Sql:
    """The statement for PostgreSQL: what a settled purchase and a reservation have in common."""
    return Sql(f"""
WITH {ledger.HOLD},{redeeming.USE},
checkout AS (
    INSERT INTO checkouts (chain_id, store_id, card_id, member_id, {FIGURES}, {columns})
    SELECT chain_id, :store_id, id, member_id, {FIGURE_VALUES}, {values} FROM going
    RETURNING id, card_id, member_id
),{points},
redemption AS (
    INSERT INTO redemptions (chain_id, checkout_id, coupon_id, offer_id, store_id, discount_cents, redeemed_at)
    SELECT :chain_id, b.id, u.coupon_id, u.offer_id, :store_id, u.discount_cents, {redeemed_at}
    FROM checkout b
    CROSS JOIN unnest(:coupon_ids ::bigint[], :offer_ids ::bigint[], :discounts ::bigint[])
               AS u (coupon_id, offer_id, discount_cents)
),
told AS (
    INSERT INTO events (chain_id, kind, payload, at)
    SELECT :chain_id, {payload}, :now FROM checkout b
)
SELECT id, member_id FROM checkout""")


SETTLE = _one_statement(
    "state, settled_at, business_day",
    "'settled', :now, :business_day",
    ":now",
    ledger.EARN,
    """'checkout.settled',
           jsonb_build_object('checkout_id', b.id, 'card_id', b.card_id, 'member_id', b.member_id,
                              'store_id', :store_id ::bigint, 'payable_cents', :payable_cents ::bigint,
                              'coupon_ids', to_jsonb(:coupon_ids ::bigint[]),
                              'offer_ids', to_jsonb(:offer_ids ::bigint[]))""",
)
RESERVE = _one_statement(
    "state, reserved_until",
    "'reserved', :reserved_until",
    "NULL",
    ledger.RESERVE,
    """'checkout.reserved',
           jsonb_build_object('checkout_id', b.id, 'card_id', b.card_id, 'member_id', b.member_id,
                              'store_id', :store_id ::bigint, 'payable_cents', :payable_cents ::bigint)""",
)

# --- SQLite: the steps --------------------------------------------------------------------------------------------

CHECKOUT = Sql(f"""
    INSERT INTO checkouts (chain_id, store_id, card_id, member_id, {FIGURES}, state, settled_at, business_day)
    VALUES (:chain_id, :store_id, :card_id, :member_id, {FIGURE_VALUES}, 'settled', :now, :business_day)
    RETURNING id
""")
RESERVATION = Sql(f"""
    INSERT INTO checkouts (chain_id, store_id, card_id, member_id, {FIGURES}, state, reserved_until)
    VALUES (:chain_id, :store_id, :card_id, :member_id, {FIGURE_VALUES}, 'reserved', :reserved_until)
    RETURNING id
""")
REDEMPTION = Sql("""
    INSERT INTO redemptions (chain_id, checkout_id, coupon_id, offer_id, store_id, discount_cents, redeemed_at)
    VALUES (:chain_id, :checkout_id, :coupon_id, :offer_id, :store_id, :discount_cents, :redeemed_at)
""")
TOLD = Sql("""
    INSERT INTO events (chain_id, kind, payload, at)
    VALUES (:chain_id, 'checkout.settled',
            json_object('checkout_id', :checkout_id, 'card_id', :card_id, 'member_id', :member_id,
                        'store_id', :store_id, 'payable_cents', :payable_cents,
                        'coupon_ids', json(:coupon_ids), 'offer_ids', json(:offer_ids)), :now)
""")
RESERVATION_TOLD = Sql("""
    INSERT INTO events (chain_id, kind, payload, at)
    VALUES (:chain_id, 'checkout.reserved',
            json_object('checkout_id', :checkout_id, 'card_id', :card_id, 'member_id', :member_id,
                        'store_id', :store_id, 'payable_cents', :payable_cents), :now)
""")
EARLIER = Sql("""
    SELECT c.fingerprint, c.id, c.card_id, c.member_id, c.amount_cents, c.member_discount_cents,
           c.coupon_discount_cents, c.points_used, c.points_discount_cents, c.payable_cents, c.points_earned,
           c.settled_at, c.business_day, c.reserved_until, c.state
    FROM checkouts c
    WHERE c.chain_id = :chain_id AND c.store_id = :store_id AND c.request_id = :request_id
""")
EARLIER_COUPONS = Sql("SELECT coupon_id FROM redemptions WHERE checkout_id = :checkout_id ORDER BY id")


class Sale(NamedTuple):
    """What a till asks to be booked."""

    chain_id: int
    store_id: int
    card: Presented
    amount_cents: int
    request_id: str  # the till's own, unique in the store
    fingerprint: str  # of the request: what makes two of them the same
    settled_by: str  # "staff:7", "key:3"
    coupon_ids: tuple[int, ...] = ()
    seen_payable_cents: int | None = None  # what the till showed; None when it showed nothing
    use_points: int = 0
    items: tuple[Item, ...] | None = None


class Settled(NamedTuple):
    """A booked purchase, or a reserved one: that has no ``settled_at`` yet."""

    id: int
    card_id: int
    member_id: int
    amount_cents: int
    member_discount_cents: int
    coupon_discount_cents: int
    points_used: int
    points_discount_cents: int
    payable_cents: int
    points_earned: int  # of a reservation: what it will earn
    settled_at: datetime | None
    business_day: date | None
    reserved_until: datetime | None
    state: str
    coupon_ids: tuple[int, ...]
    is_repeat: bool  # the same request was booked before; nothing was booked now


def settle(hot: Hot, sale: Sale, *, now: datetime) -> Settled:
    """Book the sale as it is priced now. The same request again gets the first checkout.

    Raises what ``quote`` raises, the refusal of a chosen coupon, QuoteChanged when the price is not what the till
    showed, IdempotencyKeyReused when the request id was used for another sale.
    """
    return _book(hot, sale, until=None, now=now)


def reserve(hot: Hot, sale: Sale, *, until: datetime, now: datetime) -> Settled:
    """Take the coupons and points of a sale until it is confirmed or released, or ``until`` is over.

    Raises as ``settle`` does. Confirming and releasing are in checkout/reserving.py.
    """
    return _book(hot, sale, until=until, now=now)


def _book(hot: Hot, sale: Sale, *, until: datetime | None, now: datetime) -> Settled:
    if not hot.is_postgresql and (earlier := _earlier(hot, sale)):
        return earlier
    book = _in_one_statement if hot.is_postgresql else _stepwise
    for _ in range(ATTEMPTS):
        try:
            priced = _priced(hot, sale, now)
            booked = book(hot, sale, priced, until, now)
        except AlreadyThere:
            booked = None
        except DomainError:
            if earlier := _earlier(hot, sale):  # its own coupon is used, its code has run out since
                return earlier
            raise
        if booked is not None:
            return booked
        if earlier := _earlier(hot, sale):
            return earlier
    raise errors.QuoteChanged(payable=quoting.shown_money(priced.payable_cents, priced.standing.currency))


def find_earlier(hot: Hot, chain_id: int, store_id: int, *, request_id: str, fingerprint: str) -> Settled | None:
    """What this very request booked before. Raises IdempotencyKeyReused when it was another request."""
    row = hot.row(EARLIER, chain_id=chain_id, store_id=store_id, request_id=request_id)
    if row is None:
        return None
    first_fingerprint, *figures, settled_at, day, reserved_until, state = row
    if first_fingerprint != fingerprint:
        raise IdempotencyKeyReused()
    coupons = hot.rows(EARLIER_COUPONS, checkout_id=figures[0])
    return Settled._make(
        [
            *figures,
            settled_at and moment(settled_at),
            date.fromisoformat(day) if isinstance(day, str) else day,
            reserved_until and moment(reserved_until),
            state,
            tuple(coupon_id for (coupon_id,) in coupons),
            True,
        ]
    )


def _earlier(hot: Hot, sale: Sale) -> Settled | None:
    return find_earlier(hot, sale.chain_id, sale.store_id, request_id=sale.request_id, fingerprint=sale.fingerprint)


def _priced(hot: Hot, sale: Sale, now: datetime) -> Bill:
    """The bill that will be booked: with the coupons chosen, at the price the till showed."""
    order = Order(sale.amount_cents, sale.coupon_ids, sale.use_points, sale.items)
    priced = quoting.bill(hot, sale.chain_id, sale.store_id, sale.card, order, now=now)
    if sale.seen_payable_cents not in (None, priced.payable_cents):
        raise errors.QuoteChanged(payable=quoting.shown_money(priced.payable_cents, priced.standing.currency))
    return priced


def _in_one_statement(hot: Hot, sale: Sale, priced: Bill, until: datetime | None, now: datetime) -> Settled | None:
    """None when a coupon or the card is no longer as it was priced; then nothing has happened."""
    standing, day = priced.standing, _day(priced, now)
    taken = [step for step in priced.combination.steps if step.coupon]
    ends = {"business_day": day} if until is None else {"reserved_until": until}
    row = hot.row(
        SETTLE if until is None else RESERVE,
        chain_id=sale.chain_id,
        store_id=sale.store_id,
        card_id=standing.card_id,
        tier_id=standing.tier_id,
        coupon_ids=numbers_text(priced.coupon_ids, is_postgresql=True),
        offer_ids=numbers_text((coupon.offer_id for coupon in priced.coupons), is_postgresql=True),
        discounts=numbers_text((step.discount_cents for step in taken), is_postgresql=True),
        now=now,
        **ends,
        **_figures(sale, priced),
    )
    return None if row is None else _settled(row[0], priced, until, day, now)


def _stepwise(hot: Hot, sale: Sale, priced: Bill, until: datetime | None, now: datetime) -> Settled | None:
    """The same in an open SQLite transaction."""
    standing, day = priced.standing, _day(priced, now)
    card = {"chain_id": sale.chain_id, "card_id": standing.card_id}
    if not ledger.is_held(hot, **card, tier_id=standing.tier_id, points_used=priced.points_used):
        return None
    if not redeeming.use_stepwise(hot, priced.coupon_ids, card_id=standing.card_id, now=now):
        return None
    common = card | {"store_id": sale.store_id, "member_id": standing.member_id, "now": now}
    figures = _figures(sale, priced)
    if until is None:
        row = hot.row(CHECKOUT, **common, business_day=day.isoformat(), **figures)
    else:
        row = hot.row(RESERVATION, **common, reserved_until=until, **figures)
    assert row is not None
    checkout_id = int(row[0])
    for coupon, discount in priced.combination.steps:
        if coupon:
            hot.run(
                REDEMPTION,
                chain_id=sale.chain_id,
                checkout_id=checkout_id,
                coupon_id=coupon.id,
                offer_id=coupon.offer_id,
                store_id=sale.store_id,
                discount_cents=discount,
                redeemed_at=now if until is None else None,
            )
    if until is None:
        _earn(hot, priced, common, checkout_id)
    else:
        ledger.reserve_stepwise(hot, **card, points_used=priced.points_used, checkout_id=checkout_id, now=now)
        hot.run(RESERVATION_TOLD, **common, checkout_id=checkout_id, payable_cents=priced.payable_cents)
    return _settled(checkout_id, priced, until, day, now)


def _earn(hot: Hot, priced: Bill, common: dict[str, Any], checkout_id: int) -> None:
    booked: dict[str, Any] = {"checkout_id": checkout_id, "payable_cents": priced.payable_cents}
    card = {name: common[name] for name in ("chain_id", "card_id", "member_id", "now")}
    ledger.earn_stepwise(hot, **card, **booked, points=priced.points, points_used=priced.points_used)
    hot.run(
        TOLD,
        **common,
        **booked,
        coupon_ids=numbers_text(priced.coupon_ids, is_postgresql=False),
        offer_ids=numbers_text((coupon.offer_id for coupon in priced.coupons), is_postgresql=False),
    )


def _day(priced: Bill, now: datetime) -> date:
    return business_day(now, priced.standing.timezone, priced.standing.cutoff_hour)


def _figures(sale: Sale, priced: Bill) -> dict[str, object]:
    return {
        "settled_by": sale.settled_by,
        "request_id": sale.request_id,
        "fingerprint": sale.fingerprint,
        "amount_cents": priced.amount_cents,
        "member_discount_cents": priced.member_discount_cents,
        "coupon_discount_cents": priced.coupon_discount_cents,
        "points_used": priced.points_used,
        "points_discount_cents": priced.points_discount_cents,
        "payable_cents": priced.payable_cents,
        "points": priced.points,
    }


def _settled(checkout_id: int, priced: Bill, until: datetime | None, day: date, now: datetime) -> Settled:
    return Settled(
        id=checkout_id,
        card_id=priced.standing.card_id,
        member_id=priced.standing.member_id,
        amount_cents=priced.amount_cents,
        member_discount_cents=priced.member_discount_cents,
        coupon_discount_cents=priced.coupon_discount_cents,
        points_used=priced.points_used,
        points_discount_cents=priced.points_discount_cents,
        payable_cents=priced.payable_cents,
        points_earned=priced.points,
        settled_at=now if until is None else None,
        business_day=day if until is None else None,
        reserved_until=until,
        state=CheckoutState.SETTLED if until is None else CheckoutState.RESERVED,
        coupon_ids=priced.coupon_ids,
        is_repeat=False,
    )
