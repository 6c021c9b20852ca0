"""What a member agreed to, channel by channel. The newest word counts; the old ones stay as proof.

A channel that reaches into somebody's day (e-mail, SMS, WeChat) needs his yes. The inbox of the wallet only lies there,
so it needs none, and can be muted.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select

from cards.models import Member
from core.db import db
from push.errors import ChannelUnknown
from push.models import Consent, ConsentPurpose, Purpose, PushChannel
from sharing.errors import MemberNotFound

# A message about the member's own card needs no yes where he gave the address himself; a browser or WeChat asks anyway.
WITHOUT_A_WORD = {
    Purpose.PROMOTION: {PushChannel.INBOX},
    Purpose.SERVICE: set(PushChannel),
}


def granted_without_a_word(channel: PushChannel, purpose: Purpose) -> bool:
    """What holds for a member who said neither yes nor no."""
    return channel in WITHOUT_A_WORD[purpose]


def current_consents(member_id: int, purpose: Purpose = Purpose.PROMOTION) -> dict[str, bool]:
    """Whether each channel may be used for this member now, for that purpose."""
    words = db.session.execute(
        select(Consent.channel, Consent.is_granted)
        .where(Consent.member_id == member_id, Consent.purpose == purpose.value)
        .order_by(Consent.id)
    )
    said = {word.channel: word.is_granted for word in words}  # in order: the newest stays
    return {str(channel): said.get(channel, granted_without_a_word(channel, purpose)) for channel in PushChannel}


class Word(NamedTuple):
    """What a member said last about a channel and purpose: yes or no, where, and when."""

    is_granted: bool
    source: str
    at: datetime


def words_of(member_id: int) -> dict[tuple[str, str], Word]:
    """The newest word for each (purpose, channel) of which the member said anything. Measurement is of the inbox."""
    said = db.session.execute(
        select(Consent.purpose, Consent.channel, Consent.is_granted, Consent.source, Consent.at)
        .where(Consent.member_id == member_id)
        .order_by(Consent.id)
    )
    return {(row.purpose, row.channel): Word(row.is_granted, row.source, row.at) for row in said}  # the newest stays


def grant(
    member_id: int, channel: str, source: str, now: datetime, purpose: ConsentPurpose = ConsentPurpose.PROMOTION
) -> None:
    """The member says yes. Needs an open transaction; repeats are harmless. Raises ChannelUnknown, MemberNotFound."""
    _say(member_id, channel, True, source, now, purpose)


def withdraw(
    member_id: int, channel: str, source: str, now: datetime, purpose: ConsentPurpose = ConsentPurpose.PROMOTION
) -> None:
    """The member says no. Needs an open transaction; repeats are harmless. Raises ChannelUnknown, MemberNotFound."""
    _say(member_id, channel, False, source, now, purpose)


def may_measure(member_id: int) -> bool:
    """Whether we may note which links a member follows: yes, until he says no. One word for all channels."""
    word = db.session.scalar(
        select(Consent.is_granted)
        .where(Consent.member_id == member_id, Consent.purpose == ConsentPurpose.MEASUREMENT.value)
        .order_by(Consent.id.desc())
        .limit(1)
    )
    return word is not False


def say_measurement(member_id: int, *, is_granted: bool, source: str, now: datetime) -> None:
    """The member's word about that; it stands under the inbox. Needs an open transaction."""
    _say(member_id, PushChannel.INBOX, is_granted, source, now, ConsentPurpose.MEASUREMENT)


def _say(member_id: int, channel: str, is_granted: bool, source: str, now: datetime, purpose: ConsentPurpose) -> None:
    if channel not in set(PushChannel):
        raise ChannelUnknown()
    chain_id = db.session.scalar(select(Member.chain_id).where(Member.id == member_id))
    if chain_id is None:
        raise MemberNotFound()
    last = db.session.scalar(
        select(Consent.is_granted)
        .where(Consent.member_id == member_id, Consent.channel == channel, Consent.purpose == purpose.value)
        .order_by(Consent.id.desc())
        .limit(1)
    )
    if last is not is_granted:
        db.session.add(
            Consent(
                chain_id=chain_id,
                member_id=member_id,
                channel=channel,
                purpose=purpose,
                is_granted=is_granted,
                source=source[:40],
                at=now,
            )
        )
        db.session.flush()
