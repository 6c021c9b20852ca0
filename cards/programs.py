"""Programs: the kinds of card a chain issues, and their tiers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError

from cards.models import CodeMode, Program, Tier, TierBy
from core import audit
from core.audit import Author
from core.db import db
from core.errors import Conflict, Invalid, NotFound
from core.money import WHOLE
from core.text import Text
from stores.chains import COLOUR, ColourInvalid, check_names

PATTERNS = ("peaks", "waves", "rings", "sprinkles", "weave", "plain")
LONGEST_NAMES = 40, 60  # characters of a program's names in Chinese and in English
LONGEST_TIER_NAMES = 20, 30
MOST_TIERS = 8
MOST_POINTS_PER_UNIT = 1000
MOST_SPENT = 1_000_000_000  # points, or minor units, in one step of spending


class TiersOutOfOrder(Invalid):
    """Thresholds rise from tier to tier, and the first has none."""

    code = "tiers_out_of_order"
    sentence = Text(
        "等级的门槛要一级比一级高，第一级从 0 开始。",
        "Each tier needs more than the one before; the first begins at 0.",
    )


class TierInvalid(Invalid):
    """One to eight tiers, each with two names, a discount up to 100 % and a multiplier."""

    code = "tier_invalid"
    sentence = Text(
        "要有 1 到 8 个等级；每个都要有中英文名称，优惠在 0 到 100% 之间，积分倍数不能为负。",
        "There are 1 to 8 tiers, each with both names, a discount from 0 to 100 % and a multiplier of at least 0.",
    )


class PointRulesInvalid(Invalid):
    """So many points take so much off: both, or neither."""

    code = "point_rules_invalid"
    sentence = Text(
        "请写清多少积分抵多少钱，两个数都大于零；都不写，积分就不能抵钱。",
        "Say how many points take how much off, both above zero; leave both empty and points cannot be spent.",
    )


class TierInUse(Conflict):
    """Cards stand on this tier, or something is for its cards only."""

    code = "tier_in_use"
    sentence = Text(
        "还有会员在这个等级上，或有券活动限这个等级，不能删掉。",
        "There are members on this tier, or offers for it only; it cannot be taken away.",
    )


@dataclass(frozen=True)
class ProgramSettings:
    """What head office may change of a program."""

    name: str
    name_en: str
    benefits: str
    benefits_en: str
    terms: str
    terms_en: str
    face_color: str
    face_pattern: str
    code_mode: str
    points_per_unit: int


@dataclass(frozen=True)
class NewTier:
    """A level: from how many points, what it takes off, how points grow. Basis points."""

    name: str
    name_en: str
    discount_bp: int = 0
    threshold_points: int = 0
    points_multiplier_bp: int = 10_000
    threshold_cents: int = 0


@dataclass(frozen=True)
class PointRules:
    """What carries a card to the next tier, and what its points are worth at the till."""

    tier_by: str = TierBy.POINTS
    spend_points: int | None = None  # so many points …
    spend_cents: int | None = None  # … take so much off; None: they cannot be spent


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


def settings_of(program: Program) -> ProgramSettings:
    return ProgramSettings(**{name: getattr(program, name) for name in ProgramSettings.__dataclass_fields__})


def edit_program(chain_id: int, program_id: int, settings: ProgramSettings, *, by: Author, now: datetime) -> None:
    """Change a program's face and words. Needs an open transaction; raises NotFound and Invalid."""
    program = _program(chain_id, program_id)
    _check(settings)
    before = asdict(settings_of(program))
    changed = {name: value for name, value in asdict(settings).items() if value != before[name]}
    if not changed:
        return
    for name, value in changed.items():
        setattr(program, name, value)
    old = {name: before[name] for name in changed}
    _note("program changed", program, by=by, now=now, before=old, after=changed)


def set_tiers(chain_id: int, program_id: int, tiers: Sequence[NewTier], *, by: Author, now: datetime) -> None:
    """Say anew what the tiers are, lowest first; those left over at the top go when nothing needs them any more.

    Needs an open transaction; raises NotFound, TierInvalid, NamesTooLong, TiersOutOfOrder, TierInUse.
    """
    program = _program(chain_id, program_id)
    _check_tiers(tiers, program.tier_by)
    present = tiers_of(program_id)
    before = [_shown(tier) for tier in present]
    after = [asdict(tier) for tier in tiers]
    if before == after:
        return
    _drop(present[len(tiers) :])
    for rank, values in enumerate(after):
        tier = present[rank] if rank < len(present) else Tier(chain_id=chain_id, program_id=program_id, rank=rank)
        for name, value in values.items():
            setattr(tier, name, value)
        db.session.add(tier)
    db.session.flush()
    _note("tiers changed", program, by=by, now=now, before={"tiers": before}, after={"tiers": after})


def point_rules_of(program: Program) -> PointRules:
    return PointRules(program.tier_by, program.spend_points, program.spend_cents)


def set_point_rules(chain_id: int, program_id: int, rules: PointRules, *, by: Author, now: datetime) -> None:
    """Say anew what points do. Tiers follow at the next nightly reckoning, spending at once.

    Needs an open transaction; raises NotFound, PointRulesInvalid.
    """
    program = _program(chain_id, program_id)
    _check_point_rules(rules)
    before, after = asdict(point_rules_of(program)), asdict(rules)
    changed = [name for name in after if after[name] != before[name]]
    if not changed:
        return
    for name in changed:
        setattr(program, name, after[name])
    db.session.flush()
    old, new = ({name: values[name] for name in changed} for values in (before, after))
    _note("program changed", program, by=by, now=now, before=old, after=new)


def _check_point_rules(rules: PointRules) -> None:
    if rules.tier_by not in list(TierBy):
        raise Invalid()
    worth = (rules.spend_points, rules.spend_cents)
    if worth != (None, None) and not all(value is not None and 0 < value <= MOST_SPENT for value in worth):
        raise PointRulesInvalid()


def _shown(tier: Tier) -> dict[str, Any]:
    return {name: getattr(tier, name) for name in NewTier.__dataclass_fields__}


def _check(settings: ProgramSettings) -> None:
    check_names(settings, *LONGEST_NAMES)
    if not COLOUR.fullmatch(settings.face_color):
        raise ColourInvalid()
    if settings.face_pattern not in PATTERNS or settings.code_mode not in list(CodeMode):
        raise Invalid()
    if not 0 <= settings.points_per_unit <= MOST_POINTS_PER_UNIT:
        raise Invalid()


def _check_tiers(tiers: Sequence[NewTier], tier_by: str) -> None:
    if not 1 <= len(tiers) <= MOST_TIERS:
        raise TierInvalid()
    for tier in tiers:
        named = tier.name.strip() and tier.name_en.strip()
        if not named or not 0 <= tier.discount_bp <= WHOLE or tier.points_multiplier_bp < 0:
            raise TierInvalid()
        check_names(tier, *LONGEST_TIER_NAMES)
    if any(tier.threshold_points < 0 or tier.threshold_cents < 0 for tier in tiers):
        raise TierInvalid()
    by_spend = tier_by == TierBy.SPEND
    thresholds = [tier.threshold_cents if by_spend else tier.threshold_points for tier in tiers]
    if thresholds[0] != 0 or any(low >= high for low, high in pairwise(thresholds)):
        raise TiersOutOfOrder()


def _drop(tiers: Sequence[Tier]) -> None:
    """What refers to a tier, here or in a higher package, the database knows."""
    try:
        with db.session.begin_nested():
            db.session.execute(delete(Tier).where(Tier.id.in_([tier.id for tier in tiers])))
    except IntegrityError as error:
        raise TierInUse() from error


def _program(chain_id: int, program_id: int) -> Program:
    program = db.session.scalar(select(Program).filter_by(id=program_id, chain_id=chain_id))
    if program is None:
        raise NotFound()
    return program


def _note(
    action: str, program: Program, *, by: Author, now: datetime, before: dict[str, Any], after: dict[str, Any]
) -> None:
    audit.note(
        action,
        chain_id=program.chain_id,
        object_kind="program",
        object_id=program.id,
        by=by,
        at=now,
        before=before,
        after=after,
    )


def list_programs(chain_id: int) -> Sequence[Program]:
    """The chain's kinds of card, the default first."""
    return db.session.scalars(
        select(Program).filter_by(chain_id=chain_id).order_by(Program.is_default.desc(), Program.id)
    ).all()
