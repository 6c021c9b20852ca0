"""Offers written, changed and moved through the API."""

import pytest
from sqlalchemy import select

from core.audit import SYSTEM, AuditEntry
from core.clock import utc_now
from core.db import db, transaction
from coupons import approval, offers
from coupons.models import Offer
from stores.models import Role
from tests.factories import make_chain, make_key, make_offer, make_store

API = "/api/v1/offers"
GIFT = {
    "name": "冰沙一份",
    "name_en": "A smoothie",
    "kind": "gift",
    "item_name": "冰沙",
    "item_name_en": "Smoothie",
    "item_cents": 1800,
    "min_cents": 3000,
    "valid_days": 7,
    "valid_delay_days": 1,
    "stock": 100,
    "per_day_limit": 10,
    "budget_cents": 90_000,
    "weekdays": ["mon", "tue", "wed", "thu", "fri"],
    "hours": [{"from": "17:00", "to": "20:00"}, {"from": "14:00", "to": "17:00"}],
    "blackout_dates": ["2030-10-01"],
    "stacking": "stackable",
    "stack_group": "饮品",
    "member_price": "instead",
    "claim_word": " 冰沙 SMOOTHIE ",
    "may_be_given": False,
}


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def ask(client, chain):
    """Send something with head office's key; the answer has its status beside it."""
    headers = {"Authorization": f"Bearer {make_key(chain)}"}

    def send(method, path="", body=None, *, status=200, **more):
        answer = client.open(f"{API}{path}", method=method, json=body, headers=headers | more)
        assert answer.status_code == status, answer.json
        return answer.json

    return send


def test_an_offer_is_written_with_all_its_rules(ask, chain):
    store = make_store(chain, name="静安店")

    made = ask("POST", body=GIFT | {"store_ids": [store.id]}, status=201)

    assert made["state"] == "draft"
    assert made["hours"] == [{"from": "14:00", "to": "20:00"}]
    assert (made["weekdays"], made["blackout_dates"]) == (["mon", "tue", "wed", "thu", "fri"], ["2030-10-01"])
    assert (made["claim_word"], made["store_ids"], made["tier_ids"]) == ("冰沙 smoothie", [store.id], [])
    assert made["sentence"]["zh"] == "另购满30元，免费送冰沙1份（价值18元）"
    assert [text["zh"] for text in made["conditions"]] == [
        "领取次日起 7 天内有效",
        "每人限领 1 张",
        "每天限量 10 张",
        "数量有限，领完即止",
        "周一至周五 14:00–20:00 可用",
        "2030年10月1日不可用",
        "限静安店使用",
        "可与其他可叠加的券同用，“饮品”类限用 1 张",
        "不与会员价同享",
        "不可转赠",
    ]
    assert ask("GET", f"/{made['id']}") == made
    assert ask("GET")["items"] == [made]


def test_what_is_answered_can_be_sent_again(ask):
    made = ask("POST", body=GIFT, status=201)
    own = {"id", "state", "version", "sentence", "conditions", "left", "claimed", "redeemed", "url", "created_at"}
    own |= {"submitted_at", "submitted_by", "approved_at", "approved_by", "claim_word"}
    rules = {name: value for name, value in made.items() if name not in own}

    again = ask("POST", body=rules, status=201)

    assert {name: again[name] for name in rules} == rules


def test_a_draft_takes_any_change_and_keeps_the_rest(ask):
    made = ask("POST", body=GIFT, status=201)

    changed = ask("PATCH", f"/{made['id']}", {"stock": 5, "hours": None, "min_cents": 9000})

    assert (changed["stock"], changed["left"], changed["hours"], changed["min_cents"]) == (5, 5, None, 9000)
    assert (changed["claim_word"], changed["weekdays"]) == (made["claim_word"], made["weekdays"])
    assert changed["version"] != made["version"]


def test_what_runs_only_becomes_more_generous(ask, chain):
    offer = make_offer(chain, min_cents=3000)

    assert ask("PATCH", f"/{offer.id}", {"min_cents": 2000})["min_cents"] == 2000
    refused = ask("PATCH", f"/{offer.id}", {"min_cents": 2500, "value_cents": 100}, status=409)

    assert refused["code"] == "offer_not_more_generous"
    assert "减免金额、门槛" in refused["detail"]


def test_of_two_systems_the_second_is_told(ask, chain):
    offer = make_offer(chain)
    seen = ask("GET", f"/{offer.id}")["version"]
    ask("PATCH", f"/{offer.id}", {"min_cents": 2000, "version": seen})

    assert ask("PATCH", f"/{offer.id}", {"min_cents": 1000, "version": seen}, status=409)["code"] == "offer_changed"


def test_an_offer_goes_through_its_states(ask):
    offer_id = ask("POST", body=GIFT, status=201)["id"]

    states = [ask("POST", f"/{offer_id}/{move}")["state"] for move in ("publish", "pause", "publish", "end")]

    assert states == ["running", "paused", "running", "ended"]
    assert ask("PATCH", f"/{offer_id}", {"stock": 500}, status=409)["code"] == "offer_ended"


def test_a_key_submits_and_a_person_approves(ask, chain):
    with transaction():
        approval.set_needs_approval(chain.id, True, by=SYSTEM, now=utc_now())
    offer_id = ask("POST", body=GIFT, status=201)["id"]

    assert ask("POST", f"/{offer_id}/publish", status=409)["code"] == "offer_needs_approval"
    assert ask("POST", f"/{offer_id}/submit")["submitted_by"].startswith("key:")
    ask("POST", f"/{offer_id}/approve", status=404)
    with transaction():
        approval.approve(chain.id, offer_id, by=SYSTEM, now=utc_now())

    assert ask("POST", f"/{offer_id}/publish")["approved_by"] == "system"


def test_stock_and_budget_change_by_who_saw_them(ask, chain):
    offer = make_offer(chain, stock=10, budget_cents=5000)

    assert ask("POST", f"/{offer.id}/stock", {"stock": 30, "seen_stock": 10})["left"] == 30
    assert ask("POST", f"/{offer.id}/stock", {"stock": 40, "seen_stock": 10}, status=409)["code"] == "offer_changed"
    budget = {"budget_cents": 6000, "seen_budget_cents": 5000}
    assert ask("POST", f"/{offer.id}/budget", budget)["budget_cents"] == 6000
    assert ask("POST", f"/{offer.id}/budget", budget, status=409)["code"] == "offer_changed"


def test_a_repeat_with_its_key_is_one_offer(ask, chain):
    key = {"Idempotency-Key": "offer-0001"}

    first, second = (ask("POST", body=GIFT, status=201, **key) for _ in range(2))

    assert first["id"] == second["id"]
    assert len(offers.list_offers(chain.id)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "cash"},
        {"item_cents": None},
        {"hours": [{"from": "25:00", "to": "26:00"}]},
        {"hours": [{"from": "14:00"}]},
        {"weekdays": ["someday"]},
        {"weekdays": []},
        {"blackout_dates": ["tomorrow"]},
        {"valid_until": "9999-12-31T23:59:59-12:00"},
        {"budget_cents": 1},
        {"store_ids": [2**62]},
        {"stock": 1.5},
        {"colour": "red"},
    ],
    ids=str,
)
def test_what_makes_no_offer_is_refused(ask, chain, wrong):
    ask("POST", body=GIFT | wrong, status=422)

    assert offers.list_offers(chain.id) == []


def test_an_offer_of_another_chain_is_not_found(ask):
    theirs = make_offer(make_chain("other"))

    ask("GET", f"/{theirs.id}", status=404)
    ask("PATCH", f"/{theirs.id}", {"stock": 5}, status=404)
    ask("POST", f"/{theirs.id}/pause", status=404)

    untouched = db.session.get_one(Offer, theirs.id, populate_existing=True)
    assert (untouched.state, untouched.stock) == ("running", theirs.stock)


@pytest.mark.parametrize("role", [Role.HQ_ANALYST, Role.STORE_MANAGER, Role.CLERK])
def test_only_head_office_writes(client, chain, role):
    offer = make_offer(chain)
    store = None if role == Role.HQ_ANALYST else make_store(chain)
    headers = {"Authorization": f"Bearer {make_key(chain, role, store)}"}

    assert client.get(f"{API}/{offer.id}", headers=headers).status_code == 200
    assert client.post(f"{API}/{offer.id}/pause", headers=headers).status_code == 403
    assert db.session.scalars(select(Offer.state)).all() == ["running"]


def test_a_change_is_noted_with_the_key_that_made_it(ask, chain):
    ask("PATCH", f"/{make_offer(chain).id}", {"min_cents": 2000})

    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (entry.action, entry.actor.partition(":")[0], entry.after) == ("offer edited", "key", {"min_cents": 2000})
