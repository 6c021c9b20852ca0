"""Runs in which too much goes wrong are paused and say so; what failed in a run can be tried again."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, case, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from core import audit, events
from core.audit import SYSTEM, AuditEntry, Author
from core.db import db, transaction
from push import errors
from push.models import Campaign, CampaignState, ChannelMode, Delivery, DeliveryState, PushPolicy, Run, RunState
from push.moving import in_hand

IN_ALL = ""  # channels together
PAUSE_BP, PAUSE_AFTER = 2000, 50  # where a chain has said nothing
ERRORS = "errors"
WENT = (DeliveryState.SENT, DeliveryState.DELIVERED)
WRONG = and_(Delivery.error.is_not(None), Delivery.state.in_((DeliveryState.FAILED, DeliveryState.PENDING)))


def pause_failing_batch(*, now: datetime) -> int:
    """Pause the running runs of which too large a part went wrong, each in a transaction of its own.

    In all or over one channel: a wallet takes whatever comes, and must not hide that every SMS is refused.
    Runs that are too small are not looked at: a campaign that waits for events begins one each minute.
    """
    share_bp = func.coalesce(PushPolicy.error_pause_bp, PAUSE_BP)
    after = func.coalesce(PushPolicy.error_pause_after, PAUSE_AFTER)
    running = db.session.execute(
        select(Run.id, share_bp, after)
        .outerjoin(PushPolicy, PushPolicy.chain_id == Run.chain_id)
        .where(Run.state == RunState.RUNNING, Run.pause_reason.is_(None), Run.audience_count >= after)
    ).all()
    return sum(_pause(run_id, now=now) for run_id, share_bp, after in running if _fails(run_id, share_bp, after))


class Part(NamedTuple):
    """What was tried of a run over one channel, or in all, and how much of it went wrong."""

    channel: str
    tried: int
    wrong: int


def worst_part(run: Run) -> Part:
    """The part of a run in which most went wrong for its size; channels of which too little was tried say nothing."""
    after = db.session.scalar(select(PushPolicy.error_pause_after).where(PushPolicy.chain_id == run.chain_id))
    in_all, *by_channel = _parts(run.id)
    told = [in_all, *(part for part in by_channel if part.tried >= (after or PAUSE_AFTER))]
    return max(told, key=lambda part: part.wrong / max(part.tried, 1))


def _fails(run_id: int, share_bp: int, after: int) -> bool:
    wrong = select(func.count()).select_from(Delivery).where(Delivery.run_id == run_id, WRONG)
    if (db.session.scalar(wrong) or 0) * 10_000 < share_bp * after:  # so those that went need not be counted
        return False
    return any(part.tried >= after and part.wrong * 10_000 >= share_bp * part.tried for part in _parts(run_id))


def _parts(run_id: int) -> list[Part]:
    """In all, then by channel."""
    by_channel = db.session.execute(
        select(Delivery.channel, func.count(Delivery.id), func.count(case((WRONG, 1))))
        .where(Delivery.run_id == run_id, or_(Delivery.state.in_(WENT), WRONG))
        .group_by(Delivery.channel)
        .order_by(Delivery.channel)
    ).all()
    parts = [Part(*row) for row in by_channel]
    return [Part(IN_ALL, sum(part.tried for part in parts), sum(part.wrong for part in parts)), *parts]


def _pause(run_id: int, *, now: datetime) -> bool:
    with transaction():
        in_hand(db.session.get_one(Run, run_id).campaign_id)
        run = db.session.scalar(
            update(Run)
            .where(Run.id == run_id, Run.state == RunState.RUNNING, Run.pause_reason.is_(None))
            .values(state=RunState.PAUSED, pause_reason=ERRORS)
            .returning(Run)
            .execution_options(populate_existing=True)
        )
        if run is None:
            return False
        db.session.execute(
            update(Campaign)
            .where(Campaign.id == run.campaign_id, Campaign.state == CampaignState.RUNNING)
            .values(state=CampaignState.PAUSED)
        )
        what = {"campaign_id": run.campaign_id, "run_id": run_id}
        events.record("campaign.paused", chain_id=run.chain_id, at=now, reason=ERRORS, **what)
        audit.note(
            "campaign paused",
            chain_id=run.chain_id,
            object_kind="campaign",
            object_id=run.campaign_id,
            by=SYSTEM,
            at=now,
            after={"run_id": run_id, "reason": ERRORS},
        )
    return True


def paused_itself(run: Run) -> bool:
    """Whether errors paused the run, and no person since: it keeps the reason, so as to pause for it only once."""
    if run.state != RunState.PAUSED or run.pause_reason != ERRORS:
        return False
    of_campaign = (AuditEntry.object_kind == "campaign", AuditEntry.object_id == run.campaign_id)
    paused = select(AuditEntry.actor).where(
        AuditEntry.chain_id == run.chain_id, *of_campaign, AuditEntry.action == "campaign paused"
    )
    return db.session.scalar(paused.order_by(AuditEntry.id.desc()).limit(1)) in (None, SYSTEM.name)


def retry_failed(chain_id: int, run_id: int, *, error: str | None = None, by: Author, now: datetime) -> int:
    """Try again what failed in a run, all of it or one kind of error; return how many. Needs an open transaction.

    Where the first channel that reaches a member is enough, only the last that was tried.
    Raises CampaignNotFound, RunOver.
    """
    run = db.session.scalar(
        select(Run).where(Run.id == run_id, Run.chain_id == chain_id).execution_options(populate_existing=True)
    )
    if run is None:
        raise errors.CampaignNotFound()
    if run.state == RunState.CANCELLED or run.send_until <= now:
        raise errors.RunOver()
    failed = [Delivery.run_id == run_id, Delivery.state == DeliveryState.FAILED, ~_went_on(run)]
    if error is not None:
        failed.append(Delivery.error == error)
    again = db.session.scalars(
        update(Delivery)
        .where(*failed)
        .values(state=DeliveryState.PENDING, attempts=0, first_tried_at=None, due_at=now, error=None)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    if again:
        go_on(run.id)
        audit.note(
            "failed deliveries retried",
            chain_id=chain_id,
            object_kind="campaign",
            object_id=run.campaign_id,
            by=by,
            at=now,
            after={"run_id": run_id, "count": len(again), "error": error},
        )
    return len(again)


def _went_on(run: Run) -> ColumnElement[bool]:
    """Whether the next channel had its turn: then it is that one which is tried again, if any."""
    following = aliased(Delivery)
    first_id = run.continues_run_id or run.id
    return and_(
        exists().where(Campaign.id == run.campaign_id, Campaign.channel_mode == ChannelMode.FIRST),
        exists().where(
            following.member_id == Delivery.member_id,
            following.id > Delivery.id,
            following.state != DeliveryState.SKIPPED,
            following.run_id == Run.id,
            func.coalesce(Run.continues_run_id, Run.id) == first_id,
        ),
    )


def go_on(run_id: int) -> None:
    """A run that was over has work again; one that somebody paused stays paused.

    Written too where it still runs: the clock, which may be about to end it, then looks again.
    """
    in_hand(db.session.get_one(Run, run_id).campaign_id)
    going = db.session.scalar(
        update(Run)
        .where(Run.id == run_id, Run.state.in_((RunState.RUNNING, RunState.FINISHED)))
        .values(state=RunState.RUNNING, finished_at=None)
        .returning(Run.campaign_id)
    )
    if going is not None:
        db.session.execute(
            update(Campaign)
            .where(Campaign.id == going, Campaign.state.in_((CampaignState.RUNNING, CampaignState.FINISHED)))
            .values(state=CampaignState.RUNNING)
        )
