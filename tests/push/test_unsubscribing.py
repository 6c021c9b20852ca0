"""The link out of every message, made by hand and read by the library."""

import pytest
from itsdangerous import URLSafeSerializer

from push.audiences.unsubscribing import SALT, Links, Way, read_token
from push.models import Purpose

SECRET = "s" * 40


@pytest.mark.parametrize(
    ("said", "way"),
    [
        ((7, "email"), Way(7, "email", Purpose.PROMOTION)),
        ((123_456_789, "wechat_subscription", "service"), Way(123_456_789, "wechat_subscription", Purpose.SERVICE)),
    ],
)
def test_a_link_is_the_one_that_the_library_would_make(said, way):
    token = Links("https://cards.example/", SECRET).unsubscribe(*said).removeprefix("https://cards.example/u/")

    assert token == URLSafeSerializer(SECRET, salt=SALT).dumps(list(said))
    assert read_token(token, SECRET) == way
    assert read_token(token, "t" * 40) is None
