"""Taking rows that are due, run by run: what a paused run keeps is walked along by nobody."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import ColumnElement, Executable, Select, and_, bindparam, func, literal_column, or_, select, update

from core.db import UtcDateTime, db
from push.models import Delivery, DeliveryState, PushChannel, Run, RunState

# Whose provider would not drop a second one: what a dead worker had in its hands is not sent again.
UNREPEATABLE = (PushChannel.WECHAT_SUBSCRIPTION,)
MAX_ATTEMPTS = 100  # what is tried ends by time; only rows whose workers die each time come so far
MOST_RUNS = 100  # that one batch is put together from
# As ix_deliveries_due spells it.
UNFINISHED: ColumnElement[bool] = literal_column("deliveries.state IN ('pending', 'sending')")
NOW = bindparam("now", type_=UtcDateTime())


def lease_batch(name: PushChannel, *, now: datetime, lease: timedelta, limit: int) -> list[int]:
    """Take at most so many deliveries that are due, of the run that has waited longest first; their ids.

    Two workers never get the same row. The attempt is counted here. Needs an open transaction.
    """
    ids: list[int] = []
    for run_id in due_runs(name, now=now):
        ids += _lease_of_run(name, run_id, now=now, lease=lease, limit=limit - len(ids))
        if len(ids) >= limit:
            break
    return ids


def due_runs(name: PushChannel, *, now: datetime, limit: int = MOST_RUNS) -> Sequence[int]:
    """The runs that go and have something that is due over a channel, the one that has waited longest first."""
    return db.session.scalars(_due_runs(name), {"now": now, "limit": limit}).all()


def count_due(name: PushChannel, *, now: datetime, limit: int) -> int:
    """How many deliveries are due over a channel, as far as to a limit."""
    return db.session.scalar(_count_due(name), {"now": now, "limit": limit}) or 0


@cache  # each worker asks every second
def _due_runs(name: PushChannel) -> Select[int]:
    of_run = select(Delivery.due_at).where(Delivery.run_id == Run.id, *_is_due(name))
    first = of_run.order_by(Delivery.due_at, Delivery.id).limit(1).scalar_subquery()
    going = select(Run.id, first.label("first")).where(Run.state == RunState.RUNNING).subquery()
    return (
        select(going.c.id)
        .where(going.c.first.is_not(None))
        .order_by(going.c.first, going.c.id)
        .limit(bindparam("limit"))
    )


@cache
def _count_due(name: PushChannel) -> Select[int]:
    due = (
        select(Delivery.id)
        .join(Run, Run.id == Delivery.run_id)
        .where(Run.state == RunState.RUNNING, *_is_due(name))
        .limit(bindparam("limit"))
    )
    return select(func.count()).select_from(due.subquery())


def _is_due(name: PushChannel) -> Iterator[ColumnElement[bool]]:
    """Deliveries of a channel that a worker may take ``now``, if their run goes."""
    yield UNFINISHED
    yield Delivery.channel == name
    yield Delivery.due_at <= NOW
    yield Delivery.attempts < MAX_ATTEMPTS
    yield _is_free(name)


def _is_free(name: PushChannel) -> ColumnElement[bool]:
    is_pending = Delivery.state == DeliveryState.PENDING
    if name in UNREPEATABLE:
        return is_pending
    return or_(is_pending, and_(Delivery.state == DeliveryState.SENDING, Delivery.leased_until <= NOW))


def _lease_of_run(name: PushChannel, run_id: int, *, now: datetime, lease: timedelta, limit: int) -> Sequence[int]:
    given = {"now": now, "until": now + lease, "of_run": run_id, "limit": limit}
    return db.session.execute(_leasing(name), given).scalars().all()


@cache
def _leasing(name: PushChannel) -> Executable:
    """The state in the WHERE decides."""
    due = (
        select(Delivery.id)
        .join(Run, Run.id == Delivery.run_id)
        .where(Run.id == bindparam("of_run"), Run.state == RunState.RUNNING, *_is_due(name))
        .order_by(Delivery.due_at, Delivery.id)
        .limit(bindparam("limit"))
        .with_for_update(of=Delivery, skip_locked=True)  # spares waiting; SQLite has one writer
        .cte("due")  # run once, or the LIMIT would not hold
    )
    return (
        update(Delivery)
        .where(Delivery.id.in_(select(due.c.id)), _is_free(name))
        .values(
            state=DeliveryState.SENDING,
            leased_until=bindparam("until", type_=UtcDateTime()),
            attempts=Delivery.attempts + 1,
            first_tried_at=func.coalesce(Delivery.first_tried_at, NOW),
        )
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    )
