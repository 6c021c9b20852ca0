"""A coupon goes from one phone to another, by pages and by API."""

import re
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from app.clock import Clock
from cards.models import Card, Member
from core.clock import utc_now
from core.db import db, transaction
from coupons import gift_views
from coupons.gift_models import CouponGift
from coupons.models import Coupon, Offer
from sharing.models import Referral, ShareLink, ShareVisit
from tests import pages
from tests.factories import make_chain, make_coupon, make_offer, make_store, make_store_code, program_of

pytestmark = pytest.mark.usefixtures("app")

WECHAT = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) MicroMessenger/8.0.50"}


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain, name="南京东路店"))


@pytest.fixture
def friend(app):
    return app.test_client()


@pytest.fixture
def card(client, code):
    return take_card(client, code, "小林")


@pytest.fixture
def coupon(chain, card):
    return make_coupon(card, make_offer(chain), now=utc_now())


def take_card(client, code, name=""):
    answer = pages.post(client, f"/q/{code.token}")
    card = db.session.get_one(Card, int(answer.location.rsplit("/", 1)[1]))
    with transaction():
        db.session.get_one(Member, card.member_id).name = name
    return card


def path_of(coupon):
    return f"/wallet/cards/{coupon.card_id}/coupons/{coupon.id}"


def give(client, coupon, message=""):
    answer = pages.post(client, f"{path_of(coupon)}/give", {"message": message})
    assert answer.status_code == 303, answer.text
    return gift_views.gifts_of_coupons([coupon.id])[coupon.id].token


def fresh(coupon):
    return db.session.get_one(Coupon, coupon.id, populate_existing=True)


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def test_a_coupon_is_given_and_taken_with_the_card_by_one_tap(client, friend, coupon, card):
    assert f'href="{path_of(coupon)}/give"' in client.get(path_of(coupon)).text
    token = give(client, coupon, "请你吃冰")

    page = friend.get(f"/g/{token}", headers=WECHAT)
    assert "小林 送你一张券" in page.text
    assert "请你吃冰" in page.text
    assert "满30元减5元" in page.text
    assert "领取卡和券" in page.text or "卡和券" in page.text
    answer = pages.post(friend, f"/g/{token}")
    assert answer.status_code == 303
    assert "请你吃冰" in friend.get(answer.location).text

    new = db.session.scalars(select(Coupon).where(Coupon.source == "friend")).one()
    assert (new.given_coupon_id, new.state, fresh(coupon).state) == (coupon.id, "claimed", "void")
    edge = db.session.scalars(select(Referral)).one()
    assert (edge.referrer_id, edge.channel) == (card.member_id, "friend")
    assert edge.share_link_id == db.session.scalars(select(CouponGift.share_link_id)).one()


def test_the_new_card_brings_its_welcome_gift_too(client, friend, chain, coupon):
    make_offer(chain, program_id=program_of(chain).id, is_public=False)
    pages.post(friend, f"/g/{give(client, coupon)}")

    sources = db.session.scalars(select(Coupon.source).where(Coupon.id != coupon.id).order_by(Coupon.source)).all()
    assert sources == ["friend", "welcome"]


def test_a_friend_with_a_card_takes_it_onto_that(client, friend, code, coupon):
    theirs = take_card(friend, code, "周大海")
    token = give(client, coupon)
    page = friend.get(f"/g/{token}").text
    assert "card-face" not in page
    pages.post(friend, f"/g/{token}")

    assert db.session.scalars(select(Coupon.card_id).where(Coupon.source == "friend")).one() == theirs.id
    assert count(Referral) == 0
    db.session.expire_all()  # all phones of a test share one session
    assert "周** " in client.get(path_of(coupon)).text
    assert "周**" in client.get(f"/wallet/cards/{coupon.card_id}").text
    assert "周大海" not in client.get(f"/wallet/cards/{coupon.card_id}/coupons").text


def test_looking_takes_nothing_however_often(client, friend, app, coupon):
    token = give(client, coupon)
    for _ in range(3):
        assert friend.get(f"/g/{token}").status_code == 200
    bot = app.test_client()
    page = bot.get(f"/g/{token}", headers={"User-Agent": "facebookexternalhit/1.1"})
    assert 'property="og:title" content="小林 送你一张券：满30减5"' in page.text
    bot.head(f"/g/{token}")
    bot.post(f"/g/{token}/visit", headers={"User-Agent": "facebookexternalhit/1.1", "X-CSRFToken": pages.csrf(bot)})

    assert fresh(coupon).state == "gifting"
    assert (count(Coupon), count(Card), count(ShareVisit)) == (1, 1, 0)


def test_a_visit_counts_on_the_givers_link(client, friend, coupon):
    token = give(client, coupon)
    friend.post(f"/g/{token}/visit", headers=WECHAT | {"X-CSRFToken": pages.csrf(friend)})

    assert db.session.scalars(select(ShareLink.visits)).one() == 1


def test_tapping_twice_is_one_coupon(client, friend, coupon):
    token = give(client, coupon)
    first, second = (pages.post(friend, f"/g/{token}") for _ in range(2))

    assert first.location == second.location
    assert count(Coupon) == 2
    assert friend.get(f"/g/{token}").location == first.location


def test_the_giver_sees_that_it_waits_and_calls_it_back(client, friend, coupon):
    token = give(client, coupon, "给你")
    page = client.get(path_of(coupon)).text
    assert f"http://localhost/g/{token}" in page
    assert re.search(r"到明天 \d\d:\d\d 为止", page)
    assert "出示" not in page
    assert client.get(f"/g/{token}").location == path_of(coupon)

    answer = pages.post(client, f"{path_of(coupon)}/give/cancel")
    assert "券收回来了" in client.get(answer.location).text
    assert fresh(coupon).state == "claimed"
    assert friend.get(f"/g/{token}").status_code == 404


def test_calling_back_what_is_taken_says_so(client, friend, coupon):
    pages.post(friend, f"/g/{give(client, coupon)}")

    answer = pages.post(client, f"{path_of(coupon)}/give/cancel")
    assert "朋友已经先领走了" in client.get(answer.location).text


def test_nobody_came_so_the_clock_gives_it_back(app, client, friend, coupon):
    token = give(client, coupon)
    tomorrow = utc_now() + timedelta(hours=24, seconds=1)
    assert Clock(app).tick(tomorrow)
    db.session.commit()

    assert fresh(coupon).state == "claimed"
    with time_machine.travel(tomorrow):
        assert "又回到您这里" in client.get(path_of(coupon)).text
        assert pages.post(friend, f"/g/{token}").status_code == 404
    assert count(Card) == 1  # nobody gets a card by a gift that is over


def test_tapping_give_twice_is_one_gift(client, coupon):
    first, second = give(client, coupon), give(client, coupon)

    assert first == second
    assert (count(CouponGift), count(ShareLink)) == (1, 1)


def test_the_share_sheet_gets_the_link(client, coupon):
    token = give(client, coupon)
    answer = client.post(
        f"{path_of(coupon)}/give", headers={"Accept": "application/json", "X-CSRFToken": pages.csrf(client)}
    )

    assert answer.json["url"] == f"http://localhost/g/{token}"
    assert "小林" in answer.json["title"]


def test_a_coupon_that_stays_has_no_button(client, chain, coupon):
    with transaction():
        db.session.get_one(Offer, coupon.offer_id).may_be_given = False

    assert "/give" not in client.get(path_of(coupon)).text
    assert client.get(f"{path_of(coupon)}/give").location == path_of(coupon)
    assert pages.post(client, f"{path_of(coupon)}/give").status_code == 409
    assert count(ShareLink) == 0


def test_a_long_message_is_refused_at_its_field(client, coupon):
    answer = pages.post(client, f"{path_of(coupon)}/give", {"message": "字" * 101})

    assert answer.status_code == 422
    assert "最多 100 个字" in answer.text
    assert count(ShareLink) == 0


def test_nobody_gives_the_coupon_of_another(client, friend, code, coupon):
    theirs = take_card(friend, code)
    path = f"/wallet/cards/{theirs.id}/coupons/{coupon.id}/give"

    assert pages.post(friend, path).status_code == 404
    assert pages.post(friend, f"{path}/cancel").status_code == 404
    assert pages.post(friend, f"{path_of(coupon)}/give").status_code == 404


def test_unknown_taken_and_called_back_links_look_alike(client, friend, app, coupon, code):
    taken = give(client, coupon)
    pages.post(friend, f"/g/{taken}")
    third = app.test_client()

    answers = [third.get(f"/g/{token}") for token in (taken, "zzzzzzzzzzzzz")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert all("这份礼物现在领不了" in answer.text for answer in answers)
    assert pages.post(third, f"/g/{taken}").status_code == 404
    assert count(Card) == 2


@pytest.mark.parametrize("end", ["taken", "called back", "its giver left"])
def test_a_gift_that_is_gone_is_no_guess(client, friend, app, coupon, card, end):
    token, late = give(client, coupon), app.test_client()
    if end == "taken":
        pages.post(friend, f"/g/{token}")
    elif end == "called back":
        pages.post(client, f"{path_of(coupon)}/give/cancel")
    else:
        with transaction():
            db.session.get_one(Card, card.id).state = "frozen"

    looks = {late.get(f"/g/{token}").status_code for _ in range(22)}
    guesses = [late.get(f"/g/guess{number}").status_code for number in range(22)]

    assert looks == {404}
    assert guesses == [404] * 20 + [429] * 2


def test_whoever_has_his_share_is_told_so(client, friend, chain, code, coupon):
    theirs = take_card(friend, code)
    make_coupon(theirs, db.session.get_one(Offer, coupon.offer_id))
    answer = pages.post(friend, f"/g/{give(client, coupon)}")

    assert "每人限领 1 张" in friend.get(answer.location).text
    assert fresh(coupon).state == "gifting"


# --- the API ---


@pytest.fixture
def wallet(client, code):
    """A wallet of the API with a card: its bearer, its card's id."""
    return open_wallet(client, code)


def open_wallet(client, code=None):
    opened = client.post("/api/v1/wallets").json
    headers = {"Authorization": f"Bearer {opened['token']}"}
    if code is None:
        return headers, None
    return headers, client.post(f"/api/v1/store-codes/{code.token}/cards", headers=headers).json["id"]


def coupon_of(wallet, chain):
    return make_coupon(db.session.get_one(Card, wallet[1]), make_offer(chain), now=utc_now())


def test_apps_give_and_take(client, chain, wallet):
    coupon = coupon_of(wallet, chain)
    gift = client.post(f"/api/v1/coupons/{coupon.id}/gifts", json={"message": "给你"}, headers=wallet[0])
    assert gift.status_code == 201
    assert gift.json["url"].endswith(f"/g/{gift.json['token']}")

    friend, _ = open_wallet(client)
    taken = client.post(f"/api/v1/coupon-gifts/{gift.json['token']}/accept", headers=friend)
    again = client.post(f"/api/v1/coupon-gifts/{gift.json['token']}/accept", headers=friend)
    assert (taken.status_code, taken.json["state"]) == (201, "claimed")
    assert taken.json == again.json
    assert count(Referral) == 1
    late, _ = open_wallet(client)
    assert client.post(f"/api/v1/coupon-gifts/{gift.json['token']}/accept", headers=late).json["code"] == "gift_gone"


def test_an_app_that_comes_too_late_has_not_guessed(client, chain, wallet):
    coupon, (late, _) = coupon_of(wallet, chain), open_wallet(client)
    token = client.post(f"/api/v1/coupons/{coupon.id}/gifts", json={}, headers=wallet[0]).json["token"]
    client.delete(f"/api/v1/coupon-gifts/{token}", headers=wallet[0])

    answers = [client.post(f"/api/v1/coupon-gifts/{token}/accept", headers=late) for _ in range(22)]
    guesses = [client.post(f"/api/v1/coupon-gifts/guess{n}/accept", headers=late).status_code for n in range(22)]

    assert {answer.json["code"] for answer in answers} == {"gift_gone"}
    assert guesses == [404] * 20 + [429] * 2


def test_apps_call_a_gift_back(client, chain, wallet):
    coupon = coupon_of(wallet, chain)
    token = client.post(f"/api/v1/coupons/{coupon.id}/gifts", json={}, headers=wallet[0]).json["token"]
    stranger, _ = open_wallet(client)
    assert client.delete(f"/api/v1/coupon-gifts/{token}", headers=stranger).json["code"] == "gift_gone"

    for _ in range(2):
        answer = client.delete(f"/api/v1/coupon-gifts/{token}", headers=wallet[0])
        assert (answer.status_code, answer.json["state"]) == (200, "cancelled")
    assert fresh(coupon).state == "claimed"


def test_an_old_link_does_not_call_a_new_gift_back(client, chain, wallet):
    coupon = coupon_of(wallet, chain)
    first = client.post(f"/api/v1/coupons/{coupon.id}/gifts", json={}, headers=wallet[0]).json["token"]
    client.delete(f"/api/v1/coupon-gifts/{first}", headers=wallet[0])
    client.post(f"/api/v1/coupons/{coupon.id}/gifts", json={}, headers=wallet[0])
    client.delete(f"/api/v1/coupon-gifts/{first}", headers=wallet[0])

    assert fresh(coupon).state == "gifting"


def test_giving_with_a_key_is_giving_once(client, chain, wallet):
    coupon = coupon_of(wallet, chain)
    headers = wallet[0] | {"Idempotency-Key": "give-once"}
    first, again = (client.post(f"/api/v1/coupons/{coupon.id}/gifts", json={}, headers=headers) for _ in range(2))

    assert first.json == again.json
    refused = client.post(f"/api/v1/coupons/{coupon.id}/gifts", json={}, headers=wallet[0])
    assert (refused.status_code, refused.json["code"]) == (409, "coupon_being_given")


def test_nobody_gives_by_api_what_is_not_his(client, chain, wallet, code):
    coupon = coupon_of(wallet, chain)
    stranger, _ = open_wallet(client, code)

    assert client.post(f"/api/v1/coupons/{coupon.id}/gifts", json={}, headers=stranger).status_code == 404
