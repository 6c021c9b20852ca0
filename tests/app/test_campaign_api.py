"""Campaigns through the API."""

from datetime import timedelta

import pytest

from core.clock import utc_now
from push import runs
from stores.models import Role
from tests.factories import make_chain, make_key, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member, send_all

pytestmark = pytest.mark.usefixtures("app")
BODY = {
    "name": "周五",
    "channels": ["inbox"],
    "title": "周五冰淇淋",
    "title_en": "Ice cream Friday",
    "body": "今天第二份半价。",
    "body_en": "Half price today.",
}


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def call(client, chain):
    key = make_key(chain)

    def send(method, path, body=None, **headers):
        headers = {"Authorization": f"Bearer {key}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return client.open(f"/api/v1{path}", method=method, json=body, headers=headers)

    return send


def create(call, **more):
    answer = call("POST", "/campaigns", BODY | more)
    assert answer.status_code == 201, answer.text
    return answer.json


def test_a_campaign_is_written_scheduled_and_sent(call, chain):
    store = make_store(chain)
    code = make_store_code(store)
    for _ in range(3):
        make_member(code)
    audience = {"all": [{"field": "store", "op": "in", "value": [store.id]}]}
    made = create(call, audience=audience)
    assert (made["state"], made["audience"]) == ("draft", audience)

    scheduled = call("POST", f"/campaigns/{made['id']}/schedule", {"kind": "now"}).json
    assert scheduled["state"] == "scheduled"
    runs.start_due_batch(now=utc_now() + timedelta(minutes=10))
    send_all(now=utc_now() + timedelta(minutes=10))

    (run,) = call("GET", f"/campaigns/{made['id']}/runs").json["items"]
    states = ("pending", "sending", "sent", "delivered", "failed", "skipped")
    assert run["audience"] == sum(run[state] for state in states) == run["delivered"] == 3
    assert run["channels"]["inbox"]["delivered"] == 3
    assert run["reasons"] == {}


def test_without_a_body_it_goes_by_its_own_schedule(call):
    made = create(call, schedule={"kind": "recurring", "weekdays": ["fri"], "time": "18:00"})

    answer = call("POST", f"/campaigns/{made['id']}/schedule")

    assert answer.status_code == 200
    assert answer.json["schedule"]["weekdays"] == ["fri"]
    assert answer.json["next_run_at"] is not None


def test_it_is_paused_resumed_and_cancelled(call):
    made = create(call)
    call("POST", f"/campaigns/{made['id']}/schedule", {"kind": "now"})

    states = [call("POST", f"/campaigns/{made['id']}/{verb}").json["state"] for verb in ("pause", "resume", "cancel")]

    assert states == ["paused", "scheduled", "cancelled"]
    again = call("POST", f"/campaigns/{made['id']}/cancel")
    assert (again.status_code, again.json["code"]) == (409, "campaign_state_conflict")


def test_a_repeat_under_one_key_is_one_campaign(call):
    first = call("POST", "/campaigns", BODY, Idempotency_Key="campaign-0001")
    again = call("POST", "/campaigns", BODY, Idempotency_Key="campaign-0001")
    other = call("POST", "/campaigns", BODY | {"name": "b"}, Idempotency_Key="campaign-0001")

    assert (again.status_code, again.json) == (201, first.json)
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")
    assert len(call("GET", "/campaigns").json["items"]) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, "campaign_invalid"),
        ({"title": ""}, "campaign_invalid"),
        ({"offer_id": 999}, "campaign_invalid"),
        ({"channels": []}, "invalid"),
        ({"channels": ["pigeon"]}, "invalid"),
        ({"unknown": 1}, "invalid"),
        ({"audience": {"all": [{"field": "phone", "op": "in", "value": [1]}]}}, "audience_invalid"),
        ({"audience": {"all": [{"field": "store", "op": "in", "value": {"a": 1}}]}}, "audience_invalid"),
        ({"schedule": {"kind": "at"}}, "schedule_invalid"),
        ({"schedule": {"kind": "now", "fresh_hours": 9999}}, "schedule_invalid"),
    ],
)
def test_what_makes_no_sense_is_refused(call, change, code):
    answer = call("POST", "/campaigns", BODY | change)

    assert (answer.status_code, answer.json["code"]) == (422, code)


def test_the_refusal_says_which_part_in_the_readers_language(client, chain):
    key = make_key(chain)
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "zh-CN"}

    answer = client.post("/api/v1/campaigns", json=BODY | {"title": ""}, headers=headers)

    assert answer.json["detail"] == "推送活动还差一点：写上标题和内容。"


def test_a_time_that_has_passed_is_refused(call):
    made = create(call)

    answer = call("POST", f"/campaigns/{made['id']}/schedule", {"kind": "at", "at": "2020-01-01T10:00"})

    assert (answer.status_code, answer.json["code"]) == (422, "schedule_invalid")


def test_an_analyst_looks_and_does_not_touch(client, chain):
    campaign = make_campaign(chain)
    headers = {"Authorization": f"Bearer {make_key(chain, Role.HQ_ANALYST)}"}

    assert client.get(f"/api/v1/campaigns/{campaign.id}", headers=headers).status_code == 200
    assert client.post("/api/v1/campaigns", json=BODY, headers=headers).status_code == 403
    assert client.post(f"/api/v1/campaigns/{campaign.id}/cancel", headers=headers).status_code == 403


def test_another_chains_campaign_is_not_there(call):
    foreign = make_campaign(make_chain("other"))

    answers = [call("GET", f"/campaigns/{foreign.id}"), call("GET", f"/campaigns/{foreign.id}/runs")]
    answers += [call("POST", f"/campaigns/{foreign.id}/{verb}") for verb in ("schedule", "pause", "resume", "cancel")]

    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(404, "campaign_not_found")}


def test_the_list_pages_by_key(call):
    made = [create(call)["id"] for _ in range(3)]

    first = call("GET", "/campaigns?limit=2").json
    second = call("GET", f"/campaigns?limit=2&cursor={first['next_cursor']}").json

    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None
