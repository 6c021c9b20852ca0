"""What the audit kept of a change, in words: the fields by their names, the values as a person says them."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from flask import Flask, get_template_attribute

from app.auth.guard import actor
from app.dashboard.frame import chain_of, local_day, local_time
from app.languages import language
from app.share_channels import share_channel_word
from cards.models import Card
from core.audit import AuditEntry
from core.db import db
from core.money import money
from core.text import Text
from coupons.hours import hours_text, weekdays_text
from coupons.models import Offer
from push import sentences
from stores.models import Chain, Store

NAMES = {
    "accent": Text("主色", "colour"),
    "action": Text("处理", "what is done"),
    "address": Text("地址", "address"),
    "audience": Text("发给谁", "to whom"),
    "because": Text("原因", "because"),
    "benefits": Text("权益", "benefits"),
    "benefits_en": Text("权益（英文）", "benefits in English"),
    "blackout_dates": Text("不可用日期", "not on"),
    "body": Text("内容", "text"),
    "body_en": Text("内容（英文）", "text in English"),
    "budget_cents": Text("预算", "budget"),
    "cap_cents": Text("最多减", "at most off"),
    "cap_per_day": Text("每天最多", "at most a day"),
    "cap_per_week": Text("每周最多", "at most a week"),
    "channel": Text("渠道", "channel"),
    "channel_mode": Text("渠道怎么用", "channels used"),
    "channels": Text("怎么发", "how"),
    "city": Text("城市", "city"),
    "claim_word": Text("领取口令", "word to claim it"),
    "closed_at": Text("停业时间", "closed at"),
    "code": Text("编号", "number"),
    "code_mode": Text("会员码", "code"),
    "country": Text("国家或地区", "country"),
    "coupon_id": Text("优惠券", "coupon"),
    "coupon_ids": Text("退回的券", "coupons given back"),
    "created": Text("新增", "new"),
    "currency": Text("币种", "currency"),
    "cutoff_hour": Text("营业日从几点算", "the day begins at"),
    "depth": Text("第几代", "generation"),
    "discount_bp": Text("优惠", "off"),
    "email": Text("邮箱", "e-mail"),
    "error_pause_after": Text("至少试过多少条才暂停", "pauses after so many tried"),
    "error_pause_bp": Text("出错多少就暂停", "pauses at so many errors"),
    "face_color": Text("卡面颜色", "colour of the card"),
    "face_pattern": Text("卡面图案", "pattern of the card"),
    "fields": Text("改了", "changed"),
    "file": Text("文件", "file"),
    "findings": Text("曾经的疑点", "what had looked odd"),
    "friend_cost_cents": Text("朋友一份的成本", "cost of a friend's reward"),
    "friend_offer_id": Text("朋友得券", "coupon for the friend"),
    "friend_points": Text("朋友得积分", "points for the friend"),
    "global_holdout_bp": Text("长期对照组", "held out of all promotion"),
    "hold_days": Text("保留天数", "days it is held"),
    "holdout_bp": Text("对照组", "held out"),
    "hours": Text("可用时段", "hours"),
    "hq_share_bp": Text("总部承担", "head office bears"),
    "is_coupon_lost": Text("券已用掉", "coupon was used"),
    "is_for_members": Text("会员也可用", "members use it too"),
    "is_following": Text("关注公众号", "follows the account"),
    "is_public": Text("公开领取", "anybody may claim it"),
    "item_cents": Text("商品价值", "worth of the item"),
    "item_name": Text("赠品", "item"),
    "item_name_en": Text("赠品（英文）", "item in English"),
    "kinds": Text("告诉它什么", "what it hears of"),
    "kind": Text("种类", "kind"),
    "label": Text("放在哪里", "where it hangs"),
    "language": Text("语言", "language"),
    "latitude": Text("纬度", "latitude"),
    "lifetime_cap": Text("每人总上限", "in all for one"),
    "login": Text("账号", "log-in"),
    "longitude": Text("经度", "longitude"),
    "may_be_given": Text("可以转赠", "may be given away"),
    "member_price": Text("与会员价", "with the member price"),
    "members": Text("一起移动的会员", "members moved"),
    "min_cents": Text("最低消费", "from"),
    "name": Text("名称", "name"),
    "name_en": Text("名称（英文）", "name in English"),
    "needs_approval": Text("需要另一个人批准", "needs a second person"),
    "next_run_at": Text("发出时间", "goes out"),
    "offer_id": Text("附带的券", "with the coupon"),
    "payable_cents": Text("实收", "sum paid"),
    "per_day_cap": Text("每人每天上限", "a day for one"),
    "per_day_limit": Text("每天发放", "a day"),
    "per_member_limit": Text("每人限领", "for each member"),
    "per_phone_limit": Text("每个手机号限领", "for each phone"),
    "percent_bp": Text("折扣", "off"),
    "phone": Text("电话", "phone"),
    "points": Text("积分", "points"),
    "points_multiplier_bp": Text("积分倍数", "points times"),
    "points_per_unit": Text("消费一元积分", "points for each unit paid"),
    "points_short": Text("欠扣积分", "points that were short"),
    "points_taken": Text("收回积分", "points taken back"),
    "postcode": Text("邮编", "postcode"),
    "price_cents": Text("价格", "price"),
    "program_id": Text("会员卡方案", "kind of card"),
    "program_ids": Text("限会员卡", "only cards"),
    "purpose": Text("用途", "purpose"),
    "quiet_from": Text("免打扰从", "quiet from"),
    "quiet_until": Text("免打扰到", "quiet until"),
    "reason": Text("原因", "reason"),
    "referrer_cost_cents": Text("推荐人一份的成本", "cost of a referrer's reward"),
    "referrer_id": Text("推荐人", "referrer"),
    "referrer_offer_id": Text("推荐人得券", "coupon for the referrer"),
    "referrer_points": Text("推荐人得积分", "points for the referrer"),
    "refused": Text("未导入", "left out"),
    "region": Text("省份", "region"),
    "report": Text("报表", "report"),
    "role": Text("角色", "role"),
    "rows": Text("行数", "rows"),
    "rules": Text("规则", "rules"),
    "run_id": Text("第几次发送", "run"),
    "schedule": Text("什么时候", "when"),
    "sha256": Text("SHA-256", "SHA-256"),
    "share_link_id": Text("分享链接", "share link"),
    "shown_as": Text("朋友看到", "friends see"),
    "slug": Text("代号", "slug"),
    "spend_cents": Text("可抵", "take off"),
    "spend_points": Text("多少积分", "so many points"),
    "stack_group": Text("叠加组", "stacking group"),
    "stacking": Text("叠加", "stacking"),
    "staff_gift_limit": Text("员工可送", "staff may give"),
    "state": Text("状态", "state"),
    "stock": Text("库存", "stock"),
    "store": Text("门店", "store"),
    "store_code_wins": Text("扫门店码算门店的", "a store code counts for the store"),
    "store_id": Text("门店", "store"),
    "store_ids": Text("限门店", "only stores"),
    "stores": Text("门店", "stores"),
    "terms": Text("条款", "terms"),
    "terms_en": Text("条款（英文）", "terms in English"),
    "texts": Text("各版本文案", "words of variants"),
    "threshold": Text("从多少起", "from how many"),
    "threshold_cents": Text("需要消费", "from a spend of"),
    "threshold_points": Text("需要积分", "from points"),
    "tier_by": Text("升级按", "tiers go by"),
    "tier_ids": Text("限等级", "only tiers"),
    "tiers": Text("等级", "tiers"),
    "timezone": Text("时区", "time zone"),
    "title": Text("标题", "title"),
    "title_en": Text("标题（英文）", "title in English"),
    "trigger": Text("触发条件", "earned by"),
    "unchanged": Text("不变", "unchanged"),
    "updated": Text("更新", "brought up to date"),
    "valid_days": Text("领取后有效天数", "days after the claim"),
    "valid_delay_days": Text("几天后生效", "days until it starts"),
    "valid_from": Text("可用从", "usable from"),
    "valid_until": Text("可用到", "usable until"),
    "url": Text("网址", "address"),
    "value_cents": Text("减", "off"),
    "variants": Text("版本", "variants"),
    "weekdays": Text("可用星期", "weekdays"),
    "window_days": Text("链接记住几天", "days a link is remembered"),
    "within_days": Text("首次消费期限（天）", "days for a first purchase"),
}
PERSONAL = {"name": Text("称呼", "name"), "phone": Text("手机", "phone")}  # of a member
VALUES = {
    "channel_mode": {"every": Text("每个都发", "every one"), "first": Text("第一个能到的", "the first that reaches")},
    "code_mode": {
        "rotating": Text("每 30 秒更新", "changes every 30 seconds"),
        "static": Text("不变", "stays the same"),
    },
    "language": {"zh": Text("中文", "中文"), "en": Text("English", "English")},
    "member_price": {"on_top": Text("一起用", "together"), "instead": Text("二选一", "one or the other")},
    "purpose": {"promotion": Text("促销", "promotion"), "service": Text("服务", "service")},
    "shown_as": {
        "name": Text("姓名", "the name"),
        "masked": Text("姓氏和星号", "the name, masked"),
        "nickname": Text("昵称", "a nickname"),
        "nobody": Text("“朋友”", "“a friend”"),
    },
    "stacking": {"exclusive": Text("不可叠加", "alone"), "stackable": Text("可叠加", "with others")},
    "tier_by": {"points": Text("积分", "points"), "spend": Text("消费", "spend")},
}
WORDS = {"state": "state_word", "role": "role_word", "kind": "offer_kind_word"}  # macros of macros/words.html
HOURS = {"cutoff_hour", "quiet_from", "quiet_until"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)")
YES, NO = Text("是", "yes"), Text("否", "no")


class Changed(NamedTuple):
    """One field of a change; "" where there was or is nothing."""

    name: str
    before: str
    after: str


def init_app(app: Flask) -> None:
    app.jinja_env.filters["changed"] = changed


def changed(entry: AuditEntry) -> list[Changed]:
    """The fields of an audit entry, in the reader's words."""
    before, after = entry.before or {}, entry.after or {}
    chain = chain_of(actor())
    fields = [
        Changed(name_words(name), value_words(name, before.get(name), chain), value_words(name, after.get(name), chain))
        for name in {**before, **after}
    ]
    return [field for field in fields if field.before != field.after and (field.before or field.after != "0")]


def name_words(name: str) -> str:
    """A field by its name; one that nobody named yet as nearly so as can be."""
    known = NAMES.get(name)
    return known.say(language()) if known else name.replace("_", " ")


def value_words(name: str, value: Any, chain: Chain) -> str:
    """A kept value of a field for people, never as JSON."""
    if value is None or value in ([], {}, ""):
        return ""
    try:
        return _meant(name, value, chain) or _plain(name, value, chain)
    except (KeyError, TypeError, ValueError, AttributeError):  # kept in a form of an earlier time
        return _plain(name, value, chain)


def _meant(name: str, value: Any, chain: Chain) -> str:
    """The words of a field whose values mean something of their own; "" for any other."""
    if isinstance(value, bool):
        return ""
    known = VALUES.get(name, {}).get(str(value))
    if known is not None:
        return known.say(language())
    if name in WORDS:
        return _word(WORDS[name], value)
    say = _SAYERS.get(name) or next((say for end, say in _ENDINGS.items() if name.endswith(end)), None)
    return say(value, chain) if say else ""


def _word(macro: str, value: Any) -> str:
    return str(get_template_attribute("macros/words.html", macro)(value)).strip()


def _audience(value: Any, chain: Chain) -> str:
    return sentences.audience_sentence(chain, value).say(language())


def _schedule(value: Any, chain: Chain) -> str:
    return sentences.schedule_sentence(value, chain.timezone).say(language())


def _money(value: Any, chain: Chain) -> str:
    return money(value, chain.currency, language())


def _share(value: Any, chain: Chain) -> str:
    return f"{value / 100:g}%"


def _times(value: Any, chain: Chain) -> str:
    return f"× {value / 10_000:g}"


def _hour(value: Any, chain: Chain) -> str:
    return f"{value}:00"


def _channels(value: Any, chain: Chain) -> str:
    return _listed([_word("channel_word", each) for each in value])


def _variants(value: Any, chain: Chain) -> str:
    return _listed([f"{each['label']} {_share(each['share_bp'], chain)}" for each in value])


def _texts(value: Any, chain: Chain) -> str:
    """The titles of each variant, whatever channel and language they are for."""
    titles = {
        label: [
            words.get("title") or words.get("template", "")
            for by_language in by_channel.values()
            for words in by_language.values()
        ]
        for label, by_channel in value.items()
    }
    return _listed([f"{label}: {_listed(said)}" for label, said in titles.items()])


def _fields(value: Any, chain: Chain) -> str:
    if isinstance(value, dict):  # of a vendor's template
        return _listed([f"{name} = {text}" for name, text in value.items()]).translate({ord("{"): None, ord("}"): None})
    return _listed([PERSONAL[each].say(language()) if each in PERSONAL else name_words(each) for each in value])


def _stores(value: Any, chain: Chain) -> str:
    ids = value if isinstance(value, list) else [value]
    query = db.select(Store.name).where(Store.chain_id == chain.id, Store.id.in_(ids)).order_by(Store.id)
    return _listed(list(db.session.scalars(query)))


def _numbers(value: Any, chain: Chain) -> str:
    """Ids, which are no amounts."""
    return _listed([str(each) for each in value])


def _number(value: Any, chain: Chain) -> str:
    return str(value)


def _channel(value: Any, chain: Chain) -> str:
    return share_channel_word(value)


def _member(value: Any, chain: Chain) -> str:
    """By the number of his first card."""
    query = db.select(Card.number).filter_by(chain_id=chain.id, member_id=value).order_by(Card.id).limit(1)
    return db.session.scalar(query) or f"{value}"


def _offer(value: Any, chain: Chain) -> str:
    offer = db.session.scalar(db.select(Offer).filter_by(id=value, chain_id=chain.id))
    return Text(offer.name, offer.name_en or offer.name).say(language()) if offer else f"{value}"


def _last_day(value: Any, chain: Chain) -> str:
    """The moment when something is over, as its last day where it ends at midnight."""
    moment = datetime.fromisoformat(value)
    local = moment.astimezone(ZoneInfo(chain.timezone))
    if (local.hour, local.minute) == (0, 0):
        return local_day(moment - timedelta(seconds=1), chain.timezone)
    return local_time(moment, chain.timezone)


def _weekdays(value: Any, chain: Chain) -> str:
    return weekdays_text(value).say(language())


def _day_hours(value: Any, chain: Chain) -> str:
    return hours_text(value).say(language())


def _plain(name: str, value: Any, chain: Chain) -> str:
    if isinstance(value, bool):
        return (YES if value else NO).say(language())
    if isinstance(value, str):
        is_moment = MOMENT.fullmatch(value) is not None
        return local_time(datetime.fromisoformat(value), chain.timezone) if is_moment else value
    if isinstance(value, list):
        return _listed([value_words(name, each, chain) for each in value])
    if isinstance(value, dict):
        parts = [(name_words(key), value_words(key, each, chain)) for key, each in value.items()]
        return _listed([f"{key} {words}" for key, words in parts if words])
    return f"{value:,}" if isinstance(value, int) else str(value)


def _listed(words: list[str]) -> str:
    return Text("、", ", ").say(language()).join(words)


_SAYERS: dict[str, Callable[[Any, Chain], str]] = {
    "audience": _audience,
    "schedule": _schedule,
    "points_multiplier_bp": _times,
    "channels": _channels,
    "variants": _variants,
    "texts": _texts,
    "fields": _fields,
    "store_id": _stores,
    "store_ids": _stores,
    "stores": _stores,
    "coupon_ids": _numbers,
    **dict.fromkeys(("offer_id", "referrer_offer_id", "friend_offer_id"), _offer),
    "referrer_id": _member,
    "share_link_id": _number,
    "channel": _channel,
    "valid_until": _last_day,
    "weekdays": _weekdays,
    "hours": _day_hours,
    **dict.fromkeys(HOURS, _hour),
}
_ENDINGS: dict[str, Callable[[Any, Chain], str]] = {"_cents": _money, "_bp": _share}
