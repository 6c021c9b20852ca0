"""Freezing the audience of a run: one statement a channel, one delivery per run, member and channel."""

from datetime import datetime
from typing import Any

from sqlalchemy import case, func, literal, select, update

from cards.models import Card, Member
from core.db import UtcDateTime, db, insert
from push.models import Campaign, Delivery, DeliveryState, PushChannel, Run
from push.reachability import reason_against
from push.segments import narrowed
from stores.models import Chain

COLUMNS = (
    "chain_id", "campaign_id", "run_id", "member_id", "card_id", "channel", "state", "reason", "due_at", "attempts"
)  # fmt: skip


def freeze(run: Run, campaign: Campaign, *, now: datetime) -> int:
    """Write a delivery for everybody meant, over each channel; return how many there are. Needs an open transaction.

    Who cannot be reached is skipped at once, with the reason. Done twice, it adds nothing.
    """
    chain = db.session.get_one(Chain, run.chain_id)
    for channel in campaign.channels:
        db.session.execute(_freezing(run, campaign, chain, PushChannel(channel), now))
    count = db.session.scalar(select(func.count(Delivery.id)).where(Delivery.run_id == run.id)) or 0
    db.session.execute(update(Run).where(Run.id == run.id).values(audience_count=count))
    return count


def _freezing(run: Run, campaign: Campaign, chain: Chain, channel: PushChannel, now: datetime) -> Any:
    meant = narrowed(
        select(Member.id.label("member_id"), Card.id.label("card_id"), reason_against(channel).label("reason")),
        chain,
        campaign.audience,
        now=now,
    ).subquery("meant")
    rows = select(
        literal(run.chain_id),
        literal(run.campaign_id),
        literal(run.id),
        meant.c.member_id,
        meant.c.card_id,
        literal(channel.value),
        case(
            (meant.c.reason.is_(None), literal(DeliveryState.PENDING.value)), else_=literal(DeliveryState.SKIPPED.value)
        ),
        meant.c.reason,
        literal(run.due_at, UtcDateTime()),
        literal(0),
    ).where(meant.c.member_id.is_not(None))  # SQLite wants a WHERE before ON CONFLICT
    return (
        insert(Delivery)
        .from_select(COLUMNS, rows, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["run_id", "member_id", "channel"])
    )
