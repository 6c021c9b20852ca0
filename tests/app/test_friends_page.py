"""A member's own small tree: whom he brought, how many they brought, what it gave him."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from app.wallet.friends import PAGE
from cards.models import Card, Member
from core.clock import utc_now
from core.db import db, transaction
from sharing import channels
from sharing.reward_models import Reward
from tests.app.wallet_steps import come, link_of, take
from tests.sharing.rewards import HQ, Rewarding, only_reward

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def shop():
    return Rewarding()


@pytest.fixture
def me(client, shop):
    return take(client, shop.code)


def look(client, card: Card, language: str = "zh", **asked: int) -> str:
    answer = client.get(f"/wallet/cards/{card.id}/friends", query_string={"lang": language} | asked)
    assert answer.status_code == 200, answer.status
    return answer.text


def name(card: Card, words: str) -> None:
    with transaction():
        db.session.execute(update(Member).where(Member.id == card.member_id).values(name=words))


def test_an_empty_page_teaches_how_it_begins(client, shop, me):
    shop.rule(referrer_points=50)

    page = look(client, me)

    assert "带一位朋友来" in page
    assert "每有一位朋友领卡，您得50积分" in page
    assert "发给朋友" in page


def test_the_sentence_counts_mine_and_theirs(client, shop, me):
    first = shop.friend(me, now=utc_now())
    one = (look(client, me), look(client, me, "en"))
    shop.friend(shop.friend(first, now=utc_now()), now=utc_now())
    one_brought = look(client, me, "en")
    shop.friend(me, now=utc_now())

    assert "您带来了 1 位朋友" in one[0]
    assert "You brought 1 friend<" in one[1]
    assert "You brought 1 friend, who brought 2 more" in one_brought
    assert "您带来了 2 位朋友，他们又带来 2 位" in look(client, me)
    assert "You brought 2 friends, they brought 2" in look(client, me, "en")
    assert "第 3 层朋友" in look(client, me)


def test_friends_are_masked_and_those_further_down_have_no_names(client, shop, me):
    friend = shop.friend(me, now=utc_now())
    grandchild = shop.friend(friend, now=utc_now())
    name(friend, "周大海")
    name(grandchild, "林小雪")
    shop.settle(friend, now=utc_now())

    page = look(client, me)

    assert "周**" in page
    assert "周大海" not in page
    assert "林" not in page
    assert "已消费" in page
    assert "群" in page
    assert "朋友的朋友" in page


def test_a_channel_of_the_chains_own_is_called_as_the_chain_calls_it(client, shop, me):
    with transaction():
        words = {"name": "桌卡", "name_en": "Table card"}
        channels.add_channel(shop.chain.id, "table-card", **words, is_for_members=True, by=HQ, now=utc_now())
    shop.friend(link_of(me, "table-card").token, now=utc_now())

    assert "桌卡" in look(client, me)
    assert "Table card" in look(client, me, "en")


def test_a_reward_is_on_its_way_until_a_day_then_given(client, shop, me):
    now = utc_now()
    shop.rule(now=now - timedelta(hours=1), referrer_points=50)
    shop.friend(me, now=now)
    shop.earn(now)
    waiting = look(client, me)
    shop.give(now + timedelta(days=1, minutes=1))

    assert "50积分" in waiting
    assert "待到账" in waiting
    assert "预计" in waiting
    assert "已到账" in look(client, me)
    assert "given" in look(client, me, "en")


@pytest.mark.parametrize(
    ("state", "reason", "words", "note"),
    [
        ("rejected", "own_phone", "未发放", "不符合活动条件"),
        ("rejected", "cap", "未发放", "已到可得的上限"),
        ("rejected", "budget", "未发放", "活动奖励已发完"),
        ("rejected", "refunded", "未发放", "这笔消费后来退款了"),
        ("rejected", "person", "未发放", "不符合活动条件"),
        ("flagged", "velocity", "核对中", "门店正在核对"),
        ("clawed_back", "voided", "已收回", "这笔消费后来撤销了"),
    ],
)
def test_why_a_reward_was_not_given_is_said_without_telling_the_rules(client, shop, me, state, reason, words, note):
    now = utc_now()
    shop.rule(now=now - timedelta(hours=1), referrer_points=50)
    shop.friend(me, now=now)
    shop.earn(now)
    reward = only_reward()
    with transaction():
        row = db.session.get_one(Reward, reward.id)
        row.state, row.reason, row.committed_cents = state, reason, 0
        if state != "flagged":
            row.decided_at, row.decided_by = now, "system"

    page = look(client, me)

    assert words in page
    assert note in page
    for told in ("own_phone", "velocity", "手机", "设备"):
        assert told not in page


def test_the_friend_sees_his_own_reward_too(app, shop, me):
    now = utc_now()
    shop.rule(now=now - timedelta(hours=1), friend_points=20, hold_days=0)
    client = app.test_client()
    link = link_of(me)
    friend = come(client, link.token)
    shop.tick(utc_now())

    page = look(client, friend)
    assert "20积分" in page
    assert "因为您通过朋友领卡" in page
    assert "已到账" in page


def test_many_friends_come_in_pages(client, shop, me):
    shop.no_fraud()
    for number in range(PAGE + 2):
        name(shop.friend(me, now=utc_now()), f"友{number:02d}")

    first = look(client, me)

    assert first.count("友***") + first.count("友**") >= PAGE
    assert "更早的朋友" in first
    further = first.partition("friends=")[2].partition('"')[0]
    assert "更早的朋友" not in look(client, me, friends=int(further))


def test_friends_of_another_wallet_are_not_there(app, shop, me):
    stranger = app.test_client()
    take(stranger, shop.code)

    assert stranger.get(f"/wallet/cards/{me.id}/friends").status_code == 404
