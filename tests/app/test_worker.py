"""The worker: which channels it has, that one does not hold up another, that it outlives a database that is away."""

import io
import time
from dataclasses import replace
from threading import Event, Thread

import pytest
from sqlalchemy.exc import OperationalError

from app import worker as worker_module
from app.lines import Step
from app.worker import Worker, channels_of, names_set_up, rates_of
from push.channels import Message
from push.channels.console import ConsoleChannel
from push.channels.email import EmailChannel
from push.channels.gateway import GatewayChannel
from push.channels.web_push import WebPushChannel
from push.channels.wechat import WechatChannel
from push.delivering.looping import run_here

MESSAGE = Message(
    "kq-1-7", "雪山冰品", "lin@example.com", "zh", "周五冰淇淋", "第二份半价", None, "https://w", "https://u"
)


@pytest.fixture
def settings(app):
    """Of a site without https: its browsers show no notifications."""
    return replace(app.extensions["settings"], public_url="http://cards.example")


def test_without_settings_there_is_only_the_inbox(settings):
    assert channels_of(settings) == {}
    assert names_set_up(settings) == ["inbox"]


def test_each_setting_brings_its_channel(settings):
    both = replace(settings, smtp_url="smtp://localhost", gateway_url="http://localhost", gateway_secret="x" * 20)

    channels = channels_of(both)

    assert [type(channel) for channel in channels.values()] == [EmailChannel, GatewayChannel]
    assert names_set_up(both) == ["inbox", "email", "gateway"]


def test_a_secure_site_reaches_browsers(settings):
    secure, here = (
        replace(settings, public_url="https://cards.example"),
        replace(settings, public_url="http://localhost"),
    )

    assert [type(channel) for channel in channels_of(secure).values()] == [WebPushChannel]
    assert names_set_up(secure) == names_set_up(here) == ["inbox", "web_push"]
    assert names_set_up(replace(secure, push_services="")) == ["inbox"]
    assert secure.operator_address == "https://cards.example"
    assert replace(here, mail_from="Kaquan <cards@example.com>").operator_address == "mailto:cards@example.com"


def test_an_account_in_wechat_brings_both_of_its_channels(settings):
    known = replace(settings, wechat_appid="wx1", wechat_secret="s" * 20)

    assert [type(channel) for channel in channels_of(known).values()] == [WechatChannel, WechatChannel]
    assert names_set_up(known) == ["inbox", "wechat_template", "wechat_subscription"]


def test_for_looking_the_terminal_stands_in_for_what_is_not_set_up(settings):
    looking = replace(settings, smtp_url="smtp://localhost", console_channels=True)

    assert [type(channel) for channel in channels_of(looking).values()] == [EmailChannel, ConsoleChannel]
    assert names_set_up(looking) == ["inbox", "email", "gateway"]


def test_the_terminal_shows_no_address():
    out = io.StringIO()

    run_here(ConsoleChannel("email", out).send(MESSAGE))

    assert out.getvalue() == "[email] kq-1-7 雪山冰品: 周五冰淇淋\n"


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.01)


def run_until(worker, condition, seconds=10):
    thread = Thread(target=worker.run)
    thread.start()
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    worker.stop()
    return thread


def test_a_slow_channel_holds_up_nobody(app, hurried, monkeypatch):
    released, rounds = Event(), []
    monkeypatch.setattr(
        Worker,
        "_steps",
        lambda self: {
            "slow": [Step(lambda: released.wait(10) and 0)],
            "quick": [Step(lambda: rounds.append(1) or 0)],
        },
    )

    thread = run_until(Worker(app), lambda: len(rounds) >= 5)
    released.set()
    thread.join(10)

    assert len(rounds) >= 5
    assert not thread.is_alive()


def test_a_database_that_is_away_is_waited_for(app, hurried, monkeypatch):
    tries = []

    def step():
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("SELECT 1", {}, Exception("the server is starting up"))
        return 0

    monkeypatch.setattr(Worker, "_steps", lambda self: {"inbox": [Step(step)]})

    thread = run_until(Worker(app), lambda: len(tries) >= 4)
    thread.join(10)

    assert len(tries) >= 4
    assert not thread.is_alive()


def test_a_pace_is_told_a_minute_and_kept_a_second(settings):
    paced = replace(settings, email_per_minute=90, wechat_per_minute=30)

    assert rates_of(settings) == {}
    assert rates_of(paced) == {"email": 1.5, "wechat_template": 0.5, "wechat_subscription": 0.5}


def test_a_worker_can_be_for_some_channels_alone(app, settings, monkeypatch):
    monkeypatch.setitem(app.extensions, "settings", replace(settings, smtp_url="smtp://localhost"))

    assert set(Worker(app)._steps()) >= {"inbox", "email", "webhooks"}
    assert set(Worker(app, {"email"})._steps()) == {"email"}


def test_a_channel_that_is_not_set_up_cannot_be_asked_for(app):
    answer = app.test_cli_runner().invoke(args=["worker", "--once", "--channels", "inbox, pigeon"])

    assert answer.exit_code == 2
    assert "pigeon" in answer.output
    assert app.test_cli_runner().invoke(args=["worker", "--once", "--channels", "inbox"]).exit_code == 0
