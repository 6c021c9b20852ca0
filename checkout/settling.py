"""Settling: the purchase, its coupon, its points and its event are booked together, once, or not at all.

On PostgreSQL that is one statement, SETTLE: it locks the card as it was priced, takes the coupon by a conditional
UPDATE, and writes the rest only if that took. So a coupon is used once however many tills try, and a till that asks
again under the same request id meets ``UNIQUE (chain_id, store_id, request_id)`` and gets its first checkout. On SQLite
the same steps follow one another in one transaction in which nobody else writes.
"""

from datetime import date, datetime
from typing import NamedTuple

from cards import ledger
from checkout import errors, quoting
from checkout.models import CheckoutState
from checkout.quoting import Presented, Quote
from core.clock import business_day
from core.errors import DomainError, IdempotencyKeyReused
from core.hot import AlreadyThere, Hot, Sql, moment
from coupons import redeeming

ATTEMPTS = 3  # a coupon or a tier that changes under our hands sends us round again

CHECKOUT_COLUMNS = """chain_id, store_id, card_id, member_id, settled_by, request_id, fingerprint, amount_cents,
                           member_discount_cents, coupon_discount_cents, payable_cents, points_earned, state,
                           settled_at, business_day"""
SETTLE = Sql(f"""
WITH {ledger.HOLD},{redeeming.USE},
checkout AS (
    INSERT INTO checkouts ({CHECKOUT_COLUMNS})
    SELECT chain_id, :store_id, id, member_id, :settled_by, :request_id, :fingerprint, :amount_cents,
           :member_discount_cents, :coupon_discount_cents, :payable_cents, :points, 'settled',
           :now, :business_day
    FROM held WHERE :coupon_id ::bigint IS NULL OR EXISTS (SELECT 1 FROM used)
    RETURNING id, card_id, member_id
),{ledger.EARN},
redemption AS (
    INSERT INTO redemptions (chain_id, checkout_id, coupon_id, offer_id, store_id, discount_cents, redeemed_at)
    SELECT :chain_id, b.id, u.id, u.offer_id, :store_id, :coupon_discount_cents, :now FROM checkout b, used u
),
told AS (
    INSERT INTO events (chain_id, kind, payload, at)
    SELECT :chain_id, 'checkout.settled',
           jsonb_build_object('checkout_id', b.id, 'card_id', b.card_id, 'member_id', b.member_id,
                              'store_id', :store_id ::bigint, 'payable_cents', :payable_cents ::bigint,
                              'coupon_id', u.id, 'offer_id', u.offer_id),
           :now
    FROM checkout b LEFT JOIN used u ON TRUE
)
SELECT id, member_id FROM checkout""")

# --- SQLite: the steps --------------------------------------------------------------------------------------------

CHECKOUT = Sql(f"""
    INSERT INTO checkouts ({CHECKOUT_COLUMNS})
    VALUES (:chain_id, :store_id, :card_id, :member_id, :settled_by, :request_id, :fingerprint, :amount_cents,
            :member_discount_cents, :coupon_discount_cents, :payable_cents, :points, 'settled',
            :now, :business_day)
    RETURNING id
""")
REDEMPTION = Sql("""
    INSERT INTO redemptions (chain_id, checkout_id, coupon_id, offer_id, store_id, discount_cents, redeemed_at)
    VALUES (:chain_id, :checkout_id, :coupon_id, :offer_id, :store_id, :discount_cents, :now)
""")
TOLD = Sql("""
    INSERT INTO events (chain_id, kind, payload, at)
    VALUES (:chain_id, 'checkout.settled',
            json_object('checkout_id', :checkout_id, 'card_id', :card_id, 'member_id', :member_id,
                        'store_id', :store_id, 'payable_cents', :payable_cents,
                        'coupon_id', :coupon_id, 'offer_id', :offer_id), :now)
""")
EARLIER = Sql("""
    SELECT c.fingerprint, c.id, c.card_id, c.member_id, c.amount_cents, c.member_discount_cents,
           c.coupon_discount_cents, c.payable_cents, c.points_earned, c.settled_at, c.business_day, c.state,
           (SELECT min(r.coupon_id) FROM redemptions r WHERE r.checkout_id = c.id)
    FROM checkouts c
    WHERE c.chain_id = :chain_id AND c.store_id = :store_id AND c.request_id = :request_id
""")


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


class Settled(NamedTuple):
    """A booked purchase."""

    id: int
    card_id: int
    member_id: int
    amount_cents: int
    member_discount_cents: int
    coupon_discount_cents: int
    payable_cents: int
    points_earned: int
    settled_at: datetime
    business_day: date
    state: str
    coupon_ids: tuple[int, ...]
    is_repeat: bool  # the same request was booked before; nothing was booked now


def settle(hot: Hot, sale: Sale, *, now: datetime) -> Settled:
    """Book the sale as it is priced now. The same request again gets the first checkout.

    Raises what ``quote`` raises, the refusal of a chosen coupon, QuoteChanged when the price is not what the till
    showed, IdempotencyKeyReused when the request id was used for another sale.
    """
    if not hot.is_postgresql and (earlier := _earlier(hot, sale)):
        return earlier
    for _ in range(ATTEMPTS):
        try:
            priced = _priced(hot, sale, now)
            booked = (
                _in_one_statement(hot, sale, priced, now) if hot.is_postgresql else _stepwise(hot, sale, priced, now)
            )
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
    first_fingerprint, *figures, settled_at, day, state, coupon_id = row
    if first_fingerprint != fingerprint:
        raise IdempotencyKeyReused()
    day = date.fromisoformat(day) if isinstance(day, str) else day
    coupon_ids = () if coupon_id is None else (coupon_id,)
    return Settled._make([*figures, moment(settled_at), day, state, coupon_ids, True])


def _earlier(hot: Hot, sale: Sale) -> Settled | None:
    return find_earlier(hot, sale.chain_id, sale.store_id, request_id=sale.request_id, fingerprint=sale.fingerprint)


def _priced(hot: Hot, sale: Sale, now: datetime) -> Quote:
    """The quote that will be booked: with the coupon chosen, at the price the till showed."""
    priced = quoting.quote(
        hot, sale.chain_id, sale.store_id, sale.card, sale.amount_cents, now=now, coupon_ids=sale.coupon_ids
    )
    refusal = next((refused.refusal for refused in priced.refused if refused.coupon_id in sale.coupon_ids), None)
    if refusal is not None:
        raise refusal
    if sale.seen_payable_cents not in (None, priced.payable_cents):
        raise errors.QuoteChanged(payable=quoting.shown_money(priced.payable_cents, priced.standing.currency))
    return priced


def _in_one_statement(hot: Hot, sale: Sale, priced: Quote, now: datetime) -> Settled | None:
    """None when the coupon or the card is no longer as it was priced; then nothing has happened."""
    standing, day = priced.standing, _day(priced, now)
    row = hot.row(
        SETTLE,
        chain_id=sale.chain_id,
        store_id=sale.store_id,
        card_id=standing.card_id,
        tier_id=standing.tier_id,
        coupon_id=priced.chosen.coupon.id if priced.chosen else None,
        business_day=day,
        now=now,
        **_figures(sale, priced),
    )
    return None if row is None else _settled(row[0], priced, day, now)


def _stepwise(hot: Hot, sale: Sale, priced: Quote, now: datetime) -> Settled | None:
    """The same in an open SQLite transaction."""
    standing, day = priced.standing, _day(priced, now)
    card = {"chain_id": sale.chain_id, "card_id": standing.card_id}
    if not ledger.is_held(hot, **card, tier_id=standing.tier_id):
        return None
    coupon_id = offer_id = None
    if priced.chosen:
        coupon_id = priced.chosen.coupon.id
        offer_id = redeeming.use_stepwise(hot, coupon_id, card_id=standing.card_id, now=now)
        if offer_id is None:
            return None
    common = card | {"store_id": sale.store_id, "member_id": standing.member_id, "now": now}
    row = hot.row(CHECKOUT, **common, business_day=day.isoformat(), **_figures(sale, priced))
    assert row is not None
    checkout_id = int(row[0])
    if coupon_id is not None:
        hot.run(
            REDEMPTION,
            chain_id=sale.chain_id,
            checkout_id=checkout_id,
            coupon_id=coupon_id,
            offer_id=offer_id,
            store_id=sale.store_id,
            discount_cents=priced.coupon_discount_cents,
            now=now,
        )
    ledger.earn_stepwise(
        hot, **card, member_id=standing.member_id, points=priced.points, checkout_id=checkout_id, now=now
    )
    hot.run(
        TOLD,
        **common,
        checkout_id=checkout_id,
        payable_cents=priced.payable_cents,
        coupon_id=coupon_id,
        offer_id=offer_id,
    )
    return _settled(checkout_id, priced, day, now)


def _day(priced: Quote, now: datetime) -> date:
    return business_day(now, priced.standing.timezone, priced.standing.cutoff_hour)


def _figures(sale: Sale, priced: Quote) -> dict[str, object]:
    return {
        "settled_by": sale.settled_by,
        "request_id": sale.request_id,
        "fingerprint": sale.fingerprint,
        "amount_cents": priced.amount_cents,
        "member_discount_cents": priced.member_discount_cents,
        "coupon_discount_cents": priced.coupon_discount_cents,
        "payable_cents": priced.payable_cents,
        "points": priced.points,
    }


def _settled(checkout_id: int, priced: Quote, day: date, now: datetime) -> Settled:
    return Settled(
        id=checkout_id,
        card_id=priced.standing.card_id,
        member_id=priced.standing.member_id,
        amount_cents=priced.amount_cents,
        member_discount_cents=priced.member_discount_cents,
        coupon_discount_cents=priced.coupon_discount_cents,
        payable_cents=priced.payable_cents,
        points_earned=priced.points,
        settled_at=now,
        business_day=day,
        state=CheckoutState.SETTLED,
        coupon_ids=priced.coupon_ids,
        is_repeat=False,
    )
