"""A member's receipts: the list, one of them, and when it is a moment to share."""

import pytest
from flask.testing import FlaskClient

from app.wallet.receipts import PAGE
from core.clock import utc_now
from core.db import db
from stores.models import Store
from tests.app.wallet_steps import take
from tests.factories import make_coupon, make_offer
from tests.sharing.rewards import Rewarding

pytestmark = pytest.mark.usefixtures("app")
NUDGE = "也告诉朋友？"


@pytest.fixture
def shop():
    return Rewarding()


@pytest.fixture
def card(client, shop):
    return take(client, shop.code)


def look(client: FlaskClient, card, checkout_id: int | str = "", language: str = "zh") -> str:
    answer = client.get(f"/wallet/cards/{card.id}/receipts/{checkout_id}".rstrip("/") + f"?lang={language}")
    assert answer.status_code == 200, answer.status
    return answer.text


def test_a_receipt_says_what_was_paid_saved_and_earned(client, shop, card):
    offer = make_offer(shop.chain, name="满30减5", member_price="on_top")
    coupon = make_coupon(card, offer, now=utc_now())
    sale = shop.settle(card, 10_000, now=utc_now(), coupon_ids=(coupon.id,))

    chinese, english = look(client, card, sale), look(client, card, sale, "en")

    for words in ("¥100.00", "满30减5", "−¥5.00", "实付", "省了 ¥", "积分", NUDGE):
        assert words in chinese, words
    assert "You paid" in english
    assert "You saved ¥" in english
    assert 'name="occasion" value="receipt"' in chinese


def test_a_voided_or_refunded_purchase_is_no_moment_to_share(client, shop, card):
    voided, partly, wholly = (shop.settle(card, 10_000, now=utc_now()) for _ in range(3))
    shop.void(voided, now=utc_now())
    shop.refund(partly, 1000, now=utc_now())
    shop.refund(wholly, 9500, now=utc_now())

    pages = {sale: look(client, card, sale) for sale in (voided, partly, wholly)}

    assert all(NUDGE not in page for page in pages.values())
    assert "这笔消费已撤销。" in pages[voided]
    assert ("原实付" in pages[voided], "原实付" in pages[partly]) == (True, False)
    assert "−¥10.00" in pages[partly]
    assert "退款后" in pages[partly]
    assert "这笔消费已全额退款。" in pages[wholly]


def test_a_purchase_that_gave_nothing_is_no_moment_to_share(client, shop, card):
    sale = shop.settle(card, 50, now=utc_now())  # too little for a point

    page = look(client, card, sale)

    assert (NUDGE in page) == ("省" in page)


def test_the_list_pages_by_key_newest_first(client, shop, card):
    sales = [shop.settle(card, 10_000 + number, now=utc_now()) for number in range(PAGE + 3)]

    first = look(client, card)
    second = client.get(f"/wallet/cards/{card.id}/receipts?before={sales[3]}&lang=zh").text

    assert [f'/receipts/{sale}"' in first for sale in sales] == [False] * 3 + [True] * PAGE
    assert f"before={sales[3]}" in first
    assert [f'/receipts/{sale}"' in second for sale in sales[:4]] == [True] * 3 + [False]
    assert ("更早的小票" in first, "更早的小票" in second) == (True, False)


def test_an_empty_list_says_how_it_begins_and_the_card_names_the_last_purchase(client, shop, card):
    empty, before = look(client, card), client.get(f"/wallet/cards/{card.id}?lang=zh").text
    sale = shop.settle(card, 10_000, now=utc_now())

    assert "付款前出示会员卡" in empty
    assert "买了什么、省了多少" in before
    assert "¥95.00" in client.get(f"/wallet/cards/{card.id}?lang=zh").text
    assert db.session.get_one(Store, shop.store.id).name in look(client, card, sale)


def test_the_receipt_of_another_card_is_not_there(app, client, shop, card):
    sale = shop.settle(card, 10_000, now=utc_now())
    stranger = app.test_client()
    theirs = take(stranger, shop.code)

    assert stranger.get(f"/wallet/cards/{theirs.id}/receipts/{sale}").status_code == 404
    assert stranger.get(f"/wallet/cards/{card.id}/receipts/{sale}").status_code == 404
    assert stranger.get(f"/wallet/cards/{card.id}/receipts").status_code == 404
