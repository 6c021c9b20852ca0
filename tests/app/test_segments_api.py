"""Segments through the API."""

import pytest

from push.audiences.conditions import CONDITIONS
from stores.models import Role
from tests.factories import make_chain, make_key, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member

pytestmark = pytest.mark.usefixtures("app")
NESTED = {
    "any": [
        {"field": "points", "op": "at_least", "value": 100},
        {"not": {"all": [{"field": "joined", "op": "within_days", "value": 1}]}},
    ]
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


def test_a_segment_is_kept_read_changed_put_away_and_taken_out(call):
    made = call("POST", "/segments", {"name": "A", "audience": NESTED})
    assert made.status_code == 201
    assert made.json["audience"] == NESTED
    assert made.json["sentence"]["en"].startswith("Members who have at least 100 points or")
    path = f"/segments/{made.json['id']}"
    assert call("GET", path).json == made.json
    assert call("GET", "/segments").json["items"] == [made.json]

    changed = call("PUT", path, {"name": "B", "audience": {}}).json
    assert (changed["name"], changed["audience"]) == ("B", {"all": []})
    assert call("POST", f"{path}/archive").json["archived_at"] is not None
    assert call("GET", "/segments").json["items"] == []
    assert call("POST", f"{path}/restore").json["archived_at"] is None


def test_a_repeat_under_one_key_is_one_segment(call):
    body = {"name": "A", "audience": NESTED}
    first = call("POST", "/segments", body, Idempotency_Key="segment-0001")
    again = call("POST", "/segments", body, Idempotency_Key="segment-0001")

    assert (again.status_code, again.json) == (201, first.json)
    assert call("POST", "/segments", body).json["code"] == "segment_name_taken"


def test_rules_are_counted_without_keeping_them(call, chain):
    code = make_store_code(make_store(chain))
    make_member(code)
    make_member(code, email="a@example.com")

    counted = call("POST", "/segments/count", {"audience": NESTED, "channels": ["inbox", "email"]}).json

    assert (counted["members"], counted["by_channel"]) == (2, {"inbox": 2, "email": 1})
    assert counted["audience"] == NESTED
    assert call("POST", "/segments/count", {}).json["members"] == 2


def test_what_is_used_is_not_put_away(call, chain):
    made = call("POST", "/segments", {"name": "A", "audience": NESTED}).json
    make_campaign(chain, audience={"all": [{"field": "segment", "op": "is", "value": made["id"]}]})

    answer = call("POST", f"/segments/{made['id']}/archive")

    assert (answer.status_code, answer.json["code"]) == (409, "segment_in_use")


def test_a_campaign_takes_nested_rules(call):
    body = {"name": "周五", "channels": ["inbox"], "title": "a", "body": "b", "audience": NESTED}

    made = call("POST", "/campaigns", body)

    assert (made.status_code, made.json["audience"]) == (201, NESTED)


@pytest.mark.parametrize(
    "audience",
    [
        {"any": []},
        {"all": [], "any": []},
        {"not": [1]},
        {"all": {"all": []}},
        {"all": [{"field": "joined", "op": "after", "value": "2026"}]},
    ],
)
def test_what_is_no_rule_is_refused(call, audience):
    for path in ("/segments", "/segments/count"):
        answer = call("POST", path, {"audience": audience} | ({"name": "A"} if path == "/segments" else {}))

        assert (answer.status_code, answer.json["code"]) == (422, "audience_invalid")


def test_a_sign_that_no_text_holds_is_refused(call):
    for audience in ({"\0": 1}, {"all": [{"field": "\0", "op": "in", "value": [1]}]}):
        assert call("POST", "/segments/count", {"audience": audience}).status_code == 400


@pytest.mark.parametrize("depth", [7, 200, 900, 50_000])
def test_rules_within_rules_end_somewhere(client, chain, depth):
    body = '{"name":"A","audience":' + '{"not":' * depth + '{"all":[]}' + "}" * depth + "}"

    answer = client.post(
        "/api/v1/segments", data=body, content_type="application/json",
        headers={"Authorization": f"Bearer {make_key(chain)}"},
    )  # fmt: skip

    assert answer.status_code in (400, 422)


def test_all_conditions_are_listed_with_what_they_take(call):
    items = call("GET", "/segments/conditions").json["items"]

    assert {(item["field"], item["op"]) for item in items} == {*CONDITIONS, ("segment", "is")}
    spend = next(item for item in items if (item["field"], item["op"]) == ("spend", "at_least"))
    assert spend["value"] == {"cents": "amount_cents", "days": "whole or null"}
    assert spend["words"]["en"]


def test_stores_may_not_ask(client, chain):
    key = make_key(chain, Role.CLERK, make_store(chain))

    answer = client.get("/api/v1/segments", headers={"Authorization": f"Bearer {key}"})

    assert answer.status_code == 403
