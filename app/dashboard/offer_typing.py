"""An offer's rules as a person would type them into the editor; and ready-made ones to begin with."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from app.dashboard.figures import plain, plain_amount
from app.dashboard.offer_form import DATES, DAYS, FRESH, WEEKDAYS
from app.dashboard.offer_times import dates_text, hours_text
from core.clock import business_day
from core.text import Text
from coupons.drafts import Draft
from coupons.hours import EVERY_DAY
from coupons.models import MemberPrice, OfferKind, Stacking
from stores.models import Chain


def typed_of(draft: Draft, chain: Chain) -> dict[str, str]:
    """Rules as they would be typed into the editor."""
    typed = {
        "name": draft.name,
        "name_en": draft.name_en,
        "kind": draft.kind,
        "value": _amount(draft.value_cents, chain.currency),
        "percent": plain(Decimal(draft.percent_bp) / 100) if draft.percent_bp else "",
        "cap": _amount(draft.cap_cents, chain.currency),
        "item_name": draft.item_name or "",
        "item_name_en": draft.item_name_en or "",
        "item_price": _amount(draft.item_cents, chain.currency),
        "price": _amount(draft.price_cents, chain.currency),
        "minimum": _amount(draft.min_cents or None, chain.currency),
        "stock": str(draft.stock or ""),
        "per_member_limit": str(draft.per_member_limit),
        "per_day_limit": str(draft.per_day_limit or ""),
        "per_phone_limit": str(draft.per_phone_limit or ""),
        "budget": _amount(draft.budget_cents, chain.currency),
        "staff_gift_limit": str(draft.staff_gift_limit or ""),
        "program_id": str(draft.program_id or ""),
        "is_public": "yes" if draft.is_public else "",
        "may_be_given": "yes" if draft.may_be_given else "",
        "claim_word": draft.claim_word or "",
        "stacking": draft.stacking,
        "stack_group": draft.stack_group or "",
        "member_price": draft.member_price,
        "hq_share": plain(Decimal(draft.hq_share_bp) / 100),
        "hours": hours_text(draft.hours or []),
        "blackout_dates": dates_text(draft.blackout_dates or []),
    }
    return typed | _validity(draft, chain) | _ticks(draft)


def _validity(draft: Draft, chain: Chain) -> dict[str, str]:
    if draft.valid_from is None or draft.valid_until is None:
        delay = str(draft.valid_delay_days or "")
        return {"validity": DAYS, "valid_days": str(draft.valid_days or 30), "valid_delay": delay}
    zone, cutoff = chain.timezone, chain.cutoff_hour
    return {
        "validity": DATES,
        "valid_days": "30",
        "valid_from": business_day(draft.valid_from, zone, cutoff).isoformat(),
        "valid_to": business_day(draft.valid_until - timedelta(microseconds=1), zone, cutoff).isoformat(),
    }


def _ticks(draft: Draft) -> dict[str, str]:
    days = EVERY_DAY if draft.weekdays is None else draft.weekdays
    ticked = [f"weekday_{day}" for day in WEEKDAYS if days >> day & 1]
    for what, ids in (("store", draft.store_ids), ("program", draft.program_ids), ("tier", draft.tier_ids)):
        ticked += [f"{what}_{number}" for number in ids]
    return dict.fromkeys(ticked, "yes")


def _amount(cents: int | None, currency: str) -> str:
    return "" if cents is None else plain_amount(cents, currency)


# --- Ready-made ---------------------------------------------------------------------------------------------------


class ReadyMade(NamedTuple):
    """An offer that chains often make, typed as far as it can be without knowing the chain."""

    key: str
    name: Text
    what_for: Text
    typed: Mapping[str, str]


def _ready(key: str, name: Text, what_for: Text, **typed: str) -> ReadyMade:
    return ReadyMade(key, name, what_for, FRESH | {"name": name.zh, "name_en": name.en} | typed)


def _only_on(*days: int) -> dict[str, str]:
    return {f"weekday_{day}": "yes" if day in days else "" for day in WEEKDAYS}


READY_MADE: Sequence[ReadyMade] = (
    _ready(
        "money_off",
        Text("满30减5", "5 off from 30"),
        Text("让顾客多买一点", "Makes a basket a little larger"),
        value="5",
        minimum="30",
        stock="1000",
    ),
    _ready(
        "second_half_price",
        Text("第二件半价", "Second one half price"),
        Text("买一件，第二件半价", "Buy one, the second costs half"),
        kind=OfferKind.FIXED_PRICE,
        item_name="香草圣代",
        item_name_en="Vanilla sundae",
        item_price="12",
        price="6",
        minimum="12",
        stacking=Stacking.STACKABLE,
        stack_group="第二件",
    ),
    _ready(
        "birthday",
        Text("生日礼：8折", "Birthday: 20% off"),
        Text("由生日推送发放，当天起 7 天", "Handed out by a birthday campaign, good for 7 days"),
        kind=OfferKind.PERCENT,
        percent="20",
        cap="50",
        valid_days="7",
        is_public="",
        may_be_given="",
        member_price=MemberPrice.INSTEAD,
    ),
    _ready(
        "happy_hour",
        Text("下午茶 8 折", "Happy hour: 20% off"),
        Text("工作日下午带来客流", "Brings people in on weekday afternoons"),
        kind=OfferKind.PERCENT,
        percent="20",
        cap="20",
        hours="14:00-17:00",
        **_only_on(0, 1, 2, 3, 4),
    ),
    _ready(
        "free_item",
        Text("满50送圣代", "Free sundae from 50"),
        Text("送一份商品，比降价更讨喜", "Gives an item instead of cutting prices"),
        kind=OfferKind.GIFT,
        item_name="香草圣代",
        item_name_en="Vanilla sundae",
        item_price="12",
        minimum="50",
        stock="500",
    ),
)


def ready_made(key: str) -> ReadyMade | None:
    return next((ready for ready in READY_MADE if ready.key == key), None)
