"""Bounces come in by the mail server's pipe, or by a mailbox that the clock reads."""

import imaplib
from collections import Counter
from dataclasses import replace

import pytest
from flask import current_app
from sqlalchemy.exc import OperationalError

from app import bounce_box
from app.bounce_box import read_bounces
from app.clock import Clock, build_scheduler
from core.db import db
from push.channels.email import EmailChannel
from push.channels.suppressing import list_suppressions
from push.delivering.looping import run_here
from tests.factories import make_chain, make_store, make_store_code
from tests.push.bounce_servers import mailbox, reporting_server
from tests.push.pushing import deliveries, make_campaign, make_member, outcomes, send, start


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def reports(app, chain):
    """Two members' mails that could not be delivered, and one that could."""
    code = make_store_code(make_store(chain))
    for name in ("lin", "wang", "zhao"):
        make_member(code, email=f"{name}@example.com")
    with reporting_server() as (server, url):
        server.dead = {"lin@example.com": ("failed", "5.1.1"), "wang@example.com": ("failed", "5.2.2")}
        channel = EmailChannel(url, "cards@snowpeak.example", app.extensions["settings"].secret_key)
        start(make_campaign(chain, "email"))
        send("email", channel)
        run_here(channel.close())
    return server.reports


@pytest.fixture
def box(reports):
    with mailbox() as opened:
        for report in reports:
            opened.put(report)
        opened.put(b"Subject: out of office\n\nI am away.")
        yield opened


@pytest.fixture
def run(app, monkeypatch):
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)

    def invoke(*words, standard_input=None):
        result = app.test_cli_runner().invoke(args=["bounces", *words], input=standard_input)
        db.session.rollback()
        return result.exit_code, result.stderr

    return invoke


def read(url):
    return read_bounces(url, current_app.extensions["settings"].secret_key)


def test_a_mailbox_is_read_once(chain, box):
    assert read(box.url) == 3
    assert read(box.url) == 0

    assert outcomes() == Counter({("email", "failed", None): 2, ("email", "sent", None): 1})
    assert [kept.row.address for kept in list_suppressions(chain.id)] == ["lin@example.com"]


def test_a_mailbox_that_breaks_off_is_read_on_later(chain, box):
    box.breaks_after = 1
    with pytest.raises((imaplib.IMAP4.error, OSError)):
        read(box.url)
    assert box.seen == {1}

    box.breaks_after = None
    assert read(box.url) == 2
    assert Counter(row.state for row in deliveries()) == Counter({"failed": 2, "sent": 1})


def test_a_mail_is_not_marked_before_what_it_tells_is_written(box, monkeypatch):
    def broken(*_args, **_more):
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(bounce_box, "take_report", broken)
    with pytest.raises(OperationalError):
        read(box.url)

    assert box.seen == set()


def test_a_wrong_password_is_said(box):
    with pytest.raises(imaplib.IMAP4.error):
        read(box.url.replace("pass%40word", "wrong"))


def test_the_clock_on_duty_reads_it_each_minute(app, box, monkeypatch):
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], bounces_url=box.url))
    first, second = Clock(app, "first"), Clock(app, "second")

    assert first.bounces() == 3
    box.seen.clear()
    assert second.bounces() == 0
    assert "bounces" in {job.id for job in build_scheduler(first).get_jobs()}


def test_a_mailbox_that_is_away_stops_no_clock(app, chain, monkeypatch):
    settings = replace(app.extensions["settings"], bounces_url="imap://a:b@127.0.0.1:9/INBOX")
    monkeypatch.setitem(app.extensions, "settings", settings)

    assert Clock(app).bounces() == 0


def test_the_pipe_of_a_mail_server_takes_one_mail(run, reports):
    assert run(standard_input=reports[0]) == (0, "Deliveries it is about: 1\n")
    assert run(standard_input=b"Subject: hello\n\nhello") == (0, "Deliveries it is about: 0\n")

    assert Counter(row.state for row in deliveries()) == Counter({"failed": 1, "sent": 2})


def test_the_mail_server_comes_back_when_the_database_is_away(run, reports, monkeypatch):
    def away(*_args, **_more):
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr("app.cli.bounces.take_report", away)

    assert run(standard_input=reports[0])[0] == 75


def test_the_mailbox_can_be_read_by_hand(app, run, box, monkeypatch):
    assert run("--box") == (1, "Error: BOUNCES_URL is not set.\n")
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], bounces_url=box.url))
    assert run("--box") == (0, "Mails read: 3\n")
