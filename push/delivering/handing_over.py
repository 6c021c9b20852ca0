"""Handing messages over: as many at once as the channel takes; results are noted while others are on their way."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from time import monotonic
from typing import NamedTuple

from push.channels import Channel, Handed, Message
from push.delivering.deciding import Facts
from push.delivering.needs import Needed, Result
from push.delivering.noting import NotTried, note_batch
from push.delivering.pacing import OPEN_AFTER, Leave, is_failure
from push.models import PushChannel

GROUP = 500  # results are noted by so many at once,
GROUP_SECONDS = 0.5  # or after so long: what a worker that dies had not noted is handed over again


class Work(NamedTuple):
    """A message and what it is the message of. ``is_untried``: it is to be given back."""

    row: Facts
    needed: Needed
    message: Message
    is_untried: bool = False


async def hand_over(channel: Channel, work: Iterator[Work], notes: "Notes", slots: "Slots") -> None:
    """Hand all of it over and note the results."""

    async def carry() -> None:
        for row, needed, message, is_untried in work:  # shared by all who carry: each takes the next
            await slots.wait()
            problem, handed = await _try(channel, message, is_untried=is_untried or notes.is_open)
            notes.add(Result(row, problem, handed, needed))

    try:
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(notes.keep_writing())
            await asyncio.wait([group.create_task(carry()) for _ in range(channel.parallel)])
            writing.cancel()
    finally:
        notes.write()


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

    async def wait(self) -> None:
        if not self._step:
            return
        slot_at = max(self._next_at, monotonic())
        self._next_at = slot_at + self._step
        if (seconds := slot_at - monotonic()) > 0:
            await asyncio.sleep(seconds)


class Notes:
    """Results that are not written yet. ``is_open``: the provider is in trouble, and nothing more must be tried."""

    def __init__(self, name: PushChannel, channel: Channel, leave: Leave, clock: Callable[[], datetime]) -> None:
        self._name, self._leave, self._clock = name, leave, clock
        self._group = 1 if channel.parallel == 1 else GROUP
        self._results: list[Result] = []
        self._failures = 0  # in a row
        self.is_open = False

    def add(self, result: Result) -> None:
        self._results.append(result)
        if (failure := is_failure(result.problem)) is not None:
            self._failures = self._failures + 1 if failure else 0
        if len(self._results) >= self._group or self._failures == OPEN_AFTER:
            self.write()

    async def keep_writing(self) -> None:
        """Write now and then, also while the last messages hang."""
        while True:
            await asyncio.sleep(GROUP_SECONDS)
            self.write()

    def write(self) -> None:
        results, self._results = self._results, []
        self.is_open = note_batch(self._name, results, self._leave, now=self._clock()) or self.is_open
