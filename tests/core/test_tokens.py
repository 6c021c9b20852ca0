"""Codes that nobody guesses, and numbers that catch a slip of the finger."""

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.tokens import ALPHABET, CODE_LENGTH, hashed, is_luhn_valid, luhn_digit, new_code, new_number, new_secret


def test_a_code_carries_more_than_sixty_bits():
    assert len(set(ALPHABET)) == len(ALPHABET)
    assert CODE_LENGTH * log2(len(ALPHABET)) > 60


def test_a_code_has_no_letters_that_look_alike():
    codes = "".join(new_code() for _ in range(500))

    assert set(codes) == set(ALPHABET)
    assert not set("01loi") & set(ALPHABET)


def test_codes_and_secrets_do_not_repeat():
    assert len({new_code() for _ in range(2000)}) == 2000
    assert len({new_secret() for _ in range(2000)}) == 2000


def test_a_secret_is_kept_as_its_sha256():
    assert hashed("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_card_number_has_sixteen_digits_and_a_check_digit():
    numbers = {new_number() for _ in range(500)}

    assert len(numbers) == 500
    assert all(len(number) == 16 and number.startswith("62") and is_luhn_valid(number) for number in numbers)


@pytest.mark.parametrize(
    ("number", "valid"), [("4111111111111111", True), ("4111111111111112", False), ("41x1", False)]
)
def test_known_numbers(number, valid):
    assert is_luhn_valid(number) is valid


@given(body=some.text("0123456789", min_size=3, max_size=20), place=some.integers(0, 19), other=some.integers(1, 9))
def test_one_wrong_digit_is_noticed(body, place, other):
    number = body + str(luhn_digit(body))
    place %= len(number)
    wrong = number[:place] + str((int(number[place]) + other) % 10) + number[place + 1 :]

    assert not is_luhn_valid(wrong)
