"""Findings and who stands behind them: for the people who review."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from cards.models import Card, Member
from core.db import db
from sharing.fraud_facts import (
    Join,
    Subject,
    get_subject,
    has_bought,
    joins_of_device,
    joins_of_network,
    joins_of_referrer,
)
from sharing.fraud_rules import DEVICE_WINDOW, NETWORK_WINDOW, VELOCITY_WINDOW
from sharing.models import Referral
from sharing.reward_models import FraudFinding, FraudRule

MOST_COMPANIONS = 200


class OpenFinding(NamedTuple):
    """What waits for a person, and between whom."""

    finding: FraudFinding
    referral: Referral
    friend_name: str
    referrer_name: str


class Companion(NamedTuple):
    """Somebody in the same cluster, loop or farm."""

    member_id: int
    referral_id: int | None  # None: at the top of his tree
    name: str
    number: str  # of a card
    referrer_id: int | None
    channel: str | None
    joined_at: datetime
    has_bought: bool


def list_open(
    chain_id: int, *, rule: str | None = None, before: int | None = None, limit: int = 50
) -> list[OpenFinding]:
    """Findings that nobody dismissed, the newest first, older than the finding ``before``."""
    friends, referrers = aliased(Member), aliased(Member)
    query = (
        select(FraudFinding, Referral, friends.name, referrers.name)
        .join(Referral, Referral.id == FraudFinding.referral_id)
        .join(friends, friends.id == Referral.member_id)
        .join(referrers, referrers.id == Referral.referrer_id)
        .where(FraudFinding.chain_id == chain_id, FraudFinding.dismissed_at.is_(None))
        .order_by(FraudFinding.id.desc())
        .limit(limit)
    )
    if rule is not None:
        query = query.where(FraudFinding.rule == rule)
    if before is not None:
        query = query.where(FraudFinding.id < before)
    rows = db.session.execute(query)
    return [OpenFinding(finding, referral, friend, referrer) for finding, referral, friend, referrer in rows]


def count_open(chain_id: int) -> dict[str, int]:
    """How many findings of each rule nobody dismissed."""
    rows = db.session.execute(
        select(FraudFinding.rule, func.count())
        .where(FraudFinding.chain_id == chain_id, FraudFinding.dismissed_at.is_(None))
        .group_by(FraudFinding.rule)
    )
    return {rule: int(count) for rule, count in rows}


def findings_of(chain_id: int, referral_ids: Sequence[int]) -> dict[int, list[FraudFinding]]:
    """Everything found on these referrals, dismissed or not, in the order of finding."""
    found: dict[int, list[FraudFinding]] = defaultdict(list)
    rows = db.session.scalars(
        select(FraudFinding)
        .where(FraudFinding.chain_id == chain_id, FraudFinding.referral_id.in_(referral_ids))
        .order_by(FraudFinding.id)
    )
    for finding in rows:
        found[finding.referral_id].append(finding)
    return dict(found)


def companions(chain_id: int, finding: FraudFinding) -> list[Companion]:
    """Who stands in the same cluster, loop or farm, in the order of joining; the friend himself among them.

    What device and network looked like is forgotten after 90 days; then the ones that the evidence names are left.
    """
    seen = get_subject(chain_id, finding.referral_id)
    if seen is None:
        return []
    if finding.rule == FraudRule.CLOSED_LOOP:
        line = seen.line
        return _members(chain_id, [*line[line.index(finding.evidence["member_id"]) :], seen.member_id])
    if finding.rule in (FraudRule.OWN_PHONE, FraudRule.EXISTING_MEMBER):
        return _members(chain_id, [finding.evidence["member_id"], seen.member_id])
    if finding.rule == FraudRule.OWN_DEVICE:
        return _members(chain_id, [seen.referrer_id, seen.member_id])
    named = set(finding.evidence.get("referral_ids", ())) | {seen.referral_id}
    near = {join.referral_id for join in _near(seen, finding)}
    return _members_of(chain_id, sorted(named | near, reverse=True)[:MOST_COMPANIONS])


def _near(seen: Subject, finding: FraudFinding) -> list[Join]:
    most = finding.evidence.get("threshold", 0)
    if finding.rule == FraudRule.DEVICE_CLUSTER and seen.device is not None:
        return joins_of_device(seen, DEVICE_WINDOW, most)
    if finding.rule == FraudRule.NETWORK_CLUSTER and seen.network is not None:
        return joins_of_network(seen, NETWORK_WINDOW, most)
    if finding.rule == FraudRule.VELOCITY:
        return joins_of_referrer(seen, VELOCITY_WINDOW, most)
    return []


def _members_of(chain_id: int, referral_ids: Sequence[int]) -> list[Companion]:
    members = db.session.scalars(
        select(Referral.member_id).where(Referral.chain_id == chain_id, Referral.id.in_(referral_ids))
    )
    return _members(chain_id, list(members))


def _members(chain_id: int, member_ids: Sequence[int]) -> list[Companion]:
    first = aliased(Card)
    card = select(func.min(first.id)).where(first.chain_id == chain_id, first.member_id == Member.id).scalar_subquery()
    rows = db.session.execute(
        select(
            Member.id,
            Referral.id,
            Member.name,
            Card.number,
            Referral.referrer_id,
            Referral.channel,
            Member.joined_at,
            has_bought(chain_id, Member.id),
        )
        .select_from(Member)
        .join(Card, Card.id == card)
        .outerjoin(Referral, (Referral.chain_id == chain_id) & (Referral.member_id == Member.id))
        .where(Member.chain_id == chain_id, Member.id.in_(member_ids))
        .order_by(Member.joined_at, Member.id)
    )
    return [Companion(*_as_row(row)) for row in rows]


def _as_row(row: Any) -> tuple[Any, ...]:
    return (*tuple(row)[:-1], bool(row[-1]))
