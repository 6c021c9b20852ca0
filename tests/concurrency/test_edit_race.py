"""An offer becomes more generous while its coupons are being claimed: no coupon comes out by the old rules."""

from dataclasses import replace
from threading import Barrier, Event, Thread
from time import sleep

import pytest
from sqlalchemy import func, select

from checkout import quoting, voiding
from core.audit import SYSTEM
from core.db import db, transaction
from core.hot import one_action
from coupons import editing, giving, offers
from coupons.claiming import claim
from coupons.drafts import version_of
from coupons.models import Coupon, CouponState, Offer, OfferBudget
from tests.checkout.shop import Shop, book
from tests.concurrency.racing import race
from tests.factories import NOON, in_days, make_card, make_chain, make_coupon, make_offer, make_store, make_store_code

RACERS = 12


@pytest.fixture
def shop(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    return chain, [make_card(code) for _ in range(RACERS)]


def edit(offer_id, **rules):
    offer = db.session.get_one(Offer, offer_id, populate_existing=True)
    before = offers.draft_of(offer)
    seen = version_of(before)
    return editing.edit_running(offer.chain_id, offer_id, replace(before, **rules), seen=seen, by=SYSTEM, now=NOON)


def take(offer_id, card):
    with one_action() as hot:
        return claim(hot, offer_id, card_id=card.id, now=NOON)


@pytest.mark.parametrize("rules", [{}, {"stock": 5}, {"budget_cents": 9000}], ids=str)
def test_a_claim_waits_for_an_edit_and_goes_by_its_rules(app, shop, rules):
    chain, (card, *_) = shop
    offer_id = make_offer(chain, valid_from=in_days(-1), valid_until=in_days(5), **rules).id
    is_edited, claimed = Event(), []

    def editor():
        with app.app_context(), transaction():
            edit(offer_id, valid_until=in_days(9), value_cents=700)
            is_edited.set()
            sleep(0.3)

    def claimer():
        with app.app_context():
            assert is_edited.wait(5)
            claimed.append(take(offer_id, card))

    threads = [Thread(target=editor), Thread(target=claimer)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    coupon = db.session.get_one(Coupon, claimed[0].id)
    assert (coupon.valid_until, claimed[0].valid_until) == (in_days(9), in_days(9))
    assert coupon.committed_cents == (700 if rules.get("budget_cents") else 0)


def test_in_a_storm_every_coupon_ends_with_the_offer_and_is_committed_in_full(app, shop):
    chain, cards = shop
    offer_id = make_offer(
        chain, valid_from=in_days(-1), valid_until=in_days(5), per_member_limit=20, budget_cents=1_000_000
    ).id
    start = Barrier(RACERS + 1)

    def attempt(number):
        start.wait()
        if number == RACERS:
            for step in range(1, 9):
                with transaction():
                    edit(offer_id, value_cents=500 + step, valid_until=in_days(5 + step))
            return "edited"
        for _ in range(20):
            take(offer_id, cards[number])
        return "claimed"

    assert set(race(app, attempt, racers=RACERS + 1)) == {"claimed", "edited"}

    budget = db.session.get_one(OfferBudget, offer_id)
    assert db.session.scalar(select(func.count(Coupon.id))) == RACERS * 20
    assert set(db.session.scalars(select(Coupon.committed_cents))) == {508}
    assert set(db.session.scalars(select(Coupon.valid_until))) == {in_days(13)}
    assert budget.committed_cents == RACERS * 20 * 508


def given(card, offer):
    coupon = make_coupon(card, offer)
    with transaction():
        return giving.offer_gift(card.id, coupon.id, now=NOON).token


def test_friends_take_gifts_while_their_offer_is_edited(app, shop):
    chain, (giver, *friends) = shop
    offer = make_offer(chain, per_member_limit=30, budget_cents=1_000_000)
    offer_id, wallets = offer.id, [friend.wallet_id for friend in friends]
    tokens = [given(giver, offer) for _ in range(2 * len(friends))]

    def attempt(number):
        if number == len(wallets):
            for step in range(1, 12):
                with transaction():
                    edit(offer_id, value_cents=500 + step)
            return "edited"
        for token in tokens[number :: len(wallets)]:
            with transaction():
                giving.accept(token, wallet_id=wallets[number], now=NOON)
        return "taken"

    assert set(race(app, attempt, racers=len(wallets) + 1)) == {"edited", "taken"}
    committed = db.session.scalars(select(Coupon.committed_cents).filter_by(state=CouponState.CLAIMED)).all()
    assert committed == [511] * len(tokens)
    assert db.session.get_one(OfferBudget, offer_id).committed_cents == 511 * len(tokens)


def test_tills_sell_and_undo_while_an_offer_is_edited(app):
    shop = Shop()
    offer = make_offer(shop.chain, per_member_limit=30, budget_cents=1_000_000, stacking="stackable", min_cents=0)
    offer_id, chain_id, cards = offer.id, shop.chain.id, [make_card(shop.code) for _ in range(5)]
    sold = [(card.number, tuple(make_coupon(card, offer).id for _ in range(4))) for card in cards]

    def attempt(number):
        if number == len(sold):
            for step in range(1, 12):
                with transaction():
                    edit(offer_id, value_cents=500 + step, valid_days=30 + step)
            return "edited"
        card, coupon_ids = sold[number]
        for _ in range(5):
            settled = book(shop.sale(20_000, card=quoting.Presented(card, None), coupon_ids=coupon_ids))
            with transaction():
                voiding.void(chain_id, settled.id, role="hq_admin", store_ids=None, by=SYSTEM, now=NOON)
        return "sold"

    assert set(race(app, attempt, racers=len(sold) + 1)) == {"edited", "sold"}
    assert set(db.session.execute(select(Coupon.state, Coupon.committed_cents))) == {("claimed", 511)}
    assert db.session.get_one(OfferBudget, offer_id).committed_cents == 511 * 20
