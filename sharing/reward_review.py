"""Rewards for the people who decide them: gathered by referral, the oldest first, with what was found."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select

from cards.models import Card, Member
from core.audit import AuditEntry
from core.db import db
from sharing.fraud_queries import findings_of
from sharing.models import Referral
from sharing.reward_models import FraudAction, FraudFinding, Reward, RewardState
from sharing.reward_queries import RewardLine, lines_of

MOST_COUNTED = 999


class Case(NamedTuple):
    """One referral whose rewards wait: who brought whom, what both would get, what looked wrong."""

    key: int  # of its oldest reward: where the next page begins
    referral: Referral
    lines: list[RewardLine]
    findings: list[FraudFinding]


class Done(NamedTuple):
    """What a fraud rule did."""

    flagged: int = 0
    rejected: int = 0
    dismissed: int = 0  # of them, by a person


def list_cases(
    chain_id: int,
    state: str,
    *,
    store_ids: Collection[int] | None = None,
    after: int | None = None,
    limit: int = 20,
) -> list[Case]:
    """Referrals with rewards in a state, the oldest first; ``after`` is the key of the last one seen.

    With ``store_ids`` only what members who joined there would get.
    """
    oldest = func.min(Reward.id)
    query = select(Reward.referral_id, oldest).where(Reward.chain_id == chain_id, Reward.state == state)
    if store_ids is not None:
        query = query.join(Member, Member.id == Reward.member_id).where(Member.store_id.in_(store_ids))
    query = query.group_by(Reward.referral_id).order_by(oldest).limit(limit)
    if after is not None:
        query = query.having(oldest > after)
    keys = {row[0]: row[1] for row in db.session.execute(query)}
    lines = lines_of(chain_id, list(keys), state=state, store_ids=store_ids)
    referrals = {row.id: row for row in db.session.scalars(select(Referral).where(Referral.id.in_(keys)))}
    findings = findings_of(chain_id, list(keys))
    return [
        Case(
            key,
            referrals[referral_id],
            [line for line in lines if line.reward.referral_id == referral_id],
            findings.get(referral_id, []),
        )
        for referral_id, key in keys.items()
    ]


def count_waiting(chain_id: int, *, store_ids: Collection[int] | None = None) -> int:
    """How many rewards are flagged, up to ``MOST_COUNTED``."""
    query = select(Reward.id).where(Reward.chain_id == chain_id, Reward.state == RewardState.FLAGGED)
    if store_ids is not None:
        query = query.join(Member, Member.id == Reward.member_id).where(Member.store_id.in_(store_ids))
    return db.session.scalar(select(func.count()).select_from(query.limit(MOST_COUNTED).subquery())) or 0


def numbers_of(chain_id: int, members: Iterable[int]) -> dict[int, str]:
    """A card's number of each member, his first."""
    query = select(Card.member_id, func.min(Card.number)).where(
        Card.chain_id == chain_id, Card.member_id.in_(set(members))
    )
    return {row[0]: row[1] for row in db.session.execute(query.group_by(Card.member_id))}


def acts_on(chain_id: int, kind: str, object_id: int) -> Sequence[AuditEntry]:
    """What people did to a reward or a rule, the oldest first."""
    query = select(AuditEntry).filter_by(chain_id=chain_id, object_kind=kind, object_id=object_id)
    return db.session.scalars(query.order_by(AuditEntry.id)).all()


def done_since(chain_id: int, since: datetime) -> dict[str, Done]:
    """What each fraud rule found since then; a rule that found nothing is not there."""
    dismissed = func.count(FraudFinding.dismissed_at)
    rows = db.session.execute(
        select(FraudFinding.rule, FraudFinding.action, func.count(), dismissed)
        .where(FraudFinding.chain_id == chain_id, FraudFinding.found_at >= since)
        .group_by(FraudFinding.rule, FraudFinding.action)
    )
    done: dict[str, Done] = {}
    for rule, action, count, gone in rows:
        had = done.get(rule, Done())
        flagged, rejected = (count, 0) if action == FraudAction.FLAG else (0, count)
        done[rule] = Done(had.flagged + flagged, had.rejected + rejected, had.dismissed + gone)
    return done
