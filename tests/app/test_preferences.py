"""What may reach a member, as he decides it: the switches, the way out of messages, notifications."""

import re
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeSerializer

from cards.models import Card, Member
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from push.audiences import consents
from push.audiences.unsubscribing import Links
from push.channels import browsers, vapid, wechat_users
from push.models import Consent, ConsentPurpose, Purpose, PushChannel
from push.timing.policies import Policy, set_policy
from stores.models import Chain, Role, StoreCode
from tests import pages
from tests.app.wallet_steps import take
from tests.factories import make_chain, make_staff, make_store, make_store_code
from tests.push.push_service import Subscriber

pytestmark = pytest.mark.usefixtures("app")

ASKED = [f"{purpose}:{way}" for purpose in Purpose for way in ("inbox", "email", "gateway")] + ["measurement"]
SERVICE = "http://127.0.0.1:9"


@pytest.fixture
def chain() -> Chain:
    return make_chain()


@pytest.fixture
def code(chain: Chain) -> StoreCode:
    return make_store_code(make_store(chain))


@pytest.fixture
def card(client: FlaskClient, code: StoreCode) -> Card:
    return take(client, code)


@pytest.fixture
def knowing(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that knows the push service of the tests."""
    settings = replace(app.extensions["settings"], push_services="127.0.0.1 push.example")
    monkeypatch.setitem(app.extensions, "settings", settings)


def granted(card: Card, purpose: Purpose = Purpose.PROMOTION) -> set[str]:
    """The channels that may be used for a member now."""
    return {channel for channel, yes in consents.current_consents(card.member_id, purpose).items() if yes}


def choose(client: FlaskClient, card: Card, *yes: str, asked: list[str] | None = None) -> Any:
    return pages.post(client, f"/wallet/cards/{card.id}/messages", {"asked": asked or ASKED, "yes": list(yes)})


def page_of(client: FlaskClient, card: Card, language: str = "en") -> str:
    text: str = client.get(f"/wallet/cards/{card.id}/messages?lang={language}").text
    return re.sub(r"\s+", " ", text)


def link_of(app: Flask, card: Card, channel: str, purpose: str = "promotion") -> str:
    return Links("", app.config["SECRET_KEY"]).unsubscribe(card.member_id, channel, purpose)


# --- the switches ---------------------------------------------------------------------------------------------------


def test_each_channel_is_chosen_for_each_purpose(client, card):
    choose(client, card, "promotion:email", "service:inbox", "service:gateway", "measurement")

    assert granted(card) == {"email"}
    assert granted(card, Purpose.SERVICE) == {"inbox", "gateway", "web_push", "wechat_template", "wechat_subscription"}
    assert consents.may_measure(card.member_id)


def test_a_switch_that_was_left_alone_is_no_word(client, card):
    defaults = ["promotion:inbox", "service:inbox", "service:email", "service:gateway", "measurement"]

    choose(client, card, *defaults)

    assert db.session.scalars(db.select(Consent)).all() == []


def test_what_the_page_did_not_ask_stays(client, card):
    with transaction():
        consents.grant(card.member_id, PushChannel.WEB_PUSH, "browser", utc_now())

    choose(client, card, "promotion:email", asked=["promotion:email"])

    assert granted(card) == {"inbox", "web_push", "email"}
    assert consents.may_measure(card.member_id)


def test_no_to_measurement_is_kept_and_can_be_taken_back(client, card):
    choose(client, card, asked=["measurement"])
    assert not consents.may_measure(card.member_id)
    assert granted(card) == {"inbox"}

    choose(client, card, "measurement", asked=["measurement"])
    assert consents.may_measure(card.member_id)


def test_the_page_says_where_and_when_each_word_was_given(app, client, card):
    choose(client, card, "promotion:inbox", "promotion:email", "service:inbox", "measurement")
    client.post(link_of(app, card, "gateway", "service"))
    client.post(link_of(app, card, "email"))

    page = page_of(client, card)
    assert re.search(r"You said no on \d+ \w+ in the settings\.", page)
    assert re.search(r"You said no on \d+ \w+ by the link in a message\.", page)
    assert re.search(r"您于\d+月\d+日通过消息里的链接拒绝。", page_of(client, card, "zh"))


def test_who_left_no_address_finds_where_to_leave_one(client, card):
    where = f"/wallet/cards/{card.id}/messages"
    before = client.get(where).text
    with transaction():
        member = db.session.get_one(Member, card.member_id)
        member.email, member.phone = "a@example.com", "+8613800138000"

    assert before.count("填写邮箱或手机号") == 1
    assert f'/wallet/settings?card={card.id}" class="row"' in before
    assert "填写邮箱或手机号" not in client.get(where).text


def test_the_page_tells_the_chains_own_manners(client, chain, card):
    assert "At most 1 a day and 3 a week. Nothing rings between 21:00 and 9:00." in page_of(client, card)

    with transaction():
        set_policy(chain.id, Policy(8, 8, 2, 5), by=SYSTEM, now=utc_now())

    page = page_of(client, card)
    assert "At most 2 a day and 5 a week." in page
    assert "Nothing rings" not in page


def test_wechat_is_one_switch_for_both_kinds_of_its_messages_and_only_for_who_is_known_there(client, chain, card):
    assert "promotion:wechat" not in page_of(client, card)
    with transaction():
        wechat_users.know_user(chain.id, card.member_id, "openid-1", is_following=True, by=SYSTEM, now=utc_now())

    assert "promotion:wechat" in page_of(client, card)
    choose(client, card, "promotion:wechat", asked=["promotion:wechat"])
    assert granted(card) == {"inbox", "wechat_template", "wechat_subscription"}


def test_the_settings_say_in_a_line_what_may_reach_him(client, card):
    choose(client, card, "promotion:email", "promotion:inbox", asked=["promotion:email"])
    assert "Messages in the wallet, E-mail" in client.get("/wallet/settings?lang=en").text

    pages.post(client, f"/wallet/inbox/{card.id}/mute")
    assert "Nothing at present" in client.get("/wallet/settings?lang=en").text


def test_head_office_sees_each_word_with_its_day_and_place(app, client, chain, card):
    hq = pages.sign_in(app.test_client(), make_staff(chain, Role.HQ_ANALYST))
    address = f"/dashboard/members/{card.member_id}?lang=en"
    assert "Said nothing yet" in hq.get(address).text

    choose(client, card, "promotion:email", asked=["promotion:email", "measurement"])
    client.post(link_of(app, card, "gateway", "service"))

    page = re.sub(r"<[^>]+>|\s+", " ", hq.get(address).text)
    assert re.search(r"About the own card · SMS +no +by the link in a message", page)
    assert re.search(r"Offers and news · E-mail +yes +in the settings", page)
    assert re.search(r"Which links are followed +no +in the settings", page)
    assert re.search(r"Wants messages by +Wallet inbox, E-mail", page)


def test_another_wallets_switches_are_not_found(app, card, code):
    stranger = app.test_client()
    take(stranger, make_store_code(make_store(make_chain("other"))))

    assert stranger.get(f"/wallet/cards/{card.id}/messages").status_code == 404
    assert choose(stranger, card, "promotion:email").status_code == 404
    assert granted(card) == {"inbox"}


# --- muting ---------------------------------------------------------------------------------------------------------


def test_muting_stops_every_channel_and_the_undo_brings_back_what_was_agreed(client, card):
    choose(client, card, "promotion:inbox", "promotion:email", "service:email")
    before = [granted(card, purpose) for purpose in Purpose]

    muted = pages.post(client, f"/wallet/inbox/{card.id}/mute")
    assert [granted(card, purpose) for purpose in Purpose] == [set(), set()]

    channels = re.search(r'name="channels" value="([^"]*)"', client.get(muted.location).text)
    assert channels is not None
    pages.post(client, f"/wallet/inbox/{card.id}/listen", {"channels": channels[1]})
    assert [granted(card, purpose) for purpose in Purpose] == before


def test_listening_again_begins_with_the_inbox(client, card):
    pages.post(client, f"/wallet/inbox/{card.id}/mute")
    pages.post(client, f"/wallet/inbox/{card.id}/listen")

    assert [granted(card, purpose) for purpose in Purpose] == [{"inbox"}, {"inbox"}]


# --- the way out ----------------------------------------------------------------------------------------------------


def test_the_way_out_of_a_message_stops_its_channel_by_one_post_and_not_by_opening(app, client, card):
    choose(client, card, "promotion:inbox", "promotion:email", *ASKED)
    path, stranger = link_of(app, card, "email"), app.test_client()
    assert granted(card) == {"inbox", "email", "gateway"}

    page = stranger.get(f"{path}?lang=en").text
    assert "Stop these messages?" in page
    assert "e-mails with offers and news" in page
    assert "Messages about your own card still come." in page
    assert "email" in granted(card)

    one_click = stranger.post(path, data={"List-Unsubscribe": "One-Click"})
    assert one_click.status_code == 200
    assert granted(card) == {"inbox", "gateway"}
    assert "email" in granted(card, Purpose.SERVICE)
    assert "Nothing more comes" in stranger.get(f"{path}?lang=en").text, "whoever comes back sees what holds"

    pages.post(stranger, f"{path}/undo")
    assert "email" in granted(card)


def test_the_way_out_of_a_message_about_the_card_leaves_promotion_alone(app, client, card):
    choose(client, card, *ASKED)
    path = link_of(app, card, "email", "service")

    assert "e-mails about your card" in client.get(f"{path}?lang=en").text
    client.post(path)

    assert "email" in granted(card)
    assert "email" not in granted(card, Purpose.SERVICE)


def test_wechats_way_out_stops_both_kinds_of_its_messages(app, client, card):
    with transaction():
        for channel in (PushChannel.WECHAT_TEMPLATE, PushChannel.WECHAT_SUBSCRIPTION):
            consents.grant(card.member_id, channel, "test", utc_now())
    path = link_of(app, card, "wechat_subscription")

    client.post(path)
    assert granted(card) == {"inbox"}

    pages.post(client, f"{path}/undo")
    assert granted(card) == {"inbox", "wechat_template", "wechat_subscription"}


def test_an_undo_signs_nobody_up(app, client, card):
    path = link_of(app, card, "email")
    assert 'action="/u/' not in client.get(f"{path}?lang=en").text, "nothing is to be stopped, and nothing to be undone"
    pages.post(client, f"{path}/undo")
    assert granted(card) == {"inbox"}

    choose(client, card, asked=["promotion:inbox"])
    pages.post(client, f"{link_of(app, card, 'inbox')}/undo")
    assert granted(card) == set(), "he said so in his settings"


def test_the_way_out_leads_to_all_switches_on_the_members_own_phone_alone(app, client, card):
    path = link_of(app, card, "email")

    assert f"/wallet/cards/{card.id}/messages" in client.get(path).text
    assert f"/wallet/cards/{card.id}/messages" not in app.test_client().get(path).text


def test_links_of_before_mean_promotion(app, client, card):
    choose(client, card, *ASKED)
    token = URLSafeSerializer(app.config["SECRET_KEY"], salt="push-unsubscribe").dumps([card.member_id, "email"])
    client.post(f"/u/{token}")
    assert "email" not in granted(card)

    for odd in ([card.member_id, "email", "gossip"], [card.member_id, "email", "service", 1], [card.member_id], 7):
        token = URLSafeSerializer(app.config["SECRET_KEY"], salt="push-unsubscribe").dumps(odd)
        assert client.get(f"/u/{token}").status_code == 404


def test_a_way_out_that_was_cut_off_says_that_nothing_was_stopped(client):
    answers = [client.get("/u/AAAA"), client.post("/u/AAAA")]

    assert {answer.status_code for answer in answers} == {404}
    assert all("没有停掉任何消息" in answer.text for answer in answers)
    assert "nothing was stopped" in client.get("/u/AAAA?lang=en").text


# --- notifications of a browser -------------------------------------------------------------------------------------


def test_a_browser_is_taken_in_with_the_members_yes_and_let_go(knowing, client, card):
    phone = Subscriber(SERVICE, 1, b"a" * 16)

    assert pages.post(client, "/wallet/browsers", phone.form | {"card": card.id}).status_code == 204
    assert granted(card) == {"inbox", "web_push"}
    page = page_of(client, card)
    assert browsers.fingerprint(phone.endpoint) in page
    assert phone.endpoint not in page
    assert "In 1 browser" in page
    assert re.search(r"You said yes on \d+ \w+ when notifications were turned on\.", page)

    assert pages.post(client, "/wallet/browsers/stop", {"endpoint": phone.endpoint}).status_code == 204
    assert browsers.fingerprint(phone.endpoint) not in page_of(client, card)


def test_the_page_carries_the_key_for_which_browsers_subscribe(app, client, card):
    key = vapid.public_key(vapid.private_key(app.config["SECRET_KEY"]))

    assert f'data-key="{key}"' in page_of(client, card)


@pytest.mark.parametrize(
    "change", [{"endpoint": "https://evil.example/1"}, {"p256dh": "AAAA"}, {"auth": ""}, {"card": "0"}, {"card": "x"}]
)
def test_what_is_no_browser_is_refused(knowing, client, card, change):
    form = Subscriber(SERVICE, 1, b"a" * 16).form | {"card": card.id}

    assert pages.post(client, "/wallet/browsers", form | change).status_code in (404, 422)
    assert granted(card) == {"inbox"}


def test_a_browser_of_another_wallet_is_not_let_go(knowing, app, client, card, code):
    phone, stranger = Subscriber(SERVICE, 1, b"a" * 16), app.test_client()
    pages.post(client, "/wallet/browsers", phone.form | {"card": card.id})
    take(stranger, code)

    pages.post(stranger, "/wallet/browsers/stop", {"endpoint": phone.endpoint})

    assert browsers.fingerprint(phone.endpoint) in page_of(client, card)


def test_a_browser_renews_its_address_without_a_page(knowing, app, client, card):
    old, new = Subscriber(SERVICE, 1, b"a" * 16), Subscriber(SERVICE, 2, b"b" * 16)
    pages.post(client, "/wallet/browsers", old.form | {"card": card.id})
    before = {"old_endpoint": old.endpoint, "old_auth": old.browser.auth}

    wrong = app.test_client().post("/wallet/browsers/renew", data=new.form | before | {"old_auth": new.browser.auth})
    assert wrong.status_code == 204, "the answer tells nothing"
    assert browsers.fingerprint(old.endpoint) in page_of(client, card)

    app.test_client().post("/wallet/browsers/renew", data=new.form | before)
    page = page_of(client, card)
    assert browsers.fingerprint(new.endpoint) in page
    assert browsers.fingerprint(old.endpoint) not in page


def test_where_pages_are_not_secure_there_is_nothing_to_turn_on(app, client, card, monkeypatch):
    settings = replace(app.extensions["settings"], public_url="http://cards.example")
    monkeypatch.setitem(app.extensions, "settings", settings)

    assert "data-web-push" not in page_of(client, card)
    assert "data-web-push-line" not in client.get(f"/wallet/cards/{card.id}").text
    form = Subscriber(SERVICE, 1, b"a" * 16).form | {"card": card.id}
    assert pages.post(client, "/wallet/browsers", form).status_code == 422


def test_a_new_card_offers_notifications_in_a_line_until_there_is_a_word(client, card):
    assert "data-web-push-line" in client.get(f"/wallet/cards/{card.id}").text

    with transaction():
        consents.withdraw(card.member_id, PushChannel.WEB_PUSH, "test", utc_now())

    assert "data-web-push-line" not in client.get(f"/wallet/cards/{card.id}").text


def test_the_service_worker_and_the_manifest_are_there_for_everybody(client):
    with client.get("/wallet/service-worker.js") as worker:
        assert (worker.mimetype, worker.headers["Cache-Control"]) == ("text/javascript", "no-cache")
        assert "pushsubscriptionchange" in worker.text

    manifest = client.get("/wallet/manifest.webmanifest?lang=en")
    assert (manifest.mimetype, manifest.json["name"]) == ("application/manifest+json", "Wallet")
    for icon in manifest.json["icons"]:
        with client.get(icon["src"]) as picture:
            assert picture.status_code == 200


def test_a_persons_own_data_names_his_browsers_and_what_his_words_were_for(knowing, client, card):
    phone = Subscriber(SERVICE, 1, b"a" * 16)
    pages.post(client, "/wallet/browsers", phone.form | {"card": card.id})
    pages.post(client, f"/wallet/settings/{card.id}", {"birth_month": "5", "birth_day": "31"})
    choose(client, card, asked=["measurement"])

    kept = client.get("/wallet/settings/data.json").json

    assert [browser["endpoint"] for browser in kept["browsers"]] == [phone.endpoint]
    assert {word["purpose"] for word in kept["consents"]} == {ConsentPurpose.PROMOTION, ConsentPurpose.MEASUREMENT}
    assert [membership["birthday"] for membership in kept["memberships"]] == ["05-31"]
