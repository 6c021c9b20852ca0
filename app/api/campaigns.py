"""Campaigns for head office's own systems: write, schedule, pause, resume, cancel; and what their runs did."""

from collections.abc import Callable
from typing import Any

from flask import url_for
from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.api.idempotent import in_one_transaction
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import HQ, HQ_ADMIN, access, actor, author
from app.security import LARGEST
from core.clock import utc_now
from push import campaigns, runs, scheduling, segments
from push.models import Campaign, PushChannel, Run

bp = api_blueprint("campaigns", "Pushes to members")

ID = "<int:campaign_id>"
CONDITIONS = ", ".join(f"{field} {op}" for field, op in segments.CONDITIONS)
plain_text = validate.ContainsNoneOf("\0")


class ConditionSchema(Schema):
    """One condition on a member and his card."""

    field = fields.String(required=True, validate=plain_text, metadata={"description": f"with op: {CONDITIONS}"})
    op = fields.String(required=True, validate=plain_text)
    value = fields.Raw(
        required=True, metadata={"description": "ids for in, whole days for …_days, a day such as 2026-05-20 else"}
    )


class AudienceSchema(Schema):
    """Who is meant: every condition must hold; none means everybody."""

    all = fields.List(fields.Nested(ConditionSchema), load_default=list)


class ScheduleSchema(Schema):
    """When it goes out: ``now`` (in ten minutes), ``at`` a time, or ``recurring`` on weekdays, by the chain's clock."""

    kind = fields.String(validate=validate.OneOf(list(scheduling.ALLOWED)))
    at = fields.String(
        validate=plain_text, metadata={"description": "2026-05-20T18:00 by the chain's clock, or with an offset"}
    )
    weekdays = fields.List(fields.String(validate=validate.OneOf(scheduling.WEEKDAYS)))
    time = fields.String(validate=plain_text, metadata={"description": "18:00"})
    until = fields.String(validate=plain_text, metadata={"description": "the last day of a recurring campaign"})
    fresh_hours = fields.Integer(
        strict=True,
        metadata={"description": "how long after its time a message is still worth sending; 24 unless told"},
    )


class CampaignDraftSchema(Schema):
    """What head office writes down. Of the two languages the chain's own is needed."""

    name = fields.String(required=True, validate=plain_text)
    audience = fields.Nested(AudienceSchema, load_default=lambda: {"all": []})
    channels = fields.List(
        fields.String(validate=validate.OneOf(list(PushChannel))), required=True, validate=validate.Length(min=1)
    )
    title = fields.String(load_default="", validate=plain_text)
    title_en = fields.String(load_default="", validate=plain_text)
    body = fields.String(load_default="", validate=plain_text)
    body_en = fields.String(load_default="", validate=plain_text)
    offer_id = fields.Integer(
        strict=True,
        load_default=None,
        allow_none=True,
        validate=validate.Range(1, LARGEST),
        metadata={"description": "an offer whose coupon comes with the message"},
    )
    schedule = fields.Nested(ScheduleSchema, load_default=lambda: {"kind": "now"})


class CampaignSchema(Schema):
    """A campaign as it stands."""

    id = fields.Integer()
    state = fields.String()
    name = fields.String()
    audience = fields.Dict()
    channels = fields.List(fields.String())
    title = fields.String()
    title_en = fields.String()
    body = fields.String()
    body_en = fields.String()
    offer_id = fields.Integer(allow_none=True)
    schedule = fields.Dict()
    next_run_at = fields.AwareDateTime(format="iso", allow_none=True)
    send_until = fields.AwareDateTime(format="iso", allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    url = fields.String(metadata={"description": "its page in the dashboard"})


class RunSchema(Schema):
    """One going-out. audience = pending + sending + sent + delivered + failed + skipped, always."""

    id = fields.Integer()
    campaign_id = fields.Integer()
    state = fields.String()
    due_at = fields.AwareDateTime(format="iso")
    send_until = fields.AwareDateTime(format="iso")
    started_at = fields.AwareDateTime(format="iso")
    finished_at = fields.AwareDateTime(format="iso", allow_none=True)
    audience = fields.Integer(metadata={"description": "deliveries: one for each member and channel"})
    pending = fields.Integer()
    sending = fields.Integer()
    sent = fields.Integer()
    delivered = fields.Integer()
    failed = fields.Integer()
    skipped = fields.Integer()
    reasons = fields.Dict(
        keys=fields.String(), values=fields.Integer(), metadata={"description": "why skipped; the sum is skipped"}
    )
    channels = fields.Dict(
        keys=fields.String(), values=fields.Dict(), metadata={"description": "the same states for each channel"}
    )


@bp.post("/campaigns")
@access(*HQ_ADMIN)
@bp.arguments(CampaignDraftSchema)
@bp.alt_response(201, schema=CampaignSchema)
@in_one_transaction
def create(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
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


@bp.post(f"/campaigns/{ID}/schedule")
@access(*HQ_ADMIN)
@bp.arguments(ScheduleSchema, required=False)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def schedule(body: dict[str, Any], campaign_id: int) -> tuple[dict[str, Any], int]:
    """Let a draft (or one that was missed) go out, by the schedule it was written with or by another one.

    ``now`` waits ten minutes, in which ``cancel`` stops it.
    """
    scheduled = campaigns.schedule_campaign(actor().chain_id, campaign_id, body or None, by=author(), now=utc_now())
    return campaign_json(scheduled), 200


@bp.post(f"/campaigns/{ID}/pause")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def pause(campaign_id: int) -> tuple[dict[str, Any], int]:
    """Hold everything that has not gone."""
    return _change(campaigns.pause_campaign, campaign_id)


@bp.post(f"/campaigns/{ID}/resume")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def resume(campaign_id: int) -> tuple[dict[str, Any], int]:
    """Go on where it was paused."""
    return _change(campaigns.resume_campaign, campaign_id)


@bp.post(f"/campaigns/{ID}/cancel")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CampaignSchema)
@in_one_transaction
def cancel(campaign_id: int) -> tuple[dict[str, Any], int]:
    """End it for good; what has not gone is skipped as stale."""
    return _change(campaigns.cancel_campaign, campaign_id)


@bp.get(f"/campaigns/{ID}/runs")
@access(*HQ)
@bp.arguments(PageQuery, location="query")
@bp.response(200, page_schema(RunSchema))
def list_runs(asked: dict[str, Any], campaign_id: int) -> dict[str, Any]:
    """The runs of a campaign, newest first, with counts that add up."""
    campaigns.get_campaign(actor().chain_id, campaign_id)
    found = runs.list_runs(actor().chain_id, campaign_id, after=asked["cursor"], limit=asked["limit"])
    sums = runs.count_states([run.id for run in found])
    return page(found, limit=asked["limit"], show=lambda run: _run_columns(run, sums[run.id]))


def _change(change: Callable[..., Campaign], campaign_id: int) -> tuple[dict[str, Any], int]:
    return campaign_json(change(actor().chain_id, campaign_id, by=author(), now=utc_now())), 200


def campaign_json(campaign: Campaign) -> dict[str, Any]:
    """A campaign as the API answers it, in plain values."""
    return dict(CampaignSchema().dump(_columns(campaign)))


def _columns(campaign: Campaign) -> dict[str, Any]:
    columns = {name: getattr(campaign, name) for name in CampaignSchema().fields if name != "url"}
    return columns | {"url": url_for("campaigns.show", campaign_id=campaign.id, _external=True)}


def _run_columns(run: Run, sums: runs.Sums) -> dict[str, Any]:
    columns = ("id", "campaign_id", "state", "due_at", "send_until", "started_at", "finished_at")
    counted = {"audience": sums.audience, "reasons": sums.reasons, "channels": sums.channels}
    return {name: getattr(run, name) for name in columns} | sums.states | counted
