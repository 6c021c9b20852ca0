"""What providers tell of a message after they took it: it arrived, it did not, the number is dead, the member is angry.

Every receipt is one conditional statement, so that receipts may come twice, out of order, or before our own note that
the message went. An arrival stands against everything; a failure ends only what has not arrived.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, func, null, or_, select, update

from cards.models import Member
from core.db import db, transaction
from core.hot import this_transaction
from push.audiences.consents import withdraw
from push.audiences.reachability import ADDRESS_OF
from push.channels.models import EarlyReceipt, SuppressionReason
from push.channels.suppressing import suppress, was_lifted_since
from push.delivering.falling_back import call_off, fall_back
from push.models import Delivery, DeliveryState, PushChannel, Run, RunState
from push.partners.telling import tell
from push.watching import go_on

LONGEST_ERROR = 200
LONGEST_REFERENCE = 100
EARLY_BATCH = 500
EARLY_KEPT = timedelta(hours=1)
UNENDED = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.SENT)


class ReceiptStatus(StrEnum):
    DELIVERED = "delivered"
    FAILED = "failed"  # this message, whatever becomes of the next
    BOUNCED = "bounced"  # the address is dead: nothing more goes there
    COMPLAINED = "complained"  # the member reported it as spam
    UNSUBSCRIBED = "unsubscribed"  # he answered that he wants no more


@dataclass(frozen=True)
class Receipt:
    """About one message, named by our key or by the provider's reference for it."""

    status: ReceiptStatus
    message_key: str = ""
    ref: str = ""
    error: str = ""
    at: datetime | None = None  # now unless told
    address: str = ""  # where it was to go, as far as the provider says: then it must be the member's


Named = Row[*tuple[Any, ...]]  # a delivery that a receipt speaks of, with its run's time and its member's address


def take_receipts(channel: PushChannel, receipts: Iterable[Receipt], *, source: str, now: datetime) -> int:
    """Note what a provider tells; return how many deliveries were known. Needs an open transaction.

    What names no delivery of this channel is passed over; a reference may be noted yet, so it is kept for a while.
    ``source`` is written where a member's word is noted. Taken in the order of the deliveries, so that two who tell of
    the same ones never wait for one another.
    """
    receipts = list(receipts)
    known: list[tuple[Receipt, Named]] = []
    for receipt, named in zip(receipts, _find(channel, receipts), strict=True):
        if named is None and receipt.ref and not receipt.message_key:
            _keep(channel, receipt, source, now=now)
        if named is not None and _is_meant(receipt, named):
            known.append((receipt, named))
    for receipt, named in sorted(known, key=lambda pair: int(pair[1].id)):
        _take(receipt, named, source=source, now=now)
    return len(known)


def take_early_batch(*, now: datetime) -> int:
    """Note what was told too early, as far as it is known by now what it names; return how many. Forget the old."""
    with transaction():
        kept = db.session.scalars(
            select(EarlyReceipt)
            .join(Delivery, and_(Delivery.channel == EarlyReceipt.channel, Delivery.provider_ref == EarlyReceipt.ref))
            .where(Delivery.attempts > 0)  # one that is tried anew has to wait for its hour
            .order_by(Delivery.id, EarlyReceipt.id)  # as ``take_receipts`` does
            .limit(EARLY_BATCH)
        ).all()
        for early in kept:
            told = Receipt(ReceiptStatus(early.status), ref=early.ref, error=early.error, at=early.at)
            take_receipts(PushChannel(early.channel), [told], source=early.source, now=now)
        db.session.execute(
            delete(EarlyReceipt)
            .where(or_(EarlyReceipt.id.in_([early.id for early in kept]), EarlyReceipt.at < now - EARLY_KEPT))
            .execution_options(synchronize_session=False)
        )
    return len(kept)


def _keep(channel: PushChannel, receipt: Receipt, source: str, *, now: datetime) -> None:
    db.session.add(
        EarlyReceipt(
            channel=channel,
            ref=receipt.ref[:LONGEST_REFERENCE],
            status=receipt.status,
            error=receipt.error[:LONGEST_ERROR],
            source=source,
            at=min(receipt.at or now, now),
        )
    )
    db.session.flush()


def delivery_of(message_key: str) -> tuple[int, int] | None:
    """The time (Unix seconds) and the delivery that a message key names; see ``message_key`` in writing.py."""
    parts = message_key.split("-")
    if len(parts) != 3 or parts[0] != "kq" or not parts[2].isascii() or not parts[2].isdecimal() or len(parts[2]) > 18:
        return None
    try:
        return int(parts[1], 16), int(parts[2])
    except ValueError:
        return None


def _find(channel: PushChannel, receipts: list[Receipt]) -> list[Named | None]:
    """The delivery of each receipt, in their order; by two queries, however many they are."""
    keys = [delivery_of(receipt.message_key) if receipt.message_key else None for receipt in receipts]
    refs = {receipt.ref for receipt in receipts if receipt.ref and not receipt.message_key}
    by_key = {
        (int(moment.timestamp()), row.id): row
        for row in _handed_over(channel, Delivery.id.in_({key[1] for key in keys if key}))
        for moment in (row.due_at, row.first_tried_at or row.due_at)  # the second where it was sent again
    }
    by_ref = {row.provider_ref: row for row in _handed_over(channel, Delivery.provider_ref.in_(refs))}
    return [by_key.get(key) if key else by_ref.get(receipt.ref) for key, receipt in zip(keys, receipts, strict=True)]


def _handed_over(channel: PushChannel, condition: ColumnElement[bool]) -> Sequence[Named]:
    address: Any = ADDRESS_OF.get(channel, null())
    return db.session.execute(
        select(
            Delivery.id, Delivery.chain_id, Delivery.run_id, Delivery.member_id, Delivery.channel, Delivery.sent_at,
            Delivery.provider_ref, Delivery.first_tried_at, Run.due_at, address.label("address"),
        )
        .join(Run, Run.id == Delivery.run_id)
        .join(Member, Member.id == Delivery.member_id)
        .where(condition, Delivery.channel == channel, Delivery.attempts > 0)
    ).all()  # fmt: skip


def _is_meant(receipt: Receipt, named: Named) -> bool:
    """Whoever sends us a bounce is not known: he must at least know whose address it is about."""
    return not receipt.address or receipt.address.casefold() == (named.address or "").casefold()


def _take(receipt: Receipt, named: Named, *, source: str, now: datetime) -> None:
    if receipt.status == ReceiptStatus.DELIVERED:
        _arrived(named.id, min(receipt.at or now, now), now=now)
    elif receipt.status in (ReceiptStatus.FAILED, ReceiptStatus.BOUNCED):
        is_news = _failed(named, receipt.error or str(receipt.status), now=now)
        if is_news and receipt.status == ReceiptStatus.BOUNCED:
            _suppress(named, SuppressionReason.BOUNCED, now=now)
    elif receipt.status == ReceiptStatus.COMPLAINED:
        _suppress(named, SuppressionReason.COMPLAINED, now=now)
        withdraw(named.member_id, named.channel, source, now)
    else:
        withdraw(named.member_id, named.channel, source, now)


def _arrived(delivery_id: int, at: datetime, *, now: datetime) -> None:
    """Also when our own note that it went is still to come, or when we had given it up."""
    arrived = db.session.scalars(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.state.in_((*UNENDED, DeliveryState.FAILED)), Delivery.attempts > 0)
        .values(
            state=DeliveryState.DELIVERED,
            delivered_at=at,
            sent_at=func.coalesce(Delivery.sent_at, at),
            leased_until=None,
            error=None,
        )
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    called_off = [each for delivery in arrived for each in call_off(delivery)]
    tell(this_transaction(), [*arrived, *called_off], now=now)


def _failed(named: Named, error: str, *, now: datetime) -> bool:
    """Whether that was news. Where the first channel that reaches a member is enough, the next one has its turn."""
    ended = db.session.scalar(
        update(Delivery)
        .where(Delivery.id == named.id, Delivery.state.in_(UNENDED), Delivery.attempts > 0)
        .values(state=DeliveryState.FAILED, error=error[:LONGEST_ERROR], leased_until=None)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
    if ended is None:
        return False
    tell(this_transaction(), [ended], now=now)
    if _still_going(named.run_id, now) and fall_back([named.id], now=now):
        go_on(named.run_id)
    return True


def _still_going(run_id: int, now: datetime) -> bool:
    going = select(Run.id).where(Run.id == run_id, Run.state != RunState.CANCELLED, Run.send_until > now)
    return db.session.scalar(going) is not None


def _suppress(named: Named, reason: SuppressionReason, *, now: datetime) -> None:
    """Unless somebody has let messages go there again since this one went."""
    if named.address is None:
        return
    since = named.sent_at or now
    if not was_lifted_since(named.chain_id, named.channel, named.address, since):
        channel = PushChannel(named.channel)
        suppress(named.chain_id, named.member_id, channel, named.address, reason=reason, now=now)
