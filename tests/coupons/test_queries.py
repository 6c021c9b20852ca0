"""Coupons and offers as members see them."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from core.db import db, transaction
from core.hot import one_action
from coupons import queries
from coupons.claiming import claim
from coupons.models import Coupon, Offer
from tests.factories import NOON, in_days, make_card, make_chain, make_offer, make_store, make_store_code, program_of

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def card(chain):
    return make_card(make_store_code(make_store(chain)))


def take(offer, card, now=NOON):
    with one_action() as hot:
        return claim(hot, offer.id, card_id=card.id, now=now).id


def test_a_card_shows_what_ends_first_on_top_and_what_is_over_last(chain, card):
    used = take(make_offer(chain), card)
    month = take(make_offer(chain), card)
    week = take(make_offer(chain, valid_days=7), card)
    over = take(make_offer(chain, valid_days=1), card)
    with transaction():
        db.session.execute(update(Coupon).where(Coupon.id == used).values(state="redeemed", redeemed_at=NOON))

    held = queries.coupons_of_card(card.id, now=in_days(3))

    assert [(h.coupon.id, h.state) for h in held] == [
        (week, "claimed"),
        (month, "claimed"),
        (over, "expired"),
        (used, "redeemed"),
    ]
    assert queries.count_usable([card.id], now=in_days(3)) == {card.id: 2}


def test_a_coupon_that_starts_later_is_held_but_not_usable(chain, card):
    coupon_id = take(make_offer(chain, valid_from=in_days(2), valid_until=in_days(9)), card)

    held = queries.find_coupon(card.id, coupon_id, now=NOON)

    assert (held.state, held.is_usable) == ("claimed", False)


def test_a_coupon_expires_at_its_exclusive_end(chain, card):
    coupon_id = take(make_offer(chain, valid_from=in_days(-1), valid_until=in_days(1)), card)

    last_moment = queries.find_coupon(card.id, coupon_id, now=in_days(1) - timedelta(microseconds=1))
    end = queries.find_coupon(card.id, coupon_id, now=in_days(1))

    assert (last_moment.state, end.state) == ("claimed", "expired")


def test_a_coupon_of_another_card_is_not_found(chain, card):
    coupon_id = take(make_offer(chain), card)
    other = make_card(make_store_code(make_store(chain)))

    assert queries.find_coupon(other.id, coupon_id, now=NOON) is None


def test_members_are_shown_running_public_offers_of_their_chain_only(chain):
    shown = make_offer(chain)
    make_offer(chain, state="paused")
    make_offer(chain, state="draft")
    make_offer(chain, is_public=False)
    make_offer(chain, valid_from=in_days(-9), valid_until=in_days(1))  # over by then
    make_offer(make_chain("other"))

    assert [entry.offer.id for entry in queries.public_offers(chain.id, now=in_days(1))] == [shown.id]


def test_an_offer_on_show_says_what_is_left_and_what_the_member_has(chain, card):
    offer = make_offer(chain, stock=40, per_member_limit=2)
    take(offer, card)

    entry = queries.public_offers(chain.id, now=NOON, member_id=card.member_id)[0]
    take(offer, card)
    again = queries.public_offers(chain.id, now=NOON, member_id=card.member_id)[0]

    assert (entry.left, entry.held, entry.is_claimable) == (39, 1, True)
    assert (again.left, again.held, again.is_claimable) == (38, 2, False)


def test_no_more_are_left_than_the_budget_still_pays_for(chain, card):
    offer = make_offer(chain, stock=100, budget_cents=1400, per_member_limit=5)
    before = queries.public_offers(chain.id, now=NOON)[0]
    take(offer, card)
    take(offer, card)
    spent = queries.public_offers(chain.id, now=NOON)[0]

    assert (before.left, spent.left, spent.is_claimable) == (2, 0, False)


def test_a_budget_bounds_an_offer_without_a_stock(chain, card):
    make_offer(chain, budget_cents=1000)

    assert queries.public_offers(chain.id, now=NOON)[0].left == 2


def test_a_program_without_gifts_left_has_no_welcome_offer(chain, card):
    offer = make_offer(chain, program_id=program_of(chain).id, stock=1)

    before = queries.find_welcome_offer(program_of(chain).id, now=NOON)
    take(offer, card)

    assert before.id == offer.id
    assert queries.find_welcome_offer(program_of(chain).id, now=NOON) is None


def test_a_funnel_counts_what_became_of_the_coupons(chain):
    offer, untouched = make_offer(chain), make_offer(chain)
    code = make_store_code(make_store(chain))
    coupons = [take(offer, make_card(code)) for _ in range(3)]
    with transaction():
        db.session.execute(update(Coupon).where(Coupon.id == coupons[0]).values(state="redeemed", redeemed_at=NOON))
        db.session.execute(update(Coupon).where(Coupon.id == coupons[1]).values(valid_until=in_days(1)))

    found = queries.funnels([offer.id, untouched.id], now=in_days(2))

    assert found == {offer.id: (3, 1, 1), untouched.id: (0, 0, 0)}
    assert db.session.get(Offer, offer.id).stock is None
