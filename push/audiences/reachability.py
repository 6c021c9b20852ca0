"""Whether a channel reaches a member, as SQL: used alike for counting, for freezing and before each sending."""

from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal, null, select

from cards.models import Card, CardState, Member
from push.audiences.consents import granted_without_a_word
from push.channels.models import Suppression, WebPushSubscription, WechatConsent, WechatUser
from push.models import Consent, Purpose, PushChannel, SkipReason

OPENID = (
    select(WechatUser.openid)
    .where(WechatUser.member_id == Member.id, WechatUser.chain_id == Member.chain_id)
    .correlate(Member)
    .scalar_subquery()
)
# Where to: a column of the member, or what is kept for him elsewhere. A browser is none, see push/channels/browsers.py.
ADDRESS_OF: dict[PushChannel, Any] = {
    PushChannel.EMAIL: Member.email,
    PushChannel.GATEWAY: Member.phone,
    PushChannel.WECHAT_TEMPLATE: OPENID,
    PushChannel.WECHAT_SUBSCRIPTION: OPENID,
}
HAS_ONE: dict[PushChannel, ColumnElement[bool]] = {
    PushChannel.EMAIL: and_(Member.email.is_not(None), Member.email != ""),
    PushChannel.GATEWAY: and_(Member.phone.is_not(None), Member.phone != ""),
    PushChannel.WEB_PUSH: exists().where(
        WebPushSubscription.wallet_id == Member.wallet_id, WebPushSubscription.gone_at.is_(None)
    ),
    PushChannel.WECHAT_TEMPLATE: exists().where(
        WechatUser.member_id == Member.id, WechatUser.chain_id == Member.chain_id, WechatUser.is_following
    ),
    PushChannel.WECHAT_SUBSCRIPTION: and_(
        exists().where(WechatUser.member_id == Member.id, WechatUser.chain_id == Member.chain_id),
        exists().where(WechatConsent.member_id == Member.id, WechatConsent.balance > 0),
    ),
}


def is_agreed(channel: PushChannel, purpose: Purpose = Purpose.PROMOTION) -> ColumnElement[bool]:
    """The member's newest word about the channel and purpose; without one, what consents.py says."""
    newest = (
        select(Consent.is_granted)
        .where(Consent.member_id == Member.id, Consent.channel == channel, Consent.purpose == purpose.value)
        .order_by(Consent.id.desc())
        .limit(1)
        .correlate(Member)
        .scalar_subquery()
    )
    return func.coalesce(newest, literal(granted_without_a_word(channel, purpose)))


def has_address(channel: PushChannel) -> ColumnElement[bool] | None:
    """Whether the channel knows where to, and may still go there; None for the inbox, which needs nothing."""
    found, address = HAS_ONE.get(channel), ADDRESS_OF.get(channel)
    if found is None or address is None:
        return found
    suppressed = exists().where(
        Suppression.chain_id == Member.chain_id,
        Suppression.channel == channel.value,
        Suppression.address == address,
        Suppression.lifted_at.is_(None),
    )
    return and_(found, ~suppressed)


def reason_against(channel: PushChannel, purpose: Purpose = Purpose.PROMOTION) -> ColumnElement[str | None]:
    """Why a message over this channel would not go, or NULL. Reads ``members`` and ``cards``."""
    whens: list[tuple[ColumnElement[bool], Any]] = [
        (Card.state != CardState.ACTIVE, literal(SkipReason.CARD_INACTIVE.value))
    ]
    address = has_address(channel)
    if address is not None:
        whens.append((~address, literal(SkipReason.NO_ADDRESS.value)))
    whens.append((~is_agreed(channel, purpose), literal(SkipReason.OPTED_OUT.value)))
    return case(*whens, else_=null())
