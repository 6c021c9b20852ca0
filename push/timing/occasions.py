"""Campaigns that wait for something to happen to a member: he joined, has his birthday, lets a coupon expire, …

The clock writes an entry for each member and occasion, once for ever (``campaign_entries``); what is due goes out in a
run of its own. Only what happens after the campaign began counts. A day and an hour are those of the chain, or of the
store where the member joined.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, ColumnElement, String, cast, func, literal, null, select, update

from cards.models import Card, Member, Tier
from core.db import UtcDateTime, db, insert, transaction
from coupons.models import Coupon, CouponState
from push.apart import each_apart
from push.audiences.conditions.who import LAST_SEEN
from push.audiences.models import CampaignEntry
from push.audiences.segments import narrowed
from push.models import Campaign, CampaignState
from push.timing.zones import zones_of
from stores.models import Chain, Store

NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # the due time of what had happened before the campaign began
COLUMNS = ("campaign_id", "member_id", "occasion", "chain_id", "due_at", "run_id", "at")


def enter_batch(*, now: datetime) -> int:
    """Let members into the event campaigns that run, each campaign in a transaction of its own; return how many."""
    return each_apart(lambda campaign_id: _enter_batch(campaign_id, now=now), _running(now))


def _enter_batch(campaign_id: int, *, now: datetime) -> int:
    with transaction():
        campaign = db.session.get_one(Campaign, campaign_id, populate_existing=True)
        if campaign.state != CampaignState.RUNNING:
            return 0
        chain = db.session.get_one(Chain, campaign.chain_id)
        by_member = campaign.schedule.get("zone") == "member"
        zones = zones_of(chain) if by_member else [chain.timezone]
        return sum(_enter(campaign, chain, zone, by_member=by_member, now=now) for zone in zones)


def _running(now: datetime) -> Sequence[int]:
    return db.session.scalars(
        select(Campaign.id)
        .where(
            Campaign.state == CampaignState.RUNNING,
            Campaign.schedule["kind"].as_string() == "event",
            Campaign.send_at <= now,
        )
        .order_by(Campaign.id)
    ).all()


def begin(campaign: Campaign, *, now: datetime) -> None:
    """Note what has happened already, where that cannot be told later. Needs an open transaction."""
    if campaign.schedule["event"] == "tier_reached":
        chain = db.session.get_one(Chain, campaign.chain_id)
        occasion = _numbered("tier:", Card.tier_id)
        _write(campaign, chain, occasion, [], due_at=NEVER, now=now, everybody=True)


def take_along(campaign: Campaign, run_id: int, *, now: datetime) -> int:
    """Give the entries that are due to a run; return how many. Needs an open transaction."""
    taken = db.session.scalars(
        update(CampaignEntry)
        .where(CampaignEntry.campaign_id == campaign.id, CampaignEntry.run_id.is_(None), CampaignEntry.due_at <= now)
        .values(run_id=run_id)
        .returning(CampaignEntry.member_id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(taken)


def campaigns_with_due(*, now: datetime) -> Sequence[int]:
    """Event campaigns that run and have somebody to tell."""
    due = select(CampaignEntry.campaign_id).where(CampaignEntry.run_id.is_(None), CampaignEntry.due_at <= now)
    return db.session.scalars(
        select(Campaign.id)
        .where(Campaign.id.in_(due.distinct()), Campaign.state == CampaignState.RUNNING)
        .order_by(Campaign.id)
    ).all()


def _enter(campaign: Campaign, chain: Chain, zone: str, *, by_member: bool, now: datetime) -> int:
    """Enter those to whom it happens today by the clock of a zone, once its hour has come."""
    schedule, local = campaign.schedule, now.astimezone(ZoneInfo(zone))
    if "time" in schedule and local.time() < time.fromisoformat(schedule["time"]):
        return 0
    begun = campaign.send_at or now
    occasion, conditions = _EVENTS[schedule["event"]](schedule["days"], local.date(), zone, begun, now)
    if by_member:
        home = select(Store.timezone).where(Store.id == Member.store_id).correlate(Member).scalar_subquery()
        conditions = [*conditions, func.coalesce(home, chain.timezone) == zone]
    later = timedelta(days=schedule["days"]) if schedule["event"] == "tier_reached" else timedelta()
    return _write(campaign, chain, occasion, conditions, due_at=now + later, now=now)


def _write(
    campaign: Campaign,
    chain: Chain,
    occasion: ColumnElement[Any],
    conditions: Sequence[ColumnElement[bool]],
    *,
    due_at: datetime,
    now: datetime,
    everybody: bool = False,
) -> int:
    who = narrowed(
        select(
            literal(campaign.id),
            Member.id,
            occasion,
            literal(chain.id),
            literal(due_at, UtcDateTime()),
            cast(null(), BigInteger),
            literal(now, UtcDateTime()),
        ),
        chain,
        {} if everybody else campaign.audience,
        now=now,
    ).where(*conditions)
    entered = db.session.execute(
        insert(CampaignEntry)
        .from_select(COLUMNS, who, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["campaign_id", "member_id", "occasion"])
    )
    return max(int(entered.rowcount), 0)  # type: ignore[attr-defined]


Found = tuple[ColumnElement[Any], list[ColumnElement[bool]]]


def _joined(days: int, _today: date, _zone: str, begun: datetime, now: datetime) -> Found:
    return literal("joined"), [Member.joined_at >= begun, Member.joined_at <= now - timedelta(days=days)]


def _birthday(days: int, today: date, _zone: str, _begun: datetime, _now: datetime) -> Found:
    """Who was born on 29 February has his day on 1 March in other years."""
    day = today + timedelta(days=days)
    days_meant = [f"{day:%m-%d}"]
    if (day.month, day.day) == (3, 1) and (day - timedelta(days=1)).day == 28:
        days_meant.append("02-29")
    return literal(f"birthday:{day.year}"), [Member.birthday.in_(days_meant)]


def _coupon_expiring(days: int, today: date, zone: str, _begun: datetime, now: datetime) -> Found:
    """A coupon whose last day is at most so many days away; those it is too late for are left alone."""
    last = datetime.combine(today + timedelta(days=days + 1), time(), ZoneInfo(zone)).astimezone(UTC)
    first_coupon = (
        select(func.min(Coupon.id))
        .where(
            Coupon.member_id == Member.id,
            Coupon.chain_id == Member.chain_id,
            Coupon.state == CouponState.CLAIMED,
            Coupon.valid_until > now,
            Coupon.valid_until <= last,
        )
        .correlate(Member)
        .scalar_subquery()
    )
    return _numbered("coupon:", first_coupon), [first_coupon.is_not(None)]


def _lapsed(days: int, _today: date, _zone: str, begun: datetime, now: datetime) -> Found:
    """Only who crosses the line after the campaign began; a new visit begins anew."""
    away = timedelta(days=days)
    day = func.strftime("%Y-%m-%d", LAST_SEEN) if _is_sqlite() else func.to_char(LAST_SEEN, "YYYY-MM-DD")
    return literal("lapsed:") + cast(day, String), [LAST_SEEN < now - away, LAST_SEEN >= begun - away]


def _tier_reached(_days: int, _today: date, _zone: str, _begun: datetime, _now: datetime) -> Found:
    risen = select(Tier.id).where(Tier.rank > 0)
    return _numbered("tier:", Card.tier_id), [Card.tier_id.in_(risen)]


_EVENTS = {
    "joined": _joined,
    "birthday": _birthday,
    "coupon_expiring": _coupon_expiring,
    "lapsed": _lapsed,
    "tier_reached": _tier_reached,
}


def _numbered(word: str, number: Any) -> ColumnElement[Any]:
    return literal(word) + cast(number, String)


def _is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"
