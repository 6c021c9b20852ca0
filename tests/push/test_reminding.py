"""A reminder says which coupon expires, and when, though none comes with it."""

from datetime import UTC, datetime, timedelta

import pytest

from cards.models import Card, Member
from core.db import db
from push import inbox, runs
from push.timing.entering import enter_batch
from tests.factories import make_chain, make_coupon, make_offer, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member, schedule, send_all

pytestmark = pytest.mark.usefixtures("app")
MORNING = datetime(2026, 5, 20, 2, tzinfo=UTC)  # 10:00 in Shanghai
WORDS = {
    "title": "{coupon}快到期了",
    "body": "{coupon_until}前可用",
    "title_en": "{coupon} expires",
    "body_en": "by {coupon_until}",
}


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def card(chain):
    return make_member(make_store_code(make_store(chain)), email="a@example.com", name="林")


def remind(chain, *channels, **more):
    campaign = make_campaign(chain, *channels, **(WORDS | more))
    schedule(campaign, {"kind": "event", "event": "coupon_expiring", "days": 3}, now=MORNING - timedelta(hours=1))
    runs.start_due_batch(now=MORNING)
    enter_batch(now=MORNING)
    while runs.start_entered_batch(now=MORNING):
        pass
    return send_all(now=MORNING)["email"].sent


def holding(card, chain, *, days=2, **more):
    offer = make_offer(chain, **more)
    return make_coupon(card, offer, now=MORNING - timedelta(days=5), valid_until=MORNING + timedelta(days=days))


def newest_message(card: Card):
    wallet_id = db.session.get_one(Member, card.member_id).wallet_id
    return inbox.inbox_of(wallet_id)[0]


def test_a_mail_names_the_coupon_and_its_last_day(chain, card):
    holding(card, chain, name="满20减4")

    (mail,) = remind(chain, "email")

    assert mail.title == "满20减4快到期了"
    assert mail.body == "2026年5月22日前可用"
    assert mail.coupon is None


def test_the_inbox_says_it_in_both_languages(chain, card):
    holding(card, chain, name="满20减4", name_en="4 off 20")

    remind(chain, "inbox")

    message = newest_message(card)
    assert message.title.zh == "满20减4快到期了"
    assert message.title.en == "4 off 20 expires"
    assert message.body.en.startswith("by 22 May 2026")
    assert message.coupon_id is None


def test_of_several_coupons_the_first_is_named(chain, card):
    holding(card, chain, name="第一张")
    holding(card, chain, name="第二张")

    (mail,) = remind(chain, "email")

    assert mail.title == "第一张快到期了"


def test_a_coupon_that_comes_along_is_the_one_that_is_named(chain, card):
    holding(card, chain, name="旧券")
    gift = make_offer(chain, name="新券")

    (mail,) = remind(chain, "email", offer_id=gift.id)

    assert mail.title == "新券快到期了"


def test_words_that_speak_of_no_coupon_ask_nothing(chain, card, count_queries):
    holding(card, chain)
    count_queries.clear()

    remind(chain, "email", title="到期提醒", body="有券快到期了", title_en="", body_en="")

    assert not [text for text in count_queries if "campaign_entries.occasion LIKE" in text]
