"""E-mail, spoken with a real SMTP server."""

import socket
from dataclasses import replace
from email.utils import getaddresses

import pytest

from push.channels import Message, PermanentError, RetryError
from push.channels.email import EmailChannel, compose
from push.delivering.looping import run_here
from tests.push.servers import mail_server

MESSAGE = Message(
    key="kq-1-7",
    chain="雪山冰品",
    to="lin@example.com",
    language="zh",
    title="周五冰淇淋 <b>",
    body="今天第二份半价。\n晚上见 & 玩得开心",
    coupon="满30减5",
    url="https://cards.example/wallet/inbox",
    unsubscribe_url="https://cards.example/u/token",
)


def with_to(address):
    return Message(**(MESSAGE.__dict__ | {"to": address}))


@pytest.fixture
def server():
    with mail_server() as (handler, url):
        channel = EmailChannel(url, "cards@snowpeak.example")
        yield handler, channel
        run_here(channel.close())


def test_a_mail_arrives_with_its_text_in_both_forms(server):
    handler, channel = server

    run_here(channel.send(MESSAGE))

    (mail,) = handler.mails
    assert (mail["Subject"], mail["To"]) == ("周五冰淇淋 <b>", "lin@example.com")
    assert getaddresses([mail["From"]]) == [("雪山冰品", "cards@snowpeak.example")]
    text = mail.get_body(("plain",)).get_content()
    assert all(part in text for part in ("今天第二份半价。", "满30减5", MESSAGE.url, MESSAGE.unsubscribe_url))
    html = mail.get_body(("html",)).get_content()
    assert all(part in html for part in ("&lt;b&gt;", "玩得开心", "&amp;", MESSAGE.unsubscribe_url))


def test_addresses_in_the_text_are_links_in_the_html():
    mail = compose(replace(MESSAGE, body='看看 https://cards.example/l/x?a=1&b="2"，<b>再见'), "cards@snowpeak.example")

    html = mail.get_body(("html",)).get_content()
    assert '<a href="https://cards.example/l/x?a=1&amp;b=" ' in html
    assert ">https://cards.example/l/x?a=1&amp;b=</a>&quot;2&quot;，&lt;b&gt;再见</p>" in html


def test_it_can_be_unsubscribed_by_one_click(server):
    handler, channel = server

    run_here(channel.send(MESSAGE))

    assert handler.mails[0]["List-Unsubscribe"] == "<https://cards.example/u/token>"
    assert handler.mails[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_way_out_of_a_mail_is_an_address_however_long_it_is():
    url = f"https://members.snowpeak-ice-cream.example/u/{'WzEyMzQ1Njc4OSwiZW1haWwiXQ' * 2}.{'x' * 27}"

    mail = compose(replace(MESSAGE, unsubscribe_url=url), "cards@snowpeak.example")

    assert f"\nList-Unsubscribe: <{url}>\n".encode() in bytes(mail)


def test_its_id_is_the_same_at_every_attempt(server):
    handler, channel = server

    run_here(channel.send(MESSAGE))
    run_here(channel.send(MESSAGE))

    assert {mail["Message-ID"] for mail in handler.mails} == {"<kq-1-7@snowpeak.example>"}


def test_one_connection_carries_many_mails(server):
    handler, channel = server

    for _ in range(5):
        run_here(channel.send(MESSAGE))

    assert (len(handler.mails), handler.connections) == (5, 1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [("550 no such mailbox", PermanentError), ("552 full", PermanentError), ("451 later", RetryError)],
)
def test_the_servers_answer_decides_whether_to_try_again(server, answer, error):
    handler, channel = server
    handler.answers["lin@example.com"] = answer

    with pytest.raises(error) as refusal:
        run_here(channel.send(MESSAGE))

    assert str(refusal.value) == f"smtp {answer[:3]}"
    run_here(channel.send(with_to("wang@example.com")))
    assert [mail["To"] for mail in handler.mails] == ["wang@example.com"]


@pytest.mark.parametrize(("code", "is_dead"), [("5.1.1", True), ("5.2.2", False), ("5.7.1", False)])
@pytest.mark.parametrize("where", ["answers", "at_the_end"])
def test_an_address_is_dead_when_nobody_has_it_whenever_the_server_says_so(server, where, code, is_dead):
    handler, channel = server
    getattr(handler, where)["lin@example.com"] = f"550 {code} no"

    with pytest.raises(PermanentError, match="smtp 550") as refusal:
        run_here(channel.send(MESSAGE))

    assert refusal.value.address_is_dead is is_dead
    assert handler.mails == []


def test_a_server_that_hung_up_is_called_again(server):
    handler, channel = server
    run_here(channel.send(MESSAGE))
    channel._connection.sock.shutdown(socket.SHUT_RDWR)

    run_here(channel.send(MESSAGE))

    assert (len(handler.mails), handler.connections) == (2, 2)


def test_no_server_at_all_is_tried_again_later():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        channel = EmailChannel(f"smtp://127.0.0.1:{unused.getsockname()[1]}", "cards@snowpeak.example")

        with pytest.raises(RetryError, match="ConnectionRefusedError"):
            run_here(channel.send(MESSAGE))


@pytest.mark.parametrize("address", ["nobody", "", "a@b@c", "lin@example.com\nBcc: all@example.com", "林@例子.中国"])
def test_what_is_no_address_is_refused_for_good(server, address):
    handler, channel = server

    with pytest.raises(PermanentError):
        run_here(channel.send(with_to(address)))

    assert handler.mails == []


def test_english_readers_get_english_words():
    mail = compose(Message(**(MESSAGE.__dict__ | {"language": "en"})), "cards@snowpeak.example")

    assert "Unsubscribe here" in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize("breaks", ["\n", "\r\n", "\u2028", "\x85", "\x0b"])
def test_a_title_of_several_lines_is_a_subject_of_one_and_no_header_more(breaks):
    mail = compose(
        Message(**(MESSAGE.__dict__ | {"title": f"周五{breaks}Bcc: eve@example.com"})), "cards@snowpeak.example"
    )

    assert (mail["Subject"], mail["Bcc"]) == ("周五 Bcc: eve@example.com", None)
