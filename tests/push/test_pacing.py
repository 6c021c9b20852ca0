"""A channel's pace and its circuit, shared by all workers."""

import asyncio
import time
from collections import Counter
from datetime import timedelta

import pytest

from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from push.channels import PermanentError, RetryError
from push.delivering.models import ChannelState
from push.delivering.pacing import AT_ONCE, LONGEST_PAUSE, OPEN_AFTER, resting
from push.timing.policies import Policy, set_policy
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.memory import MemoryChannel
from tests.push.pushing import deliveries, make_campaign, make_member, send, start

pytestmark = pytest.mark.usefixtures("app")
SECOND = timedelta(seconds=1)
BUSY = RetryError("gateway 503")


class Provider(MemoryChannel):
    """Takes messages when it is well, and remembers when each came."""

    def __init__(self, *, is_well=True, parallel=8):
        super().__init__(parallel)
        self.is_well = is_well
        self.tried = 0
        self.at = []

    async def send(self, message):
        self.tried += 1
        await asyncio.sleep(0)
        if not self.is_well:
            raise BUSY
        self.at.append(time.monotonic())
        return await super().send(message)


def make_members(number, *, now=NOON):
    chain = make_chain()
    with transaction():
        set_policy(chain.id, Policy(quiet_from=0, quiet_until=0), by=SYSTEM, now=NOON)
    code = make_store_code(make_store(chain))
    for n in range(number):
        make_member(code, phone=f"+86138{n:08d}", now=now - timedelta(days=90))
    start(make_campaign(chain, "gateway"), now=now)
    return chain


def states():
    return Counter(row.state for row in deliveries())


def circuit():
    db.session.commit()
    return db.session.get(ChannelState, "gateway", populate_existing=True)


# --- the circuit


def test_a_provider_in_trouble_is_left_alone_and_no_attempt_is_lost():
    make_members(OPEN_AFTER + 30)
    provider = Provider(is_well=False, parallel=4)

    send("gateway", provider)

    assert OPEN_AFTER <= provider.tried < OPEN_AFTER + 4
    assert circuit().open_until == NOON + 30 * SECOND
    tries = Counter(row.attempts for row in deliveries())
    assert (tries[1], tries[0]) == (provider.tried, OPEN_AFTER + 30 - provider.tried)
    assert send("gateway", provider, now=NOON + 29 * SECOND) == 0
    assert states() == {"pending": OPEN_AFTER + 30}


class Forgetful(Provider):
    """Takes most messages at once and lets some hang, until they are given up together."""

    async def send(self, message):
        self.tried += 1
        if self.tried <= OPEN_AFTER + 5:
            await asyncio.sleep(0.3)
            raise BUSY
        return await MemoryChannel.send(self, message)


def test_messages_that_hang_while_others_are_taken_do_not_open_the_circuit():
    make_members(OPEN_AFTER + 30)

    send("gateway", Forgetful(parallel=OPEN_AFTER + 8))

    assert states() == {"sent": 25, "pending": OPEN_AFTER + 5}
    assert circuit() is None or circuit().open_until is None


def test_who_looks_is_told_which_provider_rests_and_until_when():
    make_members(OPEN_AFTER)
    send("gateway", Provider(is_well=False))

    assert resting(now=NOON) == {"gateway": NOON + 30 * SECOND}
    assert resting(now=NOON + 30 * SECOND) == {}


def test_when_the_rest_is_over_one_message_is_tried_and_the_rest_gets_longer():
    make_members(OPEN_AFTER + 30)
    provider, now, rests = Provider(is_well=False), NOON, []
    send("gateway", provider)

    for _ in range(7):
        now, tried = circuit().open_until, provider.tried
        send("gateway", provider, now=now)
        assert provider.tried == tried + 1
        rests.append(circuit().open_until - now)

    assert rests == sorted(rests)
    assert (rests[0], rests[-1]) == (60 * SECOND, LONGEST_PAUSE)


def test_a_provider_that_is_well_again_gets_everything():
    make_members(OPEN_AFTER + 30)
    provider = Provider(is_well=False)
    send("gateway", provider)
    provider.is_well = True

    assert send("gateway", provider, now=circuit().open_until) == 1
    assert (circuit().failures, circuit().open_until) == (0, None)
    while send("gateway", provider, now=NOON + timedelta(hours=1)):
        pass

    assert states() == {"sent": OPEN_AFTER + 30}


def test_only_one_of_many_workers_tries_a_provider_that_was_in_trouble(app):
    make_members(OPEN_AFTER + 30)
    send("gateway", Provider(is_well=False))
    ends_at, provider = circuit().open_until, Provider(is_well=False)

    race(app, lambda _: send("gateway", provider, now=ends_at), racers=6)

    assert provider.tried == 1


def test_what_is_due_later_is_waited_for_by_nobody_else_while_the_circuit_is_open():
    """Nothing is due when the rest is over: the next worker that finds something tries."""
    make_members(OPEN_AFTER)
    send("gateway", Provider(is_well=False))  # all of them were tried, and wait for longer than the circuit
    ends_at, provider = circuit().open_until, Provider()

    assert send("gateway", provider, now=ends_at) == 0
    while not provider.tried:
        ends_at += SECOND
        send("gateway", provider, now=ends_at)

    assert circuit().open_until is None


def test_messages_that_are_refused_show_a_provider_that_is_well():
    make_members(60)

    class Choosy(Provider):
        async def send(self, message):
            self.tried += 1
            raise PermanentError("gateway 422") if self.tried % 3 == 0 else BUSY

    provider = Choosy(parallel=1)
    while send("gateway", provider):
        pass

    assert provider.tried == 60
    assert circuit().open_until is None


def test_a_mailbox_that_is_busy_says_nothing_about_the_provider():
    make_members(60)

    class Mailboxes(Provider):
        async def send(self, message):
            self.tried += 1
            raise RetryError("smtp 450", is_provider=False)

    provider = Mailboxes()
    send("gateway", provider)

    assert provider.tried == 60
    assert circuit() is None


def test_a_channel_without_trouble_or_pace_writes_nothing_of_either():
    make_members(20)

    send("gateway", Provider())

    assert states() == {"sent": 20}
    assert circuit() is None


# --- the pace


def test_workers_keep_to_one_pace_together(app):
    """Three workers, 60 messages, 40 a second: at no time more than a second's share in a second."""
    make_members(60, now=utc_now())
    providers = [Provider(), Provider(), Provider()]

    def work(number):
        until = time.monotonic() + 20
        while sum(len(provider.at) for provider in providers) < 60 and time.monotonic() < until:
            if not send("gateway", providers[number], now=utc_now(), rate=40.0):
                time.sleep(0.02)

    race(app, work, racers=3)

    times = sorted(moment for provider in providers for moment in provider.at)
    assert states() == {"sent": 60}
    assert times[-1] - times[0] >= 59 / 40 - 0.1
    assert max(sum(1 for other in times if moment <= other < moment + 1) for moment in times) <= 40 * 1.25


def test_a_worker_takes_no_more_than_the_pace_lets_go_soon():
    make_members(30)

    assert send("gateway", Provider(), rate=5.0) == 5 * AT_ONCE
    assert send("gateway", Provider(), rate=5.0) == 0  # the next slot is two seconds off
    assert send("gateway", Provider(), rate=5.0, now=NOON + SECOND) == 5 * AT_ONCE
    assert states() == {"sent": 20, "pending": 10}


def test_a_pace_of_less_than_one_a_second_sends_one_at_a_time():
    make_members(2)

    assert send("gateway", Provider(), rate=0.5) == 1
    assert send("gateway", Provider(), rate=0.5, now=NOON + 0.9 * SECOND) == 0
    assert send("gateway", Provider(), rate=0.5, now=NOON + 2 * SECOND) == 1
    assert states() == {"sent": 2}
