"""The account of one offer: seen, claimed, redeemed, undone; what it cost; purchases with it and without it.

A period is of business days: of the chain for what was seen and claimed, of the store for what was bought. A coupon
that a friend took over was claimed once, by whoever gave it; its use counts with the friend.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import text

from core.clock import day_start
from core.days import with_days
from core.db import db
from core.hot import STORED_MOMENT
from coupons.limits import MOST_CENTS
from coupons.models import Offer
from stores.models import Chain
from stores.queries import get_chain

LOOK_AROUND = timedelta(days=2)  # a store's business day lies within so much of the chain's

SEEN = """
    SELECT day, store_id, source, count(*) FROM offer_sightings
    WHERE offer_id = :offer_id AND day BETWEEN :first AND :last AND {stores} GROUP BY day, store_id, source"""
CLAIMED = """
    SELECT business_day(q.claimed_at, :timezone, :cutoff_hour) AS day, q.store_id, q.source, count(*)
    FROM coupons q
    WHERE q.offer_id = :offer_id AND q.source <> 'friend' AND q.claimed_at >= :start AND q.claimed_at < :end
      AND {stores}
    GROUP BY 1, 2, 3"""
USED = """
    SELECT h.business_day, r.store_id, q.source, count(CASE WHEN r.undone_at IS NULL THEN 1 END),
           count(r.undone_at), sum(CASE WHEN r.undone_at IS NULL THEN r.discount_cents ELSE 0 END)
    FROM redemptions r JOIN checkouts h ON h.id = r.checkout_id JOIN coupons q ON q.id = r.coupon_id
    WHERE r.chain_id = :chain_id AND r.offer_id = :offer_id AND r.redeemed_at >= :early AND r.redeemed_at < :late
      AND h.business_day BETWEEN :first AND :last AND {stores}
    GROUP BY h.business_day, r.store_id, q.source"""
WITH = """
    SELECT count(*), coalesce(sum(u.amount_cents), 0), coalesce(sum(u.net_cents), 0) FROM (
        SELECT DISTINCT h.id, h.amount_cents, h.payable_cents - h.refunded_cents AS net_cents
        FROM redemptions r JOIN checkouts h ON h.id = r.checkout_id
        WHERE r.chain_id = :chain_id AND r.offer_id = :offer_id AND r.undone_at IS NULL
          AND r.redeemed_at >= :early AND r.redeemed_at < :late AND h.state = 'settled'
          AND h.business_day BETWEEN :first AND :last AND {stores}
    ) u"""
ALL = """
    SELECT count(*), coalesce(sum(h.amount_cents), 0), coalesce(sum(h.payable_cents - h.refunded_cents), 0)
    FROM checkouts h
    WHERE h.chain_id = :chain_id AND h.business_day BETWEEN :first AND :last AND h.state = 'settled' AND {stores}"""
OUTSTANDING = f"""
    SELECT count(*), sum(CASE WHEN f.budget_cents IS NULL THEN {MOST_CENTS} ELSE q.committed_cents END)
    FROM coupons q JOIN offers f ON f.id = q.offer_id
    WHERE q.offer_id = :offer_id AND q.state IN ('claimed', 'gifting') AND q.valid_until > :now"""


@dataclass
class Figures:
    """What became of an offer, in all or in a part of it."""

    seen: int = 0
    claimed: int = 0
    redeemed: int = 0  # in force
    undone: int = 0
    discount_cents: int = 0  # of those in force

    def add(self, other: "Figures") -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class Baskets(NamedTuple):
    """Purchases, before discounts and as they were paid. Wholly refunded ones are not among them."""

    purchases: int
    amount_cents: int
    net_cents: int

    @property
    def average_cents(self) -> int | None:
        """Before discounts; None without a purchase."""
        return self.amount_cents // self.purchases if self.purchases else None

    @property
    def average_net_cents(self) -> int | None:
        return self.net_cents // self.purchases if self.purchases else None


class Outstanding(NamedTuple):
    """Coupons that may still be used, and the most they can take off: None where a percentage has no cap."""

    coupons: int
    most_cents: int | None


@dataclass
class Account:
    """One offer over a period. Stores are None where something happened in none; days and stores in their order."""

    first: date
    last: date
    total: Figures
    by_day: dict[date, Figures]
    by_store: dict[int | None, Figures]
    by_source: dict[str, Figures]
    with_coupon: Baskets
    without_coupon: Baskets  # in the same days and in the stores where it was used
    outstanding: Outstanding  # now, whatever the period


def account_of(
    offer: Offer, *, first: date, last: date, now: datetime, store_ids: Collection[int] | None = None
) -> Account:
    """The account of an offer over these business days, both included; of some stores where they are given."""
    chain = get_chain(offer.chain_id)
    start = day_start(first, chain.timezone, chain.cutoff_hour)
    end = day_start(last + timedelta(days=1), chain.timezone, chain.cutoff_hour)
    asked = _Asked(offer, chain, first, last, start, end, now, store_ids)
    parts = list(_parts(asked))
    by_store = _grouped(parts, 1)
    used_in = [store_id for store_id, figures in by_store.items() if store_id and figures.redeemed]
    with_coupon, without_coupon = _baskets(asked, used_in)
    return Account(
        first,
        last,
        _sum(figures for *_, figures in parts),
        dict(sorted(_grouped(parts, 0).items())),
        dict(sorted(by_store.items(), key=lambda each: each[0] or 0)),
        dict(sorted(_grouped(parts, 2).items(), key=lambda each: (-each[1].claimed, each[0]))),
        with_coupon,
        without_coupon,
        _outstanding(asked),
    )


class _Asked(NamedTuple):
    """What the statements need to know."""

    offer: Offer
    chain: Chain
    first: date
    last: date
    start: datetime
    end: datetime
    now: datetime
    store_ids: Collection[int] | None

    def rows(self, sql: str, stores: Collection[int] | None, column: str = "store_id") -> list[Any]:
        connection = db.session.connection()
        among = "1 = 1" if stores is None else f"{column} IN ({', '.join(map(str, sorted(stores))) or 'NULL'})"
        spelled = with_days(sql.format(stores=among), connection.connection.driver_connection)
        is_sqlite = connection.dialect.name == "sqlite"
        values: dict[str, Any] = {
            "timezone": self.chain.timezone,
            "cutoff_hour": self.chain.cutoff_hour,
            "offer_id": self.offer.id,
            "chain_id": self.offer.chain_id,
            "first": self.first.isoformat() if is_sqlite else self.first,
            "last": self.last.isoformat() if is_sqlite else self.last,
            "start": _stored(self.start, is_sqlite),
            "end": _stored(self.end, is_sqlite),
            "early": _stored(self.start - LOOK_AROUND, is_sqlite),
            "late": _stored(self.end + LOOK_AROUND, is_sqlite),
            "now": _stored(self.now, is_sqlite),
        }
        return list(db.session.execute(text(spelled), values))


def _parts(asked: _Asked) -> Iterable[tuple[date, int | None, str, Figures]]:
    """Each day, store and source with what happened there."""
    for day, store_id, source, seen in asked.rows(SEEN, asked.store_ids):
        yield _day(day), store_id, source, Figures(seen=seen)
    for day, store_id, source, claimed in asked.rows(CLAIMED, asked.store_ids, "q.store_id"):
        yield _day(day), store_id, source, Figures(claimed=claimed)
    for day, store_id, source, redeemed, undone, discount in asked.rows(USED, asked.store_ids, "r.store_id"):
        yield _day(day), store_id, source, Figures(redeemed=redeemed, undone=undone, discount_cents=int(discount))


def _grouped(parts: Iterable[tuple[Any, ...]], by: int) -> dict[Any, Figures]:
    sums: dict[Any, Figures] = defaultdict(Figures)
    for part in parts:
        sums[part[by]].add(part[3])
    return dict(sums)


def _sum(each: Iterable[Figures]) -> Figures:
    total = Figures()
    for figures in each:
        total.add(figures)
    return total


def _baskets(asked: _Asked, stores: Collection[int]) -> tuple[Baskets, Baskets]:
    with_coupon = Baskets(*map(int, asked.rows(WITH, stores, "h.store_id")[0]))
    every = Baskets(*map(int, asked.rows(ALL, stores, "h.store_id")[0]))
    return with_coupon, Baskets(*(all_ - with_ for all_, with_ in zip(every, with_coupon, strict=True)))


def _outstanding(asked: _Asked) -> Outstanding:
    count, most = asked.rows(OUTSTANDING, None)[0]
    is_open_ended = asked.offer.kind == "percent" and asked.offer.cap_cents is None and count > 0
    return Outstanding(count, None if is_open_ended else int(most or 0))


def _day(value: date | str) -> date:
    return date.fromisoformat(value) if isinstance(value, str) else value


def _stored(moment: datetime, is_sqlite: bool) -> Any:
    return moment.astimezone(UTC).strftime(STORED_MOMENT) if is_sqlite else moment
