"""Receipts of the SMS gateway, signed as our own calls to it are: what became of the messages that it took."""

import hmac
import time
from datetime import UTC, datetime
from typing import Any

from flask import current_app, request
from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.auth.guard import PUBLIC, access
from core.clock import utc_now
from core.db import transaction
from core.errors import NotSignedIn
from core.text import Text
from push.channels.gateway import signature
from push.channels.receipts import Receipt, ReceiptStatus, take_receipts
from push.models import PushChannel

bp = api_blueprint("outcomes", "What providers tell of messages they took")

WINDOW_SECONDS = 300
MOST_RECEIPTS = 500  # in one call
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
SOURCE = "gateway receipt"
STATUSES = {
    ReceiptStatus.DELIVERED: "it arrived",
    ReceiptStatus.FAILED: "this message did not arrive",
    ReceiptStatus.BOUNCED: "nor will any other: the number is dead",
    ReceiptStatus.COMPLAINED: "the member reported it as spam",
    ReceiptStatus.UNSUBSCRIBED: "he answered that he wants no more",
}
plain_text = validate.ContainsNoneOf("\0")


class SignatureInvalid(NotSignedIn):
    """The signature does not fit the call, or the call is too old."""

    code = "signature_invalid"
    sentence = Text("签名不对，或已经过期。", "The signature is wrong, or too old.")


class ReceiptSchema(Schema):
    """What became of one message."""

    message_key = fields.String(
        load_default="",
        validate=[validate.Length(max=60), plain_text],
        metadata={"description": "ours, as it came with the message; or `ref`"},
    )
    ref = fields.String(
        load_default="",
        validate=[validate.Length(max=100), plain_text],
        metadata={"description": "the gateway's own, which it gave when it took the message"},
    )
    status = fields.String(
        required=True,
        validate=validate.OneOf(list(ReceiptStatus)),
        metadata={"description": "; ".join(f"`{status}`: {words}" for status, words in STATUSES.items())},
    )
    error = fields.String(
        load_default="",
        validate=[validate.Length(max=120), plain_text],
        metadata={"description": "the provider's code for what went wrong; no number and no name in it"},
    )
    at = fields.AwareDateTime(
        format="iso",
        load_default=None,
        allow_none=True,
        validate=validate.Range(min=EARLIEST),
        metadata={"description": "now, unless told"},
    )


class ReceiptsSchema(Schema):
    """Up to 500 of them. They may come again and in any order."""

    receipts = fields.List(
        fields.Nested(ReceiptSchema), required=True, validate=validate.Length(min=1, max=MOST_RECEIPTS)
    )


class TakenSchema(Schema):
    """How many of them were about messages that we know."""

    known = fields.Integer()


def check_signature() -> None:
    """before_request: only who has the gateway's secret tells us anything, and not what he told long ago."""
    secret = current_app.extensions["settings"].gateway_secret
    stamp = request.headers.get("X-Kaquan-Timestamp", "")
    is_fresh = stamp.isascii() and stamp.isdecimal() and abs(time.time() - int(stamp[:12])) <= WINDOW_SECONDS
    wanted = f"v1={signature(secret, stamp, request.get_data())}"
    given = request.headers.get("X-Kaquan-Signature", "")
    if not secret or not is_fresh or not hmac.compare_digest(wanted.encode(), given.encode()):
        raise SignatureInvalid()


bp.before_request(check_signature)


@bp.post("/receipts/gateway")
@access(PUBLIC)
@bp.arguments(ReceiptsSchema)
@bp.response(200, TakenSchema)
def take(body: dict[str, Any]) -> dict[str, int]:
    """Tell what became of messages. Signed as our own calls are: `X-Kaquan-Timestamp` and `X-Kaquan-Signature`."""
    receipts = [
        Receipt(ReceiptStatus(each["status"]), each["message_key"], each["ref"], _error(each), each["at"])
        for each in body["receipts"]
    ]
    with transaction():
        known = take_receipts(PushChannel.GATEWAY, receipts, source=SOURCE, now=utc_now())
    return {"known": known}


def _error(receipt: dict[str, Any]) -> str:
    """As it is shown beside our own words for errors."""
    return f"gateway: {receipt['error']}" if receipt["error"] else f"gateway: {receipt['status']}"
