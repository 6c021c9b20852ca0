"""WeChat, spoken with a server that has its rules: tokens, followers, and one message for each "allow"."""

import asyncio
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from time import sleep

import pytest

from core.audit import SYSTEM
from core.db import db, transaction
from coupons.models import OfferState
from push.audiences.consents import grant
from push.channels import (
    Filled,
    MayHaveGoneError,
    Message,
    NotAllowedError,
    PermanentError,
    RetryError,
    UnansweredError,
)
from push.channels.models import WechatUser
from push.channels.wechat import WechatChannel, fitted
from push.channels.wechat_users import (
    Wanted,
    allow,
    answered,
    balances_of,
    find_user,
    follow,
    forget_user,
    give_back,
    know_user,
    take_allowances,
)
from push.delivering.looping import run_here
from push.errors import CampaignInvalid, WechatUserTaken, WechatUserUnknown
from push.models import PushChannel
from push.wording.vendor_templates import NewTemplate, create_template
from sharing.errors import MemberNotFound
from stores.models import Chain
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_offer, make_store, make_store_code
from tests.push.pushing import deliveries, make_campaign, make_member, outcomes, send, start
from tests.push.wechat_server import APPID, SECRET, wechat

TEMPLATE, SUBSCRIPTION = PushChannel.WECHAT_TEMPLATE, PushChannel.WECHAT_SUBSCRIPTION
CODE = "coupon-arrived"
MESSAGE = Message(
    key="kq-1-7",
    chain="雪山冰品",
    to="o-lin",
    language="zh",
    title="周五冰淇淋",
    body="今天第二份半价。",
    coupon=None,
    url="https://cards.example/wallet/inbox",
    unsubscribe_url="https://cards.example/u/token",
    template=Filled(CODE, {"thing1": "周五冰淇淋", "thing2": "今天第二份半价。"}),
)


@pytest.fixture
def server():
    with wechat() as running:
        running.templates[CODE] = {"thing1", "thing2"}
        running.followers.add("o-lin")
        running.allowed["o-lin", CODE] = 1
        yield running


@pytest.fixture
def channels(server):
    with opened(server) as made:
        yield made


@pytest.fixture
def hasty_channels(server):
    """They wait for no answer for long: only for tests of answers that do not come."""
    with opened(server, timeout=1.0) as made:
        yield made


@contextmanager
def opened(server, **settings):
    made = {kind: WechatChannel(kind, APPID, SECRET, url=server.url, **settings) for kind in (TEMPLATE, SUBSCRIPTION)}
    yield made
    for channel in made.values():
        run_here(channel.close())


def test_a_template_message_reaches_a_follower_with_its_fields(server, channels):
    handed = run_here(channels[TEMPLATE].send(MESSAGE))

    assert handed.ref == "1"
    assert server.shown == [
        {
            "touser": "o-lin",
            "template_id": CODE,
            "url": "https://cards.example/wallet/inbox",
            "client_msg_id": "kq-1-7",
            "data": {"thing1": {"value": "周五冰淇淋"}, "thing2": {"value": "今天第二份半价。"}},
        }
    ]


def test_a_repeat_shows_a_template_message_once(server, channels):
    for _ in range(2):
        run_here(channels[TEMPLATE].send(MESSAGE))

    assert len(server.shown) == 1


def test_a_subscription_message_goes_once_for_each_allow(server, channels):
    run_here(channels[SUBSCRIPTION].send(MESSAGE))

    with pytest.raises(NotAllowedError, match="wechat 43101"):
        run_here(channels[SUBSCRIPTION].send(MESSAGE))
    assert [shown["page"] for shown in server.shown] == ["https://cards.example/wallet/inbox"]


def test_one_token_serves_many_messages(server, channels):
    async def many():
        await asyncio.gather(*(channels[TEMPLATE].send(MESSAGE) for _ in range(20)))

    run_here(many())

    assert server.tokens == [False]


def test_a_token_that_ended_is_replaced_by_the_one_that_is_valid_and_nothing_is_lost(server, channels):
    run_here(channels[TEMPLATE].send(MESSAGE))
    server.end_token()

    run_here(channels[TEMPLATE].send(MESSAGE))

    assert server.tokens == [False, False]


def test_a_token_that_wechat_gives_and_refuses_is_made_anew_by_force_once(server, channels):
    refused = []

    def answer(path, body):
        if path.endswith("stable_token") or len(refused) >= 1:
            return {}
        refused.append(body)
        return {"errcode": 42001, "errmsg": "access_token expired"}

    server.answer = answer

    run_here(channels[TEMPLATE].send(MESSAGE))

    assert server.tokens == [False, False, True]
    assert len(server.shown) == 1


def test_many_messages_that_meet_a_bad_token_force_one_new_one(server, channels):
    bad = set()

    def answer(path, body):
        if path.endswith("stable_token") or True in server.tokens:
            return {}
        bad.add(body["client_msg_id"])
        return {"errcode": 40001, "errmsg": "invalid credential"}

    server.answer = answer

    async def many():
        messages = [Message(**(MESSAGE.__dict__ | {"key": f"kq-1-{n}"})) for n in range(10)]
        await asyncio.gather(*(channels[TEMPLATE].send(message) for message in messages))

    run_here(many())

    assert server.tokens.count(True) == 1
    assert len(server.shown) == 10


def test_a_token_that_is_refused_again_is_not_forced_over_and_over(server, channels):
    server.answer = lambda path, _body: {} if path.endswith("stable_token") else {"errcode": 40001}

    for _ in range(3):
        with pytest.raises(RetryError):
            run_here(channels[TEMPLATE].send(MESSAGE))

    assert server.tokens.count(True) == 1


def test_a_wrong_secret_is_our_fault_and_tried_again(server):
    wrong = WechatChannel(TEMPLATE, APPID, "another", url=server.url)

    with pytest.raises(RetryError, match="wechat token 40125"):
        run_here(wrong.send(MESSAGE))

    run_here(wrong.close())


@pytest.mark.parametrize(
    ("code", "error", "is_dead"),
    [(40003, PermanentError, True), (43004, PermanentError, True), (40037, PermanentError, False),
     (47003, PermanentError, False), (41030, PermanentError, False), (-1, RetryError, None), (45009, RetryError, None),
     (48001, RetryError, None), (40164, RetryError, None)],
)  # fmt: skip
def test_the_code_decides_what_becomes_of_the_message(server, channels, code, error, is_dead):
    server.answer = lambda path, _body: {} if path.endswith("stable_token") else {"errcode": code, "errmsg": "…"}

    with pytest.raises(error, match=f"wechat {code}") as refusal:
        run_here(channels[TEMPLATE].send(MESSAGE))

    assert getattr(refusal.value, "address_is_dead", None) is is_dead


@pytest.mark.parametrize(("given", "kept"), [(7, "7"), ("m-7", "m-7"), ("9" * 101, None), ("a\0b", None), ([], "[]")])
def test_a_name_for_the_message_that_no_row_can_hold_is_left_out(server, channels, given, kept):
    server.answer = lambda path, _body: {} if path.endswith("stable_token") else {"errcode": 0, "msgid": given}

    assert run_here(channels[TEMPLATE].send(MESSAGE)).ref == kept


def test_a_used_up_quota_waits_an_hour(server, channels):
    server.answer = lambda path, _body: {} if path.endswith("stable_token") else {"errcode": 45009}

    with pytest.raises(RetryError) as busy:
        run_here(channels[TEMPLATE].send(MESSAGE))

    assert busy.value.after == timedelta(hours=1)


@pytest.mark.parametrize("fault", ["hangs", "breaks", "talks nonsense", "is down"])
def test_a_template_message_without_an_answer_is_tried_again(server, hasty_channels, fault):
    server.answer = faulty(fault)

    with pytest.raises(RetryError):
        run_here(hasty_channels[TEMPLATE].send(MESSAGE))


@pytest.mark.parametrize("fault", ["hangs", "breaks", "talks nonsense"])
def test_a_subscription_message_without_an_answer_is_not_sent_twice(server, hasty_channels, fault):
    server.answer = faulty(fault)

    with pytest.raises(MayHaveGoneError):
        run_here(hasty_channels[SUBSCRIPTION].send(MESSAGE))


def test_no_token_in_time_means_that_nothing_went(server, channels):
    server.answer = lambda path, _body: None if path.endswith("stable_token") else {}

    with pytest.raises(RetryError) as problem:
        run_here(channels[SUBSCRIPTION].send(MESSAGE))

    assert not isinstance(problem.value, UnansweredError)


def faulty(fault):
    def answer(path, _body):
        if path.endswith("stable_token"):
            return {}
        if fault == "hangs":
            sleep(2)
        return {"hangs": {}, "breaks": None, "talks nonsense": {"errcode": "?"}, "is down": 503}[fault]

    return answer


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("thing1", "一二三四五六七八九十一二三四五六七八九十多", "一二三四五六七八九十一二三四五六七八九…"),
        ("thing1", "两行\n字", "两行 字"),
        ("thing1", "", "-"),
        ("number3", "1,234", "1234"),
        ("phrase2", "已经放进您的卡包", "已经放进…"),
        ("time4", "2026年11月22日 12:00", "2026年11月22日 12:00"),
        ("keyword1", "很长的文字" * 20, "很长的文字" * 20),
        ("short_thing5", "一二三四五六", "一二三四…"),
    ],
)
def test_a_field_is_fitted_to_what_wechat_takes(name, text, said):
    assert fitted(name, text) == said


# --- members in WeChat ----------------------------------------------------------------------------------------------


@pytest.fixture
def code(app):
    return make_store_code(make_store(make_chain()))


def known(code, openid, *, allows=0, is_following=True):
    """A member whom WeChat knows, and who agrees to both of its channels."""
    card = make_member(code)
    with transaction():
        know_user(card.chain_id, card.member_id, openid, is_following=is_following, by=SYSTEM, now=NOON)
        for channel in (TEMPLATE, SUBSCRIPTION):
            grant(card.member_id, channel, "test", NOON)
        if allows:
            allow(card.chain_id, card.member_id, CODE, allows, now=NOON)
    return card


def wechat_campaign(chain_id, *channels, **more):
    with transaction():
        for channel in channels:
            fields = {"thing1": "{title}", "thing2": "{body}"}
            create_template(chain_id, NewTemplate(channel, CODE, "券到账", "zh", fields), by=SYSTEM, now=NOON)
    texts = {"A": {str(channel): {"zh": {"template": CODE}} for channel in channels}}
    return make_campaign(db.session.get_one(Chain, chain_id), *channels, texts=texts, **more)


def test_a_campaign_reaches_followers_with_their_own_words(code, server, channels):
    lin, wang = known(code, "o-lin"), known(code, "o-wang", is_following=False)
    make_member(code)
    start(wechat_campaign(lin.chain_id, TEMPLATE, title="{name}您好"))

    send(TEMPLATE, channels[TEMPLATE])

    assert outcomes() == Counter({(TEMPLATE, "sent", None): 1, (TEMPLATE, "skipped", "no_address"): 2})
    assert [shown["touser"] for shown in server.shown] == ["o-lin"]
    assert server.shown[0]["data"]["thing2"] == {"value": "今天第二份半价。"}
    assert {row.provider_ref for row in deliveries() if row.member_id == lin.member_id} == {"1"}
    assert wang.member_id != lin.member_id


def test_who_left_the_account_is_noted_and_comes_back_by_following_again(code, server, channels):
    gone = known(code, "o-gone")
    start(wechat_campaign(gone.chain_id, TEMPLATE))

    send(TEMPLATE, channels[TEMPLATE])

    assert outcomes() == Counter({(TEMPLATE, "failed", None): 1})
    assert find_user(gone.chain_id, gone.member_id).is_following is False
    with transaction():
        assert follow("o-gone", is_following=True, now=NOON) == 1
        assert follow("o-gone", is_following=True, now=NOON) == 0
    assert find_user(gone.chain_id, gone.member_id).is_following is True


def test_a_subscription_message_uses_one_allow_up(code, server, channels):
    lin = known(code, "o-lin", allows=2)
    known(code, "o-none")
    start(wechat_campaign(lin.chain_id, SUBSCRIPTION))

    send(SUBSCRIPTION, channels[SUBSCRIPTION])

    assert outcomes() == Counter({(SUBSCRIPTION, "sent", None): 1, (SUBSCRIPTION, "skipped", "no_address"): 1})
    assert balances_of(lin.member_id) == {CODE: 1}


def test_a_message_that_did_not_go_gives_its_allow_back_and_takes_it_again(code, server, channels):
    lin = known(code, "o-lin", allows=1)
    start(wechat_campaign(lin.chain_id, SUBSCRIPTION))
    server.answer = lambda path, _body: {} if path.endswith("stable_token") else {"errcode": -1}

    send(SUBSCRIPTION, channels[SUBSCRIPTION])
    assert balances_of(lin.member_id) == {CODE: 1}

    server.answer = lambda _path, _body: {}
    send(SUBSCRIPTION, channels[SUBSCRIPTION], now=NOON + timedelta(minutes=5))
    assert balances_of(lin.member_id) == {}
    assert outcomes() == Counter({(SUBSCRIPTION, "sent", None): 1})


def test_a_message_whose_coupon_is_not_to_be_had_gives_its_allow_back(code, server, channels):
    lin = known(code, "o-lin", allows=1)
    offer = make_offer(db.session.get_one(Chain, lin.chain_id))
    start(wechat_campaign(lin.chain_id, SUBSCRIPTION, offer_id=offer.id))
    with transaction():
        db.session.merge(offer).state = OfferState.PAUSED

    send(SUBSCRIPTION, channels[SUBSCRIPTION])

    assert (outcomes(), server.shown) == (Counter({(SUBSCRIPTION, "failed", None): 1}), [])
    assert balances_of(lin.member_id) == {CODE: 1}


def test_what_may_have_gone_keeps_its_allow_and_is_not_repeated(code, server, channels):
    lin = known(code, "o-lin", allows=2)
    start(wechat_campaign(lin.chain_id, SUBSCRIPTION))
    server.answer = lambda path, _body: {} if path.endswith("stable_token") else None

    send(SUBSCRIPTION, channels[SUBSCRIPTION])

    assert outcomes() == Counter({(SUBSCRIPTION, "failed", None): 1})
    assert balances_of(lin.member_id) == {CODE: 1}


def test_what_wechat_does_not_know_of_is_no_balance_any_more(code, server, channels):
    lin = known(code, "o-lin", allows=5)
    server.allowed.clear()
    start(wechat_campaign(lin.chain_id, SUBSCRIPTION))

    send(SUBSCRIPTION, channels[SUBSCRIPTION])

    assert outcomes() == Counter({(SUBSCRIPTION, "failed", None): 1})
    assert balances_of(lin.member_id) == {}


def test_a_message_that_cannot_go_by_wechat_goes_by_the_next_channel(code, server, channels):
    lin = known(code, "o-lin", allows=1)
    server.allowed.clear()
    start(wechat_campaign(lin.chain_id, SUBSCRIPTION, TEMPLATE, channel_mode="first"))

    send(SUBSCRIPTION, channels[SUBSCRIPTION])
    send(TEMPLATE, channels[TEMPLATE])

    assert outcomes() == Counter({(SUBSCRIPTION, "failed", None): 1, (TEMPLATE, "sent", None): 1})


def test_a_campaign_over_wechat_needs_a_template_that_is_there(code):
    chain = db.session.get_one(Chain, code.chain_id)

    with pytest.raises(CampaignInvalid, match="template"):
        make_campaign(chain, TEMPLATE)
    with pytest.raises(CampaignInvalid, match="template"):
        make_campaign(chain, TEMPLATE, texts={"A": {"wechat_template": {"zh": {"template": "unheard of"}}}})


@pytest.mark.slow
def test_eight_workers_take_what_a_member_allows_and_not_one_more(app, code):
    lin = known(code, "o-lin", allows=3)

    def take(n):
        with transaction():
            return len(take_allowances([Wanted(n, lin.member_id, CODE)], now=NOON))

    taken = race(app, take, racers=8)

    assert sum(taken) == 3
    assert balances_of(lin.member_id) == {}


def test_of_several_messages_to_a_member_the_first_ones_get_what_there_is(code):
    lin, wang = known(code, "o-lin", allows=2), known(code, "o-wang", allows=1)

    with transaction():
        wanted = [Wanted(1, lin.member_id, CODE), Wanted(2, lin.member_id, CODE), Wanted(3, lin.member_id, CODE)]
        got = take_allowances([*wanted, Wanted(4, wang.member_id, CODE), Wanted(5, wang.member_id, "other")], now=NOON)
        give_back(wang.member_id, CODE, now=NOON)

    assert got == {1, 2, 4}
    assert (balances_of(lin.member_id), balances_of(wang.member_id)) == ({}, {CODE: 1})


def test_another_openid_brings_no_allows_along_and_none_is_two_members(code):
    lin, wang = known(code, "o-lin", allows=2), known(code, "o-wang")

    with pytest.raises(WechatUserTaken), transaction():
        know_user(wang.chain_id, wang.member_id, "o-lin", is_following=True, by=SYSTEM, now=NOON)
    with transaction():
        know_user(lin.chain_id, lin.member_id, "o-new", is_following=False, by=SYSTEM, now=NOON)

    assert find_user(lin.chain_id, lin.member_id).openid == "o-new"
    assert balances_of(lin.member_id) == {}


def test_wechats_own_word_counts_as_an_allow_or_ends_them(code):
    lin = known(code, "o-lin")

    with transaction():
        assert answered("o-lin", CODE, is_allowed=True, now=NOON) == 1
        answered("o-lin", CODE, is_allowed=True, now=NOON)
        assert answered("o-nobody", CODE, is_allowed=True, now=NOON) == 0
    assert balances_of(lin.member_id) == {CODE: 2}
    with transaction():
        answered("o-lin", CODE, is_allowed=False, now=NOON)
    assert balances_of(lin.member_id) == {}


def test_who_is_not_known_in_wechat_allows_nothing_and_strangers_are_not_found(code):
    plain, lin = make_member(code), known(code, "o-lin", allows=1)
    other = make_chain(slug="other")

    with pytest.raises(WechatUserUnknown), transaction():
        allow(plain.chain_id, plain.member_id, CODE, 1, now=NOON)
    with pytest.raises(MemberNotFound):
        find_user(other.id, lin.member_id)
    with transaction():
        forget_user(lin.chain_id, lin.member_id, by=SYSTEM, now=NOON)
        forget_user(lin.chain_id, lin.member_id, by=SYSTEM, now=NOON)
    assert db.session.scalars(db.select(WechatUser)).all() == []
    assert balances_of(lin.member_id) == {}
