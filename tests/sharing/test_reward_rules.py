"""Reward rules: what a draft must say, what a reward costs, and when a rule runs."""

import pytest
from sqlalchemy import select

from core.audit import AuditEntry
from core.db import db, transaction
from coupons import offers
from sharing import reward_errors as errors
from sharing import reward_rules, reward_terms
from sharing.reward_models import RewardSide
from tests.factories import NOON, make_chain, make_offer
from tests.sharing.rewards import DAY, HQ, Rewarding

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def shop():
    return Rewarding()


def do(change, rule, *, chain_id=None, now=NOON, **more):
    with transaction():
        return change(chain_id or rule.chain_id, rule.id, by=HQ, now=now, **more)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"name_en": ""},
        {"name": "很" * 41},
        {"trigger": "birthday"},
        {"min_cents": 100},
        {"within_days": 7},
        {"trigger": "first_purchase"},
        {"trigger": "first_purchase", "within_days": 366},
        {"trigger": "first_purchase", "within_days": 7, "min_cents": -1},
        {"hold_days": -1},
        {"hold_days": 91},
        {"referrer_offer_id": 1, "referrer_points": 5},
        {"friend_points": 0},
        {"referrer_offer_id": None, "referrer_points": None},
        {"referrer_offer_id": 987654},
        {"per_day_cap": 0},
        {"lifetime_cap": 0},
        {"budget_cents": 0},
        {"budget_cents": 499},
        {"friend_points": 5, "friend_cost_cents": -1},
        {"friend_points": 5, "budget_cents": 10_000},
    ],
    ids=str,
)
def test_a_rule_that_makes_no_sense_is_refused(shop, wrong):
    if wrong.get("referrer_offer_id") == 1:
        wrong = wrong | {"referrer_offer_id": shop.thanks.id}

    with pytest.raises(errors.RewardRuleInvalid) as refused:
        shop.rule(**({"referrer_offer_id": shop.thanks.id} | wrong))

    assert refused.value.say("zh") != refused.value.say("en")
    assert "{" not in refused.value.say("zh") + refused.value.say("en")


def test_another_chains_offer_cannot_be_given(shop):
    foreign = make_offer(make_chain("other"))

    with pytest.raises(errors.RewardRuleInvalid):
        shop.rule(referrer_offer_id=foreign.id)


@pytest.mark.parametrize(
    ("offer", "cents"),
    [
        ({}, 500),
        ({"kind": "percent", "cap_cents": 800}, 800),
        ({"kind": "gift"}, 1200),
        ({"kind": "fixed_price"}, 210),
    ],
    ids=str,
)
def test_a_coupon_costs_the_most_that_it_can_take_off(shop, offer, cents):
    rule = shop.rule(referrer_offer_id=make_offer(shop.chain, **offer).id, referrer_cost_cents=7)

    assert rule.referrer_cost_cents == cents


def test_points_cost_what_they_are_worth_rounded_up(shop):
    shop.points_are_worth_money()

    rule = shop.rule(referrer_points=250, friend_points=1)

    assert (rule.referrer_cost_cents, rule.friend_cost_cents) == (250, 1)


def test_head_office_says_the_cost_where_nothing_else_does(shop):
    boundless = make_offer(shop.chain, kind="percent")

    rule = shop.rule(referrer_offer_id=boundless.id, referrer_cost_cents=900, friend_points=10, friend_cost_cents=3)

    assert (rule.referrer_cost_cents, rule.friend_cost_cents) == (900, 3)


def test_a_draft_is_rewritten_and_a_running_rule_is_not(shop):
    rule = shop.rule(starts=False)
    draft = reward_rules.draft_of(rule)
    changed = reward_rules.RuleDraft(**vars(draft) | {"hold_days": 9, "referrer_offer_id": None, "referrer_points": 5})

    rewritten = do(lambda c, r, **more: reward_rules.rewrite_rule(c, r, changed, **more), rule)
    do(reward_rules.start_rule, rule)

    assert (rewritten.hold_days, rewritten.referrer_points, rewritten.referrer_offer_id) == (9, 5, None)
    with pytest.raises(errors.RewardRuleStateForbids):
        do(lambda c, r, **more: reward_rules.rewrite_rule(c, r, draft, **more), rule)


def test_a_rule_runs_is_paused_runs_again_and_ends(shop):
    rule = shop.rule(starts=False)
    seen = [rule.state]
    for change in ("start_rule", "pause_rule", "resume_rule", "pause_rule", "end_rule"):
        seen.append(do(getattr(reward_rules, change), rule, now=NOON + DAY).state)

    assert seen == ["draft", "running", "paused", "running", "paused", "ended"]
    assert (rule.started_at, rule.ended_at) == (NOON + DAY, NOON + DAY)
    actions = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.object_kind == "reward_rule").order_by(AuditEntry.id)
    ).all()
    assert [action.rpartition(" ")[2] for action in actions] == [
        "created", "started", "paused", "resumed", "paused", "ended",
    ]  # fmt: skip


@pytest.mark.parametrize("change", ["pause_rule", "resume_rule", "end_rule"])
def test_what_a_draft_cannot_do_is_refused(shop, change):
    with pytest.raises(errors.RewardRuleStateForbids):
        do(getattr(reward_rules, change), shop.rule(starts=False))


def test_an_ended_rule_does_not_start_again(shop):
    rule = shop.rule()
    do(reward_rules.end_rule, rule)

    for change in ("start_rule", "resume_rule", "end_rule", "discard_rule"):
        with pytest.raises(errors.RewardRuleStateForbids):
            do(getattr(reward_rules, change), rule)


def test_a_draft_can_be_thrown_away(shop):
    rule = shop.rule(starts=False)

    do(reward_rules.discard_rule, rule)

    assert reward_rules.list_rules(shop.chain.id) == []


def test_of_each_trigger_one_rule_runs_at_a_time(shop):
    first, second = shop.rule(), shop.rule(starts=False)
    shop.purchase_rule()
    for _ in range(2):
        with pytest.raises(errors.RewardRuleTaken):
            do(reward_rules.start_rule, second)
        if reward_rules.get_rule(shop.chain.id, first.id).state == "running":
            do(reward_rules.pause_rule, first)

    do(reward_rules.end_rule, first)
    do(reward_rules.start_rule, second)

    assert {rule.id for rule in reward_rules.running_rules(shop.chain.id)} >= {second.id}
    assert len(reward_rules.running_rules(shop.chain.id)) == 2


def test_a_rule_starts_only_with_offers_that_can_be_claimed(shop):
    rule = shop.rule(starts=False)
    with transaction():
        offers.pause(shop.chain.id, shop.thanks.id, by=HQ, now=NOON)

    with pytest.raises(errors.RewardOfferNotRunning, match="Thanks"):
        do(reward_rules.start_rule, rule)


def test_a_rule_of_another_chain_is_not_found(shop):
    rule, other = shop.rule(starts=False), make_chain("other")

    with pytest.raises(errors.RewardRuleNotFound):
        do(reward_rules.start_rule, rule, chain_id=other.id)
    assert reward_rules.list_rules(other.id) == []


def test_a_budget_grows_and_shrinks_to_what_is_promised(shop):
    rule = shop.rule(budget_cents=1000)
    shop.friend(shop.referrer)
    shop.earn()

    def change(cents):
        return do(lambda c, r, **more: reward_rules.change_budget(c, r, cents, **more), rule).budget_cents

    assert [change(5000), change(500), change(None)] == [5000, 500, None]
    with pytest.raises(errors.RewardRuleInvalid):
        change(499)


def test_rules_are_listed_newest_first_by_key(shop):
    ids = [shop.rule(starts=False).id for _ in range(3)]

    first = reward_rules.list_rules(shop.chain.id, limit=2)
    rest = reward_rules.list_rules(shop.chain.id, before=first[-1].id)

    assert [rule.id for rule in [*first, *rest]] == ids[::-1]
    assert reward_rules.list_rules(shop.chain.id, state="running") == []


def test_the_sentences_say_what_each_side_gets_when_and_how_often(shop):
    rule = shop.rule(friend_points=50, referrer_offer_id=shop.thanks.id, per_day_cap=3, lifetime_cap=20, hold_days=7)

    assert reward_terms.friend_sentence(rule, "CNY") == (
        "领卡即送50积分。7天后到账。",
        "Take the card and get 50 points. It comes after 7 days.",
    )
    assert reward_terms.referrer_sentence(rule, "CNY") == (
        "每有一位朋友领卡，您得优惠券1张：满30元减5元。7天后到账。每天最多3份，一共最多20份。",
        "For each friend who takes the card you get a coupon: ¥5 off from ¥30. It comes after 7 days."
        " At most 3 a day, 20 in all.",
    )


def test_the_sentences_of_a_first_purchase_name_its_minimum_and_time(shop):
    rule = shop.purchase_rule(referrer_points=1, friend_offer_id=shop.thanks.id, hold_days=0)

    assert reward_terms.friend_sentence(rule, "CNY") == (
        "领卡后30天内首次消费满30元，送优惠券1张：满30元减5元。",
        "Make a first purchase of ¥30 or more within 30 days of joining and get a coupon: ¥5 off from ¥30.",
    )
    assert reward_terms.referrer_sentence(rule, "CNY") == (
        "朋友领卡后30天内首次消费满30元，您得1积分。",
        "When a friend takes the card and makes a first purchase of ¥30 or more within 30 days of joining,"
        " you get 1 point.",
    )


def test_a_side_that_gets_nothing_is_told_nothing(shop):
    rule = shop.rule()

    assert reward_terms.friend_sentence(rule, "CNY") is None
    assert reward_terms.gift_sentence(rule, RewardSide.FRIEND, "CNY") is None
    assert reward_terms.gift_sentence(rule, RewardSide.REFERRER, "CNY", reward_terms.offers_of([rule])) == (
        "优惠券1张：满30元减5元",
        "a coupon: ¥5 off from ¥30",
    )


def test_the_day_on_which_a_reward_is_expected_is_the_chains(shop):
    assert reward_terms.due_sentence(NOON, "Asia/Shanghai") == ("预计2026年5月20日到账", "expected on 20 May 2026")
