"""New words for what has not gone: a paused campaign's rows that wait go on as a run of their own.

What has gone, or was being handed over, keeps the words it had: its run stays as it was. The run that goes on has the
same due time but for a microsecond, so that each message keeps its key and no provider takes it twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, select, update

from core.audit import Author
from core.db import db
from push import errors
from push.approving import UNSUBMITTED
from push.campaigns import Draft, checked
from push.models import Campaign, CampaignState, Delivery, DeliveryState, Run, RunState
from push.moving import get_campaign, move, note
from push.wording import links

WORDS = ("title", "title_en", "body", "body_en", "texts")
KEPT = ("chain_id", "campaign_id", "offer_id", "variants", "send_until", "state", "pause_reason", "started_at")
STEP = timedelta(microseconds=1)


@dataclass(frozen=True)
class Wording:
    """What a campaign says, in place of what it said."""

    title: str = ""
    title_en: str = ""
    body: str = ""
    body_en: str = ""
    texts: dict[str, Any] = field(default_factory=dict)


def reword_campaign(chain_id: int, campaign_id: int, wording: Wording, *, by: Author, now: datetime) -> int:
    """Let what has not gone of a paused campaign say something else; return how many messages that are.

    Later runs say it too. What was approved is not, any more. Needs an open transaction; raises CampaignStateConflict,
    CampaignInvalid.
    """
    seen = get_campaign(chain_id, campaign_id)
    values = checked(chain_id, replace(draft_of(seen), **vars(wording)))
    words = {name: values[name] for name in WORDS}
    before = {name: getattr(seen, name) for name in WORDS}
    campaign = move(chain_id, campaign_id, (CampaignState.PAUSED,), **words, **UNSUBMITTED)
    moved = sum(_go_on(run, words) for run in _paused_runs(campaign_id))
    note("campaign reworded", campaign, by, now, before=before, after=words | {"count": moved})
    return moved


def draft_of(campaign: Campaign) -> Draft:
    """A campaign as it was written down."""
    return Draft(**{name: getattr(campaign, name) for name in Draft.__dataclass_fields__})


def count_waiting(campaign: Campaign) -> int:
    """How many messages would say something else."""
    return db.session.scalars(
        select(func.count(Delivery.id))
        .join(Run, Run.id == Delivery.run_id)
        .where(Run.campaign_id == campaign.id, Run.state == RunState.PAUSED, Delivery.state == DeliveryState.PENDING)
    ).one()


def _paused_runs(campaign_id: int) -> Sequence[Run]:
    waits = exists().where(Delivery.run_id == Run.id, Delivery.state == DeliveryState.PENDING)
    return db.session.scalars(
        select(Run)
        .where(Run.campaign_id == campaign_id, Run.state == RunState.PAUSED, waits)
        .order_by(Run.id)
        .execution_options(populate_existing=True)
    ).all()


def _go_on(run: Run, words: dict[str, Any]) -> int:
    """Give the rows of a run that wait to a run with the new words."""
    kept = {name: getattr(run, name) for name in KEPT}
    due_at = _free_time(run)
    first_id = run.continues_run_id or run.id
    following = Run(**kept, **words, due_at=due_at, audience_count=0, continues_run_id=first_id)
    db.session.add(following)
    db.session.flush()
    moved = len(
        db.session.scalars(
            update(Delivery)
            .where(Delivery.run_id == run.id, Delivery.state == DeliveryState.PENDING)
            .values(run_id=following.id)
            .returning(Delivery.id)
            .execution_options(synchronize_session=False)
        ).all()
    )
    following.audience_count = moved
    db.session.flush()
    db.session.execute(  # what failed meanwhile may have gone over another channel and been counted
        update(Run).where(Run.id == run.id).values(audience_count=Run.audience_count - moved)
    )
    links.write_down(following)
    return moved


def _free_time(run: Run) -> datetime:
    """The nearest time within the same second at which no run of the campaign is due."""
    taken = set(
        db.session.scalars(
            select(Run.due_at).where(
                Run.campaign_id == run.campaign_id,
                Run.due_at > run.due_at - timedelta(seconds=1),
                Run.due_at < run.due_at + timedelta(seconds=1),
            )
        )
    )
    step = STEP if run.due_at.microsecond < 500_000 else -STEP
    found = run.due_at + step
    while found in taken:
        found += step
    if found.second != run.due_at.second:
        raise errors.CampaignStateConflict()
    return found
