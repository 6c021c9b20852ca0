"""How far a run came, how fast it goes, when it is through; and what went wrong."""

from datetime import timedelta

import pytest

from core.db import db, transaction
from push import runs
from push.models import Delivery, DeliveryState, SkipReason
from push.progress import UNEXPLAINED, explain, is_stuck, progress_of, troubles_of
from stores.models import Chain
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import deliveries, make_campaign, make_member, start

pytestmark = pytest.mark.usefixtures("app")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def run():
    """Twelve messages by e-mail that are due."""
    code = make_store_code(make_store(make_chain()))
    card = None
    for n in range(12):
        card = make_member(code, email=f"m{n}@example.com")
    campaign = make_campaign(db.session.get_one(Chain, card.chain_id), "email")
    return start(campaign)


def put(run, first, count, **values):
    with transaction():
        for row in deliveries()[first : first + count]:
            for name, value in values.items():
                setattr(db.session.get_one(Delivery, row.id), name, value)


def sent(run, first, count, at):
    put(run, first, count, state=DeliveryState.SENT, sent_at=at)


def test_the_pace_is_that_of_the_last_minute(run):
    sent(run, 0, 3, NOON + 10 * SECOND)
    sent(run, 3, 2, NOON + 100 * SECOND)

    progress = progress_of(run, now=NOON + 120 * SECOND)

    assert (progress.sums.audience, progress.waiting, progress.last_minute) == (12, 7, 2)


def test_it_is_through_when_the_rest_has_gone_at_that_pace(run):
    sent(run, 0, 4, NOON + 100 * SECOND)

    progress = progress_of(run, now=NOON + 120 * SECOND)

    assert progress.through_at() == NOON + 120 * SECOND + 2 * MINUTE


def test_a_run_that_began_just_now_goes_as_fast_as_it_began(run):
    sent(run, 0, 6, NOON + 5 * SECOND)

    assert progress_of(run, now=NOON + 6 * SECOND).through_at() == NOON + 12 * SECOND


def test_what_waits_for_the_morning_says_when(run):
    sent(run, 0, 4, NOON)
    put(run, 4, 8, due_at=NOON + 9 * HOUR)

    progress = progress_of(run, now=NOON + 5 * MINUTE)

    assert (progress.later, progress.next_at) == (8, NOON + 9 * HOUR)
    assert progress.through_at() == NOON + 9 * HOUR
    assert not is_stuck(run, progress)


def test_where_nothing_moves_nobody_guesses(run):
    progress = progress_of(run, now=NOON + 5 * MINUTE)

    assert progress.through_at() is None
    assert is_stuck(run, progress)


def test_a_run_that_is_over_waits_for_nothing(run):
    sent(run, 0, 12, NOON)

    progress = progress_of(run, now=NOON + HOUR)

    assert (progress.waiting, progress.next_at, progress.through_at()) == (0, None, None)


def test_the_sums_are_the_rows(run):
    sent(run, 0, 4, NOON)
    put(run, 4, 3, state=DeliveryState.SKIPPED, reason=SkipReason.CAPPED)
    put(run, 7, 2, state=DeliveryState.FAILED, error="smtp 550")

    sums = progress_of(run, now=NOON).sums

    assert sum(sums.states.values()) == sums.audience == 12
    assert (sums.states["sent"], sums.reasons, sums.states["failed"]) == (4, {"capped": 3}, 2)


def test_errors_are_grouped_with_what_becomes_of_them(run):
    put(run, 0, 3, state=DeliveryState.FAILED, error="smtp 550")
    put(run, 3, 2, error="smtp 421", due_at=NOON + HOUR)
    put(run, 5, 1, state=DeliveryState.FAILED, error="smtp 421")
    sent(run, 6, 4, NOON)

    first, second = troubles_of(run.id)

    assert {(each.error, each.failed, each.again) for each in (first, second)} == {
        ("smtp 550", 3, 0),
        ("smtp 421", 1, 2),
    }
    again = first if first.again else second
    assert again.next_at == NOON + HOUR


@pytest.mark.parametrize(
    ("error", "zh"),
    [
        ("smtp 550", "对方邮箱拒收"),
        ("smtp 554", "对方邮件服务器拒收我们的邮件"),
        ("smtp 421", "邮件服务器暂时不收"),
        ("smtp 535", "服务商不认我们的账号"),
        ("gateway 503", "服务商那边出错"),
        ("gateway 429", "服务商嫌太快"),
        ("gateway 422", "服务商不接受这条消息"),
        ("gateway: ConnectError", "连不上服务商"),
        ("gateway: ClientConnectorError", "连不上服务商"),
        ("gateway: ConnectionTimeoutError", "连不上服务商"),
        ("gateway: ServerTimeoutError", "没有回应，可能已收到"),
        ("gateway: ServerDisconnectedError", "没有回应，可能已收到"),
        ("gateway 410", "号码不存在或已停用"),
        ("web push 410", "浏览器已取消通知"),
        ("web push: gone", "浏览器已取消通知"),
        ("web push 503", "服务商那边出错"),
        ("wechat 43101", "对方没有关注或没有允许"),
        ("wechat: no template", "缺少可用的模板"),
        ("wechat token 40013", "服务商不认我们的账号"),
        ("bounced 5.1.1", "对方邮箱退信"),
        ("not an address", "地址不能用"),
        ("card_not_in_scope", "券不适用于会员的卡或等级"),
        ("phone_needed", "会员还没有验证手机号，领不到券"),
        ("offer_phone_limit_reached", "这个手机号已经领过这张券"),
        ("offer_day_limit_reached", "今天的券已经发完"),
        ("offer_not_running", "要送的券现在领不了"),
        ("offer_sold_out", "要送的券已经没有了"),
        ("offer_budget_spent", "要送的券已经没有了"),
        ("internal: KeyError", "系统内部出错，请看日志"),
    ],
)
def test_machines_words_are_said_in_plain_ones(error, zh):
    assert explain(error).zh == zh
    assert explain(error).en


def test_what_nobody_knows_is_said_so():
    assert explain("???") == UNEXPLAINED


def test_the_states_of_many_runs_are_those_of_their_sums(run):
    sent(run, 0, 3, NOON)
    put(run, 3, 2, state=DeliveryState.SKIPPED, reason=SkipReason.CAPPED)
    other = start(make_campaign(db.session.get_one(Chain, run.chain_id), "inbox"))

    states, sums = runs.count_states([run.id, other.id]), runs.count_sums([run.id, other.id])
    assert {each: (found.audience, found.states) for each, found in states.items()} == {
        each: (found.audience, found.states) for each, found in sums.items()
    }
    assert (states[run.id].states["sent"], states[run.id].states["skipped"], states[other.id].audience) == (3, 2, 12)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # which says so
def test_the_states_of_large_runs_are_counted_from_an_index_alone(database, run, count_queries):
    runs.count_states([run.id])
    with db.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {count_queries[-1]}", ("[1]",)).all()

    assert any("deliveries USING COVERING INDEX" in row[3] for row in plan), plan
