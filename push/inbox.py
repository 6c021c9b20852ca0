"""The inbox of a wallet: a delivery over this channel is itself the message."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, select, update

from cards.models import Card, Member, Tier
from core.db import db
from core.text import Text
from coupons.models import Coupon, Offer
from coupons.terms import day_text
from push.models import Delivery, DeliveryState, PushChannel, Run
from push.wording import links, texts
from push.wording.reminding import Reminded, reminded_of, speaks_of_one
from stores.models import Chain, Store


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
    addresses: Mapping[str, int]  # those in its text that lead somewhere: the numbers of the campaign's links
    is_measured: bool  # the member did not refuse that we note which he follows


def inbox_of(
    wallet_id: int, *, after: int | None = None, limit: int = 50, card_id: int | None = None
) -> Sequence[InboxMessage]:
    """The messages of a wallet (or of one of its cards), newest first; ``after`` is the id of the last one seen."""
    query = (
        select(Delivery, Run, Member.name, Card.points, Tier, Store.name, Coupon.valid_until, Chain, Offer)
        .join(Member, Member.id == Delivery.member_id)
        .join(Card, Card.id == Delivery.card_id)
        .join(Tier, Tier.id == Card.tier_id)
        .join(Run, Run.id == Delivery.run_id)
        .join(Chain, Chain.id == Delivery.chain_id)
        .outerjoin(Offer, Offer.id == Run.offer_id)
        .outerjoin(Coupon, Coupon.id == Delivery.coupon_id)
        .outerjoin(Store, Store.id == Member.store_id)
        .where(Member.wallet_id == wallet_id, *_arrived())
    )
    if after is not None:
        query = query.where(Delivery.id < after)
    if card_id is not None:
        query = query.where(Delivery.card_id == card_id)
    rows = db.session.execute(query.order_by(Delivery.id.desc()).limit(limit)).all()
    ids = links.ids_of_campaigns({row[0].campaign_id for row in rows})
    by_campaign: dict[int, dict[str, int]] = {}
    for (campaign_id, url), link_id in ids.items():
        by_campaign.setdefault(campaign_id, {})[url] = link_id
    unmeasured = links.unmeasured_among({row[0].member_id for row in rows})
    reminded = reminded_of((row[0].chain_id, row[0].run_id, row[0].member_id) for row in rows if speaks_of_one(row[1]))
    return [
        _message(
            by_campaign.get(row[0].campaign_id, {}),
            row[0].member_id not in unmeasured,
            reminded.get((row[0].run_id, row[0].member_id)),
            *row,
        )
        for row in rows
    ]


def _message(
    addresses: Mapping[str, int],
    is_measured: bool,
    reminded: Reminded | None,
    delivery: Delivery,
    run: Run,
    name: str,
    points: int,
    tier: Tier,
    store: str | None,
    coupon_until: datetime | None,
    chain: Chain,
    offer: Offer | None,
) -> InboxMessage:
    assert delivery.sent_at is not None
    chain_name = Text(chain.name, chain.name_en or chain.name)
    offer_name = Text(offer.name, offer.name_en or offer.name) if offer else Text("", "")
    if reminded is not None:
        coupon_until = reminded.until
    until = (
        day_text((coupon_until - timedelta(microseconds=1)).astimezone(ZoneInfo(chain.timezone)))
        if coupon_until
        else None
    )

    def said(language: str) -> texts.Words:
        values = {
            "name": name,
            "chain": chain_name.say(language),
            "store": store or chain_name.say(language),
            "tier": tier.name if language == "zh" else tier.name_en,
            "points": f"{points:,}",
            "coupon": (reminded.name if reminded else offer_name).say(language),
            "coupon_until": until.say(language) if until else "",
            "link": "",
        }
        return texts.filled(texts.choose(run, delivery.variant, PushChannel.INBOX, language), values)

    zh, en = said("zh"), said("en")
    return InboxMessage(
        delivery.id,
        delivery.chain_id,
        delivery.card_id,
        chain_name,
        Text(zh.title, en.title),
        Text(zh.body, en.body),
        offer_name if offer and delivery.coupon_id else None,
        delivery.coupon_id,
        delivery.sent_at,
        delivery.read_at,
        addresses,
        is_measured,
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
