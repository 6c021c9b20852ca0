"""Handing messages over: as many at once as the channel takes; results are noted while others are on their way."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from math import inf
from time import monotonic
from typing import NamedTuple

from core.db import db
from push.channels import Channel, Handed, Message
from push.delivering.deciding import Facts
from push.delivering.needs import Needed, NotTried, Result
from push.delivering.noting import note_batch
from push.delivering.pacing import OPEN_AFTER, Leave, is_failure
from push.models import PushChannel

logger = logging.getLogger(__name__)

GROUP = 500  # results are noted by so many at once,
GROUP_SECONDS = 0.5  # or after so long: what a worker that dies had not noted is handed over again
PATIENCE_SECONDS = 30.0  # with a database that takes no results, once the last message is gone
LONGEST_PAUSE = 4.0
STOP_STEP = 0.5  # within so long it is heard that it is over


class Work(NamedTuple):
    """A message and what it is the message of. ``is_over``: it is to be given back; asked when its turn has come."""

    row: Facts
    needed: Needed
    message: Message
    is_over: Callable[[], bool]


async def hand_over(channel: Channel, work: Iterator[Work], notes: "Notes", slots: "Slots") -> None:
    """Hand all of it over and note the results. Where taking more breaks, what is on its way still comes to its end."""

    async def carry() -> None:
        for row, needed, message, is_over in work:  # shared by all who carry: each takes the next
            await slots.wait(is_over)
            begun_at = monotonic()
            problem, handed = await _try(channel, message, is_untried=notes.wants_no_more or is_over())
            notes.add(Result(row, problem, handed, needed), begun_at)

    writing = asyncio.create_task(notes.keep_writing())
    try:
        carried = await asyncio.gather(*(carry() for _ in range(channel.parallel)), return_exceptions=True)
    finally:
        writing.cancel()
        await notes.write_all()
    for problem in carried:
        if problem is not None:
            raise problem


async def _try(channel: Channel, message: Message, *, is_untried: bool) -> tuple[Exception | None, Handed]:
    if is_untried:
        return NotTried(), Handed()
    try:
        return None, await channel.send(message)
    except Exception as problem:  # whatever it is, it is this message's: the others go on
        return problem, Handed()


class Slots:
    """The times at which messages may go. What comes late moves on those after it, so that they do not go at once."""

    def __init__(self, first_in: float, rate: float | None) -> None:
        self._step = 1 / rate if rate else 0.0
        self._next_at = monotonic() + first_in

    async def wait(self, is_over: Callable[[], bool]) -> None:
        """Until the next of them, or until it is over."""
        if not self._step:
            return
        slot_at = max(self._next_at, monotonic())
        self._next_at = slot_at + self._step
        while (seconds := slot_at - monotonic()) > 0 and not is_over():
            await asyncio.sleep(min(seconds, STOP_STEP))


class Notes:
    """Results that are not written yet. They are kept until the database takes them.

    ``wants_no_more``: the provider is in trouble, or the database; nothing more must be tried.
    """

    def __init__(self, name: PushChannel, channel: Channel, leave: Leave, clock: Callable[[], datetime]) -> None:
        self._name, self._leave, self._clock = name, leave, clock
        self._group = 1 if channel.parallel == 1 else GROUP
        self._results: list[Result] = []
        self._failures = 0  # in a row
        self._answered_at = -inf  # when the provider last took a message, or refused one for good
        self._is_open = False
        self._trouble: Exception | None = None  # with the database

    @property
    def wants_no_more(self) -> bool:
        return self._is_open or self._trouble is not None

    def add(self, result: Result, begun_at: float) -> None:
        """Keep a result. What hung while others were answered comes last, and is no sign that the provider is down."""
        failure = is_failure(result.problem)
        if failure and self._answered_at >= begun_at:
            result, failure = result._replace(is_sign=False), None
        self._results.append(result)
        if failure is not None:
            self._failures = self._failures + 1 if failure else 0
            self._answered_at = self._answered_at if failure else monotonic()
        if self._trouble is None and (len(self._results) >= self._group or self._failures == OPEN_AFTER):
            self.write()

    async def keep_writing(self) -> None:
        """Write now and then, also while the last messages hang."""
        while True:
            await asyncio.sleep(GROUP_SECONDS)
            self.write()

    def write(self) -> None:
        """Write what there is; what the database does not take now is kept."""
        results, self._results = self._results, []
        try:
            is_open = note_batch(self._name, results, self._leave, now=self._clock())
        except Exception as trouble:
            logger.warning("%s results cannot be noted yet: %s", len(results), type(trouble).__name__)
            self._results, self._trouble = results + self._results, trouble
            db.session.rollback()  # also what somebody read over a connection that is lost
        else:
            self._is_open, self._trouble = is_open or self._is_open, None

    async def write_all(self) -> None:
        """Write the last of them, and again until the database takes them: else all would be handed over once more."""
        until, pause = monotonic() + PATIENCE_SECONDS, GROUP_SECONDS
        self.write()
        while self._trouble is not None:
            if monotonic() >= until:
                raise self._trouble
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            self.write()
