"""Campaigns one after the other, each by itself: one that fails holds up no other, of no other chain."""

import logging
from collections.abc import Callable, Iterable

from core.db import db

logger = logging.getLogger(__name__)


def each_apart(do: Callable[[int], int], campaign_ids: Iterable[int]) -> int:
    """Do it for every campaign; the sum of what came of it. ``do`` opens a transaction of its own.

    What fails is logged and comes again with the next look; a campaign that never starts is missed in the end.
    """
    return sum(_one(do, campaign_id) for campaign_id in campaign_ids)


def _one(do: Callable[[int], int], campaign_id: int) -> int:
    try:
        return do(campaign_id)
    except Exception:
        logger.exception("campaign %s failed; the others go on", campaign_id)
        db.session.rollback()  # also what was only read
        return 0
