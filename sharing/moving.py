"""Correcting who brought a member: his whole sub-tree moves with him, as one range of paths.

Edges are written once by whoever joins; this is the one other hand at them, and it leaves an audit row. Whoever joins
meanwhile writes a new row, which no lock on rows keeps away; and on PostgreSQL a statement that waits for a row still
looks at the tree as it was before, while one that waits for a table looks at it afterwards. So the sub-tree is
rewritten while friends go on joining, and only then is the table locked, for those who did: they are few.
"""

from datetime import datetime
from typing import Any, NamedTuple

import psycopg.errors
from sqlalchemy import ColumnElement, delete, func, literal, select, text, update
from sqlalchemy.exc import OperationalError

from cards.models import Card, CardState, Member, Wallet
from core import audit, events
from core.audit import Author
from core.db import db
from core.tokens import new_code
from coupons.errors import ReasonNeeded
from sharing import errors
from sharing.attribution import DEEPEST, path_step
from sharing.models import Occasion, Referral, ShareChannel, ShareLink, ShareVisitor
from sharing.queries import AFTER_HEX
from sharing.reward_models import FraudFinding, Reward, RewardSide, RewardState

LONGEST_REASON = 200
PATIENCE = "3s"  # for those who are before us: whoever comes after them waits behind us
OTHER_MOVERS, WHOEVER_JOINS = "SHARE UPDATE EXCLUSIVE", "SHARE ROW EXCLUSIVE"
LIVE = (RewardState.PENDING, RewardState.FLAGGED, RewardState.APPROVED)


class Moved(NamedTuple):
    """What a correction came to."""

    referral_id: int | None  # None: he now came by himself
    members: int  # whose place in the tree changed, he himself among them


class _Place(NamedTuple):
    """Where a member stands in the tree."""

    root_id: int
    depth: int
    path: str


def move_subtree(
    chain_id: int, member_id: int, new_referrer_id: int | None, *, reason: str, by: Author, now: datetime
) -> Moved:
    """Let a member have come through another, or by himself (None); whoever came through him moves along.

    Needs an open transaction, which is to end soon: nobody joins until then. The moment he joined stays, and what he
    brought stays his. Whoever came by himself and gets a referrer is told of as ``member.referred``, and may earn him a
    reward. A referral that was rewarded is not moved while the referrer's reward stands, and never taken out.

    Raises ReasonNeeded, MemberNotFound, ReferrerUnchanged, ReferralLoop, ReferrerJoinedLater, ReferralTooDeep,
    ReferralHasRewards, TreeBusy.
    """
    reason = " ".join(reason.split())
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise ReasonNeeded()
    _lock(OTHER_MOVERS)
    member, edge = _member(chain_id, member_id), _edge(chain_id, member_id)
    if new_referrer_id == (edge.referrer_id if edge else None):
        raise errors.ReferrerUnchanged()
    old, new, before = _place_of(chain_id, member_id), _Place(member_id, 0, path_step(member_id)), _seen(edge)
    if new_referrer_id is not None:
        new = _place_below(member, old, _member(chain_id, new_referrer_id))
    _refuse_rewarded(edge, is_taken_out=new_referrer_id is None)
    count = _rewrite(chain_id, old, new)
    _lock(WHOEVER_JOINS)
    _refuse_rewarded(edge, is_taken_out=new_referrer_id is None)
    before |= _forget_findings(edge)
    count += _rewrite(chain_id, old, new)
    if edge is not None and new_referrer_id is None:
        db.session.execute(delete(Referral).where(Referral.id == edge.id))
    edge_id = None if new_referrer_id is None else _write_edge(member, edge, new_referrer_id, new, now)
    moved = Moved(edge_id, count + (edge is None or new_referrer_id is None))
    db.session.flush()
    for seen_before in db.session():
        if isinstance(seen_before, Referral):
            db.session.expire(seen_before)
    after = _seen(_edge(chain_id, member_id)) | {"reason": reason, "members": moved.members}
    who = {"member_id": member_id, "referrer_id": new_referrer_id}
    kind = "member.referred" if edge is None else "member.referrer_changed"
    events.record(kind, chain_id=chain_id, at=now, referral_id=edge_id, **who)
    audit.note(
        "referrer corrected",
        chain_id=chain_id,
        object_kind="member",
        object_id=member_id,
        by=by,
        at=now,
        before=before,
        after=after,
    )
    return moved


def _lock(mode: str) -> None:
    """Take a lock on all edges, until the end of the transaction. On SQLite that keeps everybody out already."""
    if db.session.connection().dialect.name != "postgresql":
        return
    db.session.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
    try:
        db.session.execute(text(f"LOCK TABLE referrals IN {mode} MODE"))
    except OperationalError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
            raise errors.TreeBusy() from error
        raise
    db.session.execute(text("SET LOCAL lock_timeout TO DEFAULT"))


def _member(chain_id: int, member_id: int) -> Member:
    member = db.session.scalar(select(Member).filter_by(id=member_id, chain_id=chain_id))
    if member is None:
        raise errors.MemberNotFound()
    return member


def _edge(chain_id: int, member_id: int) -> Referral | None:
    query = select(Referral).filter_by(chain_id=chain_id, member_id=member_id)
    return db.session.scalar(query.execution_options(populate_existing=True))


def _place_of(chain_id: int, member_id: int) -> _Place:
    row = db.session.execute(
        select(Referral.root_id, Referral.depth, Referral.path).filter_by(chain_id=chain_id, member_id=member_id)
    ).first()
    return _Place(member_id, 0, path_step(member_id)) if row is None else _Place(*row)


def _in(chain_id: int, place: _Place) -> list[ColumnElement[bool]]:
    """The edges of a sub-tree, that of its uppermost member among them."""
    return [Referral.chain_id == chain_id, Referral.path >= place.path, Referral.path < place.path + AFTER_HEX]


def _place_below(member: Member, old: _Place, referrer: Member) -> _Place:
    above = _place_of(member.chain_id, referrer.id)
    if above.path.startswith(old.path):
        raise errors.ReferralLoop()
    if referrer.joined_at > member.joined_at:
        raise errors.ReferrerJoinedLater()
    return _Place(above.root_id, above.depth + 1, above.path + path_step(member.id))


def _refuse_rewarded(edge: Referral | None, *, is_taken_out: bool) -> None:
    if edge is None:
        return
    rewards = select(Reward.id).where(Reward.referral_id == edge.id)
    if not is_taken_out:
        rewards = rewards.where(Reward.side == RewardSide.REFERRER, Reward.state.in_(LIVE))
    if db.session.scalar(rewards.limit(1)) is not None:
        raise errors.ReferralHasRewards()


def _seen(edge: Referral | None) -> dict[str, Any]:
    if edge is None:
        return {"referrer_id": None}
    return {name: getattr(edge, name) for name in ("referrer_id", "share_link_id", "channel", "depth")}


def _forget_findings(edge: Referral | None) -> dict[str, Any]:
    """Delete what fraud rules found of the two; return it, for the audit."""
    if edge is None:
        return {}
    of_both = FraudFinding.referral_id == edge.id
    rules = list(db.session.scalars(select(FraudFinding.rule).where(of_both).order_by(FraudFinding.rule)))
    db.session.execute(delete(FraudFinding).where(of_both))
    return {"findings": rules} if rules else {}


def _rewrite(chain_id: int, old: _Place, new: _Place) -> int:
    """Give what still stands in the old place its new line of ancestors; return how many edges that were."""
    still_there = _in(chain_id, old)
    if new.depth == 0:
        still_there.append(Referral.member_id != new.root_id)  # his own edge is going to be deleted
    deepest = db.session.scalar(select(func.max(Referral.depth)).where(*still_there)) or old.depth
    if deepest + new.depth - old.depth > DEEPEST:
        raise errors.ReferralTooDeep()
    moved = db.session.execute(
        update(Referral)
        .where(*still_there)
        .values(
            path=literal(new.path).concat(func.substr(Referral.path, len(old.path) + 1)),
            depth=Referral.depth + (new.depth - old.depth),
            root_id=new.root_id,
        )
        .execution_options(synchronize_session=False)
    )
    return int(moved.rowcount)  # type: ignore[attr-defined]


def _write_edge(member: Member, edge: Referral | None, referrer_id: int, new: _Place, now: datetime) -> int:
    """The member's own edge, to his new referrer; ``_rewrite`` has given it its place."""
    at = edge.created_at if edge else member.joined_at
    link = _link_he_opened(member, referrer_id, at) or _make_link(member, referrer_id, now)
    if edge is not None:
        came = {"referrer_id": referrer_id, "share_link_id": link.id, "channel": link.channel}
        query = update(Referral).where(Referral.id == edge.id).values(came)
        db.session.execute(query.execution_options(synchronize_session=False))
        return edge.id
    row = Referral(
        chain_id=member.chain_id,
        member_id=member.id,
        referrer_id=referrer_id,
        card_id=_card_of(member).id,
        share_link_id=link.id,
        channel=link.channel,
        store_id=member.store_id,
        created_at=at,
        **new._asdict(),
    )
    db.session.add(row)
    db.session.flush()
    return row.id


def _link_he_opened(member: Member, referrer_id: int, at: datetime) -> ShareLink | None:
    """The referrer's link that this phone opened last before its owner joined."""
    return db.session.scalar(
        select(ShareLink)
        .join(ShareVisitor, ShareVisitor.share_link_id == ShareLink.id)
        .join(Wallet, Wallet.key_hash == ShareVisitor.visitor)
        .where(
            Wallet.id == member.wallet_id,
            ShareLink.chain_id == member.chain_id,
            ShareLink.member_id == referrer_id,
            ShareVisitor.last_visit_at <= at,
        )
        .order_by(ShareVisitor.opened_at.desc(), ShareLink.id.desc())
        .limit(1)
    )


def _make_link(member: Member, referrer_id: int, now: datetime) -> ShareLink:
    """A link of its own for the correction, so that no other is credited with somebody who did not open it."""
    card = _card_of(_member(member.chain_id, referrer_id))
    above = select(Referral.share_link_id).filter_by(chain_id=member.chain_id, member_id=referrer_id)
    link = ShareLink(
        chain_id=member.chain_id,
        program_id=card.program_id,
        card_id=card.id,
        member_id=referrer_id,
        store_id=card.store_id,
        parent_id=db.session.scalar(above) or card.share_link_id,
        token=new_code(),
        channel=ShareChannel.FRIEND,
        occasion=Occasion.STAFF,
        visits=0,
        created_at=now,
    )
    db.session.add(link)
    db.session.flush()
    return link


def _card_of(member: Member) -> Card:
    """His first card of the chain, an active one if he has it."""
    query = select(Card).filter_by(chain_id=member.chain_id, member_id=member.id)
    card = db.session.scalar(query.order_by(Card.state != CardState.ACTIVE, Card.id).limit(1))
    if card is None:
        raise errors.MemberNotFound()
    return card
