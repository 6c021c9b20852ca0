"""What a person decides of a reward: let through, refuse, take back; and what the lists say of it."""

import pytest
from sqlalchemy import select, update

from cards import ledger
from cards.freezing import freeze, unfreeze
from cards.holding import close_card
from cards.models import Card, Member, PointEntry
from checkout import quoting, reserving, settling
from core.audit import AuditEntry
from core.db import db, transaction
from core.hot import one_action
from coupons import giving
from coupons.errors import ReasonNeeded
from coupons.expiring import expire_batch
from coupons.models import Coupon
from coupons.voiding import void_coupon
from sharing import reward_errors as errors
from sharing import reward_queries
from sharing.models import Referral
from sharing.reward_rules import change_budget
from tests.factories import NOON, code_of, make_chain, make_offer
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
    referral_of,
    rewards,
    standings,
)

pytestmark = pytest.mark.usefixtures("app")
APPROVED = {("approved", None): 1}


@pytest.fixture
def shop():
    return Rewarding()


@pytest.fixture
def flagged(shop):
    """A coupon of 5, held back because friend and referrer have one phone."""
    shop.rule(budget_cents=500)
    shop.flag(shop.friend(shop.referrer))
    shop.earn()
    return only_reward()


@pytest.fixture
def given(shop):
    """A coupon of 5 that the referrer has."""
    shop.rule()
    shop.friend(shop.referrer)
    shop.tick(NOON + DAY)
    return only_reward()


def audited(kind="reward"):
    return db.session.scalars(select(AuditEntry).filter_by(object_kind=kind).order_by(AuditEntry.id)).all()


def test_a_flagged_reward_let_through_after_its_time_is_given_at_once(shop, flagged):
    reward = shop.approve(flagged, now=NOON + DAY, reason="他们是一家人")

    assert (reward.state, reward.reason, reward.decided_by, reward.decided_at) == (
        "approved", None, "staff:1", NOON + DAY,
    )  # fmt: skip
    assert coupons_of(shop.referrer) == ["claimed"]
    assert committed() == 500
    (entry,) = audited()
    assert (entry.action, entry.actor, entry.object_id) == ("reward approved", "staff:1", reward.id)
    assert (entry.before, entry.after["state"], entry.after["because"]) == (
        {"state": "flagged", "reason": "own_phone"}, "approved", "他们是一家人",
    )  # fmt: skip
    assert differences() == []


def test_a_flagged_reward_let_through_before_its_time_is_held_on_and_not_flagged_again(shop, flagged):
    shop.approve(flagged, now=NOON + HOUR)
    between = standings()

    shop.tick(NOON + DAY)

    assert between == {("pending", None): 1}
    assert standings() == APPROVED
    assert differences() == []


def test_letting_it_through_dismisses_what_was_found_with_his_reason(shop, flagged):
    shop.approve(flagged, now=NOON + DAY, reason="  他们是\n一家人 ")

    (finding,) = reward_queries.findings_of(flagged.referral_id)
    assert (finding.rule, finding.dismissed_by, finding.dismiss_reason) == ("own_phone", "staff:1", "他们是 一家人")


@pytest.mark.parametrize("decide", ["approve", "reject", "claw_back"])
def test_every_decision_needs_a_reason(shop, flagged, decide):
    with pytest.raises(ReasonNeeded):
        getattr(shop, decide)(flagged, now=NOON, reason="  ")


@pytest.mark.parametrize("decide", ["approve", "reject", "claw_back"])
def test_a_reward_of_another_chain_is_not_found(shop, flagged, decide):
    shop.chain = make_chain("other")

    with pytest.raises(errors.RewardNotFound):
        getattr(shop, decide)(flagged, now=NOON)


@pytest.mark.parametrize(
    ("state", "refused"),
    [
        ("pending", ["approve", "claw_back"]),
        ("flagged", ["claw_back"]),
        ("approved", ["approve", "reject"]),
        ("rejected", ["reject", "claw_back"]),
        ("clawed_back", ["approve", "reject", "claw_back"]),
    ],
)
def test_what_a_state_does_not_allow_is_refused_in_its_words(shop, state, refused):
    shop.rule()
    friend = shop.friend(shop.referrer)
    if state == "flagged":
        shop.flag(friend)
    shop.tick(NOON if state in ("pending", "flagged", "rejected") else NOON + DAY)
    if state == "rejected":
        shop.reject(only_reward(), now=NOON)
    if state == "clawed_back":
        shop.claw_back(only_reward(), now=NOON + DAY)
    assert only_reward().state == state

    for decide in refused:
        with pytest.raises(errors.RewardStateForbids, match=state.replace("_", " ")):
            getattr(shop, decide)(only_reward(), now=NOON + DAY)
    assert only_reward().state == state


def test_a_person_rejects_with_a_reason_and_the_budget_is_free(shop, flagged):
    reward = shop.reject(flagged, now=NOON + HOUR, reason="同一台手机")

    assert (reward.state, reward.reason, reward.decided_by) == ("rejected", "person", "staff:1")
    assert committed() == 0
    assert [(entry.action, entry.after["because"]) for entry in audited()] == [("reward rejected", "同一台手机")]


def test_a_rejection_is_reversed_when_there_is_room(shop, flagged):
    shop.reject(flagged, now=NOON)

    shop.approve(flagged, now=NOON + DAY)

    assert (standings(), committed()) == (APPROVED, 500)
    assert differences() == []


def test_a_rejection_is_not_reversed_when_the_budget_is_spent_meanwhile(shop, flagged):
    shop.reject(flagged, now=NOON)
    shop.friend(shop.member(), now=NOON + HOUR)
    shop.earn(NOON + HOUR)

    with pytest.raises(errors.RewardBudgetSpent):
        shop.approve(flagged, now=NOON + DAY)

    assert standings() == {("rejected", "person"): 1, ("pending", None): 1}
    assert committed() == 500
    assert reward_queries.findings_of(flagged.referral_id)[0].dismissed_at is None


def test_a_rejection_is_not_reversed_beyond_the_cap(shop):
    shop.rule(lifetime_cap=1)
    for _ in range(2):
        shop.friend(shop.referrer)
    shop.earn()
    over = next(reward for reward in rewards() if reward.reason == "cap")

    with pytest.raises(errors.RewardCapReached):
        shop.approve(over, now=NOON)
    shop.reject(next(reward for reward in rewards() if reward.state == "pending"), now=NOON)
    shop.approve(over, now=NOON)

    assert standings() == {("rejected", "person"): 1, ("pending", None): 1}


@pytest.mark.parametrize("why", ["budget", "own_phone"])
def test_a_system_rejection_can_be_reversed_by_a_person(shop, why):
    rule = shop.rule(budget_cents=500)
    first, second = shop.friend(shop.referrer), shop.friend(shop.member())
    if why == "own_phone":
        for card in (first, shop.referrer):
            shop.phone(card, "+8613800000001", proved_at=NOON)
    shop.earn()
    rejected = next(reward for reward in rewards() if reward.state == "rejected")
    assert (rejected.reason, second is not None) == (why, True)
    with transaction():
        change_budget(shop.chain.id, rule.id, 1000, by=HQ, now=NOON)

    shop.approve(rejected, now=NOON + DAY)
    shop.tick(NOON + DAY)

    assert standings() == {("approved", None): 2}
    assert differences() == []


def test_a_person_may_reward_though_the_purchase_was_voided(shop):
    """As a courtesy: then the end of the holding days has nothing to say any more."""
    shop.purchase_rule(hold_days=9)
    friend = shop.friend(shop.referrer)
    shop.void(shop.settle(friend, now=NOON), now=NOON + HOUR)
    shop.settle(friend, now=NOON + HOUR)
    shop.earn(NOON + HOUR)
    shop.void(only_reward().checkout_id, now=NOON + 2 * HOUR)
    shop.earn(NOON + 2 * HOUR)

    shop.approve(only_reward(), now=NOON + 3 * HOUR)
    shop.tick(NOON + 20 * DAY)

    assert standings() == APPROVED
    assert differences() == []


def test_a_reward_whose_purchase_was_undone_meanwhile_is_let_through_only_by_who_knows_it(shop):
    shop.purchase_rule(lifetime_cap=1)
    first, second = shop.friend(shop.referrer), shop.friend(shop.referrer)
    bought = [shop.settle(friend, now=NOON + HOUR) for friend in (first, second)]
    shop.earn(NOON + HOUR)
    for checkout_id in bought:
        shop.void(checkout_id, now=NOON + 2 * HOUR)
    shop.tick(NOON + 2 * DAY)
    assert standings() == {("rejected", "voided"): 1, ("rejected", "cap"): 1}

    capped = next(reward for reward in rewards() if reward.reason == "cap")
    unknowing = shop.approve(capped, now=NOON + 2 * DAY)

    assert (unknowing.state, unknowing.reason, committed()) == ("rejected", "voided", 0)
    assert coupons_of(shop.referrer) == []
    assert shop.approve(capped, now=NOON + 2 * DAY).state == "approved"
    assert differences() == []


def test_a_flagged_reward_whose_friend_left_is_let_through_only_by_who_knows_it(shop, flagged):
    friend = db.session.get_one(Card, db.session.get_one(Referral, flagged.referral_id).card_id)
    with transaction():
        close_card(friend.wallet_id, friend.id, by=HQ, now=NOON + HOUR)

    unknowing = shop.approve(flagged, now=NOON + 2 * DAY)

    assert (unknowing.state, unknowing.reason, committed()) == ("rejected", "card_closed", 0)
    assert shop.approve(flagged, now=NOON + 2 * DAY).state == "approved"
    assert differences() == []


def test_points_that_could_not_be_given_to_a_frozen_card_are_given_later(shop):
    shop.rule(referrer_points=30)
    shop.friend(shop.referrer)
    with transaction():
        freeze(shop.chain.id, shop.referrer.id, by=HQ, now=NOON)
    shop.tick(NOON + DAY)
    waiting = only_reward()
    assert reward_queries.why_not_given(waiting, now=NOON + DAY).code == "card_needed"
    with transaction():
        unfreeze(shop.chain.id, shop.referrer.id, by=HQ, now=NOON + DAY)

    assert reward_queries.why_not_given(waiting, now=NOON + DAY) is None
    shop.approve(waiting, now=NOON + 2 * DAY)

    assert (standings(), points_of(shop.referrer)) == (APPROVED, 30)


def test_why_a_coupon_is_not_given_can_be_asked(shop):
    scarce = make_offer(shop.chain, stock=1)
    shop.rule(referrer_offer_id=scarce.id)
    shop.friend(shop.referrer)
    shop.friend(shop.member())
    shop.tick(NOON + DAY)

    waiting = next(reward for reward in rewards() if reward.state == "flagged")
    assert reward_queries.why_not_given(waiting, now=NOON + DAY).code == "offer_sold_out"


def test_a_coupon_that_is_still_there_is_taken_back(shop, given):
    reward = shop.claw_back(given, now=NOON + 2 * DAY, reason="刷单")

    assert (reward.state, reward.reason, reward.is_coupon_lost, reward.committed_cents) == (
        "clawed_back", "person", False, 0,
    )  # fmt: skip
    assert coupons_of(shop.referrer) == ["void"]
    assert committed() == 0
    assert audited()[-1].after["because"] == "刷单"
    assert [entry.after["reason"] for entry in audited("coupon")] == ["刷单"]
    assert differences() == []


def test_a_coupon_that_was_used_stays_used_and_goes_on_costing(shop, given):
    shop.settle(shop.referrer, 5000, now=NOON + DAY + HOUR, coupon_ids=(given.coupon_id,))

    reward = shop.claw_back(given, now=NOON + 2 * DAY)

    assert (reward.is_coupon_lost, reward.committed_cents, committed()) == (True, 500, 500)
    assert coupons_of(shop.referrer) == ["redeemed"]
    assert audited()[-1].after["is_coupon_lost"] is True
    assert differences() == []


def test_a_coupon_that_a_till_has_reserved_is_taken_as_used(shop, given):
    sale = settling.Sale(
        chain_id=shop.chain.id,
        store_id=shop.store.id,
        card=quoting.presented(code_of(shop.referrer, now=NOON + DAY)),
        amount_cents=5000,
        request_id="key:1:reserve",
        fingerprint="f" * 64,
        settled_by="key:1",
        coupon_ids=(given.coupon_id,),
    )
    with one_action() as hot:
        reserved = settling.reserve(hot, sale, until=NOON + DAY + HOUR, now=NOON + DAY)

    shop.claw_back(given, now=NOON + DAY)
    with transaction():
        reserving.release(shop.chain.id, reserved.id, store_ids=None, by=HQ, now=NOON + DAY)

    assert only_reward().is_coupon_lost
    assert differences() == []


def test_a_coupon_that_waits_for_a_friend_is_called_back_and_taken(shop, given):
    with transaction():
        giving.offer_gift(shop.referrer.id, given.coupon_id, now=NOON + DAY)

    reward = shop.claw_back(given, now=NOON + DAY + HOUR)

    assert (reward.is_coupon_lost, coupons_of(shop.referrer), committed()) == (False, ["void"], 0)
    assert differences() == []


def test_a_coupon_that_a_friend_has_taken_is_his(shop, given):
    with transaction():
        gift = giving.offer_gift(shop.referrer.id, given.coupon_id, now=NOON + DAY)
    taker = shop.member()
    with transaction():
        giving.accept(gift.token, wallet_id=taker.wallet_id, now=NOON + DAY)

    reward = shop.claw_back(given, now=NOON + DAY + HOUR)

    assert (reward.is_coupon_lost, committed()) == (True, 500)
    assert db.session.scalars(select(Coupon.state).where(Coupon.card_id == taker.id)).all() == ["claimed"]
    assert differences() == []


def test_a_coupon_whose_time_is_over_is_nothing_lost(shop, given):
    expire_batch(shop.chain.id, now=NOON + 60 * DAY)

    reward = shop.claw_back(given, now=NOON + 60 * DAY)

    assert (reward.is_coupon_lost, coupons_of(shop.referrer), committed()) == (False, ["expired"], 0)
    assert differences() == []


def test_a_coupon_that_staff_voided_is_nothing_lost(shop, given):
    with transaction():
        void_coupon(shop.chain.id, given.coupon_id, reason="打错了", by=HQ, now=NOON + DAY)

    assert shop.claw_back(given, now=NOON + DAY).is_coupon_lost is False
    assert differences() == []


@pytest.mark.parametrize(("spent", "short", "cents"), [(0, 0, 0), (300, 100, 100), (400, 200, 200)])
def test_points_are_taken_back_as_far_as_they_are_there(shop, spent, short, cents):
    shop.points_are_worth_money()
    shop.rule(referrer_points=200)
    shop.friend(shop.referrer)
    shop.tick(NOON + DAY)
    with transaction():  # 200 of his own beside them
        ledger.add(shop.referrer.id, 200, cause="goodwill:1", now=NOON)
    if spent:
        _pay_with(shop, spent)

    reward = shop.claw_back(only_reward(), now=NOON + 2 * DAY)

    assert (reward.points_short, reward.committed_cents, committed()) == (short, cents, cents)
    assert points_of(shop.referrer) == 400 - spent - (200 - short)
    assert causes_of(shop.referrer)[-1][0] == ("clawback" if short < 200 else "spend")
    assert differences() == []


def _pay_with(shop, points):
    """Exactly so many points spent, and none earned."""
    shop.settle(shop.referrer, points + 60, use_points=points, now=NOON + DAY + HOUR)
    balance = db.session.scalars(
        select(PointEntry.balance).where(PointEntry.card_id == shop.referrer.id).order_by(PointEntry.id.desc())
    ).first()
    assert balance == 400 - points


def test_points_that_a_till_held_at_the_clawback_are_taken_when_they_come_back(shop):
    shop.points_are_worth_money()
    shop.rule(referrer_points=200)
    shop.friend(shop.referrer)
    shop.tick(NOON + DAY)
    held = shop.reserve(shop.referrer, 500, use_points=100, now=NOON + DAY + HOUR)
    kept = shop.claw_back(only_reward(), now=NOON + DAY + HOUR).points_short
    budget = committed()

    shop.release(held, now=NOON + DAY + 2 * HOUR)
    shop.earn(NOON + DAY + 2 * HOUR)

    assert (kept, budget) == (100, 100)
    assert (only_reward().points_short, committed(), points_of(shop.referrer)) == (0, 0, 0)
    assert differences() == []


def test_what_was_kept_of_points_is_rounded_against_the_chain(shop):
    shop.rule(referrer_points=300, referrer_cost_cents=100)
    shop.friend(shop.referrer)
    shop.tick(NOON + DAY)
    with transaction():
        ledger.hold(shop.referrer.id)
        ledger.take_back(shop.referrer.id, 200, cause="goodwill:1", now=NOON)

    reward = shop.claw_back(only_reward(), now=NOON + 2 * DAY)

    assert (reward.points_short, reward.committed_cents) == (200, 67)
    assert differences() == []


def test_a_reward_taken_back_whole_makes_room_under_the_cap_and_one_that_was_used_does_not(shop):
    shop.rule(lifetime_cap=1)
    shop.friend(shop.referrer)
    shop.tick(NOON + DAY)
    shop.claw_back(only_reward(), now=NOON + DAY)
    shop.friend(shop.referrer, now=NOON + 2 * DAY)
    shop.tick(NOON + 3 * DAY)
    second = rewards()[1]
    shop.settle(shop.referrer, 5000, now=NOON + 3 * DAY, coupon_ids=(second.coupon_id,))
    shop.claw_back(second, now=NOON + 3 * DAY)
    shop.friend(shop.referrer, now=NOON + 4 * DAY)

    shop.earn(NOON + 4 * DAY)

    assert [(reward.state, reward.reason) for reward in rewards()] == [
        ("clawed_back", "person"), ("clawed_back", "person"), ("rejected", "cap"),
    ]  # fmt: skip


def test_a_member_reads_his_rewards_with_who_came_and_what_it_is(shop):
    shop.rule(referrer_offer_id=shop.thanks.id, friend_points=5)
    friend = shop.friend(shop.referrer)
    with transaction():
        db.session.execute(update(Member).where(Member.id == friend.member_id).values(name="王小雪"))
        db.session.execute(update(Member).where(Member.id == shop.referrer.member_id).values(name="李雷"))
    shop.earn()

    (his,) = reward_queries.rewards_of_member(shop.chain.id, shop.referrer.member_id)
    (hers,) = reward_queries.rewards_of_member(shop.chain.id, friend.member_id)

    assert (his.reward.side, his.other.name, his.offer.id, his.rule.name) == (
        "referrer", "王小雪", shop.thanks.id, "荐友有礼",
    )  # fmt: skip
    assert (hers.reward.side, hers.other.name, hers.offer, hers.reward.points) == ("friend", "李雷", None, 5)
    assert reward_queries.rewards_of_member(shop.chain.id, friend.member_id, side="referrer") == []


def test_rewards_are_listed_newest_first_by_key_and_narrowed(shop):
    shop.rule(referrer_points=1, friend_points=1)
    friends = [shop.friend(shop.referrer, now=NOON + n * HOUR) for n in range(3)]
    shop.earn(NOON + DAY)
    shop.reject(rewards()[0], now=NOON + DAY)
    ids = [reward.id for reward in rewards()]

    def listed(**more):
        return [line.reward.id for line in reward_queries.list_rewards(shop.chain.id, **more)]

    assert listed() == ids[::-1]
    assert listed(limit=2) + listed(before=ids[-2]) == ids[::-1]
    assert listed(state="rejected") == listed(reason="person") == ids[:1]
    assert listed(referral_id=referral_of(friends[1]).id) == ids[3:1:-1]
    assert listed(rule_id=0) == []
    assert reward_queries.list_rewards(make_chain("other").id) == []


def test_a_list_of_rewards_is_one_query(shop, count_queries):
    shop.rule(referrer_points=1, friend_points=1)
    for n in range(3):
        shop.friend(shop.referrer, now=NOON + n * HOUR)
    shop.earn(NOON + DAY)
    chain_id = shop.chain.id
    db.session.expire_all()
    count_queries.clear()

    lines = reward_queries.list_rewards(chain_id)
    assert {(line.other.name, line.member.id > 0, line.rule.name) for line in lines} == {("", True, "荐友有礼")}
    assert sum("SELECT" in sql for sql in count_queries) == 1


def test_one_reward_is_found_with_its_findings_and_its_coupon(shop, flagged):
    line = reward_queries.get_reward(shop.chain.id, flagged.id)
    assert (line.reward.id, reward_queries.find_coupon(line.reward)) == (flagged.id, None)
    assert [found.rule for found in reward_queries.findings_of(line.reward.referral_id)] == ["own_phone"]

    shop.approve(flagged, now=NOON + DAY)

    line = reward_queries.get_reward(shop.chain.id, flagged.id)
    assert reward_queries.find_coupon(line.reward).state == "claimed"
    with pytest.raises(errors.RewardNotFound):
        reward_queries.get_reward(make_chain("other").id, flagged.id)
