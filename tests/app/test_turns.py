"""Threads take turns, and nobody waits for long."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

import pytest

from app.turns import PAUSES, Turns

PATIENCE_SECONDS = 10  # for what happens at once
NEVER = (3600.0,)  # who finds the turn taken waits for longer than any test
AT_ONCE = (0.001,)


class Busy:
    """Work that notes how many do it at a time."""

    def __init__(self) -> None:
        self._guard = Lock()
        self.inside = self.most = self.done = 0

    def __call__(self) -> None:
        with self._guard:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.0005)
        with self._guard:
            self.inside -= 1
            self.done += 1


class Slow:
    """Work that takes as long as the test likes; the first one who does it holds the turn."""

    def __init__(self) -> None:
        self.begun, self.may_end = Event(), Event()

    def __call__(self, *, is_slow: bool) -> str:
        if not is_slow:
            return "quick"
        self.begun.set()
        assert self.may_end.wait(PATIENCE_SECONDS)
        return "slow"


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as made:
        yield made


def test_what_is_given_comes_back():
    add = Turns(lambda one, *, two: one + two)

    assert add(1, two=2) == 3


def test_one_acts_at_a_time(pool):
    busy = Busy()
    act = Turns(busy, pauses=(0.001,) * 5000)
    for future in [pool.submit(act) for _ in range(200)]:
        future.result(PATIENCE_SECONDS)

    assert (busy.most, busy.done) == (1, 200)


def test_everybody_comes_to_act_however_many_press(pool):
    busy = Busy()
    act = Turns(busy)
    until = time.monotonic() + 1

    def press() -> float:
        longest = 0.0
        while time.monotonic() < until:
            begun_at = time.monotonic()
            act()
            longest = max(longest, time.monotonic() - begun_at)
        return longest

    waited = [future.result(PATIENCE_SECONDS) for future in [pool.submit(press) for _ in range(4)]]

    assert max(waited) < 1  # three others, each with its pauses; the machine may be busy
    assert busy.done > 100


def test_who_breaks_gives_the_turn_back(pool):
    def act(error: Exception | None) -> str:
        if error:
            raise error
        return "done"

    in_turn = Turns(act, pauses=NEVER)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            in_turn(ZeroDivisionError())

    assert pool.submit(in_turn, None).result(PATIENCE_SECONDS) == "done"


def test_a_slow_one_loses_the_turn_to_whoever_waits(pool):
    slow = Slow()
    act = Turns(slow, pauses=AT_ONCE)
    held = pool.submit(act, is_slow=True)
    assert slow.begun.wait(PATIENCE_SECONDS)

    assert pool.submit(act, is_slow=False).result(PATIENCE_SECONDS) == "quick"
    assert not held.done()
    slow.may_end.set()
    assert held.result(PATIENCE_SECONDS) == "slow"


def test_after_a_slow_one_the_others_wait_no_more(pool, monkeypatch):
    """Only the first of them pays for it: the turn is theirs from then on."""
    slow, waits = Slow(), count_waits(monkeypatch)
    act = Turns(slow)
    held = pool.submit(act, is_slow=True)
    assert slow.begun.wait(PATIENCE_SECONDS)
    for _ in range(50):
        assert act(is_slow=False) == "quick"

    assert waits() == len(PAUSES)
    slow.may_end.set()
    held.result(PATIENCE_SECONDS)


def test_a_slow_one_that_ends_ends_nobody_elses_turn(pool):
    """Its turn is another's by then: that one keeps it."""
    first, second = Slow(), Slow()
    act = Turns(lambda work, *, is_slow: work(is_slow=is_slow), pauses=(0.05,))
    one = pool.submit(act, first, is_slow=True)
    assert first.begun.wait(PATIENCE_SECONDS)
    two = pool.submit(act, second, is_slow=True)
    assert second.begun.wait(PATIENCE_SECONDS)
    first.may_end.set()
    one.result(PATIENCE_SECONDS)

    begun_at = time.monotonic()
    assert act(first, is_slow=False) == "quick"
    assert time.monotonic() - begun_at >= 0.05  # it was taken
    second.may_end.set()
    assert two.result(PATIENCE_SECONDS) == "slow"


def test_one_within_another_goes_on_after_its_patience():
    depth: list[int] = []

    def act() -> None:
        depth.append(1)
        if len(depth) < 3:
            in_turn()

    in_turn = Turns(act, pauses=AT_ONCE)
    in_turn()

    assert len(depth) == 3


def count_waits(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    waits: list[float] = []
    sleep = time.sleep

    def note(seconds: float) -> None:
        waits.append(seconds)
        sleep(seconds)

    monkeypatch.setattr("app.turns.time.sleep", note)
    return lambda: len(waits)
