"""Claiming a coupon: never one more than the stock, never one more than any limit of the offer.

The stock lies in slots, so that many claims of one hot offer do not queue at one row. One statement takes from a slot,
writes the coupon and adds it to whatever else the offer counts (coupons/limits.py), or does nothing of it.
``UNIQUE (offer_id, member_id, ordinal)`` decides between two claims of one member: the second is sent round again and
then finds the limit reached.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from core.clock import business_day
from core.errors import DomainError
from core.hot import AlreadyThere, CheckRefused, Hot, Row, Sql, moment, this_transaction
from core.tokens import new_code
from coupons import errors, limits
from coupons.limits import Limits
from coupons.models import CouponSource, OfferState
from coupons.validity import VALIDITY_DAYS, VALIDITY_POSTGRESQL, validity

ATTEMPTS = 50  # more rounds than a slot can be missed for by bad luck
MOST_REMEMBERED = 10_000
HOLDER_BY_WALLET = "k.wallet_id = :wallet_id"  # a person who asks: public offers only
HOLDER_BY_CARD = "k.id = :card_id"  # for a card the chain decides


class Claimed(NamedTuple):
    """A new coupon."""

    id: int
    code: str
    offer_id: int
    card_id: int
    valid_from: datetime
    valid_until: datetime


def claim_text(holder: str, *, waiting: bool = False, limited: bool = False) -> str:
    """The claim as one PostgreSQL statement, which passes over slots that are locked.

    ``waiting`` queues for a slot instead: for one drawn beforehand, because whoever held a slot that turned out empty
    while waiting for another could meet somebody coming the other way. The draw is a part of its own: within the UPDATE
    it would be drawn again for a row that changed meanwhile, and miss.

    ``limited`` is the claim of any offer; without it the statement is shorter, and lets no offer through that counts
    more than its stock or is not for every card.

    The offer is read twice: first to see who may claim, then, when a coupon is going to be written, under the lock that
    the coupon's foreign key takes anyway. Whoever makes the offer more generous keeps claims from that lock, so that
    they go by the new rules.
    """
    lock, still_has_stock = ("", " AND s.claimed < s.stock") if waiting else (" FOR UPDATE SKIP LOCKED", "")
    return f"""
WITH seen AS (
    SELECT f.id, f.chain_id, f.stock, f.per_member_limit{", " + limits.SCOPE_COLUMNS if limited else ""}
    FROM offers f
    WHERE f.id = :offer_id AND f.state = 'running' AND (f.valid_until IS NULL OR f.valid_until > :now)
      {"AND f.is_public" if holder == HOLDER_BY_WALLET else ""}
      {"" if limited else "AND " + limits.IS_PLAIN}
),
holder AS (
    SELECT k.id, k.member_id{", " + limits.PHONE_HASH if limited else ""}
    FROM cards k JOIN seen f ON f.chain_id = k.chain_id
    {"JOIN members m ON m.id = k.member_id" if limited else ""}
    WHERE {holder} AND k.state = 'active'
      {f"AND {limits.IS_IN_SCOPE} AND {limits.HAS_PHONE}" if limited else ""}
    ORDER BY k.id LIMIT 1
),
held AS (
    SELECT count(*) AS count FROM coupons
    WHERE offer_id = :offer_id AND member_id = (SELECT member_id FROM holder)
),
offer AS (
    SELECT f.id, f.chain_id, f.stock, {VALIDITY_POSTGRESQL}{", " + limits.OFFER_COLUMNS if limited else ""}
    FROM offers f JOIN chains c ON c.id = f.chain_id{VALIDITY_DAYS}
    WHERE f.state = 'running' AND f.id = (
        SELECT f.id FROM seen f, holder, held
        WHERE held.count < f.per_member_limit
          AND (f.stock IS NULL
               OR EXISTS (SELECT 1 FROM offer_slots s WHERE s.offer_id = f.id AND s.claimed < s.stock)))
    FOR KEY SHARE OF f
),
picked AS (
    SELECT s.offer_id, s.slot FROM offer_slots s
    WHERE s.offer_id = (SELECT id FROM offer) AND s.claimed < s.stock
    ORDER BY random() LIMIT 1{lock}
),
slot AS (
    UPDATE offer_slots s SET claimed = claimed + 1 FROM picked p
    WHERE s.offer_id = p.offer_id AND s.slot = p.slot{still_has_stock}
    RETURNING s.slot
),
coupon AS (
    INSERT INTO coupons (chain_id, offer_id, slot, card_id, member_id, ordinal, code, state, source, store_id,
                         claimed_at, valid_from, valid_until{", committed_cents" if limited else ""})
    SELECT f.chain_id, f.id, slot.slot, holder.id, holder.member_id, held.count + 1, :code, 'claimed', :source,
           :store_id, :now, f.valid_from, f.valid_until{", " + limits.COMMITTED_CENTS if limited else ""}
    FROM offer f CROSS JOIN holder CROSS JOIN held LEFT JOIN slot ON TRUE
    WHERE f.stock IS NULL OR slot.slot IS NOT NULL
    RETURNING id, code, offer_id, card_id, valid_from, valid_until, chain_id
),{limits.COUNTED if limited else ""}
told AS (
    INSERT INTO events (chain_id, kind, payload, at)
    SELECT chain_id, 'coupon.claimed',
           jsonb_build_object('coupon_id', id, 'offer_id', offer_id, 'card_id', card_id), :now
    FROM coupon
)
SELECT id, code, offer_id, card_id, valid_from, valid_until FROM coupon"""


# By holder, whether it waits, whether the offer has limits.
CLAIM = {
    (holder, waiting, limited): Sql(claim_text(holder, waiting=waiting, limited=limited))
    for holder in (HOLDER_BY_WALLET, HOLDER_BY_CARD)
    for waiting in (False, True)
    for limited in (False, True)
}

OFFER = Sql(f"""
    SELECT f.chain_id, f.stock, f.per_member_limit, f.valid_from, f.valid_until, f.valid_days, f.valid_delay_days,
           f.state, f.is_public, c.timezone, c.cutoff_hour, f.per_day_limit, f.per_phone_limit, f.budget_cents,
           {limits.MOST_CENTS}, {limits.IS_PLAIN}
    FROM offers f JOIN chains c ON c.id = f.chain_id WHERE f.id = :offer_id
""")
HOLDER = {
    holder: Sql(f"""
    SELECT k.id, k.member_id FROM cards k
    WHERE {holder} AND k.chain_id = :chain_id AND k.state = 'active' ORDER BY k.id LIMIT 1
""")
    for holder in (HOLDER_BY_WALLET, HOLDER_BY_CARD)
}
SCOPED_HOLDER = {holder: Sql(limits.SCOPED_CARD.format(holder=holder)) for holder in HOLDER}
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
                         claimed_at, valid_from, valid_until, committed_cents)
    VALUES (:chain_id, :offer_id, :slot, :card_id, :member_id, :ordinal, :code, 'claimed', :source, :store_id,
            :now, :valid_from, :valid_until, :committed_cents)
    RETURNING id
""")
TOLD = Sql("""
    INSERT INTO events (chain_id, kind, payload, at)
    VALUES (:chain_id, 'coupon.claimed',
            json_object('coupon_id', :coupon_id, 'offer_id', :offer_id, 'card_id', :card_id), :now)
""")


class _Offer(NamedTuple):
    """A row of OFFER."""

    chain_id: int
    stock: int | None
    per_member_limit: int
    valid_from: datetime | str | None
    valid_until: datetime | str | None
    valid_days: int | None
    valid_delay_days: int
    state: str
    is_public: bool
    timezone: str
    cutoff_hour: int
    per_day_limit: int | None
    per_phone_limit: int | None
    budget_cents: int | None
    most_cents: int | None
    is_plain: bool

    def limits(self, now: datetime) -> Limits:
        day = business_day(now, self.timezone, self.cutoff_hour)
        return Limits(self.per_day_limit, self.per_phone_limit, self.budget_cents, self.most_cents, day)


class _Ready(NamedTuple):
    """An offer, its holder's card and how many he has: nothing stands in the way but the stock."""

    offer: _Offer
    card_id: int
    member_id: int
    held: int
    limits: Limits | None = None
    phone: str | None = None


# Offers that the short statement did not let through, as this process has seen: to begin with the other one. Being
# wrong costs a statement and no more.
_limited: set[int] = set()


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

    A wallet asks for itself and gets public offers only; for a card the chain decides. A transaction claims one coupon:
    a second would take a slot while it holds what the first counted, and others come the other way.
    Raises OfferNotFound, OfferNotRunning, CardNeeded, CardNotInScope, PhoneNeeded, OfferLimitReached, OfferSoldOut,
    OfferDayLimitReached, OfferPhoneLimitReached, OfferBudgetSpent.
    """
    holder = HOLDER_BY_WALLET if card_id is None else HOLDER_BY_CARD
    who: dict[str, Any] = {"wallet_id": wallet_id} if card_id is None else {"card_id": card_id}
    waiting = False
    for _ in range(ATTEMPTS):
        values = who | {"offer_id": offer_id, "code": new_code(), "source": source, "store_id": store_id, "now": now}
        try:
            if not hot.is_postgresql:
                return _claim_stepwise(hot, holder, values)
            limited = offer_id in _limited
            row = hot.row(CLAIM[holder, waiting, limited], **values)
        except AlreadyThere:
            waiting = True
            continue  # another claim of the same member, or the same code by chance
        except CheckRefused as refused:
            raise _refusal_of(hot, refused, offer_id, now) from refused
        if row is not None:
            return Claimed(row[0], row[1], row[2], row[3], moment(row[4]), moment(row[5]))
        ready = _ready_or_refuse(hot, holder, values)
        if not limited and ready.limits is not None:
            _remember_limited(offer_id)
            continue
        if ready.offer.stock is not None and hot.number(LEFT, offer_id=offer_id) <= 0:
            raise errors.OfferSoldOut()
        waiting = True  # there is stock left; it was only locked for a moment
    raise errors.OfferSoldOut()


def claim_for_one(
    offer_id: int, card_ids: Sequence[int], *, source: CouponSource, now: datetime, store_id: int | None = None
) -> Claimed:
    """Claim for the first of these cards that the offer is for. Needs an open transaction; raises what claim raises."""
    for card_id in card_ids[:-1]:
        try:
            return claim(this_transaction(), offer_id, card_id=card_id, source=source, store_id=store_id, now=now)
        except errors.CardNotInScope:
            continue
    return claim(this_transaction(), offer_id, card_id=card_ids[-1], source=source, store_id=store_id, now=now)


def why_not(hot: Hot, offer_id: int, *, card_id: int, now: datetime) -> DomainError | None:
    """What stands in the way of this card's claim now, for the words of a page; None where nothing does."""
    try:
        ready = _ready_or_refuse(hot, HOLDER_BY_CARD, {"offer_id": offer_id, "card_id": card_id, "now": now})
    except DomainError as refusal:
        return refusal
    is_gone = ready.offer.stock is not None and hot.number(LEFT, offer_id=offer_id) <= 0
    return errors.OfferSoldOut() if is_gone else None


def _remember_limited(offer_id: int) -> None:
    if len(_limited) >= MOST_REMEMBERED:
        _limited.clear()
    _limited.add(offer_id)


def _refusal_of(hot: Hot, refused: CheckRefused, offer_id: int, now: datetime) -> DomainError:
    if refused.constraint not in limits.REFUSALS:
        raise refused
    row = hot.row(OFFER, offer_id=offer_id)
    assert row is not None
    return limits.refusal_of(refused.constraint, _Offer(*row).limits(now))


def _ready_or_refuse(hot: Hot, holder: str, values: dict[str, Any]) -> _Ready:
    """Who gets a coupon of which offer, or what stands in the way. Raises what ``claim`` raises but for the stock."""
    now: datetime = values["now"]
    row = hot.row(OFFER, offer_id=values["offer_id"])
    offer = None if row is None else _Offer(*row)
    if offer is None or (holder == HOLDER_BY_WALLET and not offer.is_public):
        raise errors.OfferNotFound()
    if offer.state != OfferState.RUNNING or (offer.valid_until and moment(offer.valid_until) <= now):
        raise errors.OfferNotRunning()
    key = "wallet_id" if holder == HOLDER_BY_WALLET else "card_id"
    who = {key: values[key], "chain_id": offer.chain_id}
    if not offer.is_plain:
        return _ready_within_limits(hot, offer, values["offer_id"], SCOPED_HOLDER[holder], who, now)
    card = hot.row(HOLDER[holder], **who)
    if card is None:
        raise errors.CardNeeded()
    return _Ready(offer, card[0], card[1], _held(hot, offer, values["offer_id"], card))


def _ready_within_limits(
    hot: Hot, offer: _Offer, offer_id: int, holder: Sql, who: dict[str, Any], now: datetime
) -> _Ready:
    card = hot.row(holder, offer_id=offer_id, **who)
    if card is None:
        raise errors.CardNeeded()
    card_id, member_id, fits, phone, verified_at = card
    if not fits:
        raise errors.CardNotInScope()
    of_offer = offer.limits(now)
    if of_offer.per_phone is not None and not verified_at:
        raise errors.PhoneNeeded()
    held = _held(hot, offer, offer_id, card)
    refusal = limits.reached(hot, offer_id, of_offer, phone=phone)
    if refusal is not None:
        raise refusal
    return _Ready(offer, card_id, member_id, held, of_offer, phone)


def _held(hot: Hot, offer: _Offer, offer_id: int, card: Row) -> int:
    held = hot.number(HELD, offer_id=offer_id, member_id=card[1])
    if held >= offer.per_member_limit:
        raise errors.OfferLimitReached(limit=offer.per_member_limit)
    return held


def _claim_stepwise(hot: Hot, holder: str, values: dict[str, Any]) -> Claimed:
    """The same in an open SQLite transaction, where nobody else writes meanwhile."""
    ready = _ready_or_refuse(hot, holder, values)
    if hot.row(CODE_TAKEN, code=values["code"]):  # before the first step, so that nothing has to be taken back
        raise AlreadyThere
    offer, offer_id, now = ready.offer, values["offer_id"], values["now"]
    slot = None
    if offer.stock is not None:
        taken = hot.row(SLOT, offer_id=offer_id)
        if taken is None:
            raise errors.OfferSoldOut()
        slot = taken[0]
    valid_from, valid_until = validity(*offer[3:7], timezone=offer.timezone, cutoff_hour=offer.cutoff_hour, now=now)
    common = {"chain_id": offer.chain_id, "offer_id": offer_id, "card_id": ready.card_id, "now": now}
    coupon = hot.row(
        COUPON,
        **common,
        slot=slot,
        member_id=ready.member_id,
        ordinal=ready.held + 1,
        code=values["code"],
        source=values["source"],
        store_id=values["store_id"],
        valid_from=valid_from,
        valid_until=valid_until,
        committed_cents=0 if ready.limits is None else ready.limits.committed_cents,
    )
    assert coupon is not None
    if ready.limits is not None:
        limits.count_stepwise(hot, offer_id, ready.limits, phone=ready.phone)
    hot.run(TOLD, **common, coupon_id=coupon[0])
    return Claimed(coupon[0], values["code"], offer_id, ready.card_id, valid_from, valid_until)
