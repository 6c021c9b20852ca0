"""The rules of an offer as the sentence a customer reads, in Chinese and in English.

Nobody writes these sentences: they are generated from the figures that decide, so they cannot promise anything else.
"""

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

from core.clock import business_day
from core.money import money
from core.text import Text
from coupons.models import OfferKind

NO_CENTS = re.compile(r"\.0+(?!\d)")  # nobody says five point zero zero
YEAR = re.compile(r"(\d+)年")
MONTHS = "January February March April May June July August September October November December".split()


class Rules(Protocol):
    """What the sentence is made of: an offer, or the draft of one."""

    @property
    def kind(self) -> str: ...
    @property
    def value_cents(self) -> int | None: ...
    @property
    def percent_bp(self) -> int | None: ...
    @property
    def cap_cents(self) -> int | None: ...
    @property
    def min_cents(self) -> int: ...
    @property
    def per_member_limit(self) -> int: ...
    @property
    def valid_from(self) -> datetime | None: ...
    @property
    def valid_until(self) -> datetime | None: ...
    @property
    def valid_days(self) -> int | None: ...


class Period(Protocol):
    """From when until when (exclusive) something holds: a coupon."""

    @property
    def valid_from(self) -> datetime: ...
    @property
    def valid_until(self) -> datetime: ...
    @property
    def claimed_at(self) -> datetime: ...


def sentence(offer: Rules, currency: str) -> Text:
    """What the coupon does: 满30元减5元, ¥5 off from ¥30; 满30元打9折，最多减20元."""
    minimum = amount(offer.min_cents, currency) if offer.min_cents else None
    if offer.kind == OfferKind.CASH:
        off = amount(offer.value_cents or 0, currency)
        zh, en = (f"减{off.zh}" if minimum else f"立减{off.zh}"), f"{off.en} off"
    else:
        zh, en = _percent_off(offer.percent_bp or 0)
    if minimum:
        zh, en = f"满{minimum.zh}{zh}", f"{en} from {minimum.en}"
    if offer.kind == OfferKind.PERCENT and offer.cap_cents:
        cap = amount(offer.cap_cents, currency)
        zh, en = f"{zh}，最多减{cap.zh}", f"{en}, at most {cap.en} off"
    return Text(zh, en)


def worth(offer: Rules, currency: str) -> Text:
    """The coupon's figure as it stands big on its face: ¥5, 9折, 10% off."""
    if offer.kind == OfferKind.CASH:
        return Text(
            short_money(offer.value_cents or 0, currency, "zh"), short_money(offer.value_cents or 0, currency, "en")
        )
    zh, en = _percent_off(offer.percent_bp or 0)
    return Text(zh.removeprefix("打"), en)


def conditions(offer: Rules, timezone: str, *, cutoff_hour: int = 0) -> list[Text]:
    """What else holds, one sentence each: when it is valid, how many one member may have."""
    limit = offer.per_member_limit
    each = Text(f"每人限领 {limit} 张", "One per member" if limit == 1 else f"{limit} per member")
    return [offer_validity(offer, timezone, cutoff_hour=cutoff_hour), each]


def offer_validity(offer: Rules, timezone: str, *, cutoff_hour: int = 0) -> Text:
    """When coupons of the offer will be valid: 领取后 30 天内有效, or between two days of the chain."""
    if offer.valid_from is not None and offer.valid_until is not None:
        first = day_text(business_day(offer.valid_from, timezone, cutoff_hour))
        last = end_text(offer.valid_until, timezone, cutoff_hour=cutoff_hour)
        if first == last:
            return Text(f"仅 {first.zh}当天有效", f"Valid on {first.en} only")
        return _between(first, last)
    if offer.valid_days == 1:
        return Text("领取当天有效", "Valid on the day you take it")
    return Text(f"领取后 {offer.valid_days} 天内有效", f"Valid for {offer.valid_days} days, the first included")


def validity_sentence(coupon: Period, timezone: str, *, cutoff_hour: int = 0) -> Text:
    """When a coupon already held is valid, in days of the chain's zone."""
    last = end_text(coupon.valid_until, timezone, cutoff_hour=cutoff_hour)
    if coupon.valid_from <= coupon.claimed_at:
        return Text(f"有效至 {last.zh}", f"Valid to {last.en}")
    first = day_text(business_day(coupon.valid_from, timezone, cutoff_hour))
    return _between(first, last)


def _between(first: Text, last: Text) -> Text:
    """From one day to another. A year that both share is said once."""
    year = YEAR.match(last.zh)
    if year is None or not first.zh.startswith(year[0]):
        return Text(f"{first.zh}至{last.zh}有效", f"Valid from {first.en} to {last.en}")
    day = first.en.removesuffix(f" {year[1]}")
    return Text(f"{first.zh}至{last.zh.removeprefix(year[0])}有效", f"Valid from {day} to {last.en}")


def end_text(until: datetime, timezone: str, *, cutoff_hour: int = 0) -> Text:
    """The last day before an exclusive end; with the hour when it ends in the middle of a day."""
    local = until.astimezone(ZoneInfo(timezone))
    ends_with_the_day = (local.hour, local.minute, local.second) == (cutoff_hour, 0, 0)
    if ends_with_the_day:
        return day_text(last_day(until, timezone, cutoff_hour=cutoff_hour))
    day = day_text(local)
    return Text(f"{day.zh} {local:%H:%M}", f"{day.en}, {local:%H:%M}")


def last_day(until: datetime, timezone: str, *, cutoff_hour: int = 0) -> date:
    """The business day in which an exclusive end falls."""
    return business_day(until - timedelta(microseconds=1), timezone, cutoff_hour)


def start_text(start: datetime, timezone: str, *, cutoff_hour: int = 0) -> Text:
    """The day on which something begins, as people say it."""
    return day_text(business_day(start, timezone, cutoff_hour))


class _Day(Protocol):
    @property
    def year(self) -> int: ...
    @property
    def month(self) -> int: ...
    @property
    def day(self) -> int: ...


def day_text(day: _Day) -> Text:
    """2026年5月31日, 31 May 2026."""
    return Text(f"{day.year}年{day.month}月{day.day}日", f"{day.day} {MONTHS[day.month - 1]} {day.year}")


def amount(cents: int, currency: str) -> Text:
    """An amount inside a sentence: 30元, ¥30."""
    zh = short_money(cents, currency, "zh")
    return Text(f"{zh[1:]}元" if currency == "CNY" else zh, short_money(cents, currency, "en"))


def short_money(cents: int, currency: str, language: str) -> str:
    """An amount without cents where it has none: ¥5, ¥5.5."""
    text = NO_CENTS.sub("", money(cents, currency, language))
    return text[:-1] if "." in text and text.endswith("0") else text


def _percent_off(basis_points: int) -> tuple[str, str]:
    """Chinese names what is paid (9折), English what is taken off (10% off)."""
    en = f"{_plain(Decimal(basis_points) / 100)}% off"
    paid = Decimal(10_000 - basis_points) / 100  # per cent
    if paid == 0:
        return "免单", "Free"
    is_two_digits = paid == paid.to_integral_value() and paid >= 10
    return f"打{_plain(paid).removesuffix('0') if is_two_digits else _plain(paid / 10)}折", en


def _plain(figure: Decimal) -> str:
    text = f"{figure:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
