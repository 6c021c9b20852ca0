"""The threads of a worker process: a line for each channel, with one thread or two that look for work and do it."""

import logging
from collections.abc import Callable, Sequence
from threading import Condition, Event, Thread
from time import monotonic
from typing import NamedTuple

from flask import Flask

from push.delivering.looping import close_here

LONGEST_PAUSE = 30.0  # seconds between two tries, while the database is away
LONGEST_TURN = 50.0  # that one word of the broker keeps: RabbitMQ asks for it back after minutes
STOP_STEP = 0.5  # within so long a stop is heard

log = logging.getLogger("kaquan.worker")


class Step(NamedTuple):
    """What a thread does again and again: it takes a batch and says how many rows it looked at."""

    look: Callable[[], int]
    close: Callable[[], None] = lambda: None  # gives connections back, in the thread that used them


class Line:
    """One channel's threads. Each works while there is something to do; it looks again when told, or in a while."""

    def __init__(self, app: Flask, name: str, steps: Sequence[Step], *, poll: float, stopping: Event) -> None:
        self.name = name
        self._app, self._poll, self._stopping = app, poll, stopping
        self._changed = Condition()
        self._told = 0  # how often somebody said that there is work
        self._idle = [-1] * len(steps)  # what each thread had been told when it last found none
        self._threads = [
            Thread(target=self._run, args=(lane, step), name=f"{name}-{lane}") for lane, step in enumerate(steps)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            while thread.is_alive():  # with a timeout, so that signals are heard
                thread.join(timeout=STOP_STEP)

    def work(self) -> None:
        """There is work: wake the threads, and return when they have found no more, or after a while."""
        until = monotonic() + LONGEST_TURN
        with self._changed:
            self._told += 1
            mine = self._told
            self._changed.notify_all()
            while min(self._idle) < mine and monotonic() < until and not self._stopping.is_set():
                self._changed.wait(STOP_STEP)

    def _run(self, lane: int, step: Step) -> None:
        try:
            self._look_until_stopped(lane, step)
        finally:
            step.close()
            close_here()

    def _look_until_stopped(self, lane: int, step: Step) -> None:
        pause = self._poll
        while not self._stopping.is_set():
            told = self._told
            try:
                with self._app.app_context():
                    looked_at = step.look()
                pause = self._poll
            except Exception:
                log.exception("a batch failed; its rows are taken again when their lease ends")
                looked_at, pause = 0, min(pause * 2, max(LONGEST_PAUSE, self._poll))
            if not looked_at:
                self._rest(lane, told, pause)

    def _rest(self, lane: int, told: int, seconds: float) -> None:
        """Nothing was found since ``told``: wait until more is said, or for a while."""
        until = monotonic() + seconds
        with self._changed:
            self._idle[lane] = told
            self._changed.notify_all()
            while self._told == told and (left := until - monotonic()) > 0 and not self._stopping.is_set():
                self._changed.wait(min(left, STOP_STEP))
