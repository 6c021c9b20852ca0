"""Short links of messages as phones, previews and guessers meet them; and in the inbox of a wallet."""

import re
from html import unescape

import pytest

from cards.models import Member
from core.clock import utc_now
from core.db import db, transaction
from push.audiences import consents
from push.wording.links import ShortLinks, Way
from push.wording.models import CampaignLink, Click
from stores.models import Chain
from tests.app.wallet_steps import take
from tests.factories import make_chain, make_store, make_store_code
from tests.push.pushing import deliveries, make_campaign, make_member, send_all, start

SHOP = "https://shop.example/ice?a=1&b=2"
PHONE = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/605.1.15"}
SHORT = re.compile(r"https://cards.example(/l/[\w-]+)")


@pytest.fixture
def mailed(app):
    """A mail with an address in it, handed over: its text."""
    now = utc_now()
    chain = make_chain()
    make_member(make_store_code(make_store(chain, timezone="Pacific/Auckland")), email="a@example.com", now=now)
    start(make_campaign(chain, "email", body=f"看 {SHOP} 和 {{link}}", purpose="service"), now=noon_there(now))
    (mail,) = send_all(now=noon_there(now))["email"].sent
    return mail


def noon_there(now):
    """A moment of today at which nobody in Auckland sleeps."""
    return now.replace(hour=1, minute=0)


def short_link(mailed):
    return SHORT.search(mailed.body)[1]


def clicks():
    db.session.commit()
    return db.session.scalars(db.select(Click).execution_options(populate_existing=True)).all()


def test_a_mail_has_short_links_for_its_addresses_and_the_wallet(mailed):
    assert SHOP not in mailed.body
    assert len(set(SHORT.findall(mailed.body))) == 2
    assert mailed.url.startswith("https://cards.example/l/")
    assert mailed.unsubscribe_url.startswith("https://cards.example/u/")
    assert mailed.url in mailed.body


def test_the_page_in_between_leads_on_and_writes_nothing(client, mailed):
    answer = client.get(short_link(mailed), headers=PHONE)

    assert answer.status_code == 200
    assert f'href="{SHOP.replace("&", "&amp;")}"' in answer.text
    assert re.search(r'<noscript><meta http-equiv="refresh" content="0;url=https://shop.example', answer.text)
    assert clicks() == []


@pytest.mark.parametrize("agent", ["facebookexternalhit/1.1", "WhatsApp/2.23", "curl/8", ""])
def test_a_preview_is_led_on_at_once_and_not_counted(client, mailed, agent):
    answer = client.get(short_link(mailed), headers={"User-Agent": agent})

    assert (answer.status_code, answer.location) == (302, SHOP)
    assert clicks() == []


def test_whoever_sees_the_page_is_counted(client, mailed):
    for _ in range(2):
        assert client.post(short_link(mailed), headers=PHONE).status_code == 204

    (click,) = clicks()
    assert click.count == 2
    assert db.session.get_one(CampaignLink, click.link_id).url == SHOP
    (delivery,) = deliveries()
    assert delivery.read_at is not None


def test_the_link_to_the_wallet_is_counted_as_well(client, mailed):
    client.post(mailed.url.removeprefix("https://cards.example"), headers=PHONE)

    (click,) = clicks()
    assert db.session.get_one(CampaignLink, click.link_id).url == "https://cards.example/wallet/inbox"


def test_a_link_that_is_not_ours_gets_the_neutral_answer(client, app, mailed):
    (delivery,) = deliveries()
    short = ShortLinks("", app.config["SECRET_KEY"])
    unknown = [short.token(Way(delivery.id, 987_654_321)), "AAAA", short_link(mailed)[3:-1]]

    answers = [client.get(f"/l/{token}", headers=PHONE) for token in unknown]
    answers += [client.post(f"/l/{token}", headers=PHONE) for token in unknown]

    assert {answer.status_code for answer in answers} == {404}
    assert {"message_link_unknown" in answer.text for answer in answers} == {True}
    assert "在卡包里" in answers[0].text
    assert clicks() == []


def test_who_said_no_meanwhile_is_led_on_but_not_counted(client, mailed):
    (delivery,) = deliveries()
    with transaction():
        consents.say_measurement(delivery.member_id, is_granted=False, source="test", now=utc_now())

    assert client.get(short_link(mailed), headers=PHONE).status_code == 200
    assert client.post(short_link(mailed), headers=PHONE).status_code == 204
    assert clicks() == []


# --- the inbox


def in_the_inbox(client, *, is_measured=True):
    """Where the addresses in a message lead that a phone reads in its inbox."""
    card, now = take(client, make_store_code(make_store(make_chain()))), utc_now()
    if not is_measured:
        with transaction():
            consents.say_measurement(card.member_id, is_granted=False, source="test", now=now)
    start(make_campaign(db.session.get_one(Chain, card.chain_id), body=f"看 {SHOP}，{{name}}"), now=now)
    send_all(now=now)
    return [
        unescape(href) for href in re.findall(r'message__body">.*?href="([^"]+)"', client.get("/wallet/inbox").text)
    ]


def test_addresses_in_the_inbox_lead_on_by_short_links(client, app):
    (href,) = in_the_inbox(client)

    assert href.startswith("/l/")
    assert client.post(href, headers=PHONE).status_code == 204
    (click,) = clicks()
    assert db.session.get_one(CampaignLink, click.link_id).url == SHOP


def test_who_wants_no_measurement_has_plain_addresses_in_the_inbox(client, app):
    assert in_the_inbox(client, is_measured=False) == [SHOP]


def test_an_address_in_a_members_name_leads_nowhere(client, app):
    card, now = take(client, make_store_code(make_store(make_chain()))), utc_now()
    with transaction():
        db.session.get_one(Member, card.member_id).name = "https://evil.example/"
    start(make_campaign(db.session.get_one(Chain, card.chain_id), body="{name}"), now=now)
    send_all(now=now)

    page = client.get("/wallet/inbox").text

    assert "https://evil.example/" in page
    assert 'href="https://evil.example/"' not in page
