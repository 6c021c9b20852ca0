"""What is known of the deliveries of a batch: read by two queries, what all of a run have in common only once."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import case, func, literal, select

from cards.models import Card, Member, Tier
from core.db import among, db
from coupons.models import Offer
from push.audiences.reachability import ADDRESS_OF, has_address, is_agreed
from push.models import Campaign, Delivery, Purpose, PushChannel, PushPolicy, Run
from push.timing.policies import DEFAULT, Policy
from stores.models import Chain, Store

RULES = len(Policy._fields)
LAST_DAY = case((Campaign.schedule["zone"].as_string() == "member", Campaign.schedule["until"].as_string()))


class RunFacts(NamedTuple):
    """A run with its campaign, chain and offer."""

    offer_id: int | None
    title: str
    title_en: str
    body: str
    body_en: str
    texts: dict[str, Any]
    due_at: datetime
    send_until: datetime
    last_day: str | None  # of the campaign by each member's own clock; of the chain's, ``send_until`` knows
    purpose: str
    channel_mode: str
    chain: str
    chain_en: str
    offer: str | None
    offer_en: str | None
    policy: Policy


class Facts(NamedTuple):
    """A delivery with its member and card. What it has not, its run has: ``title``, ``offer_id``, ``send_until`` …"""

    id: int
    chain_id: int
    campaign_id: int
    run_id: int
    member_id: int
    card_id: int
    coupon_id: int | None
    variant: str
    attempts: int  # with the one for which it was taken
    first_tried_at: datetime
    sent_at: datetime | None  # when it went before: it failed afterwards, and is sent again
    language: str
    member: str
    points: int
    tier: str
    tier_en: str
    store: str | None
    timezone: str
    address: str
    card_state: str
    is_agreed: bool
    has_address: bool
    run: RunFacts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.run, name)


def read_facts(name: PushChannel, delivery_ids: Sequence[int]) -> list[Facts]:
    """Everything that the decision and the message need, in the order of sending."""
    runs = _runs(delivery_ids)
    if len({run.purpose for run in runs.values()}) <= 1:
        purpose = next((run.purpose for run in runs.values()), Purpose.PROMOTION)
        return _rows(name, Purpose(purpose), delivery_ids, runs)
    rows: list[Facts] = []
    for purpose in Purpose:
        of_purpose = {run_id: run for run_id, run in runs.items() if run.purpose == purpose}
        rows += _rows(name, purpose, delivery_ids, of_purpose)
    return rows


def _runs(delivery_ids: Collection[int]) -> dict[int, RunFacts]:
    used = select(Delivery.run_id).where(among(Delivery.id, delivery_ids)).distinct()
    rows: Any = db.session.execute(
        select(
            Run.id, Run.offer_id, Run.title, Run.title_en, Run.body, Run.body_en, Run.texts, Run.due_at, Run.send_until,
            LAST_DAY, Campaign.purpose, Campaign.channel_mode, Chain.name, Chain.name_en, Offer.name, Offer.name_en,
            *(getattr(PushPolicy, field) for field in Policy._fields),
        )
        .join(Campaign, Campaign.id == Run.campaign_id)
        .join(Chain, Chain.id == Run.chain_id)
        .outerjoin(Offer, Offer.id == Run.offer_id)
        .outerjoin(PushPolicy, PushPolicy.chain_id == Run.chain_id)
        .where(Run.id.in_(used))
    )  # fmt: skip
    return {row[0]: RunFacts._make((*row[1:-RULES], _policy(row[-RULES:]))) for row in rows}


def _policy(own: Sequence[Any]) -> Policy:
    return DEFAULT if own[0] is None else Policy(*own)


def _rows(name: PushChannel, purpose: Purpose, delivery_ids: Collection[int], runs: dict[int, RunFacts]) -> list[Facts]:
    address: Any = ADDRESS_OF.get(name, Member.name)
    known = has_address(name)
    rows: Any = db.session.execute(
        select(
            Delivery.id, Delivery.chain_id, Delivery.campaign_id, Delivery.run_id, Delivery.member_id,
            Delivery.card_id, Delivery.coupon_id, Delivery.variant, Delivery.attempts, Delivery.first_tried_at,
            Delivery.sent_at, Member.language, Member.name, Card.points, Tier.name, Tier.name_en, Store.name,
            func.coalesce(Store.timezone, Chain.timezone), address, Card.state, is_agreed(name, purpose),
            literal(True) if known is None else known,
        )
        .join(Member, Member.id == Delivery.member_id)
        .join(Card, Card.id == Delivery.card_id)
        .join(Tier, Tier.id == Card.tier_id)
        .join(Chain, Chain.id == Delivery.chain_id)
        .outerjoin(Store, Store.id == Member.store_id)
        .where(among(Delivery.id, delivery_ids))
        .order_by(Delivery.due_at, Delivery.id)
    )  # fmt: skip
    return [Facts._make((*row, runs[row[3]])) for row in rows if row[3] in runs]
