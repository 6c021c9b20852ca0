"""Tiers: the highest whose threshold the card's points reach."""

from sqlalchemy import select, update

from cards.models import Card, CardState, Tier
from core.db import db


def recompute_tiers(chain_id: int) -> int:
    """Give every card of a chain the tier its points stand for; return how many changed. Needs an open transaction."""
    fitting = (
        select(Tier.id)
        .where(Tier.program_id == Card.program_id, Tier.threshold_points <= Card.points)
        .order_by(Tier.rank.desc())
        .limit(1)
        .scalar_subquery()
    )
    changed = db.session.scalars(
        update(Card)
        .where(Card.chain_id == chain_id, Card.state.in_((CardState.ACTIVE, CardState.FROZEN)), Card.tier_id != fitting)
        .values(tier_id=fitting)
        .returning(Card.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(changed)
