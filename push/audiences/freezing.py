"""Freezing the audience of a run: one delivery per run, member and channel, written by one statement.

Who cannot be reached is skipped with the reason; of those who can, the held-out part is skipped as ``holdout``, so that
it is compared with people like itself. Over ``every`` channel it is one statement a channel; where the ``first`` that
takes it is enough, one statement in which each member gets the first channel that reaches him.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, null, or_, select, update

from cards.models import Card, Member
from core.db import UtcDateTime, db, insert
from core.hot import this_transaction
from push.audiences.chance import of_campaign, of_chain
from push.audiences.models import CampaignEntry
from push.audiences.reachability import reason_against
from push.audiences.segments import narrowed
from push.models import (
    Campaign,
    ChannelMode,
    Delivery,
    DeliveryState,
    Purpose,
    PushChannel,
    PushPolicy,
    Run,
    SkipReason,
)
from push.partners.telling import tell_frozen
from push.wording.variants import variant_sql
from stores.models import Chain, Store

FEW = 1000  # who were entered: for more, all purchases are gone through once
COLUMNS = (
    "chain_id", "campaign_id", "run_id", "member_id", "card_id", "channel", "variant", "state", "reason", "due_at",
    "attempts",
)  # fmt: skip


def freeze(
    run: Run,
    campaign: Campaign,
    *,
    now: datetime,
    times: dict[str, datetime] | None = None,
    entered: int | None = None,
) -> int:
    """Write a delivery for everybody meant; return how many there are. Needs an open transaction.

    Done twice, it adds nothing. ``times`` says when the run reaches each time zone, where it goes by the members' own;
    ``entered`` means only those whose entries the run took along (push/timing/entering.py), and how many these are.
    """
    chain = db.session.get_one(Chain, run.chain_id)
    channels = [PushChannel(name) for name in campaign.channels]
    together = [channels] if campaign.channel_mode == ChannelMode.FIRST else [[each] for each in channels]
    for choice in together:
        db.session.execute(_freezing(run, campaign, chain, choice, times or {}, now, entered))
    count = db.session.scalar(select(func.count(Delivery.id)).where(Delivery.run_id == run.id)) or 0
    db.session.execute(update(Run).where(Run.id == run.id).values(audience_count=count))
    tell_frozen(this_transaction(), run.id, now=now)
    return count


def held_out(campaign: Campaign) -> ColumnElement[bool]:
    """Who is to get nothing, so that the effect can be told: of this campaign, and of all promotion of the chain."""
    of_this = of_campaign(campaign.id).sql(Member.id) < campaign.holdout_bp
    if campaign.purpose != Purpose.PROMOTION:
        return of_this
    share = db.session.scalar(select(PushPolicy.global_holdout_bp).where(PushPolicy.chain_id == campaign.chain_id)) or 0
    return or_(of_this, of_chain(campaign.chain_id).sql(Member.id) < share)


def _freezing(
    run: Run,
    campaign: Campaign,
    chain: Chain,
    choice: Sequence[PushChannel],
    times: dict[str, datetime],
    now: datetime,
    entered: int | None,
) -> Any:
    channel, against = _first_that_reaches(choice, Purpose(campaign.purpose))
    reason = case((and_(against.is_(None), held_out(campaign)), literal(SkipReason.HOLDOUT.value)), else_=against)
    of_run = CampaignEntry.chain_id == run.chain_id, CampaignEntry.run_id == run.id
    who = narrowed(
        select(
            Member.id.label("member_id"),
            Card.id.label("card_id"),
            channel.label("channel"),
            variant_sql(campaign.variants, campaign.id).label("variant"),
            reason.label("reason"),
            _due_at(run, chain, times).label("due_at"),
        ),
        chain,
        campaign.audience,
        now=now,
        whom=select(CampaignEntry.member_id).where(*of_run) if entered is not None and entered <= FEW else None,
    )
    if entered is not None:  # joined, since SQLite would go through a list of them for each card
        who = who.where(CampaignEntry.member_id == Member.id, *of_run)
    meant = who.subquery("meant")
    rows = select(
        literal(run.chain_id),
        literal(run.campaign_id),
        literal(run.id),
        meant.c.member_id,
        meant.c.card_id,
        meant.c.channel,
        meant.c.variant,
        case(
            (meant.c.reason.is_(None), literal(DeliveryState.PENDING.value)), else_=literal(DeliveryState.SKIPPED.value)
        ),
        meant.c.reason,
        meant.c.due_at,
        literal(0),
    ).where(meant.c.member_id.is_not(None))  # SQLite wants a WHERE before ON CONFLICT
    return (
        insert(Delivery)
        .from_select(COLUMNS, rows, include_defaults=False)
        .on_conflict_do_nothing(index_elements=["run_id", "member_id", "channel"])
    )


def _due_at(run: Run, chain: Chain, times: dict[str, datetime]) -> ColumnElement[datetime]:
    """When the message reaches a member: by the clock of the store where he joined."""
    later = {zone: moment for zone, moment in times.items() if moment != run.due_at}
    if not later:
        return literal(run.due_at, UtcDateTime())
    zone = select(Store.timezone).where(Store.id == Member.store_id).correlate(Member).scalar_subquery()
    whens = [(func.coalesce(zone, chain.timezone) == name, literal(at, UtcDateTime())) for name, at in later.items()]
    return case(*whens, else_=literal(run.due_at, UtcDateTime()))


def _first_that_reaches(
    choice: Sequence[PushChannel], purpose: Purpose
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The channel, and why it does not reach the member: the first one's reason where none does."""
    reasons = [reason_against(channel, purpose) for channel in choice]
    if len(choice) == 1:
        return literal(choice[0].value), reasons[0]
    whens = [(reason.is_(None), literal(channel.value)) for channel, reason in zip(choice, reasons, strict=True)]
    reached = [(reason.is_(None), null()) for reason in reasons]
    return case(*whens, else_=literal(choice[0].value)), case(*reached, else_=reasons[0])
