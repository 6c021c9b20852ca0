"""Who a member is: where and when he joined, his language, birthday and addresses."""

from calendar import isleap
from datetime import date, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, false, func, or_, select

from cards.models import Member
from core.db import among, db
from core.text import Text
from coupons.terms import day_text
from push.audiences.conditions.kinds import (
    DAYS,
    STORES,
    Check,
    Condition,
    Frame,
    day,
    days_said,
    listed,
    names_of,
    one_of,
    parts,
    refused,
    some_of,
    whole,
)
from push.channels.models import WebPushSubscription, WechatUser
from stores.models import Chain, Store

EARTH_RADIUS_KM = 6371
KM = whole(1, 500, Text("公里数要在 1 到 500 之间。", "kilometres lie between 1 and 500."))
AHEAD = whole(0, 365, Text("天数要在 0 到 365 之间。", "days lie between 0 and 365."))
ADDRESSES = {
    "email": Text("留了邮箱", "gave an e-mail address"),
    "phone": Text("留了手机", "gave a phone"),
    "verified_phone": Text("验证过手机", "verified a phone"),
    "web_push": Text("允许浏览器通知", "allow browser notifications"),
    "wechat": Text("关联了微信", "are known to our WeChat account"),
}
LANGUAGES = {"zh": Text("中文", "Chinese"), "en": Text("英文", "English")}


def one_store(chain_id: int, value: Any) -> int:
    return int(STORES(chain_id, [value])[0])


def _months(_chain_id: int, value: Any) -> list[int]:
    if not isinstance(value, list) or not value or not all(type(each) is int and 1 <= each <= 12 for each in value):
        raise refused("月份是 1 到 12。", "months go from 1 to 12.")
    return sorted(set(value))


def _degrees(most: int) -> Check:
    def check(_chain_id: int, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not -most <= value <= most:
            raise refused("坐标不对。", "it names a place that is not on earth.")
        return float(value)

    return check


def _near(value: dict[str, int], frame: Frame) -> ColumnElement[bool]:
    centre = db.session.get(Store, value["store"])
    if centre is None or centre.latitude is None or centre.longitude is None:
        return false()
    return _joined_around((centre.latitude, centre.longitude), value["km"], frame)


def _joined_around(place: tuple[Any, Any], km: int, frame: Frame) -> ColumnElement[bool]:
    """The stores around a place are few: they are looked up first."""
    rows = db.session.execute(
        select(Store.id, Store.latitude, Store.longitude).where(
            Store.chain_id == frame.chain.id, Store.latitude.is_not(None)
        )
    )
    near = [store_id for store_id, *other in rows if _km(*place, *other) <= km]
    return among(Member.store_id, near)


def _km(north: Any, east: Any, other_north: Any, other_east: Any) -> float:
    """The great-circle distance."""
    half = (
        sin(radians(other_north - north) / 2) ** 2
        + cos(radians(north)) * cos(radians(other_north)) * sin(radians(other_east - east) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * asin(sqrt(half))


def _birthday_within(days: int, frame: Frame) -> ColumnElement[bool]:
    """Today counts. Who was born on 29 February has his day on 1 March in other years."""
    today = frame.now.astimezone(ZoneInfo(frame.chain.timezone)).date()
    coming = [today + timedelta(days=each) for each in range(days + 1)]
    found = {f"{each:%m-%d}" for each in coming}
    if any((each.month, each.day) == (3, 1) and not isleap(each.year) for each in coming):
        found.add("02-29")
    return Member.birthday.in_(found)


def _has_address(value: str, _frame: Frame) -> ColumnElement[bool]:
    if value == "email":
        return and_(Member.email.is_not(None), Member.email != "")
    if value == "phone":
        return Member.phone.is_not(None)
    if value == "verified_phone":
        return Member.phone_verified_at.is_not(None)
    if value == "web_push":
        return exists().where(WebPushSubscription.wallet_id == Member.wallet_id, WebPushSubscription.gone_at.is_(None))
    return exists().where(WechatUser.member_id == Member.id)


def _day_words(zh: str, en: str) -> Any:
    def words(value: str, _chain: Chain) -> Text:
        shown = day_text(date.fromisoformat(value))
        return Text(zh.format(day=shown.zh), en.format(day=shown.en))

    return words


def _days_words(zh: str, en: str) -> Any:
    return lambda value, _chain: Text(zh.format(n=value), en.format(days=days_said(value)))


def _joined_at(value: list[int], chain: Chain) -> Text:
    names = names_of(Store, chain.id, value)
    more = len(value) > 3
    return Text(
        f"在{names.zh.removesuffix('个') + '家门店' if more else names.zh}入会",
        f"joined at {names.en.replace(' or ', ' and ') + ' stores' if more else names.en}",
    )


def _near_words(value: dict[str, int], chain: Chain) -> Text:
    names = names_of(Store, chain.id, [value["store"]])
    return Text(f"在{names.zh}周边 {value['km']} 公里内入会", f"joined within {value['km']} km of {names.en}")


def _around_words(value: dict[str, Any], _chain: Chain) -> Text:
    place = f"{value['latitude']:g}, {value['longitude']:g}"
    return Text(f"在 {place} 周边 {value['km']} 公里内入会", f"joined within {value['km']} km of {place}")


# Whoever never came is as long away as he is a member.
LAST_SEEN = func.coalesce(Member.last_visit_at, Member.joined_at)

CONDITIONS: dict[tuple[str, str], Condition] = {
    ("store", "in"): Condition(STORES, lambda value, _: among(Member.store_id, value), _joined_at),
    ("store", "within_km"): Condition(parts(store=one_store, km=KM), _near, _near_words),
    ("place", "within_km"): Condition(
        parts(latitude=_degrees(90), longitude=_degrees(180), km=KM),
        lambda value, f: _joined_around((value["latitude"], value["longitude"]), value["km"], f),
        _around_words,
    ),
    ("joined", "after"): Condition(  # that day included
        day,
        lambda value, f: Member.joined_at >= f.start_of(value),
        _day_words("{day} 起入会", "joined on or after {day}"),
    ),
    ("joined", "before"): Condition(
        day, lambda value, f: Member.joined_at < f.start_of(value), _day_words("{day} 前入会", "joined before {day}")
    ),
    ("joined", "within_days"): Condition(
        DAYS,
        lambda value, f: Member.joined_at >= f.days_ago(value),
        _days_words("最近 {n} 天入会", "joined in the last {days}"),
    ),
    ("joined", "before_days"): Condition(
        DAYS,
        lambda value, f: Member.joined_at < f.days_ago(value),
        _days_words("入会超过 {n} 天", "joined more than {days} ago"),
    ),
    ("last_visit", "within_days"): Condition(
        DAYS,
        lambda value, f: Member.last_visit_at >= f.days_ago(value),
        _days_words("最近 {n} 天来过", "came in the last {days}"),
    ),
    ("last_visit", "before_days"): Condition(
        DAYS,
        lambda value, f: LAST_SEEN < f.days_ago(value),
        _days_words("超过 {n} 天没来", "have not come for {days}"),
    ),
    ("language", "in"): Condition(
        some_of(list(LANGUAGES)),
        lambda value, _: Member.language.in_(value),
        lambda value, _: Text(
            f"读{'或'.join(LANGUAGES[each].zh for each in value)}",
            f"read {listed([LANGUAGES[each].en for each in value], 'or')}",
        ),
    ),
    ("birthday", "in_month"): Condition(
        _months,
        lambda value, _: or_(*(Member.birthday.startswith(f"{month:02}-") for month in value)),
        lambda value, _: Text(
            f"{'、'.join(str(month) for month in value)} 月过生日",
            f"have their birthday in {listed([f'{date(2000, month, 1):%B}' for month in value], 'or')}",
        ),
    ),
    ("birthday", "within_days"): Condition(
        AHEAD,
        _birthday_within,
        lambda value, _: (
            Text(f"{value} 天内过生日", f"have their birthday within {days_said(value)}")
            if value
            else Text("今天过生日", "have their birthday today")
        ),
    ),
    ("address", "has"): Condition(one_of(list(ADDRESSES)), _has_address, lambda value, _: ADDRESSES[value]),
}
