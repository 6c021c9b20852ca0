"""A worker process killed in the middle of a run, again and again: nothing is lost, nothing is acted on twice."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from push import runs
from push.models import Delivery
from push.timing.policies import Policy, set_policy
from tests.factories import make_chain, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member, newest_run, schedule
from tests.push.servers import SECRET, gateway, mail_server

ROOT = Path(__file__).parent.parent.parent
MEMBERS = 240
KILLS = 4
LEASE_SECONDS = 2

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def start_worker(app, smtp_url, gateway_url):
    settings = {
        "DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"],
        "SECRET_KEY": app.config["SECRET_KEY"],
        "SMTP_URL": smtp_url,
        "GATEWAY_URL": gateway_url,
        "GATEWAY_SECRET": SECRET,
        "PUSH_LEASE_SECONDS": str(LEASE_SECONDS),
        "LOG_LEVEL": "WARNING",
    }
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | settings)


def wait_for(condition, worker, *, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert worker.poll() is None, "the worker ended by itself"
        assert time.monotonic() < until, "the worker did not get anywhere"
        time.sleep(0.02)


def states():
    db.session.rollback()
    counted = db.session.execute(select(Delivery.state, func.count()).group_by(Delivery.state))
    return Counter({str(state): number for state, number in counted})


def unfinished():
    counted = states()  # once: between two readings a row may go back from sending to pending
    return counted["pending"] + counted["sending"]


def test_a_worker_killed_in_the_middle_loses_nothing_and_tells_nobody_twice(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    with transaction():
        set_policy(chain.id, Policy(0, 0, 9, 9), by=SYSTEM, now=utc_now())
    for n in range(MEMBERS):
        make_member(code, email=f"m{n}@example.com", phone=f"+86138{n:08d}", now=utc_now() - timedelta(days=9))
    campaign = make_campaign(chain, "inbox", "email", "gateway")
    schedule(campaign, now=utc_now() - timedelta(minutes=10))
    runs.start_due_batch(now=utc_now())
    caught_sending = 0

    with gateway() as sink, mail_server() as (mails, smtp_url):
        sink.answer = lambda _body: time.sleep(0.05) or (202, {})
        for kill in range(1, KILLS + 1):
            worker = start_worker(app, smtp_url, sink.url)
            enough = MEMBERS * kill // (KILLS + 2)
            wait_for(lambda enough=enough: len(sink.acted) >= enough, worker)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            caught_sending += states()["sending"]
        worker = start_worker(app, smtp_url, sink.url)
        wait_for(lambda: not unfinished(), worker)
        worker.terminate()
        assert worker.wait(10) == 0

    assert caught_sending > 0
    assert states() == {"delivered": MEMBERS, "sent": 2 * MEMBERS}
    assert sorted(body["to"] for body in sink.acted.values()) == [f"+86138{n:08d}" for n in range(MEMBERS)]
    assert len(set(mails.keys)) == MEMBERS
    assert {mail["To"] for mail in mails.mails} == {f"m{n}@example.com" for n in range(MEMBERS)}
    runs.finish_batch(now=utc_now())
    run = newest_run(campaign)
    sums = runs.count_sums([run.id])[run.id]
    assert (run.state, sums.audience) == ("finished", run.audience_count)


def test_a_worker_told_to_stop_gives_back_what_it_has_not_sent(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    with transaction():
        set_policy(chain.id, Policy(0, 0, 9, 9), by=SYSTEM, now=utc_now())
    for n in range(300):
        make_member(code, phone=f"+86138{n:08d}", now=utc_now() - timedelta(days=9))
    campaign = make_campaign(chain, "gateway")
    schedule(campaign, now=utc_now() - timedelta(minutes=10))
    runs.start_due_batch(now=utc_now())

    with gateway() as sink:
        sink.answer = lambda _body: time.sleep(0.3) or (202, {})
        worker = start_worker(app, "", sink.url)
        wait_for(lambda: len(sink.acted) >= 5, worker)
        worker.terminate()
        assert worker.wait(10) == 0

    assert states()["sending"] == 0
    assert 5 <= states()["sent"] == len(sink.acted) == len(sink.calls) < 300
    db.session.commit()
