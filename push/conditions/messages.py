"""What a member agreed to, and what became of the campaigns he was in."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select

from cards.models import Member
from core.text import Text
from coupons.models import Coupon, CouponState
from push.conditions.kinds import Condition, Frame, ids_of, names_of, one_of
from push.message_models import Click
from push.models import Campaign, Delivery, DeliveryState, PushChannel
from push.reachability import is_agreed
from stores.models import Chain

CAMPAIGNS = ids_of(Campaign, Text("选了不存在的推送活动。", "it names a campaign that is not there."))
WENT = (DeliveryState.SENT, DeliveryState.DELIVERED)
CHANNELS = {
    PushChannel.INBOX: Text("卡包消息", "messages in the wallet"),
    PushChannel.EMAIL: Text("电子邮件", "e-mail"),
    PushChannel.GATEWAY: Text("短信", "SMS"),
    PushChannel.WEB_PUSH: Text("浏览器通知", "browser notifications"),
    PushChannel.WECHAT_TEMPLATE: Text("微信消息", "WeChat messages"),
    PushChannel.WECHAT_SUBSCRIPTION: Text("微信订阅消息", "WeChat subscription messages"),
}


def _in_campaign(value: list[int], frame: Frame, *which: ColumnElement[bool]) -> ColumnElement[bool]:
    return Member.id.in_(
        select(Delivery.member_id).where(
            Delivery.chain_id == frame.chain.id, Delivery.campaign_id.in_(value), Delivery.state.in_(WENT), *which
        )
    )


def _redeemed(value: list[int], frame: Frame) -> ColumnElement[bool]:
    used = exists().where(Coupon.id == Delivery.coupon_id, Coupon.state == CouponState.REDEEMED)
    return _in_campaign(value, frame, and_(Delivery.coupon_id.is_not(None), used))


def _words(zh: str, en: str) -> Any:
    def words(value: list[int], chain: Chain) -> Text:
        names = names_of(Campaign, chain.id, value)
        return Text(zh.format(names=names.zh), en.format(names=names.en))

    return words


CONDITIONS: dict[tuple[str, str], Condition] = {
    ("consent", "granted"): Condition(
        one_of([str(channel) for channel in PushChannel]),
        lambda value, _: is_agreed(PushChannel(value)),
        lambda value, _: Text(
            f"同意接收{CHANNELS[PushChannel(value)].zh}", f"agreed to {CHANNELS[PushChannel(value)].en}"
        ),
    ),
    ("campaign", "was_sent"): Condition(CAMPAIGNS, _in_campaign, _words("收到过“{names}”", "were sent “{names}”")),
    ("campaign", "opened"): Condition(
        CAMPAIGNS,
        lambda value, f: _in_campaign(value, f, Delivery.read_at.is_not(None)),
        _words("打开过“{names}”", "opened “{names}”"),
    ),
    ("campaign", "clicked"): Condition(
        CAMPAIGNS,
        lambda value, f: _in_campaign(value, f, exists().where(Click.delivery_id == Delivery.id)),
        _words("点过“{names}”里的链接", "followed a link of “{names}”"),
    ),
    ("campaign", "redeemed"): Condition(
        CAMPAIGNS, _redeemed, _words("用了“{names}”送的券", "used the coupon of “{names}”")
    ),
}
