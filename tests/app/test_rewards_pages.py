"""The pages of rewards: rules, what waits for a decision, one reward, fraud rules, own channels, who brought whom."""

import re

import pytest
import time_machine
from sqlalchemy import select

from core.db import db
from sharing.models import OwnChannel, Referral, ShareLink
from sharing.reward_models import FraudSetting, RewardRule
from stores.models import Role
from tests.factories import NOON, make_staff, make_store
from tests.pages import post, sign_in
from tests.sharing.rewards import DAY, HOUR, Rewarding, coupons_of, differences, only_reward, rewards, standings

REWARDS = "/dashboard/rewards"
PAGES = [REWARDS, f"{REWARDS}/queue", f"{REWARDS}/all", f"{REWARDS}/fraud", f"{REWARDS}/channels"]
RULE = {
    "name": "老友带新友",
    "name_en": "Bring a friend",
    "trigger": "first_purchase",
    "minimum": "30",
    "within_days": "30",
    "hold_days": "7",
    "referrer_gets": "coupon",
    "friend_gets": "points",
    "friend_points": "50",
    "friend_cost": "0.5",
}


@pytest.fixture
def shop(app):
    return Rewarding()


@pytest.fixture
def later():
    """A day after the friends came."""
    with time_machine.travel(NOON + DAY, tick=False) as clock:
        yield clock


@pytest.fixture
def desk(client, shop, later):
    """Head office, reading English."""
    sign_in(client, make_staff(shop.chain))
    client.set_cookie("kq_language", "en")
    return client


def text(answer):
    """What is read of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def rule_form(shop, **more):
    return RULE | {"referrer_offer": str(shop.thanks.id)} | more


def flagged(shop):
    """A friend with the referrer's phone, and the reward that waits."""
    shop.rule(referrer_offer_id=shop.thanks.id, friend_points=20)
    friend = shop.friend(shop.referrer)
    shop.flag(friend)
    shop.earn()
    return friend


# --- roles and languages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_analysts_read_what_head_office_decides(client, shop, path):
    sign_in(client, make_staff(shop.chain, Role.HQ_ANALYST))

    page = client.get(path)

    assert page.status_code == 200
    assert "奖励" in page.text
    main = page.text[page.text.index('id="content"') :]
    assert 'method="post"' not in main


def test_managers_see_the_rewards_of_their_members_and_decide_nothing(client, shop, later):
    flagged(shop)
    other_store = make_store(shop.chain)
    for store, sees in ((shop.store, True), (other_store, False)):
        sign_in(client, make_staff(shop.chain, Role.STORE_MANAGER, (store,)))
        queue, everything = client.get(f"{REWARDS}/queue"), client.get(f"{REWARDS}/all")
        one = client.get(f"{REWARDS}/{rewards()[0].id}")
        main = queue.text[queue.text.index('id="content"') :]

        assert ("手机号相同" in main) is sees
        assert ('<td><a href="/dashboard/rewards/' in everything.text) is sees
        assert one.status_code == (200 if sees else 404)
        assert 'method="post"' not in main
        assert client.get(REWARDS).status_code == client.get(f"{REWARDS}/fraud").status_code == 403


def test_clerks_see_nothing_of_rewards(client, shop):
    sign_in(client, make_staff(shop.chain, Role.CLERK, (shop.store,)))

    assert [client.get(path).status_code for path in PAGES] == [403] * len(PAGES)


def test_only_head_office_decides(client, shop, later):
    flagged(shop)
    sign_in(client, make_staff(shop.chain, Role.HQ_ANALYST))

    answer = post(client, f"{REWARDS}/decide", {"do": "approve", "reward": "1", "reason": "好"})

    assert answer.status_code == 403
    assert set(standings()) == {("flagged", "own_phone")}


def test_another_chains_things_are_not_found(desk, shop):
    other = Rewarding("other")
    rule = other.rule()
    other.friend(other.referrer)
    other.earn()
    theirs = only_reward()

    for path in (f"{REWARDS}/{theirs.id}", f"{REWARDS}/rules/{rule.id}", f"{REWARDS}/behind/{theirs.referral_id}"):
        assert desk.get(path).status_code == 404
    for path in (f"{REWARDS}/{theirs.id}/reject", f"{REWARDS}/rules/{rule.id}/end"):
        assert post(desk, path, {"reason": "x"}).status_code == 404
    assert only_reward().state == "pending"


# --- rules --------------------------------------------------------------------------------------------------------


def test_an_empty_list_teaches_and_leads_to_the_first_rule(desk):
    page = desk.get(REWARDS)

    assert "A rule says what a member gets for a friend" in page.text
    assert f'href="{REWARDS}/rules/new"' in page.text
    assert "Nothing waits for you" in desk.get(f"{REWARDS}/queue").text


def test_a_rule_is_written_by_its_form_once_however_often_it_is_sent(desk, shop):
    form = rule_form(shop, request_id="typed-once")

    first, again = (post(desk, f"{REWARDS}/rules", form) for _ in range(2))

    rule = db.session.scalars(select(RewardRule)).one()
    assert first.location == again.location == f"{REWARDS}/rules/{rule.id}"
    assert (rule.state, rule.min_cents, rule.within_days, rule.hold_days) == ("draft", 3000, 30, 7)
    assert (rule.referrer_offer_id, rule.friend_points, rule.friend_cost_cents) == (shop.thanks.id, 50, 50)


def test_the_preview_says_what_members_will_read(desk, shop):
    said = text(post(desk, f"{REWARDS}/rules/preview", rule_form(shop, per_day_cap="3")))

    assert "When a friend takes the card and makes a first purchase of ¥30 or more within 30 days of joining" in said
    assert "At most 3 a day." in said
    assert "and get 50 points" in said
    assert db.session.scalar(select(RewardRule.id)) is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"minimum": "viel"}, "minimum"),
        ({"within_days": "0"}, "within_days"),
        ({"hold_days": "91"}, "hold_days"),
        ({"referrer_offer": "987654"}, "referrer_offer"),
        ({"friend_points": "-1"}, "friend_points"),
        ({"per_day_cap": "1.5"}, "per_day_cap"),
        ({"budget": "-3"}, "budget"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(desk, shop, wrong, field):
    page = post(desk, f"{REWARDS}/rules", rule_form(shop, **wrong))

    assert page.status_code == 422
    assert f'id="f-{field}-error"' in page.text
    assert 'value="Bring a friend"' in page.text
    assert db.session.scalar(select(RewardRule.id)) is None


def test_a_rule_that_gives_nobody_anything_is_refused(desk, shop):
    page = post(desk, f"{REWARDS}/rules", rule_form(shop, referrer_gets="nothing", friend_gets="nothing"))

    assert page.status_code == 422
    assert "Give something to one side at least." in page.text


def test_a_budget_below_one_reward_is_refused_in_words(desk, shop):
    page = post(desk, f"{REWARDS}/rules", rule_form(shop, budget="1"))

    assert page.status_code == 422
    assert "the budget is less than one reward costs" in page.text


def test_a_rule_is_changed_started_paused_resumed_and_ended_by_its_buttons(desk, shop):
    post(desk, f"{REWARDS}/rules", rule_form(shop))
    rule = db.session.scalars(select(RewardRule)).one()
    page = f"{REWARDS}/rules/{rule.id}"

    assert post(desk, f"{page}/edit", rule_form(shop, hold_days="3")).location == page
    assert 'value="3"' in desk.get(f"{page}/edit").text
    states = []
    for move in ("start", "pause", "resume", "end"):
        post(desk, f"{page}/{move}")
        db.session.expire_all()
        states.append((db.session.get_one(RewardRule, rule.id).state, desk.get(page).status_code))
    assert states == [("running", 200), ("paused", 200), ("running", 200), ("ended", 200)]
    assert desk.get(f"{page}/edit").location == page
    assert f"{RULE['name_en']}" in desk.get(f"{REWARDS}/rules/new?copy={rule.id}").text


def test_a_draft_is_discarded(desk, shop):
    rule = shop.rule(starts=False)

    answer = post(desk, f"{REWARDS}/rules/{rule.id}/discard")

    assert answer.location == REWARDS
    assert db.session.scalar(select(RewardRule.id)) is None


def test_a_move_that_came_too_late_is_refused_in_words(desk, shop):
    rule = shop.rule()

    post(desk, f"{REWARDS}/rules/{rule.id}/start")

    assert "present state does not allow this" in desk.get(f"{REWARDS}/rules/{rule.id}").text


def test_the_budget_of_a_running_rule_is_changed_but_not_below_what_is_promised(desk, shop):
    rule = shop.rule()
    shop.friend(shop.referrer)
    shop.earn()
    page = f"{REWARDS}/rules/{rule.id}"

    low = post(desk, f"{page}/budget", {"budget": "1"})
    enough = post(desk, f"{page}/budget", {"budget": "100"})

    assert (low.status_code, enough.status_code) == (422, 303)
    assert "already promised" in low.text
    assert "¥5.00 of ¥100.00 are promised or given" in desk.get(page).text


# --- the queue ----------------------------------------------------------------------------------------------------


def test_what_waits_is_shown_with_its_evidence_and_who_stands_behind(desk, shop):
    friend = flagged(shop)

    page = desk.get(f"{REWARDS}/queue")
    referral_id = rewards()[0].referral_id
    behind = desk.get(f"{REWARDS}/behind/{referral_id}", headers={"HX-Request": "true"})

    assert "Friend and referrer have the same phone number." in page.text
    assert f"Member {shop.referrer.number[-4:]} brought Member {friend.number[-4:]}" in page.text
    assert f"/dashboard/sharing/tree/{shop.referrer.member_id}" in page.text
    assert 'side__count">2' in page.text
    assert f"Member {friend.number[-4:]}" in behind.text
    assert "<html" not in behind.text
    assert "<html" in desk.get(f"{REWARDS}/behind/{referral_id}").text


def test_both_rewards_of_a_friend_are_approved_with_one_reason(desk, shop):
    friend = flagged(shop)
    numbers = " ".join(str(reward.id) for reward in rewards())

    answer = post(desk, f"{REWARDS}/decide", {"do": "approve", "reward": numbers, "because": "One family"})

    assert answer.location == f"{REWARDS}/queue"
    assert "2 rewards are given." in desk.get(answer.location).text
    assert (coupons_of(shop.referrer), set(standings())) == (["claimed"], {("approved", None)})
    assert "One family" in desk.get(f"{REWARDS}/{rewards()[0].id}").text
    assert friend.member_id in {reward.member_id for reward in rewards()}
    assert differences() == []


def test_of_several_each_is_decided_by_itself_and_told_honestly(desk, shop):
    flagged(shop)
    one, other = rewards()
    shop.reject(one, now=NOON + HOUR)
    ticked = {"do": "reject", "reward": [str(one.id), str(other.id)], "reason": "像自己人"}

    page = desk.get(post(desk, f"{REWARDS}/decide", ticked).location)

    assert "1 reward is rejected." in page.text
    assert "1 is left as it was: The reward is rejected now" in page.text
    assert standings() == {("rejected", "person"): 2}


def test_deciding_needs_something_ticked_and_a_reason(desk, shop):
    flagged(shop)

    nothing = post(desk, f"{REWARDS}/decide", {"do": "approve", "reason": "好"})
    no_reason = post(desk, f"{REWARDS}/decide", {"do": "approve", "reward": str(rewards()[0].id), "reason": " "})

    assert nothing.status_code == no_reason.status_code == 303
    assert set(standings()) == {("flagged", "own_phone")}


def test_the_oldest_stands_first_and_pages_go_on_by_key(desk, shop, monkeypatch):
    monkeypatch.setattr("app.dashboard.shares.rewards.CASES", 2)
    shop.no_fraud()
    shop.rule()
    friends = [shop.friend(shop.referrer) for _ in range(3)]
    shop.earn()

    first = desk.get(f"{REWARDS}/queue?state=pending")
    rest = desk.get(f"{REWARDS}/queue?state=pending&after={rewards()[1].id}")

    def seen(page):
        return [friend for friend in friends if f"brought Member {friend.number[-4:]}" in page.text]

    assert (seen(first), seen(rest)) == (friends[:2], friends[2:])
    assert f"after={rewards()[1].id}" in first.text


def test_a_reward_is_rejected_let_through_after_all_and_taken_back(desk, shop):
    shop.rule()
    shop.friend(shop.referrer)
    shop.earn()
    page, told = f"{REWARDS}/{only_reward().id}", []
    for act, reason in (("reject", "不像真的"), ("approve", "弄错了"), ("claw-back", "退款了")):
        post(desk, f"{page}/{act}", {"reason": reason})
        told.append((only_reward().state, reason in desk.get(page).text))

    assert told == [("rejected", True), ("approved", True), ("clawed_back", True)]
    assert coupons_of(shop.referrer) == ["void"]
    assert differences() == []


def test_rewards_are_listed_by_state_rule_and_member(desk, shop):
    rule = shop.rule(referrer_offer_id=shop.thanks.id, friend_points=20)
    friend = shop.friend(shop.referrer)
    shop.earn()

    def count(query):
        return desk.get(f"{REWARDS}/all?{query}").text.count("<tr><td>")

    assert [count(f"rule={rule.id}"), count("rule=999"), count("state=pending"), count("state=flagged")] == [2, 0, 2, 0]
    assert count(f"member={friend.member_id}") == 1


# --- fraud rules and channels -------------------------------------------------------------------------------------


def fraud_form(**more):
    flags = {f"{rule}_action": "flag" for rule in ("own_device", "device_cluster", "network_cluster", "velocity")}
    flags |= {"closed_loop_action": "flag", "farm_action": "flag", "own_phone_action": "reject"}
    counts = {"device_cluster_threshold": "3", "network_cluster_threshold": "10", "farm_threshold": "10"}
    return flags | counts | {"existing_member_action": "reject", "velocity_threshold": "11"} | more


def test_a_fraud_rule_is_set_and_says_what_it_did(desk, shop):
    flagged(shop)

    saved = post(desk, f"{REWARDS}/fraud", fraud_form(velocity_action="off", farm_threshold="25"))

    kept = {row.rule: (row.action, row.threshold) for row in db.session.scalars(select(FraudSetting))}
    assert saved.status_code == 303
    assert kept == {"velocity": ("off", 11), "farm": ("flag", 25)}
    assert (
        "In the last 30 days: 1 to be looked at, 0 rejected, 0 of them dismissed" in desk.get(f"{REWARDS}/fraud").text
    )


@pytest.mark.parametrize("typed", ["1", "many", "", "10001"])
def test_a_threshold_that_makes_no_sense_stands_at_its_field(desk, typed):
    page = post(desk, f"{REWARDS}/fraud", fraud_form(farm_threshold=typed))

    assert page.status_code == 422
    assert 'id="f-farm_threshold-error"' in page.text
    assert db.session.scalar(select(FraudSetting.rule)) is None


def test_a_channel_is_added_renamed_put_away_and_used_again(desk):
    channels = f"{REWARDS}/channels"
    post(desk, channels, {"name": "桌卡", "name_en": "Table card", "code": "table_card", "is_for_members": "yes"})
    channel = db.session.scalars(select(OwnChannel)).one()
    post(desk, f"{channels}/{channel.id}", {"name": "桌上卡", "name_en": "Card on the table"})
    renamed = desk.get(channels).text
    post(desk, f"{channels}/{channel.id}/archive")
    archived = desk.get(channels).text
    post(desk, f"{channels}/{channel.id}/restore")

    db.session.expire_all()
    assert "Card on the table" in renamed
    assert "Put away</span>" in archived
    assert (channel.name, channel.is_for_members, channel.archived_at) == ("桌上卡", False, None)
    assert f'action="{channels}/{channel.id}"' in desk.get(f"{channels}?change={channel.id}").text


@pytest.mark.parametrize(("code", "says"), [("T!", "small letters"), ("friend", "code")])
def test_a_channel_with_a_wrong_code_keeps_what_was_typed(desk, code, says):
    page = post(desk, f"{REWARDS}/channels", {"name": "桌卡", "code": code})

    assert page.status_code == 422
    assert 'value="桌卡"' in page.text
    assert says in page.text
    assert db.session.scalar(select(OwnChannel.id)) is None


# --- one member ---------------------------------------------------------------------------------------------------


def test_who_brought_a_member_is_corrected_with_a_reason(desk, shop):
    friend, other = shop.friend(shop.referrer), shop.member(NOON - DAY)
    page = f"/dashboard/members/{friend.member_id}/referrer"

    wrong = post(desk, page, {"how": "member", "who": "0000", "reason": "说错了"})
    no_reason = post(desk, page, {"how": "member", "who": other.number, "reason": ""})
    right = post(desk, page, {"how": "member", "who": other.number, "reason": "说错了"})

    assert (wrong.status_code, no_reason.status_code, right.status_code) == (422, 422, 303)
    assert 'value="说错了"' in wrong.text
    assert db.session.scalars(select(Referral.referrer_id)).one() == other.member_id
    assert "Corrected: 1 member moved." in desk.get(right.location).text


def test_a_member_who_came_by_himself_after_all_has_no_referrer(desk, shop):
    friend = shop.friend(shop.referrer)

    post(desk, f"/dashboard/members/{friend.member_id}/referrer", {"how": "alone", "reason": "自己来的"})

    assert db.session.scalar(select(Referral.id)) is None


def test_a_poster_is_printed_by_an_own_channel(desk, shop):
    post(desk, f"{REWARDS}/channels", {"name": "桌卡", "code": "table_card"})
    page = f"/dashboard/members/{shop.referrer.member_id}/poster"

    made = post(desk, page, {"channel": "table_card"})
    picture = desk.get(f"{made.location}.png?download=1")
    unknown = post(desk, page, {"channel": "smoke"})

    link = db.session.scalars(select(ShareLink)).one()
    assert (link.channel, link.occasion, link.member_id) == ("table_card", "staff", shop.referrer.member_id)
    assert desk.get(made.location).status_code == 200
    assert (picture.mimetype, picture.data[:4]) == ("image/png", b"\x89PNG")
    assert unknown.status_code == 422


def test_a_link_of_somebody_else_makes_no_poster(desk, shop):
    shop.share(shop.referrer)
    other, link_id = shop.member(), db.session.scalars(select(ShareLink.id)).one()

    assert desk.get(f"/dashboard/members/{shop.referrer.member_id}/poster/{link_id}").status_code == 200
    assert desk.get(f"/dashboard/members/{other.member_id}/poster/{link_id}").status_code == 404


def test_a_members_page_shows_his_rewards(desk, shop):
    shop.rule()
    shop.friend(shop.referrer)
    shop.earn()

    page = desk.get(f"/dashboard/members/{shop.referrer.member_id}")

    assert f'href="{REWARDS}/{only_reward().id}"' in page.text
    assert "bringing a friend" in page.text
