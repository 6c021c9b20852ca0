"""A friend's one tap, many times at once: one card, one coupon, one edge. And the proof that the race is real."""

import pytest
from flask import current_app
from sqlalchemy import func, select

from app.wallet.offers import claim_shared
from cards.models import Card
from core.clock import utc_now
from core.db import db, transaction
from core.hot import this_transaction
from coupons.claiming import claim
from coupons.models import Coupon
from sharing.models import Referral
from tests.app.wallet_steps import link_of
from tests.concurrency.racing import race
from tests.factories import make_card, make_chain, make_offer, make_store, make_store_code
from tests.pages import csrf

TAPS = 12


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def sharer(chain):
    return make_card(make_store_code(make_store(chain)), now=utc_now())


@pytest.fixture
def offer(chain):
    return make_offer(chain, per_member_limit=TAPS, stock=100)


def count(model):
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model))


def test_parallel_taps_of_one_phone_give_one_card_and_one_coupon(app, sharer, offer):
    link = link_of(sharer, offer=offer, occasion="coupon")
    phone = app.test_client()
    phone.get(f"/s/{link.token}")  # the cookie comes with the page
    cookie, token = phone.get_cookie("kq_wallet"), csrf(phone)
    session = phone.get_cookie(current_app.config["SESSION_COOKIE_NAME"])
    assert cookie is not None
    assert session is not None

    def tap(_):
        again = app.test_client()
        again.set_cookie(cookie.key, cookie.value)
        again.set_cookie(session.key, session.value)
        return again.post(f"/s/{link.token}", data={"csrf_token": token}).status_code

    assert race(app, tap, racers=TAPS) == [303] * TAPS
    assert (count(Card), count(Coupon), count(Referral)) == (2, 1, 1)


def test_without_the_kept_answer_every_tap_would_claim(app, sharer, offer):
    """The control: what ``claim_shared`` keeps is what makes the taps one."""

    def tap(_):
        with transaction():
            claim(this_transaction(), offer.id, card_id=sharer.id, now=utc_now())

    race(app, tap, racers=4)
    with_kept = race(app, lambda _: claim_shared(offer, sharer.id, "token"), racers=4)

    assert with_kept == [None] * 4
    assert count(Coupon) == 4 + 1
