"""Claiming a coupon: never one more than the stock, never one more than the member may have.

The stock lies in slots, so that many claims of one hot offer do not queue at one row. One statement takes from a slot
and writes the coupon, or does neither. ``UNIQUE (offer_id, member_id, ordinal)`` decides between two claims of one
member: the second is sent round again and then finds the limit reached.
"""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from core.clock import business_day, day_start
from core.errors import DomainError
from core.hot import AlreadyThere, Hot, Row, Sql, moment
from core.tokens import new_code
from coupons import errors
from coupons.models import CouponSource, OfferState

ATTEMPTS = 50  # more rounds than a slot can be missed for by bad luck
# ``day``: the end on the clock of the wall. Where clocks are put back that hour comes twice, and PostgreSQL takes the
# second; a business day begins at the first (core.clock.day_start).
VALIDITY_POSTGRESQL = """
    COALESCE(f.valid_from, :now) AS valid_from,
    COALESCE(f.valid_until,
             CASE WHEN day.sooner AT TIME ZONE c.timezone = day.ends THEN LEAST(day.sooner, day.later)
                  ELSE day.later END) AS valid_until"""
VALIDITY_DAY = """
    CROSS JOIN LATERAL (
        SELECT (((:now ::timestamptz AT TIME ZONE c.timezone) - make_interval(hours => c.cutoff_hour::int))::date
                + f.valid_days::int)::timestamp + make_interval(hours => c.cutoff_hour::int) AS ends
    ) wall
    CROSS JOIN LATERAL (
        SELECT wall.ends, wall.ends AT TIME ZONE c.timezone AS later,
               ((wall.ends - interval '1 hour') AT TIME ZONE c.timezone) + interval '1 hour' AS sooner
    ) day"""
HOLDER_BY_WALLET = "k.wallet_id = :wallet_id"  # a person who asks: public offers only
HOLDER_BY_CARD = "k.id = :card_id"


class Claimed(NamedTuple):
    """A new coupon."""

    id: int
    code: str
    offer_id: int
    card_id: int
    valid_from: datetime
    valid_until: datetime


def claim_text(holder: str, *, waiting: bool = False) -> str:
    """The claim as one PostgreSQL statement, which passes over slots that are locked.

    ``waiting`` queues for a slot instead: for one drawn beforehand, because whoever held a slot that turned out empty
    while waiting for another could meet somebody coming the other way. The draw is a part of its own: within the UPDATE
    it would be drawn again for a row that changed meanwhile, and miss.
    """
    lock, still_has_stock = ("", " AND s.claimed < s.stock") if waiting else (" FOR UPDATE SKIP LOCKED", "")
    return f"""
WITH offer AS (
    SELECT f.id, f.chain_id, f.stock, f.per_member_limit, {VALIDITY_POSTGRESQL}
    FROM offers f JOIN chains c ON c.id = f.chain_id{VALIDITY_DAY}
    WHERE f.id = :offer_id AND f.state = 'running' AND (f.valid_until IS NULL OR f.valid_until > :now)
      {"AND f.is_public" if holder == HOLDER_BY_WALLET else ""}
),
holder AS (
    SELECT k.id, k.member_id FROM cards k JOIN offer f ON f.chain_id = k.chain_id
    WHERE {holder} AND k.state = 'active' ORDER BY k.id LIMIT 1
),
held AS (
    SELECT count(*) AS count FROM coupons
    WHERE offer_id = :offer_id AND member_id = (SELECT member_id FROM holder)
),
picked AS (
    SELECT s.offer_id, s.slot FROM offer_slots s
    WHERE s.offer_id = (SELECT f.id FROM offer f, holder, held WHERE held.count < f.per_member_limit)
      AND s.claimed < s.stock
    ORDER BY random() LIMIT 1{lock}
),
slot AS (
    UPDATE offer_slots s SET claimed = claimed + 1 FROM picked p
    WHERE s.offer_id = p.offer_id AND s.slot = p.slot{still_has_stock}
    RETURNING s.slot
),
coupon AS (
    INSERT INTO coupons (chain_id, offer_id, slot, card_id, member_id, ordinal, code, state, source, store_id,
                         claimed_at, valid_from, valid_until)
    SELECT f.chain_id, f.id, slot.slot, holder.id, holder.member_id, held.count + 1, :code, 'claimed', :source,
           :store_id, :now, f.valid_from, f.valid_until
    FROM offer f CROSS JOIN holder CROSS JOIN held LEFT JOIN slot ON TRUE
    WHERE held.count < f.per_member_limit AND (f.stock IS NULL OR slot.slot IS NOT NULL)
    RETURNING id, code, offer_id, card_id, valid_from, valid_until, chain_id
),
told AS (
    INSERT INTO events (chain_id, kind, payload, at)
    SELECT chain_id, 'coupon.claimed',
           jsonb_build_object('coupon_id', id, 'offer_id', offer_id, 'card_id', card_id), :now
    FROM coupon
)
SELECT id, code, offer_id, card_id, valid_from, valid_until FROM coupon"""


CLAIM = {holder: Sql(claim_text(holder)) for holder in (HOLDER_BY_WALLET, HOLDER_BY_CARD)}
CLAIM_WAITING = {holder: Sql(claim_text(holder, waiting=True)) for holder in CLAIM}

OFFER = Sql("""
    SELECT f.chain_id, f.stock, f.per_member_limit, f.valid_from, f.valid_until, f.valid_days, f.state,
           c.timezone, c.cutoff_hour, f.is_public
    FROM offers f JOIN chains c ON c.id = f.chain_id WHERE f.id = :offer_id
""")
HOLDER = {
    holder: Sql(f"""
    SELECT k.id, k.member_id FROM cards k
    WHERE {holder} AND k.chain_id = :chain_id AND k.state = 'active' ORDER BY k.id LIMIT 1
""")
    for holder in CLAIM
}
HELD = Sql("SELECT count(*) FROM coupons WHERE offer_id = :offer_id AND member_id = :member_id")
LEFT = Sql("SELECT coalesce(sum(stock - claimed), 0) FROM offer_slots WHERE offer_id = :offer_id")
SLOT = Sql("""
    UPDATE offer_slots SET claimed = claimed + 1
    WHERE offer_id = :offer_id AND slot = (
        SELECT slot FROM offer_slots WHERE offer_id = :offer_id AND claimed < stock LIMIT 1
    )
    RETURNING slot
""")
CODE_TAKEN = Sql("SELECT 1 FROM coupons WHERE code = :code")
COUPON = Sql("""
    INSERT INTO coupons (chain_id, offer_id, slot, card_id, member_id, ordinal, code, state, source, store_id,
                         claimed_at, valid_from, valid_until)
    VALUES (:chain_id, :offer_id, :slot, :card_id, :member_id, :ordinal, :code, 'claimed', :source, :store_id,
            :now, :valid_from, :valid_until)
    RETURNING id
""")
TOLD = Sql("""
    INSERT INTO events (chain_id, kind, payload, at)
    VALUES (:chain_id, 'coupon.claimed',
            json_object('coupon_id', :coupon_id, 'offer_id', :offer_id, 'card_id', :card_id), :now)
""")


def claim(
    hot: Hot,
    offer_id: int,
    *,
    now: datetime,
    wallet_id: int | None = None,
    card_id: int | None = None,
    source: CouponSource = CouponSource.CLAIM_PAGE,
    store_id: int | None = None,
) -> Claimed:
    """Give the holder (of a wallet or of a card) one coupon of a running offer, or refuse.

    A wallet asks for itself and gets public offers only; for a card the chain decides.
    Raises OfferNotFound, OfferNotRunning, OfferSoldOut, OfferLimitReached, CardNeeded.
    """
    holder = HOLDER_BY_WALLET if card_id is None else HOLDER_BY_CARD
    who: dict[str, Any] = {"wallet_id": wallet_id} if card_id is None else {"card_id": card_id}
    for attempt in range(ATTEMPTS):
        values = who | {"offer_id": offer_id, "code": new_code(), "source": source, "store_id": store_id, "now": now}
        try:
            if not hot.is_postgresql:
                return _claim_stepwise(hot, holder, values)
            statement = CLAIM_WAITING if attempt else CLAIM
            row = hot.row(statement[holder], **values)
        except AlreadyThere:
            continue  # another claim of the same member, or the same code by chance
        if row is not None:
            return Claimed(row[0], row[1], row[2], row[3], moment(row[4]), moment(row[5]))
        refusal = _refusal(hot, holder, values)
        if refusal is not None:
            raise refusal
    raise errors.OfferSoldOut()


def _refusal(hot: Hot, holder: str, values: dict[str, Any]) -> DomainError | None:
    """Why nothing was claimed; None when there is stock left and only bad luck stood in the way."""
    found = _offer_and_holder(hot, holder, values)
    if isinstance(found, DomainError):
        return found
    offer, _, _ = found
    has_stock = offer[1] is None or int(hot.row(LEFT, offer_id=values["offer_id"])[0]) > 0  # type: ignore[index]
    return None if has_stock else errors.OfferSoldOut()


def _offer_and_holder(hot: Hot, holder: str, values: dict[str, Any]) -> tuple[Row, Row, int] | DomainError:
    """The offer, its holder and how many he has, or what stands in the way."""
    now: datetime = values["now"]
    offer = hot.row(OFFER, offer_id=values["offer_id"])
    if offer is None or (holder == HOLDER_BY_WALLET and not offer[9]):
        return errors.OfferNotFound()
    ends = offer[4] and moment(offer[4])
    if offer[6] != OfferState.RUNNING or (ends and ends <= now):
        return errors.OfferNotRunning()
    key = "wallet_id" if holder == HOLDER_BY_WALLET else "card_id"
    card = hot.row(HOLDER[holder], chain_id=offer[0], **{key: values[key]})
    if card is None:
        return errors.CardNeeded()
    held = int(hot.row(HELD, offer_id=values["offer_id"], member_id=card[1])[0])  # type: ignore[index]
    if held >= offer[2]:
        return errors.OfferLimitReached(limit=offer[2])
    return offer, card, held


def _claim_stepwise(hot: Hot, holder: str, values: dict[str, Any]) -> Claimed:
    """The same in an open SQLite transaction, where nobody else writes meanwhile."""
    found = _offer_and_holder(hot, holder, values)
    if isinstance(found, DomainError):
        raise found
    if hot.row(CODE_TAKEN, code=values["code"]):  # before the first step, so that nothing has to be taken back
        raise AlreadyThere
    offer, card, held = found
    slot = None
    if offer[1] is not None:
        taken = hot.row(SLOT, offer_id=values["offer_id"])
        if taken is None:
            raise errors.OfferSoldOut()
        slot = taken[0]
    now: datetime = values["now"]
    valid_from, valid_until = validity(offer[3:6], offer[7], offer[8], now=now)
    common = {"chain_id": offer[0], "offer_id": values["offer_id"], "card_id": card[0], "now": now}
    coupon = hot.row(
        COUPON,
        **common,
        slot=slot,
        member_id=card[1],
        ordinal=held + 1,
        code=values["code"],
        source=values["source"],
        store_id=values["store_id"],
        valid_from=valid_from,
        valid_until=valid_until,
    )
    assert coupon is not None
    hot.run(TOLD, **common, coupon_id=coupon[0])
    return Claimed(coupon[0], values["code"], values["offer_id"], card[0], valid_from, valid_until)


def validity(period: Row, timezone: str, cutoff_hour: int, *, now: datetime) -> tuple[datetime, datetime]:
    """From when until when (exclusive) a coupon claimed now is valid: fixed, or through N business days."""
    valid_from, valid_until, valid_days = period
    if valid_days is None:
        return moment(valid_from), moment(valid_until)
    last: date = business_day(now, timezone, cutoff_hour) + timedelta(days=int(valid_days))
    return now, day_start(last, timezone, cutoff_hour)
