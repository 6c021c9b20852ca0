"""The clerk's page, as a browser without scripts and as htmx see it."""

import re

import pytest
from sqlalchemy import func, select, update

from cards.models import Card, Member, PointEntry, Program
from checkout.models import Checkout, RefusedAttempt
from core.db import db, transaction
from coupons.models import Coupon
from stores.models import Role, Store
from tests.factories import NOON, code_of, in_days, make_chain, make_coupon, make_offer, make_staff, make_store
from tests.pages import post, sign_in

HTMX = {"HX-Request": "true"}


@pytest.fixture
def clerk(client, shop):
    return sign_in(client, make_staff(shop.chain, Role.CLERK, (shop.store,), name="王"))


def hidden(page, name):
    """What a form would send back under this name."""
    return re.search(rf'name="{name}" value="([^"]*)"', page.text)[1]


def marked(page):
    """The coupons in the bill, in the order of its lines."""
    return re.findall(r'name="coupon" value="(\d+)" checked', page.text)


def form_of(page, amount="58", **change):
    """The form of a shown bill, as a clerk who changes nothing sends it."""
    fields = {name: hidden(page, name) for name in ("ticket", "key", "shown", "own", "shown_points", "seen")}
    points = {"points": "yes"} if 'name="points" value="yes" checked' in page.text else {}
    return fields | points | {"amount": amount, "coupon": marked(page)} | change


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

    assert marked(page) == [str(best.id)]
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

    other = post(clerk, "/till/quote", form_of(page, coupon=[str(large.id), str(small.id)]))
    none = post(clerk, "/till/quote", form_of(page, coupon=[]))

    assert (marked(page), marked(other), marked(none)) == ([str(large.id)], [str(small.id)], [])
    assert [hidden(p, "seen") for p in (page, other, none)] == ["4610", "5010", "5510"]
    assert "最省的组合还能多减4元" in other.text


def test_the_best_coupon_follows_the_amount_until_the_clerk_chooses(clerk, shop):
    small = make_coupon(shop.card, make_offer(shop.chain, min_cents=0))
    large = make_coupon(shop.card, make_offer(shop.chain, value_cents=900, min_cents=8000))
    page = scan(clerk, shop)

    more = post(clerk, "/till/quote", form_of(page, amount="90"))
    none = post(clerk, "/till/quote", form_of(more, amount="90", coupon=[]))
    still_none = post(clerk, "/till/quote", form_of(none, amount="95"))
    best_again = post(clerk, "/till/quote", form_of(still_none, amount="95", again="yes"))

    assert [marked(each) for each in (page, more)] == [[str(small.id)], [str(large.id)]]
    assert [marked(each) for each in (none, still_none, best_again)] == [[], [], [str(large.id)]]
    assert hidden(best_again, "own") == ""


def test_several_coupons_stand_in_the_order_in_which_they_are_calculated(clerk, shop):
    cash = make_coupon(shop.card, make_offer(shop.chain, stacking="stackable", name="满30减5"))
    share = make_coupon(shop.card, make_offer(shop.chain, kind="percent", stacking="stackable", name="九折"))
    alone = make_coupon(shop.card, make_offer(shop.chain, value_cents=100, name="单用一元"))

    page = scan(clerk, shop, amount="100")
    swapped = post(clerk, "/till/quote", form_of(page, amount="100", coupon=[*marked(page), str(alone.id)]))
    both = post(clerk, "/till/quote", form_of(swapped, amount="100", coupon=[str(alone.id), str(cash.id)]))

    assert marked(page) == [str(share.id), str(cash.id)]
    assert page.text.index("会员价 95 折</span><span") < page.text.index("九折") < page.text.index("满30减5")
    assert hidden(page, "seen") == "8050"  # 100 − 5 − 9.50 − 5
    assert "不能" in page.text[page.text.index("单用一元") :]
    assert (marked(swapped), marked(both)) == ([str(alone.id)], [str(cash.id)])


def test_points_take_money_off_when_the_clerk_says_so(clerk, shop):
    with transaction():
        db.session.execute(update(Program).values(spend_points=100, spend_cents=100))
        db.session.execute(update(Card).values(points=1250))
        db.session.add(
            PointEntry(chain_id=shop.chain.id, card_id=shop.card.id, delta=1250, balance=1250, cause="test", at=NOON)
        )
    page = scan(clerk, shop)
    form = form_of(page, points="yes")

    unseen = post(clerk, "/till/settle", form)
    with_points = post(clerk, "/till/quote", form)
    done = post(clerk, "/till/settle", form_of(with_points), follow_redirects=True)

    assert "用 1,200 积分" in page.text
    assert "抵12元" in page.text
    assert (unseen.status_code, hidden(page, "seen"), hidden(with_points, "seen")) == (409, "5510", "4310")
    assert "¥43.10" in done.text
    assert "−1,200 积分" in done.text
    assert db.session.execute(select(Checkout.points_used, Checkout.points_discount_cents)).one() == (1200, 1200)
    db.session.rollback()
    assert db.session.scalar(select(Card.points)) == 1250 - 1200 + 43


def test_a_gift_says_which_item_has_to_be_in_the_amount(clerk, shop):
    gift = {"kind": "gift", "value_cents": None, "item_name": "甜筒", "item_name_en": "Cone", "item_cents": 800}
    make_coupon(shop.card, make_offer(shop.chain, **gift, min_cents=0, name="送甜筒"))

    page = scan(clerk, shop)

    assert "金额里要有“甜筒”，按8元计" in page.text
    assert hidden(page, "seen") == "4750"  # (58 − 8) × 95 %


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


def test_the_day_lists_its_sales_and_leads_to_their_receipts(clerk, shop):
    make_coupon(shop.card, make_offer(shop.chain))
    post(clerk, "/till/settle", form_of(scan(clerk, shop)))
    checkout_id = db.session.scalar(select(Checkout.id))

    listed = clerk.get("/till/today")

    assert f'href="/till/checkouts/{checkout_id}"' in listed.text
    assert "满30减5" in listed.text
    assert "王" in listed.text


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

    assert asked <= 8
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


@pytest.mark.parametrize("path", ["/till/", "/till/today", "/till/store", "/till/checkouts/1"])
def test_the_till_is_for_those_who_take_payments(client, shop, path):
    assert client.get(path).location.startswith("/login")
    sign_in(client, make_staff(shop.chain, Role.HQ_ANALYST))
    assert client.get(path).status_code == 403


def test_a_reloaded_answer_is_an_empty_till(clerk):
    assert clerk.get("/till/quote?lang=en").location == "/till/?lang=en"
    assert clerk.get("/till/settle").location == "/till/"


def test_a_refused_sale_is_written_down_once_the_page_has_said_why(clerk, shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    form = form_of(scan(clerk, shop))
    shop.settle(coupon_ids=(coupon.id,))

    post(clerk, "/till/settle", form)

    attempt = db.session.scalars(select(RefusedAttempt)).one()
    assert (attempt.action, attempt.code, attempt.amount_cents) == ("settle", "coupon_already_redeemed", 5800)
    assert (attempt.card_id, attempt.store_id) == (shop.card.id, shop.store.id)
