"""Sending what is due, a batch at a time.

One short transaction takes a batch and decides about each row: too late, not wanted, asleep, had enough, or go. Then,
with no transaction open, the message is handed over, and one more short transaction notes the result. A worker that
dies leaves its lease behind; the rows are taken again when it ends, under the same message key.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from core.db import db, transaction
from core.errors import DomainError
from core.hot import Sql, one_action, this_transaction
from coupons.errors import CardNeeded, OfferLimitReached, OfferPhoneLimitReached
from coupons.models import Coupon
from coupons.terms import day_text
from push import texts
from push.channels import Channel, Message, PermanentError, RetryError
from push.deciding import MAX_ATTEMPTS, Facts, change_leased, take_batch
from push.falling_back import fall_back
from push.handing_out import Carrier, hand_out
from push.models import ChannelMode, Delivery, DeliveryState, PushChannel, SkipReason
from push.unsubscribing import Links

BATCH = 50
INBOX_BATCH = 500
LEASE = timedelta(minutes=2)
FIRST_WAIT = timedelta(seconds=30)  # then four times as long each time: 30 s, 2 min, 8 min, 32 min, 2 h
SPREAD = 0.2  # so that what failed together does not come back together
SKIP_INSTEAD: dict[type[DomainError], SkipReason] = {
    OfferLimitReached: SkipReason.DUPLICATE,
    OfferPhoneLimitReached: SkipReason.DUPLICATE,
    CardNeeded: SkipReason.CARD_INACTIVE,
}

logger = logging.getLogger(__name__)


def send_batch(
    name: PushChannel,
    channel: Channel,
    links: Links,
    *,
    now: datetime,
    lease: timedelta = LEASE,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Take a batch of one channel, hand each message over, note each result. Return how many rows were looked at."""
    give_up_at = monotonic() + lease.total_seconds() / 2
    with transaction():
        taken = take_batch(name, now=now, lease=lease, limit=BATCH)
    ready = [row for row in taken.going if _with_coupon(row, now=now)]
    with ThreadPoolExecutor(channel.parallel, thread_name_prefix=f"push-{name}") as pool:
        futures: dict[Future[None], Facts] = {}
        for row in ready:
            handing = _hand_over(channel, _message(name, row, links), give_up_at, is_stopping)
            futures[pool.submit(handing)] = row
        for future in as_completed(futures):
            _note(futures[future], future.exception(), now=now)
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


# --- handing over: no transaction open ------------------------------------------------------------------------------


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
            change_leased([row.id], state=DeliveryState.SKIPPED, reason=reason, leased_until=None)
        else:
            change_leased([row.id], state=DeliveryState.FAILED, error=refusal.code, leased_until=None)
        return False
    return True


def _message(name: PushChannel, row: Facts, links: Links) -> Message:
    in_chinese = row.language == "zh"

    def chosen(zh: str | None, en: str | None) -> str:
        return (zh or en or "") if in_chinese else (en or zh or "")

    chain, coupon = chosen(row.chain, row.chain_en), chosen(row.offer, row.offer_en)
    values = {
        "name": row.member,
        "chain": chain,
        "store": row.store or chain,
        "tier": chosen(row.tier, row.tier_en),
        "points": f"{row.points:,}",
        "coupon": coupon,
        "coupon_until": _coupon_until(row),
        "link": links.wallet,
    }
    words = texts.filled(texts.choose(row, row.variant, name, row.language), values)
    return Message(
        key=message_key(row.due_at, row.id),
        chain=chain,
        to=row.address,
        language=row.language,
        title=words.title,
        body=words.body,
        html=words.html,
        coupon=coupon or None,
        url=links.wallet,
        unsubscribe_url=links.unsubscribe(row.member_id, name),
    )


def _coupon_until(row: Facts) -> str:
    """The last day of the coupon that comes with the message."""
    if row.offer_id is None:
        return ""
    until = db.session.scalar(
        select(Coupon.valid_until).join(Delivery, Delivery.coupon_id == Coupon.id).where(Delivery.id == row.id)
    )
    if until is None:
        return ""
    return day_text((until - timedelta(microseconds=1)).astimezone(ZoneInfo(row.timezone))).say(row.language)


def message_key(due_at: datetime, delivery_id: int) -> str:
    """The same at every attempt. With the run's time in it, since a database put back gives its numbers out again."""
    return f"kq-{int(due_at.timestamp()):x}-{delivery_id}"


class NotTried(Exception):
    """The worker is stopping, or the lease may end before the provider answers."""


def _hand_over(
    channel: Channel, message: Message, give_up_at: float, is_stopping: Callable[[], bool]
) -> Callable[[], None]:
    def hand_over() -> None:
        if is_stopping() or monotonic() >= give_up_at:
            raise NotTried()
        channel.send(message)

    return hand_over


# --- noting: one transaction a row ----------------------------------------------------------------------------------


# A newer result by somebody who took the row after us stands; only that it went is news at any time.
WENT = Sql("""
    UPDATE deliveries SET state = 'sent', sent_at = :now, leased_until = NULL, error = NULL
    WHERE id = :id AND state IN ('sending', 'pending')
""")
DID_NOT = Sql("""
    UPDATE deliveries SET state = :state, attempts = :attempts, due_at = :due_at, error = :error, leased_until = NULL
    WHERE id = :id AND state = 'sending' AND attempts = :attempt
""")


def _note(row: Facts, problem: BaseException | None, *, now: datetime) -> None:
    """Write the result of one attempt down."""
    if problem is None:
        with one_action() as hot:
            hot.run(WENT, id=row.id, now=now)
        return
    attempt = row.attempts + 1
    values: dict[str, Any] = {"state": DeliveryState.PENDING, "attempts": attempt, "due_at": now, "error": None}
    if isinstance(problem, NotTried):
        values["attempts"] = row.attempts
    elif isinstance(problem, PermanentError) or attempt >= MAX_ATTEMPTS:
        values |= {"state": DeliveryState.FAILED, "error": _words(problem, row.id)}
    else:
        after = problem.after if isinstance(problem, RetryError) else None
        due_at = min(now + max(wait_before(attempt, row.id), after or timedelta()), row.send_until)
        values |= {"due_at": due_at, "error": _words(problem, row.id)}
    if values["state"] == DeliveryState.FAILED and row.channel_mode == ChannelMode.FIRST:
        with transaction():
            this_transaction().run(DID_NOT, id=row.id, attempt=attempt, **values)
            fall_back([row.id], now=now)
        return
    with one_action() as hot:
        hot.run(DID_NOT, id=row.id, attempt=attempt, **values)


def _words(problem: BaseException, delivery_id: int) -> str:
    if isinstance(problem, (PermanentError, RetryError)):
        return str(problem)[:200]
    logger.error("delivery %s broke its channel", delivery_id, exc_info=problem)
    return f"internal: {type(problem).__name__}"


def wait_before(attempt: int, delivery_id: int) -> timedelta:
    """How long after a failed attempt the next one comes; rows differ by up to a fifth."""
    share = (delivery_id * 2654435761 % 1000) / 1000
    return FIRST_WAIT * (4.0 ** (attempt - 1) * (1 + SPREAD * share))


# --- the inbox ------------------------------------------------------------------------------------------------------


def _arrive(ids: Sequence[int], *, now: datetime) -> None:
    change_leased(ids, state=DeliveryState.DELIVERED, sent_at=now, leased_until=None)


def _arrive_with_coupon(row: Facts, *, now: datetime) -> None:
    with transaction():
        if _hand_out(row, now=now):
            _arrive([row.id], now=now)


def drain(steps: Sequence[Callable[[], int]]) -> Iterator[int]:
    """Run steps in turn until none of them finds anything to do; yields how many rows each round looked at."""
    while done := sum(step() for step in steps):
        yield done
