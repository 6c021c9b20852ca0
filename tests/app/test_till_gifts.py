"""Coupons for the member at the till, by the page and by the API."""

import re

import pytest
from sqlalchemy import func, select, update

from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from coupons import printing
from coupons.code_models import PrintedCode
from coupons.gift_models import StaffGift
from coupons.models import Coupon, Offer
from stores.models import Role
from tests.factories import (
    code_of,
    make_card,
    make_chain,
    make_key,
    make_offer,
    make_staff,
    make_store,
    make_store_code,
    make_wallet,
)
from tests.pages import post, sign_in


@pytest.fixture
def shop(app, client):
    chain = make_chain()
    store = make_store(chain)
    clerk = make_staff(chain, Role.CLERK, (store,))
    sign_in(client, clerk)
    return chain, store, make_card(make_store_code(store), wallet_id=make_wallet("a phone")), clerk


def gift_offer(chain, limit=2, **more):
    offer = make_offer(chain, per_member_limit=10, **more)
    with transaction():
        db.session.execute(update(Offer).where(Offer.id == offer.id).values(staff_gift_limit=limit))
    return offer


def a_code(chain):
    with transaction():
        offer = db.session.scalar(select(Offer.id).order_by(Offer.id.desc()).limit(1))
        batch = printing.make_batch(chain.id, offer, size=2, name="", by=SYSTEM, now=utc_now())
    printing.fill_batch(chain.id, batch.id)
    return db.session.scalars(select(PrintedCode.code).filter_by(batch_id=batch.id)).all()


def ticket(client, card):
    page = post(client, "/till/gift?lang=en", {"code": code_of(card, now=utc_now())})
    assert page.status_code == 200, page.text
    return re.search(r'name="ticket" value="([^"]+)"', page.text)[1]


def count_coupons():
    return db.session.scalar(select(func.count(Coupon.id)))


def test_a_clerk_gives_a_coupon_with_a_reason(client, shop):
    chain, store, card, clerk = shop
    offer = gift_offer(chain)

    page = post(
        client, "/till/gift/give?lang=en", {"ticket": ticket(client, card), "offer_id": offer.id, "reason": "waited"}
    )

    gift = db.session.scalars(select(StaffGift)).one()
    assert page.status_code == 200
    assert "is in the card" in page.text
    assert "you may give 1 more today" in page.text
    assert (gift.staff_id, gift.store_id, gift.reason) == (clerk.id, store.id, "waited")
    assert db.session.scalar(select(Coupon.source)) == "staff_gift"


def test_the_same_gift_sent_twice_is_one(client, shop):
    chain, _, card, _ = shop
    form = {"ticket": ticket(client, card), "offer_id": gift_offer(chain).id, "reason": "x", "key": "form-1"}

    pages = [post(client, "/till/gift/give", form).status_code for _ in range(2)]

    assert (pages, count_coupons()) == ([200, 200], 1)


def test_when_the_clerk_gave_all_of_today_he_is_told(client, shop):
    chain, _, card, _ = shop
    form = {"ticket": ticket(client, card), "offer_id": gift_offer(chain, limit=1).id, "reason": "x"}
    post(client, "/till/gift/give", form)

    page = post(client, "/till/gift/give?lang=en", form)

    assert page.status_code == 409
    assert "You gave the 1 you may give today" in page.text
    assert count_coupons() == 1


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"reason": " "}, 422, "reason_needed"),
        ({"offer_id": "999"}, 404, "offer_not_found"),
        ({"offer_id": ""}, 422, "no_offer_chosen"),
        ({"ticket": "ct_wrong"}, 404, "card_code_unknown"),
    ],
)
def test_what_is_wrong_with_a_gift_is_said(client, shop, form, status, code):
    chain, _, card, _ = shop
    sent = {"ticket": ticket(client, card), "offer_id": gift_offer(chain).id, "reason": "x"} | form

    page = post(client, "/till/gift/give?lang=en", sent)

    assert (page.status_code, code in page.text, count_coupons()) == (status, True, 0)


def test_a_printed_code_is_taken_at_the_till(client, shop):
    chain, store, card, _ = shop
    gift_offer(chain)
    code = printing.shown(a_code(chain)[0]).lower()
    form = {"ticket": ticket(client, card), "text": code}

    first, again = post(client, "/till/gift/enter?lang=en", form), post(client, "/till/gift/enter?lang=en", form)

    assert "is in the card" in first.text
    assert "was in the card already" in again.text
    assert db.session.execute(select(Coupon.source, Coupon.store_id)).all() == [("printed_code", store.id)]


def test_a_clerk_is_told_what_is_wrong_with_a_code(client, shop):
    chain, _, card, _ = shop
    gift_offer(chain)
    first, second = a_code(chain)
    printing.void_batch(chain.id, 1, by=SYSTEM, now=utc_now())
    wrong = ("Z" if first[0] != "Z" else "Y") + first[1:]
    mine = ticket(client, card)

    said = [
        re.search(r"<code>(\w+)</code>", post(client, "/till/gift/enter", {"ticket": mine, "text": text}).text)[1]
        for text in (second, wrong, "nothing")
    ]

    assert said == ["printed_code_void", "printed_code_mistyped", "entered_code_unknown"]


def test_the_amount_of_the_sale_goes_to_the_gift_and_back_without_scripts(client, shop):
    _, _, card, _ = shop
    form = {"amount": "58.50"}

    gift = post(client, "/till/gift?lang=en", form | {"code": code_of(card, now=utc_now())}).text
    lost = post(client, "/till/gift/give?lang=en", form | {"ticket": "too old", "reason": "x"}).text

    for page in (gift, lost):
        back = re.search(r'<form method="post" action="/till/quote">.*?</form>', page, re.DOTALL)[0]
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', back)) | form
        assert 'name="amount" value="58.50"' in back
        assert 'name="amount" type="text"' in (sale := post(client, "/till/quote", fields).text)
        assert 'value="58.50"' in sale


def test_the_tills_page_leads_to_the_gift(client, shop):
    _, _, card, _ = shop

    page = post(client, "/till/quote", {"code": code_of(card, now=utc_now())})

    assert "/till/gift" in page.text
    assert client.get("/till/gift").status_code == 302


def ask(client, path, body, secret, **headers):
    return client.post(f"/api/v1{path}", json=body, headers={"Authorization": f"Bearer {secret}"} | headers)


def test_a_tills_key_gives_in_the_name_of_a_clerk(client, shop):
    chain, store, card, clerk = shop
    key = make_key(chain, Role.CLERK, store)
    body = {
        "card_code": code_of(card, now=utc_now()),
        "offer_id": gift_offer(chain, limit=1).id,
        "login": clerk.login,
        "reason": "x",
    }

    first = ask(client, "/coupons/gifts-of-staff", body, key, **{"Idempotency-Key": "gift-0001"})
    again = ask(client, "/coupons/gifts-of-staff", body, key, **{"Idempotency-Key": "gift-0001"})
    more = ask(client, "/coupons/gifts-of-staff", body, key)
    nobody = ask(client, "/coupons/gifts-of-staff", body | {"login": "nobody"}, key)

    assert [answer.status_code for answer in (first, again, more, nobody)] == [201, 201, 409, 404]
    assert first.json == again.json
    assert more.json["code"] == "staff_gift_limit_reached"
    assert count_coupons() == 1


def test_somebody_of_another_store_or_who_left_gives_nothing(client, shop):
    chain, store, card, clerk = shop
    key, offer = make_key(chain, Role.CLERK, store), gift_offer(chain)
    elsewhere = make_staff(chain, Role.CLERK, (make_store(chain),))
    body = {"card_code": code_of(card, now=utc_now()), "offer_id": offer.id, "reason": "x"}
    with transaction():
        clerk.disabled_at = utc_now()

    answers = [ask(client, "/coupons/gifts-of-staff", body | {"login": who.login}, key) for who in (elsewhere, clerk)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert count_coupons() == 0


def test_a_till_and_a_wallet_enter_a_code_through_the_api(client, shop):
    chain, store, card, _ = shop
    key = make_key(chain, Role.CLERK, store)
    gift_offer(chain)
    first, second = a_code(chain)

    by_till = ask(client, "/coupons/enter", {"text": first, "card_code": code_of(card, now=utc_now())}, key)
    by_wallet = ask(client, "/coupons/enter", {"text": second, "chain": chain.slug}, "a phone")
    again = ask(client, "/coupons/enter", {"text": second}, "a phone")

    assert [answer.status_code for answer in (by_till, by_wallet, again)] == [201, 201, 201]
    assert (by_wallet.json["was_there"], again.json["was_there"]) == (False, True)
    assert by_wallet.json["card_id"] == card.id
    assert count_coupons() == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"text": "nothing"}, 404, "entered_code_unknown"),
        ({"text": "nothing", "chain": "other"}, 409, "card_needed"),
        ({"text": ""}, 422, "invalid"),
        ({"text": "x", "more": 1}, 422, "invalid"),
    ],
)
def test_what_a_wallet_cannot_enter_is_refused(client, shop, body, status, code):
    answer = ask(client, "/coupons/enter", body, "a phone")

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_till_says_for_whose_card(client, shop):
    chain, store, _, _ = shop

    answer = ask(client, "/coupons/enter", {"text": "x"}, make_key(chain, Role.CLERK, store))

    assert (answer.status_code, answer.json["code"]) == (422, "card_code_needed")


def test_new_wallets_guess_no_faster_than_one(client, shop):
    code = make_store_code(shop[1])
    for number in range(3):
        make_card(code, wallet_id=make_wallet(f"phone {number}"))
    guesses = [ask(client, "/coupons/enter", {"text": f"guess{n}"}, f"phone {n % 3}").status_code for n in range(21)]

    assert guesses == [404] * 20 + [429]
