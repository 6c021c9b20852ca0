"""What a member agreed to, and what became of the campaigns he was in."""

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, select

from core.db import among
from core.text import Text
from coupons.models import Coupon, CouponState
from push.audiences.conditions.kinds import Condition, Frame, ids_of, is_among, names_of, one_of, parts
from push.audiences.reachability import is_agreed
from push.models import Campaign, Delivery, DeliveryState, Purpose, PushChannel, Run
from push.wording.models import Click
from stores.models import Chain

CHANNEL = one_of([str(channel) for channel in PushChannel])
CHANNEL_AND_PURPOSE = parts(channel=CHANNEL, purpose=one_of([str(purpose) for purpose in Purpose]))
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
    runs = select(Run.id).where(Run.chain_id == frame.chain.id, among(Run.campaign_id, value))
    return is_among(select(Delivery.member_id).where(Delivery.run_id.in_(runs), Delivery.state.in_(WENT), *which))


def _redeemed(value: list[int], frame: Frame) -> ColumnElement[bool]:
    used = exists().where(Coupon.id == Delivery.coupon_id, Coupon.state == CouponState.REDEEMED)
    return _in_campaign(value, frame, and_(Delivery.coupon_id.is_not(None), used))


def _consent(chain_id: int, value: Any) -> Any:
    """A channel, meant for promotion; or a channel and a purpose."""
    return CHANNEL(chain_id, value) if isinstance(value, str) else CHANNEL_AND_PURPOSE(chain_id, value)


def _granted(value: Any, _frame: Frame) -> ColumnElement[bool]:
    if isinstance(value, str):
        return is_agreed(PushChannel(value))
    return is_agreed(PushChannel(value["channel"]), Purpose(value["purpose"]))


def _consent_words(value: Any, _chain: Chain) -> Text:
    channel = CHANNELS[PushChannel(value if isinstance(value, str) else value["channel"])]
    if isinstance(value, str) or value["purpose"] == Purpose.PROMOTION:
        return Text(f"同意接收{channel.zh}", f"agreed to {channel.en}")
    return Text(f"服务通知可以发{channel.zh}", f"take {channel.en} about their card")


def _words(zh: str, en: str) -> Any:
    def words(value: list[int], chain: Chain) -> Text:
        names = names_of(Campaign, chain.id, value)
        return Text(zh.format(names=names.zh), en.format(names=names.en))

    return words


CONDITIONS: dict[tuple[str, str], Condition] = {
    ("consent", "granted"): Condition(_consent, _granted, _consent_words),
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
