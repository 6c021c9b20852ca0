"""Forgetting what browsers and addresses looked like, once the fraud rules have no more use for it."""

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from core.db import db, transaction
from sharing.models import Referral, ShareLink

KEPT = timedelta(days=90)
IN_ONE_GO = 2000  # rows in one short transaction


def forget_traces_batch(chain_id: int, *, now: datetime) -> int:
    """Forget some traces that are 90 days old, in a transaction of its own; return how many, 0 when none are left."""
    with transaction():
        return _forget(Referral, chain_id, now - KEPT) + _forget(ShareLink, chain_id, now - KEPT)


def _forget(model: type[Referral] | type[ShareLink], chain_id: int, until: datetime) -> int:
    traced = or_(model.device.is_not(None), model.network.is_not(None))
    old = (
        select(model.id)
        .where(model.chain_id == chain_id, model.created_at <= until, traced)
        .limit(IN_ONE_GO)
        .scalar_subquery()
    )
    gone = db.session.execute(
        update(model)
        .where(model.id.in_(old), traced)
        .values(device=None, network=None)
        .returning(model.id)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())
