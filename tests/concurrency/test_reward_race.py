"""Rewards under parallel clocks, persons, tills and friends; and the proof that the race is real."""

from collections import Counter
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from cards import ledger
from core.db import db, transaction
from core.events import Event
from coupons import giving
from coupons.models import Coupon
from sharing import rewarding
from sharing.reward_models import Reward, RewardState
from tests.concurrency.racing import race
from tests.factories import NOON
from tests.sharing.rewards import (
    DAY,
    HOUR,
    HQ,
    Rewarding,
    causes_of,
    committed,
    coupons_of,
    differences,
    only_reward,
    points_of,
    rewards,
    standings,
)

RACERS = 16
LATER = NOON + 3 * DAY


@pytest.fixture
def shop(app):
    shop = Rewarding()
    shop.no_fraud()
    return shop


def friends(shop, count, sharer=None):
    for number in range(count):
        shop.friend(sharer or shop.referrer, now=NOON + timedelta(minutes=number))


def decide(shop, reward_id, how=rewarding.claw_back, now=LATER):
    """A person's decision, as the edge makes it."""
    chain_id = shop.chain.id

    def attempt(_number):
        with transaction():
            how(chain_id, reward_id, reason="刷单", by=HQ, now=now)
        return how.__name__

    return attempt


def told(kind):
    db.session.rollback()
    return len(db.session.scalars(select(Event.id).where(Event.kind == kind)).all())


@pytest.mark.parametrize("gift", ["points", "coupon"])
def test_of_sixteen_clawbacks_one_takes_it_back(app, shop, gift):
    shop.rule(**({"referrer_points": 100, "referrer_cost_cents": 70} if gift == "points" else {}))
    friends(shop, 2)
    shop.tick(LATER)
    first, second = rewards()

    results = race(app, decide(shop, first.id), racers=RACERS)

    assert Counter(results) == {"claw_back": 1, "reward_state_forbids": RACERS - 1}
    assert standings() == {("clawed_back", "person"): 1, ("approved", None): 1}
    assert committed() == second.cost_cents
    if gift == "points":
        assert points_of(shop.referrer) == 100
        assert causes_of(shop.referrer) == [("reward", 100), ("reward", 100), ("clawback", -100)]
    else:
        assert sorted(coupons_of(shop.referrer)) == ["claimed", "void"]
    assert told("reward.clawed_back") == 1
    assert differences() == []


def test_of_sixteen_approvals_one_gives_it(app, shop):
    shop.rule()
    friends(shop, 1)
    shop.earn()
    shop.reject(only_reward(), now=NOON)

    results = race(app, decide(shop, only_reward().id, rewarding.approve), racers=RACERS)

    assert Counter(results) == {"approve": 1, "reward_state_forbids": RACERS - 1}
    assert (coupons_of(shop.referrer), committed()) == (["claimed"], 500)
    assert differences() == []


@pytest.mark.parametrize("round_number", range(3))
def test_let_through_or_refused_but_never_both(app, shop, round_number):
    shop.rule()
    friends(shop, 1)
    shop.earn()
    with transaction():
        db.session.execute(db.text("UPDATE rewards SET state = 'flagged', reason = 'velocity'"))
    let, refuse = (decide(shop, only_reward().id, how) for how in (rewarding.approve, rewarding.reject))

    results = race(app, lambda number: (let if number % 2 else refuse)(number), racers=RACERS)

    if "reject" in results and results.count("approve") == 0:
        assert standings() == {("rejected", "person"): 1}
        assert (coupons_of(shop.referrer), committed()) == ([], 0)
    else:  # a refusal may be overruled by whoever comes after it, what is given is given
        assert standings() == {("approved", None): 1}
        assert (coupons_of(shop.referrer), committed()) == (["claimed"], 500)
    assert differences() == []


def test_clocks_that_read_the_same_events_earn_once(app, shop):
    shop.rule(referrer_offer_id=shop.thanks.id, friend_points=5)
    friends(shop, 30)
    chain_id = shop.chain.id

    def attempt(_number):
        while rewarding.earn_batch(chain_id, now=NOON + DAY):
            pass

    race(app, attempt, racers=8)

    assert standings() == {("pending", None): 60}
    assert (told("reward.pending"), committed()) == (60, 30 * 500)


def test_clocks_that_find_the_same_rewards_due_give_once(app, shop):
    shop.rule(referrer_offer_id=shop.thanks.id, friend_points=5)
    friends(shop, 15)
    shop.earn()
    chain_id = shop.chain.id

    def attempt(_number):
        while rewarding.give_due_batch(chain_id, now=LATER):
            pass

    race(app, attempt, racers=8)

    assert standings() == {("approved", None): 30}
    assert (coupons_of(shop.referrer), told("reward.approved")) == (["claimed"] * 15, 30)
    assert differences() == []


def test_friends_join_while_clocks_read_and_give(app, shop):
    """Everything at once: nobody is forgotten, nobody gets it twice."""
    shop.rule(friend_points=5, hold_days=0)
    token = shop.share(shop.referrer)
    chain_id = shop.chain.id

    def attempt(number):
        if number < 8:
            for turn in range(4):
                shop.friend(token, now=NOON + timedelta(minutes=number * 4 + turn))
        for _ in range(20):
            rewarding.earn_batch(chain_id, now=LATER)
            rewarding.give_due_batch(chain_id, now=LATER)

    race(app, attempt, racers=12)
    shop.tick(LATER)

    assert standings() == {("approved", None): 32}
    assert differences() == []


def test_a_budget_for_five_lets_five_rejections_be_reversed(app, shop):
    shop.rule(referrer_points=1, referrer_cost_cents=100, budget_cents=500)
    friends(shop, RACERS)
    shop.earn()
    for reward in rewards():
        if reward.state == RewardState.PENDING:
            shop.reject(reward, now=NOON)
    ids = [reward.id for reward in rewards()]

    results = race(app, lambda number: decide(shop, ids[number], rewarding.approve)(number), racers=RACERS)

    assert Counter(results) == {"approve": 5, "reward_budget_spent": RACERS - 5}
    assert (committed(), points_of(shop.referrer)) == (500, 5)
    assert differences() == []


@pytest.mark.parametrize("cap", ["lifetime_cap", "per_day_cap"])
def test_a_cap_of_three_lets_three_rejections_be_reversed(app, shop, cap):
    shop.rule(referrer_points=1, **{cap: 3})
    friends(shop, RACERS)
    shop.earn()
    for reward in rewards():
        if reward.state == RewardState.PENDING:
            shop.reject(reward, now=NOON)
    ids = [reward.id for reward in rewards()]

    results = race(app, lambda number: decide(shop, ids[number], rewarding.approve)(number), racers=RACERS)

    assert Counter(results) == {"approve": 3, "reward_cap_reached": RACERS - 3}
    assert differences() == []


@pytest.mark.parametrize("round_number", range(3))
def test_the_coupon_is_used_or_taken_back_but_never_both(app, shop, round_number):
    shop.rule()
    friends(shop, 1)
    shop.tick(LATER)
    reward = only_reward()
    take = decide(shop, reward.id)

    def attempt(number):
        if number % 2:
            return take(number)
        shop.settle(shop.referrer, 5000, now=LATER, coupon_ids=(reward.coupon_id,))
        return "used"

    results = race(app, attempt, racers=8)

    lost = only_reward().is_coupon_lost
    assert (results.count("claw_back"), results.count("used")) == (1, int(lost))
    assert coupons_of(shop.referrer) == (["redeemed"] if lost else ["void"])
    assert committed() == (500 if lost else 0)
    assert differences() == []


@pytest.mark.parametrize("round_number", range(3))
def test_the_coupon_is_a_friends_or_taken_back_but_never_both(app, shop, round_number):
    shop.rule()
    friends(shop, 1)
    shop.tick(LATER)
    reward = only_reward()
    with transaction():
        token = giving.offer_gift(shop.referrer.id, reward.coupon_id, now=LATER).token
    takers = [shop.member().wallet_id for _ in range(4)]
    take = decide(shop, reward.id)

    def attempt(number):
        if number % 2:
            return take(number)
        with transaction():
            giving.accept(token, wallet_id=takers[number // 2], now=LATER)
        return "accepted"

    results = race(app, attempt, racers=8)

    lost = only_reward().is_coupon_lost
    db.session.rollback()
    alive = db.session.scalars(select(Coupon.state).where(Coupon.state != "void")).all()
    assert (results.count("claw_back"), results.count("accepted")) == (1, int(lost))
    assert alive == (["claimed"] if lost else [])
    assert differences() == []


def test_a_purchase_is_voided_while_its_reward_comes_due(app, shop):
    """However it falls, in the end the reward is gone and nothing of it is left."""
    shop.purchase_rule(referrer_offer_id=shop.thanks.id, friend_points=10)
    bought = [shop.settle(shop.friend(shop.referrer), now=NOON + HOUR) for _ in range(4)]
    shop.earn(NOON + HOUR)
    chain_id = shop.chain.id

    def attempt(number):
        if number < len(bought):
            shop.void(bought[number], now=NOON + DAY + HOUR)
        for _ in range(20):
            rewarding.give_due_batch(chain_id, now=NOON + DAY + HOUR)
            rewarding.earn_batch(chain_id, now=NOON + DAY + HOUR)

    race(app, attempt, racers=8)
    shop.tick(NOON + DAY + HOUR)

    assert {reason for _, reason in standings()} == {"voided"}
    assert set(coupons_of(shop.referrer)) <= {"void"}
    assert committed() == 0
    assert differences() == []


def test_control_the_race_is_real(app, shop):
    """Look-then-write takes the same points back many times. If this fails, the tests above prove nothing."""
    shop.rule(referrer_points=10)
    friends(shop, RACERS)
    shop.tick(LATER)
    reward = rewards()[0]
    looked = Barrier(RACERS)

    def look_then_write(_number):
        is_given = db.session.scalar(select(Reward.state).where(Reward.id == reward.id)) == "approved"
        db.session.rollback()
        looked.wait()
        if is_given:
            with transaction():
                ledger.hold(reward.card_id)
                ledger.take_back(reward.card_id, 10, cause=f"clawback:{reward.id}", now=LATER)
        return "taken" if is_given else "refused"

    assert race(app, look_then_write, racers=RACERS).count("taken") > 1
    assert points_of(shop.referrer) < 10 * (RACERS - 1)
    assert "reward_points" in differences()
