"""Closing what no worker will take again."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update

from core.db import among, db, transaction
from core.hot import this_transaction
from push.delivering.falling_back import fall_back
from push.delivering.leasing import MAX_ATTEMPTS, UNREPEATABLE
from push.models import Delivery, DeliveryState, Run, RunState, SkipReason
from push.partners.telling import tell

OPEN = (RunState.RUNNING, RunState.PAUSED)


def sweep_batch(*, now: datetime) -> int:
    """Close what died while it was sent and has no next time, what a cancelled run left, and what is too late."""
    cancelled = and_(Run.state == RunState.CANCELLED, Run.started_at > now - timedelta(days=14))
    ended = and_(Run.state.in_(OPEN), Run.send_until <= now)
    over = db.session.scalars(select(Run.id).where(or_(cancelled, ended))).all()
    going = db.session.scalars(select(Run.id).where(Run.state.in_(OPEN))).all()
    closings = (
        (
            and_(
                Delivery.state == DeliveryState.SENDING,
                Delivery.leased_until <= now,
                among(Delivery.run_id, {*going, *over}),
                or_(
                    Delivery.attempts >= MAX_ATTEMPTS,
                    Delivery.channel.in_(UNREPEATABLE),
                    among(Delivery.run_id, over),
                ),
            ),
            {"state": DeliveryState.FAILED, "error": "no result", "leased_until": None},
        ),
        (
            and_(Delivery.state == DeliveryState.PENDING, among(Delivery.run_id, over)),
            {"state": DeliveryState.SKIPPED, "reason": SkipReason.STALE},
        ),
    )
    return sum(_close(condition, values, now=now) for condition, values in closings)


def _close(condition: Any, values: dict[str, Any], *, now: datetime) -> int:
    """Looked for first: mostly there is nothing, and to write would hold up everybody else who writes to SQLite."""
    if db.session.scalar(select(Delivery.id).where(condition).limit(1)) is None:
        return 0
    with transaction():
        closed = db.session.scalars(
            update(Delivery)
            .where(condition)
            .values(**values)
            .returning(Delivery.id)
            .execution_options(synchronize_session=False)
        )
        ids = closed.all()
        if values["state"] == DeliveryState.FAILED:
            fall_back(ids, now=now)
        tell(this_transaction(), ids, now=now)
        return len(ids)
