"""Money is whole minor units: shares, words, and what people type."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.money import WHOLE, money, parse_amount, share_of

CENTS = some.integers(0, 10**11)
SHARES = some.integers(0, WHOLE)


@given(cents=CENTS, share=SHARES)
def test_a_share_is_within_half_a_cent_of_the_exact_one(cents, share):
    assert abs(share_of(cents, share) * WHOLE - cents * share) * 2 <= WHOLE


@given(cents=CENTS, share=SHARES)
def test_a_share_never_exceeds_the_whole(cents, share):
    assert 0 <= share_of(cents, share) <= cents


def test_a_half_cent_is_rounded_up():
    assert share_of(250, 100) == 3  # 2.5


@pytest.mark.parametrize(
    ("cents", "currency", "language", "words"),
    [
        (5800, "CNY", "zh", "¥58.00"),
        (5800, "CNY", "en", "¥58.00"),
        (-290, "CNY", "zh", "-¥2.90"),
        (123456789, "CNY", "zh", "¥1,234,567.89"),
        (5800, "USD", "en", "$58.00"),
        (5800, "JPY", "en", "¥5,800"),
        (0, "EUR", "en", "€0.00"),
    ],
)
def test_an_amount_is_written_as_people_write_it(cents, currency, language, words):
    assert money(cents, currency, language) == words


@pytest.mark.parametrize(
    ("typed", "cents"),
    [
        ("58", 5800),
        ("58.5", 5850),
        (" ¥1,058.50 ", 105850),
        ("￥58", 5800),
        ("58。5", 5850),
        ("-3", -300),
        ("0", 0),
        ("58.505", None),
        ("", None),
        ("abc", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e9", 10**11),
        ("1e99", None),
        ("1e999999", None),
        ("1e-999999", None),
    ],
)
def test_what_a_person_typed_becomes_whole_cents_or_nothing(typed, cents):
    assert parse_amount(typed) == cents


def test_a_currency_without_minor_units_takes_none():
    assert (parse_amount("58", "JPY"), parse_amount("58.5", "JPY")) == (58, None)


@given(cents=some.integers(-(10**11), 10**11))
def test_what_is_written_is_read_back(cents):
    assert parse_amount(money(cents, "CNY").replace("¥", "")) == cents
