"""Tiers: the highest whose threshold the card's progress reaches, by points earned or by what was paid."""

from sqlalchemy import ScalarSelect, case, select, update

from cards.models import Card, CardState, Program, Tier, TierBy
from core.db import db

MOVING_STATES = (CardState.ACTIVE, CardState.FROZEN)


def recompute_tiers(chain_id: int) -> int:
    """Give every card of a chain the tier its progress stands for; return how many changed.

    Needs an open transaction.
    """
    fitting = _tier_reached()
    changed = db.session.scalars(
        update(Card)
        .where(Card.chain_id == chain_id, Card.state.in_(MOVING_STATES), Card.tier_id != fitting)
        .values(tier_id=fitting)
        .returning(Card.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(changed)


def recompute_tier(card_id: int) -> bool:
    """The same for one card; whether its tier changed. Needs an open transaction."""
    fitting = _tier_reached()
    changed = db.session.scalar(
        update(Card)
        .where(Card.id == card_id, Card.state.in_(MOVING_STATES), Card.tier_id != fitting)
        .values(tier_id=fitting)
        .returning(Card.id)
        .execution_options(synchronize_session=False)
    )
    return changed is not None


def _tier_reached() -> ScalarSelect[int]:
    reached = case(
        (Program.tier_by == TierBy.SPEND, Tier.threshold_cents <= Card.spent_cents),
        else_=Tier.threshold_points <= Card.earned_points,
    )
    return (
        select(Tier.id)
        .join(Program, Program.id == Tier.program_id)
        .where(Tier.program_id == Card.program_id, reached)
        .order_by(Tier.rank.desc())
        .limit(1)
        .scalar_subquery()
    )
