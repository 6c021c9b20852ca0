"""Purchases through the API."""

import json
from base64 import urlsafe_b64encode

import pytest
from sqlalchemy import func, select

from cards.models import Card
from checkout.models import Checkout
from core.db import db
from stores.models import Role
from tests.factories import code_of, in_days, make_card, make_chain, make_coupon, make_key, make_offer, make_store

KEY = {"Idempotency-Key": "sale-0001"}


@pytest.fixture
def till(client, shop):
    """Posts with the key of the shop's own till."""
    bearer = {"Authorization": f"Bearer {make_key(shop.chain, Role.CLERK, shop.store)}"}

    def send(path, body=None, headers=None):
        return client.post(f"/api/v1{path}", json=body, headers=bearer | (headers or {}))

    return send


def purchase(shop, amount_cents=5800, **more):
    return {"card_code": code_of(shop.card), "amount_cents": amount_cents} | more


def checkouts():
    db.session.rollback()
    return db.session.scalar(select(func.count(Checkout.id)))


def test_a_quote_says_what_is_to_be_paid_and_why(till, shop):
    fits = make_coupon(shop.card, make_offer(shop.chain))
    dear = make_coupon(shop.card, make_offer(shop.chain, min_cents=8000, name="满80减8", name_en="8 off 80"))

    quote = till("/checkouts/quote", purchase(shop), {"Accept-Language": "en"}).json

    assert quote["discounts"] == [
        {"kind": "member_price", "label": "Member price, 5% off", "coupon_id": None, "discount_cents": 290},
        {"kind": "coupon", "label": "5 off 30", "coupon_id": fits.id, "discount_cents": 500},
    ]
    assert (quote["amount_cents"], quote["payable_cents"], quote["points"]) == (5800, 5010, 50)
    assert (quote["coupons"], quote["best"], quote["currency"]) == ([fits.id], [fits.id], "CNY")
    assert quote["refusals"] == [
        {
            "coupon_id": dear.id,
            "name": "8 off 80",
            "code": "coupon_minimum_not_met",
            "detail": "¥22 more to use it.",
        }
    ]
    assert quote["card"] == {
        "number": shop.card.number,
        "member_name": "",
        "member_phone": "",
        "tier": "Silver",
        "points": 0,
    }


def test_a_checkout_is_created(till, shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))

    answer = till("/checkouts", purchase(shop, coupons=[coupon.id], payable_cents=5010), KEY)

    assert answer.status_code == 201
    assert answer.json == {
        "id": 1,
        "state": "settled",
        "amount_cents": 5800,
        "member_discount_cents": 290,
        "coupon_discount_cents": 500,
        "points_used": 0,
        "points_discount_cents": 0,
        "payable_cents": 5010,
        "points_earned": 50,
        "coupons": [coupon.id],
        "settled_at": "2026-05-20T04:00:00+00:00",
        "business_day": "2026-05-20",
        "reserved_until": None,
    }


def test_the_same_key_gets_the_first_checkout_though_the_code_is_old_by_then(till, shop, noon):
    body = purchase(shop, coupons=[make_coupon(shop.card, make_offer(shop.chain)).id])
    first = till("/checkouts", body, KEY)
    noon.move_to(in_days(1))

    again = till("/checkouts", body, KEY)

    assert (again.status_code, again.json) == (201, first.json)
    assert (first.headers.get("Idempotent-Replay"), again.headers["Idempotent-Replay"]) == (None, "true")
    assert checkouts() == 1


def test_a_ticket_stands_for_the_card_for_a_quarter_of_an_hour(till, shop, noon):
    ticket = till("/checkouts/quote", purchase(shop)).json["card_ticket"]
    noon.shift(14 * 60)
    body = {"card_code": ticket, "amount_cents": 5800}

    first = till("/checkouts", body, KEY)
    noon.shift(2 * 60)

    assert first.status_code == 201
    assert till("/checkouts", body, KEY).json == first.json
    assert till("/checkouts", body, {"Idempotency-Key": "sale-0002"}).json["code"] == "card_code_outdated"
    assert checkouts() == 1


def test_a_ticket_is_good_for_nobody_else(till, client, shop):
    ticket = till("/checkouts/quote", purchase(shop)).json["card_ticket"]
    other = {"Authorization": f"Bearer {make_key(shop.chain, Role.CLERK, make_store(shop.chain))}"}

    answer = client.post("/api/v1/checkouts", json={"card_code": ticket, "amount_cents": 5800}, headers=other)

    assert (answer.status_code, answer.json["code"]) == (404, "card_code_unknown")


@pytest.mark.parametrize("payload", [5, True, {"a": 1}, [None], [[1]], ["\0"], ["\ud800"], ["9" * 100]], ids=repr)
def test_a_ticket_that_somebody_made_up_is_unknown(till, shop, payload):
    made_up = urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")

    answer = till("/checkouts", purchase(shop) | {"card_code": f"ct_{made_up}.AAAA.BBBB"})

    assert (answer.status_code, answer.json["code"]) == (404, "card_code_unknown")


def test_the_same_key_with_another_body_is_refused(till, shop):
    till("/checkouts", purchase(shop), KEY)

    answer = till("/checkouts", purchase(shop, 6800), KEY)

    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_reused")
    assert checkouts() == 1


def test_two_tills_of_one_store_may_number_alike(till, client, shop):
    till("/checkouts", purchase(shop), KEY)
    other = {"Authorization": f"Bearer {make_key(shop.chain, Role.CLERK, shop.store)}"} | KEY

    answer = client.post("/api/v1/checkouts", json=purchase(shop, 2000), headers=other)

    assert (answer.status_code, checkouts()) == (201, 2)


def test_without_a_key_each_request_is_a_purchase_of_its_own(till, shop):
    answers = [till("/checkouts", purchase(shop)).status_code for _ in range(2)]

    assert (answers, checkouts()) == ([201, 201], 2)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount_cents": 0}, 422, "amount_invalid"),
        ({"amount_cents": 10**30}, 422, "amount_invalid"),
        ({"amount_cents": 58.5}, 422, "invalid"),
        ({"amount_cents": None}, 422, "invalid"),
        ({"card_code": ""}, 422, "invalid"),
        ({"card_code": "6" * 24}, 404, "card_code_unknown"),
        ({"card_code": "ct_forged"}, 404, "card_code_unknown"),
        ({"coupons": [1, 2]}, 404, "coupon_not_found"),
        ({"coupons": [1] * 201}, 422, "invalid"),
        ({"use_points": 100}, 409, "points_not_accepted"),
        ({"use_points": -1}, 422, "invalid"),
        ({"use_value_cents": 1}, 409, "value_not_accepted"),
        ({"items": []}, 422, "invalid"),
        ({"items": [{"name": "Cone", "quantity": 1, "price_cents": 5700}]}, 422, "items_do_not_add_up"),
        ({"coupons": [10**30]}, 422, "invalid"),
        ({"coupons": [99]}, 404, "coupon_not_found"),
        ({"payable_cents": 1}, 409, "quote_changed"),
        ({"store_code": "nowhere"}, 404, "store_not_found"),
        ({"tip_cents": 100}, 422, "invalid"),
    ],
)
def test_a_purchase_that_makes_no_sense_is_refused(till, shop, change, status, code):
    answer = till("/checkouts", purchase(shop) | change, KEY)

    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert checkouts() == 0


def test_a_head_office_key_names_the_store(client, shop):
    bearer = {"Authorization": f"Bearer {make_key(shop.chain)}"}

    without = client.post("/api/v1/checkouts", json=purchase(shop), headers=bearer)
    named = client.post("/api/v1/checkouts", json=purchase(shop, store_code=shop.store.code), headers=bearer)

    assert (without.status_code, without.json["code"]) == (422, "store_needed")
    assert named.status_code == 201
    assert db.session.scalar(select(Checkout.store_id)) == shop.store.id


def test_a_stores_key_acts_for_no_other_store(till, shop):
    other = make_store(shop.chain)

    answer = till("/checkouts", purchase(shop, store_code=other.code))

    assert (answer.status_code, answer.json["code"]) == (404, "store_not_found")


@pytest.mark.parametrize("path", ["/checkouts/quote", "/checkouts"])
def test_another_chains_key_does_not_know_the_card(client, shop, path):
    other = make_chain("other")
    bearer = {"Authorization": f"Bearer {make_key(other, Role.CLERK, make_store(other))}"}

    answer = client.post(f"/api/v1{path}", json=purchase(shop), headers=bearer)

    assert (answer.status_code, answer.json["code"]) == (404, "card_code_unknown")


def test_wrong_codes_are_slowed_down_till_by_till(till, client, shop):
    wrong = code_of(shop.card)[:16] + "00000000"
    answers = [till("/checkouts/quote", purchase(shop, card_code=wrong)).json["code"] for _ in range(21)]

    other = {"Authorization": f"Bearer {make_key(shop.chain, Role.CLERK, shop.store)}"}
    theirs = client.post("/api/v1/checkouts/quote", json=purchase(shop), headers=other)

    assert answers == ["card_code_outdated"] * 20 + ["too_many_requests"]
    assert till("/checkouts/quote", purchase(shop)).status_code == 429
    assert theirs.status_code == 200


def test_a_checkout_is_undone_through_the_api(till, shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    checkout_id = till("/checkouts", purchase(shop, coupons=[coupon.id])).json["id"]

    first = till(f"/checkouts/{checkout_id}/void", headers={"Idempotency-Key": "void-0001"})
    repeat = till(f"/checkouts/{checkout_id}/void", headers={"Idempotency-Key": "void-0001"})
    second = till(f"/checkouts/{checkout_id}/void", headers={"Idempotency-Key": "void-0002"})

    assert (first.status_code, first.json) == (
        200,
        {
            "id": checkout_id,
            "state": "voided",
            "payable_cents": 5010,
            "coupons": [coupon.id],
            "expired_coupons": [],
            "points_taken": 50,
            "points_short": 0,
            "points_returned": 0,
            "voided_at": "2026-05-20T04:00:00+00:00",
        },
    )
    assert (repeat.status_code, repeat.json) == (200, first.json)
    assert (second.status_code, second.json["code"]) == (409, "checkout_already_voided")


def test_a_checkout_of_another_store_cannot_be_undone(till, client, shop):
    checkout_id = till("/checkouts", purchase(shop)).json["id"]
    other = {"Authorization": f"Bearer {make_key(shop.chain, Role.CLERK, make_store(shop.chain))}"}

    answer = client.post(f"/api/v1/checkouts/{checkout_id}/void", headers=other)

    assert (answer.status_code, answer.json["code"]) == (404, "checkout_not_found")
    assert client.post(f"/api/v1/checkouts/{10**30}/void", headers=other).status_code == 404


def test_an_analysts_key_settles_nothing(client, shop):
    bearer = {"Authorization": f"Bearer {make_key(shop.chain, Role.HQ_ANALYST)}"}

    answer = client.post("/api/v1/checkouts", json=purchase(shop), headers=bearer)

    assert (answer.status_code, answer.json["code"]) == (403, "not_permitted")


@pytest.fixture
def wallet(client, shop):
    """Takes a card by the API; gets with its wallet's token."""
    token = client.post("/api/v1/wallets").json["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    number = client.post(f"/api/v1/store-codes/{shop.code.token}/cards", headers=bearer).json["number"]

    def get(path=""):
        return client.get(f"/api/v1/cards/{number}{path}", headers=bearer)

    get.number = number
    return get


def test_a_wallet_sees_its_card_and_the_code_it_shows(wallet, shop, till):
    card = db.session.scalars(select(Card).where(Card.number == wallet.number)).one()
    coupon = make_coupon(card, make_offer(shop.chain))

    seen, code = wallet().json, wallet("/code").json

    assert (seen["number"], seen["state"], seen["points"], seen["value_cents"]) == (wallet.number, "active", 0, 0)
    assert seen["tier"] == {"name": "银卡", "discount_bp": 500, "points_multiplier_bp": 10_000}
    assert [(held["id"], held["terms"], held["state"]) for held in seen["coupons"]] == [
        (coupon.id, "满30元减5元", "claimed")
    ]
    assert code == {"value": code_of(card), "expires_at": "2026-05-20T04:00:30+00:00"}
    assert till("/checkouts", {"card_code": code["value"], "amount_cents": 5800}).status_code == 201


def test_a_wallet_does_not_see_a_strangers_card(wallet, client, shop):
    bearer = {"Authorization": f"Bearer {client.post('/api/v1/wallets').json['token']}"}

    for path in ("", "/code"):
        answer = client.get(f"/api/v1/cards/{wallet.number}{path}", headers=bearer)
        assert (answer.status_code, answer.json["code"]) == (404, "card_not_held")


def test_a_till_sees_its_own_members_and_whoever_stands_before_it(client, shop):
    other = make_store(shop.chain)
    ours = {"Authorization": f"Bearer {make_key(shop.chain, Role.CLERK, shop.store)}"}
    theirs = {"Authorization": f"Bearer {make_key(shop.chain, Role.CLERK, other)}"}
    path = f"/api/v1/cards/{shop.card.number}"

    assert client.get(path, headers=ours).json["number"] == shop.card.number
    assert client.get(path, headers=theirs).json["code"] == "card_code_unknown"
    assert client.get(f"{path}?card_code={code_of(shop.card)}", headers=theirs).json["points"] == 0
    strange = code_of(make_card(shop.code))
    assert client.get(f"{path}?card_code={strange}", headers=theirs).status_code == 404


def test_another_chains_till_sees_nothing(client, shop):
    other = make_chain("other")
    bearer = {"Authorization": f"Bearer {make_key(other)}"}

    assert client.get(f"/api/v1/cards/{shop.card.number}", headers=bearer).status_code == 404
