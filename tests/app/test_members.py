"""The members' pages: the list, one member, freezing."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from cards.models import Card
from checkout import settling
from checkout.models import Checkout
from core.audit import AuditEntry
from core.clock import utc_now
from core.db import db, transaction
from core.hot import one_action
from coupons import giving
from coupons.models import Coupon
from stores.models import Chain, Role, Store
from tests.checkout.shop import Shop
from tests.factories import (
    NOON,
    make_card,
    make_chain,
    make_coupon,
    make_offer,
    make_staff,
    make_store,
    make_store_code,
)
from tests.pages import post, sign_in
from tests.reports import story


@pytest.fixture
def chain(app) -> Chain:
    return story.tell()


@pytest.fixture
def head_office(chain, client):
    return sign_in(client, make_staff(chain))


@pytest.fixture
def manager(chain, client):
    """Of the store in Nanjing Road."""
    return sign_in(client, make_staff(chain, Role.STORE_MANAGER, (db.session.get_one(Store, 1),)))


def test_head_office_lists_everybody(head_office):
    page = head_office.get("/dashboard/members?lang=en").text

    assert "4 members" in page
    assert "+8613800000000" in page
    assert "别家的人" not in page


def test_a_manager_lists_his_own_members_masked(manager):
    page = manager.get("/dashboard/members").text

    assert "138****0000" in page
    assert "林**" in page
    assert "+8613800000000" not in page
    assert "HYPERLINK" not in page


def test_the_list_pages_by_key(head_office, monkeypatch):
    monkeypatch.setattr("app.dashboard.members.PAGE", 3)

    page = head_office.get("/dashboard/members?state=&lang=en").text

    assert "after=2" in page
    assert "/dashboard/members/1" in head_office.get("/dashboard/members?after=2").text


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param({"tier": "2"}, {1}, id="a tier"),
        pytest.param({"store": "-S002"}, {2}, id="a store"),
        pytest.param({"state": "closed"}, {2}, id="a state"),
        pytest.param({"joined_from": "2026-05-21"}, {5}, id="from a day"),
        pytest.param({"joined_to": "2026-05-20", "search": "再见"}, {3}, id="a name until a day"),
        pytest.param({"joined_from": "whenever", "tier": "gold"}, {1, 2, 3, 5}, id="nothing that makes sense"),
    ],
)
def test_the_list_can_be_filtered(head_office, asked, found):
    page = head_office.get("/dashboard/members", query_string=asked).text

    assert {number for number in range(1, 6) if f'"/dashboard/members/{number}"' in page} == found


def test_the_list_takes_few_queries(head_office, count_queries):
    count_queries.clear()

    head_office.get("/dashboard/members")

    assert len(count_queries) <= 7


def test_a_chain_without_members_says_how_the_first_comes(app, client):
    sign_in(client, make_staff(make_chain()))

    assert "takes the card" in client.get("/dashboard/members?lang=en").text


def test_the_page_of_a_member_tells_everything(head_office):
    page = head_office.get("/dashboard/members/1?lang=en").text

    for words in ("林小雪", "6200 0000 0000 0016", "5 off 30", "南京东路店", "@周末", "¥109.00", "+100"):
        assert words in page, words
    assert 'href="/dashboard/members/2"' in page  # whom he brought


def test_the_page_of_a_friend_names_who_brought_him(head_office):
    assert 'href="/dashboard/members/1"' in head_office.get("/dashboard/members/2").text


def given_coupon(chain):
    """The members of two stores who gave and took a coupon."""
    giver, friend = (make_card(make_store_code(make_store(chain))) for _ in range(2))
    coupon = make_coupon(giver, make_offer(chain))
    with transaction():
        gift = giving.offer_gift(giver.id, coupon.id, now=NOON)
        giving.accept(gift.token, wallet_id=friend.wallet_id, now=NOON)
    return giver, friend


def test_a_coupon_says_whom_it_came_from_and_went_to(app, client):
    chain = make_chain()
    giver, friend = given_coupon(chain)
    sign_in(client, make_staff(chain))

    theirs, ours = (client.get(f"/dashboard/members/{card.member_id}?lang=en").text for card in (giver, friend))

    assert f'given to <a href="/dashboard/members/{friend.member_id}">' in theirs
    assert f'From a friend<span class="note">given by <a href="/dashboard/members/{giver.member_id}">' in ours


def test_a_manager_does_not_learn_who_of_another_store_took_a_coupon(app, client):
    chain = make_chain()
    giver, friend = given_coupon(chain)
    store = db.session.get_one(Store, giver.store_id)
    sign_in(client, make_staff(chain, Role.STORE_MANAGER, (store,)))

    page = client.get(f"/dashboard/members/{giver.member_id}?lang=en").text

    assert "given to a member of another store" in page
    assert f"/dashboard/members/{friend.member_id}" not in page


def test_what_was_refunded_is_taken_off_what_was_paid(app, client):
    shop = Shop()
    settled = shop.settle(10_000)
    with transaction():
        db.session.execute(update(Checkout).values(refunded_cents=settled.payable_cents, state="refunded"))
    sign_in(client, make_staff(shop.chain))

    page = client.get(f"/dashboard/members/{shop.card.member_id}?lang=en").text
    row = page[page.index("Checkouts</h2>") :].partition("<tbody>")[2].partition("</tr>")[0]

    assert "Refunded" in row
    assert row.count("¥0.00") == 1


def test_a_part_handed_back_and_a_purchase_on_hold_say_so(app, client):
    shop = Shop()
    shop.settle(10_000)
    with transaction():
        db.session.execute(update(Checkout).values(refunded_cents=1_000))
    with one_action() as hot:
        settling.reserve(hot, shop.sale(5_000), until=NOON + timedelta(minutes=10), now=NOON)
    sign_in(client, make_staff(shop.chain))

    page = client.get(f"/dashboard/members/{shop.card.member_id}?lang=en").text
    held, refunded = page[page.index("Checkouts</h2>") :].partition("<tbody>")[2].split("</tr>")[:2]

    assert "¥10.00 handed back" in refunded
    assert "Reserved" in held
    assert "until" in held


def coupon_to_void(chain):
    card = make_card(make_store_code(make_store(chain)))
    return card, make_coupon(card, make_offer(chain), now=utc_now())


def state_of(coupon):
    db.session.rollback()
    return db.session.scalar(select(Coupon.state).filter_by(id=coupon.id))


def test_head_office_voids_a_coupon_with_a_reason(app, client):
    chain = make_chain()
    card, coupon = coupon_to_void(chain)
    sign_in(client, make_staff(chain))
    path = f"/dashboard/members/{card.member_id}"
    action = f"{path}/coupons/{coupon.id}/void"

    assert f'action="{action}"' in client.get(path).text
    assert "原因" in post(client, action, {"reason": " "}, follow_redirects=True).text
    assert state_of(coupon) == "claimed"
    page = post(client, f"{action}?lang=en", {"reason": "by mistake"}, follow_redirects=True).text

    assert "The coupon is void." in page
    assert f'action="{action}"' not in page
    assert state_of(coupon) == "void"
    assert db.session.scalar(select(AuditEntry.after).filter_by(action="coupon voided"))["reason"] == "by mistake"
    assert post(client, f"{action}", {"reason": "again"}).status_code == 302


def test_only_head_office_voids_and_only_a_coupon_of_that_member(app, client):
    chain = make_chain()
    card, coupon = coupon_to_void(chain)
    other, _ = coupon_to_void(chain)
    store = db.session.get_one(Store, card.store_id)
    manager = sign_in(client, make_staff(chain, Role.STORE_MANAGER, (store,)))
    path = f"/dashboard/members/{card.member_id}"

    assert "/void" not in manager.get(path).text
    assert post(manager, f"{path}/coupons/{coupon.id}/void", {"reason": "x"}).status_code == 403
    head_office = sign_in(app.test_client(), make_staff(chain))
    wrong = f"/dashboard/members/{other.member_id}/coupons/{coupon.id}/void"
    assert post(head_office, wrong, {"reason": "x"}).status_code == 404
    assert state_of(coupon) == "claimed"


@pytest.mark.parametrize("member_id", [2, 3, 4, 99])
def test_a_manager_opens_no_member_of_another_store(manager, member_id):
    assert manager.get(f"/dashboard/members/{member_id}").status_code == 404


def test_a_manager_does_not_learn_who_the_friends_in_other_stores_are(manager):
    page = manager.get("/dashboard/members/1?lang=en").text

    assert "a member of another store" in page
    assert "/dashboard/members/2" not in page


def test_a_card_is_frozen_and_let_go(head_office):
    answer = post(head_office, "/dashboard/members/1/cards/1/freeze", follow_redirects=True)
    frozen = db.session.scalar(select(Card.state).filter_by(id=1))
    post(head_office, "/dashboard/members/1/cards/1/unfreeze")

    assert frozen == "frozen"
    assert "/dashboard/members/1/cards/1/unfreeze" in answer.text
    assert db.session.scalar(select(Card.state).filter_by(id=1)) == "active"
    assert [
        entry.action
        for entry in db.session.scalars(select(AuditEntry).filter_by(object_kind="card").order_by(AuditEntry.id))
    ] == [
        "card frozen",
        "card unfrozen",
    ]


def test_a_closed_card_cannot_be_frozen(head_office):
    assert post(head_office, "/dashboard/members/2/cards/2/freeze").status_code == 409


@pytest.mark.parametrize(
    "path", ["/dashboard/members/2/cards/2", "/dashboard/members/1/cards/2", "/dashboard/members/4/cards/4"]
)
def test_a_manager_freezes_his_own_members_cards_only(manager, path):
    assert post(manager, f"{path}/freeze").status_code == 404


def test_an_analyst_only_looks(chain, client):
    sign_in(client, make_staff(chain, Role.HQ_ANALYST))

    assert "/freeze" not in client.get("/dashboard/members/1").text
    assert post(client, "/dashboard/members/1/cards/1/freeze").status_code == 403
