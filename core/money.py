"""Money is an integer of minor units (cents, fen); a percentage is basis points."""

from decimal import Decimal, DecimalException

from babel.numbers import format_currency, get_currency_precision

WHOLE = 10_000  # basis points


def share_of(cents: int, basis_points: int) -> int:
    """A part of an amount, rounded half up to a whole minor unit."""
    return (cents * basis_points + WHOLE // 2) // WHOLE


def whole_units(cents: int, currency: str) -> int:
    """The whole units of currency in an amount: 50 of ¥50.90."""
    return cents // int(10 ** get_currency_precision(currency))


def money(cents: int, currency: str, language: str = "zh") -> str:
    """An amount as people write it: ¥58.00."""
    locale = "zh_Hans_CN" if language.startswith("zh") else "en"
    amount = Decimal(cents).scaleb(-get_currency_precision(currency))
    text = format_currency(amount, currency, locale=locale)
    return text.replace("CN¥", "¥")


def parse_amount(text: str, currency: str = "CNY") -> int | None:
    """Minor units from what a person typed ("58", "58.5", "¥1,058.50"), or None."""
    precision = get_currency_precision(currency)
    plain = text.strip().lstrip("¥￥$").replace(",", "").replace("，", "").replace("。", ".")
    try:
        cents = Decimal(plain).scaleb(precision)
    except DecimalException:
        return None
    if not cents.is_finite() or cents != cents.to_integral_value() or abs(cents) > 10**12:
        return None
    return int(cents)
