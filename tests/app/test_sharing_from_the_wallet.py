"""Sharing from where the thought arises, how one is named, and what the sheet offers."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from cards.models import Card, Member
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from sharing import channels, reward_rules
from sharing.models import ShareLink, SharerName
from tests import pages
from tests.app.wallet_steps import link_of, take
from tests.factories import make_chain, make_coupon, make_offer, make_store, make_store_code

pytestmark = pytest.mark.usefixtures("app")
JSON = {"Accept": "application/json"}


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def card(client, chain):
    return take(client, make_store_code(make_store(chain)))


def share(client, card, **form):
    return pages.post(client, f"/wallet/cards/{card.id}/share", {"channel": "friend"} | form, headers=JSON)


def links():
    return [(link.channel, link.occasion, link.offer_id) for link in db.session.scalars(select(ShareLink))]


def test_a_new_card_asks_once_whether_a_friend_would_like_one(client, card):
    asked = client.get(f"/wallet/cards/{card.id}?lang=zh").text
    share(client, card, occasion="joined")
    later = client.get(f"/wallet/cards/{card.id}?lang=zh").text

    assert "要不要也给朋友一张？" in asked
    assert "要不要也给朋友一张？" not in later
    assert links() == [("friend", "joined", None)]


def test_an_old_card_is_not_asked(client, card):
    with transaction():
        db.session.execute(update(Card).values(issued_at=utc_now() - timedelta(days=2)))

    assert "要不要也给朋友一张？" not in client.get(f"/wallet/cards/{card.id}?lang=zh").text


def test_the_answer_holds_text_link_picture_and_the_page_without_scripts(client, card):
    answer = share(client, card, occasion="receipt").json

    token = answer["url"].removeprefix("http://localhost/s/")
    assert answer["text"].startswith("朋友送你一张雪山冰品会员卡 · ") or "A friend sends you" in answer["text"]
    assert client.get(answer["picture"]).mimetype == "image/png"
    assert answer["page"] == f"/wallet/cards/{card.id}/share/{token}"
    assert answer["url"] in client.get(answer["page"]).text


@pytest.mark.parametrize("occasion", ["staff", "api", "nonsense", ""])
def test_an_occasion_that_is_not_a_members_is_the_wallet(client, card, occasion):
    share(client, card, occasion=occasion)

    assert links() == [("friend", "wallet", None)]


def test_a_coupon_page_lets_a_friend_have_one_too(client, chain, card):
    offer = make_offer(chain)
    coupon = make_coupon(card, offer, now=utc_now())

    page = client.get(f"/wallet/cards/{card.id}/coupons/{coupon.id}?lang=zh").text
    share(client, card, occasion="coupon", offer=offer.id)

    assert "朋友也能领一张" in page
    assert links() == [("friend", "coupon", offer.id)]
    assert "朋友得到：" in client.get(f"/wallet/cards/{card.id}/share?offer={offer.id}&lang=zh").text


def test_what_a_friend_could_not_have_is_not_shared(client, chain, card):
    hidden, other = make_offer(chain, is_public=False), make_offer(make_chain("other"))
    gone = make_offer(chain, state="ended")
    coupon = make_coupon(card, hidden, now=utc_now())

    statuses = [share(client, card, occasion="coupon", offer=offer.id).status_code for offer in (hidden, other, gone)]

    assert statuses == [404, 404, 409]
    assert links() == []
    assert "朋友也能领一张" not in client.get(f"/wallet/cards/{card.id}/coupons/{coupon.id}?lang=zh").text


def test_the_sheet_has_the_chains_own_channels_that_are_for_members(client, chain, card):
    with transaction():
        now = utc_now()
        for code, words, for_members in (("table-card", "桌卡", True), ("slip", "快递单", False)):
            channels.add_channel(
                chain.id, code, name=words, name_en=code.title(), is_for_members=for_members, by=SYSTEM, now=now
            )

    page = client.get(f"/wallet/cards/{card.id}/share?lang=zh").text

    assert 'value="table-card"' in page
    assert "桌卡" in page
    assert "快递单" not in page
    assert share(client, card, channel="table-card").status_code == 200
    assert share(client, card, channel="slip").status_code == 422


def test_the_sheet_says_what_both_get(client, chain, card):
    draft = reward_rules.RuleDraft("邀请", "Bring", "card_issued", hold_days=0, referrer_points=50, friend_points=20)
    with transaction():
        rule = reward_rules.create_rule(chain.id, draft, by=SYSTEM, now=utc_now())
        reward_rules.start_rule(chain.id, rule.id, by=SYSTEM, now=utc_now())

    page = client.get(f"/wallet/cards/{card.id}/share?lang=zh").text

    assert "领卡即送20积分。" in page
    assert "每有一位朋友领卡，您得50积分。" in page


def test_a_member_chooses_how_friends_see_him(client, app, card):
    pages.post(client, f"/wallet/settings/{card.id}", {"name": "王小雪"})
    link = link_of(card)
    path = f"/wallet/cards/{card.id}/name"

    before = client.get(f"{path}?lang=zh").text
    saved = pages.post(client, path, {"shown_as": "nickname", "nickname": "  雪糕   控 "})
    sheet = client.get(f"/wallet/cards/{card.id}/share?lang=zh").text

    assert "王** 送你一张雪山冰品会员卡" in before
    assert saved.status_code == 303
    assert db.session.scalars(select(SharerName)).one().nickname == "雪糕 控"
    assert "朋友看到的分享人：雪糕 控。" in sheet
    assert "雪糕 控 送你一张会员卡" in app.test_client().get(f"/s/{link.token}?lang=zh").text
    assert "雪糕 控" in client.get(f"{path}?lang=zh").text


def test_a_nickname_that_is_empty_or_too_long_is_refused_and_kept_in_the_form(client, card):
    path = f"/wallet/cards/{card.id}/name"

    empty = pages.post(client, path, {"shown_as": "nickname", "nickname": "   "})
    long = pages.post(client, path, {"shown_as": "nickname", "nickname": "雪" * 21})

    assert (empty.status_code, long.status_code) == (422, 422)
    assert "雪" * 21 in long.text
    assert pages.post(client, path, {"shown_as": "emperor"}).status_code == 422
    assert db.session.scalars(select(SharerName)).all() == []


def test_the_chosen_name_stands_on_a_gift_too(client, app, chain, card):
    with transaction():
        db.session.get_one(Member, card.member_id).name = "王小雪"
    coupon = make_coupon(card, make_offer(chain), now=utc_now())
    pages.post(client, f"/wallet/cards/{card.id}/name", {"shown_as": "masked"})

    given = pages.post(client, f"/wallet/cards/{card.id}/coupons/{coupon.id}/give", headers=JSON).json
    seen = app.test_client().get(given["url"].removeprefix("http://localhost") + "?lang=zh").text

    assert "王**" in given["title"]
    assert "王** " in seen
    assert "王小雪" not in seen
