"""Runs: a campaign that is due becomes one, and ends when nothing of it is left to send."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import and_, case, exists, func, or_, select, update

from core import audit, events
from core.audit import SYSTEM
from core.db import among, db, insert, transaction
from push.apart import each_apart
from push.audiences.freezing import freeze
from push.models import Campaign, CampaignState, Delivery, DeliveryState, Run, RunState
from push.moving import in_hand
from push.timing import entering, scheduling
from push.timing.zones import zones_of
from push.wording import links
from stores.models import Chain

AWAITING = (CampaignState.SCHEDULED, CampaignState.RUNNING)  # a recurring one may be due while it still sends
UNFINISHED = (DeliveryState.PENDING, DeliveryState.SENDING)


@dataclass
class States:
    """How many deliveries of a run stand where. ``audience`` is the sum of ``states``, always."""

    audience: int = 0
    states: dict[str, int] = field(default_factory=lambda: {str(state): 0 for state in DeliveryState})


@dataclass
class Sums(States):
    """The same by channel, and why some were skipped."""

    reasons: dict[str, int] = field(default_factory=dict)
    channels: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, channel: str, state: str, reason: str | None, count: int) -> None:
        self.audience += count
        self.states[state] += count
        of_channel = self.channels.setdefault(channel, {str(state): 0 for state in DeliveryState})
        of_channel[state] += count
        if reason is not None:
            self.reasons[reason] = self.reasons.get(reason, 0) + count


def start_due_batch(*, now: datetime) -> int:
    """Start what is due, each in a transaction of its own; what is too late is missed. Return how many were seen.

    One that cannot be started is not among them: the others go on.
    """
    due = db.session.scalars(
        select(Campaign.id)
        .where(Campaign.state.in_(AWAITING), Campaign.next_run_at <= now)
        .order_by(Campaign.next_run_at, Campaign.id)
    ).all()
    return each_apart(lambda campaign_id: _start_due(campaign_id, now=now), due)


def _start_due(campaign_id: int, *, now: datetime) -> int:
    with transaction():
        start_run(campaign_id, now=now)
    return 1


def start_run(campaign_id: int, *, now: datetime) -> Run | None:
    """Start one campaign that is due: the run, its message, its audience. Needs an open transaction.

    None when it is not due, when another clock was first, or when it is missed.
    """
    campaign = db.session.get(Campaign, campaign_id, populate_existing=True)
    if campaign is None or campaign.next_run_at is None or campaign.next_run_at > now:
        return None
    chain = db.session.get_one(Chain, campaign.chain_id)
    due_at = campaign.next_run_at
    following = scheduling.next_occurrence(campaign.schedule, chain.timezone, after=now, zones=zones_of(chain))
    is_missed = now - due_at > scheduling.GRACE
    state = CampaignState.MISSED if is_missed else CampaignState.RUNNING
    if is_missed and campaign.state == CampaignState.RUNNING:
        state = CampaignState.RUNNING  # an earlier run is still going out; the missed turn is left out
    if not _take(campaign, due_at, state=state, next_run_at=None if state == CampaignState.MISSED else following):
        return None
    if is_missed:
        what = {"due_at": due_at.isoformat()}
        _note("campaign missed", campaign, now, **what)
        return None
    if campaign.schedule["kind"] == "event":
        entering.begin(campaign, now=now)
        _note("campaign started", campaign, now, event=campaign.schedule["event"])
        return None
    return _begin(campaign, chain, due_at, now=now)


def start_entered_batch(*, now: datetime) -> int:
    """Start a run for the members to whom something happened, each campaign in a transaction of its own.

    Return how many there are. Who was entered while this moment's run began has to wait for another moment.
    """
    due = entering.campaigns_with_due(now=now)
    return each_apart(lambda campaign_id: _start_entered(campaign_id, now=now), due)


def _start_entered(campaign_id: int, *, now: datetime) -> bool:
    with transaction():
        campaign = in_hand(campaign_id)  # or its run would go out though it is paused or cancelled meanwhile
        if campaign.state != CampaignState.RUNNING:
            return False
        chain = db.session.get_one(Chain, campaign.chain_id)
        return _begin(campaign, chain, now, now=now, is_entered=True) is not None


def _take(campaign: Campaign, due_at: datetime, **values: object) -> bool:
    """Win the right to start what was due then."""
    taken = db.session.scalar(
        update(Campaign)
        .where(Campaign.id == campaign.id, Campaign.next_run_at == due_at, Campaign.state.in_(AWAITING))
        .values(**values)
        .returning(Campaign.id)
        .execution_options(synchronize_session=False)
    )
    return taken is not None


def _begin(
    campaign: Campaign, chain: Chain, due_at: datetime, *, now: datetime, is_entered: bool = False
) -> Run | None:
    zones = zones_of(chain)
    where = [chain.timezone] if is_entered else scheduling.places(campaign.schedule, chain.timezone, zones)
    times = scheduling.instants(campaign.schedule, due_at, where)
    last = max(times.values())
    end = scheduling.end_of(campaign.schedule, chain.timezone, zones)
    ends = [scheduling.stale_after(campaign.schedule, last), end]
    run_id = db.session.scalar(
        insert(Run)
        .values(
            chain_id=campaign.chain_id,
            campaign_id=campaign.id,
            offer_id=campaign.offer_id,
            title=campaign.title,
            title_en=campaign.title_en,
            body=campaign.body,
            body_en=campaign.body_en,
            texts=campaign.texts,
            variants=campaign.variants,
            due_at=due_at,
            send_until=min(end for end in ends if end is not None),
            state=RunState.RUNNING,
            audience_count=0,
            started_at=now,
        )
        .on_conflict_do_nothing(index_elements=["campaign_id", "due_at"])
        .returning(Run.id)
    )
    if run_id is None:
        return None
    run = db.session.get_one(Run, run_id)
    links.write_down(run)
    entered = entering.take_along(campaign, run_id, now=now) if is_entered else None
    audience = freeze(run, campaign, now=now, times=times, entered=entered)
    what = {"run_id": run_id, "audience": audience}
    events.record("campaign.started", chain_id=campaign.chain_id, at=now, campaign_id=campaign.id, **what)
    _note("campaign started", campaign, now, **what)
    return run


def _note(action: str, campaign: Campaign, now: datetime, **after: object) -> None:
    chain_id = campaign.chain_id
    audit.note(action, chain_id=chain_id, object_kind="campaign", object_id=campaign.id, by=SYSTEM, at=now, after=after)


def finish_batch(*, now: datetime) -> int:
    """End the runs of which nothing is left, then the campaigns that have no run and no next time."""
    with transaction():
        finished = _finish_runs(now)
    with transaction():
        _settle_campaigns(now)
    return finished


def _finish_runs(now: datetime) -> int:
    over = and_(
        Run.state == RunState.RUNNING, ~exists().where(Delivery.run_id == Run.id, Delivery.state.in_(UNFINISHED))
    )
    # First in hand, then looked at again: whoever gives a run work meanwhile has it in hand too (``go_on``).
    ids = db.session.scalars(select(Run.id).where(over).order_by(Run.id).with_for_update(key_share=True)).all()
    if not ids:
        return 0
    finished = db.session.execute(
        update(Run)
        .where(Run.id.in_(ids), over)
        .values(state=RunState.FINISHED, finished_at=now)
        .returning(Run.id, Run.campaign_id, Run.chain_id)
        .execution_options(synchronize_session=False)
    ).all()
    for run in finished:
        events.record("campaign.finished", chain_id=run.chain_id, at=now, campaign_id=run.campaign_id, run_id=run.id)
    return len(finished)


def _settle_campaigns(now: datetime) -> None:
    """Those of which no run goes on: they are through, or wait for their next time."""
    waits = and_(
        Campaign.schedule["kind"].as_string() == "event",
        or_(Campaign.send_until.is_(None), Campaign.send_until > now),
    )
    going = exists().where(Run.campaign_id == Campaign.id, Run.state.in_((RunState.RUNNING, RunState.PAUSED)))
    over = and_(Campaign.state == CampaignState.RUNNING, ~going, ~waits)
    ids = db.session.scalars(
        select(Campaign.id).where(over).order_by(Campaign.id).with_for_update(key_share=True)
    ).all()
    if not ids:
        return
    has_next = Campaign.next_run_at.is_not(None)
    db.session.execute(
        update(Campaign)
        .where(Campaign.id.in_(ids), over)
        .values(state=case((has_next, CampaignState.SCHEDULED.value), else_=CampaignState.FINISHED.value))
        .execution_options(synchronize_session=False)
    )


def list_runs(chain_id: int, campaign_id: int, *, after: int | None = None, limit: int = 50) -> Sequence[Run]:
    """The runs of a campaign, newest first; ``after`` is the id of the last one seen."""
    query = select(Run).where(Run.chain_id == chain_id, Run.campaign_id == campaign_id)
    if after is not None:
        query = query.where(Run.id < after)
    return db.session.scalars(
        query.order_by(Run.id.desc()).limit(limit).execution_options(populate_existing=True)
    ).all()


def find_run(chain_id: int, campaign_id: int, run_id: int) -> Run | None:
    """One run of a campaign."""
    return db.session.scalar(
        select(Run)
        .where(Run.id == run_id, Run.chain_id == chain_id, Run.campaign_id == campaign_id)
        .execution_options(populate_existing=True)
    )


def whole_run(run: Run) -> list[int]:
    """The ids of a run and of those in which its rest went on with other words (push/rewording.py)."""
    first_id = run.continues_run_id or run.id
    rest = db.session.scalars(select(Run.id).where(Run.continues_run_id == first_id).order_by(Run.id))
    return [first_id, *rest]


def count_states(run_ids: Sequence[int]) -> dict[int, States]:
    """The states of some runs, from an index alone: a list of large runs is counted in a moment."""
    states = {run_id: States() for run_id in run_ids}
    counted = db.session.execute(
        select(Delivery.run_id, Delivery.state, func.count())
        .where(among(Delivery.run_id, run_ids))
        .group_by(Delivery.run_id, Delivery.state)
    )
    for run_id, state, count in counted:
        states[run_id].states[state] = count
        states[run_id].audience += count
    return states


def count_sums(run_ids: Sequence[int]) -> dict[int, Sums]:
    """The sums of some runs, from one reading of the rows."""
    sums = {run_id: Sums() for run_id in run_ids}
    if run_ids:
        counted = db.session.execute(
            select(Delivery.run_id, Delivery.channel, Delivery.state, Delivery.reason, func.count(Delivery.id))
            .where(Delivery.run_id.in_(run_ids))
            .group_by(Delivery.run_id, Delivery.channel, Delivery.state, Delivery.reason)
        )
        for run_id, channel, state, reason, count in counted:
            sums[run_id].add(channel, state, reason, count)
    return sums


def count_errors(run_id: int, *, limit: int = 20) -> list[tuple[str, int]]:
    """What went wrong in a run, and how often: the most frequent first."""
    rows = db.session.execute(
        select(Delivery.error, func.count(Delivery.id))
        .where(Delivery.run_id == run_id, Delivery.error.is_not(None), Delivery.state != DeliveryState.SENT)
        .group_by(Delivery.error)
        .order_by(func.count(Delivery.id).desc(), Delivery.error)
        .limit(limit)
    )
    return [(error, count) for error, count in rows if error is not None]
