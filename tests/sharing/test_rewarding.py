"""The life of a reward: earned once, held, given; refused by caps, budget and what looks dishonest."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from cards.holding import close_card
from cards.models import Card
from core.db import db, transaction
from core.events import Event
from coupons import offers
from sharing import reward_rules, rewarding
from sharing.reward_models import RewardState
from sharing.reward_queries import Total, count_by_state
from stores.models import Chain
from tests.factories import NOON, make_chain, make_offer
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

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def shop():
    return Rewarding()


def told():
    db.session.rollback()
    kinds = db.session.scalars(select(Event.kind).where(Event.kind.like("reward.%")).order_by(Event.id))
    return [kind.removeprefix("reward.") for kind in kinds]


def test_a_friends_card_earns_both_sides_and_a_day_later_they_have_it(shop):
    shop.rule(referrer_offer_id=shop.thanks.id, friend_points=50)
    friend = shop.friend(shop.referrer)

    shop.tick(NOON)
    held = standings()
    shop.tick(NOON + DAY)

    assert held == {("pending", None): 2}
    assert standings() == {("approved", None): 2}
    assert (coupons_of(shop.referrer), coupons_of(friend)) == (["claimed"], [])
    assert (points_of(shop.referrer), points_of(friend)) == (0, 50)
    assert causes_of(friend) == [("reward", 50)]
    assert told() == ["pending", "pending", "approved", "approved"]
    assert differences() == []


def test_a_reward_is_not_given_before_its_time(shop):
    shop.rule(hold_days=7)
    shop.friend(shop.referrer)

    shop.tick(NOON + 7 * DAY - HOUR)
    early = standings()
    shop.tick(NOON + 7 * DAY)

    assert (early, standings()) == ({("pending", None): 1}, {("approved", None): 1})


def test_a_reward_without_holding_days_comes_with_the_next_tick(shop):
    shop.rule(hold_days=0, friend_points=5)
    friend = shop.friend(shop.referrer)

    shop.tick(NOON)

    assert points_of(friend) == 5


def test_the_time_of_holding_begins_when_the_friend_joined_however_late_it_is_read(shop):
    shop.rule()
    shop.friend(shop.referrer, now=NOON + HOUR)

    shop.earn(NOON + 5 * HOUR)

    assert (only_reward().due_at, only_reward().created_at) == (NOON + HOUR + DAY, NOON + 5 * HOUR)


def test_reading_everything_again_earns_nothing_twice(shop):
    shop.rule(friend_points=5)
    shop.friend(shop.referrer)
    shop.earn()
    with transaction():
        db.session.execute(db.text("DELETE FROM event_readers"))

    shop.earn()
    shop.give(NOON + DAY)
    shop.give(NOON + DAY)

    assert standings() == {("approved", None): 1}
    assert differences() == []


def test_nobody_above_the_referrer_gets_anything(shop):
    shop.rule(referrer_offer_id=shop.thanks.id, friend_points=5)
    child = shop.friend(shop.referrer)
    grandchild = shop.friend(child)

    shop.earn()

    assert Counter((reward.side, reward.card_id) for reward in rewards()) == {
        ("referrer", shop.referrer.id): 1,
        ("friend", child.id): 1,
        ("referrer", child.id): 1,
        ("friend", grandchild.id): 1,
    }


def test_a_member_who_came_by_himself_earns_nobody_anything(shop):
    shop.rule()
    shop.member()

    shop.tick(NOON)

    assert rewards() == []


def test_only_friends_who_joined_while_the_rule_ran_fall_under_it(shop):
    shop.friend(shop.referrer, now=NOON - HOUR)
    rule = shop.rule(now=NOON)
    inside = [shop.friend(shop.referrer, now=NOON), shop.friend(shop.referrer, now=NOON + HOUR)]
    with transaction():
        reward_rules.end_rule(shop.chain.id, rule.id, by=HQ, now=NOON + 2 * HOUR)
    shop.friend(shop.referrer, now=NOON + 2 * HOUR)

    shop.earn(NOON + 3 * HOUR)

    assert [db.session.get_one(Card, inside[n].id).member_id for n in (0, 1)] == [
        db.session.scalar(db.text("SELECT member_id FROM referrals WHERE id = :id"), {"id": reward.referral_id})
        for reward in rewards()
    ]


def test_a_new_rule_takes_over_where_the_old_one_ended(shop):
    old = shop.rule(friend_points=1)
    with transaction():
        reward_rules.end_rule(shop.chain.id, old.id, by=HQ, now=NOON + HOUR)
    new = shop.rule(friend_points=2, now=NOON + HOUR)
    for at in (NOON, NOON + HOUR):
        shop.friend(shop.referrer, now=at)

    shop.earn(NOON + 2 * HOUR)

    assert [(reward.rule_id, reward.points) for reward in rewards()] == [(old.id, 1), (new.id, 2)]


def test_while_a_rule_is_paused_nothing_is_earned_and_what_is_held_still_comes(shop):
    rule = shop.rule()
    shop.friend(shop.referrer)
    shop.earn()
    with transaction():
        reward_rules.pause_rule(shop.chain.id, rule.id, by=HQ, now=NOON + HOUR)
    shop.friend(shop.referrer, now=NOON + 2 * HOUR)
    shop.tick(NOON + DAY)
    with transaction():
        reward_rules.resume_rule(shop.chain.id, rule.id, by=HQ, now=NOON + 2 * DAY)
    shop.friend(shop.referrer, now=NOON + 2 * DAY)
    shop.tick(NOON + 2 * DAY)

    assert standings() == {("approved", None): 1, ("pending", None): 1}


def test_another_chains_rules_and_friends_are_its_own(shop):
    other = Rewarding("other")
    shop.rule()
    other.friend(other.referrer)

    other.earn()
    shop.earn()

    assert rewards() == []


@pytest.mark.parametrize(
    ("timezone", "edge"),
    [
        ("Asia/Shanghai", datetime(2026, 5, 19, 20, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 5, 20, 8, tzinfo=UTC)),
    ],
)
def test_the_cap_of_a_day_counts_business_days_of_the_chain(shop, timezone, edge):
    """Its day begins at four in the morning."""
    shop.no_fraud()
    with transaction():
        db.session.execute(update(Chain).values(timezone=timezone, cutoff_hour=4))
    shop.rule(per_day_cap=2, now=edge - DAY)
    for minutes in (-3, -2, -1, 0, 1, 2):
        shop.friend(shop.referrer, now=edge + minutes * HOUR / 60)

    shop.earn(edge + DAY)

    seen = [(reward.state, (reward.earned_on.day)) for reward in rewards()]
    assert seen == [
        ("pending", 19),
        ("pending", 19),
        ("rejected", 19),
        ("pending", 20),
        ("pending", 20),
        ("rejected", 20),
    ]
    assert differences() == []


def test_the_cap_is_each_referrers_own_and_friends_have_none(shop):
    shop.rule(referrer_points=1, friend_points=1, lifetime_cap=1)
    second = shop.member()
    for sharer in (shop.referrer, shop.referrer, second):
        shop.friend(sharer)

    shop.earn()

    assert Counter((reward.side, reward.state, reward.reason) for reward in rewards()) == {
        ("referrer", "pending", None): 2,
        ("referrer", "rejected", "cap"): 1,
        ("friend", "pending", None): 3,
    }


def test_a_rejected_reward_makes_room_under_the_cap(shop):
    shop.rule(lifetime_cap=1)
    shop.friend(shop.referrer)
    shop.earn()
    shop.reject(only_reward(), now=NOON)
    shop.friend(shop.referrer, now=NOON + HOUR)

    shop.earn(NOON + HOUR)

    assert standings() == {("rejected", "person"): 1, ("pending", None): 1}


def test_a_budget_for_ten_is_for_ten(shop):
    shop.no_fraud()
    shop.rule(budget_cents=5499)
    for minutes in range(13):
        shop.friend(shop.referrer, now=NOON + minutes * HOUR)

    shop.earn(NOON + DAY)
    shop.give(NOON + 3 * DAY)

    assert standings() == {("approved", None): 10, ("rejected", "budget"): 3}
    assert (committed(), len(coupons_of(shop.referrer))) == (5000, 10)
    assert differences() == []


def test_a_rejected_reward_gives_its_budget_back(shop):
    shop.rule(budget_cents=500)
    shop.friend(shop.referrer)
    shop.earn()
    shop.reject(only_reward(), now=NOON)
    between = committed()
    shop.friend(shop.referrer, now=NOON + HOUR)

    shop.earn(NOON + HOUR)

    assert (between, committed()) == (0, 500)
    assert standings() == {("rejected", "person"): 1, ("pending", None): 1}


def test_what_is_surely_dishonest_is_rejected_by_its_rule_and_costs_nothing(shop):
    shop.rule(referrer_offer_id=shop.thanks.id, friend_points=5)
    friend = shop.friend(shop.referrer)
    for card in (friend, shop.referrer):
        shop.phone(card, "+8613800000001", proved_at=NOON)

    shop.earn()

    assert standings() == {("rejected", "own_phone"): 2}
    assert committed() == 0
    assert {(reward.decided_by, reward.decided_at) for reward in rewards()} == {("system", NOON)}


def test_what_looks_dishonest_waits_for_a_person(shop):
    shop.rule()
    shop.flag(shop.friend(shop.referrer))

    shop.tick(NOON)
    shop.tick(NOON + 9 * DAY)

    assert standings() == {("flagged", "own_phone"): 1}
    assert (committed(), coupons_of(shop.referrer)) == (500, [])


def test_what_looks_dishonest_by_the_end_of_the_holding_days_is_not_given(shop):
    shop.rule()
    friend = shop.friend(shop.referrer)
    shop.earn()
    held = standings()
    shop.flag(friend)

    shop.give(NOON + DAY)

    assert (held, standings()) == ({("pending", None): 1}, {("flagged", "own_phone"): 1})


def test_what_is_surely_dishonest_by_the_end_of_the_holding_days_is_rejected(shop):
    shop.rule()
    friend = shop.friend(shop.referrer)
    shop.earn()
    for card in (friend, shop.referrer):
        shop.phone(card, "+8613800000001", proved_at=NOON)

    shop.give(NOON + DAY)

    assert standings() == {("rejected", "own_phone"): 1}
    assert committed() == 0


def test_a_friend_who_leaves_within_the_holding_days_earns_nobody_anything(shop):
    shop.rule(referrer_offer_id=shop.thanks.id, friend_points=5)
    friend = shop.friend(shop.referrer)
    shop.earn()
    with transaction():
        close_card(friend.wallet_id, friend.id, by=HQ, now=NOON + HOUR)

    shop.give(NOON + DAY)

    assert standings() == {("rejected", "card_closed"): 2}
    assert committed() == 0


@pytest.mark.parametrize("gift", ["coupon", "points"])
def test_a_referrer_whose_card_is_closed_gets_nothing_by_itself(shop, gift):
    shop.rule(**({"referrer_offer_id": shop.thanks.id} if gift == "coupon" else {"referrer_points": 5}))
    shop.friend(shop.referrer)
    with transaction():
        close_card(shop.referrer.wallet_id, shop.referrer.id, by=HQ, now=NOON + HOUR)

    shop.tick(NOON + DAY)

    assert standings() == {("flagged", "not_given"): 1}
    assert points_of(shop.referrer) == 0


def test_a_coupon_that_is_sold_out_waits_for_a_person_and_for_stock(shop):
    scarce = make_offer(shop.chain, stock=1, per_member_limit=5)
    shop.rule(referrer_offer_id=scarce.id)
    for _ in range(2):
        shop.friend(shop.referrer)

    shop.tick(NOON + DAY)

    assert standings() == {("approved", None): 1, ("flagged", "not_given"): 1}
    waiting = next(reward for reward in rewards() if reward.state == "flagged")
    with pytest.raises(rewarding.errors.RewardNotGiven, match="gone"):
        shop.approve(waiting, now=NOON + 2 * DAY)
    assert standings()["flagged", "not_given"] == 1
    with transaction():
        offers.change_stock(shop.chain.id, scarce.id, stock=2, seen_stock=1, by=HQ, now=NOON + 2 * DAY)

    shop.approve(waiting, now=NOON + 2 * DAY)

    assert standings() == {("approved", None): 2}
    assert coupons_of(shop.referrer) == ["claimed"] * 2
    assert differences() == []


def test_a_rule_keeps_what_a_reward_cost_when_it_was_earned(shop):
    shop.rule(referrer_points=100, referrer_cost_cents=30)
    shop.friend(shop.referrer)
    shop.earn()
    shop.points_are_worth_money()

    shop.give(NOON + DAY)

    assert (only_reward().cost_cents, committed()) == (30, 30)


def test_a_chain_without_rules_reads_nothing(shop, count_queries):
    shop.friend(shop.referrer)
    count_queries.clear()

    assert rewarding.earn_batch(shop.chain.id, now=NOON) == 0
    assert sum("SELECT" in sql for sql in count_queries) == 1


def test_the_history_of_a_chain_is_passed_over_in_one_go(shop):
    for n in range(5):
        shop.friend(shop.referrer, now=NOON - DAY + n * HOUR)
    shop.rule()
    shop.friend(shop.referrer)

    assert rewarding.earn_batch(shop.chain.id, now=NOON) == 1
    assert len(rewards()) == 1
    assert rewarding.earn_batch(shop.chain.id, now=NOON) == 0


def test_with_nothing_new_the_clock_writes_nothing(shop, count_queries):
    shop.rule()
    shop.friend(shop.referrer)
    shop.tick(NOON)
    count_queries.clear()

    shop.tick(NOON)

    assert [sql for sql in count_queries if not sql.lstrip().startswith("SELECT")] == []


def test_friends_are_rewarded_however_many_other_things_happen_between(shop):
    shop.no_fraud()
    shop.rule()
    for at in range(3):
        shop.friend(shop.referrer, now=NOON + at * HOUR)
        for _ in range(3):
            shop.settle(shop.referrer, now=NOON + at * HOUR)

    shop.earn(NOON + DAY)

    assert standings() == {("pending", None): 3}


def test_the_purchases_of_others_cost_one_query_for_all(shop, count_queries):
    """Most purchases are of members whom nobody brought."""
    shop.purchase_rule()
    for _ in range(5):
        shop.settle(shop.referrer, now=NOON)
    count_queries.clear()

    shop.earn()

    assert sum("checkouts" in sql for sql in count_queries) == 0


def test_an_offer_with_limits_of_its_own_is_given_within_them(shop):
    few = make_offer(shop.chain, per_member_limit=1)
    shop.rule(referrer_offer_id=few.id)
    for _ in range(2):
        shop.friend(shop.referrer)

    shop.tick(NOON + DAY)

    assert standings() == {("approved", None): 1, ("flagged", "not_given"): 1}


def test_every_state_is_counted_even_when_empty(shop):
    shop.rule(referrer_points=7, referrer_cost_cents=2)
    for _ in range(2):
        shop.friend(shop.referrer)
    shop.earn()
    shop.reject(rewards()[0], now=NOON)

    totals = count_by_state(shop.chain.id)

    assert totals == {state: Total() for state in RewardState} | {
        RewardState.PENDING: Total(1, 2, 2, 7),
        RewardState.REJECTED: Total(1, 2, 0, 7),
    }
    assert count_by_state(make_chain("other").id) == {state: Total() for state in RewardState}
