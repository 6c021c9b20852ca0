"""Proving a phone by page and by API: what is sent where, what is refused, and where it leads back to."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import select

from app.config import Settings, SettingsError, load_settings
from cards.models import Card, Member, PhoneCode
from core.clock import utc_now
from core.db import db, transaction
from coupons import gift_views
from coupons.models import Coupon, Offer
from tests import pages
from tests.factories import make_chain, make_coupon, make_offer, make_store, make_store_code
from tests.push.servers import SECRET, gateway

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def settings(app, monkeypatch):
    """Change settings for one test."""

    def change(**values: object) -> None:
        monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], **values))
        forget_gateway(app)

    yield change
    forget_gateway(app)


def forget_gateway(app):
    if kept := app.extensions.pop("phone_gateway", None):
        kept.close()


@pytest.fixture
def shown(settings):
    """Codes stand on the page."""
    settings(show_phone_codes=True)


@pytest.fixture
def sms(settings):
    with gateway() as server:
        settings(gateway_url=server.url, gateway_secret=SECRET)
        yield server


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


@pytest.fixture
def card(client, code):
    answer = pages.post(client, f"/q/{code.token}")
    return db.session.get_one(Card, int(answer.location.rsplit("/", 1)[1]))


@pytest.fixture
def app_wallet(client, code):
    """A wallet of the API: its bearer and the number of its card."""
    wallet = client.post("/api/v1/wallets").json
    headers = {"Authorization": f"Bearer {wallet['token']}"}
    card = client.post(f"/api/v1/store-codes/{code.token}/cards", headers=headers).json
    return headers, card["number"]


def ask(client, card, phone="13800000000", **more):
    return pages.post(client, f"/wallet/cards/{card.id}/phone", {"phone": phone} | more)


def code_on(page):
    found = re.search(r"验证码是 (\d{6})", page.text)
    assert found
    return found[1]


def member_of(card):
    return db.session.get_one(Member, card.member_id, populate_existing=True)


def test_the_demo_shows_the_code_and_the_phone_is_proved(client, card, shown, capfd):
    answer = ask(client, card, "138 0000 0000")
    assert answer.status_code == 303
    page = client.get(answer.location)
    digits = code_on(page)
    assert 'autocomplete="one-time-code"' in page.text
    assert 'inputmode="numeric"' in page.text
    assert f": {digits}" in capfd.readouterr().err

    done = pages.post(client, f"/wallet/cards/{card.id}/phone/verify", {"code": digits})
    assert done.location == f"/wallet/settings?card={card.id}"
    assert "手机号验证好了" in client.get(done.location).text
    assert member_of(card).phone == "+8613800000000"
    assert "手机号已验证" in client.get(f"/wallet/cards/{card.id}/phone").text
    assert 'name="phone"' in client.get(f"/wallet/cards/{card.id}/phone?change=1").text


def test_a_wrong_code_can_be_typed_again(client, card, shown):
    digits = code_on(client.get(ask(client, card).location))
    wrong = f"{(int(digits) + 1) % 1_000_000:06d}"
    path = f"/wallet/cards/{card.id}/phone/verify"

    answer = pages.post(client, path, {"code": wrong})
    assert answer.status_code == 422
    assert "验证码不对" in answer.text
    assert pages.post(client, path, {"code": digits}).status_code == 303


def test_after_five_wrong_codes_a_new_one_is_needed(client, card, shown):
    digits = code_on(client.get(ask(client, card).location))
    wrong = f"{(int(digits) + 1) % 1_000_000:06d}"
    answers = [pages.post(client, f"/wallet/cards/{card.id}/phone/verify", {"code": wrong}) for _ in range(5)]

    assert "请重新获取" in answers[-1].text
    assert 'name="phone"' in answers[-1].text
    assert member_of(card).phone_verified_at is None


def test_asking_again_at_once_leads_to_the_code_that_waits(client, card, shown):
    ask(client, card)
    answer = ask(client, card)

    assert answer.status_code == 303
    page = client.get(answer.location)
    assert "验证码发得太频繁" in page.text
    assert re.search(r'data-free-in="(\d+)"', page.text)
    assert db.session.query(PhoneCode).count() == 1


def test_a_phone_that_others_have_asked_for_says_when(client, app, card, code, shown):
    other = app.test_client()
    theirs = db.session.get_one(Card, int(pages.post(other, f"/q/{code.token}").location.rsplit("/", 1)[1]))
    ask(other, theirs)
    answer = ask(client, card)

    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("phone", ["", "12", "hello"])
def test_what_cannot_be_called_is_refused_at_its_field(client, card, shown, phone):
    answer = ask(client, card, phone)

    assert answer.status_code == 422
    assert "这个手机号不对" in answer.text


def test_where_nothing_can_send_codes_the_page_says_so(client, card):
    answer = ask(client, card)

    assert answer.status_code == 422
    assert "暂时不能发送验证码" in answer.text
    assert db.session.query(PhoneCode).count() == 0


def test_the_gateway_gets_the_code_and_nobody_else(client, card, sms, capfd, caplog):
    page = client.get(ask(client, card).location)

    sent = sms.calls[0]
    assert (sent["kind"], sent["to"], sent["language"], sent["valid_minutes"]) == (
        "phone_code",
        "+8613800000000",
        "zh",
        5,
    )
    assert sent["key"] == sent["message_key"]
    assert re.fullmatch(r"\d{6}", sent["code"])
    assert f"【雪山冰品】验证码 {sent['code']}" in sent["body"]
    said = capfd.readouterr()
    assert all(sent["code"] not in text for text in (page.text, said.err, said.out, caplog.text))
    done = pages.post(client, f"/wallet/cards/{card.id}/phone/verify", {"code": sent["code"]})
    assert done.status_code == 303


@pytest.mark.parametrize("status", [400, 403, 500])
def test_what_the_gateway_refuses_counts_for_nothing(client, card, sms, status):
    sms.answer = lambda _body: (status, {})
    for _ in range(3):
        answer = ask(client, card)
        assert answer.status_code == 422
        assert "没有发出去" in answer.text
    sms.answer = lambda _body: (202, {})

    assert ask(client, card).status_code == 303


def test_a_gateway_that_does_not_answer_may_have_sent_it(client, card, sms):
    sms.answer = lambda _body: None
    assert ask(client, card).status_code == 303
    acted = next(iter(sms.acted.values()))

    assert ask(client, card).status_code == 303
    assert len(sms.calls) == 1  # no second one within the minute
    assert pages.post(client, f"/wallet/cards/{card.id}/phone/verify", {"code": acted["code"]}).status_code == 303


def test_codes_on_the_page_are_refused_in_production():
    with pytest.raises(SettingsError, match="SHOW_PHONE_CODES"):
        load_settings(production=True, show_phone_codes=True, secret_key="s" * 40, database_url="sqlite://")
    assert isinstance(load_settings(show_phone_codes=True, secret_key="s" * 40), Settings)


def test_an_offer_that_counts_phones_leads_to_the_proof_and_back(client, chain, card, shown):
    offer = make_offer(chain, per_phone_limit=1)
    page = client.get(f"/o/{offer.token}")
    path = f"/wallet/cards/{card.id}/phone?offer={offer.token}"
    assert f'href="{path}"' in page.text
    assert pages.post(client, f"/o/{offer.token}").location == path  # also where the button is still on an old page
    assert offer.name in client.get(path).text

    asked = ask(client, card, offer=offer.token)
    assert asked.location == path
    done = pages.post(
        client, f"/wallet/cards/{card.id}/phone/verify", {"code": code_on(client.get(path)), "offer": offer.token}
    )
    assert done.location == f"/o/{offer.token}"
    pages.post(client, f"/o/{offer.token}")
    assert db.session.query(Coupon).filter_by(offer_id=offer.id).count() == 1


def test_a_gift_that_counts_phones_leads_to_the_proof_and_back(client, app, chain, card, code, shown):
    giver = app.test_client()
    theirs = db.session.get_one(Card, int(pages.post(giver, f"/q/{code.token}").location.rsplit("/", 1)[1]))
    coupon = make_coupon(theirs, make_offer(chain), now=utc_now())
    pages.post(giver, f"/wallet/cards/{theirs.id}/coupons/{coupon.id}/give")
    token = gift_views.gifts_of_coupons([coupon.id])[coupon.id].token
    with transaction():
        db.session.get_one(Offer, coupon.offer_id).per_phone_limit = 1

    asked = pages.post(client, f"/g/{token}")
    assert asked.location == f"/wallet/cards/{card.id}/phone?gift={token}"
    digits = code_on(client.get(ask(client, card, gift=token).location))
    done = pages.post(client, f"/wallet/cards/{card.id}/phone/verify", {"code": digits, "gift": token})
    assert done.location == f"/g/{token}"
    assert pages.post(client, f"/g/{token}").location.startswith(f"/wallet/cards/{card.id}/coupons/")


def test_a_token_of_another_chain_leads_nowhere(client, card, shown):
    offer = make_offer(make_chain("other"), per_phone_limit=1)

    assert ask(client, card, offer=offer.token).location == f"/wallet/cards/{card.id}/phone"
    assert ask(client, card, offer="https://example.com").location == f"/wallet/cards/{card.id}/phone"


def test_settings_lead_to_the_proof(client, card):
    assert f'href="/wallet/cards/{card.id}/phone"' in client.get(f"/wallet/settings?card={card.id}").text


# --- the API ---


def api_ask(client, wallet, phone="+8613800000000", **headers):
    bearer, number = wallet
    return client.post(f"/api/v1/cards/{number}/phone-codes", json={"phone": phone}, headers=bearer | headers)


def api_verify(client, wallet, digits):
    bearer, number = wallet
    return client.post(f"/api/v1/cards/{number}/phone-codes/verify", json={"code": digits}, headers=bearer)


def test_an_app_asks_and_verifies(client, app_wallet, sms):
    answer = api_ask(client, app_wallet)
    assert answer.status_code == 202
    assert answer.json["phone"] == "+8613800000000"
    assert set(answer.json) == {"phone", "valid_until", "next_at"}

    done = api_verify(client, app_wallet, sms.calls[0]["code"])
    again = api_verify(client, app_wallet, sms.calls[0]["code"])
    assert done.status_code == again.status_code == 200
    assert done.json == again.json
    assert done.json["phone_verified_at"]


def test_an_app_is_told_what_is_wrong_and_when_to_come_back(client, app_wallet, sms):
    assert api_verify(client, app_wallet, "123456").json["code"] == "phone_code_over"
    assert api_ask(client, app_wallet, "12").json["code"] == "phone_invalid"
    api_ask(client, app_wallet)
    refused = api_ask(client, app_wallet)

    assert (refused.status_code, refused.json["code"]) == (429, "phone_codes_too_many")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    wrong = f"{(int(sms.calls[0]['code']) + 1) % 1_000_000:06d}"
    assert [api_verify(client, app_wallet, wrong).json["code"] for _ in range(5)] == ["phone_code_wrong"] * 4 + [
        "phone_code_over"
    ]


def test_a_repeat_with_its_key_sends_nothing_more(client, app_wallet, sms):
    first = api_ask(client, app_wallet, **{"Idempotency-Key": "ask-once"})
    again = api_ask(client, app_wallet, **{"Idempotency-Key": "ask-once"})

    assert (again.status_code, again.json) == (202, first.json)
    assert again.headers["Idempotent-Replay"] == "true"
    assert len(sms.calls) == 1


def test_a_key_whose_code_was_not_sent_may_be_used_again(client, app_wallet, sms):
    sms.answer = lambda _body: (500, {})
    refused = api_ask(client, app_wallet, **{"Idempotency-Key": "ask-once"})
    sms.answer = lambda _body: (202, {})

    assert refused.json["code"] == "phone_code_not_sent"
    assert api_ask(client, app_wallet, **{"Idempotency-Key": "ask-once"}).status_code == 202


def test_nobody_proves_a_phone_for_the_card_of_another(client, app_wallet, card, sms):
    bearer, _number = app_wallet
    answer = client.post(f"/api/v1/cards/{card.number}/phone-codes", json={"phone": "+8613800000000"}, headers=bearer)

    assert answer.status_code == 404
    assert db.session.scalars(select(PhoneCode)).all() == []
