"""The same key with the same request gets the first answer."""

from threading import Barrier

import pytest
from sqlalchemy import func, select

from core.db import db, transaction
from core.errors import IdempotencyKeyReused
from core.idempotency import Answer, earlier_answer, fingerprint, keep_answer
from core.leases import Lease
from tests.concurrency.racing import race
from tests.factories import NOON

RACERS = 12
PRINT = fingerprint("POST", "/x", "{}")


def act(number: int, *, key: str = "key-1", print_: str = PRINT, scope: str = "key:1") -> str:
    """What a view does: once, with its answer kept."""
    with transaction():
        earlier = earlier_answer(scope, key, fingerprint=print_, now=NOON)
        if earlier is not None:
            return str(earlier.body["by"])
        db.session.add(Lease(name=f"act-{number}", holder="x", leased_until=NOON))
        keep_answer(scope, key, Answer(201, {"by": f"act-{number}"}))
        return f"act-{number}"


def acts() -> int:
    return db.session.scalar(select(func.count()).select_from(Lease)) or 0


def test_a_repeat_gets_the_first_answer(app):
    assert [act(1), act(2)] == ["act-1", "act-1"]
    assert acts() == 1


def test_another_request_under_the_same_key_is_refused(app):
    act(1)

    with pytest.raises(IdempotencyKeyReused):
        act(2, print_=fingerprint("POST", "/x", '{"a": 1}'))
    assert acts() == 1


def test_keys_of_different_senders_are_different(app):
    assert [act(1), act(2, scope="key:2")] == ["act-1", "act-2"]


def test_a_failure_keeps_no_answer(app):
    with pytest.raises(ZeroDivisionError), transaction():
        earlier_answer("key:1", "key-1", fingerprint=PRINT, now=NOON)
        1 / 0  # noqa: B018

    assert act(2) == "act-2"


def test_parallel_repeats_are_one_act(app):
    answers = race(app, act, racers=RACERS)

    assert acts() == 1
    assert len(set(answers)) == 1


def test_control_looking_first_acts_more_than_once(app):
    """Without the key's own row deciding. If this fails, the test above proves nothing."""
    looked = Barrier(RACERS)

    def look_then_act(number):
        nobody = acts() == 0
        db.session.rollback()
        looked.wait()
        if nobody:
            with transaction():
                db.session.add(Lease(name=f"act-{number}", holder="x", leased_until=NOON))

    race(app, look_then_act, racers=RACERS)

    assert acts() > 1


def test_the_fingerprint_tells_requests_apart():
    prints = {
        fingerprint(*parts) for parts in [("a", "b"), ("ab", ""), ("a", "b", ""), ("a", {"x": 1}), ("a", {"x": 2})]
    }

    assert len(prints) == 5
    assert fingerprint({"x": 1, "y": 2}) == fingerprint({"y": 2, "x": 1})
