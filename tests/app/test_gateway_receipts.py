"""Receipts of the gateway: signed, in any order, twice, about what is not ours."""

import json
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from core.clock import utc_now
from core.db import db, transaction
from push.audiences.consents import current_consents
from push.channels import Handed
from push.channels.gateway import GatewayChannel, signature
from push.channels.suppressing import list_suppressions
from push.delivering.looping import run_here
from push.models import Delivery, Run
from push.runs import count_sums
from push.wording.writing import message_key
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.memory import MemoryChannel
from tests.push.pushing import deliveries, make_campaign, make_member, outcomes, send, start
from tests.push.servers import SECRET as GATEWAY_SECRET
from tests.push.servers import gateway
from tests.push.test_gateway import MESSAGE

SECRET = "shared with the gateway"
URL = "/api/v1/receipts/gateway"


@pytest.fixture(autouse=True)
def _secret(app, monkeypatch):
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], gateway_secret=SECRET))


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def sent(chain):
    """A message that the gateway took."""
    make_member(make_store_code(make_store(chain)), phone="+8613800000001")
    start(make_campaign(chain, "gateway"))
    send("gateway", MemoryChannel())
    assert outcomes() == Counter({("gateway", "sent", None): 1})
    return deliveries()[0]


def key_of(delivery):
    return message_key(db.session.get_one(Run, delivery.run_id).due_at, delivery.id)


def tell(client, *receipts, secret=SECRET, age=0, body=None):
    raw = json.dumps({"receipts": receipts} if body is None else body).encode()
    stamp = str(int(time.time()) - age)
    headers = {"X-Kaquan-Timestamp": stamp, "X-Kaquan-Signature": f"v1={signature(secret, stamp, raw)}"}
    return client.post(URL, data=raw, content_type="application/json", headers=headers)


def test_a_receipt_says_that_a_message_arrived_and_when(client, sent):
    at = utc_now() - timedelta(hours=1)

    answer = tell(client, {"message_key": key_of(sent), "status": "delivered", "at": at.isoformat()})

    assert (answer.status_code, answer.json) == (200, {"known": 1})
    (row,) = deliveries()
    assert (row.state, row.delivered_at) == ("delivered", at)


def test_the_gateways_own_reference_will_do(client, sent):
    with transaction():
        db.session.execute(db.update(Delivery).values(provider_ref="vendor-9"))

    assert tell(client, {"ref": "vendor-9", "status": "delivered"}).json == {"known": 1}
    assert tell(client, {"ref": "vendor-8", "status": "failed"}).json == {"known": 0}
    assert [row.state for row in deliveries()] == ["delivered"]


@pytest.mark.parametrize("order", list(permutations(["delivered", "failed", "bounced"])))
def test_whatever_order_they_come_in_an_arrival_stands(client, sent, order):
    for status in order * 2:
        assert tell(client, {"message_key": key_of(sent), "status": status}).status_code == 200

    (row,) = deliveries()
    assert (row.state, row.error) == ("delivered", None)
    assert sum(count_sums([row.run_id])[row.run_id].states.values()) == 1


def test_a_dead_number_is_not_written_to_again(client, chain, sent):
    tell(client, {"message_key": key_of(sent), "status": "bounced", "error": "UNKNOWN_NUMBER"})

    assert [(row.state, row.error) for row in deliveries()] == [("failed", "gateway: UNKNOWN_NUMBER")]
    assert [(kept.row.address, kept.row.reason) for kept in list_suppressions(chain.id)] == [
        ("+8613800000001", "bounced")
    ]


@pytest.mark.parametrize("status", ["complained", "unsubscribed"])
def test_who_answers_stop_gets_no_more(client, chain, sent, status):
    tell(client, {"message_key": key_of(sent), "status": status})

    assert current_consents(sent.member_id)["gateway"] is False
    assert [row.state for row in deliveries()] == ["sent"]
    assert len(list_suppressions(chain.id)) == (status == "complained")


def test_a_receipt_that_overtakes_our_own_note_is_not_lost(client, chain):
    """The gateway is faster than our note that it took the message."""
    make_member(make_store_code(make_store(chain)), phone="+8613800000001")
    start(make_campaign(chain, "gateway"))

    class Fast(MemoryChannel):
        async def send(self, message):
            race(
                client.application,
                lambda _: tell(client, {"message_key": message.key, "status": "delivered"}),
                racers=1,
            )
            return Handed("vendor-1")

    send("gateway", Fast())

    assert [row.state for row in deliveries()] == ["delivered"]


def test_what_was_never_handed_over_has_no_receipt(client, chain):
    make_member(make_store_code(make_store(chain)), phone="+8613800000001")
    start(make_campaign(chain, "gateway"))
    (row,) = deliveries()

    assert tell(client, {"message_key": key_of(row), "status": "delivered"}).json == {"known": 0}
    assert [row.state for row in deliveries()] == ["pending"]


@pytest.mark.parametrize(
    "key", ["kq-1-1", "kq-zz-1", "kq-6a0d2f40-999999999999999999", "kq", "", "kq-6a0d2f40-1 or 1=1", "kq-1-١"]
)
def test_a_key_that_is_not_ours_is_passed_over(client, sent, key):
    assert tell(client, {"message_key": key, "status": "failed"}).json == {"known": 0}
    assert [row.state for row in deliveries()] == ["sent"]


def test_the_key_of_another_run_with_the_same_number_is_not_meant(client, sent):
    other = message_key(NOON + timedelta(seconds=1), sent.id)

    assert tell(client, {"message_key": other, "status": "failed"}).json == {"known": 0}


@pytest.mark.parametrize(
    "signing",
    [
        pytest.param({"secret": "another"}, id="another secret"),
        pytest.param({"secret": ""}, id="no secret"),
        pytest.param({"age": 301}, id="too old"),
        pytest.param({"age": -301}, id="from the future"),
    ],
)
def test_nobody_else_tells_us_anything(client, sent, signing):
    answer = tell(client, {"message_key": key_of(sent), "status": "failed"}, **signing)

    assert (answer.status_code, answer.json["code"]) == (401, "signature_invalid")
    assert [row.state for row in deliveries()] == ["sent"]


def test_without_a_gateway_nobody_can_sign(app, client, sent, monkeypatch):
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], gateway_secret=""))

    assert tell(client, {"message_key": key_of(sent), "status": "failed"}, secret="").status_code == 401
    assert client.post(URL, json={"receipts": []}).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"receipts": []},
        {"receipts": [{"status": "read"}]},
        {"receipts": [{"message_key": "kq-1-1"}]},
        {"receipts": [{"status": "failed", "at": "yesterday"}]},
        {"receipts": [{"status": "failed"}] * 501},
    ],
)
def test_what_is_no_receipt_is_refused(client, chain, body):
    assert tell(client, body=body).status_code == 422


def test_many_receipts_are_found_by_few_questions(client, chain, count_queries):
    code = make_store_code(make_store(chain))
    for n in range(12):
        make_member(code, phone=f"+86138000000{n:02d}")
    start(make_campaign(chain, "gateway"))
    send("gateway", MemoryChannel())
    receipts = [{"message_key": key_of(row), "status": "failed"} for row in deliveries()]
    count_queries.clear()

    assert tell(client, *receipts).json == {"known": 12}

    assert len([each for each in count_queries if each.startswith("SELECT deliveries")]) <= 2
    assert {row.state for row in deliveries()} == {"failed"}


def test_the_gateway_may_say_how_it_calls_a_message():
    with gateway() as server:
        server.said = {"ref": "vendor-7"}
        channel = GatewayChannel(server.url, GATEWAY_SECRET)
        handed = run_here(channel.send(MESSAGE))
        server.said = {"ref": 7}
        other = run_here(channel.send(MESSAGE))
        run_here(channel.close())

    assert (handed.ref, other.ref) == ("vendor-7", None)


def test_a_time_before_there_were_messages_is_refused(client, sent):
    answer = tell(client, {"message_key": key_of(sent), "status": "delivered", "at": "0001-01-01T00:00:00+14:00"})

    assert (answer.status_code, deliveries()[0].state) == (422, "sent")
