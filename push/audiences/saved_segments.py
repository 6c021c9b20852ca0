"""Segments that head office keeps: rules under a name, which campaigns and other segments are made of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select, update
from sqlalchemy.exc import IntegrityError

from core import audit
from core.audit import Author
from core.db import db
from core.text import Text
from push import errors
from push.approving import OPEN, take_approvals
from push.audiences.conditions.kinds import quoted
from push.audiences.models import ReadyMade, Segment
from push.audiences.segments import SAVED, Node, check_audience, saved_in
from push.models import Campaign

LONGEST_NAME = 60
READY_NAMES = {
    ReadyMade.CHAMPIONS: Text("头号常客", "Champions"),
    ReadyMade.LOYAL: Text("忠实会员", "Loyal"),
    ReadyMade.PROMISING: Text("有潜力", "Promising"),
    ReadyMade.NEW: Text("新会员", "New"),
    ReadyMade.AT_RISK: Text("快要流失", "At risk"),
    ReadyMade.LOST: Text("已流失", "Lost"),
}


def called(segment: Segment) -> Text:
    """Its name; that of a ready-made one in both languages, unless somebody gave it another."""
    ready = READY_NAMES.get(ReadyMade(segment.ready_made)) if segment.ready_made else None
    return ready if ready is not None and segment.name in ready else Text(segment.name, segment.name)


def only_segment(segment_id: int | None) -> Node:
    """The rules of everybody in a segment, whatever its rules are then; of None the domain says what is missing."""
    return {"all": [dict(zip(("field", "op", "value"), (*SAVED, segment_id), strict=True))]}


def create_segment(
    chain_id: int, name: str, rules: Any, *, by: Author, now: datetime, ready_made: ReadyMade | None = None
) -> Segment:
    """Keep rules under a name. Needs an open transaction; raises AudienceInvalid, SegmentNameInvalid/-Taken."""
    segment = Segment(
        chain_id=chain_id,
        name=_checked_name(name),
        rules=check_audience(chain_id, rules),
        ready_made=ready_made,
        created_by=by.name,
        created_at=now,
    )
    with _one_name():
        db.session.add(segment)
        db.session.flush()
    _note("segment created", segment, by, now, after=_kept(segment))
    return segment


def change_segment(chain_id: int, segment_id: int, name: str, rules: Any, *, by: Author, now: datetime) -> Segment:
    """Another name or other rules, for every campaign that is made of it. Needs an open transaction.

    With other rules a ready-made segment is the chain's own from now on, and what a second person approved for it has
    to be approved anew: raises SegmentApproved when that is about to go out.
    """
    name = _checked_name(name)
    _hold_all(chain_id)  # two changes at once could put each of two segments into the other
    before = _kept(_standing(chain_id, segment_id))
    checked = check_audience(chain_id, rules, within=frozenset({segment_id}))
    own: dict[str, Any] = {} if checked == before["audience"] else {"ready_made": None}
    if own:
        _take_approvals(chain_id, segment_id, by, now)
    with _one_name():
        segment = _write(chain_id, segment_id, name=name, rules=checked, **own)
    _note("segment changed", segment, by, now, before=before, after=_kept(segment))
    return segment


def rework_segment(segment: Segment, rules: Node, *, by: Author, now: datetime) -> Segment:
    """New figures for a ready-made segment. Needs an open transaction; where nothing is new, nothing is noted.

    Raises SegmentApproved, as when one is changed.
    """
    before, checked = _kept(segment), check_audience(segment.chain_id, rules, within=frozenset({segment.id}))
    if checked == segment.rules:
        return segment
    _take_approvals(segment.chain_id, segment.id, by, now)
    segment = _write(segment.chain_id, segment.id, rules=checked)
    _note("segment changed", segment, by, now, before=before, after=_kept(segment))
    return segment


def archive_segment(chain_id: int, segment_id: int, *, by: Author, now: datetime) -> Segment:
    """Put it away. Needs an open transaction; raises SegmentInUse. Done twice, it stays as it is."""
    _hold_all(chain_id)
    segment = get_segment(chain_id, segment_id)
    if segment.archived_at is not None:
        return segment
    users = [use.name for use in uses_of(chain_id, segment_id)]
    if users:
        raise errors.SegmentInUse(names=quoted(users))
    segment = _write(chain_id, segment_id, archived_at=now)
    _note("segment archived", segment, by, now, after={"name": segment.name})
    return segment


def restore_segment(chain_id: int, segment_id: int, *, by: Author, now: datetime) -> Segment:
    """Take it out again. Needs an open transaction; raises SegmentNameTaken, AudienceInvalid where a part is gone."""
    segment = get_segment(chain_id, segment_id)
    if segment.archived_at is None:
        return segment
    _hold_all(chain_id)
    check_audience(chain_id, segment.rules, within=frozenset({segment_id}))
    with _one_name():
        segment = _write(chain_id, segment_id, archived_at=None)
    _note("segment restored", segment, by, now, after={"name": segment.name})
    return segment


def get_segment(chain_id: int, segment_id: int) -> Segment:
    """The segment as it is now, archived or not; or SegmentNotFound."""
    segment = db.session.scalar(
        select(Segment).filter_by(id=segment_id, chain_id=chain_id).execution_options(populate_existing=True)
    )
    if segment is None:
        raise errors.SegmentNotFound()
    return segment


def list_segments(chain_id: int, *, after: int | None = None, limit: int = 50) -> Sequence[Segment]:
    """Those that stand, the newest first; ``after`` is the id of the last one seen."""
    query = select(Segment).where(Segment.chain_id == chain_id, Segment.archived_at.is_(None))
    if after is not None:
        query = query.where(Segment.id < after)
    return db.session.scalars(query.order_by(Segment.id.desc()).limit(limit)).all()


def ready_made_of(chain_id: int) -> dict[str, Segment]:
    """The ready-made ones that stand, by their kind."""
    query = select(Segment).where(
        Segment.chain_id == chain_id, Segment.ready_made.is_not(None), Segment.archived_at.is_(None)
    )
    return {str(segment.ready_made): segment for segment in db.session.scalars(query)}


def uses_of(chain_id: int, segment_id: int) -> list[Row[Any]]:
    """The campaigns that may still go out and the segments that name it: rows of rules, id and name."""
    campaigns = db.session.execute(_open_campaigns(chain_id))
    return [*(row for row in campaigns if segment_id in saved_in(row.rules)), *segments_of(chain_id, segment_id)]


def segments_of(chain_id: int, segment_id: int) -> list[Row[Any]]:
    """The segments that name it: rows of rules, id and name."""
    return [row for row in _others(chain_id) if segment_id in saved_in(row.rules)]


def campaigns_of(chain_id: int, segment_id: int) -> list[Row[Any]]:
    """The campaigns that may still go out to it, also by way of another segment: rows of rules, id and name."""
    others, reached = _others(chain_id), {segment_id}
    while more := {row.id for row in others if row.id not in reached and saved_in(row.rules) & reached}:
        reached |= more
    return [row for row in db.session.execute(_open_campaigns(chain_id)) if saved_in(row.rules) & reached]


def _take_approvals(chain_id: int, segment_id: int, by: Author, now: datetime) -> None:
    """Whoever approved a campaign made of the segment approved other people."""
    ids = [row.id for row in campaigns_of(chain_id, segment_id)]
    take_approvals(chain_id, ids, errors.SegmentApproved, is_frozen=True, by=by, now=now)


def _open_campaigns(chain_id: int) -> Select[Any]:
    return (
        select(Campaign.audience.label("rules"), Campaign.id, Campaign.name)
        .where(Campaign.chain_id == chain_id, Campaign.state.in_(OPEN))
        .order_by(Campaign.id.desc())
    )


def _others(chain_id: int) -> Sequence[Row[Any]]:
    query = select(Segment.rules, Segment.id, Segment.name).where(
        Segment.chain_id == chain_id, Segment.archived_at.is_(None)
    )
    return list(db.session.execute(query.order_by(Segment.id.desc())))


def _standing(chain_id: int, segment_id: int) -> Segment:
    segment = get_segment(chain_id, segment_id)
    if segment.archived_at is not None:
        raise errors.SegmentNotFound()
    return segment


def _hold_all(chain_id: int) -> None:
    """Nobody else changes the chain's segments until we are done."""
    db.session.execute(select(Segment.id).where(Segment.chain_id == chain_id).order_by(Segment.id).with_for_update())


def _write(chain_id: int, segment_id: int, **values: Any) -> Segment:
    return db.session.scalars(
        update(Segment)
        .where(Segment.id == segment_id, Segment.chain_id == chain_id)
        .values(**values)
        .returning(Segment)
        .execution_options(populate_existing=True)
    ).one()


@contextmanager
def _one_name() -> Iterator[None]:
    """The database knows whether the name is free."""
    try:
        with db.session.begin_nested():
            yield
    except IntegrityError as error:
        raise errors.SegmentNameTaken() from error


def _checked_name(name: str) -> str:
    name = " ".join(name.replace("\0", "").split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise errors.SegmentNameInvalid()
    return name


def _kept(segment: Segment) -> dict[str, Any]:
    return {"name": segment.name, "audience": segment.rules}


def _note(action: str, segment: Segment, by: Author, now: datetime, **change: Node) -> None:
    audit.note(action, chain_id=segment.chain_id, object_kind="segment", object_id=segment.id, by=by, at=now, **change)
