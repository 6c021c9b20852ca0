"""Who spread a chain's cards in a period: whom they brought, how far it went, what it cost, what looked dishonest."""

from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, and_, case, func, literal, or_, select

from cards.models import Card, Member
from core.db import db
from sharing.models import Referral, ShareLink
from sharing.queries import count_reach
from sharing.reward_models import FraudFinding, Reward, RewardSide, RewardState
from sharing.scope import Scope, Stores, count_by
from stores.models import Store

PAID = (RewardState.APPROVED, RewardState.CLAWED_BACK)  # what of it could not be taken back is still committed


class Spreader(NamedTuple):
    """A member who brought others in the period."""

    member_id: int
    name: str
    number: str
    store_id: int | None
    store_name: str | None
    links: int  # made in the period
    visits: int  # to his links in the period
    direct: int  # members he brought in the period
    reach: int  # members below him since ever, all generations
    rewards: int  # given to him and earned in the period
    reward_cents: int  # what the rewards for his friends cost, his and theirs
    findings: int  # on those he brought in the period, as far as nobody dismissed them


class Cost(NamedTuple):
    """The rewards for the friends of a member."""

    given: int = 0  # to himself
    cents: int = 0  # his and theirs


def top_spreaders(
    chain_id: int,
    start: datetime,
    end: datetime,
    *,
    store_ids: Stores = None,
    program_id: int | None = None,
    after: tuple[int, int] | None = None,
    limit: int = 20,
) -> list[Spreader]:
    """Who brought most members himself in the period. ``after`` is (direct, member_id) of the last one seen."""
    scope = Scope(chain_id, start, end, store_ids, program_id)
    brought = _brought(scope).subquery()
    query = select(brought.c.member_id, brought.c.direct)
    if after is not None:
        direct, member_id = literal(after[0], BigInteger), after[1]
        query = query.where(
            or_(brought.c.direct < direct, and_(brought.c.direct == direct, brought.c.member_id > member_id))
        )
    found = db.session.execute(query.order_by(brought.c.direct.desc(), brought.c.member_id).limit(limit)).all()
    return _described(scope, {row[0]: row[1] for row in found})


def _brought(scope: Scope) -> Any:
    query: Any = (
        scope.whole_chain()
        .referrals()
        .with_only_columns(Referral.referrer_id.label("member_id"), func.count().label("direct"))
        .group_by(Referral.referrer_id)
    )
    if scope.is_everywhere:
        return query
    return query.join(Member, Member.id == Referral.referrer_id).where(*scope.of_these())


def _described(scope: Scope, direct: dict[int, int]) -> list[Spreader]:
    """The spreaders with their names and figures, in the order given."""
    if not direct:
        return []
    chain_id, everywhere = scope.chain_id, scope.whole_chain()
    members = db.session.execute(
        select(Member.id, Member.name, func.min(Card.number), Member.store_id, Store.name)
        .join(Card, and_(Card.chain_id == Member.chain_id, Card.member_id == Member.id))
        .outerjoin(Store, Store.id == Member.store_id)
        .where(Member.id.in_(direct), Member.chain_id == chain_id)
        .group_by(Member.id, Member.name, Member.store_id, Store.name)
    )
    who: dict[int, tuple[Any, ...]] = {row[0]: tuple(row) for row in members}
    is_theirs = ShareLink.card_id.in_(select(Card.id).where(Card.chain_id == chain_id, Card.member_id.in_(direct)))
    links = count_by(ShareLink.member_id, everywhere.links().where(is_theirs))
    visits = count_by(ShareLink.member_id, everywhere.visits().where(is_theirs))
    reach = count_reach(chain_id, direct)
    costs = _costs(chain_id, direct, **scope.days())
    findings = _findings(everywhere, direct)
    return [
        Spreader._make(
            (
                *who[member_id],
                links.get(member_id, 0),
                visits.get(member_id, 0),
                number,
                reach[member_id],
                *costs.get(member_id, Cost()),
                findings.get(member_id, 0),
            )
        )
        for member_id, number in direct.items()
        if member_id in who
    ]


def _costs(chain_id: int, members: dict[int, int], *, first: date, last: date) -> dict[int, Cost]:
    """What was earned in these business days for the friends of these members."""
    is_given = and_(Reward.side == RewardSide.REFERRER, Reward.state == RewardState.APPROVED)
    query = (
        select(
            Referral.referrer_id,
            func.count(case((is_given, 1))),
            func.sum(case((Reward.state.in_(PAID), Reward.committed_cents), else_=0)),
        )
        .join(Referral, Referral.id == Reward.referral_id)
        .where(
            Referral.chain_id == chain_id,
            Referral.referrer_id.in_(members),
            Reward.chain_id == chain_id,
            Reward.earned_on.between(first, last),
        )
        .group_by(Referral.referrer_id)
    )
    return {row[0]: Cost(row[1], int(row[2] or 0)) for row in db.session.execute(query)}


def _findings(scope: Scope, members: dict[int, int]) -> dict[int, int]:
    query = scope.referrals().join(FraudFinding, FraudFinding.referral_id == Referral.id)
    return count_by(
        Referral.referrer_id, query.where(Referral.referrer_id.in_(members), FraudFinding.dismissed_at.is_(None))
    )
