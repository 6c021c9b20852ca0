"""Webhooks: where a partner's systems are told what becomes of deliveries (Standard Webhooks)."""

from typing import Any

from flask import current_app
from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.api.idempotent import in_one_transaction
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import HQ_ADMIN, access, actor, author
from core.clock import utc_now
from push.channels.public_addresses import LONGEST_URL
from push.partners import endpoints as webhooks
from push.partners.models import DisabledBecause, WebhookEndpoint, WebhookState
from push.partners.telling import DELIVERY_KINDS, TEST

bp = api_blueprint("webhooks", "Systems that are told what becomes of deliveries")

ENDPOINT = "/webhook-endpoints/<int:endpoint_id>"
Answered = tuple[dict[str, Any], int]


class WriteWebhookEndpointSchema(Schema):
    """Who listens, where, and to what."""

    name = fields.String(
        required=True, validate=[validate.Length(1, webhooks.LONGEST_NAME), validate.ContainsNoneOf("\0")]
    )
    url = fields.String(
        required=True,
        validate=[validate.Length(1, LONGEST_URL), validate.ContainsNoneOf("\0")],
        metadata={"description": "https, on the public internet", "format": "uri"},
    )
    kinds = fields.List(
        fields.String(validate=validate.OneOf(DELIVERY_KINDS)),
        load_default=list,
        validate=validate.Length(max=len(DELIVERY_KINDS)),
        metadata={"description": "events to hear of; empty: all"},
    )


class WebhookEndpointSchema(Schema):
    """An endpoint, without its secret."""

    id = fields.Integer()
    name = fields.String()
    url = fields.String()
    kinds = fields.List(fields.String(), metadata={"description": "empty: all"})
    failures = fields.Integer(metadata={"description": "in a row, until now"})
    failing_since = fields.AwareDateTime(format="iso", allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    disabled_at = fields.AwareDateTime(format="iso", allow_none=True)
    disabled_because = fields.String(allow_none=True, validate=validate.OneOf(list(DisabledBecause)))


class WebhookSecretSchema(Schema):
    """What signs what an endpoint is told; shown this once."""

    id = fields.Integer()
    secret = fields.String(metadata={"description": "whsec_… as Standard Webhooks writes it"})


class WebhookMessageSchema(Schema):
    """One thing told to an endpoint, and what it last answered."""

    id = fields.Integer()
    message_id = fields.String(metadata={"description": "the webhook-id, the same at every attempt"})
    kind = fields.String(validate=validate.OneOf([*DELIVERY_KINDS, TEST]))
    state = fields.String(validate=validate.OneOf(list(WebhookState)))
    attempts = fields.Integer()
    status = fields.Integer(allow_none=True, metadata={"description": "of the last answer"})
    error = fields.String(allow_none=True, metadata={"description": "why there was none"})
    data = fields.Dict(attribute="payload")
    at = fields.AwareDateTime(format="iso")
    due_at = fields.AwareDateTime(format="iso", metadata={"description": "of the next attempt, while it is pending"})
    sent_at = fields.AwareDateTime(format="iso", allow_none=True)


class CountedSchema(Schema):
    """How many messages it concerns."""

    count = fields.Integer()


@bp.get("/webhook-endpoints")
@access(*HQ_ADMIN)
@bp.response(200, WebhookEndpointSchema(many=True))
def list_all() -> Any:
    """Who listens."""
    return webhooks.list_endpoints(actor().chain_id)


@bp.post("/webhook-endpoints")
@access(*HQ_ADMIN)
@bp.arguments(WriteWebhookEndpointSchema)
@bp.alt_response(201, schema=WebhookSecretSchema)
@in_one_transaction
def create(body: dict[str, Any]) -> Answered:
    """Let a system listen. The answer has the secret that signs, this once."""
    made = webhooks.create_endpoint(
        actor().chain_id, webhooks.Wanted(**body), is_private=_may_be_private(), by=author(), now=utc_now()
    )
    return made._asdict(), 201


@bp.get(ENDPOINT)
@access(*HQ_ADMIN)
@bp.response(200, WebhookEndpointSchema)
def show(endpoint_id: int) -> WebhookEndpoint:
    """One endpoint."""
    return webhooks.get_endpoint(actor().chain_id, endpoint_id)


@bp.put(ENDPOINT)
@access(*HQ_ADMIN)
@bp.arguments(WriteWebhookEndpointSchema)
@bp.alt_response(200, schema=WebhookEndpointSchema)
@in_one_transaction
def change(body: dict[str, Any], endpoint_id: int) -> Answered:
    """Write name, address and kinds anew."""
    webhooks.edit_endpoint(
        actor().chain_id,
        endpoint_id,
        webhooks.Wanted(**body),
        is_private=_may_be_private(),
        by=author(),
        now=utc_now(),
    )
    return _json(endpoint_id), 200


@bp.post(f"{ENDPOINT}/secret")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=WebhookSecretSchema)
@in_one_transaction
def rotate(endpoint_id: int) -> Answered:
    """A new secret, shown this once. For 24 hours the last one signs as well."""
    secret = webhooks.rotate_secret(actor().chain_id, endpoint_id, by=author(), now=utc_now())
    return {"id": endpoint_id, "secret": secret}, 200


@bp.post(f"{ENDPOINT}/test")
@access(*HQ_ADMIN)
@bp.alt_response(201, schema=WebhookMessageSchema)
@in_one_transaction
def test(endpoint_id: int) -> Answered:
    """Send a message that means nothing."""
    message = webhooks.send_test(actor().chain_id, endpoint_id, now=utc_now())
    return dict(WebhookMessageSchema().dump(message)), 201


@bp.post(f"{ENDPOINT}/disable")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=WebhookEndpointSchema)
@in_one_transaction
def disable(endpoint_id: int) -> Answered:
    """Tell it nothing more; what is on its way has failed."""
    webhooks.disable(actor().chain_id, endpoint_id, by=author(), now=utc_now())
    return _json(endpoint_id), 200


@bp.post(f"{ENDPOINT}/enable")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=WebhookEndpointSchema)
@in_one_transaction
def enable(endpoint_id: int) -> Answered:
    """Tell it again, with what failed meanwhile."""
    webhooks.enable(actor().chain_id, endpoint_id, by=author(), now=utc_now())
    return _json(endpoint_id), 200


@bp.delete(ENDPOINT)
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CountedSchema)
@in_one_transaction
def remove(endpoint_id: int) -> Answered:
    """Delete a disabled endpoint with what it was told."""
    counts = webhooks.count_messages([endpoint_id])[endpoint_id]
    webhooks.remove(actor().chain_id, endpoint_id, by=author(), now=utc_now())
    return {"count": sum(counts.values())}, 200


@bp.get(f"{ENDPOINT}/messages")
@access(*HQ_ADMIN)
@bp.arguments(PageQuery, location="query")
@bp.response(200, page_schema(WebhookMessageSchema))
def list_messages(asked: dict[str, Any], endpoint_id: int) -> dict[str, Any]:
    """What it was told in the last two weeks, newest first."""
    webhooks.get_endpoint(actor().chain_id, endpoint_id)
    rows = webhooks.list_messages(actor().chain_id, endpoint_id, before=asked["cursor"], limit=asked["limit"])
    return page(rows, limit=asked["limit"], show=lambda row: row)


@bp.post(f"{ENDPOINT}/messages/again")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=CountedSchema)
@in_one_transaction
def send_again(endpoint_id: int) -> Answered:
    """Send what failed once more, under the same ids."""
    return {"count": webhooks.send_again(actor().chain_id, endpoint_id, now=utc_now())}, 200


def _may_be_private() -> bool:
    return bool(current_app.extensions["settings"].webhooks_in_own_network)


def _json(endpoint_id: int) -> dict[str, Any]:
    return dict(WebhookEndpointSchema().dump(webhooks.get_endpoint(actor().chain_id, endpoint_id)))
