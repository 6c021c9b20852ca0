"""A message that somebody of head office sends to himself, to look at it where members will.

It is marked as a test, leaves no delivery, counts nowhere, and its link to unsubscribe is nobody's.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from cards.contacts import parse_email, parse_phone
from core import audit
from core.audit import Author
from core.db import db, insert
from core.text import Text
from core.tokens import new_code
from coupons.models import Offer
from push.audiences.unsubscribing import Links
from push.channels import Channel, ChannelError, Filled, Message
from push.errors import TrialAddressMissing, TrialNotSent
from push.models import PushChannel
from push.progress import explain
from push.wording.models import TrialAddress
from push.wording.texts import Words
from stores.models import Chain

# The inbox and browsers are a member's own: nothing can be sent there without being one.
WAYS = (PushChannel.EMAIL, PushChannel.GATEWAY, PushChannel.WECHAT_TEMPLATE, PushChannel.WECHAT_SUBSCRIPTION)
MARK = Text("[测试] ", "[test] ")
NOBODY = 0
SECONDS = 25.0
LONGEST_ADDRESS = 254


def addresses_of(staff_id: int) -> dict[str, str]:
    """Where the person had tests sent the last time, by channel."""
    rows = db.session.execute(
        select(TrialAddress.channel, TrialAddress.address).where(TrialAddress.staff_id == staff_id)
    )
    return {row.channel: row.address for row in rows}


def keep_address(chain: Chain, staff_id: int, channel: PushChannel, typed: str, *, now: datetime) -> str:
    """Remember the person's own address, in its one spelling. Needs an open transaction.

    Raises EmailInvalid, PhoneInvalid, TrialAddressMissing.
    """
    address = _spelled(chain, channel, typed)
    if not address:
        raise TrialAddressMissing()
    values = {"chain_id": chain.id, "address": address, "at": now}
    db.session.execute(
        insert(TrialAddress)
        .values(staff_id=staff_id, channel=str(channel), **values)
        .on_conflict_do_update(index_elements=["staff_id", "channel"], set_=values)
    )
    return address


def _spelled(chain: Chain, channel: PushChannel, typed: str) -> str | None:
    if channel == PushChannel.EMAIL:
        return parse_email(typed)
    if channel == PushChannel.GATEWAY:
        return parse_phone(typed, currency=chain.currency)
    return typed.strip()[:LONGEST_ADDRESS]


def note_trial(chain: Chain, staff_id: int, channel: PushChannel, *, by: Author, now: datetime) -> None:
    """Say in the audit that a test went out; where to is the person's own affair."""
    audit.note(
        "test message sent",
        chain_id=chain.id,
        object_kind="staff",
        object_id=staff_id,
        by=by,
        at=now,
        after={"channel": str(channel)},
    )


def trial(
    channel: PushChannel,
    words: Words,
    values: Mapping[str, str],
    *,
    to: str,
    language: str,
    offer: Offer | None,
    template: Filled | None,
    links: Links,
) -> Message:
    """The message as a member would get it, with its mark. The words are filled in."""
    return Message(
        key=f"kq-test-{new_code()}",
        chain=values["chain"],
        to=to,
        language=language,
        title=MARK.say(language) + words.title,
        body=words.body,
        html=words.html,
        coupon=values["coupon"] if offer else None,
        url=links.wallet,
        unsubscribe_url=links.unsubscribe(NOBODY, channel),
        template=template,
    )


def send_trial(channel: Channel, message: Message) -> None:
    """Hand it over now, on a loop of its own. Raises TrialNotSent with what the provider said."""
    try:
        asyncio.run(_hand_over(channel, message))
    except ChannelError as problem:
        raise _not_sent(str(problem)) from None
    except TimeoutError:
        raise _not_sent("timeout") from None


def _not_sent(said: str) -> TrialNotSent:
    """In plain words, and in the provider's own for whoever can do something about it."""
    words = explain(said)
    return TrialNotSent(problem=Text(f"{words.zh}（{said}）", f"{words.en} ({said})"))


async def _hand_over(channel: Channel, message: Message) -> None:
    try:
        async with asyncio.timeout(SECONDS):
            await channel.send(message)
    finally:
        await channel.close()
