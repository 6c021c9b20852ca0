"""Whether something waits to be sent, and how much: what workers elsewhere are woken for."""

from datetime import datetime

from core.db import db
from push.delivering.leasing import count_due, due_runs
from push.models import PushChannel

SHARE = 1000  # deliveries that are worth another worker
MOST_SHARES = 8


def is_anything_due(name: PushChannel, *, now: datetime) -> bool:
    """Whether a batch is worth taking: to look keeps nobody from writing, to take one does on SQLite."""
    try:
        return bool(due_runs(name, now=now, limit=1))
    finally:
        db.session.rollback()  # the reading is over


def count_shares(*, now: datetime) -> dict[str, int]:
    """How many workers each channel keeps busy now; channels with nothing to do are not in it."""
    due = {str(channel): count_due(channel, now=now, limit=SHARE * MOST_SHARES) for channel in PushChannel}
    return {channel: -(-count // SHARE) for channel, count in due.items() if count}
