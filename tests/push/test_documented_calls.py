"""The calls in docs/gateway.md and docs/webhooks.md are such as we make, and their signatures are right."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

from app.api.receipts import ReceiptsSchema
from push.channels import CodeMessage, Filled
from push.channels.gateway import GatewayChannel, signature
from push.delivering.looping import run_here
from push.partners import calling
from push.partners.telling import FIELDS
from tests.push.servers import SECRET, gateway
from tests.push.test_gateway import MESSAGE

DOCS = Path(__file__).parents[2] / "docs"


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def documented_call(text):
    """The headers and the body of the call that is shown as it goes over the line."""
    shown = re.search(r"```text\n(.+?)\n\n(.+?)\n```", text, re.DOTALL)
    assert shown is not None
    headers = dict(line.split(": ", 1) for line in shown[1].splitlines() if ": " in line)
    return {name.lower(): value for name, value in headers.items()}, shown[2].encode()


def documented_json(text):
    return [json.loads(shown) for shown in re.findall(r"```json\n(.+?)```", text, re.DOTALL)]


def test_the_documented_webhook_is_signed_as_ours_are():
    text = page("webhooks.md")
    headers, body = documented_call(text)
    secret = re.search(r"`(whsec_\w{10,}[^`]*)`", text)[1]

    ours = calling.signature(secret, headers["webhook-id"], headers["webhook-timestamp"], body)
    assert headers["webhook-signature"] == ours
    with time_machine.travel(int(headers["webhook-timestamp"]), tick=False):
        said = Webhook(secret).verify(body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body.replace(b"312", b"313"), headers)
    assert set(said["data"]) == {"delivery_id", *FIELDS}


def test_the_documented_signature_of_the_gateway_is_ours():
    text = page("gateway.md")
    headers, body = documented_call(text)
    secret = re.search(r"the secret `([^`]+)`", text)[1]

    assert headers["x-kaquan-signature"] == f"v1={signature(secret, headers['x-kaquan-timestamp'], body)}"


def test_the_documented_messages_have_the_fields_of_ours():
    message, code, receipts = documented_json(page("gateway.md"))

    with gateway() as server:
        channel = GatewayChannel(server.url, SECRET)
        run_here(channel.send(replace(MESSAGE, template=Filled("SMS_1", {}))))
        run_here(channel.close())
        assert message.keys() == server.acted[MESSAGE.key].keys()
    assert code.keys() == {"kind", "message_key", *(field.name for field in fields(CodeMessage))} - {"key"}
    assert ReceiptsSchema().validate(receipts) == {}
