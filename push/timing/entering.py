"""Letting members into campaigns that wait for something to happen to them (what may: occasions.py).

The clock looks every minute. It reads, and writes only what it finds: an entry for each member and occasion, once for
ever (``campaign_entries``). How far it has looked is kept (``campaign_looks``), so that a look costs what has happened
since, not what the chain is large; what concerns all members is looked for once a day. What is due goes out in a run
of its own.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, case, cast, exists, func, literal, null, select, update

from cards.models import Member
from core.db import UtcDateTime, db, insert, transaction
from push.apart import each_apart
from push.audiences.models import CampaignEntry, CampaignLook
from push.audiences.segments import narrowed
from push.models import Campaign, CampaignState
from push.moving import in_hand
from push.timing.occasions import NOT_BEFORE, ONCE_A_DAY, Found, Look, find, has_risen, tier_occasion
from push.timing.zones import zones_of
from stores.models import Chain, Store

LOT = 2000  # members that are let in by one transaction
LOTS = 25  # that are found by one query: it may go through all the coupons there are
NOTED_EVERY = timedelta(hours=1)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # the due time of what had happened before the campaign began
COLUMNS = ("campaign_id", "member_id", "occasion", "chain_id", "due_at", "run_id", "at")
KEY = ("campaign_id", "member_id", "occasion")


def enter_batch(*, now: datetime) -> int:
    """Let members into the event campaigns that run, in short transactions; return how many."""
    return each_apart(lambda campaign_id: _enter_campaign(campaign_id, now=now), _running(now))


def begin(campaign: Campaign, *, now: datetime) -> None:
    """Note what has happened already, where that cannot be told later. Needs an open transaction."""
    if campaign.schedule["event"] != "tier_reached":
        return
    chain = db.session.get_one(Chain, campaign.chain_id)
    who = select(
        literal(campaign.id),
        Member.id,
        tier_occasion(),
        literal(chain.id),
        literal(NEVER, UtcDateTime()),
        cast(null(), BigInteger),
        literal(now, UtcDateTime()),
    )
    db.session.execute(
        insert(CampaignEntry)
        .from_select(COLUMNS, narrowed(who, chain, {}, now=now).where(has_risen()), include_defaults=False)
        .on_conflict_do_nothing(index_elements=KEY)
    )


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


def _enter_campaign(campaign_id: int, *, now: datetime) -> int:
    campaign = db.session.get_one(Campaign, campaign_id, populate_existing=True)
    if campaign.state != CampaignState.RUNNING:
        return 0
    chain = db.session.get_one(Chain, campaign.chain_id)
    zones = zones_of(chain) if campaign.schedule.get("zone") == "member" else [chain.timezone]
    return sum(_enter_zone(campaign, chain, zone, now=now) for zone in zones)


def _enter_zone(campaign: Campaign, chain: Chain, zone: str, *, now: datetime) -> int:
    """Enter those to whom it happens by the clock of a zone, once the hour of its day has come."""
    schedule, local = campaign.schedule, now.astimezone(ZoneInfo(zone))
    hour = time.fromisoformat(schedule.get("time", "00:00"))
    if local.time() < hour or local.date().isoformat() > schedule.get("until", "9999"):
        return 0
    event, (last, seen_until) = schedule["event"], _last_look(campaign, zone)
    if last is not None and _is_too_soon(event, last, local, hour):
        return 0
    look = Look(chain, schedule["days"], zone, campaign.send_at or now, last, seen_until, now)
    entered = sum(_enter_found(campaign, chain, found, look) for found in find(event, look))
    if last is None or event in ONCE_A_DAY or now - last >= NOT_BEFORE.get(event, NOTED_EVERY):
        _note_look(campaign, look)
    return entered


def _is_too_soon(event: str, last: datetime, local: datetime, hour: time) -> bool:
    """Whether there is nothing to look for yet since the last look. Days go by the clock on the wall."""
    if event in ONCE_A_DAY:
        was = last.astimezone(local.tzinfo)
        return was.date() == local.date() and was.time() >= hour
    return event in NOT_BEFORE and local - last < NOT_BEFORE[event]


def _enter_found(campaign: Campaign, chain: Chain, found: Found, look: Look) -> int:
    """Enter those whom an occasion concerns, so many at a time; how many."""
    entered, after = 0, 0
    while rows := _not_yet_entered(campaign, chain, found, look, after):
        for start in range(0, len(rows), LOT):
            with transaction():
                if in_hand(campaign.id).state != CampaignState.RUNNING:
                    return entered
                entered += _write(campaign, rows[start : start + LOT], now=look.now)
        if len(rows) < LOT * LOTS:
            break
        after = rows[-1][0]
    return entered


def _not_yet_entered(campaign: Campaign, chain: Chain, found: Found, look: Look, after: int) -> Sequence[Any]:
    """Some of those whom it concerns, in the order of their ids, each with the occasion."""
    is_entered = exists().where(
        CampaignEntry.campaign_id == campaign.id,
        CampaignEntry.member_id == Member.id,
        CampaignEntry.occasion == found.occasion,
    )
    who = narrowed(select(Member.id, found.occasion), chain, campaign.audience, now=look.now)
    if campaign.schedule.get("zone") == "member":
        home = select(Store.timezone).where(Store.id == Member.store_id).correlate(Member).scalar_subquery()
        who = who.where(func.coalesce(home, chain.timezone) == look.zone)
    who = who.where(*found.conditions, ~is_entered, Member.id > after)
    return db.session.execute(who.order_by(Member.id).limit(LOT * LOTS)).all()


def _write(campaign: Campaign, rows: Sequence[Any], *, now: datetime) -> int:
    schedule = campaign.schedule
    later = timedelta(days=schedule["days"]) if schedule["event"] == "tier_reached" else timedelta()
    common = {"campaign_id": campaign.id, "chain_id": campaign.chain_id, "due_at": now + later, "at": now}
    entered = db.session.scalars(
        insert(CampaignEntry).on_conflict_do_nothing(index_elements=KEY).returning(CampaignEntry.member_id),
        [common | {"member_id": row[0], "occasion": row[1]} for row in rows],
    )
    return len(entered.all())


def _last_look(campaign: Campaign, zone: str) -> tuple[datetime | None, datetime | None]:
    """Until when it was looked in the zone, None where the campaign waited for so many days not yet.

    And who joined until when had his look, be it with other days or in another zone.
    """
    days = campaign.schedule["days"]
    look = db.session.execute(
        select(CampaignLook.zone, CampaignLook.days, CampaignLook.looked_at)
        .where(CampaignLook.campaign_id == campaign.id)
        .order_by(case((CampaignLook.zone == zone, 0), else_=1), CampaignLook.looked_at.desc())
        .limit(1)
    ).one_or_none()
    if look is None:
        return None, None
    is_same = (look.zone, look.days) == (zone, days)
    return look.looked_at if is_same else None, look.looked_at - timedelta(days=max(look.days, days))


def _note_look(campaign: Campaign, look: Look) -> None:
    """Keep how far it came; not where it was paused meanwhile, for then not all of them were let in."""
    seen = {"days": look.days, "looked_at": look.now}
    with transaction():
        if in_hand(campaign.id).state != CampaignState.RUNNING:
            return
        db.session.execute(
            insert(CampaignLook)
            .values(campaign_id=campaign.id, chain_id=campaign.chain_id, zone=look.zone, **seen)
            .on_conflict_do_update(index_elements=["campaign_id", "zone"], set_=seen)
        )
