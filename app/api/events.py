"""What happened, told in an order that later readings keep: a partner asks again with the last position it has."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.auth.guard import HQ, access, actor
from core.events import START, Event, Position, read_events

bp = api_blueprint("events", "What happened, in order")


class EventsQuery(Schema):
    """From where, and how many."""

    cursor = fields.String(
        load_default="",
        validate=validate.Regexp(r"(\d{1,18}-\d{1,18})?\Z"),
        metadata={"description": "next_cursor of the last answer; the beginning without it"},
    )
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 500))


class EventSchema(Schema):
    """Something that happened, told once."""

    position = fields.String()
    kind = fields.String(metadata={"description": "such as card.issued, member.referred, card.frozen"})
    at = fields.DateTime()
    payload = fields.Dict()


class EventPageSchema(Schema):
    """The next events; ``next_cursor`` is where to go on, also when there are none yet."""

    items = fields.List(fields.Nested(EventSchema))
    next_cursor = fields.String()


@bp.get("/events")
@access(*HQ)
@bp.arguments(EventsQuery, location="query")
@bp.alt_response(200, schema=EventPageSchema)
def list_events(query: dict[str, Any]) -> dict[str, Any]:
    """The chain's next events. Nothing is passed over, however many write at once."""
    after = Position.parse(query["cursor"]) if query["cursor"] else START
    rows = read_events(actor().chain_id, after=after, limit=query["limit"])
    reached = _position(rows[-1]) if rows else after
    return {"items": [_event(row) for row in rows], "next_cursor": str(reached)}


def _position(event: Event) -> Position:
    return Position(event.transaction_no, event.id)


def _event(event: Event) -> dict[str, Any]:
    return {
        "position": str(_position(event)),
        "kind": event.kind,
        "at": event.at.isoformat(),
        "payload": event.payload,
    }
