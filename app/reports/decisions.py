"""What waits for somebody at head office to decide."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Exists, exists, func, select

from core.db import db
from coupons import approval, stock_alarm
from coupons.models import Offer, OfferState
from push import approving
from push.models import Campaign, CampaignState, Delivery, DeliveryState, Run, RunState
from sharing.reward_review import count_waiting
from stores.models import Store, StoreCode

RECENT = timedelta(days=2)  # how long failed messages are worth a look
SOON = timedelta(hours=24)
MOST = 6  # of one kind


class Matter(StrEnum):
    APPROVAL = "approval"
    PUSH_APPROVAL = "push_approval"
    LOW_STOCK = "low_stock"
    LOW_BUDGET = "low_budget"
    ENDING = "ending"
    MISSED = "missed"
    PAUSED = "paused"
    FAILED = "failed"
    GOING_OUT = "going_out"
    BEGINNING = "beginning"
    NO_CODE = "no_code"
    REWARDS = "rewards"


class Decision(NamedTuple):
    """One thing to decide: about what, and its figures."""

    matter: Matter
    object_id: int
    name: str
    name_en: str
    number: int = 0  # coupons or cents left, messages failed, rewards that wait
    of: int = 0
    is_gone: bool = False  # nobody can claim it any more
    at: datetime | None = None


def list_decisions(chain_id: int, *, now: datetime, approver: str | None = None) -> list[Decision]:
    """The most pressing first; with what waits for this person (``staff:7``), who may approve, to be read."""
    return [
        *_missed(chain_id),
        *_paused(chain_id),
        *_failed(chain_id, now),
        *_low(chain_id, now),
        *_flagged(chain_id),
        *_unread(chain_id, approver),
        *_going_out(chain_id, now),
        *_ending(chain_id, now),
        *_without_code(chain_id),
    ]


def _missed(chain_id: int) -> list[Decision]:
    query = (
        select(Campaign.id, Campaign.name)
        .filter_by(chain_id=chain_id, state=CampaignState.MISSED)
        .order_by(Campaign.id.desc())
        .limit(MOST)
    )
    return [Decision(Matter.MISSED, row[0], row[1], row[1]) for row in db.session.execute(query)]


def _paused(chain_id: int) -> list[Decision]:
    """Pushes that stopped by themselves, for too much went wrong."""
    query = (
        select(Campaign.id, Campaign.name)
        .where(Campaign.chain_id == chain_id, Campaign.state == CampaignState.PAUSED, _stopped())
        .order_by(Campaign.id.desc())
        .limit(MOST)
    )
    return [Decision(Matter.PAUSED, row[0], row[1], row[1]) for row in db.session.execute(query)]


def _stopped() -> Exists:
    return exists().where(Run.campaign_id == Campaign.id, Run.state == RunState.PAUSED, Run.pause_reason.is_not(None))


def _failed(chain_id: int, now: datetime) -> list[Decision]:
    recent = select(Run.id).where(Run.chain_id == chain_id, Run.started_at > now - RECENT)
    query = (
        select(Campaign.id, Campaign.name, func.count())
        .join(Delivery, Delivery.campaign_id == Campaign.id)
        .where(Delivery.run_id.in_(recent), Delivery.state == DeliveryState.FAILED, ~_stopped())
        .group_by(Campaign.id, Campaign.name)
        .order_by(func.count().desc())
        .limit(MOST)
    )
    return [Decision(Matter.FAILED, row[0], row[1], row[1], number=row[2]) for row in db.session.execute(query)]


def _flagged(chain_id: int) -> list[Decision]:
    """Rewards that a fraud rule wants a person to look at."""
    waiting = count_waiting(chain_id)
    return [Decision(Matter.REWARDS, 0, "", "", number=waiting)] if waiting else []


def _low(chain_id: int, now: datetime) -> list[Decision]:
    """Offers that run out."""
    return [_running_out(alarm) for alarm in stock_alarm.alarms(chain_id, now=now)[:MOST]]


def _running_out(alarm: stock_alarm.Alarm) -> Decision:
    offer, is_gone = alarm.offer, alarm.level == 0
    matter, left, whole = Matter.LOW_STOCK, alarm.left, offer.stock
    if alarm.is_of_budget:
        matter, left, whole = Matter.LOW_BUDGET, alarm.left_cents, offer.budget_cents
    return Decision(matter, offer.id, offer.name, offer.name_en, left or 0, whole or 0, is_gone)


def _unread(chain_id: int, approver: str | None) -> list[Decision]:
    """Drafts that somebody else wrote."""
    drafts = approval.waiting(chain_id, reader=approver, limit=MOST) if approver else ()
    pushes = approving.waiting(chain_id, reader=approver, limit=MOST) if approver else ()
    return [
        *(Decision(Matter.PUSH_APPROVAL, push.id, push.name, push.name) for push in pushes),
        *(Decision(Matter.APPROVAL, offer.id, offer.name, offer.name_en) for offer in drafts),
    ]


def _going_out(chain_id: int, now: datetime) -> list[Decision]:
    query = (
        select(Campaign.id, Campaign.name, Campaign.next_run_at, Campaign.schedule)
        .where(
            Campaign.chain_id == chain_id,
            Campaign.state == CampaignState.SCHEDULED,
            Campaign.next_run_at < now + SOON,
        )
        .order_by(Campaign.next_run_at)
        .limit(MOST)
    )
    return [
        Decision(Matter.BEGINNING if plan["kind"] == "event" else Matter.GOING_OUT, number, name, name, at=at)
        for number, name, at, plan in db.session.execute(query)
    ]


def _ending(chain_id: int, now: datetime) -> list[Decision]:
    query = (
        select(Offer.id, Offer.name, Offer.name_en, Offer.valid_until)
        .where(
            Offer.chain_id == chain_id,
            Offer.state == OfferState.RUNNING,
            Offer.valid_until > now,
            Offer.valid_until < now + SOON,
        )
        .order_by(Offer.valid_until)
        .limit(MOST)
    )
    return [Decision(Matter.ENDING, row[0], row[1], row[2], at=row[3]) for row in db.session.execute(query)]


def _without_code(chain_id: int) -> list[Decision]:
    """Stores where nobody can scan."""
    in_use = select(StoreCode.id).where(StoreCode.store_id == Store.id, StoreCode.revoked_at.is_(None)).exists()
    query = (
        select(Store.id, Store.name)
        .where(Store.chain_id == chain_id, Store.closed_at.is_(None), ~in_use)
        .order_by(Store.id)
        .limit(MOST)
    )
    return [Decision(Matter.NO_CODE, row[0], row[1], row[1]) for row in db.session.execute(query)]
