"""Handing messages over: as many at once as the channel takes; results are noted while others are on their way."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from time import monotonic
from typing import NamedTuple

from push.channels import Channel, Handed, Message
from push.deciding import Facts
from push.models import PushChannel
from push.needs import Needed, Result
from push.noting import NotTried, note_batch
from push.pacing import OPEN_AFTER, Leave, is_failure

GROUP = 500  # results are noted by so many at once,
GROUP_SECONDS = 0.5  # or after so long: what a worker that dies had not noted is handed over again

Work = tuple[Facts, Needed, Message]


class Pace(NamedTuple):
    """When messages may go: the first after ``wait`` seconds, each other one ``step`` later."""

    wait: float = 0.0
    step: float = 0.0


async def hand_over(
    name: PushChannel,
    channel: Channel,
    work: Iterator[Work],
    leave: Leave,
    pace: Pace,
    *,
    now: datetime,
    is_over: Callable[[], bool],
) -> None:
    """Hand all of it over and note the results.

    What is left when ``is_over`` says so, or when the provider is in trouble, is given back untried.
    """
    notes = _Notes(name, 1 if channel.parallel == 1 else GROUP, leave, now)
    slots = _Slots(pace)

    async def carry() -> None:
        for row, needed, message in work:  # shared by all who carry: each takes the next
            await slots.wait()
            problem, handed = await _try(channel, message, is_untried=notes.is_open or is_over())
            notes.add(Result(row, problem, handed, needed))

    try:
        async with asyncio.TaskGroup() as carriers:
            for _ in range(channel.parallel):
                carriers.create_task(carry())
    finally:
        notes.write()


async def _try(channel: Channel, message: Message, *, is_untried: bool) -> tuple[Exception | None, Handed]:
    if is_untried:
        return NotTried(), Handed()
    try:
        return None, await channel.send(message)
    except Exception as problem:  # whatever it is, it is this message's: the others go on
        return problem, Handed()


class _Slots:
    """The times at which messages may go. What comes late moves on those after it, so that they do not go at once."""

    def __init__(self, pace: Pace) -> None:
        self._step = pace.step
        self._next_at = monotonic() + pace.wait

    async def wait(self) -> None:
        if not self._step:
            return
        slot_at = max(self._next_at, monotonic())
        self._next_at = slot_at + self._step
        if (seconds := slot_at - monotonic()) > 0:
            await asyncio.sleep(seconds)


class _Notes:
    """Results that are not written yet."""

    def __init__(self, name: PushChannel, group: int, leave: Leave, now: datetime) -> None:
        self._name, self._group, self._leave, self._now = name, group, leave, now
        self._results: list[Result] = []
        self._written_at = monotonic()
        self._failures = 0  # in a row
        self.is_open = False  # the circuit: nothing more must be tried

    def add(self, result: Result) -> None:
        self._results.append(result)
        if (failure := is_failure(result.problem)) is not None:
            self._failures = self._failures + 1 if failure else 0
        is_time = len(self._results) >= self._group or monotonic() - self._written_at >= GROUP_SECONDS
        if is_time or self._failures == OPEN_AFTER:
            self.write()

    def write(self) -> None:
        results, self._results = self._results, []
        self.is_open = note_batch(self._name, results, self._leave, now=self._now) or self.is_open
        self._written_at = monotonic()
