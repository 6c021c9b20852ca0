"""What head office writes down for an offer, and what it may not contradict. Pure: nothing here touches a database."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from unicodedata import normalize

from core.clock import business_day
from core.text import Text
from core.tokens import hashed
from coupons import errors
from coupons.hours import EVERY_DAY, is_on
from coupons.models import MemberPrice, OfferKind, Stacking

MOST_STOCK = 1_000_000_000
MOST_CENTS = 10**12
MOST_WINDOWS, MOST_BLACKOUTS, MOST_PLACES = 12, 100, 10_000
MINUTES = 24 * 60
ITEM_KINDS = (OfferKind.GIFT, OfferKind.FIXED_PRICE)

Rules = Iterator[tuple[bool, Text]]  # whether it holds, and what is wrong if not


@dataclass(frozen=True)
class Draft:
    """The rules of an offer. Money in minor units, percentages in basis points; what each means stands at ``Offer``.

    Without stores, programs or tiers it is for all of them.
    """

    name: str
    name_en: str
    kind: str
    value_cents: int | None = None
    percent_bp: int | None = None
    cap_cents: int | None = None
    item_name: str | None = None
    item_name_en: str | None = None
    item_cents: int | None = None
    price_cents: int | None = None
    min_cents: int = 0
    stock: int | None = None
    per_member_limit: int = 1
    per_day_limit: int | None = None
    per_phone_limit: int | None = None
    budget_cents: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    valid_days: int | None = None
    valid_delay_days: int = 0
    weekdays: int | None = None
    hours: list[list[int]] | None = None
    blackout_dates: list[str] | None = None
    stacking: str = Stacking.EXCLUSIVE
    stack_group: str | None = None
    member_price: str = MemberPrice.ON_TOP
    program_id: int | None = None  # the welcome gift of this program
    is_public: bool = True
    claim_word: str | None = None
    staff_gift_limit: int | None = None
    may_be_given: bool = True
    hq_share_bp: int = 10_000
    store_ids: tuple[int, ...] = ()
    program_ids: tuple[int, ...] = ()
    tier_ids: tuple[int, ...] = ()

    @property
    def is_for_all_stores(self) -> bool:
        return not self.store_ids

    @property
    def is_for_all_programs(self) -> bool:
        return not self.program_ids

    @property
    def is_for_all_tiers(self) -> bool:
        return not self.tier_ids


SCOPE = ("store_ids", "program_ids", "tier_ids")


def columns_of(draft: Draft) -> dict[str, Any]:
    """What of a draft stands in the offer's own row."""
    columns = {name: value for name, value in asdict(draft).items() if name not in SCOPE}
    return columns | {
        "is_for_all_stores": not draft.store_ids,
        "is_for_all_programs": not draft.program_ids,
        "is_for_all_tiers": not draft.tier_ids,
    }


def plain(draft: Draft) -> dict[str, Any]:
    """A draft as JSON, without what is not set."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(draft).items() if v not in (None, ())}


def version_of(draft: Draft) -> str:
    """A short name of exactly these rules, by which an editor says which ones he has seen."""
    return hashed(json.dumps(plain(draft), sort_keys=True, ensure_ascii=False))[:16]


def most_cents(rules: Any) -> int | None:
    """The most that one coupon can take off; None where nothing bounds it."""
    if rules.kind == OfferKind.CASH:
        return int(rules.value_cents)
    if rules.kind == OfferKind.PERCENT:
        return rules.cap_cents  # type: ignore[no-any-return]
    return int(rules.item_cents) - int(rules.price_cents or 0)


def normal_word(word: str) -> str:
    """A claim word as it is stored and compared: width, capitals and outer spaces do not matter."""
    return normalize("NFKC", normalize("NFKC", word).strip().casefold())


def normalised(draft: Draft, *, cutoff_hour: int = 0) -> Draft:
    """The same rules written in one way: what limits nothing is left out, lists are in order."""
    word = normal_word(draft.claim_word) if draft.claim_word else None
    return replace(
        draft,
        claim_word=word or None,
        stack_group=(draft.stack_group or "").strip() or None,
        item_name=(draft.item_name or "").strip() or None,
        item_name_en=(draft.item_name_en or "").strip() or None,
        weekdays=None if draft.weekdays == EVERY_DAY else draft.weekdays,
        hours=_merged(draft.hours, cutoff_hour) if draft.hours else None,
        blackout_dates=sorted(set(draft.blackout_dates)) if draft.blackout_dates else None,
        store_ids=tuple(sorted(set(draft.store_ids))),
        program_ids=tuple(sorted(set(draft.program_ids))),
        tier_ids=tuple(sorted(set(draft.tier_ids))),
    )


def check(draft: Draft, *, timezone: str = "UTC", cutoff_hour: int = 0) -> None:
    """Raise OfferInvalid, naming what contradicts what. Days are those of the chain."""
    groups = (_naming(draft), _worth(draft), _limits(draft), _period(draft), _hours(draft, cutoff_hour))
    for rules in (*groups, _days(draft, timezone, cutoff_hour), _together(draft)):
        for holds, problem in rules:
            if not holds:
                raise invalid(problem)


def refuse_program() -> None:
    """Raise OfferInvalid for a program that is not the chain's."""
    raise invalid(Text("没有这种会员卡。", "there is no such card."))


def invalid(problem: Text) -> errors.OfferInvalid:
    """The refusal of rules that contradict one another."""
    refusal = errors.OfferInvalid(problem=problem.en)
    refusal.sentence = Text(errors.OfferInvalid.sentence.zh.format(problem=problem.zh), errors.OfferInvalid.sentence.en)
    return refusal


def _naming(draft: Draft) -> Rules:
    yield bool(draft.name.strip() and draft.name_en.strip()), Text("名称要有中文和英文。", "it needs both names.")
    short = len(draft.name) <= 60 and len(draft.name_en) <= 80
    yield short, Text("名称太长：中文最多 60 字，英文最多 80 字。", "a name has at most 60 (Chinese) or 80 characters.")
    length = len(draft.claim_word) if draft.claim_word is not None else 2
    yield 2 <= length <= 40, Text("口令要 2 到 40 个字。", "a claim word has 2 to 40 characters.")
    group = len(draft.stack_group or "") <= 40
    yield group, Text("叠加组的名称最多 40 个字。", "the name of a stack group has at most 40 characters.")


def _worth(draft: Draft) -> Rules:
    kind = draft.kind
    yield kind in list(OfferKind), Text("没有这种类型。", "there is no such kind.")
    amounts = (draft.value_cents, draft.cap_cents, draft.item_cents, draft.price_cents, draft.min_cents)
    amounts_fit = all(amount is None or amount <= MOST_CENTS for amount in (*amounts, draft.budget_cents))
    yield amounts_fit, Text("金额太大。", "an amount is too large.")
    if kind == OfferKind.CASH:
        yield (draft.value_cents or 0) > 0, Text("减多少要大于零。", "the amount off must be above zero.")
        lone = draft.percent_bp is None and draft.cap_cents is None
        yield lone, Text("满减券不设折扣和封顶。", "money off has no percentage and no cap.")
    else:
        yield draft.value_cents is None, Text("只有满减券才有减免金额。", "only money off has a fixed amount.")
    if kind == OfferKind.PERCENT:
        in_range = 1 <= (draft.percent_bp or 0) <= 10_000
        yield in_range, Text("折扣要在 0.01% 到 100% 之间。", "the percentage must lie between 0.01 and 100.")
        yield draft.cap_cents is None or draft.cap_cents > 0, Text("封顶要大于零。", "the cap must be above zero.")
    if kind in ITEM_KINDS:
        lone = draft.percent_bp is None and draft.cap_cents is None
        yield lone, Text("兑换券和特价券不设折扣和封顶。", "an item has no percentage and no cap.")
    yield from _item(draft)
    yield draft.min_cents >= 0, Text("门槛不能为负。", "the minimum cannot be negative.")


def _item(draft: Draft) -> Rules:
    if draft.kind not in ITEM_KINDS:
        lone = (draft.item_name, draft.item_name_en, draft.item_cents, draft.price_cents) == (None,) * 4
        yield lone, Text("只有兑换券和特价券才有商品。", "only a gift or a fixed price has an item.")
        return
    zh, en = (draft.item_name or "").strip(), (draft.item_name_en or "").strip()
    yield bool(zh and en), Text("商品名称要有中文和英文。", "the item needs both names.")
    short = len(zh) <= 60 and len(en) <= 80
    yield short, Text("商品名称太长：中文最多 60 字，英文最多 80 字。", "an item has at most 60 or 80 characters.")
    price = draft.item_cents or 0
    yield price > 0, Text("商品原价要大于零。", "the price of the item must be above zero.")
    if draft.kind == OfferKind.GIFT:
        yield draft.price_cents is None, Text("免费的商品不设券后价。", "a free item has no price with the coupon.")
        return
    below = 0 < (draft.price_cents or 0) < price
    yield below, Text("券后价要大于零、低于原价。", "the fixed price must lie between zero and the item's price.")


def _limits(draft: Draft) -> Rules:
    stock = draft.stock is None or 0 < draft.stock <= MOST_STOCK
    yield stock, Text("库存要在 1 到 10 亿之间。", "the stock must lie between 1 and 1,000,000,000.")
    member = 1 <= draft.per_member_limit <= 100
    yield member, Text("每人限领 1 到 100 张。", "the limit per member is 1 to 100.")
    day = draft.per_day_limit is None or 0 < draft.per_day_limit <= MOST_STOCK
    yield day, Text("每天限量要在 1 到 10 亿之间。", "the limit per day must lie between 1 and 1,000,000,000.")
    phone = draft.per_phone_limit is None or 1 <= draft.per_phone_limit <= 100
    yield phone, Text("每个手机号限领 1 到 100 张。", "the limit per phone is 1 to 100.")
    reachable = draft.program_id is None or draft.per_phone_limit is None
    unproved = Text(
        "入会礼不能按手机号限领：新会员还没有验证手机号。",
        "a welcome gift cannot be limited per phone: a new member has not verified one yet.",
    )
    yield reachable, unproved
    gifts = draft.staff_gift_limit is None or 1 <= draft.staff_gift_limit <= 1000
    yield gifts, Text("店员每天可赠 1 到 1000 张。", "one member of staff may give 1 to 1000 a day.")
    share = 0 <= draft.hq_share_bp <= 10_000
    yield share, Text("总部承担 0% 到 100%。", "head office bears 0 to 100 per cent.")
    if draft.budget_cents is None:
        return
    yield draft.budget_cents > 0, Text("预算要大于零。", "the budget must be above zero.")
    most = most_cents(draft)
    yield most is not None, Text("有预算的折扣券要设封顶。", "with a budget, a percentage needs a cap.")
    enough = draft.budget_cents >= (most or 0)
    yield enough, Text("预算要够至少一张券。", "the budget must cover at least one coupon.")


def _period(draft: Draft) -> Rules:
    fixed = draft.valid_from is not None and draft.valid_until is not None
    half = (draft.valid_from is None) != (draft.valid_until is None)
    one_kind = fixed != (draft.valid_days is not None) and not half
    yield one_kind, Text("有效期要么是固定日期，要么是领取后几天。", "give either fixed dates or days after the claim.")
    if draft.valid_from is not None and draft.valid_until is not None:
        ordered = draft.valid_from < draft.valid_until
        yield ordered, Text("结束要晚于开始。", "the end must come after the start.")
    days = draft.valid_days is None or 1 <= draft.valid_days <= 3650
    yield days, Text("有效天数要在 1 到 3650 之间。", "the days of validity are 1 to 3650.")
    delay = 0 <= draft.valid_delay_days <= 365
    yield delay, Text("最多领取 365 天后开始有效。", "the validity begins at most 365 days after the claim.")
    lone = draft.valid_delay_days == 0 or draft.valid_days is not None
    yield lone, Text("固定日期的券不设延后生效。", "fixed dates have no delay after the claim.")


def _hours(draft: Draft, cutoff_hour: int) -> Rules:
    windows = draft.hours or []
    yield len(windows) <= MOST_WINDOWS, Text("时段太多，最多 12 段。", "there are more than 12 spans of hours.")
    known = all(map(_is_window, windows))
    yield known, Text("时段要写成 14:00 到 17:00 这样。", "hours are written like 14:00 to 17:00.")
    inside = known and all(_span(window, cutoff_hour) is not None for window in windows)
    yield (
        inside,
        Text(
            f"时段不能跨过营业日的分界（{cutoff_hour}:00），请分成两段。",
            f"hours cannot pass the end of the business day ({cutoff_hour}:00); split them.",
        ),
    )


def _days(draft: Draft, timezone: str, cutoff_hour: int) -> Rules:
    weekdays = draft.weekdays is None or 1 <= draft.weekdays <= EVERY_DAY
    yield weekdays, Text("至少选一个星期几。", "choose at least one day of the week.")
    blackouts = draft.blackout_dates or []
    yield len(blackouts) <= MOST_BLACKOUTS, Text("不可用日期最多 100 个。", "there are more than 100 blackout dates.")
    yield all(map(_is_date, blackouts)), Text("不可用日期写成 2026-10-01 这样。", "dates are written like 2026-10-01.")
    if draft.valid_from is None or draft.valid_until is None:
        return
    first = business_day(draft.valid_from, timezone, cutoff_hour)
    last = business_day(draft.valid_until - timedelta(microseconds=1), timezone, cutoff_hour)
    inside = all(first <= date.fromisoformat(day) <= last for day in blackouts)
    yield inside, Text("不可用日期要在有效期之内。", "the blackout dates must lie within the validity.")
    some = min((last - first).days + 1, 7 * (MOST_BLACKOUTS + 1))  # among more days than that one is always left
    is_left = any(is_open_on(draft, first + timedelta(days=offset)) for offset in range(some))
    yield is_left, Text("没有一天能用。", "no day is left on which it can be used.")


def _together(draft: Draft) -> Rules:
    yield draft.stacking in list(Stacking), Text("没有这种叠加方式。", "there is no such way of stacking.")
    grouped = draft.stack_group is None or draft.stacking == Stacking.STACKABLE
    yield grouped, Text("只有可叠加的券才分组。", "only stackable coupons have a group.")
    known = draft.member_price in list(MemberPrice)
    yield known, Text("没有这种会员价规则。", "there is no such rule about the member price.")
    places = all(len(getattr(draft, name)) <= MOST_PLACES for name in SCOPE)
    yield places, Text("适用范围太多。", "its scope names too many.")


def is_open_on(rules: Any, day: date) -> bool:
    """Whether the weekdays and blackout dates let a coupon be used in a business day."""
    return is_on(rules.weekdays, day) and day.isoformat() not in (rules.blackout_dates or ())


def _is_date(day: str) -> bool:
    try:
        return date.fromisoformat(day).isoformat() == day
    except ValueError:
        return False


def _is_window(window: list[int]) -> bool:
    return len(window) == 2 and 0 <= window[0] < MINUTES and 0 < window[1] <= MINUTES


def _span(window: list[int], cutoff_hour: int) -> tuple[int, int] | None:
    """Some hours as minutes since the business day began; None when they pass its end."""
    start, end = ((minute - cutoff_hour * 60) % MINUTES for minute in window)
    end = end or MINUTES
    return (start, end) if start < end else None


def _merged(windows: list[list[int]], cutoff_hour: int) -> list[list[int]] | None:
    """Spans in the order of the business day, those that touch made one; None when they are the whole day.

    What cannot be read is left as it is, for ``check`` to refuse.
    """
    if not all(map(_is_window, windows)):
        return windows
    spans = [_span(window, cutoff_hour) for window in windows]
    merged: list[tuple[int, int]] = []
    for span in sorted(span for span in spans if span is not None):
        if merged and span[0] <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(span[1], merged[-1][1]))
        else:
            merged.append(span)
    if None in spans:
        return windows
    return None if merged == [(0, MINUTES)] else [_window(*span, cutoff_hour) for span in merged]


def _window(start: int, end: int, cutoff_hour: int) -> list[int]:
    begin, stop = (start + cutoff_hour * 60) % MINUTES, (end + cutoff_hour * 60) % MINUTES
    return [begin, stop or MINUTES]
