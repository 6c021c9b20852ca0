"""Campaigns do not hold one another up: one that breaks is left for the next look, what two people do at once ends."""

from datetime import timedelta
from threading import Thread
from time import sleep

import pytest

from core.audit import SYSTEM
from core.db import db, transaction
from push import campaigns, runs, watching
from push.audiences import freezing
from push.models import CampaignState, DeliveryState, Run, RunState
from push.moving import move, move_runs
from push.partners import calling
from push.partners.calling import Answer, Due
from push.partners.models import WebhookEndpoint
from push.timing import entering
from push.timing.policies import Oversight, set_oversight
from push.timing.scheduling import GRACE
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import deliveries, make_campaign, make_member, newest_run, schedule, start, state_of
from tests.push.webhooks import listen

pytestmark = pytest.mark.usefixtures("app")
MINUTE = timedelta(minutes=1)
LONG_ENOUGH = 0.5  # seconds, for another thread to come as far as it can


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


@pytest.fixture
def aside(app):
    """Does something in a thread with a session of its own; its answer is kept in the list that comes back with it."""

    def begin(do):
        answers = []

        def run():
            with app.app_context():
                try:
                    answers.append(do())
                except Exception as problem:
                    answers.append(problem)
                finally:
                    db.session.remove()

        thread = Thread(target=run)
        thread.start()
        return thread, answers

    return begin


@pytest.fixture
def breaks(monkeypatch):
    """From now on whoever asks for the audience of a campaign finds that the database takes no such question."""

    def begin(broken, module):
        narrowed = module.narrowed

        def ask(query, chain, audience, *, now, **more):
            if audience == broken.audience:
                raise RuntimeError("too many variables")
            return narrowed(query, chain, audience, now=now, **more)

        monkeypatch.setattr(module, "narrowed", ask)

    return begin


def for_many_points(chain):
    return make_campaign(chain, "inbox", audience={"field": "points", "op": "at_least", "value": 0})


# --- one that breaks


def test_a_campaign_that_cannot_be_started_holds_up_no_other_and_is_missed_in_the_end(chain, code, breaks):
    broken, other = for_many_points(chain), make_campaign(make_chain("other"), "inbox")
    for minutes, campaign in ((11, broken), (10, other)):
        schedule(campaign, {"kind": "now"}, now=NOON - minutes * MINUTE)
    breaks(broken, freezing)

    assert runs.start_due_batch(now=NOON) == 1
    assert [state_of(each) for each in (broken, other)] == ["scheduled", "running"]
    assert runs.start_due_batch(now=NOON) == 0  # or the clock would look again for ever

    runs.start_due_batch(now=NOON + GRACE)
    assert state_of(broken) == "missed"


@pytest.mark.parametrize("module", [entering, freezing])
def test_an_event_campaign_that_breaks_holds_up_no_other(chain, code, breaks, module):
    broken, other = for_many_points(chain), make_campaign(chain, "inbox")
    for campaign in (broken, other):
        schedule(campaign, {"kind": "event", "event": "joined", "days": 0}, now=NOON - 10 * MINUTE)
    runs.start_due_batch(now=NOON)
    make_member(code, now=NOON)
    breaks(broken, module)

    entering.enter_batch(now=NOON)

    assert runs.start_entered_batch(now=NOON) == 1
    assert (len(deliveries(broken)), len(deliveries(other))) == (0, 1)


def test_what_is_named_again_and_again_in_a_rule_is_asked_for_once(chain):
    store = make_store(chain)
    again = {"field": "store", "op": "in", "value": [store.id] * 5000}

    campaign = make_campaign(chain, "inbox", audience={"all": [again] * 60})

    assert campaign.audience == {"all": [again | {"value": [store.id]}] * 60}


# --- two at once


@pytest.mark.parametrize(
    ("verb", "state"), [(campaigns.pause_campaign, "paused"), (campaigns.cancel_campaign, "cancelled")]
)
def test_what_is_stopped_while_its_next_run_begins_sends_nothing_of_it(chain, code, aside, monkeypatch, verb, state):
    campaign = make_campaign(chain, "inbox")
    schedule(campaign, {"kind": "event", "event": "joined", "days": 0}, now=NOON - 10 * MINUTE)
    runs.start_due_batch(now=NOON)
    make_member(code, now=NOON)
    entering.enter_batch(now=NOON)
    freeze, stopping = runs.freeze, []

    def stop():
        with transaction():
            verb(chain.id, campaign.id, by=SYSTEM, now=NOON)

    def stop_first(*what, **more):
        stopping.append(aside(stop))
        sleep(LONG_ENOUGH)
        return freeze(*what, **more)

    monkeypatch.setattr(runs, "freeze", stop_first)
    runs.start_entered_batch(now=NOON)
    ((thread, answers),) = stopping
    thread.join()

    assert answers == [None]
    assert (state_of(campaign), newest_run(campaign).state) == (state, state)


def test_pausing_and_giving_a_run_new_work_wait_for_one_another(chain, code, aside):
    make_member(code)
    campaign = make_campaign(chain, "inbox")
    run_id = start(campaign).id

    def give_work():
        with transaction():
            watching.go_on(run_id)

    assert _while_it_is_paused(campaign, aside, give_work) == [None]


def test_a_person_and_the_clock_pause_a_run_at_once(chain, code, aside):
    make_member(code)
    campaign = make_campaign(chain, "inbox")
    run_id = start(campaign).id
    with transaction():
        set_oversight(chain.id, Oversight(error_pause_bp=1, error_pause_after=1), by=SYSTEM, now=NOON)
        (row,) = deliveries(campaign)
        db.session.merge(row).state = DeliveryState.FAILED

    answers = _while_it_is_paused(campaign, aside, lambda: watching.pause_failing_batch(now=NOON))

    assert answers == [0]
    assert db.session.get_one(Run, run_id, populate_existing=True).state == "paused"


def test_two_workers_note_what_two_partners_answered_in_any_order(chain, aside):
    first, second = (listen(chain, f"http://127.0.0.1:9/{name}").id for name in ("a", "b"))
    answered = [
        (Due(number, chain.id, endpoint_id, "dlv", 1, b"", "", ()), Answer(status=500))
        for number, endpoint_id in ((2, second), (1, first))
    ]

    def note():
        with transaction():
            calling._note_all(answered, now=NOON)

    with transaction():
        fail(first)
        thread, answers = aside(note)
        sleep(LONG_ENOUGH)
        fail(second)
    thread.join()

    assert answers == [None]


def fail(endpoint_id):
    db.session.execute(
        db.update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id)
        .values(failures=WebhookEndpoint.failures + 1)
    )


def _while_it_is_paused(campaign, aside, do):
    """What comes of it when it begins between the two halves of pausing: the campaign, then its runs."""
    with transaction():
        move(campaign.chain_id, campaign.id, (CampaignState.RUNNING,), state=CampaignState.PAUSED)
        thread, answers = aside(do)
        sleep(LONG_ENOUGH)
        move_runs(campaign.id, (RunState.RUNNING,), RunState.PAUSED)
    thread.join()
    return answers
