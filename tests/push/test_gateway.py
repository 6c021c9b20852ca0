"""The signed HTTP gateway, spoken with a real server and its faults."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

import pytest

from push.channels import Message, PermanentError, RetryError
from push.channels.gateway import GatewayChannel, retry_after, signature
from push.delivering.looping import run_here
from push.runs import count_sums
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import deliveries, make_campaign, make_member, send, start
from tests.push.servers import SECRET, gateway
from tests.push.standing import standing

MESSAGE = Message(
    key="kq-1-7",
    chain="雪山冰品",
    to="+8613800000001",
    language="zh",
    title="周五冰淇淋",
    body="今天第二份半价。",
    coupon=None,
    url="https://cards.example/wallet/inbox",
    unsubscribe_url="https://cards.example/u/token",
)


@pytest.fixture
def server():
    with gateway() as running:
        yield running


@pytest.fixture
def channel(server):
    made = GatewayChannel(server.url, SECRET)
    yield made
    run_here(made.close())


def test_a_message_arrives_signed_and_with_its_key(server, channel):
    run_here(channel.send(MESSAGE))

    assert server.acted["kq-1-7"] == {
        "message_key": "kq-1-7",
        "to": "+8613800000001",
        "language": "zh",
        "chain": "雪山冰品",
        "title": "周五冰淇淋",
        "body": "今天第二份半价。",
        "coupon": None,
        "url": "https://cards.example/wallet/inbox",
        "unsubscribe_url": "https://cards.example/u/token",
    }


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (HEAD + b'\r\n{"ref": "vendor-9"}', "vendor-9"),  # neither type nor length, as small servers answer
        (HEAD + b'Transfer-Encoding: chunked\r\n\r\n7\r\n{"ref":\r\nb\r\n"vendor-9"}\r\n0\r\n\r\n', "vendor-9"),
        (HEAD + b'\r\n{"ref": "vendor\\u0000-9"}', None),  # PostgreSQL keeps no zero byte
        (HEAD + b"Content-Length: 2\r\n\r\nOK", None),
        (HEAD + b"Content-Length: 4000\r\n\r\n" + b"[" * 4000, None),
        (HEAD + b'\r\n{"ref": "vendor-9", "more": "' + b"x" * 5000 + b'"}', None),
        (HEAD + b'Content-Length: 99\r\n\r\n{"ref": "vend', None),
    ],
)
def test_what_was_taken_counts_as_sent_and_its_reference_is_read_however_it_is_answered(answer, reference):
    with standing(ThreadingHTTPServer(("127.0.0.1", 0), RawAnswer)) as plain:
        plain.raw = answer
        channel = GatewayChannel(f"http://127.0.0.1:{plain.server_address[1]}", SECRET)
        handed = run_here(channel.send(MESSAGE))
        run_here(channel.close())

    assert handed.ref == reference


class RawAnswer(BaseHTTPRequestHandler):
    """Answers with the bytes it is given."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.wfile.write(self.server.raw)

    def log_message(self, *_):
        pass


def test_the_signature_is_that_of_timestamp_and_body():
    # printf '1.x' | openssl dgst -sha256 -hmac key
    assert signature("key", "1", b"x") == "fc4913c41a7bf793267e2a384f3261c9436ec2cd097bd745e7b0d99113f510ec"
    assert signature("key", "1", b"x") != signature("key", "2", b"x")
    assert signature("key", "1", b"x") != signature("key", "1", b"y")
    assert signature("key", "1", b"x") != signature("other", "1", b"x")


def test_a_wrong_secret_is_our_fault_and_tried_again(server):
    wrong = GatewayChannel(server.url, "another secret")

    with pytest.raises(RetryError, match="gateway 401"):
        run_here(wrong.send(MESSAGE))

    run_here(wrong.close())
    assert server.acted == {}


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, PermanentError), (422, PermanentError), (410, PermanentError), (404, RetryError), (429, RetryError),
     (500, RetryError), (503, RetryError), (302, RetryError)],
)  # fmt: skip
def test_the_answer_decides_whether_to_try_again(server, channel, status, error):
    server.answer = lambda _body: (status, {})

    with pytest.raises(error, match=f"gateway {status}"):
        run_here(channel.send(MESSAGE))


def test_the_gateway_may_say_when_to_come_back(server, channel):
    server.answer = lambda _body: (429, {"Retry-After": "90"})

    with pytest.raises(RetryError) as busy:
        run_here(channel.send(MESSAGE))

    assert busy.value.after == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("soon", None), ("120", 120), ("999999999999", 6 * 3600), ("-5", None)],
)
def test_when_to_come_back_is_read_with_care(value, seconds):
    assert retry_after(value) == (None if seconds is None else timedelta(seconds=seconds))


def test_when_to_come_back_may_be_a_date():
    wait = retry_after(format_datetime(datetime.now(UTC) + timedelta(minutes=5), usegmt=True))

    assert wait is not None
    assert timedelta(minutes=4) < wait <= timedelta(minutes=5)


def test_a_connection_that_breaks_before_the_answer_is_tried_again(server, channel):
    server.answer = lambda _body: None

    with pytest.raises(RetryError):
        run_here(channel.send(MESSAGE))


def test_a_gateway_that_hangs_is_not_waited_for(server):
    server.answer = lambda _body: sleep(1.5) or (202, {})
    hasty = GatewayChannel(server.url, SECRET, timeout=0.5)

    with pytest.raises(RetryError, match="Timeout"):
        run_here(hasty.send(MESSAGE))
    run_here(hasty.close())


@pytest.mark.usefixtures("app")
def test_faults_on_the_way_end_in_one_action_for_each_member(server, channel):
    """Every third answer is lost after the gateway acted, every fourth is an error: each phone shows it once."""
    chain = make_chain()
    code = make_store_code(make_store(chain))
    for n in range(30):
        make_member(code, phone=f"+86138000000{n:02d}")
    run = start(make_campaign(chain, "gateway"))
    calls = iter(range(10_000))

    def answer(_body):
        call = next(calls)
        return None if call % 3 == 0 else (503, {}) if call % 4 == 0 else (202, {})

    server.answer = answer
    now = NOON
    while any(row.state == "pending" for row in deliveries()):
        send("gateway", channel, now=now)
        now += timedelta(minutes=40)

    sums = count_sums([run.id])[run.id]
    assert sums.states["sent"] == sums.audience == 30
    assert sorted(body["to"] for body in server.acted.values()) == [f"+86138000000{n:02d}" for n in range(30)]
    assert len(server.calls) > 30
    assert {row.error for row in deliveries()} == {None}
