"""Phones and addresses as typed, kept and shown."""

import pytest

from cards.contacts import EmailInvalid, PhoneInvalid, as_dialled, masked_phone, parse_email, parse_phone, spoken


@pytest.mark.parametrize("typed", ["13800000000", "138 0000 0000", "+86 138-0000-0000", "008613800000000"])
def test_a_chinese_phone_is_kept_in_one_form(typed):
    assert parse_phone(typed, currency="CNY") == "+8613800000000"


def test_a_phone_belongs_to_the_country_of_the_currency():
    assert parse_phone("6123 4567", currency="HKD") == "+85261234567"
    assert as_dialled("+85261234567", currency="HKD") == "61234567"
    assert as_dialled("+85261234567", currency="CNY") == "+85261234567"


@pytest.mark.parametrize("typed", ["12", "abc", "+99 1", "138000000000000000"])
def test_what_cannot_be_called_is_refused(typed):
    with pytest.raises(PhoneInvalid):
        parse_phone(typed)


def test_nothing_typed_is_nothing_kept():
    assert parse_phone("  ") is None
    assert parse_email("  ") is None


@pytest.mark.parametrize("typed", ["a@b", "a b@c.cn", "@c.cn", "a@c..cn", "a@c.cn>", f"{'a' * 250}@c.cn"])
def test_what_cannot_be_written_to_is_refused(typed):
    with pytest.raises(EmailInvalid):
        parse_email(typed)


def test_an_address_is_kept_in_lower_case():
    assert parse_email(" Lin@Example.COM ") == "lin@example.com"


@pytest.mark.parametrize(
    ("phone", "words"),
    [
        ("+8613800000000", "138 0000 0000"),
        ("+862160000008", "021 6000 0008"),
        ("+12025550123", "+1 202-555-0123"),
        ("call us", "call us"),
        (None, ""),
    ],
)
def test_a_phone_is_read_in_groups(phone, words):
    assert spoken(phone) == words


def test_a_clerk_sees_the_ends_of_a_phone():
    assert masked_phone("+8613800000000") == "138****0000"
    assert masked_phone(None) == ""
    assert masked_phone("+1234") == "****"
