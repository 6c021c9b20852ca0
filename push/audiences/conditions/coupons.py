"""The coupons of a member."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from core.db import among
from core.text import Text
from coupons.models import Coupon, CouponState, Offer
from push.audiences.conditions.kinds import COUNT, DAYS, Condition, Frame, days_said, ids_of, is_among, names_of
from stores.models import Chain

OFFERS = ids_of(Offer, Text("选了不存在的券活动。", "it names an offer that is not there."))


def _having(frame: Frame, *which: ColumnElement[bool]) -> ColumnElement[bool]:
    return is_among(select(Coupon.member_id).where(Coupon.chain_id == frame.chain.id, *which))


def _usable(frame: Frame) -> tuple[ColumnElement[bool], ...]:
    return Coupon.state == CouponState.CLAIMED, Coupon.valid_from <= frame.now, Coupon.valid_until > frame.now


def _holds_many(value: int, frame: Frame) -> ColumnElement[bool]:
    holders = select(Coupon.member_id).where(Coupon.chain_id == frame.chain.id, *_usable(frame))
    return is_among(holders.group_by(Coupon.member_id).having(func.count() >= value))


def _of_offers(zh: str, en: str) -> Any:
    def words(value: list[int], chain: Chain) -> Text:
        names = names_of(Offer, chain.id, value)
        return Text(zh.format(names=names.zh), en.format(names=names.en))

    return words


CONDITIONS: dict[tuple[str, str], Condition] = {
    ("coupon", "holds"): Condition(
        OFFERS,
        lambda value, f: _having(f, among(Coupon.offer_id, value), *_usable(f)),
        _of_offers("有可用的券：{names}", "hold a usable coupon of {names}"),
    ),
    ("coupon", "had"): Condition(
        OFFERS,
        lambda value, f: _having(f, among(Coupon.offer_id, value)),
        _of_offers("领过券：{names}", "have had a coupon of {names}"),
    ),
    ("coupon", "redeemed"): Condition(
        OFFERS,
        lambda value, f: _having(f, among(Coupon.offer_id, value), Coupon.state == CouponState.REDEEMED),
        _of_offers("用过券：{names}", "have used a coupon of {names}"),
    ),
    ("coupon", "expires_within_days"): Condition(
        DAYS,
        lambda value, f: _having(f, *_usable(f), Coupon.valid_until <= f.now + timedelta(days=value)),
        lambda value, _: Text(f"有券在 {value} 天内到期", f"hold a coupon that expires within {days_said(value)}"),
    ),
    ("coupon", "count_at_least"): Condition(
        COUNT,
        _holds_many,
        lambda value, _: Text(f"有至少 {value} 张可用的券", f"hold at least {value} usable coupons"),
    ),
}
