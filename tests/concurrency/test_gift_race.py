"""One gift and many hands: friends, the giver who calls it back, the clock; and the proof that the race is real."""

from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from core.db import db, transaction
from coupons import giving
from coupons.gift_models import CouponGift
from coupons.models import Coupon
from stores.models import StoreCode
from tests.checkout.shop import Shop, book
from tests.concurrency.racing import race
from tests.factories import NOON, make_card, make_chain, make_coupon, make_offer, make_store, make_store_code

RACERS = 16
LATER = NOON + timedelta(hours=1)


@pytest.fixture
def shop(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    offer = make_offer(chain, per_member_limit=100, budget_cents=1_000_000)
    giver = make_card(code)
    return offer, giver, [make_card(code) for _ in range(RACERS)]


def hold_out(coupon):
    with transaction():
        return giving.offer_gift(coupon.card_id, coupon.id, now=NOON)


def accept(token, wallet_id, now=LATER):
    with transaction():
        giving.accept(token, wallet_id=wallet_id, now=now)
    return "accepted"


def cancel(coupon):
    with transaction():
        giving.cancel(coupon.card_id, coupon.id, now=LATER)
    return "cancelled"


def states():
    db.session.rollback()  # look at what is there now
    rows = db.session.execute(select(Coupon.state, func.count()).group_by(Coupon.state))
    return {row[0]: row[1] for row in rows}


def committed():
    """What the coupons commit of the budget; it stays the same whoever holds them."""
    db.session.rollback()
    return db.session.scalar(select(func.sum(Coupon.committed_cents)))


def test_of_sixty_four_friends_one_gets_it(app, shop):
    offer, giver, _friends = shop
    token = hold_out(make_coupon(giver, offer)).token
    code = db.session.scalars(select(StoreCode)).one()
    wallets = [make_card(code).wallet_id for _ in range(64)]

    results = race(app, lambda number: accept(token, wallets[number]), racers=64)

    assert sorted(results) == ["accepted"] + ["gift_gone"] * 63
    assert states() == {"void": 1, "claimed": 1}
    assert committed() == 500


def test_many_taps_of_one_friend_are_one_coupon(app, shop):
    offer, giver, friends = shop
    token = hold_out(make_coupon(giver, offer)).token
    wallet_id = friends[0].wallet_id

    results = race(app, lambda _number: accept(token, wallet_id), racers=RACERS)

    assert set(results) == {"accepted"}
    assert states() == {"void": 1, "claimed": 1}


@pytest.mark.parametrize("round_number", range(3))
def test_taken_or_called_back_but_never_both(app, shop, round_number):
    offer, giver, friends = shop
    coupon = make_coupon(giver, offer)
    token = hold_out(coupon).token
    wallets = [friend.wallet_id for friend in friends]

    def attempt(number):
        return cancel(coupon) if number % 2 else accept(token, wallets[number])

    results = race(app, attempt, racers=RACERS)

    taken = results.count("accepted")
    assert taken == (states() == {"void": 1, "claimed": 1})
    if not taken:
        assert states() == {"claimed": 1}
    assert committed() == 500
    assert db.session.scalars(select(CouponGift.state)).one() == ("accepted" if taken else "cancelled")


def test_given_again_while_others_tap_the_old_link(app, shop):
    """Called back and held out anew, the coupon waits again: the old link must not take it for that."""
    offer, giver, friends = shop
    coupon = make_coupon(giver, offer)
    token = hold_out(coupon).token
    wallets = [friend.wallet_id for friend in friends]

    def attempt(number):
        if number:
            return accept(token, wallets[number])
        cancel(coupon)
        return hold_out(coupon).token

    results = race(app, attempt, racers=RACERS)

    gifts = {gift.token: gift.state for gift in db.session.execute(select(CouponGift.token, CouponGift.state))}
    if "accepted" in results:
        assert gifts == {token: "accepted"}
    else:
        assert gifts == {token: "cancelled", results[0]: "open"}
        assert states() == {"gifting": 1}


def test_taken_or_timed_out_but_never_both(app, shop):
    offer, giver, friends = shop
    gift = hold_out(make_coupon(giver, offer))
    token, due = gift.token, gift.valid_until
    wallets = [friend.wallet_id for friend in friends]

    def attempt(number):
        if number % 2:
            giving.time_out_batch(now=due)
            return "swept"
        return accept(token, wallets[number], due - timedelta(seconds=1))

    taken = race(app, attempt, racers=RACERS).count("accepted")

    assert taken <= 1
    assert states() == ({"void": 1, "claimed": 1} if taken else {"claimed": 1})


def test_held_out_or_redeemed_but_never_both(app):
    shop = Shop()
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    coupon_id, card_id = coupon.id, coupon.card_id
    sales = [shop.sale(coupon_ids=(coupon_id,)) for _ in range(RACERS)]

    def attempt(number):
        if number % 2:
            book(sales[number])
            return "redeemed"
        with transaction():
            giving.offer_gift(card_id, coupon_id, now=NOON)
        return "held out"

    results = race(app, attempt, racers=RACERS)

    assert results.count("held out") + results.count("redeemed") == 1
    assert states() == ({"gifting": 1} if "held out" in results else {"redeemed": 1})


def test_taken_by_a_friend_while_the_till_tries_it(app):
    """The friend gets it; the giver's till never does."""
    shop = Shop()
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    friend = make_card(make_store_code(make_store(shop.chain)))
    token, wallet_id = hold_out(coupon).token, friend.wallet_id
    sales = [shop.sale(coupon_ids=(coupon.id,)) for _ in range(RACERS)]

    def attempt(number):
        if number % 2:
            book(sales[number])
            return "redeemed"
        return accept(token, wallet_id, NOON)

    results = race(app, attempt, racers=RACERS)

    refused = [result for result in results if result != "accepted"]
    assert len(refused) == RACERS // 2
    assert set(refused) <= {"coupon_waits_for_friend", "coupon_not_usable"}  # before the friend has it, and after
    assert states() == {"void": 1, "claimed": 1}


def test_one_friend_with_many_gifts_keeps_to_his_limit(app, shop):
    offer, giver, friends = shop
    with transaction():
        db.session.get_one(type(offer), offer.id).per_member_limit = 5
    owners = [giver, *friends[1:4]]
    tokens = [hold_out(make_coupon(owner, offer)).token for owner in owners for _ in range(4)]
    wallet_id = friends[0].wallet_id

    results = race(app, lambda number: accept(tokens[number], wallet_id), racers=len(tokens))

    assert sorted(results) == ["accepted"] * 5 + ["offer_limit_reached"] * 11
    assert states() == {"void": 5, "claimed": 5, "gifting": 11}


def test_control_the_race_is_real(app, shop):
    """Look-then-write gives one gift to many. If this fails, the tests above prove nothing."""
    offer, giver, friends = shop
    gift_id = hold_out(make_coupon(giver, offer)).id
    looked = Barrier(RACERS)
    cards = [(friend.id, friend.member_id) for friend in friends]

    def look_then_write(number):
        is_open = db.session.scalar(select(CouponGift.state).where(CouponGift.id == gift_id)) == "open"
        db.session.rollback()
        looked.wait()
        if is_open:
            card_id, member_id = cards[number]
            with transaction():
                db.session.add(
                    Coupon(
                        chain_id=giver.chain_id,
                        offer_id=offer.id,
                        card_id=card_id,
                        member_id=member_id,
                        ordinal=1,
                        code=f"code-{number}",
                        source="api",
                        claimed_at=NOON,
                        valid_from=NOON,
                        valid_until=NOON.replace(year=2027),
                    )
                )
        return "accepted" if is_open else "refused"

    assert race(app, look_then_write, racers=RACERS).count("accepted") > 1
