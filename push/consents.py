"""What a member agreed to, channel by channel. The newest word counts; the old ones stay as proof.

A channel that reaches into somebody's day (e-mail, SMS, WeChat) needs his yes. The inbox of the wallet only lies there,
so it needs none, and can be muted.
"""

from datetime import datetime

from sqlalchemy import select

from cards.models import Member
from core.db import db
from push.errors import ChannelUnknown, MemberUnknown
from push.models import Consent, PushChannel

WITHOUT_A_WORD = {channel: channel == PushChannel.INBOX for channel in PushChannel}


def current_consents(member_id: int) -> dict[str, bool]:
    """Whether each channel may be used for this member now."""
    words = db.session.execute(
        select(Consent.channel, Consent.is_granted).where(Consent.member_id == member_id).order_by(Consent.id)
    )
    said = {word.channel: word.is_granted for word in words}  # in order: the newest stays
    return {str(channel): said.get(channel, unsaid) for channel, unsaid in WITHOUT_A_WORD.items()}


def grant(member_id: int, channel: str, source: str, now: datetime) -> None:
    """The member says yes. Needs an open transaction; repeats are harmless. Raises ChannelUnknown, MemberUnknown."""
    _say(member_id, channel, True, source, now)


def withdraw(member_id: int, channel: str, source: str, now: datetime) -> None:
    """The member says no. Needs an open transaction; repeats are harmless. Raises ChannelUnknown, MemberUnknown."""
    _say(member_id, channel, False, source, now)


def _say(member_id: int, channel: str, is_granted: bool, source: str, now: datetime) -> None:
    if channel not in set(PushChannel):
        raise ChannelUnknown()
    chain_id = db.session.scalar(select(Member.chain_id).where(Member.id == member_id))
    if chain_id is None:
        raise MemberUnknown()
    last = db.session.scalar(
        select(Consent.is_granted)
        .where(Consent.member_id == member_id, Consent.channel == channel)
        .order_by(Consent.id.desc())
        .limit(1)
    )
    if last is not is_granted:
        db.session.add(
            Consent(
                chain_id=chain_id,
                member_id=member_id,
                channel=channel,
                is_granted=is_granted,
                source=source[:40],
                at=now,
            )
        )
        db.session.flush()
