"""A reward rule as the sentences that the referrer and his friend read, generated from the figures that decide."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from core.clock import business_day
from core.db import db
from core.text import Text
from coupons import terms
from coupons.models import Offer
from sharing.reward_models import RewardRule, RewardSide, RewardTrigger
from sharing.reward_rules import gift_of
from sharing.reward_rules import running_rules as running_rules


def friend_sentence(rule: RewardRule, currency: str) -> Text | None:
    """What a friend gets who takes the card now: for his page. None when he gets nothing."""
    gift = gift_sentence(rule, RewardSide.FRIEND, currency)
    if gift is None:
        return None
    if rule.trigger == RewardTrigger.CARD_ISSUED:
        said = Text(f"领卡即送{gift.zh}", f"Take the card and get {gift.en}")
    else:
        zh, en = _purchase(rule, currency)
        said = Text(f"领卡后{zh}，送{gift.zh}", f"{en} and get {gift.en}")
    return _whole(said, _hold(rule))


def referrer_sentence(rule: RewardRule, currency: str) -> Text | None:
    """What a member gets for each friend, and how often: for the page on which he shares. None when nothing."""
    gift = gift_sentence(rule, RewardSide.REFERRER, currency)
    if gift is None:
        return None
    if rule.trigger == RewardTrigger.CARD_ISSUED:
        said = Text(f"每有一位朋友领卡，您得{gift.zh}", f"For each friend who takes the card you get {gift.en}")
    else:
        zh, en = _purchase(rule, currency)
        en = en[:1].lower() + en[1:]
        said = Text(
            f"朋友领卡后{zh}，您得{gift.zh}", f"When a friend takes the card and {_third(en)}, you get {gift.en}"
        )
    return _whole(said, _hold(rule), _caps(rule))


def gift_sentence(
    rule: RewardRule, side: RewardSide, currency: str, offers: Mapping[int, Offer] | None = None
) -> Text | None:
    """Only what the side gets: a coupon and its terms, or points. ``offers`` spares the look-up in a list."""
    gift = gift_of(rule, side)
    if gift is None:
        return None
    if gift.points is not None:
        return points_sentence(gift.points)
    assert gift.offer_id is not None
    return coupon_sentence(offers[gift.offer_id] if offers else db.session.get_one(Offer, gift.offer_id), currency)


def points_sentence(points: int) -> Text:
    """100积分, 100 points."""
    return Text(f"{points}积分", "1 point" if points == 1 else f"{points} points")


def coupon_sentence(offer: Offer, currency: str) -> Text:
    """优惠券1张（满30元减5元）, a coupon: ¥5 off from ¥30."""
    zh, en = terms.sentence(offer, currency)
    return Text(f"优惠券1张：{zh}", f"a coupon: {en}")


def offers_of(rules: list[RewardRule]) -> dict[int, Offer]:
    """The offers that some rules give, for ``gift_sentence``."""
    ids = {offer_id for rule in rules for offer_id in (rule.referrer_offer_id, rule.friend_offer_id)} - {None}
    return {offer.id: offer for offer in db.session.scalars(select(Offer).where(Offer.id.in_(ids)))}


def due_sentence(due_at: datetime, timezone: str, cutoff_hour: int = 0) -> Text:
    """When a held reward comes: 预计5月31日到账."""
    zh, en = terms.day_text(business_day(due_at, timezone, cutoff_hour))
    return Text(f"预计{zh}到账", f"expected on {en}")


def _purchase(rule: RewardRule, currency: str) -> Text:
    """What the friend has to do, after he took the card."""
    days = rule.within_days or 0
    zh, en = f"{days}天内首次消费", "make a first purchase"
    if rule.min_cents:
        minimum = terms.amount(rule.min_cents, currency)
        zh, en = f"{zh}满{minimum.zh}", f"{en} of {minimum.en} or more"
    return Text(zh, f"{en[:1].upper()}{en[1:]} within {days} {'day' if days == 1 else 'days'} of joining")


def _third(said: str) -> str:
    return said.replace("make ", "makes ", 1)


def _hold(rule: RewardRule) -> Text | None:
    if rule.hold_days == 0:
        return None
    days = "1 day" if rule.hold_days == 1 else f"{rule.hold_days} days"
    return Text(f"{rule.hold_days}天后到账", f"It comes after {days}")


def _caps(rule: RewardRule) -> Text | None:
    parts = []
    if rule.per_day_cap is not None:
        parts.append(Text(f"每天最多{rule.per_day_cap}份", f"{rule.per_day_cap} a day"))
    if rule.lifetime_cap is not None:
        parts.append(Text(f"一共最多{rule.lifetime_cap}份", f"{rule.lifetime_cap} in all"))
    return Text("，".join(p.zh for p in parts), "At most " + ", ".join(p.en for p in parts)) if parts else None


def _whole(*parts: Text | None) -> Text:
    said = [part for part in parts if part is not None]
    return Text("。".join(part.zh for part in said) + "。", ". ".join(part.en for part in said) + ".")
