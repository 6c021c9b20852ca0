"""A sale after it was booked: its receipt, undone alone or with a PIN, handed back in parts."""

import pytest
from sqlalchemy import select, update

from cards.models import Card, PointEntry, Program
from checkout import policies
from checkout.models import Checkout, Refund, RefusedAttempt
from checkout.policies import Policy
from core.audit import SYSTEM
from core.db import db, transaction
from stores import pins
from stores.models import Role
from tests.app.test_till import HTMX, hidden
from tests.checkout.shop import Shop
from tests.factories import NOON, make_chain, make_coupon, make_offer, make_staff, make_store
from tests.pages import post, sign_in

PIN = "482913"


@pytest.fixture
def clerk(client, shop):
    return sign_in(client, make_staff(shop.chain, Role.CLERK, (shop.store,), name="王"))


@pytest.fixture
def manager(shop):
    person = make_staff(shop.chain, Role.STORE_MANAGER, (shop.store,), name="陈店长")
    with transaction():
        pins.set_pin(shop.chain.id, person.id, PIN, by=SYSTEM, now=NOON)
    return person


def allow(chain, role=Role.CLERK, minutes=30, most=None):
    with transaction():
        policies.set_policy(chain.id, role, Policy(minutes, False, most), by=SYSTEM, now=NOON)


def path(settled, what=""):
    return f"/till/checkouts/{settled.id}{what}"


def void(clerk, settled, **form):
    return post(clerk, path(settled, "/void"), form)


def refund(clerk, settled, amount="10", **form):
    page = clerk.get(path(settled))
    key = hidden(page, "key") if 'name="key"' in page.text else "f" * 32
    return post(clerk, path(settled, "/refunds"), {"amount": amount, "reason": "商品退回", "key": key} | form)


def state(settled):
    db.session.rollback()
    return db.session.get_one(Checkout, settled.id, populate_existing=True).state


def points(shop):
    db.session.rollback()
    return db.session.scalar(select(Card.points).filter_by(id=shop.card.id))


def attempts():
    db.session.rollback()
    rows = db.session.execute(select(RefusedAttempt.action, RefusedAttempt.code).order_by(RefusedAttempt.id))
    return [tuple(row) for row in rows]


def test_a_receipt_has_the_lines_in_their_order_and_the_points(clerk, shop):
    with transaction():
        db.session.execute(update(Program).values(spend_points=100, spend_cents=100))
        db.session.execute(update(Card).values(points=300))
        db.session.add(
            PointEntry(chain_id=shop.chain.id, card_id=shop.card.id, delta=300, balance=300, cause="test", at=NOON)
        )
    gift = {"kind": "gift", "value_cents": None, "item_name": "甜筒", "item_name_en": "Cone", "item_cents": 800}
    item = make_coupon(shop.card, make_offer(shop.chain, **gift, min_cents=0, name="送甜筒", stacking="stackable"))
    cash = make_coupon(shop.card, make_offer(shop.chain, stacking="stackable"))
    settled = shop.settle(coupon_ids=(item.id, cash.id), use_points=200, settled_by="staff:1")

    page = clerk.get(path(settled)).text

    lines = ["¥58.00", "送甜筒", "−¥8.00", "会员价", "−¥2.50", "满30减5", "−¥5.00", "用了 200 积分", "−¥2.00", "¥40.50"]
    places = [page.index(line, page.index("receipt__lines")) for line in lines]
    assert places == sorted(places)
    assert "本次获得积分" in page
    assert str(300 - 200 + 40) in page
    assert shop.card.number not in page


def test_a_sale_is_undone_within_the_clerks_time(clerk, shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    settled = shop.settle(coupon_ids=(coupon.id,))

    shown = clerk.get(path(settled)).text
    undone = post(clerk, path(settled, "/void"), follow_redirects=True).text

    assert "退还 ¥50.10。“满30减5”可再次使用。扣回 50 积分。" in shown
    assert "已撤销。请退还 ¥50.10。券可再次使用。已扣回 50 积分。" in undone
    assert "这笔交易已经了结" in undone
    assert state(settled) == "voided"


def test_a_late_undo_asks_for_a_managers_pin_and_is_done_with_it(clerk, shop, manager, noon):
    settled = shop.settle()
    noon.shift(31 * 60)

    shown = clerk.get(path(settled)).text
    alone = void(clerk, settled)
    wrong = void(clerk, settled, approver=str(manager.id), pin="482914")
    right = void(clerk, settled, approver=str(manager.id), pin=PIN)

    assert "店长授权" in shown
    assert "陈店长" in shown
    assert (alone.status_code, "请店长输入 PIN" in alone.text) == (409, True)
    assert (wrong.status_code, "PIN 不对" in wrong.text, "open><summary>" in wrong.text) == (403, True, True)
    assert right.status_code == 302
    approved_by = db.session.scalar(select(Checkout.void_approved_by))
    assert (state(settled), approved_by) == ("voided", f"staff:{manager.id}")
    assert attempts() == [("void", "void_too_late"), ("void", "pin_wrong")]


def test_a_pin_of_another_store_opens_nothing(clerk, shop, noon):
    elsewhere = make_staff(shop.chain, Role.STORE_MANAGER, (make_store(shop.chain),))
    with transaction():
        pins.set_pin(shop.chain.id, elsewhere.id, PIN, by=SYSTEM, now=NOON)
    settled = shop.settle()
    noon.shift(31 * 60)

    assert "还没有人设过" in clerk.get(path(settled)).text
    assert void(clerk, settled, approver=str(elsewhere.id), pin=PIN).status_code == 403
    assert state(settled) == "settled"


def test_after_the_managers_time_nobody_undoes(clerk, shop, manager, noon):
    settled = shop.settle()
    noon.shift(49 * 3600)

    refused = void(clerk, settled, approver=str(manager.id), pin=PIN)

    assert "这笔交易已经了结" in clerk.get(path(settled)).text
    assert (refused.status_code, state(settled)) == (409, "settled")


def test_a_clerk_hands_nothing_back_without_a_pin(clerk, shop, manager):
    settled = shop.settle()

    alone = refund(clerk, settled)
    approved = refund(clerk, settled, approver=str(manager.id), pin=PIN)

    assert (alone.status_code, "更多请店长输入 PIN" in alone.text) == (409, True)
    assert 'value="10"' in alone.text
    assert approved.status_code == 302
    row = db.session.scalars(select(Refund)).one()
    assert (row.amount_cents, row.reason, row.approved_by) == (1000, "商品退回", f"staff:{manager.id}")
    assert points(shop) == 55 - 10
    page = clerk.get(path(settled)).text
    assert "退款已入账。请退还 ¥10.00。已扣回 10 积分。" in page
    assert "¥45.10" in page


def test_a_clerk_hands_back_up_to_his_limit_and_more_with_a_pin(clerk, shop, manager):
    allow(shop.chain, most=1500)
    settled = shop.settle()

    first = refund(clerk, settled, "10")
    second = refund(clerk, settled, "10")
    with_pin = refund(clerk, settled, "10", approver=str(manager.id), pin=PIN)

    assert [answer.status_code for answer in (first, second, with_pin)] == [302, 409, 302]
    db.session.rollback()
    assert list(db.session.scalars(select(Refund.approved_by).order_by(Refund.id))) == [None, f"staff:{manager.id}"]


def test_a_refund_sent_twice_is_booked_once(clerk, shop):
    allow(shop.chain)
    settled = shop.settle()
    key = hidden(clerk.get(path(settled)), "key")

    answers = [refund(clerk, settled, key=key).status_code for _ in range(2)]

    assert answers == [302, 302]
    assert len(db.session.scalars(select(Refund)).all()) == 1


def test_when_all_is_handed_back_the_coupon_comes_back(clerk, shop):
    allow(shop.chain)
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    settled = shop.settle(coupon_ids=(coupon.id,))

    refund(clerk, settled, "20")
    last = post(
        clerk,
        path(settled, "/refunds"),
        {"amount": "30.10", "reason": "退", "key": "a" * 32},
        follow_redirects=True,
    ).text

    assert "券可再次使用" in last
    assert "已全部退款" in last
    assert (state(settled), points(shop)) == ("refunded", 0)


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"amount": "56"}, 409, "最多还能退 ¥55.10"),
        ({"amount": "0"}, 422, "请输入大于零的金额"),
        ({"amount": "viel"}, 422, "请输入大于零的金额"),
        ({"reason": " "}, 422, "请写退款原因"),
    ],
)
def test_a_refund_that_makes_no_sense_says_so(clerk, shop, form, status, words):
    allow(shop.chain)
    settled = shop.settle()

    page = refund(clerk, settled, **form)

    assert (page.status_code, words in page.text) == (status, True)
    assert attempts()[-1][0] == "refund"


def test_five_wrong_pins_lock_it(clerk, shop, manager):
    settled = shop.settle()
    for _ in range(5):
        refund(clerk, settled, approver=str(manager.id), pin="000001")

    assert refund(clerk, settled, approver=str(manager.id), pin=PIN).status_code == 403
    assert state(settled) == "settled"


def test_a_managers_own_refund_needs_no_pin(client, shop):
    manager = sign_in(client, make_staff(shop.chain, Role.STORE_MANAGER, (shop.store,)))
    settled = shop.settle()

    assert "店长授权" not in manager.get(path(settled)).text
    assert refund(manager, settled, "55.10").status_code == 302


def test_sales_of_other_stores_are_not_there(clerk, shop):
    other = Shop(slug="other")
    foreign = other.settle()
    branch = make_store(shop.chain)
    elsewhere = shop.settle(store_id=branch.id)

    for settled in (foreign, elsewhere):
        assert clerk.get(path(settled)).status_code == 404
        assert void(clerk, settled).status_code == 404
        assert refund(clerk, settled).status_code == 404
        assert state(settled) == "settled"
    rows = db.session.execute(select(RefusedAttempt.checkout_id, RefusedAttempt.card_id))
    assert {tuple(row) for row in rows} == {(None, None)}


def test_a_reloaded_refusal_is_the_receipt(clerk, shop):
    settled = shop.settle()

    assert clerk.get(path(settled, "/void?lang=en")).location == f"{path(settled)}?lang=en"
    assert clerk.get(path(settled, "/refunds")).location == path(settled)


def test_the_sale_page_undoes_in_place(clerk, shop):
    settled = shop.settle()

    page = post(clerk, path(settled, "/void"), headers=HTMX)
    again = post(clerk, path(settled, "/void"), headers=HTMX)

    assert (page.status_code, again.status_code) == (200, 409)
    assert "已撤销。请退还 ¥55.10" in page.text
    assert f'href="{path(settled)}"' in again.text


def test_the_receipt_is_in_english_for_those_who_read_it(clerk, shop, manager):
    settled = shop.settle()

    page = clerk.get(path(settled, "?lang=en")).text

    for words in ("Undo the whole sale", "Hand a part back", "Points from this sale", "A manager allows it"):
        assert words in page


def test_another_chain_has_its_own_rules(clerk, shop):
    allow(make_chain("other"), most=None)
    settled = shop.settle()

    assert refund(clerk, settled).status_code == 409
