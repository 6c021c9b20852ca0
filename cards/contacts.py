"""Phones and e-mail addresses as people type them, as we keep them, and as clerks see them."""

import re

import phonenumbers

from core.errors import Invalid
from core.text import Text

REGION_OF_CURRENCY = {
    "CNY": "CN",
    "HKD": "HK",
    "MOP": "MO",
    "TWD": "TW",
    "SGD": "SG",
    "MYR": "MY",
    "JPY": "JP",
    "KRW": "KR",
    "THB": "TH",
    "USD": "US",
    "GBP": "GB",
    "AUD": "AU",
    "CAD": "CA",
}
ADDRESS = re.compile(r"[^@\s<>\"(),;:\\]{1,64}@(?:[^@\s.<>\"(),;:\\]+\.)+[^@\s.<>\"(),;:\\]{2,}")
LONGEST_ADDRESS = 254


class PhoneInvalid(Invalid):
    """It cannot be called."""

    code = "phone_invalid"
    sentence = Text("这个手机号不对，请检查一下。", "This is not a phone number. Please check it.")


class EmailInvalid(Invalid):
    """It cannot be written to."""

    code = "email_invalid"
    sentence = Text("这个邮箱地址不对，请检查一下。", "This is not an e-mail address. Please check it.")


def parse_phone(text: str, *, currency: str = "CNY") -> str | None:
    """E.164 from what a person typed, None from nothing. Raises PhoneInvalid.

    A number without a country code belongs to the country of the chain's currency.
    """
    if not text.strip():
        return None
    try:
        number = phonenumbers.parse(text, REGION_OF_CURRENCY.get(currency))
    except phonenumbers.NumberParseException as error:
        raise PhoneInvalid() from error
    if not phonenumbers.is_valid_number(number):
        raise PhoneInvalid()
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def parse_email(text: str) -> str | None:
    """The address in lower case, None from nothing. Raises EmailInvalid."""
    address = text.strip().lower()
    if not address:
        return None
    if len(address) > LONGEST_ADDRESS or not ADDRESS.fullmatch(address):
        raise EmailInvalid()
    return address


def as_dialled(phone: str | None, *, currency: str = "CNY") -> str:
    """The number as its owner dials it at home; elsewhere with its country code."""
    if not phone:
        return ""
    number = phonenumbers.parse(phone)
    if phonenumbers.region_code_for_number(number) != REGION_OF_CURRENCY.get(currency):
        return phone
    return str(phonenumbers.national_significant_number(number))


def spoken(phone: str | None, *, currency: str = "CNY") -> str:
    """The number in groups, as people read it aloud; without its country code at home."""
    if not phone:
        return ""
    try:
        number = phonenumbers.parse(phone, REGION_OF_CURRENCY.get(currency))
    except phonenumbers.NumberParseException:
        return phone
    is_home = phonenumbers.region_code_for_number(number) == REGION_OF_CURRENCY.get(currency)
    kind = phonenumbers.PhoneNumberFormat.NATIONAL if is_home else phonenumbers.PhoneNumberFormat.INTERNATIONAL
    return str(phonenumbers.format_number(number, kind))


def masked_phone(phone: str | None) -> str:
    """What a clerk sees: 138****0000."""
    if not phone:
        return ""
    national = phone.removeprefix("+86")
    return f"{national[:3]}****{national[-4:]}" if len(national) > 7 else "****"


def masked_name(name: str) -> str:
    """A name as strangers see it: 林**, J***."""
    return f"{name[0]}{'*' * min(max(len(name) - 1, 1), 3)}" if name else ""
