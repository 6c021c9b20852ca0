"""How much waits to be sent: what workers elsewhere are woken for."""

from datetime import datetime

from sqlalchemy import func, literal, select

from core.db import db
from push.delivering.deciding import is_due
from push.models import Delivery, PushChannel, Run

SHARE = 1000  # deliveries that are worth another worker
MOST_SHARES = 8


def count_shares(*, now: datetime) -> dict[str, int]:
    """How many workers each channel keeps busy now; channels with nothing to do are not in it."""
    shares = {str(channel): _shares(channel, now=now) for channel in PushChannel}
    return {channel: count for channel, count in shares.items() if count}


def _shares(channel: PushChannel, *, now: datetime) -> int:
    some = (
        select(literal(1).label("one"))
        .select_from(Delivery)
        .join(Run, Run.id == Delivery.run_id)
        .where(is_due(channel, now=now))
        .limit(SHARE * MOST_SHARES)
        .subquery()
    )
    due = db.session.scalar(select(func.count()).select_from(some)) or 0
    return -(-due // SHARE)
