"""The account of an offer: every coupon, purchase and undo stands in it once, in its day, store and source."""

from datetime import date, timedelta

import pytest

from checkout.offer_account import Figures, account_of
from checkout.voiding import void
from core.audit import SYSTEM
from core.db import transaction
from core.hot import one_action, this_transaction
from coupons import claiming, giving, sightings
from coupons.models import CouponSource
from coupons.queries import funnels
from stores.models import Role
from tests.checkout.shop import Shop
from tests.factories import NOON, make_card, make_offer, make_store, save

TODAY, TOMORROW = date(2026, 5, 20), date(2026, 5, 21)
LATER = NOON + timedelta(days=1)


@pytest.fixture
def shop(app):
    return Shop()


@pytest.fixture
def offer(shop):
    return make_offer(shop.chain, min_cents=0, per_member_limit=5, stacking="stackable")


def claim(offer, card, *, source=CouponSource.CLAIM_PAGE, now=NOON, store=None):
    with transaction():
        return claiming.claim(
            this_transaction(), offer.id, card_id=card.id, source=source, now=now, store_id=store and store.id
        ).id


def account(offer, first=TODAY, last=TOMORROW, *, now=LATER, **more):
    return account_of(offer, first=first, last=last, now=now, **more)


def test_an_offer_that_nothing_happened_to_has_an_empty_account(offer):
    empty = account(offer)

    assert (empty.total, empty.by_day, empty.by_store, empty.by_source) == (Figures(), {}, {}, {})
    assert (empty.with_coupon.average_cents, empty.outstanding) == (None, (0, 0))


def test_what_happened_stands_under_its_day_store_and_source(shop, offer):
    with one_action() as hot:
        sightings.see(hot, [offer.id], visitor="a", now=NOON)
        sightings.see(hot, [offer.id], visitor="b", now=NOON)
    used = claim(offer, shop.card)
    claim(offer, shop.card, source=CouponSource.STORE_CODE, now=LATER, store=shop.store)
    shop.settle(6000, coupon_ids=(used,))

    of = account(offer)

    assert of.total == Figures(seen=2, claimed=2, redeemed=1, discount_cents=500)
    assert of.by_day == {
        TODAY: Figures(seen=2, claimed=1, redeemed=1, discount_cents=500),
        TOMORROW: Figures(claimed=1),
    }
    assert of.by_store == {
        None: Figures(seen=2, claimed=1),
        shop.store.id: Figures(claimed=1, redeemed=1, discount_cents=500),
    }
    assert of.by_source == {
        "claim_page": Figures(seen=2, claimed=1, redeemed=1, discount_cents=500),
        "store_code": Figures(claimed=1),
    }


def test_the_period_includes_both_of_its_days_and_no_other(shop, offer):
    claim(offer, shop.card, now=NOON)
    claim(offer, shop.card, now=LATER)

    assert [account(offer, *days).total.claimed for days in ((TODAY, TODAY), (TOMORROW, TOMORROW))] == [1, 1]


def test_an_undone_use_counts_as_undone_alone(shop, offer):
    used = claim(offer, shop.card)
    settled = shop.settle(6000, coupon_ids=(used,))
    with transaction():
        void(shop.chain.id, settled.id, role=Role.HQ_ADMIN, store_ids=None, by=SYSTEM, now=NOON)

    of = account(offer)

    assert of.total == Figures(claimed=1, undone=1)
    assert of.with_coupon.purchases == 0


def test_a_coupon_given_to_a_friend_was_claimed_once(shop, offer):
    given = claim(offer, shop.card)
    friend = make_card(shop.code)
    with transaction():
        gift = giving.offer_gift(shop.card.id, given, now=NOON)
    with transaction():
        giving.accept(gift.token, wallet_id=friend.wallet_id, now=NOON)

    assert account(offer).total.claimed == 1
    assert account(offer).outstanding == (1, 500)
    assert funnels([offer.id], now=NOON)[offer.id] == (1, 0, 1)


def test_baskets_with_and_without_are_of_the_same_days_and_stores(shop, offer):
    elsewhere = make_store(shop.chain)
    used = claim(offer, shop.card)
    shop.settle(6000, coupon_ids=(used,))
    shop.settle(4000)
    shop.settle(3000)
    shop.settle(90_000, store_id=elsewhere.id)
    shop.settle(80_000, now=NOON + timedelta(days=5))

    of = account(offer)

    assert (of.with_coupon.purchases, of.with_coupon.average_cents) == (1, 6000)
    assert (of.without_coupon.purchases, of.without_coupon.average_cents) == (2, 3500)
    assert of.with_coupon.average_net_cents == 6000 - 300 - 500


def test_what_is_outstanding_is_the_most_that_open_coupons_can_take(shop):
    capped = make_offer(shop.chain, kind="percent", cap_cents=800, min_cents=0, per_member_limit=3)
    endless = make_offer(shop.chain, kind="percent", min_cents=0)
    for _ in range(3):
        claim(capped, shop.card)
    claim(endless, shop.card)

    assert account(capped).outstanding == (3, 2400)
    assert account(endless).outstanding == (1, None)
    assert account(capped, now=NOON + timedelta(days=60)).outstanding == (0, 0)


def test_a_manager_sees_what_happened_in_his_stores(shop, offer):
    elsewhere = make_store(shop.chain)
    claim(offer, shop.card, store=shop.store)
    claim(offer, shop.card, store=elsewhere)

    assert account(offer, store_ids=[elsewhere.id]).total.claimed == 1
    assert account(offer, store_ids=[]).total == Figures()


def test_the_days_are_the_chains_own(shop, offer):
    """One in the morning belongs to the day before where the day begins at four."""
    shop.chain.cutoff_hour = 4
    save(shop.chain)
    claim(offer, shop.card, now=NOON + timedelta(hours=13))

    assert list(account(offer).by_day) == [TODAY]
