"""Whether something waits to be sent, and how much: what workers elsewhere are woken for."""

from datetime import datetime
from functools import cache

from sqlalchemy import Select, bindparam, func, literal, select

from core.db import UtcDateTime, db
from push.delivering.deciding import is_due
from push.models import Delivery, PushChannel, Run, RunState

SHARE = 1000  # deliveries that are worth another worker
MOST_SHARES = 8
A_RUN_THAT_GOES = select(Run.id).where(Run.state == RunState.RUNNING).limit(1)


def is_anything_due(name: PushChannel, *, now: datetime) -> bool:
    """Whether a batch is worth taking: to look keeps nobody from writing, to take one does on SQLite.

    A run that is paused may have more rows than anybody wants to walk along each second: so runs are asked first.
    """
    try:
        if db.session.scalar(A_RUN_THAT_GOES) is None:
            return False
        return db.session.scalar(_due(name, 1), {"now": now}) is not None
    finally:
        db.session.rollback()  # the reading is over


def count_shares(*, now: datetime) -> dict[str, int]:
    """How many workers each channel keeps busy now; channels with nothing to do are not in it."""
    shares = {str(channel): _shares(channel, now=now) for channel in PushChannel}
    return {channel: count for channel, count in shares.items() if count}


def _shares(channel: PushChannel, *, now: datetime) -> int:
    some = _due(channel, SHARE * MOST_SHARES).subquery()
    due = db.session.scalar(select(func.count()).select_from(some), {"now": now}) or 0
    return -(-due // SHARE)


@cache  # each worker asks every second
def _due(channel: PushChannel, limit: int) -> Select[int]:
    """At most so many; at the moment ``now``."""
    one = select(literal(1).label("one")).select_from(Delivery)
    is_due_now = is_due(channel, now=bindparam("now", type_=UtcDateTime()))
    return one.join(Run, Run.id == Delivery.run_id).where(is_due_now).limit(limit)
