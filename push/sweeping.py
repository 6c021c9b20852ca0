"""Closing what no worker will take again."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update

from core.db import db, transaction
from core.hot import this_transaction
from push.delivering.deciding import MAX_ATTEMPTS, UNFINISHED, UNREPEATABLE
from push.delivering.falling_back import fall_back
from push.models import Delivery, DeliveryState, Run, RunState, SkipReason
from push.partners.telling import tell


def sweep_batch(*, now: datetime) -> int:
    """Close what died while it was sent and has no next time, what a cancelled run left, and what is too late."""
    dead = Delivery.leased_until <= now
    cancelled = select(Run.id).where(Run.state == RunState.CANCELLED, Run.started_at > now - timedelta(days=14))
    ended = select(Run.id).where(Run.state.in_((RunState.RUNNING, RunState.PAUSED)), Run.send_until <= now)
    closings = (
        (
            and_(
                Delivery.state == DeliveryState.SENDING,
                dead,
                or_(
                    Delivery.attempts >= MAX_ATTEMPTS,
                    Delivery.channel.in_(UNREPEATABLE),
                    Delivery.run_id.in_(cancelled),
                    Delivery.run_id.in_(ended),
                ),
            ),
            {"state": DeliveryState.FAILED, "error": "no result", "leased_until": None},
        ),
        (
            and_(Delivery.state == DeliveryState.PENDING, Delivery.run_id.in_(cancelled)),
            {"state": DeliveryState.SKIPPED, "reason": SkipReason.STALE},
        ),
        (
            and_(Delivery.state == DeliveryState.PENDING, Delivery.run_id.in_(ended)),
            {"state": DeliveryState.SKIPPED, "reason": SkipReason.STALE},
        ),
    )
    return sum(_close(condition, values, now=now) for condition, values in closings)


def _close(condition: Any, values: dict[str, Any], *, now: datetime) -> int:
    with transaction():
        closed = db.session.scalars(
            update(Delivery)
            .where(UNFINISHED, condition)
            .values(**values)
            .returning(Delivery.id)
            .execution_options(synchronize_session=False)
        )
        ids = closed.all()
        if values["state"] == DeliveryState.FAILED:
            fall_back(ids, now=now)
        tell(this_transaction(), ids, now=now)
        return len(ids)
