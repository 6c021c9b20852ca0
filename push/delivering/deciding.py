"""Taking a batch of deliveries and deciding about each: too late, not possible, not wanted, asleep, had enough, or go.

All of it in one short transaction. Two workers never get the same row, and never count the same member's caps at once.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import and_, case, func, null, or_, select, update

from cards.models import CardState
from core.db import among, db
from core.hot import this_transaction
from push.delivering.facts import Facts as Facts  # named here for those who ask what a batch is
from push.delivering.facts import read_facts
from push.delivering.falling_back import UNREACHED, fall_back
from push.delivering.handing_out import take_turns
from push.delivering.leasing import lease_batch
from push.models import Campaign, Delivery, DeliveryState, Purpose, PushChannel, SkipReason
from push.partners.telling import tell
from push.timing.policies import Policy, quiet_until
from push.timing.scheduling import end_of_day

DAY, WEEK = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True)
class Verdict:
    """What is to happen with a delivery now: go, or be skipped for a reason, or wait until a moment."""

    reason: SkipReason | None = None
    wait_until: datetime | None = None

    @property
    def goes(self) -> bool:
        return self.reason is None and self.wait_until is None


GO = Verdict()


class Taken(NamedTuple):
    """A batch: how many rows were looked at, and those that go now."""

    looked_at: int
    going: list[Facts]


def take_batch(name: PushChannel, *, now: datetime, lease: timedelta, limit: int) -> Taken:
    """Lease what is due and decide about it: what does not go is skipped or waits. Needs an open transaction."""
    ids = lease_batch(name, now=now, lease=lease, limit=limit)
    if not ids:
        return Taken(0, [])
    rows = read_facts(name, ids)
    counted = [row for row in rows if _is_counted(name, row)]
    take_turns({row.member_id: row.chain_id for row in counted})
    counts = _count_sent(counted, now=now)
    sleeps = _sleeping(now)
    verdicts = [(row, _verdict(name, row, counts, sleeps, now=now)) for row in rows]
    _write_verdicts([(row.id, verdict) for row, verdict in verdicts if not verdict.goes], now=now)
    return Taken(len(ids), [row for row, verdict in verdicts if verdict.goes])


def _verdict(
    name: PushChannel,
    row: Facts,
    counts: dict[int, list[int]],
    sleeps: Callable[[Policy, str], datetime | None],
    *,
    now: datetime,
) -> Verdict:
    """Too late, then not possible, then not wanted, then asleep, then had enough."""
    until = _sent_until(row)
    if now >= until:
        return Verdict(SkipReason.STALE)
    if row.card_state != CardState.ACTIVE:
        return Verdict(SkipReason.CARD_INACTIVE)
    if not row.has_address:
        return Verdict(SkipReason.NO_ADDRESS)
    if not row.is_agreed:
        return Verdict(SkipReason.OPTED_OUT)
    if name == PushChannel.INBOX:
        return GO  # it disturbs nobody
    policy = row.run.policy
    if awake_at := sleeps(policy, row.timezone):
        return Verdict(wait_until=min(awake_at, until))
    if not _is_counted(name, row):
        return GO
    sent = counts[row.member_id]
    if sent[0] >= policy.cap_per_day or sent[1] >= policy.cap_per_week:
        return Verdict(SkipReason.CAPPED)
    sent[0] += 1
    sent[1] += 1
    return GO


def _sent_until(row: Facts) -> datetime:
    """The run's end, or before it that of the campaign's last day where the member is."""
    last_day, until = row.run.last_day, row.run.send_until
    return until if last_day is None else min(until, end_of_day(last_day, row.timezone))


def _is_counted(name: PushChannel, row: Facts) -> bool:
    """Whether the caps have a say: at later attempts it was counted, and service does not count."""
    return name != PushChannel.INBOX and row.attempts == 1 and row.run.purpose != Purpose.SERVICE


def _sleeping(now: datetime) -> Callable[[Policy, str], datetime | None]:
    """``quiet_until``, worked out once for all members of a zone."""
    return cache(lambda policy, timezone: quiet_until(policy, timezone, now=now))


def _count_sent(rows: Sequence[Facts], *, now: datetime) -> dict[int, list[int]]:
    """What promotion each member was sent in the last day and the last seven, over all channels but the inbox.

    A message that was tried and has not ended counts too: it holds its place until it has. ``rows`` themselves, which
    have just been taken, do not.
    """
    if not rows:
        return {}
    members = Counter(row.member_id for row in rows)
    is_held = and_(Delivery.state.in_((DeliveryState.PENDING, DeliveryState.SENDING)), Delivery.attempts > 0)
    is_sent = Delivery.state.in_((DeliveryState.SENT, DeliveryState.DELIVERED))
    found = db.session.execute(
        select(
            Delivery.member_id,
            func.count(case((or_(is_held, Delivery.sent_at > now - DAY), 1))),
            func.count(Delivery.id),
        )
        .join(Campaign, Campaign.id == Delivery.campaign_id)
        .where(
            among(Delivery.member_id, list(members)),
            Campaign.purpose == Purpose.PROMOTION,
            Delivery.channel != PushChannel.INBOX,
            or_(is_held, and_(is_sent, Delivery.sent_at > now - WEEK)),
        )
        .group_by(Delivery.member_id)
    )
    return {member: [day - members[member], week - members[member]] for member, day, week in found}


def _write_verdicts(verdicts: list[tuple[int, Verdict]], *, now: datetime) -> None:
    alike: dict[Verdict, list[int]] = defaultdict(list)
    for delivery_id, verdict in verdicts:
        alike[verdict].append(delivery_id)
    for verdict, ids in alike.items():
        if verdict.reason is not None:
            change_leased(ids, attempts=Delivery.attempts - 1)
            skip_leased(ids, verdict.reason, now=now)
        else:
            _let_wait(ids, verdict.wait_until)


def _let_wait(ids: Collection[int], until: datetime | None) -> None:
    """What did not go was not tried."""
    first = case((Delivery.attempts <= 1, null()), else_=Delivery.first_tried_at)
    change_leased(
        ids, attempts=Delivery.attempts - 1, first_tried_at=first, state=DeliveryState.PENDING, due_at=until,
        leased_until=None,
    )  # fmt: skip


def skip_leased(ids: Sequence[int], reason: SkipReason, *, now: datetime) -> None:
    """End leased rows that do not go; where the next channel is to be tried, it is written down."""
    ended = end_leased(ids, now=now, state=DeliveryState.SKIPPED, reason=reason)
    if ended and reason in UNREACHED:
        fall_back(ended, now=now)


def end_leased(ids: Collection[int], *, now: datetime, **values: Any) -> Sequence[int]:
    """Change leased rows to what they are in the end, and tell who wants to know; which. Needs an open transaction."""
    ended = change_leased(ids, leased_until=None, **values)
    tell(this_transaction(), ended, now=now)
    return ended


def change_leased(ids: Collection[int], **values: Any) -> Sequence[int]:
    """Change rows that are leased, and return which; what somebody else ended meanwhile stays as it is."""
    if not ids:
        return ()
    return db.session.scalars(
        update(Delivery)
        .where(among(Delivery.id, ids), Delivery.state == DeliveryState.SENDING)
        .values(**values)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
