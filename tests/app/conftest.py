"""A shop at noon, for the tests of tills."""

import pytest
import time_machine

from tests.checkout.shop import Shop
from tests.factories import NOON


@pytest.fixture
def noon():
    """The clock, which stands still unless it is moved."""
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


@pytest.fixture
def shop(app, noon):
    return Shop()
