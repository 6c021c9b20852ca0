"""The day report of a till: figures that add up, for whoever may see them."""

from datetime import timedelta

import pytest

from checkout import attempts, day_report, errors, queries, refunding, voiding
from checkout.models import TillAction
from core.audit import Author
from core.db import transaction
from stores.models import Role
from tests.checkout.shop import Shop
from tests.factories import NOON, in_days, make_coupon, make_offer, make_staff, make_store
from tests.pages import sign_in

TODAY = NOON.date()


@pytest.fixture
def wang(shop):
    return make_staff(shop.chain, Role.CLERK, (shop.store,), name="王")


@pytest.fixture
def li(shop):
    return make_staff(shop.chain, Role.CLERK, (shop.store,), name="李")


def name_of(person):
    return f"staff:{person.id}"


def undo(shop, settled, person, *, now=NOON):
    with transaction():
        voiding.void(shop.chain.id, settled.id, role=Role.HQ_ADMIN, store_ids=None, by=Author(name_of(person)), now=now)


def hand_back(shop, settled, cents, person, *, now=NOON):
    with transaction():
        refunding.refund(
            shop.chain.id,
            settled.id,
            cents,
            request_id=f"r{settled.id}",
            fingerprint="f" * 64,
            role=Role.HQ_ADMIN,
            store_ids=None,
            by=Author(name_of(person)),
            now=now,
        )


def read(shop, day=TODAY, **more):
    return day_report.read_day(shop.chain.id, queries.find_till(shop.chain.id, shop.store.id), day, **more)


def test_the_day_is_summed_by_person_and_together(shop, wang, li):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    shop.settle(5800, coupon_ids=(coupon.id,), settled_by=name_of(wang))
    slip = shop.settle(1000, settled_by=name_of(wang))
    shop.settle(2000, settled_by=name_of(li))
    undo(shop, slip, li)

    day = read(shop)

    first, second = day.people[name_of(wang)], day.people[name_of(li)]
    assert list(day.people) == [name_of(wang), name_of(li)]
    assert (first.checkouts, first.amount_cents, first.member_discount_cents) == (2, 6800, 340)
    assert (first.coupon_discount_cents, first.payable_cents, first.net_cents) == (500, 5960, 5960)
    assert (second.payable_cents, second.voids, second.voided_cents, second.net_cents) == (1900, 1, 950, 950)
    assert (day.total.checkouts, day.total.net_cents) == (3, 5010 + 1900)


def test_what_is_handed_back_belongs_to_its_own_day(shop, wang):
    sold = shop.settle(5800, settled_by=name_of(wang))
    slip = shop.settle(1000, settled_by=name_of(wang))
    tomorrow = in_days(1)
    undo(shop, slip, wang, now=tomorrow)
    hand_back(shop, sold, 510, wang, now=tomorrow)

    first, second = read(shop), read(shop, TODAY + timedelta(days=1))

    assert (first.total.net_cents, first.total.voids, first.total.refunds) == (5510 + 950, 0, 0)
    assert (second.total.checkouts, second.total.voided_cents, second.total.refunded_cents) == (0, 950, 510)
    assert second.total.net_cents == -950 - 510
    assert (first.control.rows, first.control.voids, first.control.net_cents) == (2, 1, 5000)
    assert second.control.rows == 0


def test_one_persons_part_is_his_alone(shop, wang, li):
    shop.settle(1000, settled_by=name_of(wang))
    shop.settle(2000, settled_by=name_of(li))

    day = read(shop, only=name_of(wang))

    assert (list(day.people), day.control.rows, day.control.payable_cents) == ([name_of(wang)], 1, 950)


def test_the_business_day_ends_at_the_cut_off(app, noon):
    shop = Shop(cutoff_hour=4)
    late = NOON.replace(hour=18)  # 2 in the morning
    shop.settle(now=late)

    assert (read(shop).total.checkouts, read(shop, TODAY + timedelta(days=1)).total.checkouts) == (1, 0)


def test_other_stores_are_not_in_it(shop):
    shop.settle(store_id=make_store(shop.chain).id)

    assert read(shop).people == {}


def test_a_day_without_anything_is_nought(shop):
    day = read(shop)

    assert (day.total.net_cents, day.control.rows, day.refused) == (0, 0, [])


def refuse(shop, person, code=errors.CardFrozen, *, now=NOON):
    with transaction():
        attempts.note_refusal(
            shop.chain.id,
            TillAction.SETTLE,
            code(),
            made_by=name_of(person),
            now=now,
            store_id=shop.store.id,
            card_number=shop.card.number,
            amount_cents=5800,
        )


def test_a_clerk_sees_his_own_day_with_its_refusals(client, shop, wang, li):
    shop.settle(5800, settled_by=name_of(wang))
    shop.settle(2000, settled_by=name_of(li))
    refuse(shop, wang)
    refuse(shop, li, errors.CardClosed)
    clerk = sign_in(client, wang)

    page = clerk.get(f"/till/day?day={TODAY - timedelta(days=1)}").text

    assert "您经手的" in page
    assert "¥55.10" in page
    assert "¥19.00" not in page
    assert "这张卡已被冻结" in page
    assert f"卡尾号 {shop.card.number[-4:]}" in page
    assert "card_closed" not in page
    assert 'type="date"' not in page


def test_a_manager_sees_everybody_of_any_day(client, shop, wang, li):
    shop.settle(5800, settled_by=name_of(wang))
    shop.settle(2000, settled_by=name_of(li))
    manager = sign_in(client, make_staff(shop.chain, Role.STORE_MANAGER, (shop.store,)))

    today = manager.get("/till/day").text
    yesterday = manager.get(f"/till/day?day={TODAY - timedelta(days=1)}").text

    assert all(words in today for words in ("王", "李", "¥74.10", "按收银员"))
    assert f"/reports/checkouts.csv?from={TODAY}&amp;to={TODAY}&amp;store={shop.store.code}" in today
    assert "¥74.10" not in yesterday


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "x"])
def test_a_day_on_which_no_shop_stood_is_no_accident(client, shop, day):
    manager = sign_in(client, make_staff(shop.chain, Role.STORE_MANAGER, (shop.store,)))

    assert manager.get(f"/till/day?day={day}").status_code == 200


def test_the_figures_to_check_against_are_those_of_the_file(client, shop, wang):
    slip = shop.settle(1000, settled_by=name_of(wang))
    sold = shop.settle(5800, settled_by=name_of(wang))
    undo(shop, slip, wang)
    hand_back(shop, sold, 510, wang)
    hq = sign_in(client, make_staff(shop.chain))

    totals = hq.get(f"/reports/checkouts.control.json?from={TODAY}&to={TODAY}&store={shop.store.code}").json
    control = read(shop).control._asdict()

    assert totals["rows"] == control["rows"] == 2
    shared = control.keys() & totals["totals"].keys()
    assert {"amount_cents", "payable_cents", "member_discount_cents", "net_cents"} <= shared
    assert {name: control[name] for name in shared} == {name: totals["totals"][name] for name in shared}


def test_head_office_reads_every_store_by_its_number(client, shop, wang):
    shop.settle(5800, settled_by=name_of(wang))
    foreign = Shop(slug="other").store
    hq = sign_in(client, make_staff(shop.chain, Role.HQ_ANALYST))

    assert "¥55.10" in hq.get(f"/till/day?store={shop.store.id}").text
    assert hq.get(f"/till/day?store={foreign.id}").status_code == 404
    assert hq.get("/till/day?store=x").status_code == 404


def test_a_manager_does_not_read_another_store(client, shop):
    other = make_store(shop.chain)
    manager = sign_in(client, make_staff(shop.chain, Role.STORE_MANAGER, (shop.store,)))

    assert manager.get(f"/till/day?store={other.id}").status_code == 404


def test_the_day_is_in_english_for_those_who_read_it(client, shop, wang):
    refuse(shop, wang)
    clerk = sign_in(client, wang)

    page = clerk.get("/till/day?lang=en").text

    assert all(words in page for words in ("Day report", "your own sales", "This card is frozen", "Net"))
