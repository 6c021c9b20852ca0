"""The day as it happens: today's numbers against the days before, and the stores as they issue cards.

The same sums as the file ``stores_daily``: cards by the day they were issued on, purchases and redemptions by the
business day of the checkout; voided, wholly refunded and undone ones are left out, partial refunds taken off.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, func, select

from app.reports.question import Reader
from cards.models import Card, CardChannel
from checkout.models import Checkout, CheckoutState, Redemption
from core.clock import business_day, day_start
from core.db import db
from stores.models import Chain, Scan, Store

DAYS = 15  # today and two weeks before it: the small lines
WEEK = timedelta(days=7)
LIVE = timedelta(hours=1)  # what "one card every N seconds" is measured over
SHOWN_STORES = 12
SHOWN_CARDS = 8
FEWEST_FOR_PACE = 2
PAID = Checkout.payable_cents - Checkout.refunded_cents


@dataclass
class Day:
    """What a business day came to. ``so_far`` counts until the same time of the day as now."""

    cards: int = 0
    cards_by_share: int = 0
    cards_so_far: int = 0
    shares_so_far: int = 0
    checkouts: int = 0
    payable_cents: int = 0
    payable_so_far: int = 0
    redemptions: int = 0
    redemptions_so_far: int = 0


@dataclass
class StoreToday:
    """One store on the live board."""

    store_id: int
    name: str = ""
    code: str = ""
    cards: int = 0
    cards_last_hour: int = 0
    last_card_at: datetime | None = None
    scans: int = 0
    checkouts: int = 0
    payable_cents: int = 0

    @property
    def pace_seconds(self) -> int | None:
        """One card every so many seconds, over the last hour; None when there were fewer than two."""
        if self.cards_last_hour < FEWEST_FOR_PACE:
            return None
        return round(LIVE.total_seconds() / self.cards_last_hour)


class NewCard(NamedTuple):
    """A card just taken, without the person."""

    at: datetime
    store_name: str | None
    timezone: str | None
    channel: str


@dataclass
class Board:
    """Today, for whoever looks at it."""

    chain: Chain
    now: datetime
    today: date
    days: dict[date, Day]
    first_card_at: datetime | None
    stores: list[StoreToday] = field(default_factory=list)
    more_stores: int = 0
    new_cards: list[NewCard] = field(default_factory=list)

    @property
    def this_day(self) -> Day:
        return self.days[self.today]

    @property
    def yesterday(self) -> Day:
        return self.days[self.today - timedelta(days=1)]

    @property
    def week_ago(self) -> Day:
        return self.days[self.today - WEEK]

    @property
    def pace_seconds(self) -> int | None:
        """One card every so many seconds since the day's first; None when there were fewer than two."""
        cards = self.this_day.cards
        if cards < FEWEST_FOR_PACE or self.first_card_at is None:
            return None
        return max(round((self.now - self.first_card_at).total_seconds() / cards), 1)

    def line(self, name: str) -> list[int]:
        """One figure over the days that are over, oldest first."""
        return [getattr(self.days[day], name) for day in sorted(self.days) if day != self.today]


def read_board(reader: Reader, *, now: datetime) -> Board:
    """The board of a chain, or of a manager's stores."""
    chain = db.session.get_one(Chain, reader.chain_id)
    today = business_day(now, chain.timezone, chain.cutoff_hour)
    days = {today - timedelta(days=back): Day() for back in range(DAYS)}
    _fill_cards(days, reader, now)
    _fill_checkouts(days, reader, now)
    _fill_redemptions(days, reader, now)
    stores = _stores_today(reader, chain, today, now)
    shown = sorted(stores.values(), key=lambda s: (-s.cards, -s.checkouts, -s.scans, s.store_id))
    _name(shown[:SHOWN_STORES])
    firsts = db.session.scalar(_of(reader, Card, select(func.min(Card.issued_at)).where(Card.issued_on == today)))
    return Board(
        chain=chain,
        now=now,
        today=today,
        days=days,
        first_card_at=firsts,
        stores=shown[:SHOWN_STORES],
        more_stores=max(len(shown) - SHOWN_STORES, 0),
        new_cards=_new_cards(reader, today, now),
    )


def has_any_card(chain_id: int) -> bool:
    """Whether the chain has ever issued one."""
    return db.session.scalar(select(Card.id).filter_by(chain_id=chain_id).limit(1)) is not None


def _of(reader: Reader, model: Any, query: Any) -> Any:
    query = query.where(model.chain_id == reader.chain_id)
    return query if reader.store_ids is None else query.where(model.store_id.in_(reader.store_ids))


def _until(moment: Any, day: Any, days: Collection[date], now: datetime) -> Any:
    """Whether something happened before this time of its own day. Only today and a week ago are asked."""
    last_week = max(days) - WEEK
    return case((day == last_week, moment <= now - WEEK), else_=moment <= now)


def _fill_cards(days: dict[date, Day], reader: Reader, now: datetime) -> None:
    shared = case((Card.channel == CardChannel.SHARE, 1), else_=0)
    so_far = case((_until(Card.issued_at, Card.issued_on, days, now), 1), else_=0)
    query = select(
        Card.issued_on, func.count(), func.sum(shared), func.sum(so_far), func.sum(shared * so_far)
    ).group_by(Card.issued_on)
    for day, *sums in db.session.execute(_of(reader, Card, _between(query, Card.issued_on, days))):
        found = days[day]
        found.cards, found.cards_by_share, found.cards_so_far, found.shares_so_far = map(int, sums)


def _fill_checkouts(days: dict[date, Day], reader: Reader, now: datetime) -> None:
    so_far = case((_until(Checkout.settled_at, Checkout.business_day, days, now), PAID), else_=0)
    query = (
        select(Checkout.business_day, func.count(), func.sum(PAID), func.sum(so_far))
        .where(Checkout.state == CheckoutState.SETTLED)
        .group_by(Checkout.business_day)
    )
    for day, *sums in db.session.execute(_of(reader, Checkout, _between(query, Checkout.business_day, days))):
        found = days[day]
        found.checkouts, found.payable_cents, found.payable_so_far = map(int, sums)


def _fill_redemptions(days: dict[date, Day], reader: Reader, now: datetime) -> None:
    so_far = case((_until(Redemption.redeemed_at, Checkout.business_day, days, now), 1), else_=0)
    query = (
        select(Checkout.business_day, func.count(), func.sum(so_far))
        .join(Checkout, Checkout.id == Redemption.checkout_id)
        .where(Redemption.undone_at.is_(None), Redemption.redeemed_at > now - timedelta(days=DAYS + 2))
        .group_by(Checkout.business_day)
    )
    for day, *sums in db.session.execute(_of(reader, Redemption, _between(query, Checkout.business_day, days))):
        found = days[day]
        found.redemptions, found.redemptions_so_far = map(int, sums)


def _between(query: Any, column: Any, days: Collection[date]) -> Any:
    return query.where(column >= min(days), column <= max(days))


def _stores_today(reader: Reader, chain: Chain, today: date, now: datetime) -> dict[int, StoreToday]:
    """Every store where something happened today."""
    last_hour = case((Card.issued_at > now - LIVE, 1), else_=0)
    cards = select(Card.store_id, func.count(), func.sum(last_hour), func.max(Card.issued_at)).where(
        Card.issued_on == today
    )
    checkouts = select(Checkout.store_id, func.count(), func.sum(PAID)).where(
        Checkout.business_day == today, Checkout.state == CheckoutState.SETTLED
    )
    scans = select(Scan.store_id, func.count()).where(Scan.at >= day_start(today, chain.timezone, chain.cutoff_hour))
    stores: dict[int, StoreToday] = {}
    for store, row in _by_store(stores, reader, Card, cards):
        store.cards, store.cards_last_hour, store.last_card_at = int(row[1]), int(row[2]), row[3]
    for store, row in _by_store(stores, reader, Checkout, checkouts):
        store.checkouts, store.payable_cents = int(row[1]), int(row[2])
    for store, row in _by_store(stores, reader, Scan, scans):
        store.scans = int(row[1])
    return stores


def _by_store(
    stores: dict[int, StoreToday], reader: Reader, model: Any, query: Any
) -> Iterable[tuple[StoreToday, Any]]:
    grouped = _of(reader, model, query).where(model.store_id.is_not(None)).group_by(model.store_id)
    for row in db.session.execute(grouped):
        yield stores.setdefault(row[0], StoreToday(row[0])), row


def _name(shown: list[StoreToday]) -> None:
    rows = db.session.execute(
        select(Store.id, Store.name, Store.code).where(Store.id.in_([store.store_id for store in shown]))
    )
    names = {row[0]: row for row in rows}
    for store in shown:
        _, store.name, store.code = names[store.store_id]


def _new_cards(reader: Reader, today: date, now: datetime) -> list[NewCard]:
    query = (
        select(Card.issued_at, Store.name, Store.timezone, Card.channel)
        .outerjoin(Store, Store.id == Card.store_id)
        .where(Card.issued_on == today, Card.issued_at <= now)
        .order_by(Card.issued_at.desc(), Card.id.desc())
        .limit(SHOWN_CARDS)
    )
    return [NewCard(*row) for row in db.session.execute(_of(reader, Card, query))]
