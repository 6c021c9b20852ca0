"""Campaigns through the API."""

from datetime import timedelta

import pytest

from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from push import runs
from push.models import Delivery
from push.timing.policies import Oversight, set_oversight
from stores.models import Role
from tests.factories import make_chain, make_key, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member, schedule, send_all, start

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


# --- every field, and every kind of schedule


VERSIONS = {
    "purpose": "service",
    "channels": ["email", "inbox"],
    "channel_mode": "first",
    "holdout_bp": 1000,
    "variants": [{"label": "A", "share_bp": 7000}, {"label": "B", "share_bp": 3000}],
    "texts": {"B": {"any": {"zh": {"title": "今晚", "body": "第二份半价"}}}},
}


def test_every_field_is_kept_and_given_back(call):
    made = create(call, **VERSIONS)

    shown = call("GET", f"/campaigns/{made['id']}").json

    assert {name: shown[name] for name in VERSIONS} == VERSIONS
    assert (shown["submitted_by"], shown["approved_at"]) == (None, None)


def test_a_draft_is_written_anew(call):
    made = create(call, **VERSIONS)

    changed = call("PUT", f"/campaigns/{made['id']}", BODY | {"title": "新的"})

    assert (changed.json["title"], changed.json["variants"], changed.json["purpose"]) == ("新的", [], "promotion")


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({"kind": "recurring", "monthdays": [1, 31], "time": "10:00", "zone": "member"}, 5),
        ({"kind": "cron", "cron": "0 18 * * mon,fri"}, 5),
        ({"kind": "event", "event": "birthday", "days": 3, "time": "09:30"}, 0),
        ({"kind": "at", "at": "2199-05-20T18:00"}, 1),
    ],
)
def test_the_next_times_of_every_kind_of_schedule(call, given, count):
    made = create(call, schedule=given)

    told = call("GET", f"/campaigns/{made['id']}/times").json

    assert len(told["times"]) == count
    assert all(told["sentence"].values())


@pytest.mark.parametrize(
    "change",
    [
        {"variants": [{"share_bp": 5000}, {"share_bp": 4000}]},
        {"texts": {"A": {"any": {"zh": {"title": "\u0000", "body": "x"}}}}},
        {"texts": {"A": "x"}},
        {"texts": {"A": {"any": {"zh": {"title": 1, "body": []}}}}},
        {"holdout_bp": 9000},
        {"purpose": "war"},
        {"schedule": {"kind": "cron", "cron": "0 18 * * 1"}},
        {"schedule": {"kind": "event", "event": "lapsed", "days": 0}},
        {"schedule": {"kind": "recurring", "monthdays": [32], "time": "10:00"}},
        {"title": "{surname}"},
    ],
)
def test_nonsense_in_the_new_fields_is_refused(call, change):
    assert call("POST", "/campaigns", BODY | change).status_code in (400, 422)


def test_what_is_scheduled_is_taken_back(call):
    made = create(call)
    call("POST", f"/campaigns/{made['id']}/schedule")

    assert call("POST", f"/campaigns/{made['id']}/stop").json["state"] == "draft"


def test_where_a_second_person_reads_a_key_submits_and_does_not_approve(call, chain):
    with transaction():
        set_oversight(chain.id, Oversight(needs_approval=True), by=SYSTEM, now=utc_now())
    made = create(call)
    path = f"/campaigns/{made['id']}"

    refused = call("POST", f"{path}/schedule")
    assert (refused.status_code, refused.json["code"]) == (409, "campaign_needs_approval")
    assert call("POST", f"{path}/submit").json["submitted_by"].startswith("key:")
    assert call("POST", f"{path}/approve").status_code == 404


def test_a_missed_campaign_is_decided_about(call, chain):
    campaign = make_campaign(chain)
    schedule(campaign, {"kind": "now"}, now=utc_now() - timedelta(hours=5))
    runs.start_due_batch(now=utc_now())

    sent = call("POST", f"/campaigns/{campaign.id}/missed", {"do": "now"})

    assert sent.json["state"] == "scheduled"
    assert call("POST", f"/campaigns/{campaign.id}/missed", {"do": "now"}).status_code == 409
    assert call("POST", f"/campaigns/{campaign.id}/missed", {"do": "later"}).status_code == 422


@pytest.fixture
def going(chain):
    """A campaign that goes to three by e-mail, of whom one's mailbox has refused."""
    code = make_store_code(make_store(chain))
    for n in range(3):
        make_member(code, email=f"m{n}@example.com")
    campaign = make_campaign(chain, "email")
    start(campaign, now=utc_now())
    with transaction():
        row = db.session.scalars(db.select(Delivery).order_by(Delivery.id)).first()
        row.state, row.error, row.attempts = "failed", "smtp 550", 1
    return campaign


def test_a_run_tells_how_far_it_came_and_what_went_wrong(call, going):
    (run,) = call("GET", f"/campaigns/{going.id}/runs").json["items"]

    told = call("GET", f"/campaigns/{going.id}/runs/{run['id']}").json

    assert (told["audience"], told["pending"], told["failed"]) == (3, 2, 1)
    (trouble,) = told["errors"]
    assert (trouble["error"], trouble["failed"], trouble["meaning"]["en"]) == ("smtp 550", 1, "The mailbox refuses it")


def test_what_failed_is_tried_again(call, going):
    (run,) = call("GET", f"/campaigns/{going.id}/runs").json["items"]
    path = f"/campaigns/{going.id}/runs/{run['id']}"

    assert call("POST", f"{path}/retry", {"error": "something else"}).json == {"messages": 0}
    assert call("POST", f"{path}/retry").json == {"messages": 1}
    assert call("GET", path).json["failed"] == 0


def test_what_has_not_gone_is_reworded_while_it_is_paused(call, going):
    words = {name: BODY[name] for name in ("title_en", "body", "body_en")} | {"title": "改好了"}
    assert call("PUT", f"/campaigns/{going.id}/words", words).status_code == 409
    call("POST", f"/campaigns/{going.id}/pause")

    told = call("PUT", f"/campaigns/{going.id}/words", words)

    assert told.json == {"messages": 2}
    newest, first = call("GET", f"/campaigns/{going.id}/runs").json["items"]
    assert (newest["continues_run_id"], newest["audience"], first["audience"]) == (first["id"], 2, 1)


def test_a_run_of_another_campaign_is_not_there(call, going, chain):
    (run,) = call("GET", f"/campaigns/{going.id}/runs").json["items"]
    other = make_campaign(chain)

    told = call("GET", f"/campaigns/{other.id}/runs/{run['id']}")

    assert (told.status_code, told.json["code"]) == (404, "run_not_found")


def test_the_calendar_tells_what_went_and_what_comes(call, going, chain):
    at = utc_now() + timedelta(days=2)
    schedule(make_campaign(chain, "email"), {"kind": "at", "at": at.isoformat()}, now=utc_now())
    first, last = (utc_now() - timedelta(days=1)).date(), (utc_now() + timedelta(days=3)).date()

    days = call("GET", f"/campaigns/calendar?first={first}&last={last}").json["days"]

    entries = [entry for day in days for entry in day["entries"]]
    assert [(entry["campaign_id"] == going.id, entry["runs"], entry["audience"]) for entry in entries] == [
        (True, 1, 3),
        (False, 0, 0),
    ]
    assert sum(day["promotions"] for day in days) == 2
    assert len(call("GET", "/campaigns/calendar").json["days"]) == 31
    assert call("GET", "/campaigns/calendar?first=soon").status_code == 422
    assert len(call("GET", "/campaigns/calendar?first=2026-01-01&last=2199-01-01").json["days"]) == 62
    assert call("GET", "/campaigns/calendar?first=2026-01-05&last=2026-01-01").json["days"] == []
