"""The rules of an offer as the sentences a customer reads, in Chinese and in English.

Nobody writes these sentences: they are generated from the figures that decide, so they cannot promise anything else.
Every rule that decides is said, and none that decides nothing.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from core.clock import business_day, day_start
from core.money import money
from core.text import Text
from coupons.hours import is_on, when_text
from coupons.models import MemberPrice, OfferKind, Stacking

NO_CENTS = re.compile(r"\.0+(?!\d)")  # nobody says five point zero zero
YEAR = re.compile(r"(\d+)年")
MONTHS = "January February March April May June July August September October November December".split()
MOST_NAMES = 3  # more stores than that are counted


class Rules(Protocol):
    """What the sentences are made of: an offer, or the draft of one."""

    @property
    def kind(self) -> str: ...
    @property
    def value_cents(self) -> int | None: ...
    @property
    def percent_bp(self) -> int | None: ...
    @property
    def cap_cents(self) -> int | None: ...
    @property
    def item_name(self) -> str | None: ...
    @property
    def item_name_en(self) -> str | None: ...
    @property
    def item_cents(self) -> int | None: ...
    @property
    def price_cents(self) -> int | None: ...
    @property
    def min_cents(self) -> int: ...
    @property
    def stock(self) -> int | None: ...
    @property
    def per_member_limit(self) -> int: ...
    @property
    def per_day_limit(self) -> int | None: ...
    @property
    def per_phone_limit(self) -> int | None: ...
    @property
    def budget_cents(self) -> int | None: ...
    @property
    def valid_from(self) -> datetime | None: ...
    @property
    def valid_until(self) -> datetime | None: ...
    @property
    def valid_days(self) -> int | None: ...
    @property
    def valid_delay_days(self) -> int: ...
    @property
    def weekdays(self) -> int | None: ...
    @property
    def hours(self) -> list[list[int]] | None: ...
    @property
    def blackout_dates(self) -> list[str] | None: ...
    @property
    def is_for_all_stores(self) -> bool: ...
    @property
    def is_for_all_programs(self) -> bool: ...
    @property
    def is_for_all_tiers(self) -> bool: ...
    @property
    def stacking(self) -> str: ...
    @property
    def stack_group(self) -> str | None: ...
    @property
    def member_price(self) -> str: ...
    @property
    def may_be_given(self) -> bool: ...


class Scope(NamedTuple):
    """What an offer is for, by name; empty where it is for all. Without a member price nothing need be said of it."""

    stores: Sequence[Text] = ()
    programs: Sequence[Text] = ()
    tiers: Sequence[Text] = ()
    has_member_price: bool = True


class Period(Protocol):
    """From when until when (exclusive) something holds: a coupon."""

    @property
    def valid_from(self) -> datetime: ...
    @property
    def valid_until(self) -> datetime: ...
    @property
    def claimed_at(self) -> datetime: ...


def sentence(offer: Rules, currency: str) -> Text:
    """What the coupon does: 满30元减5元, ¥5 off from ¥30; 另购满30元，免费送香草圣代1份（价值12元）."""
    minimum = amount(offer.min_cents, currency) if offer.min_cents else None
    if offer.kind in (OfferKind.GIFT, OfferKind.FIXED_PRICE):
        zh, en = _item(offer, currency)
        return (
            Text(f"另购满{minimum.zh}，{zh}", f"Spend {minimum.en} on other things: {en}") if minimum else Text(zh, en)
        )
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


def _item(offer: Rules, currency: str) -> Text:
    zh, en = offer.item_name or "", offer.item_name_en or ""
    price = amount(offer.item_cents or 0, currency)
    if offer.kind == OfferKind.GIFT:
        return Text(f"免费送{zh}1份（价值{price.zh}）", f"1 {en} free (worth {price.en})")
    paid = amount(offer.price_cents or 0, currency)
    return Text(f"{zh}原价{price.zh}，凭券{paid.zh}", f"{en} at {paid.en} instead of {price.en}")


def worth(offer: Rules, currency: str) -> Text:
    """The coupon's figure as it stands big on its face: ¥5, 9折, 10% off, 免费, the price of an item."""
    if offer.kind in (OfferKind.CASH, OfferKind.FIXED_PRICE):
        figure = offer.value_cents if offer.kind == OfferKind.CASH else offer.price_cents
        return Text(short_money(figure or 0, currency, "zh"), short_money(figure or 0, currency, "en"))
    if offer.kind == OfferKind.GIFT:
        return Text("免费", "Free")
    zh, en = _percent_off(offer.percent_bp or 0)
    return Text(zh.removeprefix("打"), en)


def conditions(offer: Rules, timezone: str, *, cutoff_hour: int = 0, scope: Scope | None = None) -> list[Text]:
    """What else holds, one sentence each: when, where and for whom it is, how many there are, what it goes with.

    Without a scope its places are not named, only that there are such.
    """
    validity = offer_validity(offer, timezone, cutoff_hour=cutoff_hour)
    use = use_conditions(offer, cutoff_hour=cutoff_hour, scope=scope)
    return [validity, *_limits(offer), *use]


def use_conditions(offer: Rules, *, cutoff_hour: int = 0, scope: Scope | None = None) -> list[Text]:
    """What somebody who holds a coupon still has to know: everything but its dates and how it is claimed."""
    return [*_times(offer, cutoff_hour), *_places(offer, scope), *_together(offer, scope)]


def _limits(offer: Rules) -> Iterator[Text]:
    limit = offer.per_member_limit
    yield Text(f"每人限领 {limit} 张", "One per member" if limit == 1 else f"{limit} per member")
    phone, day = offer.per_phone_limit, offer.per_day_limit
    if phone is not None:
        en = "One per phone number" if phone == 1 else f"{phone} per phone number"
        yield Text(f"每个手机号限领 {phone} 张，领取前需验证手机", f"{en}, verified before you take it")
    if day is not None and (offer.stock is None or day < offer.stock):
        yield Text(f"每天限量 {day:,} 张", f"{day:,} a day for everybody together")
    if offer.stock is not None or offer.budget_cents is not None:
        yield Text("数量有限，领完即止", "While they last")


def _times(offer: Rules, cutoff_hour: int) -> Iterator[Text]:
    if offer.weekdays is not None or offer.hours:
        when = when_text(offer.weekdays, offer.hours)
        yield Text(f"{when.zh}{' ' if offer.hours else ''}可用", f"Usable {when.en}")
    blackouts = [date.fromisoformat(day) for day in offer.blackout_dates or ()]
    days = [day for day in sorted(blackouts) if is_on(offer.weekdays, day)]  # the others are closed anyway
    if days:
        named = dates_text(days)
        yield Text(f"{named.zh}不可用", f"Not on {named.en}")
    if cutoff_hour:
        zh = f"日期按营业日算：每天从 {cutoff_hour}:00 到次日 {cutoff_hour}:00"
        yield Text(zh, f"Each day runs from {cutoff_hour}:00 to {cutoff_hour}:00 the next morning")


def _places(offer: Rules, scope: Scope | None) -> Iterator[Text]:
    named = scope or Scope()
    if not offer.is_for_all_stores:
        count = len(named.stores)
        if 0 < count <= MOST_NAMES:
            stores = listed(named.stores)
            yield Text(f"限{stores.zh}使用", f"Only at {stores.en}")
        else:
            yield (
                Text(f"限 {count} 家门店使用", f"Only at {count} stores")
                if count
                else Text("限部分门店使用", "Only at some stores")
            )
    if not offer.is_for_all_programs:
        cards = listed([Text(f"“{name.zh}”", f"“{name.en}”") for name in named.programs])
        yield Text(f"限{cards.zh or '部分会员卡'}领取和使用", f"Only with {cards.en or 'some of our cards'}")
    if not offer.is_for_all_tiers:
        tiers = listed(named.tiers)
        yield Text(f"限{tiers.zh or '部分等级的'}会员领取和使用", f"For {tiers.en or 'some'} members only")


def _together(offer: Rules, scope: Scope | None) -> Iterator[Text]:
    group = offer.stack_group
    if offer.stacking == Stacking.EXCLUSIVE:
        yield Text("不与其他券同用", "Not together with other coupons")
    elif group:
        zh = f"可与其他可叠加的券同用，“{group}”类限用 1 张"
        yield Text(zh, f"Together with other stackable coupons, but only one of the kind “{group}”")
    else:
        yield Text("可与其他可叠加的券同用", "Together with other stackable coupons")
    if scope is None or scope.has_member_price:
        is_on_top = offer.member_price == MemberPrice.ON_TOP
        instead = Text("不与会员价同享", "Instead of the member price")
        yield Text("可与会员价同享", "On top of the member price") if is_on_top else instead
    if not offer.may_be_given:
        yield Text("不可转赠", "Cannot be given to a friend")


def offer_validity(offer: Rules, timezone: str, *, cutoff_hour: int = 0) -> Text:
    """When coupons of the offer will be valid: 领取后 30 天内有效, or between two days of the chain."""
    if offer.valid_from is not None and offer.valid_until is not None:
        first = start_text(offer.valid_from, timezone, cutoff_hour=cutoff_hour)
        last = end_text(offer.valid_until, timezone, cutoff_hour=cutoff_hour)
        if first == last:
            return Text(f"仅 {first.zh}当天有效", f"Valid on {first.en} only")
        return _between(first, last)
    days, delay = offer.valid_days, offer.valid_delay_days
    if delay:
        return _delayed(days or 0, delay)
    if days == 1:
        return Text("领取当天有效", "Valid on the day you take it")
    return Text(f"领取后 {days} 天内有效", f"Valid for {days} days, the first included")


def _delayed(days: int, delay: int) -> Text:
    """领取次日起 7 天内有效; the day of the claim is none of the days that are counted."""
    zh = "领取次日" if delay == 1 else f"领取后第 {delay} 天"
    en = "the day after you take it" if delay == 1 else f"the {_ordinal(delay)} day after you take it"
    if days == 1:
        return Text(f"仅{zh}有效", f"Valid only on {en}")
    return Text(f"{zh}起 {days} 天内有效", f"Valid for {days} days from {en}")


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"


def validity_sentence(coupon: Period, timezone: str, *, cutoff_hour: int = 0) -> Text:
    """When a coupon already held is valid, in days of the chain's zone."""
    last = end_text(coupon.valid_until, timezone, cutoff_hour=cutoff_hour)
    if coupon.valid_from <= coupon.claimed_at:
        return Text(f"有效至 {last.zh}", f"Valid to {last.en}")
    return _between(start_text(coupon.valid_from, timezone, cutoff_hour=cutoff_hour), last)


def _between(first: Text, last: Text) -> Text:
    """From one day to another. A year that both share is said once."""
    year = YEAR.match(last.zh)
    if year is None or not first.zh.startswith(year[0]):
        return Text(f"{first.zh}至{last.zh}有效", f"Valid from {first.en} to {last.en}")
    day = first.en.removesuffix(f" {year[1]}")
    return Text(f"{first.zh}至{last.zh.removeprefix(year[0])}有效", f"Valid from {day} to {last.en}")


def end_text(until: datetime, timezone: str, *, cutoff_hour: int = 0) -> Text:
    """The last day before an exclusive end; with the hour when it ends in the middle of a day."""
    if _is_edge(until, timezone, cutoff_hour):
        return day_text(last_day(until, timezone, cutoff_hour=cutoff_hour))
    return _moment_text(until, timezone)


def _is_edge(moment: datetime, timezone: str, cutoff_hour: int) -> bool:
    return moment == day_start(business_day(moment, timezone, cutoff_hour), timezone, cutoff_hour)


def _moment_text(moment: datetime, timezone: str) -> Text:
    local = moment.astimezone(ZoneInfo(timezone))
    day, clock = day_text(local), f"{local:%H:%M:%S}".removesuffix(":00")
    return Text(f"{day.zh} {clock}", f"{day.en}, {clock}")


def last_day(until: datetime, timezone: str, *, cutoff_hour: int = 0) -> date:
    """The business day in which an exclusive end falls."""
    return business_day(until - timedelta(microseconds=1), timezone, cutoff_hour)


def start_text(start: datetime, timezone: str, *, cutoff_hour: int = 0) -> Text:
    """The day on which something begins, as people say it; with the hour when it begins in the middle of a day."""
    if _is_edge(start, timezone, cutoff_hour):
        return day_text(business_day(start, timezone, cutoff_hour))
    return _moment_text(start, timezone)


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


def dates_text(days: Sequence[date]) -> Text:
    """Days in order: 2026年10月1日至10月7日、12月31日; three and more in a row from the first to the last."""
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    pieces = [piece for run in runs for piece in ([[run[0], run[-1]]] if len(run) > 2 else [[day] for day in run])]
    edges = [edge for piece in pieces for edge in piece]
    zh = {edge: _without_year(edge, before) for edge, before in zip(edges, [None, *edges], strict=False)}
    en = {edge: _short_day(edge, after) for edge, after in zip(edges, [*edges[1:], None], strict=True)}
    return listed([Text("至".join(zh[e] for e in piece), " to ".join(en[e] for e in piece)) for piece in pieces])


def _without_year(day: date, before: date | None) -> str:
    """A year is said once, by the first day of it …"""
    zh = day_text(day).zh
    return zh if before is None or before.year != day.year else zh.removeprefix(f"{day.year}年")


def _short_day(day: date, after: date | None) -> str:
    """… and in English by the last."""
    en = day_text(day).en
    return en if after is None or after.year != day.year else en.removesuffix(f" {day.year}")


def listed(parts: Sequence[Text]) -> Text:
    """甲、乙、丙; one, two and three."""
    names = [part.en for part in parts]
    en = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
    return Text("、".join(part.zh for part in parts), en)


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
