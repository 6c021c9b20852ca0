"""Whether a channel reaches a member, as SQL: used alike for counting, for freezing and before each sending."""

from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, null, or_, select

from cards.models import Card, CardState, Member
from push.consents import WITHOUT_A_WORD
from push.models import Consent, PushChannel, SkipReason

ADDRESS_OF: dict[PushChannel, Any] = {PushChannel.EMAIL: Member.email, PushChannel.GATEWAY: Member.phone}


def is_agreed(channel: PushChannel) -> ColumnElement[bool]:
    """The member's newest word about the channel; without one, what stands in push/consents.py."""
    newest = (
        select(Consent.is_granted)
        .where(Consent.member_id == Member.id, Consent.channel == channel)
        .order_by(Consent.id.desc())
        .limit(1)
        .correlate(Member)
        .scalar_subquery()
    )
    return func.coalesce(newest, literal(WITHOUT_A_WORD[channel]))


def reason_against(channel: PushChannel) -> ColumnElement[str | None]:
    """Why a message over this channel would not go, or NULL. Reads ``members`` and ``cards``."""
    whens: list[tuple[ColumnElement[bool], Any]] = [
        (Card.state != CardState.ACTIVE, literal(SkipReason.CARD_INACTIVE.value))
    ]
    column = ADDRESS_OF.get(channel)
    if column is not None:
        whens.append((or_(column.is_(None), column == ""), literal(SkipReason.NO_ADDRESS.value)))
    whens.append((~is_agreed(channel), literal(SkipReason.OPTED_OUT.value)))
    return case(*whens, else_=null())
