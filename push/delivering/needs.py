"""What a channel needs for a message besides words, and what became of handing it over."""

from typing import NamedTuple

from push.channels import Browser, Filled, Handed
from push.delivering.deciding import Facts


class Needed(NamedTuple):
    """For one delivery. ``to`` where it is not a column of the member; ``template`` with its variables unfilled."""

    to: str = ""
    browsers: tuple[Browser, ...] = ()
    template: Filled | None = None


class NotTried(Exception):
    """The worker is stopping, the lease may end before the provider answers, or the coupon it brings is not there."""


class Result(NamedTuple):
    """What became of handing one message over: ``problem``, or what the provider said.

    ``is_sign``: it says something of how the provider fares, not of this message alone.
    """

    row: Facts
    problem: BaseException | None
    handed: Handed
    needed: Needed
    is_sign: bool = True
