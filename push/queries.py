"""Campaigns, runs and deliveries for the pages that show them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select

from cards.models import Card, Member
from core.db import db
from coupons.models import Offer, OfferState
from push.models import Delivery, Run


def newest_runs(campaign_ids: Sequence[int]) -> dict[int, Run]:
    """The newest run of each campaign that has one."""
    newest = select(func.max(Run.id)).where(Run.campaign_id.in_(campaign_ids)).group_by(Run.campaign_id)
    runs = db.session.scalars(select(Run).where(Run.id.in_(newest)).execution_options(populate_existing=True))
    return {run.campaign_id: run for run in runs}


def list_deliveries(
    chain_id: int,
    run_id: int,
    *,
    channel: str = "",
    state: str = "",
    reason: str = "",
    error: str = "",
    after: int = 0,
    limit: int = 50,
) -> Sequence[Row[*tuple[Any, ...]]]:
    """Deliveries of a run in the order they were written: the row, the member's name and phone, his card's number."""
    query = (
        select(Delivery, Member.name, Member.phone, Card.number)
        .join(Member, Member.id == Delivery.member_id)
        .join(Card, Card.id == Delivery.card_id)
        .where(Delivery.chain_id == chain_id, Delivery.run_id == run_id, Delivery.id > after)
        .order_by(Delivery.id)
        .limit(limit)
    )
    for column, value in ((Delivery.channel, channel), (Delivery.state, state), (Delivery.reason, reason)):
        if value:
            query = query.where(column == value)
    return db.session.execute(query.where(Delivery.error == error) if error else query).all()


def offers_to_hand_out(chain_id: int) -> Sequence[Offer]:
    """Offers that run, the newest first: those a campaign can carry."""
    return db.session.scalars(
        select(Offer)
        .where(Offer.chain_id == chain_id, Offer.state == OfferState.RUNNING, Offer.program_id.is_(None))
        .order_by(Offer.id.desc())
        .limit(200)
    ).all()
