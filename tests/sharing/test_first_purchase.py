"""Rewards for a friend's first purchase: which one counts, and what becomes of them when it is undone."""

from datetime import timedelta

import pytest

from core.db import transaction
from sharing import moving, reward_rules
from tests.factories import NOON
from tests.sharing.rewards import (
    DAY,
    HOUR,
    HQ,
    Rewarding,
    committed,
    coupons_of,
    differences,
    only_reward,
    points_of,
    rewards,
    standings,
)

pytestmark = pytest.mark.usefixtures("app")
PENDING, APPROVED = {("pending", None): 1}, {("approved", None): 1}


@pytest.fixture
def shop():
    shop = Rewarding()
    shop.purchase_rule()
    return shop


@pytest.fixture
def friend(shop):
    return shop.friend(shop.referrer)


def test_the_first_purchase_over_the_minimum_earns_and_is_held_from_then(shop, friend):
    checkout_id = shop.settle(friend, now=NOON + DAY)
    shop.tick(NOON + DAY)

    reward = only_reward()
    assert (reward.state, reward.checkout_id, reward.due_at) == ("pending", checkout_id, NOON + 2 * DAY)
    shop.tick(NOON + 2 * DAY)
    assert standings() == APPROVED
    assert differences() == []


def test_a_card_alone_earns_nothing(shop, friend):
    shop.tick(NOON + DAY)

    assert rewards() == []


def test_a_smaller_purchase_does_not_end_the_wait(shop, friend):
    shop.settle(friend, 3000, now=NOON + HOUR)  # 28.50 as paid
    shop.earn(NOON + HOUR)
    before = rewards()
    second = shop.settle(friend, 3200, now=NOON + 2 * HOUR)
    shop.settle(friend, 9000, now=NOON + 3 * HOUR)

    shop.earn(NOON + 3 * HOUR)

    assert before == []
    assert only_reward().checkout_id == second


def test_a_second_purchase_earns_nothing_more(shop, friend):
    first = shop.settle(friend, now=NOON + HOUR)
    shop.earn(NOON + HOUR)
    shop.settle(friend, now=NOON + 2 * HOUR)

    shop.earn(NOON + 2 * HOUR)

    assert only_reward().checkout_id == first


@pytest.mark.parametrize(("late", "found"), [(-timedelta(microseconds=1), PENDING), (timedelta(), {})])
def test_the_time_for_it_ends_after_its_days(shop, friend, late, found):
    shop.settle(friend, now=NOON + 30 * DAY + late)

    shop.earn(NOON + 31 * DAY)

    assert standings() == found


def test_a_purchase_for_which_nothing_was_paid_is_none():
    shop = Rewarding()
    shop.purchase_rule(min_cents=0)
    friend = shop.friend(shop.referrer)
    shop.settle(friend, 1, now=NOON + HOUR)
    with_nothing_left = shop.settle(friend, 100, now=NOON + 2 * HOUR)
    shop.refund(with_nothing_left, 95, now=NOON + 2 * HOUR)

    shop.earn(NOON + 3 * HOUR)

    assert [reward.checkout_id for reward in rewards()] == [with_nothing_left - 1]


def test_the_referrers_own_purchases_do_not_count(shop, friend):
    shop.settle(shop.referrer, now=NOON + HOUR)

    shop.earn(NOON + HOUR)

    assert rewards() == []


def test_a_rule_that_ended_meanwhile_keeps_its_promise(shop, friend):
    (rule,) = reward_rules.list_rules(shop.chain.id)
    with transaction():
        reward_rules.end_rule(shop.chain.id, rule.id, by=HQ, now=NOON + HOUR)
    stranger = shop.friend(shop.referrer, now=NOON + HOUR)
    for card in (friend, stranger):
        shop.settle(card, now=NOON + 2 * HOUR)

    shop.earn(NOON + 2 * HOUR)

    assert standings() == PENDING


def test_a_purchase_in_the_pause_of_a_rule_is_not_earned_later(shop, friend):
    (rule,) = reward_rules.list_rules(shop.chain.id)
    with transaction():
        reward_rules.pause_rule(shop.chain.id, rule.id, by=HQ, now=NOON)
    shop.settle(friend, now=NOON + HOUR)
    shop.earn(NOON + HOUR)
    with transaction():
        reward_rules.resume_rule(shop.chain.id, rule.id, by=HQ, now=NOON + 2 * HOUR)
    shop.settle(friend, now=NOON + 3 * HOUR)

    shop.earn(NOON + 3 * HOUR)

    assert rewards() == []


def test_a_purchase_voided_before_it_is_read_earns_nothing(shop, friend):
    shop.void(shop.settle(friend, now=NOON + HOUR), now=NOON + 2 * HOUR)

    shop.earn(NOON + 2 * HOUR)

    assert rewards() == []


def test_a_purchase_voided_before_it_is_due_is_rejected(shop, friend):
    checkout_id = shop.settle(friend, now=NOON + HOUR)
    shop.earn(NOON + HOUR)
    shop.void(checkout_id, now=NOON + 2 * HOUR)

    shop.tick(NOON + 2 * HOUR)

    assert standings() == {("rejected", "voided"): 1}
    assert committed() == 0


def test_a_void_that_is_not_read_yet_is_seen_when_the_reward_is_due(shop, friend):
    checkout_id = shop.settle(friend, now=NOON + HOUR)
    shop.earn(NOON + HOUR)
    shop.void(checkout_id, now=NOON + DAY)

    shop.give(NOON + 2 * DAY)

    assert standings() == {("rejected", "voided"): 1}


def test_a_refund_below_the_minimum_takes_the_reward_away_and_a_small_one_does_not(shop, friend):
    checkout_id = shop.settle(friend, 4000, now=NOON + HOUR)  # 38 as paid
    shop.earn(NOON + HOUR)
    shop.refund(checkout_id, 800, now=NOON + 2 * HOUR)
    shop.earn(NOON + 2 * HOUR)
    kept = standings()
    shop.refund(checkout_id, 1, now=NOON + 3 * HOUR)

    shop.earn(NOON + 3 * HOUR)

    assert (kept, standings()) == (PENDING, {("rejected", "refunded"): 1})


def test_a_flagged_reward_whose_purchase_is_undone_is_rejected(shop, friend):
    shop.flag(friend)
    checkout_id = shop.settle(friend, now=NOON + HOUR)
    shop.earn(NOON + HOUR)
    flagged = standings()
    shop.void(checkout_id, now=NOON + 2 * HOUR)

    shop.earn(NOON + 2 * HOUR)

    assert (flagged, standings()) == ({("flagged", "own_phone"): 1}, {("rejected", "voided"): 1})


def test_a_purchase_undone_after_the_reward_was_given_takes_it_back(shop, friend):
    checkout_id = shop.settle(friend, now=NOON + HOUR)
    shop.tick(NOON + DAY + HOUR)
    given = (standings(), coupons_of(shop.referrer))
    shop.void(checkout_id, now=NOON + DAY + 2 * HOUR)

    shop.tick(NOON + DAY + 2 * HOUR)

    assert given == (APPROVED, ["claimed"])
    assert standings() == {("clawed_back", "voided"): 1}
    assert (coupons_of(shop.referrer), committed()) == (["void"], 0)
    assert (only_reward().decided_by, differences()) == ("system", [])


def test_a_purchase_booked_anew_after_a_mistake_earns_what_the_first_had_earned(shop, friend):
    shop.void(shop.settle(friend, now=NOON + HOUR), now=NOON + 2 * HOUR)
    shop.earn(NOON + 2 * HOUR)
    again = shop.settle(friend, now=NOON + 3 * HOUR)
    shop.earn(NOON + 3 * HOUR)
    shop.void(again, now=NOON + 4 * HOUR)
    shop.earn(NOON + 4 * HOUR)
    third = shop.settle(friend, now=NOON + 5 * HOUR)

    shop.earn(NOON + 5 * HOUR)

    assert (standings(), only_reward().checkout_id) == (PENDING, third)
    assert (only_reward().due_at, committed()) == (NOON + DAY + 5 * HOUR, 500)
    shop.tick(NOON + DAY + 5 * HOUR)
    assert standings() == APPROVED
    assert differences() == []


def test_a_purchase_made_meanwhile_takes_the_place_of_one_that_is_voided(shop, friend):
    first = shop.settle(friend, now=NOON + HOUR)
    second = shop.settle(friend, now=NOON + 2 * HOUR)
    shop.earn(NOON + 2 * HOUR)
    shop.void(first, now=NOON + 3 * HOUR)

    shop.earn(NOON + 3 * HOUR)

    assert (standings(), only_reward().checkout_id) == (PENDING, second)
    assert committed() == 500


def test_a_reward_that_was_taken_back_whole_is_earned_anew():
    shop = Rewarding()
    shop.purchase_rule(referrer_points=40, hold_days=0)
    friend = shop.friend(shop.referrer)
    first = shop.settle(friend, now=NOON + HOUR)
    shop.tick(NOON + HOUR)
    shop.void(first, now=NOON + 2 * HOUR)
    shop.tick(NOON + 2 * HOUR)
    between = (standings(), points_of(shop.referrer))
    shop.settle(friend, now=NOON + 3 * HOUR)

    shop.tick(NOON + 3 * HOUR)

    assert between == ({("clawed_back", "voided"): 1}, 0)
    assert (standings(), points_of(shop.referrer)) == (APPROVED, 40)
    assert differences() == []


def test_a_reward_of_which_something_was_kept_is_not_earned_anew():
    shop = Rewarding()
    shop.points_are_worth_money()
    shop.purchase_rule(friend_points=100, hold_days=0)
    friend = shop.friend(shop.referrer)
    first = shop.settle(friend, now=NOON + HOUR)
    shop.tick(NOON + HOUR)
    shop.spend(friend, 100, now=NOON + 2 * HOUR)
    shop.void(first, now=NOON + 3 * HOUR)
    shop.settle(friend, now=NOON + 4 * HOUR)

    shop.tick(NOON + 4 * HOUR)

    assert standings() == {("clawed_back", "voided"): 1}
    assert only_reward().points_short > 0
    assert differences() == []


def test_a_person_who_rejected_it_is_not_overruled_by_another_purchase(shop, friend):
    first = shop.settle(friend, now=NOON + HOUR)
    shop.earn(NOON + HOUR)
    shop.reject(only_reward(), now=NOON + HOUR)
    shop.void(first, now=NOON + 2 * HOUR)
    shop.settle(friend, now=NOON + 3 * HOUR)

    shop.earn(NOON + 3 * HOUR)

    assert standings() == {("rejected", "person"): 1}


def test_both_sides_lose_it_together():
    shop = Rewarding()
    shop.purchase_rule(referrer_offer_id=shop.thanks.id, friend_points=30, hold_days=0)
    friend = shop.friend(shop.referrer)
    checkout_id = shop.settle(friend, now=NOON + HOUR)
    shop.tick(NOON + HOUR)
    earned = points_of(friend)
    shop.void(checkout_id, now=NOON + 2 * HOUR)

    shop.tick(NOON + 2 * HOUR)

    assert earned == 47 + 30
    assert standings() == {("clawed_back", "voided"): 2}
    assert (coupons_of(shop.referrer), points_of(friend)) == (["void"], 0)
    assert differences() == []


def test_a_purchase_made_before_the_referrer_was_corrected_earns_with_the_correction(shop):
    alone = shop.member(NOON)
    shop.settle(alone, now=NOON + HOUR)
    shop.earn(NOON + HOUR)
    with transaction():
        moving.move_subtree(
            shop.chain.id, alone.member_id, shop.referrer.member_id, reason="他说的", by=HQ, now=NOON + 2 * HOUR
        )

    shop.tick(NOON + 2 * DAY)

    assert standings() == APPROVED
    assert only_reward().member_id == shop.referrer.member_id
    assert differences() == []
