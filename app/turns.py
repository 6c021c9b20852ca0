"""Threads that answer one at a time, without waking one another.

A lock wakes whoever waits for it at each release, and Python's own lock then goes back and forth between two threads
that have one processor's worth of work. Here nobody is woken: the thread that is done goes on with the next request,
and who waits looks again after a while. Whoever has waited for long enough takes the turn from its holder, so that
nobody waits for a slow one. The turn saves processor time; it guards nothing.
"""

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")
PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016)  # seconds; the first is what somebody alone with another waits


class Turns(Generic[Given, Answer]):
    """A function that threads call in turn."""

    def __init__(self, act: Callable[Given, Answer], *, pauses: tuple[float, ...] = PAUSES) -> None:
        self._act, self._pauses = act, pauses
        self._turn = Lock()
        self._next = Lock()  # one looks whether the turn is free; the others sleep until that one has it

    def __call__(self, *args: Given.args, **kwargs: Given.kwargs) -> Answer:
        turn = self._take()
        try:
            return self._act(*args, **kwargs)
        finally:
            turn.release()

    def _take(self) -> Lock:
        """The turn, held."""
        turn = self._turn
        if turn.acquire(blocking=False):
            return turn
        with self._next:
            for pause in self._pauses:
                time.sleep(pause)
                turn = self._turn
                if turn.acquire(blocking=False):
                    return turn
            turn = Lock()
            turn.acquire()
            self._turn = turn  # the old one is free when its holder is done, and nobody asks for it any more
            return turn
