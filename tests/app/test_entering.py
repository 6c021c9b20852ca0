"""Typing a word or a code on the phone, at the till and through the API; and who saw an offer."""

import pytest
from itsdangerous import URLSafeSerializer
from sqlalchemy import func, select, update

from app.auth.devices import COOKIE
from cards.models import Member
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from core.tokens import hashed
from coupons import printing
from coupons.code_models import PrintedCode
from coupons.models import Coupon, Offer, OfferSighting
from tests.factories import make_card, make_chain, make_coupon, make_offer, make_store, make_store_code, make_wallet
from tests.pages import csrf

SECRET = "a phone"
BROWSER = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15"}


@pytest.fixture
def shop(app, client):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    card = make_card(code, wallet_id=make_wallet(SECRET))
    signer = URLSafeSerializer(app.config["SECRET_KEY"], salt="wallet-device")
    client.set_cookie(COOKIE, str(signer.dumps(SECRET)))
    return chain, code, card


def with_word(chain, word="summer", **columns):
    offer = make_offer(chain)
    with transaction():
        db.session.execute(update(Offer).where(Offer.id == offer.id).values(claim_word=word, **columns))
    return offer


def a_code(chain):
    offer = make_offer(chain, stock=10)
    with transaction():
        batch = printing.make_batch(chain.id, offer.id, size=1, name="", by=SYSTEM, now=utc_now())
    printing.fill_batch(chain.id, batch.id)
    return db.session.scalar(select(PrintedCode.code).filter_by(batch_id=batch.id))


def enter(client, text, **more):
    form = {"csrf_token": csrf(client, "/wallet/enter"), "text": text} | more
    return client.post("/wallet/enter?lang=en", data=form)


def test_a_word_becomes_a_coupon(client, shop):
    chain, _, card = shop
    with_word(chain)

    answer = enter(client, " SUMMER ")

    coupon = db.session.scalars(select(Coupon)).one()
    assert (answer.status_code, answer.location) == (303, f"/wallet/cards/{card.id}/coupons/{coupon.id}")
    assert (coupon.source, coupon.card_id) == ("claim_word", card.id)
    assert client.get(answer.location).status_code == 200


def test_a_printed_code_becomes_a_coupon_once(client, shop):
    chain, _, _ = shop
    code = printing.shown(a_code(chain)).lower()

    first, again = enter(client, code), enter(client, code)

    assert (first.status_code, again.status_code) == (303, 303)
    assert first.location == again.location
    assert db.session.scalar(select(func.count(Coupon.id))) == 1


def test_the_same_form_sent_twice_takes_one_coupon(client, shop):
    chain, _, _ = shop
    with_word(chain, per_member_limit=5)

    answers = [enter(client, "summer", request_id="form-1") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert db.session.scalar(select(func.count(Coupon.id))) == 1


@pytest.mark.parametrize("text", ["unknown", "", "ABCD-EFGH-JKMN-PQ", "💥", "x" * 500])
def test_what_is_not_known_gets_one_neutral_answer(client, shop, text):
    answer = enter(client, text)

    assert answer.status_code == 404
    assert "This word or code cannot be used" in answer.text


def test_guessing_is_slowed_down(client, shop):
    answers = [enter(client, f"guess{number}").status_code for number in range(22)]

    assert (answers[0], answers[-1]) == (404, 429)


def test_a_code_that_somebody_else_used_says_so(client, shop):
    chain, code, _ = shop
    printed = a_code(chain)
    coupon_id = make_coupon(make_card(code), make_offer(chain)).id
    with transaction():
        db.session.execute(update(PrintedCode).values(coupon_id=coupon_id, used_at=utc_now()))

    answer = enter(client, printed)

    assert answer.status_code == 409
    assert "already used" in answer.text


def test_a_refusal_keeps_what_was_typed(client, shop):
    chain, _, _ = shop
    with_word(chain)
    enter(client, "summer")

    answer = enter(client, "summer")

    assert answer.status_code == 409
    assert 'value="summer"' in answer.text
    assert "You already have it" in answer.text


def test_an_offer_by_phone_leads_to_the_proof_of_the_phone(client, shop):
    chain, _, card = shop
    with_word(chain, per_phone_limit=1)

    answer = enter(client, "summer")

    assert (answer.status_code, answer.location) == (303, f"/wallet/cards/{card.id}/phone?entered=1")


def test_the_proof_of_the_phone_leads_back_to_what_was_typed(client, shop):
    chain, _, card = shop
    offer = with_word(chain, per_phone_limit=1)
    proof = enter(client, "Summer").location

    page = client.get(f"{proof}&lang=en").text
    again = client.get("/wallet/enter?again=1").text

    assert offer.name_en in page
    assert 'name="entered" value="1"' in page
    assert 'href="/wallet/enter?again=1"' in page
    assert 'value="Summer"' in again
    assert 'value="Summer"' not in client.get("/wallet/enter").text
    with transaction():
        db.session.execute(update(Member).values(phone="+8613800000000", phone_verified_at=utc_now()))
    assert enter(client, "Summer").location.startswith(f"/wallet/cards/{card.id}/coupons/")
    assert 'value="Summer"' not in client.get("/wallet/enter?again=1").text


def test_an_address_alone_leads_back_to_nothing(client, shop):
    _, _, card = shop

    page = client.get(f"/wallet/cards/{card.id}/phone?entered=https://example.com").text

    assert 'href="https://example.com' not in page
    assert 'value="https://example.com' not in page
    assert f'href="/wallet/settings?card={card.id}"' in page


def test_a_word_that_two_chains_have_is_asked_about(client, shop):
    chain, _, card = shop
    other = make_chain("other", name="另一家", name_en="Other")
    make_card(make_store_code(make_store(other)), wallet_id=card.wallet_id)
    for each in (chain, other):
        with_word(each)

    asked = enter(client, "summer")
    chosen = enter(client, "summer", chain=other.id)

    assert (asked.status_code, chosen.status_code) == (200, 303)
    assert "Which one do you mean?" in asked.text
    assert db.session.scalars(select(Coupon.chain_id)).all() == [other.id]


def test_without_a_card_the_page_says_what_to_do(app):
    stranger = app.test_client()

    page = stranger.get("/wallet/enter?lang=en")
    sent = stranger.post("/wallet/enter", data={"text": "summer", "csrf_token": csrf(stranger, "/wallet/privacy")})

    assert page.status_code == 200
    assert "Scan the code in a store first" in page.text
    assert sent.status_code == 303


def test_looking_counts_nobody_and_the_beacon_counts_a_visitor_once(client, shop):
    chain, _, card = shop
    offer = make_offer(chain)
    path = f"/o/{offer.token}"

    page = client.get(path, headers=BROWSER)
    seen = [
        client.post(f"{path}/seen", headers=BROWSER | {"X-CSRFToken": csrf(client, path)}).status_code for _ in range(2)
    ]
    by_card = f"/wallet/cards/{card.id}/seen?offer={offer.id}&offer=999"
    client.post(by_card, headers=BROWSER | {"X-CSRFToken": csrf(client, path)})

    assert f"{path}/seen" in page.text
    assert seen == [204, 204]
    assert db.session.execute(select(OfferSighting.offer_id, OfferSighting.visitor)).all() == [
        (offer.id, hashed(SECRET))
    ]


def test_the_cards_page_tells_which_offers_it_shows(client, shop):
    chain, _, card = shop
    offer = make_offer(chain)

    page = client.get(f"/wallet/cards/{card.id}")

    assert f"/wallet/cards/{card.id}/seen?offer={offer.id}" in page.text


def test_a_robot_is_no_sighting(client, shop):
    chain, _, _ = shop
    path = f"/o/{make_offer(chain).token}"

    client.post(f"{path}/seen", headers={"User-Agent": "Googlebot/2.1", "X-CSRFToken": csrf(client, path)})

    assert db.session.scalar(select(func.count()).select_from(OfferSighting)) == 0


def test_an_offer_reached_by_a_scan_remembers_the_store(client, shop):
    chain, code, card = shop
    offer = make_offer(chain)
    card_page = client.get(f"/wallet/cards/{card.id}?scan={code.token}").text
    path = f"/o/{offer.token}"

    assert f"{path}?scan={code.token}" in card_page
    form = {"csrf_token": csrf(client, path), "scan": code.token, "request_id": "form"}
    client.post(path, data=form)

    assert db.session.execute(select(Coupon.source, Coupon.store_id)).one() == ("store_code", code.store_id)


def test_a_day_that_is_sold_out_is_said_before_the_tap(client, shop):
    chain, code, _ = shop
    offer = make_offer(chain)
    with transaction():
        db.session.execute(update(Offer).values(per_day_limit=1))
    make_coupon(make_card(code), offer, now=utc_now())

    page = client.get(f"/o/{offer.token}?lang=en")

    assert "Today&#39;s 1 coupons are gone" in page.text
