"""Taking a batch of deliveries and deciding about each: too late, not possible, not wanted, asleep, had enough, or go.

All of it in one short transaction. Two workers never get the same row, and never count the same member's caps at once.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, case, func, literal, literal_column, or_, select, update

from cards.models import Card, CardState, Member, Tier
from core.db import db
from coupons.models import Offer
from push.falling_back import UNREACHED, fall_back
from push.handing_out import take_turns
from push.models import Campaign, Delivery, DeliveryState, Purpose, PushChannel, PushPolicy, Run, RunState, SkipReason
from push.policies import DEFAULT, Policy, quiet_until
from push.reachability import ADDRESS_OF, has_address, is_agreed
from stores.models import Chain, Store

MAX_ATTEMPTS = 6
DAY, WEEK = timedelta(days=1), timedelta(days=7)
# As ix_deliveries_due spells it.
UNFINISHED: ColumnElement[bool] = literal_column("deliveries.state IN ('pending', 'sending')")

Facts = Row[*tuple[Any, ...]]  # a delivery with its run, member, card and chain


@dataclass(frozen=True)
class Verdict:
    """What is to happen with a delivery now: go, or be skipped for a reason, or wait until a moment."""

    reason: SkipReason | None = None
    wait_until: datetime | None = None

    @property
    def goes(self) -> bool:
        return self.reason is None and self.wait_until is None


GO = Verdict()


class Taken(NamedTuple):
    """A batch: how many rows were looked at, and those that go now."""

    looked_at: int
    going: list[Facts]


def take_batch(name: PushChannel, *, now: datetime, lease: timedelta, limit: int) -> Taken:
    """Lease what is due and decide about it: what does not go is skipped or waits. Needs an open transaction."""
    ids = _lease(name, now=now, lease=lease, limit=limit)
    if not ids:
        return Taken(0, [])
    rows = _facts(name, ids)
    counts: dict[int, list[int]] = {}
    if name != PushChannel.INBOX:
        take_turns({row.member_id: row.chain_id for row in rows})
        counts = _count_sent({row.member_id for row in rows}, now=now)
    verdicts = [(row, _verdict(name, row, counts.get(row.member_id, [0, 0]), now=now)) for row in rows]
    going = [row for row, verdict in verdicts if verdict.goes]
    _write_verdicts([(row.id, verdict) for row, verdict in verdicts if not verdict.goes], now=now)
    change_leased([row.id for row in going], attempts=Delivery.attempts + 1)
    return Taken(len(ids), going)


def _lease(name: PushChannel, *, now: datetime, lease: timedelta, limit: int) -> Sequence[int]:
    """Two workers never get the same row: the state in the WHERE decides."""
    is_free = or_(
        Delivery.state == DeliveryState.PENDING,
        and_(Delivery.state == DeliveryState.SENDING, Delivery.leased_until <= now),
    )
    due = (
        select(Delivery.id)
        .join(Run, Run.id == Delivery.run_id)
        .where(
            UNFINISHED,
            Delivery.channel == name,
            Delivery.due_at <= now,
            Delivery.attempts < MAX_ATTEMPTS,
            is_free,
            Run.state == RunState.RUNNING,
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(limit)
        .with_for_update(of=Delivery, skip_locked=True)  # spares waiting; SQLite has one writer
        .cte("due")  # run once, or the LIMIT would not hold
    )
    return db.session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(select(due.c.id)), is_free)
        .values(state=DeliveryState.SENDING, leased_until=now + lease)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()


def _facts(name: PushChannel, taken: Sequence[int]) -> Sequence[Facts]:
    """Everything that the decision and the message need, in one query, in the order of sending."""
    address: Any = ADDRESS_OF.get(name, Member.name)
    agreed = case(
        (Campaign.purpose == Purpose.SERVICE, is_agreed(name, Purpose.SERVICE)),
        else_=is_agreed(name, Purpose.PROMOTION),
    )
    found = literal(True) if (known := has_address(name)) is None else known
    return db.session.execute(
        select(
            Delivery.id, Delivery.chain_id, Delivery.campaign_id, Delivery.run_id, Delivery.member_id, Delivery.card_id,
            Delivery.coupon_id, Delivery.attempts, Run.offer_id, Run.title, Run.title_en, Run.body, Run.body_en,
            Run.texts, Run.due_at, Run.send_until, Delivery.variant, Member.language, Member.name.label("member"),
            Card.points, Tier.name.label("tier"), Tier.name_en.label("tier_en"), Store.name.label("store"),
            address.label("address"), Card.state.label("card_state"),
            agreed.label("is_agreed"), found.label("has_address"), Campaign.purpose, Campaign.channel_mode,
            func.coalesce(Store.timezone, Chain.timezone).label("timezone"),
            Chain.name.label("chain"), Chain.name_en.label("chain_en"), Offer.name.label("offer"),
            Offer.name_en.label("offer_en"), *(getattr(PushPolicy, field) for field in Policy._fields),
        )
        .join(Run, Run.id == Delivery.run_id)
        .join(Campaign, Campaign.id == Delivery.campaign_id)
        .join(Member, Member.id == Delivery.member_id)
        .join(Card, Card.id == Delivery.card_id)
        .join(Tier, Tier.id == Card.tier_id)
        .join(Chain, Chain.id == Delivery.chain_id)
        .outerjoin(Store, Store.id == Member.store_id)
        .outerjoin(Offer, Offer.id == Run.offer_id)
        .outerjoin(PushPolicy, PushPolicy.chain_id == Delivery.chain_id)
        .where(Delivery.id.in_(taken))
        .order_by(Delivery.due_at, Delivery.id)
    ).all()  # fmt: skip


def _verdict(name: PushChannel, row: Facts, sent: list[int], *, now: datetime) -> Verdict:
    """Too late, then not possible, then not wanted, then asleep, then had enough."""
    if now >= row.send_until:
        return Verdict(SkipReason.STALE)
    if row.card_state != CardState.ACTIVE:
        return Verdict(SkipReason.CARD_INACTIVE)
    if not row.has_address:
        return Verdict(SkipReason.NO_ADDRESS)
    if not row.is_agreed:
        return Verdict(SkipReason.OPTED_OUT)
    if name == PushChannel.INBOX:
        return GO  # it disturbs nobody
    policy = _policy(row)
    if awake_at := quiet_until(policy, row.timezone, now=now):
        return Verdict(wait_until=min(awake_at, row.send_until))
    if row.attempts or row.purpose == Purpose.SERVICE:
        return GO  # it was counted at the first attempt, or does not count
    if sent[0] >= policy.cap_per_day or sent[1] >= policy.cap_per_week:
        return Verdict(SkipReason.CAPPED)
    sent[0] += 1
    sent[1] += 1
    return GO


def _policy(row: Facts) -> Policy:
    return DEFAULT if row.quiet_from is None else Policy(*(getattr(row, field) for field in Policy._fields))


def _count_sent(members: set[int], *, now: datetime) -> dict[int, list[int]]:
    """What promotion each member was sent in the last day and the last seven, over all channels but the inbox.

    A message that was tried and has not ended counts too: it holds its place until it has.
    """
    is_held = and_(Delivery.state.in_((DeliveryState.PENDING, DeliveryState.SENDING)), Delivery.attempts > 0)
    is_sent = Delivery.state.in_((DeliveryState.SENT, DeliveryState.DELIVERED))
    rows = db.session.execute(
        select(
            Delivery.member_id,
            func.count(case((or_(is_held, Delivery.sent_at > now - DAY), 1))),
            func.count(Delivery.id),
        )
        .join(Campaign, Campaign.id == Delivery.campaign_id)
        .where(
            Delivery.member_id.in_(members),
            Campaign.purpose == Purpose.PROMOTION,
            Delivery.channel != PushChannel.INBOX,
            or_(is_held, and_(is_sent, Delivery.sent_at > now - WEEK)),
        )
        .group_by(Delivery.member_id)
    )
    counts = {member: [0, 0] for member in members}
    counts.update((member, [day, week]) for member, day, week in rows)
    return counts


def _write_verdicts(verdicts: list[tuple[int, Verdict]], *, now: datetime) -> None:
    alike: dict[Verdict, list[int]] = defaultdict(list)
    for delivery_id, verdict in verdicts:
        alike[verdict].append(delivery_id)
    for verdict, ids in alike.items():
        if verdict.reason is not None:
            skip_leased(ids, verdict.reason, now=now)
        else:
            change_leased(ids, state=DeliveryState.PENDING, due_at=verdict.wait_until, leased_until=None)


def skip_leased(ids: Sequence[int], reason: SkipReason, *, now: datetime) -> None:
    """End leased rows that do not go; where the next channel is to be tried, it is written down."""
    change_leased(ids, state=DeliveryState.SKIPPED, reason=reason, leased_until=None)
    if reason in UNREACHED:
        fall_back(ids, now=now)


def change_leased(ids: Sequence[int], **values: Any) -> None:
    """Change rows that are leased; what somebody else ended meanwhile stays as it is."""
    if ids:
        db.session.execute(
            update(Delivery)
            .where(Delivery.id.in_(ids), Delivery.state == DeliveryState.SENDING)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
