"""What a channel needs for a message besides words, and what it wants to know of the results: asked once a batch.

A channel that needs nothing but the member's e-mail address or phone is not in these tables.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from push.channels import Browser, Filled, Handed
from push.delivering.deciding import Facts
from push.models import PushChannel


class Needed(NamedTuple):
    """For one delivery. ``to`` where it is not a column of the member; ``template`` with its variables unfilled."""

    to: str = ""
    browsers: tuple[Browser, ...] = ()
    template: Filled | None = None


class Result(NamedTuple):
    """What became of handing one message over: ``problem``, or what the provider said.

    ``is_sign``: it says something of how the provider fares, not of this message alone.
    """

    row: Facts
    problem: BaseException | None
    handed: Handed
    needed: Needed
    is_sign: bool = True


# For the rows of a batch, by delivery. One that is left out cannot go: it is skipped as ``no_address``. In the
# transaction in which the batch is taken.
GATHERING: dict[PushChannel, Callable[[Sequence[Facts], datetime], Mapping[int, Needed]]] = {}
# In the transaction in which results are noted.
AFTERWARDS: dict[PushChannel, Callable[[Sequence[Result], datetime], None]] = {}


def gather(name: PushChannel, rows: Sequence[Facts], *, now: datetime) -> Mapping[int, Needed]:
    """What each delivery needs. Needs an open transaction."""
    gathering = GATHERING.get(name)
    if gathering is None or not rows:
        return {row.id: Needed() for row in rows}
    return gathering(rows, now)


def tell(name: PushChannel, results: Sequence[Result], *, now: datetime) -> None:
    """Let the channel know how its messages fared. Needs an open transaction."""
    afterwards = AFTERWARDS.get(name)
    if afterwards is not None:
        afterwards(results, now)
