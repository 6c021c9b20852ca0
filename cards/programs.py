"""Programs: the kinds of card a chain issues, and their tiers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from cards.models import Program, Tier
from core import audit
from core.audit import Author
from core.db import db


@dataclass(frozen=True)
class NewTier:
    """A level: from how many points, what it takes off, how points grow. Basis points."""

    name: str
    name_en: str
    discount_bp: int = 0
    threshold_points: int = 0
    points_multiplier_bp: int = 10_000


FIRST_TIERS = (
    NewTier("会员", "Member"),
    NewTier("银卡", "Silver", discount_bp=300, threshold_points=500),
    NewTier("金卡", "Gold", discount_bp=500, threshold_points=2000, points_multiplier_bp=15_000),
)


def create_program(
    chain_id: int,
    *,
    name: str,
    name_en: str,
    by: Author,
    now: datetime,
    tiers: Sequence[NewTier] = FIRST_TIERS,
    is_default: bool = True,
    **face: Any,
) -> Program:
    """Add a kind of card with its tiers, lowest first. ``face`` holds further columns of Program.

    Needs an open transaction. A chain has one default program: the database refuses a second.
    """
    program = Program(chain_id=chain_id, name=name, name_en=name_en, is_default=is_default, created_at=now, **face)
    db.session.add(program)
    db.session.flush()
    db.session.add_all(
        Tier(chain_id=chain_id, program_id=program.id, rank=rank, **asdict(tier)) for rank, tier in enumerate(tiers)
    )
    db.session.flush()
    after = {"name": name, "tiers": [tier.name for tier in tiers]}
    audit.note(
        "program created", chain_id=chain_id, object_kind="program", object_id=program.id, by=by, at=now, after=after
    )
    return program


def default_program(chain_id: int) -> Program:
    return db.session.scalars(select(Program).filter_by(chain_id=chain_id, is_default=True)).one()


def tiers_of(program_id: int) -> Sequence[Tier]:
    """Lowest first."""
    return db.session.scalars(select(Tier).filter_by(program_id=program_id).order_by(Tier.rank)).all()
