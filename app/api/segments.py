"""Segments for head office's own systems: keep, change, put away, count."""

from typing import Any

from flask import url_for
from marshmallow import Schema, fields, validate

from app.api.audiences import audience_field
from app.api.blueprint import api_blueprint
from app.api.idempotent import in_one_transaction
from app.api.offer_schemas import SentenceSchema
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import HQ, HQ_ADMIN, access, actor, author
from app.dashboard.pushes.condition_inputs import EVERYBODY, each_choice
from core.clock import utc_now
from push import sentences
from push.audiences import saved_segments, segments
from push.audiences.models import ReadyMade, Segment
from push.models import PushChannel
from stores.queries import get_chain

bp = api_blueprint("segments", "Members who have something in common")

SEGMENT = "/segments/<int:segment_id>"
Answered = tuple[dict[str, Any], int]
KINDS = {"money": "amount_cents", "lately": "whole or null", "stores": "ids", "store": "id", "segment": "id"}
KINDS |= dict.fromkeys(("tiers", "programs", "offers", "campaigns"), "ids")
KINDS |= dict.fromkeys(("address", "channel", "purpose"), "word") | dict.fromkeys(("languages", "states"), "words")
KINDS |= {"months": "1 to 12 each"}


class WriteSegmentSchema(Schema):
    """A name for rules."""

    name = fields.String(
        required=True,
        validate=[validate.Length(1, saved_segments.LONGEST_NAME), validate.ContainsNoneOf("\0")],
    )
    audience = audience_field(required=True)


class SegmentSchema(Schema):
    """A saved segment."""

    id = fields.Integer()
    name = fields.String()
    audience = fields.Dict(attribute="rules")
    sentence = fields.Nested(SentenceSchema, metadata={"description": "whom it means, for people"})
    ready_made = fields.String(allow_none=True, validate=validate.OneOf(list(ReadyMade)))
    created_at = fields.AwareDateTime(format="iso")
    archived_at = fields.AwareDateTime(format="iso", allow_none=True)
    url = fields.String(metadata={"description": "its page in the dashboard"})


class CountSchema(Schema):
    """Rules to count, and the channels to count them for."""

    audience = audience_field(load_default=lambda: {"all": []})
    channels = fields.List(
        fields.String(validate=validate.OneOf(list(PushChannel))),
        load_default=list,
        validate=validate.Length(max=len(PushChannel)),
        metadata={"description": "count those whom each of these would reach now, too"},
    )


class CountedAudienceSchema(Schema):
    """How many are meant now."""

    members = fields.Integer()
    by_channel = fields.Dict(keys=fields.String(), values=fields.Integer())
    audience = fields.Dict(metadata={"description": "the rules in their one spelling"})
    sentence = fields.Nested(SentenceSchema)


class KnownConditionSchema(Schema):
    """A condition that rules may have."""

    field = fields.String()
    op = fields.String()
    words = fields.Nested(SentenceSchema)
    value = fields.Dict(
        keys=fields.String(), values=fields.String(), metadata={"description": "its parts; value alone is no object"}
    )


class KnownConditionsSchema(Schema):
    """All of them."""

    items = fields.List(fields.Nested(KnownConditionSchema))


@bp.get("/segments/conditions")
@access(*HQ)
@bp.response(200, KnownConditionsSchema)
def list_conditions() -> dict[str, Any]:
    """The conditions that rules may have, and what each takes as its value."""
    return {"items": [_condition(choice) for choice in each_choice() if choice.what != EVERYBODY]}


def _condition(choice: Any) -> dict[str, Any]:
    field, _, op = choice.what.partition(".")
    value = {each.name: KINDS.get(each.kind, each.kind) for each in choice.inputs}
    return {"field": field, "op": op, "words": choice.words, "value": value}


@bp.post("/segments/count")
@access(*HQ)
@bp.arguments(CountSchema)
@bp.alt_response(200, schema=CountedAudienceSchema)
def count(body: dict[str, Any]) -> Answered:
    """How many members rules mean now; nothing is kept.

    A node of the tree is {"all": [nodes]}, {"any": [nodes]}, {"not": node} or a condition {"field", "op", "value"};
    {"all": []} is every member. GET /segments/conditions lists the conditions. Amounts are minor units, days are
    whole numbers or null for ever. {"field": "segment", "op": "is", "value": 3} stands for the rules of a saved one.
    """
    chain = get_chain(actor().chain_id)
    audience = segments.check_audience(chain.id, body["audience"])
    reach = segments.count_reach(chain, audience, body["channels"], now=utc_now())
    counted = {
        "members": reach.members,
        "by_channel": reach.by_channel,
        "audience": audience,
        "sentence": sentences.audience_sentence(chain, audience),
    }
    return dict(CountedAudienceSchema().dump(counted)), 200


@bp.post("/segments")
@access(*HQ_ADMIN)
@bp.arguments(WriteSegmentSchema)
@bp.alt_response(201, schema=SegmentSchema)
@in_one_transaction
def create(body: dict[str, Any]) -> Answered:
    """Keep rules under a name."""
    kept = saved_segments.create_segment(actor().chain_id, body["name"], body["audience"], by=author(), now=utc_now())
    return segment_json(kept), 201


@bp.get("/segments")
@access(*HQ)
@bp.arguments(PageQuery, location="query")
@bp.response(200, page_schema(SegmentSchema))
def list_all(asked: dict[str, Any]) -> dict[str, Any]:
    """The segments that are not put away, newest first."""
    rows = saved_segments.list_segments(actor().chain_id, after=asked["cursor"], limit=asked["limit"])
    return page(rows, limit=asked["limit"], show=_columns)


@bp.get(SEGMENT)
@access(*HQ)
@bp.response(200, SegmentSchema)
def show(segment_id: int) -> dict[str, Any]:
    """One segment, also when it is put away."""
    return _columns(saved_segments.get_segment(actor().chain_id, segment_id))


@bp.put(SEGMENT)
@access(*HQ_ADMIN)
@bp.arguments(WriteSegmentSchema)
@bp.alt_response(200, schema=SegmentSchema)
@in_one_transaction
def change(body: dict[str, Any], segment_id: int) -> Answered:
    """Another name or other rules, for every campaign that is made of it."""
    changed = saved_segments.change_segment(
        actor().chain_id, segment_id, body["name"], body["audience"], by=author(), now=utc_now()
    )
    return segment_json(changed), 200


@bp.post(f"{SEGMENT}/archive")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=SegmentSchema)
@in_one_transaction
def archive(segment_id: int) -> Answered:
    """Put it away. Refused while a campaign that may still go out, or another segment, is made of it."""
    kept = saved_segments.archive_segment(actor().chain_id, segment_id, by=author(), now=utc_now())
    return segment_json(kept), 200


@bp.post(f"{SEGMENT}/restore")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=SegmentSchema)
@in_one_transaction
def restore(segment_id: int) -> Answered:
    """Take it out again."""
    kept = saved_segments.restore_segment(actor().chain_id, segment_id, by=author(), now=utc_now())
    return segment_json(kept), 200


def segment_json(segment: Segment) -> dict[str, Any]:
    """A segment as the API answers it, in plain values."""
    return dict(SegmentSchema().dump(_columns(segment)))


def _columns(segment: Segment) -> dict[str, Any]:
    columns = ("id", "name", "rules", "ready_made", "created_at", "archived_at")
    chain = get_chain(segment.chain_id)
    return {name: getattr(segment, name) for name in columns} | {
        "sentence": sentences.audience_sentence(chain, segment.rules),
        "url": url_for("segments.show", segment_id=segment.id, _external=True),
    }
