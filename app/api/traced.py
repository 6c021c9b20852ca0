"""Fields by which a partner's system may tell of the person before it; without them nothing is known of him."""

from typing import Any

from flask import request
from marshmallow import Schema, ValidationError, fields, validate

from app.api.bodies import BodyParser
from app.traces import is_address, trace_told
from sharing.traces import NO_TRACE, Trace

SAYS_NOTHING = ("", "0", "2")  # the length of no body, and of {}
PARSER = BodyParser()


def _check_address(text: str) -> None:
    if not is_address(text):
        raise ValidationError("Not an IP address.")


class TracedSchema(Schema):
    """Where the person stands, if the caller may tell. Kept hashed under a key for 90 days, for the fraud rules."""

    device = fields.String(
        load_default=None,
        validate=validate.Length(1, 200),
        metadata={"description": "a word that stays the same on the person's phone, as an installation's id"},
    )
    network_address = fields.String(
        load_default=None,
        validate=[validate.Length(max=64), _check_address],
        metadata={"description": "the person's own IP address, not the caller's"},
    )


def trace_in(body: dict[str, Any]) -> Trace:
    """What the body of a request tells of the person."""
    return trace_told(body["device"], body["network_address"])


def told_trace() -> Trace:
    """The same for requests that need no body: the plain one is not looked at."""
    if is_silent(request.environ):
        return NO_TRACE
    return trace_in(PARSER.parse(TracedSchema(), request, location="json"))


def is_silent(environ: dict[str, Any]) -> bool:
    """Whether a request has no body, or one that can say nothing."""
    return environ.get("CONTENT_LENGTH", "") in SAYS_NOTHING and "HTTP_TRANSFER_ENCODING" not in environ


OPTIONAL_BODY = {"required": False, "content": {"application/json": {"schema": TracedSchema}}}
