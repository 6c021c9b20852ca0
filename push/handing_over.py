"""Handing messages over: as many at once as the channel takes; results are noted while others are on their way."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime
from time import monotonic

from push.channels import Channel, Handed, Message
from push.deciding import Facts
from push.models import PushChannel
from push.needs import Needed, Result
from push.noting import NotTried, note_batch

GROUP = 500  # results are noted by so many at once,
GROUP_SECONDS = 0.5  # or after so long: what a worker that dies had not noted is handed over again

Work = tuple[Facts, Needed, Message]


async def hand_over(
    name: PushChannel, channel: Channel, work: Iterator[Work], *, now: datetime, is_over: Callable[[], bool]
) -> None:
    """Hand all of it over and note the results; what is left when ``is_over`` says so is given back untried."""
    notes = _Notes(name, 1 if channel.parallel == 1 else GROUP, now)

    async def carry() -> None:
        for row, needed, message in work:  # shared by all who carry: each takes the next
            problem, handed = await _try(channel, message, is_over)
            notes.add(Result(row, problem, handed, needed))

    try:
        async with asyncio.TaskGroup() as carriers:
            for _ in range(channel.parallel):
                carriers.create_task(carry())
    finally:
        notes.write()


async def _try(channel: Channel, message: Message, is_over: Callable[[], bool]) -> tuple[Exception | None, Handed]:
    if is_over():
        return NotTried(), Handed()
    try:
        return None, await channel.send(message)
    except Exception as problem:  # whatever it is, it is this message's: the others go on
        return problem, Handed()


class _Notes:
    """Results that are not written yet."""

    def __init__(self, name: PushChannel, group: int, now: datetime) -> None:
        self._name, self._group, self._now = name, group, now
        self._results: list[Result] = []
        self._written_at = monotonic()

    def add(self, result: Result) -> None:
        self._results.append(result)
        if len(self._results) >= self._group or monotonic() - self._written_at >= GROUP_SECONDS:
            self.write()

    def write(self) -> None:
        results, self._results = self._results, []
        note_batch(self._name, results, now=self._now)
        self._written_at = monotonic()
