"""What may happen to a member: he joins, has his birthday, lets a coupon expire, stays away, rises to a tier.

Each says how the occasion is called, so that it comes once, and whom it concerns now. Only what happens after the
campaign began counts. A day and an hour are those of the chain, or of the store where the member joined.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, String, cast, func, literal, select

from cards.models import Card, Member, Tier
from core.clock import day_start
from core.db import db
from coupons.models import Coupon, CouponState
from push.audiences.conditions.who import LAST_SEEN
from stores.models import Chain

# Whom these concern is looked for among all members or coupons: once a day, or after a while.
ONCE_A_DAY = ("coupon_expiring", "lapsed")
NOT_BEFORE = {"tier_reached": timedelta(minutes=5)}
LATE = timedelta(days=1)  # so long after his time a member may still come to belong to the audience


class Found(NamedTuple):
    """An occasion as it is written down, and whom it concerns: conditions for ``members`` and ``cards``."""

    occasion: ColumnElement[Any]
    conditions: Sequence[ColumnElement[bool]]


class Look(NamedTuple):
    """The clock looks at a campaign: from where, at what time, and how far it had come the last time."""

    chain: Chain
    days: int
    zone: str
    begun: datetime  # when the campaign was
    last: datetime | None
    seen_until: datetime | None  # who joined until then had his look
    now: datetime

    @property
    def today(self) -> date:
        return self.local_date(self.now)

    def local_date(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.zone)).date()


def find(event: str, look: Look) -> Iterator[Found]:
    """What has happened since the last look, and what may have happened that was seen before."""
    yield from _EVENTS[event](look)


def _joined(look: Look) -> Iterator[Found]:
    since = look.begun if look.seen_until is None else max(look.begun, look.seen_until - LATE)
    yield Found(
        literal("joined"), [Member.joined_at >= since, Member.joined_at <= look.now - timedelta(days=look.days)]
    )


def _birthday(look: Look) -> Iterator[Found]:
    """The days that are due, those of a time without a clock too unless the birthday itself is over.

    Who was born on 29 February has his day on 1 March in other years.
    """
    due = look.local_date(max(look.begun, look.last or look.begun))
    while due <= look.today:
        day = due + timedelta(days=look.days)
        if day >= look.today:
            born = [f"{day:%m-%d}"]
            if (day.month, day.day) == (3, 1) and (day - timedelta(days=1)).day == 28:
                born.append("02-29")
            is_his = [Member.birthday.is_not(None), Member.birthday.in_(born)]
            yield Found(literal(f"birthday:{day.year}"), is_his)
        due += timedelta(days=1)


def _coupon_expiring(look: Look) -> Iterator[Found]:
    """A coupon whose last day is at most so many days away; those it is too late for are left alone.

    Wherever the member is, a coupon's days are the chain's business days.
    """
    last = day_start(look.today + timedelta(days=look.days + 1), look.chain.timezone, look.chain.cutoff_hour)
    first = (
        select(Coupon.member_id, func.min(Coupon.id).label("coupon_id"))
        .where(
            Coupon.chain_id == look.chain.id,
            Coupon.state == CouponState.CLAIMED,
            Coupon.valid_until > look.now,
            Coupon.valid_until <= last,
        )
        .group_by(Coupon.member_id)
        .subquery("first")
    )
    yield Found(_numbered("coupon:", first.c.coupon_id), [first.c.member_id == Member.id])


def _lapsed(look: Look) -> Iterator[Found]:
    """Only who crosses the line after the campaign began; a new visit begins anew."""
    away = timedelta(days=look.days)
    is_sqlite = db.engine.dialect.name == "sqlite"
    day = func.strftime("%Y-%m-%d", LAST_SEEN) if is_sqlite else func.to_char(LAST_SEEN, "YYYY-MM-DD")
    is_away = [LAST_SEEN < look.now - away, LAST_SEEN >= look.begun - away]
    yield Found(literal("lapsed:") + cast(day, String), is_away)


def _tier_reached(_look: Look) -> Iterator[Found]:
    yield Found(tier_occasion(), [has_risen()])


def has_risen() -> ColumnElement[bool]:
    """Whether a card is above the tier in which everybody begins."""
    return Card.tier_id.in_(select(Tier.id).where(Tier.rank > 0))


def tier_occasion() -> ColumnElement[Any]:
    """The tier that a card has."""
    return _numbered("tier:", Card.tier_id)


_EVENTS = {
    "joined": _joined,
    "birthday": _birthday,
    "coupon_expiring": _coupon_expiring,
    "lapsed": _lapsed,
    "tier_reached": _tier_reached,
}


def _numbered(word: str, number: Any) -> ColumnElement[Any]:
    return literal(word) + cast(number, String)
