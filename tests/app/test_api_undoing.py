"""Reservations, refunds, approvals and refused attempts through the API."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from cards.models import Card, Program
from checkout.models import Checkout, Refund, RefusedAttempt
from core.audit import SYSTEM
from core.db import db, transaction
from stores import pins
from stores.models import Role, Staff
from tests.factories import NOON, code_of, in_days, make_coupon, make_key, make_offer, make_staff, make_store

PIN = "274163"


@pytest.fixture
def till(client, shop):
    """Posts with the key of the shop's own till."""
    bearer = {"Authorization": f"Bearer {make_key(shop.chain, Role.CLERK, shop.store)}"}

    def send(path, body=None, key=None):
        headers = bearer | ({"Idempotency-Key": key} if key else {})
        return client.post(f"/api/v1{path}", json=body, headers=headers)

    return send


@pytest.fixture
def manager(shop):
    person = make_staff(shop.chain, Role.STORE_MANAGER, (shop.store,))
    with transaction():
        pins.set_pin(shop.chain.id, person.id, PIN, by=SYSTEM, now=NOON)
    return person


def purchase(shop, amount_cents=5800, **more):
    return {"card_code": code_of(shop.card), "amount_cents": amount_cents} | more


def approval(person: Staff, pin=PIN):
    return {"login": person.login, "pin": pin}


def refused():
    db.session.rollback()
    columns = (RefusedAttempt.action, RefusedAttempt.code, RefusedAttempt.card_id, RefusedAttempt.checkout_id)
    return [tuple(row) for row in db.session.execute(select(*columns).order_by(RefusedAttempt.id))]


def test_a_quote_takes_several_coupons_points_and_a_basket(till, shop):
    with transaction():
        db.session.execute(update(Program).values(spend_points=100, spend_cents=100))
        db.session.execute(update(Card).values(points=250))
    gift = {"kind": "gift", "item_name": "蛋筒", "item_name_en": "Cone", "item_cents": 1200, "value_cents": None}
    cone = make_coupon(shop.card, make_offer(shop.chain, min_cents=0, stacking="stackable", **gift))
    cash = make_coupon(shop.card, make_offer(shop.chain, stacking="stackable"))
    items = [
        {"sku": "CONE", "name": "脆皮", "quantity": 1, "price_cents": 1000},
        {"name": "Tea", "quantity": 2, "price_cents": 2400},
    ]

    quote = till("/checkouts/quote", purchase(shop, use_points=200, items=items)).json
    booked = till("/checkouts", purchase(shop, use_points=200, items=items, coupons=[cone.id, cash.id])).json

    assert [(line["kind"], line["discount_cents"]) for line in quote["discounts"]] == [
        ("coupon", 1000),
        ("member_price", 240),
        ("coupon", 500),
        ("points", 200),
    ]
    assert quote["best"] == quote["coupons"] == [cone.id, cash.id]
    assert (quote["payable_cents"], quote["best_payable_cents"], quote["is_best_exact"]) == (3860, 4060, True)
    assert quote["spendable_points"] == {
        "most_points": 200,
        "most_cents": 200,
        "step_points": 100,
        "step_cents": 100,
    }
    assert (booked["payable_cents"], booked["points_used"], booked["points_discount_cents"]) == (3860, 200, 200)
    assert booked["coupons"] == [cone.id, cash.id]


def test_a_basket_is_reserved_and_confirmed(till, shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))

    reserved = till("/checkouts/reservations", purchase(shop, coupons=[coupon.id], minutes=5), "basket-1")
    again = till("/checkouts/reservations", purchase(shop, coupons=[coupon.id], minutes=5), "basket-1")
    confirmed = till(f"/checkouts/{reserved.json['id']}/confirm", key="confirm-1")
    repeat = till(f"/checkouts/{reserved.json['id']}/confirm", key="confirm-1")

    assert (reserved.status_code, reserved.json["state"], reserved.json["settled_at"]) == (201, "reserved", None)
    assert reserved.json["reserved_until"] == "2026-05-20T04:05:00+00:00"
    assert again.json == reserved.json
    assert (confirmed.status_code, confirmed.json["state"]) == (200, "settled")
    assert (confirmed.json["payable_cents"], confirmed.json["coupons"]) == (5010, [coupon.id])
    assert repeat.json == confirmed.json


def test_a_basket_is_released(till, shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    checkout_id = till("/checkouts/reservations", purchase(shop, coupons=[coupon.id])).json["id"]

    answer = till(f"/checkouts/{checkout_id}/release")
    late = till(f"/checkouts/{checkout_id}/confirm")

    assert (answer.status_code, answer.json) == (
        200,
        {"id": checkout_id, "state": "released", "coupons": [coupon.id], "expired_coupons": []},
    )
    assert (late.status_code, late.json["code"]) == (409, "checkout_not_reserved")
    assert refused() == [("confirm", "checkout_not_reserved", shop.card.id, checkout_id)]


def test_a_quote_lets_go_what_is_overdue(till, shop, noon):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    till("/checkouts/reservations", purchase(shop, coupons=[coupon.id], minutes=1))
    assert till("/checkouts/quote", purchase(shop)).json["coupons"] == []

    noon.shift(61)
    later = purchase(shop, card_code=code_of(shop.card, now=NOON + timedelta(seconds=61)))

    assert till("/checkouts/quote", later).json["coupons"] == [coupon.id]
    assert db.session.scalar(select(Checkout.state)) == "released"


def test_a_reservation_has_an_end(till, shop):
    answer = till("/checkouts/reservations", purchase(shop, minutes=61))

    assert (answer.status_code, answer.json["code"]) == (422, "reservation_too_long")
    assert refused() == [("reserve", "reservation_too_long", shop.card.id, None)]


def test_a_clerk_needs_a_managers_pin_to_refund(till, shop, manager):
    checkout_id = till("/checkouts", purchase(shop)).json["id"]
    path = f"/checkouts/{checkout_id}/refunds"

    alone = till(path, {"amount_cents": 1000})
    wrong = till(path, {"amount_cents": 1000, "approval": approval(manager, "000000")})
    right = till(path, {"amount_cents": 1000, "reason": "少一份", "approval": approval(manager)}, "refund-1")

    assert (alone.status_code, alone.json["code"]) == (409, "refund_needs_approval")
    assert (wrong.status_code, wrong.json["code"]) == (403, "pin_wrong")
    assert (right.status_code, right.json) == (
        201,
        {
            "id": 1,
            "checkout_id": checkout_id,
            "state": "settled",
            "amount_cents": 1000,
            "refunded_cents": 1000,
            "left_cents": 4510,
            "coupons": [],
            "expired_coupons": [],
            "points_taken": 10,
            "points_short": 0,
            "points_returned": 0,
            "refunded_at": "2026-05-20T04:00:00+00:00",
        },
    )
    assert db.session.scalar(select(Refund.approved_by)) == f"staff:{manager.id}"
    assert refused() == [
        ("refund", "refund_needs_approval", shop.card.id, checkout_id),
        ("refund", "pin_wrong", shop.card.id, checkout_id),
    ]


def test_the_same_key_refunds_once_whatever_pin_it_brings(till, shop, manager):
    checkout_id = till("/checkouts", purchase(shop)).json["id"]
    body = {"amount_cents": 1000, "approval": approval(manager)}

    first = till(f"/checkouts/{checkout_id}/refunds", body, "refund-1")
    again = till(f"/checkouts/{checkout_id}/refunds", body, "refund-1")
    other = till(f"/checkouts/{checkout_id}/refunds", body | {"amount_cents": 2000}, "refund-1")

    assert (again.status_code, again.json) == (201, first.json)
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")
    assert db.session.scalar(select(Checkout.refunded_cents)) == 1000


def test_a_late_undo_needs_a_manager_of_this_store(till, shop, manager, noon):
    checkout_id = till("/checkouts", purchase(shop)).json["id"]
    stranger = make_staff(shop.chain, Role.STORE_MANAGER, (make_store(shop.chain),))
    with transaction():
        pins.set_pin(shop.chain.id, stranger.id, PIN, by=SYSTEM, now=NOON)
    noon.move_to(in_days(1))

    codes = [
        till(f"/checkouts/{checkout_id}/void", body).json.get("code")
        for body in (None, {"approval": approval(stranger)}, {"approval": approval(manager)})
    ]

    assert codes == ["void_too_late", "pin_wrong", None]
    assert db.session.scalar(select(Checkout.void_approved_by)) == f"staff:{manager.id}"


def test_a_refused_sale_is_written_down_with_its_card(till, shop):
    till("/checkouts", purchase(shop, coupons=[99]))
    till("/checkouts", purchase(shop, payable_cents=1))
    till("/checkouts/99/void")

    assert refused() == [
        ("settle", "coupon_not_found", shop.card.id, None),
        ("settle", "quote_changed", shop.card.id, None),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"amount_cents": "1"},
        {"amount_cents": 10**30},
        {"amount_cents": 100, "approval": {"login": "x"}},
        {"amount_cents": 100, "reason": "x" * 201},
    ],
)
def test_a_refund_that_makes_no_sense_is_refused(till, shop, body):
    checkout_id = till("/checkouts", purchase(shop)).json["id"]

    assert till(f"/checkouts/{checkout_id}/refunds", body).status_code == 422
