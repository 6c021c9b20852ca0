"""Sending what is due, a batch at a time.

One short transaction takes a batch and decides about each row: too late, not wanted, asleep, had enough, or go. Then,
with no transaction open, the messages are handed over, many at once on one event loop, and short transactions note the
results in groups. A worker that dies leaves its lease behind; the rows are taken again when it ends, under the same
message key.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from time import monotonic

from core.db import transaction
from core.errors import DomainError
from coupons.errors import CardNeeded, OfferLimitReached, OfferPhoneLimitReached
from push import browsers as _browsers  # noqa: F401  # says what Web Push needs
from push import providing as _providing  # noqa: F401  # says what SMS and WeChat need
from push.channels import Channel
from push.deciding import Facts, end_leased, skip_leased, take_batch
from push.handing_out import Carrier, hand_out
from push.handing_over import Pace, hand_over
from push.looping import run_here
from push.messages import Writer
from push.models import DeliveryState, PushChannel, SkipReason
from push.needs import gather
from push.pacing import ask_for_batch, give_back_batch, take_slots
from push.unsubscribing import Links

BATCH = 1000
SLOW_BATCH = 50  # over a channel that takes one message at a time
INBOX_BATCH = 500
LEASE = timedelta(minutes=2)
SKIP_INSTEAD: dict[type[DomainError], SkipReason] = {
    OfferLimitReached: SkipReason.DUPLICATE,
    OfferPhoneLimitReached: SkipReason.DUPLICATE,
    CardNeeded: SkipReason.CARD_INACTIVE,
}


def send_batch(
    name: PushChannel,
    channel: Channel,
    links: Links,
    *,
    now: datetime,
    lease: timedelta = LEASE,
    rate: float | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Take a batch of one channel, hand each message over, note each result. Return how many rows were looked at.

    ``rate``: so many messages a second, over all workers. While the pace or the provider wants a rest, none is.
    """
    give_up_at = monotonic() + lease.total_seconds() / 2
    leave = ask_for_batch(name, rate, BATCH if channel.parallel > 1 else SLOW_BATCH, now=now)
    if leave is None:
        return 0
    with transaction():
        taken = take_batch(name, now=now, lease=lease, limit=leave.limit)
        needed = gather(name, taken.going, now=now)
        skip_leased([row.id for row in taken.going if row.id not in needed], SkipReason.NO_ADDRESS, now=now)
        going = [row for row in taken.going if row.id in needed]
        first_at = take_slots(name, rate, len(going), now=now)
    ready = [row for row in going if _with_coupon(row, now=now)]
    if not ready:
        give_back_batch(name, leave)
        return taken.looked_at
    writer = Writer(name, links, ready)
    work = ((row, needed[row.id], writer.write(row, needed[row.id])) for row in ready)
    pace = Pace((first_at - now).total_seconds(), 1 / rate) if rate else Pace()

    def is_over() -> bool:
        return is_stopping() or monotonic() >= give_up_at

    run_here(hand_over(name, channel, work, leave, pace, now=now, is_over=is_over))
    return taken.looked_at


def deliver_inbox_batch(*, now: datetime, lease: timedelta = LEASE) -> int:
    """Put a batch into its wallets: there the row is the message, so that is all. Return how many were looked at."""
    with transaction():
        taken = take_batch(PushChannel.INBOX, now=now, lease=lease, limit=INBOX_BATCH)
        _arrive([row.id for row in taken.going if row.offer_id is None], now=now)
    for row in taken.going:
        if row.offer_id is not None:
            _arrive_with_coupon(row, now=now)
    return taken.looked_at


# --- the coupon that comes with it ----------------------------------------------------------------------------------


def _with_coupon(row: Facts, *, now: datetime) -> bool:
    """Give the coupon before the message that speaks of it. False when there is none: then the message does not go."""
    if row.offer_id is None or row.coupon_id is not None:
        return True
    with transaction():
        return _hand_out(row, now=now)


def _hand_out(row: Facts, *, now: datetime) -> bool:
    try:
        carrier = Carrier(row.id, row.chain_id, row.run_id, row.member_id, row.card_id)
        hand_out(carrier, row.offer_id, now=now)
    except DomainError as refusal:
        reason = SKIP_INSTEAD.get(type(refusal))
        if reason is not None:
            end_leased([row.id], now=now, state=DeliveryState.SKIPPED, reason=reason)
        else:
            end_leased([row.id], now=now, state=DeliveryState.FAILED, error=refusal.code)
        return False
    return True


# --- the inbox ------------------------------------------------------------------------------------------------------


def _arrive(ids: Sequence[int], *, now: datetime) -> None:
    end_leased(ids, now=now, state=DeliveryState.DELIVERED, sent_at=now)


def _arrive_with_coupon(row: Facts, *, now: datetime) -> None:
    with transaction():
        if _hand_out(row, now=now):
            _arrive([row.id], now=now)


def drain(steps: Sequence[Callable[[], int]]) -> Iterator[int]:
    """Run steps in turn until none of them finds anything to do; yields how many rows each round looked at."""
    while done := sum(step() for step in steps):
        yield done
