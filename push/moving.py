"""Changing a campaign: only out of the states that allow it, and noted. The database decides."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update

from core import audit
from core.audit import Author
from core.db import db
from push import errors
from push.models import Campaign, CampaignState, Run, RunState


def get_campaign(chain_id: int, campaign_id: int) -> Campaign:
    """The campaign as it is now, or CampaignNotFound."""
    campaign = db.session.scalar(
        select(Campaign).filter_by(id=campaign_id, chain_id=chain_id).execution_options(populate_existing=True)
    )
    if campaign is None:
        raise errors.CampaignNotFound()
    return campaign


def in_hand(campaign_id: int) -> Campaign:
    """The campaign as it is now; nobody else changes it until we are done. Needs an open transaction.

    Whoever changes a run as well takes the campaign first, so that no two wait for one another.
    """
    return db.session.get_one(Campaign, campaign_id, populate_existing=True, with_for_update={"key_share": True})


def change(
    chain_id: int, campaign_id: int, states: Iterable[CampaignState | str], *only: ColumnElement[bool], **values: Any
) -> Campaign | None:
    """Change the campaign if it is in one of the states and everything else holds; None when not."""
    campaign: Campaign | None = db.session.scalar(
        update(Campaign)
        .where(Campaign.id == campaign_id, Campaign.chain_id == chain_id, Campaign.state.in_(tuple(states)), *only)
        .values(**values)
        .returning(Campaign)
        .execution_options(populate_existing=True)
    )
    return campaign


def move(
    chain_id: int, campaign_id: int, states: Iterable[CampaignState | str], *only: ColumnElement[bool], **values: Any
) -> Campaign:
    """Change the campaign if it is in one of the states; raises CampaignNotFound, CampaignStateConflict.

    Where it is not the state but the rest that does not hold, CampaignNeedsApproval: ``only`` is what push/approving.py
    asks for.
    """
    states = tuple(states)
    campaign = change(chain_id, campaign_id, states, *only, **values)
    if campaign is None:
        found = get_campaign(chain_id, campaign_id)
        raise errors.CampaignNeedsApproval() if only and found.state in states else errors.CampaignStateConflict()
    return campaign


def move_runs(campaign_id: int, states: Iterable[RunState], state: RunState) -> Sequence[int]:
    """Change the runs that are in one of the states; their ids."""
    return db.session.scalars(
        update(Run)
        .where(Run.campaign_id == campaign_id, Run.state.in_(tuple(states)))
        .values(state=state)
        .returning(Run.id)
    ).all()


def note(action: str, campaign: Campaign, by: Author, now: datetime, **values: dict[str, Any]) -> None:
    """Write down who did what to the campaign, ``before`` and ``after``."""
    audit.note(
        action, chain_id=campaign.chain_id, object_kind="campaign", object_id=campaign.id, by=by, at=now, **values
    )
