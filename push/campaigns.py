"""Campaigns: written as drafts, scheduled, stopped, paused, resumed, cancelled. push/runs.py lets them go out.

push/approving.py has a second person read them first, push/rewording.py changes what has not gone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import and_, select, update

from core.audit import Author
from core.db import db
from core.hot import this_transaction
from core.text import Text
from coupons.models import Offer, OfferState
from push import errors
from push.approving import UNSUBMITTED, may_go
from push.audiences.segments import check_audience
from push.models import (
    Campaign,
    CampaignState,
    ChannelMode,
    Delivery,
    DeliveryState,
    Purpose,
    PushChannel,
    Run,
    RunState,
    SkipReason,
)
from push.moving import get_campaign, move, move_runs, note
from push.partners.telling import tell
from push.timing import scheduling
from push.timing.policies import get_oversight
from push.timing.zones import zones_of
from push.wording.texts import check_texts, check_variables
from push.wording.variants import LABELS, check_variants
from push.wording.vendor_templates import check_chosen
from stores.models import Chain

EDITABLE = (CampaignState.DRAFT, CampaignState.MISSED)
PAUSABLE = (CampaignState.SCHEDULED, CampaignState.RUNNING)
CANCELLABLE = (
    CampaignState.DRAFT,
    CampaignState.SCHEDULED,
    CampaignState.RUNNING,
    CampaignState.PAUSED,
    CampaignState.MISSED,
)
LONGEST_TITLE, LONGEST_TITLE_EN, LONGEST_BODY = 80, 120, 1000
MOST_HOLDOUT_BP = 5000


@dataclass(frozen=True)
class Draft:
    """What head office writes down. Of the two languages the chain's own is needed; the other may be empty."""

    name: str
    audience: dict[str, Any]
    channels: Sequence[str]
    title: str = ""
    title_en: str = ""
    body: str = ""
    body_en: str = ""
    offer_id: int | None = None
    purpose: str = Purpose.PROMOTION
    channel_mode: str = ChannelMode.EVERY
    holdout_bp: int = 0
    variants: Sequence[dict[str, Any]] = ()
    texts: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=lambda: {"kind": "now"})


def create_campaign(chain_id: int, draft: Draft, *, by: Author, now: datetime) -> Campaign:
    """Write a draft down. Needs an open transaction; raises CampaignInvalid, AudienceInvalid, ScheduleInvalid."""
    values = checked(chain_id, draft)
    campaign = Campaign(chain_id=chain_id, state=CampaignState.DRAFT, created_by=by.name, created_at=now, **values)
    db.session.add(campaign)
    db.session.flush()
    note("campaign created", campaign, by, now, after=_plain(values))
    return campaign


def edit_campaign(chain_id: int, campaign_id: int, draft: Draft, *, by: Author, now: datetime) -> Campaign:
    """Write a draft anew. Needs an open transaction; a campaign that is out or scheduled must be stopped first.

    What was approved is not, any more.
    """
    values = checked(chain_id, draft)
    before = _plain({name: getattr(get_campaign(chain_id, campaign_id), name) for name in values})
    campaign = move(chain_id, campaign_id, EDITABLE, **values, **UNSUBMITTED)
    note("campaign edited", campaign, by, now, before=before, after=_plain(values))
    return campaign


def schedule_campaign(
    chain_id: int, campaign_id: int, schedule: dict[str, Any] | None = None, *, by: Author, now: datetime
) -> Campaign:
    """Let a draft, or one that was missed, go out by its schedule or by another. Needs an open transaction.

    What goes out at once waits ten minutes, in which ``stop_campaign`` takes it back. Where the chain wants a second
    person, CampaignNeedsApproval without his word; another schedule than the one he read is another campaign. One that
    was missed may go at another time, once.
    """
    seen = get_campaign(chain_id, campaign_id)
    checked_schedule = scheduling.check_schedule(schedule or seen.schedule)
    is_later = seen.state == CampaignState.MISSED and checked_schedule["kind"] in ("now", "at")
    if checked_schedule != seen.schedule and not is_later and get_oversight(chain_id).needs_approval:
        raise errors.CampaignNeedsApproval()
    chain = db.session.get_one(Chain, chain_id)
    due = scheduling.first_due(checked_schedule, chain.timezone, now=now, zones=zones_of(chain))
    return _schedule(chain, campaign_id, EDITABLE, checked_schedule, due, by=by, now=now)


def send_missed(chain_id: int, campaign_id: int, *, by: Author, now: datetime) -> Campaign:
    """Let a campaign that was missed go out after all, in ten minutes; one that recurs keeps its times.

    Needs an open transaction; raises CampaignStateConflict, ScheduleInvalid when its last day is over.
    """
    seen = get_campaign(chain_id, campaign_id)
    schedule, due = seen.schedule, now + scheduling.UNDO
    if schedule["kind"] == "at":
        schedule = {"kind": "now", "fresh_hours": schedule.get("fresh_hours", scheduling.FRESH_HOURS)}
    chain = db.session.get_one(Chain, chain_id)
    end = scheduling.end_of(schedule, chain.timezone, zones_of(chain))
    if end is not None and end <= due:
        raise errors.ScheduleInvalid(Text("结束日期已经过了。", "its last day is over."), "until")
    return _schedule(chain, campaign_id, (CampaignState.MISSED,), schedule, due, by=by, now=now)


def _schedule(
    chain: Chain,
    campaign_id: int,
    states: Sequence[CampaignState],
    schedule: dict[str, Any],
    due: datetime,
    *,
    by: Author,
    now: datetime,
) -> Campaign:
    window = _window(schedule, chain, due)
    values = {"state": CampaignState.SCHEDULED, "schedule": schedule, "next_run_at": due} | window
    campaign = move(chain.id, campaign_id, states, may_go(chain.id), **values)
    _check_offer(chain.id, campaign.offer_id)
    note("campaign scheduled", campaign, by, now, after={"schedule": schedule, "next_run_at": due.isoformat()})
    return campaign


def stop_campaign(chain_id: int, campaign_id: int, *, by: Author, now: datetime) -> Campaign:
    """Take a scheduled campaign back to a draft, before it goes out. Needs an open transaction; raises UndoOver."""
    try:
        campaign = move(
            chain_id,
            campaign_id,
            (CampaignState.SCHEDULED,),
            state=CampaignState.DRAFT,
            next_run_at=None,
            send_at=None,
            send_until=None,
        )
    except errors.CampaignStateConflict:
        if get_campaign(chain_id, campaign_id).state in (CampaignState.RUNNING, CampaignState.FINISHED):
            raise errors.UndoOver() from None
        raise
    note("campaign stopped", campaign, by, now, after={"state": campaign.state})
    return campaign


def pause_campaign(chain_id: int, campaign_id: int, *, by: Author, now: datetime) -> Campaign:
    """Hold everything that has not gone. Needs an open transaction."""
    campaign = move(chain_id, campaign_id, PAUSABLE, state=CampaignState.PAUSED)
    move_runs(campaign_id, (RunState.RUNNING,), RunState.PAUSED)
    note("campaign paused", campaign, by, now, after={"state": campaign.state})
    return campaign


def resume_campaign(chain_id: int, campaign_id: int, *, by: Author, now: datetime) -> Campaign:
    """Go on where it was paused; a recurring one that was missed waits for its next time. Needs an open transaction.

    A time that passed meanwhile is not made up for: what was to go once goes in ten minutes, what recurs next time.
    """
    seen = get_campaign(chain_id, campaign_id)
    if seen.state not in (CampaignState.PAUSED, CampaignState.MISSED):
        raise errors.CampaignStateConflict()
    # First, as pausing and cancelling do.
    move(chain_id, campaign_id, (seen.state,), may_go(chain_id), state=CampaignState.RUNNING)
    runs = move_runs(campaign_id, (RunState.PAUSED,), RunState.RUNNING)  # errors seen so far pause it no second time
    chain = db.session.get_one(Chain, chain_id)
    due = _due_after_pause(seen, chain, has_runs=bool(runs), now=now)
    values: dict[str, Any] = {"next_run_at": due}
    if due is not None:
        values |= _window(seen.schedule, chain, due)
    is_going = bool(runs) or (seen.schedule["kind"] == "event" and due is None)
    state = CampaignState.RUNNING if is_going else CampaignState.SCHEDULED if due else CampaignState.FINISHED
    campaign = move(chain_id, campaign_id, (CampaignState.RUNNING,), state=state, **values)
    note("campaign resumed", campaign, by, now, after={"state": campaign.state})
    return campaign


def _due_after_pause(campaign: Campaign, chain: Chain, *, has_runs: bool, now: datetime) -> datetime | None:
    if campaign.next_run_at is not None and campaign.next_run_at > now:
        return campaign.next_run_at
    if campaign.schedule["kind"] == "event" and campaign.next_run_at is None:
        return None  # it had begun
    if campaign.schedule["kind"] in scheduling.REPEATING:
        return scheduling.next_occurrence(campaign.schedule, chain.timezone, after=now, zones=zones_of(chain))
    return None if has_runs or _has_run(campaign.id) else now + scheduling.UNDO


def cancel_campaign(chain_id: int, campaign_id: int, *, by: Author, now: datetime) -> Campaign:
    """End it for good; what has not gone is stale. Needs an open transaction."""
    campaign = move(chain_id, campaign_id, CANCELLABLE, state=CampaignState.CANCELLED, next_run_at=None)
    runs = move_runs(campaign_id, (RunState.RUNNING, RunState.PAUSED), RunState.CANCELLED)
    dropped: Sequence[int] = ()
    if runs:
        pending = and_(Delivery.run_id.in_(runs), Delivery.state == DeliveryState.PENDING)
        # What a worker decides about right now is not waited for: push/sweeping.py closes what it leaves.
        free = select(Delivery.id).where(pending).with_for_update(skip_locked=True)
        dropped = db.session.scalars(
            update(Delivery)
            .where(Delivery.id.in_(free), pending)
            .values(state=DeliveryState.SKIPPED, reason=SkipReason.STALE)
            .returning(Delivery.id)
        ).all()
    tell(this_transaction(), dropped, now=now)
    note("campaign cancelled", campaign, by, now, after={"state": campaign.state, "not_sent": len(dropped)})
    return campaign


def list_campaigns(chain_id: int, *, after: int | None = None, limit: int = 50) -> Sequence[Campaign]:
    """Newest first; ``after`` is the id of the last one seen."""
    query = select(Campaign).filter_by(chain_id=chain_id)
    if after is not None:
        query = query.where(Campaign.id < after)
    return db.session.scalars(query.order_by(Campaign.id.desc()).limit(limit)).all()


def _has_run(campaign_id: int) -> bool:
    return db.session.scalar(select(Run.id).where(Run.campaign_id == campaign_id).limit(1)) is not None


def _window(schedule: dict[str, Any], chain: Chain, due: datetime) -> dict[str, datetime | None]:
    """From when until when the campaign may send: its one run, or all its recurrences."""
    last = scheduling.end_of(schedule, chain.timezone, zones_of(chain))
    if schedule["kind"] == "event":
        return {"send_at": due, "send_until": last}
    if schedule["kind"] in scheduling.REPEATING:
        return {"send_at": None, "send_until": last}
    return {"send_at": due, "send_until": scheduling.stale_after(schedule, due)}


def checked(chain_id: int, draft: Draft) -> dict[str, Any]:
    chain = db.session.get_one(Chain, chain_id)
    values = asdict(draft) | {
        "name": _one_line(draft.name),
        "title": _one_line(draft.title),
        "title_en": _one_line(draft.title_en),
        "body": draft.body.strip(),
        "body_en": draft.body_en.strip(),
        "channels": _channels(draft),
        "variants": check_variants(list(draft.variants)),
    }
    for holds, part, problem in _rules(chain, draft, values):
        if not holds:
            raise errors.CampaignInvalid(problem, part)
    labels = {each["label"] for each in values["variants"]} or {LABELS[0]}
    values["texts"] = check_texts(draft.texts, labels, chain.language)
    check_chosen(chain_id, values["channels"], labels, values["texts"])
    for part in ("title", "title_en", "body", "body_en"):
        check_variables(values[part], part)
    _check_offer(chain_id, draft.offer_id)
    values["audience"] = check_audience(chain_id, draft.audience)
    values["schedule"] = scheduling.check_schedule(draft.schedule)
    return values


def _channels(draft: Draft) -> list[str]:
    """In the order of choice where the first that reaches a member is taken, else in our own."""
    order = draft.channels if draft.channel_mode == ChannelMode.FIRST else list(PushChannel)
    return [str(channel) for channel in dict.fromkeys(order) if channel in set(draft.channels) & set(PushChannel)]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _rules(chain: Chain, draft: Draft, values: dict[str, Any]) -> list[tuple[bool, str, Text]]:
    """Whether each holds, the part that it is about, and what to say where it does not."""
    other = Text("另一种语言也要有标题和内容，或都不写。", "the other language needs both title and text, or neither.")
    own = Text("写上标题和内容。", "write a title and a text in the chain's language.")
    too_long = Text("标题太长。", "the title is too long.")
    much_text = Text("内容最多 1000 字。", "the text has 1000 characters at most.")
    is_whole_share = type(draft.holdout_bp) is int and 0 <= draft.holdout_bp <= MOST_HOLDOUT_BP
    return [
        (bool(values["name"]), "name", Text("给它起个名字。", "give it a name.")),
        (len(values["name"]) <= 80, "name", Text("名字太长。", "its name is too long.")),
        (
            len(values["channels"]) == len(set(draft.channels)),
            "channels",
            Text("没有这个渠道。", "there is no such channel."),
        ),
        (bool(values["channels"]), "channels", Text("至少选一个渠道。", "choose at least one channel.")),
        *_both_said(values, "" if chain.language == "zh" else "_en", own, is_needed=True),
        *_both_said(values, "_en" if chain.language == "zh" else "", other, is_needed=False),
        (draft.purpose in set(Purpose), "purpose", Text("用途是促销或服务。", "its purpose is promotion or service.")),
        (
            draft.channel_mode in set(ChannelMode),
            "channel_mode",
            Text("没有这种发法。", "channels are used every one, or the first."),
        ),
        (
            is_whole_share,
            "holdout_bp",
            Text("对照组要在 0 到 50% 之间。", "hold out from 0 to 50% of the audience."),
        ),
        (len(values["title"]) <= LONGEST_TITLE, "title", too_long),
        (len(values["title_en"]) <= LONGEST_TITLE_EN, "title_en", too_long),
        (len(values["body"]) <= LONGEST_BODY, "body", much_text),
        (len(values["body_en"]) <= LONGEST_BODY, "body_en", much_text),
    ]


def _both_said(
    values: dict[str, Any], language: str, problem: Text, *, is_needed: bool
) -> Iterator[tuple[bool, str, Text]]:
    """A title and a text belong together; the one that is missing is the part that is wrong."""
    title, body = f"title{language}", f"body{language}"
    is_said = is_needed or bool(values[title] or values[body])
    yield bool(values[title]) or not is_said, title, problem
    yield bool(values[body]) or not is_said, body, problem


def _check_offer(chain_id: int, offer_id: int | None) -> None:
    if offer_id is None:
        return
    state = db.session.scalar(select(Offer.state).where(Offer.id == offer_id, Offer.chain_id == chain_id))
    if state is None or state == OfferState.ENDED:
        problem = Text("要送的券已经没有了。", "the offer it hands out is not there any more.")
        raise errors.CampaignInvalid(problem, "offer_id")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items() if v is not None}
