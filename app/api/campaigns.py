"""Campaigns for head office's own systems: write, schedule, pause, resume, cancel; and what their runs did.

Approving is not among it: that is for a person, on the campaign's page, and a key is nobody.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from flask import url_for

from app.api.blueprint import api_blueprint
from app.api.campaign_schemas import (
    CalendarQuery,
    CalendarSchema,
    CampaignDraftSchema,
    CampaignSchema,
    MessageCountSchema,
    MissedSchema,
    ProgressSchema,
    RetrySchema,
    RunSchema,
    ScheduleSchema,
    TimesSchema,
    WordsSchema,
)
from app.api.idempotent import in_one_transaction
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import HQ, HQ_ADMIN, access, actor, author
from core.clock import business_day, utc_now
from core.text import Text
from push import approving, campaigns, errors, progress, rewording, runs, sentences, watching
from push.models import Campaign, Run
from push.timing import planning
from push.timing.policies import get_policy
from stores.queries import get_chain

bp = api_blueprint("campaigns", "Pushes to members")

ID = "<int:campaign_id>"
RUN = f"{ID}/runs/<int:run_id>"
USUAL, MOST = timedelta(days=30), timedelta(days=61)  # after the first day of a calendar
Answered = tuple[dict[str, Any], int]


@bp.post("/campaigns")
@access(*HQ_ADMIN)
@bp.arguments(CampaignDraftSchema)
@bp.alt_response(201, schema=CampaignSchema)
@in_one_transaction
def create(body: dict[str, Any]) -> Answered:
    """Write a campaign down as a draft. Nothing goes out before it is scheduled."""
    draft = campaigns.Draft(**body)
    return campaign_json(campaigns.create_campaign(actor().chain_id, draft, by=author(), now=utc_now())), 201


@bp.get("/campaigns")
@access(*HQ)
@bp.arguments(PageQuery, location="query")
@bp.response(200, page_schema(CampaignSchema))
def list_all(asked: dict[str, Any]) -> dict[str, Any]:
    """The chain's campaigns, newest first."""
    rows = campaigns.list_campaigns(actor().chain_id, after=asked["cursor"], limit=asked["limit"])
    return page(rows, limit=asked["limit"], show=_columns)


@bp.get(f"/campaigns/{ID}")
@access(*HQ)
@bp.response(200, CampaignSchema)
def show(campaign_id: int) -> dict[str, Any]:
    """One campaign."""
    return _columns(campaigns.get_campaign(actor().chain_id, campaign_id))


@bp.put(f"/campaigns/{ID}")
@access(*HQ_ADMIN)
@bp.arguments(CampaignDraftSchema)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def rewrite(body: dict[str, Any], campaign_id: int) -> Answered:
    """Write a draft anew, or one that was missed. What was approved is not, any more."""
    draft = campaigns.Draft(**body)
    return campaign_json(campaigns.edit_campaign(actor().chain_id, campaign_id, draft, by=author(), now=utc_now())), 200


@bp.get(f"/campaigns/{ID}/times")
@access(*HQ)
@bp.response(200, TimesSchema)
def list_times(campaign_id: int) -> dict[str, Any]:
    """When it goes out next, the next five times; as if it were scheduled now, when it is not."""
    campaign, chain = campaigns.get_campaign(actor().chain_id, campaign_id), get_chain(actor().chain_id)
    return {
        "sentence": _both(sentences.schedule_sentence(campaign.schedule, chain.timezone)),
        "times": planning.next_times(campaign.schedule, chain, now=utc_now()),
    }


@bp.post(f"/campaigns/{ID}/submit")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def submit(campaign_id: int) -> Answered:
    """Let it wait for a person to approve it, where the chain wants that."""
    return _change(approving.submit_campaign, campaign_id)


@bp.post(f"/campaigns/{ID}/schedule")
@access(*HQ_ADMIN)
@bp.arguments(ScheduleSchema, required=False)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def schedule(body: dict[str, Any], campaign_id: int) -> Answered:
    """Let a draft (or one that was missed) go out, by the schedule it was written with or by another one.

    ``now`` waits ten minutes, in which ``stop`` takes it back.
    """
    scheduled = campaigns.schedule_campaign(actor().chain_id, campaign_id, body or None, by=author(), now=utc_now())
    return campaign_json(scheduled), 200


@bp.post(f"/campaigns/{ID}/stop")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def stop(campaign_id: int) -> Answered:
    """Take a scheduled campaign back to a draft, before it goes out."""
    return _change(campaigns.stop_campaign, campaign_id)


@bp.post(f"/campaigns/{ID}/missed")
@access(*HQ_ADMIN)
@bp.arguments(MissedSchema)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def decide_missed(body: dict[str, Any], campaign_id: int) -> Answered:
    """Decide about one whose time passed while nothing was running; it is not sent late without asking."""
    changes = {
        "now": campaigns.send_missed,
        "next": campaigns.resume_campaign,
        "drop": campaigns.cancel_campaign,
    }
    return _change(changes[body["do"]], campaign_id)


@bp.post(f"/campaigns/{ID}/pause")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def pause(campaign_id: int) -> Answered:
    """Hold everything that has not gone."""
    return _change(campaigns.pause_campaign, campaign_id)


@bp.post(f"/campaigns/{ID}/resume")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def resume(campaign_id: int) -> Answered:
    """Go on where it was paused."""
    return _change(campaigns.resume_campaign, campaign_id)


@bp.post(f"/campaigns/{ID}/cancel")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def cancel(campaign_id: int) -> Answered:
    """End it for good; what has not gone is skipped as stale."""
    return _change(campaigns.cancel_campaign, campaign_id)


@bp.put(f"/campaigns/{ID}/words")
@access(*HQ_ADMIN)
@bp.arguments(WordsSchema)
@bp.alt_response(200, schema=MessageCountSchema)
@in_one_transaction
def reword(body: dict[str, Any], campaign_id: int) -> Answered:
    """Let what has not gone of a paused campaign say something else. What has gone keeps its words."""
    wording = rewording.Wording(**body)
    moved = rewording.reword_campaign(actor().chain_id, campaign_id, wording, by=author(), now=utc_now())
    return {"messages": moved}, 200


@bp.get(f"/campaigns/{ID}/runs")
@access(*HQ)
@bp.arguments(PageQuery, location="query")
@bp.response(200, page_schema(RunSchema))
def list_runs(asked: dict[str, Any], campaign_id: int) -> dict[str, Any]:
    """The runs of a campaign, newest first, with counts that add up."""
    campaigns.get_campaign(actor().chain_id, campaign_id)
    found = runs.list_runs(actor().chain_id, campaign_id, after=asked["cursor"], limit=asked["limit"])
    sums = runs.count_sums([run.id for run in found])
    return page(found, limit=asked["limit"], show=lambda run: _run_columns(run, sums[run.id]))


@bp.get(f"/campaigns/{RUN}")
@access(*HQ)
@bp.response(200, ProgressSchema)
def show_run(campaign_id: int, run_id: int) -> dict[str, Any]:
    """One run: how far it came, how fast it goes, what goes wrong."""
    run = _run(campaign_id, run_id)
    seen = progress.progress_of(run, now=utc_now())
    return _run_columns(run, seen.sums) | {
        "last_minute": seen.last_minute,
        "waiting_for_their_hour": seen.later,
        "through_at": seen.through_at(),
        "errors": [
            {"error": each.error, "meaning": _both(each.words), "failed": each.failed, "tried_again": each.again}
            for each in progress.troubles_of(run.id)
        ],
    }


@bp.post(f"/campaigns/{RUN}/retry")
@access(*HQ_ADMIN)
@bp.arguments(RetrySchema, required=False)
@bp.alt_response(200, schema=MessageCountSchema)
@in_one_transaction
def retry(body: dict[str, Any], campaign_id: int, run_id: int) -> Answered:
    """Try again what failed in a run: one kind of error, or all of it."""
    run = _run(campaign_id, run_id)
    error = (body or {}).get("error")
    again = watching.retry_failed(actor().chain_id, run.id, error=error, by=author(), now=utc_now())
    return {"messages": again}, 200


@bp.get("/campaigns/calendar")
@access(*HQ)
@bp.arguments(CalendarQuery, location="query")
@bp.response(200, CalendarSchema)
def show_calendar(asked: dict[str, date | None]) -> dict[str, Any]:
    """Every push of some days: what went out with what became of it, and what is to come as far as it is known."""
    chain, now, policy = get_chain(actor().chain_id), utc_now(), get_policy(actor().chain_id)
    first = asked["first"] or business_day(now, chain.timezone)
    last = min(asked["last"] or first + USUAL, first + MOST)
    found = planning.calendar_of(chain, first, last, now=now)
    return {
        "days": [
            {
                "day": day.day,
                "promotions": day.promotions,
                "promotions_in_seven_days": day.in_week,
                "exceeds_caps": day.exceeds(policy),
                "entries": [_entry_columns(entry) for entry in day.entries],
            }
            for day in found.days
        ]
    }


def _run(campaign_id: int, run_id: int) -> Run:
    campaigns.get_campaign(actor().chain_id, campaign_id)
    run = runs.find_run(actor().chain_id, campaign_id, run_id)
    if run is None:
        raise errors.RunNotFound()
    return run


def _change(change: Callable[..., Campaign], campaign_id: int) -> Answered:
    return campaign_json(change(actor().chain_id, campaign_id, by=author(), now=utc_now())), 200


def campaign_json(campaign: Campaign) -> dict[str, Any]:
    """A campaign as the API answers it, in plain values."""
    return dict(CampaignSchema().dump(_columns(campaign)))


def _columns(campaign: Campaign) -> dict[str, Any]:
    columns = {name: getattr(campaign, name) for name in CampaignSchema().fields if name != "url"}
    return columns | {"url": url_for("campaigns.show", campaign_id=campaign.id, _external=True)}


def _run_columns(run: Run, sums: runs.Sums) -> dict[str, Any]:
    counted = {"audience", "reasons", "channels", *sums.states}
    own = {name: getattr(run, name) for name in RunSchema().fields if name not in counted}
    return own | sums.states | {"audience": sums.audience, "reasons": sums.reasons, "channels": sums.channels}


def _entry_columns(entry: planning.Entry) -> dict[str, Any]:
    own = {name: getattr(entry, name) for name in ("at", "runs", "audience", "arrived", "waiting")}
    return own | {"campaign_id": entry.campaign.id, "name": entry.campaign.name, "state": entry.campaign.state}


def _both(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}
