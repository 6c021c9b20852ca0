"""Reads the sentences of an offer back into rules, as a customer would: by their words alone.

Knows nothing of the code that wrote them. A sentence it cannot read is an error, so that nothing is said in vain.
"""

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction

ZH_WEEKDAYS = "一二三四五六日"
EN_WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
EN_MONTHS = "January February March April May June July August September October November December".split()
EVERY_DAY = frozenset(range(7))


@dataclass
class Understood:
    """What a reader takes the sentences to mean. Money in minor units; days are those of the shop."""

    off: int | None = None
    share: Fraction | None = None  # taken off
    cap: int | None = None
    item: int | None = None  # what the item costs …
    paid: int = 0  # … and what of it is paid
    least: int = 0  # to be spent, on other things where there is an item
    first: date | datetime | None = None
    last: date | datetime | None = None
    delay: int | None = None
    days: int | None = None
    weekdays: frozenset[int] = EVERY_DAY
    hours: list[tuple[int, int]] | None = None
    closed: frozenset[date] = frozenset()
    day_begins: int = 0  # hour
    stores: frozenset[str] | None = None
    programs: frozenset[str] | None = None
    tiers: frozenset[str] | None = None
    is_alone: bool | None = None
    group: str | None = None
    keeps_member_price: bool | None = None
    per_member: int | None = None
    per_phone: int | None = None
    per_day: int | None = None
    may_run_out: bool = False
    may_be_given: bool = True
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Situation:
    """Somebody at a till, by its clock."""

    amount: int
    at: datetime
    claimed: datetime
    store: str
    program: str
    tier: str
    member_bp: int


def shop_day(moment: datetime, day_begins: int) -> date:
    return (moment - timedelta(hours=day_begins)).date()


def may_use(rules: Understood, now: Situation) -> bool:
    """Whether the sentences promise that the coupon can be used."""
    day = shop_day(now.at, rules.day_begins)
    minute = now.at.hour * 60 + now.at.minute
    return (
        _is_in_time(rules, now, day)
        and day.weekday() in rules.weekdays
        and day not in rules.closed
        and (rules.hours is None or any(_is_between(minute, span) for span in rules.hours))
        and (rules.stores is None or now.store in rules.stores)
        and (rules.programs is None or now.program in rules.programs)
        and (rules.tiers is None or now.tier in rules.tiers)
        and now.amount >= (rules.item or 0)
        and now.amount - (rules.item or 0) >= rules.least
    )


def _is_in_time(rules: Understood, now: Situation, day: date) -> bool:
    if rules.days is not None:
        first = shop_day(now.claimed, rules.day_begins) + timedelta(days=rules.delay or 0)
        return first <= day < first + timedelta(days=rules.days)
    first, last = rules.first, rules.last
    begun = now.at >= first if isinstance(first, datetime) else first <= day
    return begun and (now.at < last if isinstance(last, datetime) else day <= last)


def _is_between(minute: int, span: tuple[int, int]) -> bool:
    begin, end = span
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def go_together(rules: list[Understood]) -> bool:
    groups = [rule.group for rule in rules if rule.group]
    return len(rules) < 2 or (not any(rule.is_alone for rule in rules) and len(set(groups)) == len(groups))


def to_pay(rules: list[Understood], now: Situation) -> int:
    """What is left to pay: items first, then the member price, then shares, then amounts."""
    left = now.amount
    for rule in rules:
        if rule.item is not None:
            left -= min(left, rule.item - rule.paid)
    if all(rule.keeps_member_price is not False for rule in rules):
        left -= _share(left, Fraction(now.member_bp, 10_000))
    for rule in rules:
        if rule.share is not None:
            off = _share(left, rule.share)
            left -= off if rule.cap is None else min(off, rule.cap)
    for rule in rules:
        left -= min(left, rule.off or 0)
    return left


def takes_off(rules: Understood, now: Situation) -> int:
    """What a coupon takes off by itself; a small share of very little is nothing.

    An item's price is off even where the member price, rounded, gives back the cent that it cost.
    """
    if rules.item is not None:
        return min(now.amount, rules.item - rules.paid)
    rest = Understood(keeps_member_price=rules.keeps_member_price)
    return to_pay([rest], now) - to_pay([rules], now)


def _share(amount: int, share: Fraction) -> int:
    return int(amount * share + Fraction(1, 2))


# --- Chinese ------------------------------------------------------------------------------------------------------

YUAN = r"([\d,]+(?:\.\d+)?)元"
ZH_DATE = r"(?:(\d+)年)?(\d+)月(\d+)日(?: (\d\d:\d\d))?"
ZH_CLAIM_DAY = r"领取(?:(次日)|后第 (\d+) 天)"


def read_chinese(sentences: list[str]) -> Understood:
    rules = Understood()
    for number, sentence in enumerate(sentences):
        readers = [_zh_effect] if number == 0 else ZH_READERS
        assert any(reader(sentence, rules) for reader in readers), f"not understood: {sentence}"
        rules.said.append(sentence)
    return rules


def cents(text: str) -> int:
    return int(Fraction(text.replace(",", "")) * 100)


def _zh_effect(text: str, rules: Understood) -> bool:
    if found := re.fullmatch(f"(?:满{YUAN}|立)减{YUAN}", text):
        rules.least, rules.off = cents(found[1] or "0"), cents(found[2])
    elif found := re.fullmatch(rf"(?:满{YUAN})?(?:打([\d.]+)折|免单)(?:，最多减{YUAN})?", text):
        rules.least = cents(found[1] or "0")
        rules.share = 1 - _zh_paid(found[2]) if found[2] else Fraction(1)
        rules.cap = cents(found[3]) if found[3] else None
    elif found := re.fullmatch(f"(?:另购满{YUAN}，)?免费送.+1份（价值{YUAN}）", text):
        rules.least, rules.item = cents(found[1] or "0"), cents(found[2])
    elif found := re.fullmatch(f"(?:另购满{YUAN}，)?.+原价{YUAN}，凭券{YUAN}", text):
        rules.least, rules.item, rules.paid = cents(found[1] or "0"), cents(found[2]), cents(found[3])
    return found is not None


def _zh_paid(fold: str) -> Fraction:
    """九折 is nine tenths, 八八折 (88) is 88 hundredths."""
    return Fraction(fold) / (100 if len(fold) == 2 and fold.isdecimal() else 10)


def _zh_validity(text: str, rules: Understood) -> bool:
    if found := re.fullmatch(f"仅 {ZH_DATE}当天有效", text):
        rules.first = rules.last = _zh_dates(text)[0]
    elif found := re.fullmatch(f"{ZH_DATE}至{ZH_DATE}有效", text):
        rules.first, rules.last = _zh_dates(text)
    elif found := re.fullmatch(r"领取当天有效|领取后 (\d+) 天内有效", text):
        rules.delay, rules.days = 0, int(found[1] or 1)
    elif found := re.fullmatch(rf"{ZH_CLAIM_DAY}起 (\d+) 天内有效", text):
        rules.delay, rules.days = int(found[2] or 1), int(found[3])
    elif found := re.fullmatch(f"仅{ZH_CLAIM_DAY}有效", text):
        rules.delay, rules.days = int(found[2] or 1), 1
    return found is not None


def _zh_dates(text: str) -> list[date | datetime]:
    """Dates in order; a year that is left out is the one before."""
    dates, year = [], 0
    for found in re.finditer(ZH_DATE, text):
        year = int(found[1] or year)
        dates.append(_moment(date(year, int(found[2]), int(found[3])), found[4]))
    return dates


def _moment(day: date, clock: str | None) -> date | datetime:
    return datetime.combine(day, datetime.strptime(clock, "%H:%M").time()) if clock else day


def _zh_limit(text: str, rules: Understood) -> bool:
    if found := re.fullmatch(r"每人限领 (\d+) 张", text):
        rules.per_member = int(found[1])
    elif found := re.fullmatch(r"每个手机号限领 (\d+) 张，领取前需验证手机", text):
        rules.per_phone = int(found[1])
    elif found := re.fullmatch(r"每天限量 ([\d,]+) 张", text):
        rules.per_day = int(found[1].replace(",", ""))
    elif found := re.fullmatch("数量有限，领完即止", text):
        rules.may_run_out = True
    return found is not None


def _zh_times(text: str, rules: Understood) -> bool:
    if found := re.fullmatch(r"(每天|[周至、一二三四五六日]+)(?: ([\d:–、次日 ]+) )?可用", text):
        rules.weekdays = EVERY_DAY if found[1] == "每天" else _zh_weekdays(found[1])
        rules.hours = [_span(span.replace("次日 ", "")) for span in found[2].split("、")] if found[2] else None
    elif found := re.fullmatch(r"([\d年月日至、]+)不可用", text):
        rules.closed = _zh_closed(found[1])
    elif found := re.fullmatch(r"日期按营业日算：每天从 (\d+):00 到次日 \1:00", text):
        rules.day_begins = int(found[1])
    return found is not None


def _zh_weekdays(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split("、"):
        ends = [ZH_WEEKDAYS.index(end.removeprefix("周")) for end in part.split("至")]
        days |= set(range(ends[0], ends[-1] + 1))
    return frozenset(days)


def _span(text: str) -> tuple[int, int]:
    begin, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("–"))
    return begin, end


def _zh_closed(text: str) -> frozenset[date]:
    closed: set[date] = set()
    year = ""
    for part in text.split("、"):
        ends = []
        for end in part.split("至"):
            year = end.split("年")[0] if "年" in end else year
            ends += _zh_dates(f"{year}年{end.split('年')[-1]}")
        closed |= _days_between(ends[0], ends[-1])
    return frozenset(closed)


def _days_between(first: date, last: date) -> set[date]:
    return {first + timedelta(days=offset) for offset in range((last - first).days + 1)}


def _zh_places(text: str, rules: Understood) -> bool:
    if found := re.fullmatch(r"限(“.+”)领取和使用", text):
        rules.programs = frozenset(re.findall("“(.+?)”", found[1]))
    elif found := re.fullmatch(r"限([^“]+)会员领取和使用", text):
        rules.tiers = frozenset(found[1].split("、"))
    elif found := re.fullmatch(r"限([^“]+店)使用", text):
        rules.stores = frozenset(found[1].split("、"))
    return found is not None


def _zh_together(text: str, rules: Understood) -> bool:
    if found := re.fullmatch("不与其他券同用", text):
        rules.is_alone = True
    elif found := re.fullmatch("可与其他可叠加的券同用(?:，“(.+)”类限用 1 张)?", text):
        rules.is_alone, rules.group = False, found[1]
    elif found := re.fullmatch("(不|可)与会员价同享", text):
        rules.keeps_member_price = found[1] == "可"
    elif found := re.fullmatch("不可转赠", text):
        rules.may_be_given = False
    return found is not None


ZH_READERS = [_zh_validity, _zh_limit, _zh_times, _zh_places, _zh_together]

# --- English ------------------------------------------------------------------------------------------------------

MONEY = r"¥([\d,]+(?:\.\d+)?)"
EN_DATE = rf"(\d+) ({'|'.join(EN_MONTHS)})(?: (\d{{4}}))?(?:, (\d\d:\d\d))?"
EN_CLAIM_DAY = r"the (?:(\d+)(?:st|nd|rd|th) )?day after you take it"
EN_SPAN = r"\d\d:\d\d–\d\d:\d\d(?: the next day)?"


def read_english(sentences: list[str]) -> Understood:
    rules = Understood()
    for number, sentence in enumerate(sentences):
        readers = [_en_effect] if number == 0 else EN_READERS
        assert any(reader(sentence, rules) for reader in readers), f"not understood: {sentence}"
        rules.said.append(sentence)
    return rules


def _en_effect(text: str, rules: Understood) -> bool:
    if found := re.fullmatch(f"{MONEY} off(?: from {MONEY})?", text):
        rules.off, rules.least = cents(found[1]), cents(found[2] or "0")
    elif found := re.fullmatch(rf"(?:([\d.]+)% off|Free)(?: from {MONEY})?(?:, at most {MONEY} off)?", text):
        rules.share = Fraction(found[1]) / 100 if found[1] else Fraction(1)
        rules.least, rules.cap = cents(found[2] or "0"), cents(found[3]) if found[3] else None
    elif found := re.fullmatch(rf"(?:Spend {MONEY} on other things: )?1 .+ free \(worth {MONEY}\)", text):
        rules.least, rules.item = cents(found[1] or "0"), cents(found[2])
    elif found := re.fullmatch(f"(?:Spend {MONEY} on other things: )?.+ at {MONEY} instead of {MONEY}", text):
        rules.least, rules.paid, rules.item = cents(found[1] or "0"), cents(found[2]), cents(found[3])
    return found is not None


def _en_validity(text: str, rules: Understood) -> bool:
    if found := re.fullmatch(f"Valid on {EN_DATE} only", text):
        rules.first = rules.last = _en_dates(text)[0]
    elif found := re.fullmatch(f"Valid from {EN_DATE} to {EN_DATE}", text):
        rules.first, rules.last = _en_dates(text)
    elif found := re.fullmatch(r"Valid (?:on the day you take it|for (\d+) days, the first included)", text):
        rules.delay, rules.days = 0, int(found[1] or 1)
    elif found := re.fullmatch(rf"Valid for (\d+) days from {EN_CLAIM_DAY}", text):
        rules.delay, rules.days = int(found[2] or 1), int(found[1])
    elif found := re.fullmatch(f"Valid only on {EN_CLAIM_DAY}", text):
        rules.delay, rules.days = int(found[1] or 1), 1
    return found is not None


def _en_dates(text: str) -> list[date | datetime]:
    """Dates in order; a year that is left out is the next one."""
    dates, year = [], 0
    for found in reversed(list(re.finditer(EN_DATE, text))):
        year = int(found[3] or year)
        dates.append(_moment(date(year, EN_MONTHS.index(found[2]) + 1, int(found[1])), found[4]))
    return dates[::-1]


def _en_limit(text: str, rules: Understood) -> bool:
    if found := re.fullmatch(r"(One|\d+) per member", text):
        rules.per_member = _number(found[1])
    elif found := re.fullmatch(r"(One|\d+) per phone number, verified before you take it", text):
        rules.per_phone = _number(found[1])
    elif found := re.fullmatch(r"([\d,]+) a day for everybody together", text):
        rules.per_day = _number(found[1])
    elif found := re.fullmatch("While they last", text):
        rules.may_run_out = True
    return found is not None


def _number(text: str) -> int:
    return 1 if text == "One" else int(text.replace(",", ""))


def _en_times(text: str, rules: Understood) -> bool:
    if found := re.fullmatch(f"Usable (?:daily|(.+?))(?:, ({EN_SPAN}.*))?", text):
        rules.weekdays = _en_weekdays(found[1]) if found[1] else EVERY_DAY
        spans = re.findall(EN_SPAN, found[2] or "")
        rules.hours = [_span(span.removesuffix(" the next day")) for span in spans] or None
    elif found := re.fullmatch("Not on (.+)", text):
        rules.closed = _en_closed(found[1])
    elif found := re.fullmatch(r"Each day runs from (\d+):00 to \1:00 the next morning", text):
        rules.day_begins = int(found[1])
    return found is not None


def _en_weekdays(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in re.split(", | and ", text):
        ends = [EN_WEEKDAYS.index(end) for end in part.split(" to ")]
        days |= set(range(ends[0], ends[-1] + 1))
    return frozenset(days)


def _en_closed(text: str) -> frozenset[date]:
    dates, closed = _en_dates(text), set()
    for part in re.split(", | and ", text):
        ends = [dates.pop(0) for _ in part.split(" to ")]
        closed |= _days_between(ends[0], ends[-1])
    return frozenset(closed)


def _en_places(text: str, rules: Understood) -> bool:
    if found := re.fullmatch("Only with (“.+”)", text):
        rules.programs = frozenset(re.findall("“(.+?)”", found[1]))
    elif found := re.fullmatch("For (.+) members only", text):
        rules.tiers = frozenset(re.split(", | and ", found[1]))
    elif found := re.fullmatch("Only at (.+店)", text):
        rules.stores = frozenset(re.split(", | and ", found[1]))
    return found is not None


def _en_together(text: str, rules: Understood) -> bool:
    if found := re.fullmatch("Not together with other coupons", text):
        rules.is_alone = True
    elif found := re.fullmatch("Together with other stackable coupons(?:, but only one of the kind “(.+)”)?", text):
        rules.is_alone, rules.group = False, found[1]
    elif found := re.fullmatch("(Instead|On top) of the member price", text):
        rules.keeps_member_price = found[1] == "On top"
    elif found := re.fullmatch("Cannot be given to a friend", text):
        rules.may_be_given = False
    return found is not None


EN_READERS = [_en_validity, _en_limit, _en_times, _en_places, _en_together]
