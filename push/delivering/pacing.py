"""A channel's pace and its circuit, shared by all workers through one row (``channel_states``).

The pace: whoever sends takes as many slots as he has messages, by one statement that moves the next free one on. The
circuit: after so many failures of the provider in a row nothing is tried for a while; then one worker tries one
message, and what becomes of it decides for all.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select

from core.db import db, transaction
from core.hot import Hot, Sql, look_up, moment, this_transaction
from push.channels import PermanentError, RetryError
from push.delivering.models import ChannelState
from push.models import PushChannel

OPEN_AFTER = 20  # failures of the provider in a row
FIRST_PAUSE = timedelta(seconds=30)  # then twice as long each time,
LONGEST_PAUSE = timedelta(minutes=10)  # up to this
AT_ONCE = 2.0  # seconds of slots that one worker takes, so that others have their turn
EARLY = timedelta(seconds=1)  # before its first slot a batch may be taken

READ = Sql("SELECT failures, open_until, next_slot_at FROM channel_states WHERE channel = :channel")
# Whoever finds the circuit's time over tries; the others wait until he knows.
PROBE = Sql("UPDATE channel_states SET open_until = :until WHERE channel = :channel AND open_until = :was")
MADE = Sql("INSERT INTO channel_states (channel, failures) VALUES (:channel, 0) ON CONFLICT (channel) DO NOTHING")
WELL = Sql("""
    UPDATE channel_states SET failures = 0, open_until = NULL
    WHERE channel = :channel AND (failures > 0 OR open_until IS NOT NULL)
""")
COUNT = Sql("UPDATE channel_states SET failures = failures + :count WHERE channel = :channel RETURNING failures")
START = Sql("UPDATE channel_states SET failures = :count WHERE channel = :channel RETURNING failures")
OPEN_UNTIL = Sql("UPDATE channel_states SET open_until = :until WHERE channel = :channel AND open_until IS NOT NULL")
OPEN = Sql("UPDATE channel_states SET failures = :failures, open_until = :until WHERE channel = :channel")
TAKE_ON_POSTGRESQL = Sql("""
    UPDATE channel_states
    SET next_slot_at = greatest(next_slot_at, :now ::timestamptz) + :seconds ::float * interval '1 second'
    WHERE channel = :channel RETURNING next_slot_at
""")
TAKE_ON_SQLITE = Sql("""
    UPDATE channel_states SET next_slot_at = strftime('%Y-%m-%d %H:%M:%f',
        max(coalesce(next_slot_at, :now), :now), printf('+%f seconds', :seconds)) || '000'
    WHERE channel = :channel RETURNING next_slot_at
""")


class Leave(NamedTuple):
    """So many messages may be tried now; of a channel whose circuit is open it is one, the ``probe``."""

    limit: int
    probe_of: datetime | None = None  # until when the circuit was open


def ask_for_batch(name: PushChannel, rate: float | None, limit: int, *, now: datetime) -> Leave | None:
    """Leave to take a batch, or None while the circuit is open or the pace's next slot is far off.

    ``rate`` is in messages a second, None for as fast as it goes.
    """
    row = look_up(READ, channel=str(name))
    if row is None:
        return Leave(_at_once(rate, limit))
    _, open_until, next_slot_at = row
    if open_until is not None:
        return _probe(name, moment(open_until), now=now)
    if rate is not None and next_slot_at is not None and moment(next_slot_at) > now + EARLY:
        return None
    return Leave(_at_once(rate, limit))


def give_back_batch(name: PushChannel, leave: Leave) -> None:
    """The probe found nothing to try: whoever comes next may."""
    if leave.probe_of is not None:
        with transaction():
            this_transaction().run(OPEN_UNTIL, channel=str(name), until=leave.probe_of)


def take_slots(name: PushChannel, rate: float | None, count: int, *, now: datetime) -> datetime:
    """The moment at which the first of so many messages may go; each later one waits its share of a second more.

    Needs an open transaction.
    """
    if rate is None or not count:
        return now
    hot, seconds = this_transaction(), count / rate
    sql = TAKE_ON_POSTGRESQL if hot.is_postgresql else TAKE_ON_SQLITE
    taken = hot.row(sql, channel=str(name), now=now, seconds=seconds)
    if taken is None:
        hot.run(MADE, channel=str(name))
        taken = hot.row(sql, channel=str(name), now=now, seconds=seconds)
    assert taken is not None  # the row is there, and stays
    return moment(taken[0]) - timedelta(seconds=seconds)


def is_failure(problem: BaseException | None) -> bool | None:
    """Whether a result means that the provider is in trouble; None where it says nothing about him."""
    if isinstance(problem, RetryError):
        return problem.is_provider
    return False if problem is None or isinstance(problem, PermanentError) else None


def note_health(
    hot: Hot, name: PushChannel, problems: Iterable[BaseException | None], leave: Leave, *, now: datetime
) -> bool:
    """Note how the provider fared, in the order of the results; True when nothing more must be tried now.

    Needs an open transaction.
    """
    said = [failure for problem in problems if (failure := is_failure(problem)) is not None]
    if not said:
        return False
    count = _failures_at_the_end(said)
    if not count:
        hot.run(WELL, channel=str(name))
        return False
    hot.run(MADE, channel=str(name))
    counted = hot.row(COUNT if count == len(said) else START, channel=str(name), count=count)
    failures = counted[0] if counted is not None else count
    if leave.probe_of is None and failures < OPEN_AFTER:
        return False
    _open(hot, name, failures if leave.probe_of is not None else OPEN_AFTER, now=now)
    return True


def resting(*, now: datetime) -> dict[str, datetime]:
    """The channels whose provider is left alone, with when it is tried again."""
    rows = db.session.execute(
        select(ChannelState.channel, ChannelState.open_until).where(ChannelState.open_until > now)
    )
    return {row.channel: row.open_until for row in rows if row.open_until is not None}


def _open(hot: Hot, name: PushChannel, failures: int, *, now: datetime) -> None:
    pause = min(FIRST_PAUSE * 2 ** min(max(failures - OPEN_AFTER, 0), 10), LONGEST_PAUSE)
    hot.run(OPEN, channel=str(name), failures=failures, until=now + pause)


def _failures_at_the_end(said: Sequence[bool]) -> int:
    return next((count for count, failure in enumerate(reversed(said)) if not failure), len(said))


def _at_once(rate: float | None, limit: int) -> int:
    return limit if rate is None else max(1, min(limit, int(rate * AT_ONCE)))


def _probe(name: PushChannel, open_until: datetime, *, now: datetime) -> Leave | None:
    if open_until > now:
        return None
    with transaction():
        has_turn = this_transaction().run(PROBE, channel=str(name), was=open_until, until=now + FIRST_PAUSE)
    return Leave(1, open_until) if has_turn else None
