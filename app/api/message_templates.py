"""Saved messages for head office's own systems: keep, change, put away; campaigns begin with what they say."""

from typing import Any

from flask import url_for
from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.api.idempotent import in_one_transaction
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import HQ, HQ_ADMIN, access, actor, author
from core.clock import utc_now
from push.wording import message_templates as saved
from push.wording.models import MessageTemplate

bp = api_blueprint("wording", "Saved messages to begin campaigns with")

TEMPLATE = "/message-templates/<int:message_template_id>"
Answered = tuple[dict[str, Any], int]
TEXTS = {
    "any": {
        "zh": {"title": "生日快乐", "body": "{name}，今天来店里领一份礼物。"},
        "en": {"title": "Happy birthday", "body": "{name}, a present waits for you today."},
    },
    "email": {"zh": {"title": "生日快乐", "body": "今天有礼物。", "html": "<h1>生日快乐</h1>"}},
}
ABOUT_TEXTS = (
    "by channel, or any for all of them, and language: title and body, html for e-mail, template for a vendor's; any "
    "needs the chain's language"
)


class WriteMessageTemplateSchema(Schema):
    """A name for a message."""

    name = fields.String(
        required=True, validate=[validate.Length(1, saved.LONGEST_NAME), validate.ContainsNoneOf("\0")]
    )
    texts = fields.Dict(required=True, metadata={"description": ABOUT_TEXTS, "example": TEXTS})


class MessageTemplateSchema(Schema):
    """A saved message."""

    id = fields.Integer()
    name = fields.String()
    texts = fields.Dict(metadata={"description": "as a campaign takes them for a version: any is its title and body"})
    created_at = fields.AwareDateTime(format="iso")
    archived_at = fields.AwareDateTime(format="iso", allow_none=True)
    url = fields.String(metadata={"description": "its page in the dashboard"})


class MessageTemplateQuery(PageQuery):
    """A page of those in use, or of those that were put away."""

    archived = fields.Boolean(load_default=False, metadata={"description": "those that were put away instead"})


@bp.post("/message-templates")
@access(*HQ_ADMIN)
@bp.arguments(WriteMessageTemplateSchema)
@bp.alt_response(201, schema=MessageTemplateSchema)
@in_one_transaction
def create(body: dict[str, Any]) -> Answered:
    """Keep a message under a name, which is free in the chain, also among those put away."""
    kept = saved.create_template(actor().chain_id, body["name"], body["texts"], by=author(), now=utc_now())
    return _json(kept), 201


@bp.get("/message-templates")
@access(*HQ)
@bp.arguments(MessageTemplateQuery, location="query")
@bp.response(200, page_schema(MessageTemplateSchema))
def list_all(asked: dict[str, Any]) -> dict[str, Any]:
    """The saved messages, newest first."""
    rows = saved.list_templates(
        actor().chain_id, archived=asked["archived"], after=asked["cursor"], limit=asked["limit"]
    )
    return page(rows, limit=asked["limit"], show=_columns)


@bp.get(TEMPLATE)
@access(*HQ)
@bp.response(200, MessageTemplateSchema)
def show(message_template_id: int) -> dict[str, Any]:
    """One saved message, also when it is put away."""
    return _columns(saved.get_template(actor().chain_id, message_template_id))


@bp.put(TEMPLATE)
@access(*HQ_ADMIN)
@bp.arguments(WriteMessageTemplateSchema)
@bp.alt_response(200, schema=MessageTemplateSchema)
@in_one_transaction
def change(body: dict[str, Any], message_template_id: int) -> Answered:
    """Write it anew. Campaigns that began with it keep their words."""
    changed = saved.edit_template(
        actor().chain_id, message_template_id, body["name"], body["texts"], by=author(), now=utc_now()
    )
    return _json(changed), 200


@bp.post(f"{TEMPLATE}/archive")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=MessageTemplateSchema)
@in_one_transaction
def archive(message_template_id: int) -> Answered:
    """Put a saved message away: no new campaign is offered it."""
    return _json(saved.archive_template(actor().chain_id, message_template_id, by=author(), now=utc_now())), 200


@bp.post(f"{TEMPLATE}/restore")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=MessageTemplateSchema)
@in_one_transaction
def restore(message_template_id: int) -> Answered:
    """Take it out again."""
    return _json(saved.restore_template(actor().chain_id, message_template_id, by=author(), now=utc_now())), 200


def _json(template: MessageTemplate) -> dict[str, Any]:
    """As the API answers it, in plain values."""
    return dict(MessageTemplateSchema().dump(_columns(template)))


def _columns(template: MessageTemplate) -> dict[str, Any]:
    columns = ("id", "name", "texts", "created_at", "archived_at")
    page_of = url_for("message_templates.edit", message_template_id=template.id, _external=True)
    return {name: getattr(template, name) for name in columns} | {"url": page_of}
