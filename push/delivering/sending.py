"""Sending what is due, a batch at a time.

One short transaction takes a batch and decides about each row: too late, not wanted, asleep, had enough, or go. Then,
with no transaction open, the messages are handed over, many at once on one event loop, and short transactions note the
results in groups. A worker that dies leaves its lease behind; the rows are taken again when it ends, under the same
message key.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import NamedTuple

from sqlalchemy import select

from core.db import db, transaction
from core.errors import DomainError
from coupons.errors import CardNeeded, OfferLimitReached, OfferPhoneLimitReached
from push.audiences.unsubscribing import Links
from push.channels import Channel, Handed
from push.delivering.deciding import Facts, end_leased, skip_leased, take_batch
from push.delivering.handing_out import Carrier, hand_out, hand_out_many
from push.delivering.handing_over import Notes, Slots, Work, hand_over
from push.delivering.leasing import UNREPEATABLE
from push.delivering.looping import run_here
from push.delivering.needs import Needed, NotTried, Result
from push.delivering.pacing import Leave, ask_for_batch, give_back_batch, take_slots
from push.delivering.supplying import gather, tell
from push.delivering.waiting import is_anything_due
from push.models import DeliveryState, PushChannel, Run, RunState, SkipReason
from push.wording.writing import Writer

BATCH = 1000
SLOW_BATCH = 50  # over a channel that takes one message at a time
INBOX_BATCH = 500
LOT = 250  # coupons that are handed out in one transaction: meanwhile others who claim them wait
TURN_SECONDS = 20.0  # so long a worker takes more while messages are on their way; then he waits for the last
LOOK_SECONDS = 1.0  # so long after somebody paused a run its last message goes
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
    clock: Callable[[], datetime] | None = None,
    lease: timedelta = LEASE,
    rate: float | None = None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> int:
    """Take what is due over one channel, hand it over, note the results. Return how many rows were looked at.

    While some messages are still on their way it takes more, so that one that hangs holds up no other: until nothing is
    due, or for a while. ``clock`` says what time it is then; left out, it stays ``now``. ``rate``: so many messages a
    second, over all workers. While the pace or the provider wants a rest, none is looked at.
    """
    turn = _Turn(name, channel, links, clock or (lambda: now), lease, rate, is_stopping)
    first = turn.take_batch()
    if first is not None and first.ready:
        notes = Notes(name, channel, first.leave, turn.clock)
        run_here(hand_over(channel, turn.work(first, notes), notes, Slots(first.first_in, rate)))
    return turn.looked_at


class _Batch(NamedTuple):
    """What a worker took: rows that go, what they need, when the first may go and until when it may begin at all."""

    leave: Leave
    ready: list[Facts]
    needed: Mapping[int, Needed]
    first_in: float
    give_up_at: float


class _Turn:
    """One worker's turn at a channel."""

    def __init__(
        self,
        name: PushChannel,
        channel: Channel,
        links: Links,
        clock: Callable[[], datetime],
        lease: timedelta,
        rate: float | None,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._name, self._links, self.clock, self._lease, self._rate = name, links, clock, lease, rate
        self._limit = BATCH if channel.parallel > 1 else SLOW_BATCH
        if name in UNREPEATABLE:
            self._limit = channel.parallel  # what a worker that dies has in its hands is lost
        self._is_stopping = is_stopping
        self._ends_at = monotonic() + min(TURN_SECONDS, lease.total_seconds() / 2)
        self.looked_at = 0

    def take_batch(self) -> _Batch | None:
        """Take some; None while there must be none. Those whose coupon is not to be had are ended here."""
        now = self.clock()
        if not is_anything_due(self._name, now=now):
            return None
        leave = ask_for_batch(self._name, self._rate, self._limit, now=now)
        if leave is None:
            return None
        give_up_at = monotonic() + self._lease.total_seconds() / 2
        try:
            with transaction():
                taken = take_batch(self._name, now=now, lease=self._lease, limit=leave.limit)
                needed = gather(self._name, taken.going, now=now)
                skip_leased([row.id for row in taken.going if row.id not in needed], SkipReason.NO_ADDRESS, now=now)
                going = [row for row in taken.going if row.id in needed]
                first_at = take_slots(self._name, self._rate, len(going), now=now)
                if first_at - now > self._lease / 4:
                    raise _AnotherWasFirst()
        except _AnotherWasFirst:  # all of it is as if it had never been
            return None
        self.looked_at += taken.looked_at
        handed = _hand_out_many([row for row in going if row.coupon_id is None], now=now)
        ready = [row for row in going if row.id in handed or self._with_coupon(row, needed, now=now)]
        if not ready:
            give_back_batch(self._name, leave)
        return _Batch(leave, ready, needed, (first_at - now).total_seconds(), give_up_at)

    def _with_coupon(self, row: Facts, needed: Mapping[int, Needed], *, now: datetime) -> bool:
        """Give the coupon before the message that speaks of it. False when there is none: then it does not go."""
        if row.offer_id is None or row.coupon_id is not None:
            return True
        with transaction():
            is_handed = _hand_out(row, now=now)
            if not is_handed:  # what it took of the channel is there again
                tell(self._name, [Result(row, NotTried(), Handed(), needed[row.id])], now=now)
        return is_handed

    def work(self, batch: _Batch | None, notes: Notes) -> Iterator[Work]:
        """The messages of one batch after the other, while there is more and it may go."""
        while batch is not None and batch.ready:
            writer = Writer(self._name, self._links, batch.ready)
            going = _Going({row.run_id for row in batch.ready})
            for row in batch.ready:
                needed = batch.needed[row.id]
                is_over = partial(self._is_over, going, row.run_id, batch.give_up_at)
                yield Work(row, needed, writer.write(row, needed), is_over)
            is_enough = notes.wants_no_more or self._is_stopping() or monotonic() >= self._ends_at
            batch = None if is_enough or batch.leave.probe_of is not None or self._rate else self.take_batch()

    def _is_over(self, going: "_Going", run_id: int, give_up_at: float) -> bool:
        return self._is_stopping() or monotonic() >= give_up_at or run_id not in going.run_ids


class _AnotherWasFirst(Exception):
    """Another worker took the slots of the next while: what was taken would be held for too long."""


class _Going:
    """Which of a batch's runs still go: looked up now and then, so that pausing and cancelling are heard."""

    def __init__(self, run_ids: set[int]) -> None:
        self._run_ids = run_ids
        self._look_at = monotonic() + LOOK_SECONDS

    @property
    def run_ids(self) -> set[int]:
        if monotonic() >= self._look_at:
            self._look_at = monotonic() + LOOK_SECONDS
            still = select(Run.id).where(Run.id.in_(self._run_ids), Run.state == RunState.RUNNING)
            try:
                self._run_ids = set(db.session.scalars(still))
            finally:
                db.session.rollback()  # the reading is over
        return self._run_ids


def deliver_inbox_batch(*, now: datetime, lease: timedelta = LEASE) -> int:
    """Put a batch into its wallets: there the row is the message, so that is all. Return how many were looked at."""
    if not is_anything_due(PushChannel.INBOX, now=now):
        return 0
    with transaction():
        taken = take_batch(PushChannel.INBOX, now=now, lease=lease, limit=INBOX_BATCH)
        _arrive([row.id for row in taken.going if row.offer_id is None], now=now)
    arrived = _hand_out_many(taken.going, now=now, then=_arrive)
    for row in taken.going:
        if row.offer_id is not None and row.id not in arrived:
            _arrive_with_coupon(row, now=now)
    return taken.looked_at


# --- the coupon that comes with it ----------------------------------------------------------------------------------


def _hand_out_many(rows: Sequence[Facts], *, now: datetime, then: Callable[..., None] | None = None) -> set[int]:
    """Give out coupons by so many at once; return the deliveries that have theirs. ``then`` is done with each lot.

    The others are looked at one by one: those that nothing stands in the way of but chance, and those that get none.
    """
    by_offer: dict[int, list[Carrier]] = defaultdict(list)
    for row in rows:
        if row.offer_id is not None:
            by_offer[row.offer_id].append(_carrier(row))
    handed: set[int] = set()
    for offer_id, carriers in by_offer.items():
        for start in range(0, len(carriers), LOT):
            with transaction():
                lot = hand_out_many(carriers[start : start + LOT], offer_id, now=now)
                if then is not None:
                    then(sorted(lot), now=now)
            handed |= lot
    return handed


def _carrier(row: Facts) -> Carrier:
    return Carrier(row.id, row.chain_id, row.run_id, row.member_id, row.card_id)


def _hand_out(row: Facts, *, now: datetime) -> bool:
    try:
        hand_out(_carrier(row), row.offer_id, now=now)
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
