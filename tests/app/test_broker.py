"""Workers on any machine, woken by a broker: at once, one channel not by another's leave, and nothing hangs on it."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from pika.exceptions import StreamLostError
from sqlalchemy import func, select

from app import worker as worker_module
from app.broker import Teller, connect, queue_name
from app.clock import Clock
from app.worker import Worker
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from push.delivering.waiting import count_shares
from push.models import Delivery
from push.timing.policies import Policy, set_policy
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.brokers import redis_server
from tests.push.pushing import make_campaign, make_member, schedule, start
from tests.push.servers import SECRET, free_port, gateway, mail_server

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _quiet():
    """Dramatiq says every three seconds that its broker is away."""
    logger, level = logging.getLogger("dramatiq"), logging.getLogger("dramatiq").level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)


@pytest.fixture
def told_only(monkeypatch):
    """Workers that look by themselves so rarely that in these tests it is the broker that wakes them."""
    monkeypatch.setattr(worker_module, "TOLD_POLL_SECONDS", 3600.0)


def make_due(number, *channels, slug="snowpeak"):
    chain = make_chain(slug=slug)
    with transaction():
        set_policy(chain.id, Policy(0, 0, 9, 9), by=SYSTEM, now=NOON)
    code = make_store_code(make_store(chain))
    for n in range(number):
        make_member(code, email=f"m{n}@example.com", phone=f"+86138{n:08d}", now=utc_now() - timedelta(days=9))
    campaign = make_campaign(chain, *channels)
    schedule(campaign, now=utc_now() - timedelta(minutes=10))
    return campaign


def use(app, monkeypatch, **settings):
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], **settings))


@contextmanager
def working(app, **more):
    worker = Worker(app, **more)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(20)
        assert not thread.is_alive()


def states(channel=None):
    db.session.rollback()
    counted = select(Delivery.state, func.count()).group_by(Delivery.state)
    if channel:
        counted = counted.where(Delivery.channel == channel)
    return Counter({str(state): number for state, number in db.session.execute(counted)})


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.05)


def test_the_clock_wakes_workers_as_soon_as_there_is_work(app, monkeypatch, tmp_path, told_only):
    with redis_server(tmp_path) as broker, gateway() as sink:
        use(app, monkeypatch, broker_url=broker, gateway_url=sink.url, gateway_secret=SECRET)
        with working(app), working(app):
            time.sleep(0.5)  # they have looked, and found nothing
            make_due(30, "inbox", "gateway")
            assert Clock(app).tick()
            wait_for(lambda: states() == {"delivered": 30, "sent": 30})

    assert len(sink.calls) == len(sink.acted) == 30


def test_a_gateway_that_hangs_holds_up_no_other_channel(app, monkeypatch, tmp_path, told_only):
    released = threading.Event()
    with redis_server(tmp_path) as broker, gateway() as sink, mail_server() as (_, smtp_url):
        sink.answer = lambda _body: released.wait(20) and (202, {})
        use(app, monkeypatch, broker_url=broker, gateway_url=sink.url, gateway_secret=SECRET, smtp_url=smtp_url)
        with working(app):
            make_due(12, "gateway", "email", "inbox")
            clock = Clock(app)
            clock.tick()
            wait_for(lambda: states("email") == {"sent": 12} and states("inbox") == {"delivered": 12})
            assert states("gateway") == {"sending": 12}
            released.set()
            wait_for(lambda: states("gateway") == {"sent": 12})


def test_words_that_nobody_heard_do_not_pile_up(app, tmp_path):
    with redis_server(tmp_path) as url:
        broker = connect(url)
        teller = Teller(broker)
        for _ in range(20):
            teller.tell({"email": 3, "inbox": 1})

        assert (broker.do_qsize(queue_name("email")), broker.do_qsize(queue_name("inbox"))) == (3, 1)
        teller.close()


def test_a_broker_that_is_away_is_waited_for_and_nothing_is_lost(app, monkeypatch, tmp_path):
    """No broker: the tick goes on, and workers look by themselves. Then one comes: they are told again."""
    monkeypatch.setattr(worker_module, "TOLD_POLL_SECONDS", 0.3)
    port = free_port()
    use(app, monkeypatch, broker_url=f"redis://127.0.0.1:{port}/0")
    clock = Clock(app)
    make_due(5, "inbox")
    with working(app):
        assert clock.tick()
        wait_for(lambda: states() == {"delivered": 5})

    monkeypatch.setattr(worker_module, "TOLD_POLL_SECONDS", 3600.0)
    with redis_server(tmp_path, port), working(app):
        time.sleep(0.5)
        make_due(5, "inbox", slug="another")
        assert clock.tick()
        wait_for(lambda: states() == {"delivered": 10})


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_what_a_killed_worker_had_in_its_hands_is_sent_by_another_once(app, monkeypatch, tmp_path):
    with redis_server(tmp_path) as broker, gateway() as sink:
        sink.answer = lambda _body: time.sleep(0.05) or (202, {})
        use(app, monkeypatch, broker_url=broker)
        settings = {
            "DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"],
            "SECRET_KEY": app.config["SECRET_KEY"],
            "GATEWAY_URL": sink.url,
            "GATEWAY_SECRET": SECRET,
            "GATEWAY_PARALLEL": "4",
            "PUSH_LEASE_SECONDS": "2",
            "BROKER_URL": broker,
        }
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker", "--channels", "gateway"]
        make_due(150, "gateway")
        clock = Clock(app)
        for enough in (20, 60, 150):
            worker = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings)

            def is_enough(enough=enough):
                clock.tick()
                return len(sink.acted) >= enough

            wait_for(is_enough, seconds=60)
            if enough < 150:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
        wait_for(lambda: states() == {"sent": 150})
        worker.terminate()
        assert worker.wait(20) == 0

    assert sorted(body["to"] for body in sink.acted.values()) == [f"+86138{n:08d}" for n in range(150)]


def test_what_waits_is_shared_out_by_channel(app, monkeypatch):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    for n in range(5):
        make_member(code, email=f"m{n}@example.com")
    start(make_campaign(chain, "inbox", "email"))
    monkeypatch.setattr("push.delivering.waiting.SHARE", 2)

    assert count_shares(now=NOON) == {"inbox": 3, "email": 3}
    assert count_shares(now=NOON - timedelta(seconds=1)) == {}


class Line:
    """A connection to RabbitMQ, and its channel: once it is lost, nothing goes over it any more."""

    open_now: ClassVar[list["Line"]] = []
    published: ClassVar[list[str]] = []
    is_open, is_lost = True, False

    def __init__(self, parameters=None):
        Line.open_now.append(self)

    def channel(self):
        return self

    def queue_declare(self, queue, **_):
        if self.is_lost:
            raise StreamLostError("the server missed our heartbeats")
        return SimpleNamespace(method=SimpleNamespace(message_count=0))

    def basic_publish(self, routing_key, **_):
        Line.published.append(routing_key)

    def close(self):
        if self in Line.open_now:
            Line.open_now.remove(self)


def test_a_connection_that_rabbitmq_dropped_while_nothing_was_to_be_told_is_made_anew(monkeypatch):
    """It drops whoever is silent for a minute or two; the clock has nothing to say for hours."""
    Line.open_now, Line.published = [], []
    monkeypatch.setattr("pika.BlockingConnection", Line)
    teller = Teller(connect("amqp://guest:guest@127.0.0.1:5672"))
    for _ in range(3):
        teller.tell({"email": 1})
        for line in Line.open_now:
            line.is_lost = True

    assert Line.published == [queue_name("email")] * 3
    assert Line.open_now == []  # or each thread of the clock would keep one
    teller.close()
