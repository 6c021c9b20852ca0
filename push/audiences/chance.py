"""Lots drawn for members: always the same for one seed, alike in Python and in both databases.

``((a·member + b) mod P) mod 10000`` with ``a`` and ``b`` from a hash of the seed: for two different seeds the lots of a
member have nothing to do with each other, and nothing has to be kept.
"""

from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement

PRIME = 2_147_483_647  # small enough that every product fits a bigint
LOTS = 10_000


class Chance:
    """The lots of one seed, such as ``campaign:7`` or ``global:1``."""

    def __init__(self, seed: str) -> None:
        drawn = sha256(seed.encode()).digest()
        self._a = int.from_bytes(drawn[:8]) % (PRIME - 1) + 1
        self._b = int.from_bytes(drawn[8:16]) % PRIME

    def lot(self, member_id: int) -> int:
        """0 to 9999."""
        return (self._a * (member_id % PRIME) + self._b) % PRIME % LOTS

    def sql(self, member_id: ColumnElement[int] | Any) -> ColumnElement[int]:
        """The same as SQL."""
        return (self._a * (member_id % PRIME) + self._b) % PRIME % LOTS


def of_campaign(campaign_id: int) -> Chance:
    """Who of a campaign's audience is held out."""
    return Chance(f"campaign:{campaign_id}")


def of_chain(chain_id: int) -> Chance:
    """Who of a chain's members gets no promotion at all."""
    return Chance(f"global:{chain_id}")


def of_variants(campaign_id: int) -> Chance:
    """Who gets which variant of a campaign."""
    return Chance(f"variant:{campaign_id}")
