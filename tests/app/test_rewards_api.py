"""Rewards through the API: rules written and run, rewards listed and decided."""

import pytest
import time_machine

from stores.models import Role
from tests.factories import NOON, make_key
from tests.sharing.rewards import DAY, Rewarding, coupons_of, differences, only_reward, rewards

API = "/api/v1"
CARD_RULE = {"name": "荐友有礼", "name_en": "Bring a friend", "trigger": "card_issued", "referrer_points": 100}


@pytest.fixture
def shop(app):
    return Rewarding()


@pytest.fixture
def call(client, shop):
    """Asks with head office's key, a day after the friends came."""
    key = make_key(shop.chain)

    def ask(method, path, body=None, key=key, now=NOON + DAY, **headers):
        with time_machine.travel(now, tick=False):
            given = {"Authorization": f"Bearer {key}"} | headers
            return client.open(API + path, method=method, json=body, headers=given)

    return ask


def flagged(shop):
    """A friend who has the referrer's phone, and the reward that waits."""
    shop.rule()
    friend = shop.friend(shop.referrer)
    shop.flag(friend)
    shop.earn()
    return only_reward()


def test_a_rule_is_written_changed_started_paused_resumed_and_ended(call):
    written = call("POST", "/reward-rules", CARD_RULE | {"hold_days": 3, "referrer_cost_cents": 100})
    rule = f"/reward-rules/{written.json['id']}"
    changed = call("PATCH", rule, {"friend_points": 50, "per_day_cap": 5, "friend_cost_cents": 50})

    assert written.status_code == 201
    assert (written.json["state"], written.json["friend_sentence"]) == ("draft", None)
    assert changed.json["friend_sentence"]["en"] == "Take the card and get 50 points. It comes after 3 days."
    assert changed.json["referrer_sentence"]["zh"] == "每有一位朋友领卡，您得100积分。3天后到账。每天最多5份。"
    states = [call("POST", f"{rule}/{move}").json["state"] for move in ("start", "pause", "resume", "end")]
    assert states == ["running", "paused", "running", "ended"]
    assert call("POST", f"{rule}/start").json["code"] == "reward_rule_state_forbids"


def test_a_started_rule_only_takes_another_budget(call, shop):
    rule = shop.rule()

    more = call("PATCH", f"/reward-rules/{rule.id}", {"budget_cents": 5000})
    other = call("PATCH", f"/reward-rules/{rule.id}", {"hold_days": 1})

    assert (more.status_code, more.json["budget_cents"]) == (200, 5000)
    assert (other.status_code, other.json["code"]) == (409, "reward_rule_state_forbids")


def test_a_rule_that_makes_no_sense_is_refused_in_words(call):
    answer = call("POST", "/reward-rules", CARD_RULE | {"trigger": "first_purchase"})
    nothing = call("PATCH", "/reward-rules/1", {})

    assert (answer.status_code, answer.json["code"]) == (422, "reward_rule_invalid")
    assert nothing.status_code == 422


def test_a_second_rule_of_a_trigger_does_not_start(call, shop):
    shop.rule()
    second = call("POST", "/reward-rules", CARD_RULE).json["id"]

    assert call("POST", f"/reward-rules/{second}/start").json["code"] == "reward_rule_taken"


def test_rules_are_listed_newest_first_a_page_at_a_time(call):
    ids = [call("POST", "/reward-rules", CARD_RULE).json["id"] for _ in range(3)]

    first = call("GET", "/reward-rules?limit=2&state=draft").json
    rest = call("GET", f"/reward-rules?limit=2&cursor={first['next_cursor']}").json

    assert [rule["id"] for rule in first["items"] + rest["items"]] == ids[::-1]
    assert rest["next_cursor"] is None


def test_a_flagged_reward_is_shown_with_its_evidence(call, shop):
    reward = flagged(shop)

    (shown,) = call("GET", "/rewards?state=flagged").json["items"]

    assert (shown["id"], shown["state"], shown["reason"]) == (reward.id, "flagged", "own_phone")
    assert (shown["card"], shown["referrer_id"]) == (shop.referrer.number, shop.referrer.member_id)
    assert [finding["rule"] for finding in shown["findings"]] == ["own_phone"]
    assert "same phone number" in shown["findings"][0]["sentence"]["en"]


def test_rewards_are_found_by_rule_side_and_card(call, shop):
    rule = shop.rule(referrer_offer_id=shop.thanks.id, friend_points=10)
    friend = shop.friend(shop.referrer)
    shop.earn()
    referrers, friends = rewards()

    def ids(query):
        return [reward["id"] for reward in call("GET", f"/rewards?{query}").json["items"]]

    assert ids(f"rule={rule.id}") == [friends.id, referrers.id]
    assert ids(f"rule={rule.id + 1}") == []
    assert ids("side=referrer") == ids(f"card={shop.referrer.number}") == [referrers.id]
    assert ids(f"card={friend.number}") == [friends.id]
    assert ids(f"limit=1&cursor={friends.id}") == [referrers.id]
    assert call("GET", "/rewards?card=6299999999999999").json["code"] == "card_not_found"


def test_an_approved_reward_is_given_and_taken_back_once(call, shop):
    reward = flagged(shop)

    given = call("POST", f"/rewards/{reward.id}/approve", {"reason": "一家人"})
    coupons = coupons_of(shop.referrer)
    taken = call("POST", f"/rewards/{reward.id}/claw-back", {"reason": "弄错了"})
    again = call("POST", f"/rewards/{reward.id}/claw-back", {"reason": "弄错了"})

    assert (given.status_code, given.json["state"], coupons) == (200, "approved", ["claimed"])
    assert given.json["decided_by"].startswith("key:")
    assert given.json["findings"][0]["dismissed_at"] is not None
    assert (taken.json["state"], coupons_of(shop.referrer)) == ("clawed_back", ["void"])
    assert (again.status_code, again.json["code"]) == (409, "reward_state_forbids")
    assert differences() == []


def test_a_repeat_with_its_key_gets_the_first_answer(call, shop):
    reward = flagged(shop)
    body, key = {"reason": "不像真的"}, {"Idempotency-Key": "reject-once"}

    first = call("POST", f"/rewards/{reward.id}/reject", body, **key)
    again = call("POST", f"/rewards/{reward.id}/reject", body, **key)

    assert first.json == again.json
    assert (first.json["state"], again.headers["Idempotent-Replay"]) == ("rejected", "true")


def test_a_decision_needs_a_reason(call, shop):
    reward = flagged(shop)

    assert call("POST", f"/rewards/{reward.id}/approve", {}).status_code == 422
    assert call("POST", f"/rewards/{reward.id}/approve", {"reason": "  "}).json["code"] == "reason_needed"
    assert only_reward().state == "flagged"


def test_an_analyst_reads_and_a_store_does_not(call, shop):
    reward = flagged(shop)
    analyst, manager = make_key(shop.chain, Role.HQ_ANALYST), make_key(shop.chain, Role.STORE_MANAGER, shop.store)

    assert [call("GET", path, key=analyst).status_code for path in ("/rewards", "/reward-rules")] == [200, 200]
    assert [call("GET", path, key=manager).status_code for path in ("/rewards", "/reward-rules")] == [403, 403]
    assert call("POST", f"/rewards/{reward.id}/approve", {"reason": "好"}, key=analyst).status_code == 403


def test_another_chains_rewards_and_rules_are_not_there(call, shop):
    reward = flagged(shop)
    stranger = make_key(Rewarding("other").chain)

    assert call("GET", "/rewards", key=stranger).json["items"] == []
    assert call("POST", f"/rewards/{reward.id}/reject", {"reason": "x"}, key=stranger).status_code == 404
    assert call("POST", f"/reward-rules/{reward.rule_id}/end", key=stranger).status_code == 404
