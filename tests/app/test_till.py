"""The clerk's page, as a browser without scripts and as htmx see it."""

import re

import pytest
import time_machine
from sqlalchemy import func, select, update

from cards.models import Card, Member
from checkout.models import Checkout
from core.db import db, transaction
from coupons.models import Coupon
from stores.models import Role, Store
from tests.checkout.shop import Shop
from tests.factories import NOON, code_of, in_days, make_chain, make_coupon, make_offer, make_staff, make_store
from tests.pages import post, sign_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
def noon():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def shop(app, noon):
    return Shop()


@pytest.fixture
def clerk(client, shop):
    return sign_in(client, make_staff(shop.chain, Role.CLERK, (shop.store,), name="王"))


def hidden(page, name):
    """What a form would send back under this name."""
    return re.search(rf'name="{name}" value="([^"]*)"', page.text)[1]


def marked(page):
    found = re.search(r'name="coupon" value="(\d*)" checked', page.text)
    return found and found[1]


def form_of(page, amount="58", **change):
    """The form of a shown bill, as a clerk who changes nothing sends it."""
    fields = {name: hidden(page, name) for name in ("ticket", "key", "suggested", "seen")}
    coupon = marked(page)
    return fields | {"amount": amount} | ({} if coupon is None else {"coupon": coupon}) | change


def scan(clerk, shop, amount="58", **more):
    return post(clerk, "/till/quote", {"code": code_of(shop.card), "amount": amount} | more)


def checkouts():
    db.session.rollback()
    return db.session.scalar(select(func.count(Checkout.id)))


def test_the_till_is_ready_for_a_customer(clerk):
    page = clerk.get("/till/")

    assert page.status_code == 200
    assert "扫会员码" in page.text
    assert hidden(page, "ticket") == hidden(page, "seen") == ""


def test_a_scan_shows_the_member_masked(clerk, shop):
    with transaction():
        db.session.execute(update(Member).values(name="林小满", phone="+8613812340000"))

    page = scan(clerk, shop, amount="")

    assert "林**" in page.text
    assert "138****0000" in page.text
    assert "林小满" not in page.text
    assert "13812340000" not in page.text
    assert shop.card.number not in page.text


def test_a_bill_marks_the_best_coupon_and_explains_the_others(clerk, shop):
    best = make_coupon(shop.card, make_offer(shop.chain))
    make_coupon(shop.card, make_offer(shop.chain, min_cents=8000, name="满80减8"))

    page = scan(clerk, shop)

    assert marked(page) == str(best.id)
    assert "收款" in page.text
    assert "¥50.10" in page.text
    assert "还差 22元 可用" in page.text
    assert hidden(page, "seen") == "5010"


def test_the_bill_is_in_english_for_those_who_read_it(clerk, shop):
    make_coupon(shop.card, make_offer(shop.chain))
    clerk.get("/till/?lang=en")

    page = scan(clerk, shop)

    assert "Member price, 5% off" in page.text
    assert "Take payment" in page.text


def test_a_settled_sale_is_booked_once_however_often_it_is_sent(clerk, shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    form = form_of(scan(clerk, shop))

    first = post(clerk, "/till/settle", form)
    again = post(clerk, "/till/settle", form)

    assert (first.status_code, first.location) == (302, again.location)
    green = clerk.get(first.location)
    assert "已收款" in green.text
    assert "¥50.10" in green.text
    assert checkouts() == 1
    assert db.session.scalar(select(Coupon.state).filter_by(id=coupon.id)) == "redeemed"
    assert db.session.scalar(select(Checkout.settled_by)).startswith("staff:")


def test_htmx_gets_the_parts_and_a_fresh_sale(clerk, shop):
    bill = post(clerk, "/till/quote", {"code": code_of(shop.card), "amount": "58"}, headers=HTMX)
    form = form_of(bill)

    done = post(clerk, "/till/settle", form, headers=HTMX)

    assert bill.text.lstrip().startswith("<section")
    assert "<html" not in bill.text + done.text
    assert (done.status_code, done.headers["HX-Trigger"]) == (200, "till:settled")
    assert "data-done" in done.text
    assert '<strong class="number">1</strong>' in done.text
    assert hidden(done, "key") != form["key"]
    assert hidden(done, "ticket") == ""


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("6" * 24, "这个会员码不对或已过期"),
        ("https://example.com/q/abc", "这个会员码不对或已过期"),
    ],
)
def test_a_wrong_code_says_why_and_the_amount_stays(clerk, code, sentence):
    page = post(clerk, "/till/quote", {"code": code, "amount": "58.5"})

    assert page.status_code == 404
    assert sentence in page.text
    assert "card_code_unknown" in page.text
    assert 'value="58.5"' in page.text


def test_an_old_code_is_told_apart(clerk, shop, noon):
    old = code_of(shop.card)
    noon.shift(120)

    page = post(clerk, "/till/quote", {"code": old, "amount": "58"}, headers=HTMX)

    assert (page.status_code, page.headers["Till-Answer"]) == (409, "yes")
    assert "已过期" in page.text


def test_the_card_stays_for_a_quarter_of_an_hour_after_the_scan(clerk, shop, noon):
    form = form_of(scan(clerk, shop))
    noon.shift(14 * 60)

    assert post(clerk, "/till/settle", form).status_code == 302


@pytest.mark.parametrize("amount", ["abc", "-5", "5.005", "99999999999"])
def test_an_amount_that_makes_no_sense_says_so(clerk, shop, amount):
    page = scan(clerk, shop, amount=amount)

    assert page.status_code == 422
    assert "请输入大于零的金额" in page.text


def test_the_clerk_may_choose_another_coupon_or_none(clerk, shop):
    small = make_coupon(shop.card, make_offer(shop.chain))
    large = make_coupon(shop.card, make_offer(shop.chain, value_cents=900))
    page = scan(clerk, shop)

    other = post(clerk, "/till/quote", form_of(page, coupon=str(small.id)))
    none = post(clerk, "/till/quote", form_of(page, coupon=""))

    assert (marked(page), marked(other), marked(none)) == (str(large.id), str(small.id), "")
    assert [hidden(p, "seen") for p in (page, other, none)] == ["4610", "5010", "5510"]


def test_the_best_coupon_follows_the_amount_until_the_clerk_chooses(clerk, shop):
    small = make_coupon(shop.card, make_offer(shop.chain, min_cents=0))
    large = make_coupon(shop.card, make_offer(shop.chain, value_cents=900, min_cents=8000))
    page = scan(clerk, shop)

    more = post(clerk, "/till/quote", form_of(page, amount="90"))

    assert (marked(page), marked(more)) == (str(small.id), str(large.id))


def test_a_changed_amount_is_shown_before_it_is_booked(clerk, shop):
    form = form_of(scan(clerk, shop), amount="68")

    page = post(clerk, "/till/settle", form)

    assert page.status_code == 409
    assert "应收金额变了，现在是 ¥64.60" in page.text
    assert checkouts() == 0
    assert post(clerk, "/till/settle", form_of(page, amount="68")).status_code == 302


def test_a_coupon_used_meanwhile_is_refused_and_the_bill_shown_anew(clerk, shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    form = form_of(scan(clerk, shop))
    shop.settle(coupon_ids=(coupon.id,))

    page = post(clerk, "/till/settle", form)

    assert page.status_code == 409
    assert "这张券已经用过了" in page.text
    assert hidden(page, "seen") == "5510"
    assert checkouts() == 1


def test_a_sent_sale_with_other_figures_is_not_booked_again(clerk, shop):
    form = form_of(scan(clerk, shop))
    post(clerk, "/till/settle", form)

    page = post(clerk, "/till/settle", form | {"amount": "68", "seen": "6460"})

    assert page.status_code == 409
    assert "刚才那笔已经入账" in page.text
    assert hidden(page, "key") != form["key"]
    assert checkouts() == 1


def test_paying_before_a_bill_was_shown_shows_the_bill(clerk, shop):
    page = post(clerk, "/till/settle", {"code": code_of(shop.card), "amount": "58"})

    assert (page.status_code, hidden(page, "seen")) == (200, "5510")
    assert checkouts() == 0


def test_a_frozen_card_says_so(clerk, shop):
    with transaction():
        db.session.execute(update(Card).values(state="frozen"))

    page = scan(clerk, shop)

    assert page.status_code == 409
    assert "已被冻结" in page.text


def test_the_day_lists_its_sales_and_undoes_them(clerk, shop):
    make_coupon(shop.card, make_offer(shop.chain))
    post(clerk, "/till/settle", form_of(scan(clerk, shop)))
    checkout_id = db.session.scalar(select(Checkout.id))

    listed = clerk.get("/till/today")
    undone = post(clerk, f"/till/checkouts/{checkout_id}/void", follow_redirects=True)

    assert "退还 ¥50.10。“满30减5”可再次使用。扣回 50 积分。" in listed.text
    assert "王" in listed.text
    assert "已撤销。请退还 ¥50.10。券可再次使用。已扣回 50 积分。" in undone.text
    assert f"/till/checkouts/{checkout_id}/void" not in undone.text


def test_an_undo_too_late_says_whom_to_ask(clerk, shop, noon):
    settled = shop.settle()
    noon.shift(31 * 60)

    page = post(clerk, f"/till/checkouts/{settled.id}/void", follow_redirects=True)

    assert "请店长撤销" in page.text
    assert f"/till/checkouts/{settled.id}/void" not in clerk.get("/till/today").text


def test_an_undo_by_htmx_answers_in_place(clerk, shop):
    settled = shop.settle()

    page = post(clerk, f"/till/checkouts/{settled.id}/void", headers=HTMX)
    again = post(clerk, f"/till/checkouts/{settled.id}/void", headers=HTMX)

    assert (page.status_code, again.status_code) == (200, 409)
    assert "请退还 ¥55.10" in page.text
    assert "已经撤销过了" in again.text


def test_yesterdays_sales_are_not_todays(clerk, shop, noon):
    shop.settle()
    noon.move_to(in_days(1))

    assert "今天还没有交易" in clerk.get("/till/today").text


def test_a_day_of_many_sales_pages_and_asks_the_database_little(clerk, shop, count_queries):
    sales = [shop.settle(1000 + number).id for number in range(52)]
    count_queries.clear()

    first = clerk.get("/till/today")
    asked = len(count_queries)
    second = clerk.get(f"/till/today?before={sales[2]}")

    assert asked <= 7
    assert f"before={sales[2]}" in first.text
    assert second.text.count('class="sales__row') == 2


def test_a_clerk_of_several_stores_chooses_once(client, shop):
    other = make_store(shop.chain, name="徐家汇店")
    foreign = make_store(make_chain("other"))
    sign_in(client, make_staff(shop.chain, Role.CLERK, (shop.store, other)))

    asked = client.get("/till/")
    refused = post(client, "/till/store", {"store_id": str(foreign.id)})
    chosen = post(client, "/till/store", {"store_id": str(other.id)})

    assert asked.location == refused.location == "/till/store"
    assert "徐家汇店" in client.get("/till/store").text
    assert chosen.location == "/till/"
    assert "徐家汇店" in client.get("/till/").text
    assert post(client, "/till/quote", headers=HTMX).status_code == 200


def test_a_store_that_is_not_his_is_no_choice(client, shop):
    other = make_store(shop.chain, name="徐家汇店")
    sign_in(client, make_staff(shop.chain, Role.CLERK, (shop.store,)))
    client.set_cookie("kq_till_store", str(other.id))

    assert "徐家汇店" not in client.get("/till/").text


def test_head_office_finds_its_store_among_many(client, shop):
    make_store(shop.chain, name="静安寺店")
    make_store(make_chain("other"), name="静安别店")
    sign_in(client, make_staff(shop.chain, Role.HQ_ADMIN))

    found = client.get("/till/store?q=静安")

    assert "静安寺店" in found.text
    assert "静安别店" not in found.text


def test_a_closed_store_is_no_till(client, shop):
    sign_in(client, make_staff(shop.chain, Role.CLERK, (shop.store,)))
    with transaction():
        db.session.execute(update(Store).values(closed_at=NOON))

    assert client.get("/till/").location == "/till/store"


@pytest.mark.parametrize("path", ["/till/", "/till/today", "/till/store"])
def test_the_till_is_for_those_who_take_payments(client, shop, path):
    assert client.get(path).location.startswith("/login")
    sign_in(client, make_staff(shop.chain, Role.HQ_ANALYST))
    assert client.get(path).status_code == 403


def test_a_reloaded_answer_is_an_empty_till(clerk):
    assert clerk.get("/till/quote?lang=en").location == "/till/?lang=en"
    assert clerk.get("/till/settle").location == "/till/"
