"""WeChat calls us: signed by the token, again when we are slow, about followers, allows and messages."""

import hashlib
import time
from dataclasses import replace

import pytest

from core.audit import SYSTEM
from core.db import db, transaction
from push.audiences.consents import grant
from push.channels.models import WechatUser
from push.channels.wechat_users import allow, balances_of, know_user
from push.models import Delivery, PushChannel
from push.wording.vendor_templates import NewTemplate, create_template
from stores.models import Chain
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.memory import MemoryChannel
from tests.push.pushing import deliveries, make_campaign, make_member, outcomes, send, start

TOKEN = "typed into the account's settings"
CODE = "coupon-arrived"
EVENT = (
    "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><FromUserName><![CDATA[o-lin]]></FromUserName>"
    "<CreateTime>{time}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{kind}]]></Event>{rest}</xml>"
)
LIST = "<TemplateId><![CDATA[{code}]]></TemplateId>{rest}"


@pytest.fixture
def lin(app, monkeypatch):
    """A member whom WeChat knows as o-lin."""
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], wechat_token=TOKEN))
    card = make_member(make_store_code(make_store(make_chain())))
    with transaction():
        know_user(card.chain_id, card.member_id, "o-lin", is_following=True, by=SYSTEM, now=NOON)
        for channel in (PushChannel.WECHAT_TEMPLATE, PushChannel.WECHAT_SUBSCRIPTION):
            grant(card.member_id, channel, "test", NOON)
    return card


def signed(*, token=TOKEN, age=0):
    stamp, nonce = str(int(time.time()) - age), "n1"
    told = "".join(sorted((token, stamp, nonce)))
    return {"signature": hashlib.sha1(told.encode()).hexdigest(), "timestamp": stamp, "nonce": nonce}


def tell(client, kind, rest="", *, at="1700000000", **signing):
    body = EVENT.format(kind=kind, rest=rest, time=at)
    return client.post("/wechat/events", query_string=signed(**signing), data=body, content_type="text/xml")


def tapped(word, code=CODE):
    return f"<List>{LIST.format(code=code, rest=f'<SubscribeStatusString>{word}</SubscribeStatusString>')}</List>"


def test_the_address_proves_itself_to_whoever_knows_the_token(client, lin):
    assert client.get("/wechat/events", query_string=signed() | {"echostr": "42"}).text == "42"
    assert client.get("/wechat/events", query_string=signed(token="another") | {"echostr": "42"}).status_code == 404
    assert client.get("/wechat/events", query_string=signed(age=600) | {"echostr": "42"}).status_code == 404
    assert client.get("/wechat/events").status_code == 404


def test_without_a_token_there_is_nothing_there(app, client):
    assert client.get("/wechat/events", query_string=signed(token="")).status_code == 404


def test_who_leaves_the_account_and_comes_back_is_noted(client, lin):
    for kind, is_following in (("unsubscribe", False), ("subscribe", True)):
        assert tell(client, kind).text == "success"
        db.session.expire_all()
        assert db.session.get_one(WechatUser, lin.member_id).is_following is is_following


def test_an_allow_counts_once_however_often_wechat_tells_it(client, lin):
    allows = f"<SubscribeMsgPopupEvent>{tapped('accept')}{tapped('reject', 'other')}</SubscribeMsgPopupEvent>"

    for _ in range(3):
        assert tell(client, "subscribe_msg_popup_event", allows).status_code == 200
    assert balances_of(lin.member_id) == {CODE: 1}

    tell(client, "subscribe_msg_popup_event", allows, at="1700000009")
    assert balances_of(lin.member_id) == {CODE: 2}


def test_who_refuses_a_template_from_now_on_allows_none(client, lin):
    with transaction():
        allow(lin.chain_id, lin.member_id, CODE, 3, now=NOON)

    tell(client, "subscribe_msg_change_event", f"<SubscribeMsgChangeEvent>{tapped('reject')}</SubscribeMsgChangeEvent>")

    assert balances_of(lin.member_id) == {}


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("success", "delivered"), ("failed:user block", "failed"), ("failed: system failed", "failed")],
)
def test_wechat_says_what_became_of_a_template_message(client, lin, status, outcome):
    sent_with(lin, PushChannel.WECHAT_TEMPLATE, ref="77")

    tell(client, "TEMPLATESENDJOBFINISH", f"<MsgID>77</MsgID><Status><![CDATA[{status}]]></Status>")

    assert [row.state for row in deliveries()] == [outcome]


@pytest.mark.parametrize(("code", "outcome"), [("0", "delivered"), ("43101", "failed")])
def test_wechat_says_what_became_of_a_subscription_message(client, lin, code, outcome):
    with transaction():
        allow(lin.chain_id, lin.member_id, CODE, 1, now=NOON)
    sent_with(lin, PushChannel.WECHAT_SUBSCRIPTION, ref="78")
    said = f"<MsgID>78</MsgID><ErrorCode>{code}</ErrorCode><ErrorStatus>…</ErrorStatus>"

    rest = f"<SubscribeMsgSentEvent><List>{LIST.format(code=CODE, rest=said)}</List></SubscribeMsgSentEvent>"
    tell(client, "subscribe_msg_sent_event", rest)

    assert [row.state for row in deliveries()] == [outcome]


def sent_with(card, channel, *, ref):
    """A campaign that went out to the member, and what WeChat calls the message."""
    with transaction():
        create_template(
            card.chain_id, NewTemplate(channel, CODE, "券", "zh", {"thing1": "{title}"}), by=SYSTEM, now=NOON
        )
    texts = {"A": {str(channel): {"zh": {"template": CODE}}}}
    start(make_campaign(db.session.get_one(Chain, card.chain_id), channel, texts=texts))
    send(channel, MemoryChannel())
    assert sum(outcomes().values()) == 1
    with transaction():
        db.session.execute(db.update(Delivery).values(provider_ref=ref))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml>",
        b"no xml",
        b"<xml><MsgType>text</MsgType><FromUserName>o-lin</FromUserName><Content>hello</Content></xml>",
        b"<xml><MsgType>event</MsgType><Event>LOCATION</Event><FromUserName>o-lin</FromUserName></xml>",
        b"<xml><MsgType>event</MsgType><Event>subscribe</Event></xml>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa">]><xml><MsgType>event</MsgType><FromUserName>&a;</FromUserName></xml>',
        b"\xff\xfe\x00",
    ],
)
def test_what_is_of_no_interest_is_answered_and_changes_nothing(client, lin, body):
    answer = client.post("/wechat/events", query_string=signed(), data=body, content_type="text/xml")

    assert (answer.status_code, answer.text) == (200, "success")
    assert balances_of(lin.member_id) == {}


def test_a_call_too_large_is_not_read(client, lin):
    body = b"<xml>" + b" " * 70_000 + b"</xml>"

    assert client.post("/wechat/events", query_string=signed(), data=body, content_type="text/xml").status_code == 413


def test_an_event_that_nobody_signed_changes_nothing(client, lin):
    assert tell(client, "unsubscribe", token="another").status_code == 404
    assert db.session.get_one(WechatUser, lin.member_id).is_following is True
