"""Figures that people type into forms, and as forms show them again."""

from decimal import Decimal, DecimalException

from babel.numbers import get_currency_precision

from core.errors import Invalid
from core.money import money, parse_amount
from core.text import Text

LARGEST = 10**9


class NumberUnreadable(Invalid):
    """Something else than a number where a number belongs."""

    code = "number_unreadable"
    sentence = Text("这不是一个数字：{value}", "This is not a number: {value}")

    def __init__(self, typed: str, field: str = "") -> None:
        super().__init__(value=typed)
        self.part = field
        if not typed.strip():
            self.sentence = Text("请填一个数字。", "Write a number.")


def number(text: str, *, times: int = 1, field: str = "") -> int:
    """A whole number of units of 1/``times`` from what a person typed. Raises NumberUnreadable, about that field."""
    try:
        value = Decimal(text.strip()) * times
    except DecimalException:
        raise NumberUnreadable(text, field) from None
    if not value.is_finite() or value != value.to_integral_value() or abs(value) > LARGEST:
        raise NumberUnreadable(text, field)
    return int(value)


def amount(text: str, currency: str) -> int:
    """Minor units from an amount that a person typed. Raises NumberUnreadable."""
    cents = parse_amount(text, currency)
    if cents is None or abs(cents) > LARGEST:
        raise NumberUnreadable(text)
    return cents


def plain(value: Decimal) -> str:
    """``5``, not ``5.00``."""
    return f"{value.normalize():f}"


def plain_share(basis_points: int) -> str:
    """A share as it is typed, in per cent: ``12.5``."""
    return plain(Decimal(basis_points) / 100)


def plain_amount(cents: int, currency: str) -> str:
    """An amount as it is typed: ``12.5``."""
    return plain(Decimal(cents).scaleb(-get_currency_precision(currency)))


def currency_sign(currency: str, language: str) -> str:
    """What stands before an amount: ¥."""
    return money(0, currency, language).rstrip("0.,\u00a0")
