"""Which rows a worker takes, and what he need not look at for it."""

from datetime import timedelta

import pytest

from core.audit import SYSTEM
from core.db import db, transaction
from push import campaigns
from push.delivering.leasing import count_due, due_runs, lease_batch
from push.models import Delivery, PushChannel
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import deliveries, make_campaign, make_member, start

pytestmark = pytest.mark.usefixtures("app")

EMAIL = PushChannel.EMAIL
MINUTE = timedelta(minutes=1)


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def members(chain):
    code = make_store_code(make_store(chain))
    return [make_member(code, email=f"m{number}@example.com") for number in range(3)]


def lease(limit):
    with transaction():
        return lease_batch(EMAIL, now=NOON, lease=2 * MINUTE, limit=limit)


def test_a_batch_is_put_together_from_the_runs_that_waited_longest(chain, members):
    late = start(make_campaign(chain, "email"), now=NOON - MINUTE)
    early = start(make_campaign(chain, "email"), now=NOON - 5 * MINUTE)

    assert due_runs(EMAIL, now=NOON) == [early.id, late.id]
    taken = set(lease(4))
    run_of = {row.id: row.run_id for row in deliveries()}
    assert sorted(run_of[row] for row in taken) == sorted([early.id] * 3 + [late.id])
    assert due_runs(EMAIL, now=NOON) == [late.id]
    assert len(lease(4)) == 2
    assert lease(4) == []


def test_what_is_leased_is_due_again_when_the_lease_ends(chain, members):
    run = start(make_campaign(chain, "email"))
    lease(3)

    assert due_runs(EMAIL, now=NOON + MINUTE) == []
    assert due_runs(EMAIL, now=NOON + 2 * MINUTE) == [run.id]
    assert count_due(EMAIL, now=NOON + 2 * MINUTE, limit=100) == 3
    assert count_due(EMAIL, now=NOON + 2 * MINUTE, limit=2) == 2


def test_what_waits_for_the_morning_is_not_due(chain, members):
    start(make_campaign(chain, "email"))
    with transaction():
        db.session.execute(db.update(Delivery).values(due_at=NOON + MINUTE))

    assert (due_runs(EMAIL, now=NOON), lease(3)) == ([], [])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # which counts the steps of a statement
def test_nobody_walks_along_what_a_paused_run_keeps(database, chain, members):
    code = make_store_code(make_store(chain))
    for number in range(100):
        make_member(code, email=f"more{number}@example.com")
    paused = make_campaign(chain, "email")
    run = start(paused, now=NOON - 5 * MINUTE)
    start(make_campaign(chain, "email"))
    with transaction():
        campaigns.pause_campaign(chain.id, paused.id, by=SYSTEM, now=NOON)

    steps = steps_of_a_look()
    with transaction():
        db.session.execute(db.delete(Delivery).where(Delivery.run_id == run.id))
    assert steps <= steps_of_a_look()


def steps_of_a_look():
    """How many steps SQLite takes to see whether anything is due."""
    db.session.commit()
    driver = db.session.connection().connection.driver_connection
    steps = []
    driver.set_progress_handler(lambda: steps.append(1), 1)
    assert len(due_runs(EMAIL, now=NOON)) == 1
    driver.set_progress_handler(None, 0)
    db.session.rollback()
    return len(steps)
