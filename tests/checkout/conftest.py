"""The shop that the tests of this folder buy in."""

import pytest

from tests.checkout.shop import Shop


@pytest.fixture
def shop(app):
    return Shop()
