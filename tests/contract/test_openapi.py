"""The API answers as its description says: every call, every refusal, and the description is whole."""

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest
from flask.testing import FlaskClient

from app.api.document import METHODS, PROBLEM, document
from cards.models import Card
from core.clock import utc_now
from core.db import db
from push import runs
from push.channels.gateway import signature
from sharing import rewarding
from stores.models import Role
from tests.factories import make_chain, make_coupon, make_key, make_offer, make_staff, make_store, make_store_code
from tests.push.pushing import make_campaign, schedule, start

DRAFT = "https://json-schema.org/draft/2020-12/schema"

VERSIONS = {
    "variants": [{"label": "A", "share_bp": 5000}, {"label": "B", "share_bp": 5000}],
    "texts": {"B": {"any": {"zh": {"title": "周末见", "body": "来吧"}}}},
    "channels": ["email", "inbox"],
    "channel_mode": "first",
    "purpose": "service",
    "holdout_bp": 500,
    "schedule": {"kind": "recurring", "monthdays": [1, 31], "time": "10:00", "zone": "member"},
}


class Api:
    """A client that holds each answer against the description, and remembers what was asked."""

    def __init__(self, client: FlaskClient, spec: dict[str, Any]) -> None:
        self.client = client
        self.spec = spec
        self.asked: set[tuple[str, str]] = set()

    def ask(
        self, call: str, *, status: int = 200, by: str = "", body: Any = None, signed: str = "", **values: Any
    ) -> Any:
        """``call`` is "POST /offers/{offer_id}/coupons"; values fill the path, the rest are asked after the ?."""
        method, _, path = call.partition(" ")
        template = f"/api/v1{path}"
        operation = self.spec["paths"][template][method.lower()]
        query = {name: value for name, value in values.items() if f"{{{name}}}" not in template}
        options: dict[str, Any] = {} if body is None else {"json": body}
        headers = {"Authorization": f"Bearer {by}"} if by else {}
        if signed:
            stamp, raw = str(int(time.time())), json.dumps(body).encode()
            headers |= {"X-Kaquan-Timestamp": stamp, "X-Kaquan-Signature": f"v1={signature(signed, stamp, raw)}"}
            options = {"data": raw, "content_type": "application/json"}
        answer = self.client.open(
            template.format(**values), method=method, query_string=query, headers=headers, **options
        )
        assert answer.status_code == status, (call, answer.status, answer.text)
        self._check(operation, answer)
        if status < 300:
            self.asked.add((method.lower(), template))
        return answer.get_json() if answer.data else None

    def _check(self, operation: dict[str, Any], answer: Any) -> None:
        said = operation["responses"].get(str(answer.status_code))
        assert said, f"{operation['operationId']} does not speak of {answer.status_code}"
        if "$ref" in said:
            said = self.spec["components"]["responses"][said["$ref"].rpartition("/")[2]]
        if not answer.data:
            assert "content" not in said
            return
        kind = answer.content_type.partition(";")[0]
        assert kind in said["content"], (operation["operationId"], kind)
        schema = said["content"][kind]["schema"]
        jsonschema_rs.validate({"$schema": DRAFT, "components": self.spec["components"], **schema}, answer.get_json())


@pytest.fixture
def api(app, client) -> Api:
    return Api(client, document(app))


def operations(spec: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): item[method] for path, item in spec["paths"].items() for method in METHODS if method in item
    }


def references(part: Any) -> set[str]:
    if isinstance(part, list):
        return {name for one in part for name in references(one)}
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(one) for one in part.values()))
    return set()


def test_it_is_openapi_3_1_with_everything_it_refers_to(api):
    components = api.spec["components"]
    known = {f"#/components/{kind}/{name}" for kind, parts in components.items() for name in parts}

    assert api.spec["openapi"].startswith("3.1")
    assert references(api.spec) <= known


def test_every_schema_is_a_json_schema(api):
    schemas = api.spec["components"]["schemas"]

    assert schemas
    assert [name for name, s in schemas.items() if not jsonschema_rs.meta.is_valid({"$schema": DRAFT, **s})] == []


def test_every_call_of_the_api_is_described(app, api):
    served = {
        (method.lower(), rule.endpoint)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.endpoint != "api_description.openapi"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }

    assert len(operations(api.spec)) == len(served)


def test_every_call_says_who_may_call_it_what_it_does_and_how_it_refuses(api):
    ids = [operation["operationId"] for operation in operations(api.spec).values()]
    for (method, path), operation in operations(api.spec).items():
        assert operation.get("summary"), path
        assert operation["security"], path
        assert operation["tags"][0] in {tag["name"] for tag in api.spec["tags"]}
        assert any(code < "300" for code in operation["responses"]), path
        if operation["security"] != [{}]:
            assert {"401", "403"} <= set(operation["responses"]), path
        if method != "get":
            assert {"$ref": "#/components/parameters/IdempotencyKey"} in operation["parameters"], path
    assert len(ids) == len(set(ids))


def test_every_call_answers_as_it_is_described(api, capfd, monkeypatch):
    """One walk through the whole product; a new call has to be walked too."""
    settings = api.client.application.extensions["settings"]
    monkeypatch.setitem(
        api.client.application.extensions, "settings", replace(settings, show_phone_codes=True, gateway_secret="g" * 20)
    )
    chain = make_chain()
    store = make_store(chain, "SH001")
    code = make_store_code(store)
    welcome = make_offer(chain)
    hq, till = make_key(chain), make_key(chain, Role.CLERK, store)

    wallet = api.ask("POST /wallets", status=201)["token"]
    card = api.ask("POST /store-codes/{token}/cards", status=201, by=wallet, token=code.token)
    again = api.ask("POST /store-codes/{token}/cards", by=wallet, token=code.token)
    number = card["number"]
    assert (again["number"], again["is_new"]) == (number, False)
    api.ask("GET /cards/{number}", by=wallet, number=number)
    shown = api.ask("GET /cards/{number}/code", by=wallet, number=number)["value"]
    api.ask("GET /cards/{number}", by=till, number=number, card_code=shown)

    claimed = api.ask("POST /offers/{offer_id}/coupons", status=201, by=wallet, offer_id=welcome.id)
    api.ask("POST /offers/{offer_id}/coupons", status=409, by=wallet, offer_id=welcome.id)
    api.ask("POST /cards/{number}/phone-codes", status=202, by=wallet, number=number, body={"phone": "+8613800000000"})
    sent = capfd.readouterr().err.rpartition(": ")[2].strip()
    api.ask("POST /cards/{number}/phone-codes/verify", by=wallet, number=number, body={"code": sent})
    purchase = {"card_code": shown, "amount_cents": 5800}
    quote = api.ask("POST /checkouts/quote", by=till, body=purchase)
    settle = {"card_code": quote["card_ticket"], "amount_cents": 5800, "coupons": quote["best"]}
    checkout = api.ask("POST /checkouts", status=201, by=till, body=settle)
    assert checkout["coupons"] == [claimed["id"]]
    api.ask("POST /checkouts/{checkout_id}/void", by=till, checkout_id=checkout["id"])
    for end in ("confirm", "release"):
        basket = settle | {"minutes": 5, "items": [{"name": "Tea", "quantity": 2, "price_cents": 2900}]}
        held = api.ask("POST /checkouts/reservations", status=201, by=till, body=basket)
        api.ask(f"POST /checkouts/{{checkout_id}}/{end}", by=till, checkout_id=held["id"])
        settle |= {"coupons": []}
    settle |= {"store_code": store.code}
    paid = api.ask("POST /checkouts", status=201, by=hq, body=settle | {"card_code": shown})["id"]
    refund = {"amount_cents": 800, "reason": "少一份"}
    api.ask("POST /checkouts/{checkout_id}/refunds", status=409, by=till, checkout_id=paid, body=refund)
    api.ask("POST /checkouts/{checkout_id}/refunds", status=201, by=hq, checkout_id=paid, body=refund)

    reward = {"name": "荐友有礼", "name_en": "Bring a friend", "trigger": "card_issued", "hold_days": 0}
    reward |= {"referrer_points": 50, "friend_offer_id": welcome.id}
    rule = api.ask("POST /reward-rules", status=201, by=hq, body=reward)["id"]
    api.ask("PATCH /reward-rules/{rule_id}", by=hq, rule_id=rule, body={"per_day_cap": 5})
    for change in ("start", "pause", "resume"):
        api.ask(f"POST /reward-rules/{{rule_id}}/{change}", by=hq, rule_id=rule)
    link = api.ask("POST /cards/{number}/share-links", status=201, by=wallet, number=number, body={"channel": "friend"})
    friend = api.ask("POST /wallets", status=201)["token"]
    slip = {"card": number, "channel": "poster"}
    api.ask("POST /share-links", status=201, by=hq, body=slip)
    api.ask("GET /share-channels", by=hq)
    api.ask("POST /share-links/{token}/visits", status=204, token=link["token"])
    joined = api.ask("POST /share-links/{token}/cards", status=201, by=friend, token=link["token"])
    assert joined["referral"]["depth"] == 1
    api.ask("GET /referrals/tree", by=hq, card=number)
    while rewarding.earn_batch(chain.id, now=utc_now()):
        pass
    earned = api.ask("GET /rewards", by=hq, card=number)["items"][0]["id"]
    for decide in ("reject", "approve", "claw-back"):
        api.ask(f"POST /rewards/{{reward_id}}/{decide}", by=hq, reward_id=earned, body={"reason": "弄错了"})
    api.ask("POST /rewards/{reward_id}/claw-back", status=409, by=hq, reward_id=earned, body={"reason": "弄错了"})
    api.ask("POST /reward-rules/{rule_id}/end", by=hq, rule_id=rule)

    given = make_coupon(db.session.get_one(Card, card["id"]), make_offer(chain), now=utc_now()).id
    message = {"message": "给你"}
    held_out = api.ask("POST /coupons/{coupon_id}/gifts", status=201, by=wallet, coupon_id=given, body=message)
    api.ask("DELETE /coupon-gifts/{token}", by=wallet, token=held_out["token"])
    held_out = api.ask("POST /coupons/{coupon_id}/gifts", status=201, by=wallet, coupon_id=given, body={})
    api.ask("POST /coupon-gifts/{token}/accept", status=201, by=friend, token=held_out["token"])
    api.ask("POST /coupon-gifts/{token}/accept", status=404, by=friend, token="zzzzzzzzzzzzz")

    make_offer(chain, claim_word="summer", staff_gift_limit=1, per_member_limit=5)
    by_clerk = {"offer_id": welcome.id + 2, "login": make_staff(chain, Role.CLERK, (store,)).login, "reason": "久等"}
    word = {"text": "summer"}
    entered = api.ask("POST /coupons/enter", status=201, by=wallet, body=word)["coupon_id"]
    api.ask("POST /coupons/{coupon_id}/void", by=hq, coupon_id=entered, body={"reason": "发错了"})
    api.ask("POST /coupons/{coupon_id}/void", status=409, by=hq, coupon_id=entered, body={"reason": "发错了"})
    api.ask("POST /coupons/enter", status=201, by=till, body=word | {"card_code": quote["card_ticket"]})
    api.ask("POST /coupons/enter", status=404, by=wallet, body={"text": "winter"})
    by_clerk["card_code"] = quote["card_ticket"]
    api.ask("POST /coupons/gifts-of-staff", status=201, by=till, body=by_clerk)
    api.ask("POST /coupons/gifts-of-staff", status=409, by=till, body=by_clerk)

    gift = {
        "name": "冰沙",
        "name_en": "Smoothie",
        "kind": "gift",
        "item_name": "冰沙",
        "item_name_en": "Smoothie",
        "item_cents": 1800,
        "valid_days": 7,
        "stock": 10,
        "budget_cents": 90_000,
        "weekdays": ["mon", "tue"],
        "hours": [{"from": "14:00", "to": "17:00"}],
        "blackout_dates": ["2030-10-01"],
        "store_ids": [store.id],
    }
    offer = api.ask("POST /offers", status=201, by=hq, body=gift)["id"]
    api.ask("GET /offers/{offer_id}", by=till, offer_id=offer)
    api.ask("PATCH /offers/{offer_id}", by=hq, offer_id=offer, body={"per_day_limit": 5})
    for change in ("submit", "publish", "pause"):
        api.ask(f"POST /offers/{{offer_id}}/{change}", by=hq, offer_id=offer)
    api.ask("POST /offers/{offer_id}/stock", by=hq, offer_id=offer, body={"stock": 20, "seen_stock": 10})
    budget = {"budget_cents": 95_000, "seen_budget_cents": 90_000}
    api.ask("POST /offers/{offer_id}/budget", by=hq, offer_id=offer, body=budget)
    api.ask("PATCH /offers/{offer_id}", status=409, by=hq, offer_id=offer, body={"per_day_limit": 4})
    api.ask("POST /offers/{offer_id}/end", by=hq, offer_id=offer)

    often = {"field": "purchases", "op": "at_least", "value": {"count": 2, "days": None}}
    kept = {"name": "常客", "audience": {"any": [often, {"not": {"all": []}}]}}
    api.ask("POST /segments/count", by=hq, body={"audience": kept["audience"], "channels": ["inbox"]})
    segment = api.ask("POST /segments", status=201, by=hq, body=kept)["id"]
    api.ask("POST /segments", status=409, by=hq, body=kept)
    api.ask("PUT /segments/{segment_id}", by=hq, segment_id=segment, body=kept | {"name": "老客"})
    api.ask("GET /segments/{segment_id}", by=hq, segment_id=segment)
    for change in ("archive", "restore"):
        api.ask(f"POST /segments/{{segment_id}}/{change}", by=hq, segment_id=segment)

    saved = {"name": "生日", "texts": {"any": {"zh": {"title": "生日快乐", "body": "今天有礼物。"}}}}
    message = api.ask("POST /message-templates", status=201, by=hq, body=saved)["id"]
    api.ask("POST /message-templates", status=409, by=hq, body=saved)
    api.ask("PUT /message-templates/{message_template_id}", by=hq, message_template_id=message, body=saved)
    api.ask("GET /message-templates/{message_template_id}", by=hq, message_template_id=message)
    for change in ("archive", "restore"):
        api.ask(f"POST /message-templates/{{message_template_id}}/{change}", by=hq, message_template_id=message)

    draft = {
        "name": "周末",
        "title": "周末",
        "title_en": "Weekend",
        "body": "来",
        "body_en": "Come",
        "channels": ["inbox"],
    }
    campaign = api.ask("POST /campaigns", status=201, by=hq, body=draft)["id"]
    api.ask("GET /campaigns", by=hq)
    api.ask("GET /campaigns/{campaign_id}", by=hq, campaign_id=campaign)
    api.ask("PUT /campaigns/{campaign_id}", by=hq, campaign_id=campaign, body=draft | VERSIONS)
    api.ask("GET /campaigns/{campaign_id}/times", by=hq, campaign_id=campaign)
    for change in ("submit", "schedule", "stop", "schedule", "pause"):
        api.ask(f"POST /campaigns/{{campaign_id}}/{change}", by=hq, campaign_id=campaign)
    words = {name: draft[name] for name in ("title", "title_en", "body", "body_en")}
    words["texts"] = VERSIONS["texts"]
    api.ask("PUT /campaigns/{campaign_id}/words", by=hq, campaign_id=campaign, body=words)
    for change in ("resume", "cancel"):
        api.ask(f"POST /campaigns/{{campaign_id}}/{change}", by=hq, campaign_id=campaign)
    missed = make_campaign(chain)
    schedule(missed, {"kind": "now"}, now=utc_now() - timedelta(hours=5))
    runs.start_due_batch(now=utc_now())
    decide = {"by": hq, "campaign_id": missed.id, "body": {"do": "now"}}
    api.ask("POST /campaigns/{campaign_id}/missed", **decide)
    api.ask("POST /campaigns/{campaign_id}/missed", status=409, **decide)
    api.ask("GET /campaigns/{campaign_id}/runs", by=hq, campaign_id=campaign)
    assert api.ask("GET /campaigns/{campaign_id}/effect", by=hq, campaign_id=campaign)["against"] == "nobody"
    run = start(make_campaign(chain), now=utc_now())
    of_run = {"by": hq, "campaign_id": run.campaign_id, "run_id": run.id}
    api.ask("GET /campaigns/{campaign_id}/runs/{run_id}", **of_run)
    api.ask("POST /campaigns/{campaign_id}/runs/{run_id}/retry", **of_run, body={"error": "smtp 550"})
    today = utc_now().date().isoformat()
    api.ask("GET /campaigns/calendar", by=hq, first=today, last=today)

    member = db.session.get_one(Card, card["id"]).member_id
    openid, tapped = {"openid": "o-lin", "is_following": True}, {"template_code": "coupon-arrived", "count": 2}
    api.ask("POST /members/{member_id}/wechat/allowances", status=409, by=hq, member_id=member, body=tapped)
    api.ask("PUT /members/{member_id}/wechat", by=hq, member_id=member, body=openid)
    api.ask("POST /members/{member_id}/wechat/allowances", status=201, by=hq, member_id=member, body=tapped)
    assert api.ask("GET /members/{member_id}/wechat", by=hq, member_id=member)["allowances"] == {"coupon-arrived": 2}
    assert api.ask("DELETE /members/{member_id}/wechat", by=hq, member_id=member)["openid"] is None
    receipts = {"receipts": [{"message_key": "kq-1-1", "status": "delivered"}]}
    api.ask("POST /receipts/gateway", status=401, body=receipts)
    assert api.ask("POST /receipts/gateway", body=receipts, signed="g" * 20) == {"known": 0}

    listener = {"name": "CRM", "url": "https://crm.example/hooks", "kinds": ["delivery.sent"]}
    endpoint = api.ask("POST /webhook-endpoints", status=201, by=hq, body=listener)["id"]
    api.ask("GET /webhook-endpoints/{endpoint_id}", by=hq, endpoint_id=endpoint)
    api.ask("PUT /webhook-endpoints/{endpoint_id}", by=hq, endpoint_id=endpoint, body=listener | {"kinds": []})
    api.ask("POST /webhook-endpoints/{endpoint_id}/test", status=201, by=hq, endpoint_id=endpoint)
    api.ask("GET /webhook-endpoints/{endpoint_id}/messages", by=hq, endpoint_id=endpoint)
    api.ask("DELETE /webhook-endpoints/{endpoint_id}", status=409, by=hq, endpoint_id=endpoint)
    for change in ("secret", "disable", "enable", "messages/again", "disable"):
        api.ask(f"POST /webhook-endpoints/{{endpoint_id}}/{change}", by=hq, endpoint_id=endpoint)
    api.ask("DELETE /webhook-endpoints/{endpoint_id}", by=hq, endpoint_id=endpoint)

    for listed in sorted(path for method, path in operations(api.spec) if method == "get" and "{" not in path):
        if ("get", listed) not in api.asked:
            api.ask(f"GET {listed.removeprefix('/api/v1')}", by=hq)
    assert set(operations(api.spec)) - api.asked == set()


@pytest.mark.parametrize(
    ("by", "status"), [pytest.param("", 401, id="nobody"), pytest.param("kq_wrong", 401, id="a wrong key")]
)
def test_a_stranger_is_refused_as_described(api, by, status):
    problem = api.ask("GET /stores", status=status, by=by)

    assert (problem["status"], problem["code"]) == (status, "not_signed_in")


def test_the_wrong_role_and_the_wrong_thing_are_refused_as_described(api):
    chain = make_chain()
    clerk = make_key(chain, Role.CLERK, make_store(chain))

    api.ask("GET /campaigns", status=403, by=clerk)
    api.ask("POST /checkouts/quote", status=422, by=clerk, body={"amount_cents": "much"})
    api.ask("POST /checkouts/{checkout_id}/void", status=404, by=clerk, checkout_id=987)
    for _ in range(21):
        answer = api.client.get("/api/v1/stores", headers={"Authorization": "Bearer guess"})
    assert (answer.status_code, answer.content_type) == (429, PROBLEM)
