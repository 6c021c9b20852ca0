"""A second person reads a push before it goes out, where the chain wants it so."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_, select

from core.audit import AuditEntry, Author
from core.db import db
from core.errors import DomainError
from core.text import Text
from coupons.models import Offer, OfferState
from push import errors
from push.audiences.conditions.kinds import quoted
from push.models import Campaign, CampaignState, PushPolicy
from push.moving import change, get_campaign, note
from push.timing.policies import get_oversight
from push.timing.scheduling import REPEATING

SENT_BACK = "campaign sent back"
WRITTEN = ("campaign created", "campaign edited", "campaign reworded")
LONGEST_REASON = 200
KEY = "key:"  # begins the name of an author that is an API key
READABLE = (CampaignState.DRAFT, CampaignState.MISSED, CampaignState.PAUSED)  # it waits, and can be read
OPEN = (*READABLE, CampaignState.SCHEDULED, CampaignState.RUNNING)  # it may still go out
AGAIN = (*REPEATING, "event")  # schedules that begin run after run
UNSUBMITTED = dict.fromkeys(("submitted_at", "submitted_by", "approved_at", "approved_by"))


def may_go(chain_id: int) -> ColumnElement[bool]:
    """That the campaign is approved, or need not be: a condition of whatever lets it go out."""
    wants = exists().where(PushPolicy.chain_id == chain_id, PushPolicy.needs_approval)
    return or_(~wants, Campaign.approved_at.is_not(None))


def submit_campaign(chain_id: int, campaign_id: int, *, by: Author, now: datetime) -> Campaign:
    """Let a campaign wait for the second person; again is harmless. Needs an open transaction.

    Raises CampaignNotFound, CampaignStateConflict.
    """
    submission = {"submitted_at": now, "submitted_by": by.name}
    campaign = change(chain_id, campaign_id, READABLE, Campaign.submitted_at.is_(None), **submission)
    if campaign is None:
        campaign = get_campaign(chain_id, campaign_id)
        if campaign.state not in READABLE:
            raise errors.CampaignStateConflict()
        return campaign
    note("campaign submitted", campaign, by, now)
    return campaign


def approve_campaign(
    chain_id: int, campaign_id: int, *, by: Author, now: datetime, submitted_at: datetime | None = None
) -> Campaign:
    """Approve what was submitted; it still has to be scheduled. Needs an open transaction.

    The second person neither submitted it nor wrote it as it stands, nor made the key that did. ``submitted_at`` is of
    the submission that he has read: another one is another message. An offer handed out with it is published: from then
    on its terms only get better. Raises CampaignNotFound, CampaignNotSubmitted, CampaignSecondPersonNeeded,
    CampaignChanged, CampaignOfferDraft.
    """
    if by.name in _first_people(get_campaign(chain_id, campaign_id)):
        raise errors.CampaignSecondPersonNeeded()
    is_read = () if submitted_at is None else (Campaign.submitted_at == submitted_at,)
    hands_draft_out = exists().where(Offer.id == Campaign.offer_id, Offer.state == OfferState.DRAFT)
    conditions = (Campaign.submitted_by != by.name, Campaign.approved_at.is_(None), ~hands_draft_out, *is_read)
    approval = {"approved_at": now, "approved_by": by.name}
    campaign = change(chain_id, campaign_id, READABLE, *conditions, **approval)
    if campaign is None:
        campaign = get_campaign(chain_id, campaign_id)
        if campaign.state not in READABLE or campaign.submitted_at is None:
            raise errors.CampaignNotSubmitted()
        if campaign.submitted_by == by.name:
            raise errors.CampaignSecondPersonNeeded()
        if submitted_at is not None and campaign.submitted_at != submitted_at:
            raise errors.CampaignChanged()
        if campaign.approved_at is None:
            raise errors.CampaignOfferDraft() if _hands_draft_out(campaign) else errors.CampaignChanged()
        return campaign
    note("campaign approved", campaign, by, now)
    return campaign


def _hands_draft_out(campaign: Campaign) -> bool:
    offer = db.session.get(Offer, campaign.offer_id, populate_existing=True) if campaign.offer_id else None
    return offer is not None and offer.state == OfferState.DRAFT


def send_back_campaign(chain_id: int, campaign_id: int, *, reason: str, by: Author, now: datetime) -> Campaign:
    """Give a submitted or approved campaign back to whoever wrote it, with a word. Needs an open transaction.

    Raises CampaignNotFound, CampaignNotSubmitted; CampaignInvalid without a word.
    """
    get_campaign(chain_id, campaign_id)
    reason = reason.strip()
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise errors.CampaignInvalid(Text("退回要写原因，最多 200 字。", "say why, in at most 200 characters."))
    campaign = change(chain_id, campaign_id, READABLE, Campaign.submitted_at.is_not(None), **UNSUBMITTED)
    if campaign is None:
        raise errors.CampaignNotSubmitted()
    note(SENT_BACK, campaign, by, now, after={"reason": reason})
    return campaign


def take_approvals(
    chain_id: int,
    campaign_ids: Sequence[int],
    refusal: type[DomainError],
    *,
    is_frozen: bool,
    by: Author,
    now: datetime,
) -> None:
    """What was approved with these campaigns is about to change: where the chain wants it so, they are read anew.

    One that would go out without that, because it is scheduled or under way, is the ``refusal``, which takes their
    ``names``. ``is_frozen``: a run that has begun keeps what is about to change. Needs an open transaction.
    """
    if not get_oversight(chain_id).needs_approval:
        return
    held = db.session.scalars(
        select(Campaign)
        .where(Campaign.chain_id == chain_id, Campaign.id.in_(campaign_ids), Campaign.state.in_(OPEN))
        .order_by(Campaign.id)
        .with_for_update(key_share=True)  # nobody approves or schedules one of them meanwhile
        .execution_options(populate_existing=True)
    ).all()
    going = [campaign.name for campaign in held if _goes_unread(campaign, is_frozen=is_frozen)]
    if going:
        raise refusal(names=quoted(going))
    for campaign in held:
        if change(chain_id, campaign.id, READABLE, Campaign.submitted_at.is_not(None), **UNSUBMITTED) is not None:
            note("campaign to be read anew", campaign, by, now)


def _goes_unread(campaign: Campaign, *, is_frozen: bool) -> bool:
    if campaign.state == CampaignState.RUNNING:
        return not is_frozen or campaign.schedule["kind"] in AGAIN
    return campaign.state == CampaignState.SCHEDULED


def waiting(chain_id: int, *, reader: str, limit: int) -> Sequence[Campaign]:
    """Campaigns that this person (``staff:7``) could approve, the longest waiting first."""
    if not get_oversight(chain_id).needs_approval:
        return []
    return db.session.scalars(
        select(Campaign)
        .where(
            Campaign.chain_id == chain_id,
            Campaign.state.in_(READABLE),
            Campaign.submitted_by != reader,
            Campaign.approved_at.is_(None),
        )
        .order_by(Campaign.submitted_at, Campaign.id)
        .limit(limit)
    ).all()


def find_reason(campaign: Campaign) -> str | None:
    """Why it was sent back, as long as it has not been submitted again."""
    if campaign.state not in READABLE or campaign.submitted_at is not None:
        return None
    after = db.session.scalar(_newest(AuditEntry.after, campaign.chain_id, campaign.id, SENT_BACK))
    return after and str(after["reason"])


def may_approve(campaign: Campaign, reader: str) -> bool:
    """Whether this person is the second one, for what waits."""
    waits = campaign.submitted_at is not None and campaign.approved_at is None and campaign.state in READABLE
    return waits and reader not in _first_people(campaign)


def _first_people(campaign: Campaign) -> set[str | None]:
    """Who submitted it and who wrote it as it stands. A key is nobody: it speaks for whoever made it."""
    names = {campaign.submitted_by, _last_writer(campaign.chain_id, campaign.id)}
    return names | {_maker(campaign.chain_id, name) for name in names if name and name.startswith(KEY)}


def _maker(chain_id: int, key: str) -> str | None:
    made = select(AuditEntry.actor).where(
        AuditEntry.chain_id == chain_id,
        AuditEntry.object_kind == "key",
        AuditEntry.object_id == int(key.removeprefix(KEY)),
        AuditEntry.action == "key created",
    )
    return db.session.scalar(made.limit(1))


def _last_writer(chain_id: int, campaign_id: int) -> str | None:
    writer: str | None = db.session.scalar(_newest(AuditEntry.actor, chain_id, campaign_id, *WRITTEN))
    return writer


def _newest(column: Any, chain_id: int, campaign_id: int, *actions: str) -> Select[Any]:
    """Of the newest note about such an action."""
    return (
        select(column)
        .where(
            AuditEntry.chain_id == chain_id,
            AuditEntry.object_kind == "campaign",
            AuditEntry.object_id == campaign_id,
            AuditEntry.action.in_(actions),
        )
        .order_by(AuditEntry.id.desc())
        .limit(1)
    )
