"""The inbox of a wallet: a delivery over this channel is itself the message."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, select, update

from cards.models import Member
from core.db import db
from core.text import Text
from coupons.models import Offer
from push.models import Delivery, DeliveryState, PushChannel, Run
from stores.models import Chain


class InboxMessage(NamedTuple):
    """One message as its reader sees it."""

    id: int
    chain_id: int
    card_id: int
    chain: Text
    title: Text
    body: Text
    offer: Text | None
    coupon_id: int | None
    sent_at: datetime
    read_at: datetime | None


def inbox_of(
    wallet_id: int, *, after: int | None = None, limit: int = 50, card_id: int | None = None
) -> Sequence[InboxMessage]:
    """The messages of a wallet (or of one of its cards), newest first; ``after`` is the id of the last one seen."""
    query = (
        select(Delivery, Run, Chain.name, Chain.name_en, Offer.name, Offer.name_en)
        .join(Member, Member.id == Delivery.member_id)
        .join(Run, Run.id == Delivery.run_id)
        .join(Chain, Chain.id == Delivery.chain_id)
        .outerjoin(Offer, Offer.id == Run.offer_id)
        .where(Member.wallet_id == wallet_id, *_arrived())
    )
    if after is not None:
        query = query.where(Delivery.id < after)
    if card_id is not None:
        query = query.where(Delivery.card_id == card_id)
    return [_message(*row) for row in db.session.execute(query.order_by(Delivery.id.desc()).limit(limit))]


def _message(
    delivery: Delivery, run: Run, chain: str, chain_en: str, offer: str | None, offer_en: str | None
) -> InboxMessage:
    assert delivery.sent_at is not None
    return InboxMessage(
        delivery.id,
        delivery.chain_id,
        delivery.card_id,
        Text(chain, chain_en or chain),
        Text(run.title or run.title_en, run.title_en or run.title),
        Text(run.body or run.body_en, run.body_en or run.body),
        Text(offer, offer_en or offer) if offer and delivery.coupon_id else None,
        delivery.coupon_id,
        delivery.sent_at,
        delivery.read_at,
    )


def count_unread(wallet_id: int) -> int:
    return db.session.scalars(
        select(func.count(Delivery.id))
        .join(Member, Member.id == Delivery.member_id)
        .where(Member.wallet_id == wallet_id, Delivery.read_at.is_(None), *_arrived())
    ).one()


def mark_read(wallet_id: int, delivery_ids: Sequence[int] | None = None, *, now: datetime) -> int:
    """Note that messages of the wallet were seen; return how many were new. Needs an open transaction."""
    mine = select(Member.id).where(Member.wallet_id == wallet_id).scalar_subquery()
    query = update(Delivery).where(Delivery.member_id.in_(mine), Delivery.read_at.is_(None), *_arrived())
    if delivery_ids is not None:
        query = query.where(Delivery.id.in_(delivery_ids))
    seen = db.session.scalars(
        query.values(read_at=now).returning(Delivery.id).execution_options(synchronize_session=False)
    ).all()
    return len(seen)


def _arrived() -> tuple[ColumnElement[bool], ...]:
    return (Delivery.channel == PushChannel.INBOX, Delivery.state == DeliveryState.DELIVERED)
