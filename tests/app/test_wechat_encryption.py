"""WeChat encrypts what it tells (安全模式, 兼容模式): nothing else is taken then, nor what was tampered with."""

import json
from base64 import b64decode, b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.audit import SYSTEM
from core.db import db, transaction
from push.channels.models import WechatUser
from push.channels.wechat_encryption import Unreadable, decrypted, read_keys
from push.channels.wechat_events import is_signed
from push.channels.wechat_users import balances_of, know_user
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import make_member
from tests.push.wechat_server import (
    APPID,
    ENCODING_AES_KEY,
    SECRET,
    TOKEN,
    asked,
    chained,
    envelope,
    filled,
    full_text,
    signature,
)

OLDER_KEY = ENCODING_AES_KEY[::-1]
CODE = "coupon-arrived"
PLAIN = (
    "<FromUserName><![CDATA[o-lin]]></FromUserName><CreateTime>1700000000</CreateTime>"
    "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[{kind}]]></Event>{rest}"
)
ALLOWS = (
    "<SubscribeMsgPopupEvent><List><TemplateId>coupon-arrived</TemplateId>"
    "<SubscribeStatusString>accept</SubscribeStatusString></List></SubscribeMsgPopupEvent>"
)
LEFT = f"<xml>{PLAIN.format(kind='unsubscribe', rest='')}</xml>"
ALLOWED = f"<xml>{PLAIN.format(kind='subscribe_msg_popup_event', rest=ALLOWS)}</xml>"


@pytest.fixture
def lin(app, monkeypatch):
    """A member whom WeChat knows as o-lin, of an account in 安全模式."""
    set_up(app, monkeypatch, wechat_encoding_aes_key=ENCODING_AES_KEY)
    card = make_member(make_store_code(make_store(make_chain())))
    with transaction():
        know_user(card.chain_id, card.member_id, "o-lin", is_following=True, by=SYSTEM, now=NOON)
    return card


def set_up(app, monkeypatch, **settings):
    account = {"wechat_appid": APPID, "wechat_secret": SECRET, "wechat_token": TOKEN}
    changed = replace(app.extensions["settings"], **account | settings)
    monkeypatch.setitem(app.extensions, "settings", changed)


def encrypted(message, *, key=ENCODING_AES_KEY, **faults):
    return chained(filled(full_text(message, **faults)), key)


def call(client, secret, *, query=None, beside=""):
    return client.post("/wechat/events", query_string=query or asked(secret), data=envelope(secret, beside))


def is_following(card):
    db.session.expire_all()
    return db.session.get_one(WechatUser, card.member_id).is_following


def test_what_wechat_encrypts_is_read(client, lin):
    answer = call(client, encrypted(LEFT))

    assert (answer.status_code, answer.text) == (200, "success")
    assert is_following(lin) is False


def test_an_encrypted_allow_counts_once_however_often_it_comes(client, lin):
    secret = encrypted(ALLOWED)
    query = asked(secret)

    for _ in range(2):  # the very same call again, by whoever saw it
        assert call(client, secret, query=query).status_code == 200
    assert call(client, encrypted(ALLOWED)).status_code == 200  # WeChat tells it again: other noise, other signature

    assert balances_of(lin.member_id) == {CODE: 1}


@pytest.mark.parametrize("length", range(32))
def test_messages_of_every_length_are_read(length):
    """PKCS#7 fills to 32 bytes, so half of all messages end in more than the 16 that are usual with AES."""
    message = "券" + "x" * length

    assert decrypted(encrypted(message), read_keys(ENCODING_AES_KEY), APPID).decode() == message


def test_line_breaks_in_what_is_encrypted_do_no_harm(client, lin):
    secret = encrypted(LEFT)

    assert call(client, "\n".join([secret[:76], secret[76:]])).status_code == 200
    assert is_following(lin) is False


def test_the_example_in_wechats_documentation_is_read():
    secret = (
        "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsX"
        "UnnR8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajA"
        "sjLY2km32IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
    )

    assert is_signed("AAAAA", "046e02f8204d34f8ba5fa3b1db94908f3df2e9b3", "1714112445", "415670741", secret)
    told = json.loads(decrypted(secret, read_keys("A" * 43), "wxba5fad812f8e6fb9"))
    assert (told["Event"], told["debug_str"]) == ("debug_demo", "hello world")


def test_the_address_proves_itself_without_encryption(client, lin):
    assert client.get("/wechat/events", query_string=asked() | {"echostr": "42"}).text == "42"
    assert client.get("/wechat/events", query_string=asked(token="another") | {"echostr": "42"}).status_code == 404


def test_while_the_key_is_changed_the_one_before_still_opens(app, client, lin, monkeypatch):
    set_up(app, monkeypatch, wechat_encoding_aes_key=f"{ENCODING_AES_KEY} {OLDER_KEY}")

    assert call(client, encrypted(LEFT, key=OLDER_KEY)).status_code == 200
    assert is_following(lin) is False
    assert call(client, encrypted(ALLOWED)).status_code == 200
    assert balances_of(lin.member_id) == {CODE: 1}


FAULTY = {
    "another key": (lambda: encrypted(LEFT, key=OLDER_KEY), "WECHAT_ENCODING_AES_KEY"),
    "another account": (lambda: encrypted(LEFT, appid="wx-of-somebody"), "WECHAT_APPID"),
    "an account that begins like ours": (lambda: encrypted(LEFT, appid=APPID + "0"), "WECHAT_APPID"),
    "no account": (lambda: encrypted(LEFT, appid=""), "WECHAT_APPID"),
    "a length beyond the end": (lambda: encrypted(LEFT, length=2**32 - 1), "WECHAT_ENCODING_AES_KEY"),
    "a length that ends before the message does": (lambda: encrypted(LEFT, length=9), "WECHAT_APPID"),
    "no length": (lambda: chained(filled(b"only noise")), "WECHAT_ENCODING_AES_KEY"),
    "nothing but filling": (lambda: chained(filled(b"")), "WECHAT_ENCODING_AES_KEY"),
    "filling of nought": (lambda: chained(with_end(b"\0")), "WECHAT_ENCODING_AES_KEY"),
    "filling longer than a block": (lambda: chained(with_end(b"\x21")), "WECHAT_ENCODING_AES_KEY"),
    "filling that does not agree": (lambda: chained(with_end(b"\x01\x02")), "WECHAT_ENCODING_AES_KEY"),
    "half a block cut off": (lambda: cut(encrypted(LEFT), 8), "WECHAT_ENCODING_AES_KEY"),
    "a block cut off": (lambda: cut(encrypted(LEFT), 16), "WECHAT_ENCODING_AES_KEY"),
    "base64 that is cut off": (lambda: encrypted(LEFT)[:-3], "WECHAT_ENCODING_AES_KEY"),
    "no base64": (lambda: "not base64 at all", "WECHAT_ENCODING_AES_KEY"),
    "other letters": (lambda: "密文", "WECHAT_ENCODING_AES_KEY"),
}


def with_end(end):
    """The event, with an end of its own instead of what should fill it up."""
    text = full_text(LEFT)
    return text + b"x" * (-(len(text) + len(end)) % 32) + end


def cut(secret, count):
    return b64encode(b64decode(secret)[:-count]).decode()


@pytest.mark.parametrize("fault", FAULTY)
def test_what_cannot_be_read_is_refused_and_the_log_names_the_setting(client, lin, caplog, fault):
    make, setting = FAULTY[fault]
    secret = make()

    assert call(client, secret).status_code == 404

    assert is_following(lin) is True
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert setting in caplog.text
    assert not any(hidden in caplog.text for hidden in (ENCODING_AES_KEY, TOKEN, SECRET, secret))


@given(st.binary(max_size=200))
def test_whatever_is_encrypted_is_read_or_refused(plain):
    """Also what the right key opens, and holds anything at all."""
    for secret in (b64encode(plain).decode(), chained(filled(plain))):
        with pytest.raises(Unreadable):
            decrypted(secret, read_keys(ENCODING_AES_KEY), APPID)


def test_an_encrypted_call_needs_its_own_signature(client, lin, caplog):
    secret = encrypted(LEFT)
    right = asked(secret)
    others = [
        asked(secret, token="another"),
        asked(secret, age=600),
        right | {"nonce": "415670741"},
        right | {"timestamp": str(int(right["timestamp"]) + 1)},
        right | {"msg_signature": right["signature"]},
        right | {"msg_signature": ""},
        right | {"msg_signature": "签名"},
        {name: said for name, said in right.items() if name != "msg_signature"},
        asked(encrypted(ALLOWED)),
    ]

    assert [call(client, secret, query=query).status_code for query in others] == [404] * len(others)

    assert is_following(lin) is True
    assert caplog.records == []  # strangers fill no log
    assert call(client, secret, query=right).status_code == 200


def test_the_plain_signature_is_not_asked_for_beside_its_own(client, lin):
    secret = encrypted(LEFT)

    assert call(client, secret, query=asked(secret) | {"signature": ""}).status_code == 200


@pytest.mark.parametrize("body", [LEFT, LEFT.replace("</xml>", "<Encrypt></Encrypt></xml>"), '{"Encrypt": "…"}', ""])
def test_where_there_is_a_key_nothing_plain_is_taken(client, lin, caplog, body):
    answer = client.post("/wechat/events", query_string=asked(), data=body.encode())

    assert answer.status_code == 404
    assert is_following(lin) is True
    assert "not encrypted, or not XML" in caplog.text


def test_what_stands_beside_in_plain_is_not_believed(client, lin):
    answer = call(client, encrypted(ALLOWED), beside=PLAIN.format(kind="unsubscribe", rest=""))

    assert answer.status_code == 200
    assert is_following(lin) is True
    assert balances_of(lin.member_id) == {CODE: 1}


def test_without_a_key_an_encrypted_call_is_refused_and_the_log_says_what_to_set(app, client, lin, monkeypatch, caplog):
    set_up(app, monkeypatch, wechat_encoding_aes_key="")

    assert call(client, encrypted(LEFT)).status_code == 404
    assert is_following(lin) is True
    assert "set WECHAT_ENCODING_AES_KEY" in caplog.text

    caplog.clear()
    assert call(client, encrypted(LEFT), query=asked(token="another")).status_code == 404
    assert caplog.records == []


def test_without_a_key_what_stands_beside_in_plain_is_taken(app, client, lin, monkeypatch):
    set_up(app, monkeypatch, wechat_encoding_aes_key="")

    assert call(client, encrypted(LEFT), beside=PLAIN.format(kind="unsubscribe", rest="")).status_code == 200
    assert is_following(lin) is False


def test_an_encrypted_message_that_somebody_wrote_is_answered_and_changes_nothing(client, lin):
    text = "<xml><MsgType>text</MsgType><FromUserName>o-lin</FromUserName><Content>hello</Content></xml>"

    for told in (text, "no xml", "<xml>", '<!DOCTYPE x [<!ENTITY a "aaaa">]><xml>&a;</xml>'):
        assert call(client, encrypted(told)).text == "success"


def test_a_huge_encrypted_call_is_not_read(client, lin):
    secret = encrypted(LEFT + " " * 70_000)

    assert call(client, secret).status_code == 413
    assert is_following(lin) is True


def test_the_signature_is_that_of_wechats_documentation():
    """Of which the test's own WeChat makes its signatures as well."""
    told = ("1714037059", "486452656")

    assert signature(*told, token="AAAAA") == "899cf89e464efb63f54ddac96b0a0a235f53aa78"
    assert is_signed("AAAAA", "899cf89e464efb63f54ddac96b0a0a235f53aa78", *told)
