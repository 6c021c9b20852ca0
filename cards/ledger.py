"""The points ledger: a balance changes only together with a line that says by how much and why.

With the balance goes the progress to the next tier: what purchases that stand have earned, and what was paid for them.
The parts below stand in the statement of checkout/settling.py; on SQLite the same steps follow one another in one
transaction.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update

from cards.models import Card, PointEntry
from core.db import db
from core.hot import Hot, Sql

# The highest tier that a card's progress reaches, counting what is being added to it.
TIER_REACHED = """
    (SELECT t.id FROM tiers t JOIN programs p ON p.id = t.program_id
     WHERE t.program_id = {card}.program_id
       AND CASE WHEN p.tier_by = 'spend' THEN t.threshold_cents <= {card}.spent_cents + :payable_cents
                ELSE t.threshold_points <= {card}.earned_points + :points END
     ORDER BY t.rank DESC LIMIT 1)"""

# --- PostgreSQL: parts of one statement ---------------------------------------------------------------------------

# The card as it was priced. Locked here, so that what depends on it happens for one till after the other.
HOLD = """
held AS (
    SELECT id, chain_id, member_id FROM cards
    WHERE id = :card_id AND chain_id = :chain_id AND state = 'active' AND tier_id = :tier_id
      AND points >= :points_used
    FOR NO KEY UPDATE
)"""
# Reads ``checkout`` (id, card_id, member_id).
EARN = f"""
earned AS (
    UPDATE cards k
    SET points = k.points - :points_used + :points, earned_points = k.earned_points + :points,
        spent_cents = k.spent_cents + :payable_cents,
        tier_id = coalesce({TIER_REACHED.format(card="k")}, k.tier_id)
    FROM checkout b WHERE k.id = b.card_id
    RETURNING k.id, k.chain_id, k.points, b.id AS checkout_id
),
entry AS (
    INSERT INTO point_entries (chain_id, card_id, delta, balance, cause, at)
    SELECT chain_id, id, -:points_used ::bigint, points - :points, 'spend:' || checkout_id, :now ::timestamptz
    FROM earned WHERE :points_used > 0
    UNION ALL
    SELECT chain_id, id, :points ::bigint, points, 'checkout:' || checkout_id, :now FROM earned WHERE :points > 0
),
visited AS (
    UPDATE members SET last_visit_at = :now WHERE id = (SELECT member_id FROM checkout)
)"""
# Of a reservation: the points are taken, nothing is earned yet.
RESERVE = """
earned AS (
    UPDATE cards k SET points = k.points - :points_used
    FROM checkout b WHERE k.id = b.card_id AND :points_used > 0
    RETURNING k.id, k.chain_id, k.points, b.id AS checkout_id
),
entry AS (
    INSERT INTO point_entries (chain_id, card_id, delta, balance, cause, at)
    SELECT chain_id, id, -:points_used ::bigint, points, 'reserve:' || checkout_id, :now FROM earned
)"""

# --- SQLite: the same, step by step -------------------------------------------------------------------------------

IS_HELD = Sql("""
    SELECT id FROM cards
    WHERE id = :card_id AND chain_id = :chain_id AND state = 'active' AND tier_id = :tier_id
      AND points >= :points_used
""")
ADD_POINTS = Sql(f"""
    UPDATE cards
    SET points = points - :points_used + :points, earned_points = earned_points + :points,
        spent_cents = spent_cents + :payable_cents,
        tier_id = coalesce({TIER_REACHED.format(card="cards")}, tier_id)
    WHERE id = :card_id RETURNING points
""")
TAKE_POINTS = Sql("UPDATE cards SET points = points - :points_used WHERE id = :card_id RETURNING points")
ADD_ENTRY = Sql("""
    INSERT INTO point_entries (chain_id, card_id, delta, balance, cause, at)
    VALUES (:chain_id, :card_id, :points, :balance, :cause, :now)
""")
VISITED = Sql("UPDATE members SET last_visit_at = :now WHERE id = :member_id")


class TakenBack(NamedTuple):
    """What an undo took from a card."""

    points: int
    short: int  # earned then, but spent since: the chain bears them


def is_held(hot: Hot, *, card_id: int, chain_id: int, tier_id: int, points_used: int) -> bool:
    """Whether the card still is as it was priced. Only in an open SQLite transaction, where nobody else writes."""
    values = {"card_id": card_id, "chain_id": chain_id, "tier_id": tier_id, "points_used": points_used}
    return hot.row(IS_HELD, **values) is not None


def earn_stepwise(
    hot: Hot,
    *,
    chain_id: int,
    card_id: int,
    member_id: int,
    points: int,
    points_used: int,
    payable_cents: int,
    checkout_id: int,
    now: datetime,
) -> None:
    """Note the visit and book the points of a checkout, in an open SQLite transaction."""
    hot.run(VISITED, member_id=member_id, now=now)
    added = hot.row(ADD_POINTS, card_id=card_id, points=points, points_used=points_used, payable_cents=payable_cents)
    assert added is not None
    balance = added[0]
    card = {"chain_id": chain_id, "card_id": card_id, "now": now}
    if points_used:
        spent = {"points": -points_used, "balance": balance - points, "cause": f"spend:{checkout_id}"}
        hot.run(ADD_ENTRY, **card, **spent)
    if points:
        hot.run(ADD_ENTRY, **card, points=points, balance=balance, cause=f"checkout:{checkout_id}")


def reserve_stepwise(
    hot: Hot, *, chain_id: int, card_id: int, points_used: int, checkout_id: int, now: datetime
) -> None:
    """Take the points of a reservation, in an open SQLite transaction."""
    if points_used == 0:
        return
    taken = hot.row(TAKE_POINTS, card_id=card_id, points_used=points_used)
    assert taken is not None
    line = {"points": -points_used, "balance": taken[0], "cause": f"reserve:{checkout_id}"}
    hot.run(ADD_ENTRY, chain_id=chain_id, card_id=card_id, now=now, **line)


# --- what is not hot ----------------------------------------------------------------------------------------------


def hold(card_id: int) -> None:
    """Lock a card before the rest of an undo: settling takes it first too, and two orders would end in a deadlock.

    Needs an open transaction, and until its end nobody else changes the card.
    """
    db.session.execute(select(Card.id).where(Card.id == card_id).with_for_update(key_share=True))


def add(card_id: int, points: int, *, cause: str, now: datetime) -> None:
    """Add points with a line that says why. Needs an open transaction."""
    if points == 0:
        return
    changed = db.session.execute(
        update(Card)
        .where(Card.id == card_id)
        .values(points=Card.points + points)
        .returning(Card.chain_id, Card.points)
        .execution_options(synchronize_session=False)
    ).one()
    _note(changed.chain_id, card_id, points, changed.points, cause, now)


def take_back(card_id: int, points: int, *, cause: str, now: datetime) -> TakenBack:
    """Take earned points back, as far as they are still there. Needs an open transaction, and the card held.

    A balance never goes below zero: what the member has spent in the meantime stays spent, and is reported as short.
    """
    held = db.session.scalar(select(Card.points).where(Card.id == card_id)) or 0
    taken = min(points, held)
    if taken == 0:
        return TakenBack(0, points)
    add(card_id, -taken, cause=cause, now=now)
    return TakenBack(taken, points - taken)


def add_progress(card_id: int, *, points: int, cents: int) -> None:
    """Count what a purchase brings the card nearer to its next tier, or (below zero) takes away again.

    Needs an open transaction.
    """
    db.session.execute(
        update(Card)
        .where(Card.id == card_id)
        .values(earned_points=Card.earned_points + points, spent_cents=Card.spent_cents + cents)
        .execution_options(synchronize_session=False)
    )


def _note(chain_id: int, card_id: int, delta: int, balance: int, cause: str, now: datetime) -> None:
    line = PointEntry(chain_id=chain_id, card_id=card_id, delta=delta, balance=balance, cause=cause, at=now)
    db.session.add(line)
    db.session.flush()
