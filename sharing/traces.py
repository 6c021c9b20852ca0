"""What a browser and its address leave behind: keyed hashes, for the fraud rules alone (app/traces.py makes them)."""

from typing import NamedTuple


class Trace(NamedTuple):
    """Like phone and like network; None where nothing was seen."""

    device: str | None = None
    network: str | None = None


NO_TRACE = Trace()
