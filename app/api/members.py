"""Members and redemptions as lists, for partner systems and tills of managers."""

from datetime import timedelta
from typing import Any

from marshmallow import Schema, fields, validate
from sqlalchemy import select

from app.api.blueprint import api_blueprint
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import HQ, MANAGERS, access, actor
from app.reports.people import Filters, Listed, list_people
from app.reports.question import StoreUnknown
from app.reports.views import reader_of
from cards.contacts import masked_name, masked_phone
from cards.models import Card, CardState
from checkout.models import Checkout, Redemption
from core.clock import day_start
from core.db import db
from coupons.models import Offer
from stores.models import Chain, Store
from stores.queries import get_chain

bp = api_blueprint("members", "Members, and the coupons they used")


class MembersQuery(PageQuery):
    """Which members: newest first. ``search``: a card number, phone, e-mail or name."""

    store = fields.String(load_default="", validate=validate.Length(max=40), metadata={"description": "a store's code"})
    search = fields.String(load_default="", validate=validate.Length(max=80))
    state = fields.String(load_default="", validate=validate.OneOf(["", *CardState]))
    joined_from = fields.Date(load_default=None, metadata={"description": "business day"})
    joined_to = fields.Date(load_default=None, metadata={"description": "business day, included"})


class MemberSchema(Schema):
    """A member with his main card. A store's key gets names, phones and e-mails masked."""

    id = fields.Integer()
    card_number = fields.String(allow_none=True)
    card_state = fields.String(allow_none=True)
    name = fields.String()
    phone = fields.String(allow_none=True, metadata={"description": "E.164"})
    email = fields.String(allow_none=True)
    tier = fields.String(allow_none=True)
    points = fields.Integer()
    channel = fields.String(allow_none=True, metadata={"description": "scan, share or import"})
    store_code = fields.String(allow_none=True)
    joined_at = fields.DateTime()
    last_visit_at = fields.DateTime(allow_none=True)


class RedemptionsQuery(PageQuery):
    """Which redemptions: newest first."""

    store = fields.String(load_default="", validate=validate.Length(max=40), metadata={"description": "a store's code"})
    day_from = fields.Date(load_default=None, data_key="from", metadata={"description": "business day"})
    day_to = fields.Date(load_default=None, data_key="to", metadata={"description": "business day, included"})


class RedemptionSchema(Schema):
    """A coupon used in a checkout; ``undone_at`` tells that it was taken back."""

    id = fields.Integer()
    checkout_id = fields.Integer()
    coupon_id = fields.Integer()
    offer_id = fields.Integer()
    offer = fields.String()
    store_code = fields.String()
    card_number = fields.String()
    discount_cents = fields.Integer()
    business_day = fields.Date()
    redeemed_at = fields.DateTime()
    undone_at = fields.DateTime(allow_none=True)


@bp.get("/members")
@access(*MANAGERS)
@bp.arguments(MembersQuery, location="query")
@bp.alt_response(200, schema=page_schema(MemberSchema))
def list_members(query: dict[str, Any]) -> dict[str, Any]:
    """Members of the chain; a store's key gets those of its store."""
    reader, chain = reader_of(actor()), get_chain(actor().chain_id)
    filters = Filters(
        search=query["search"].replace("\0", ""),
        store_id=_store_id(query["store"]),
        state=query["state"],
        joined_from=query["joined_from"],
        joined_to=query["joined_to"],
    )
    rows = list_people(reader, filters, chain=chain, after=query["cursor"], limit=query["limit"])
    return page(rows, limit=query["limit"], show=_member)


@bp.get("/redemptions")
@access(*MANAGERS)
@bp.arguments(RedemptionsQuery, location="query")
@bp.alt_response(200, schema=page_schema(RedemptionSchema))
def list_redemptions(query: dict[str, Any]) -> dict[str, Any]:
    """Coupons used in the stores of the chain, or in the key's store."""
    chain = get_chain(actor().chain_id)
    found = _redemptions(chain, query).order_by(Redemption.id.desc()).limit(query["limit"])
    return page(db.session.execute(found).all(), limit=query["limit"], show=_redemption)


def _store_id(code: str) -> int | None:
    """The store of this code, if the key may see it. Raises StoreUnknown."""
    if not code:
        return None
    store_id = db.session.scalar(select(Store.id).filter_by(chain_id=actor().chain_id, code=code))
    if store_id is None or not actor().may_see_store(store_id):
        raise StoreUnknown()
    return store_id


def _member(row: Listed) -> dict[str, Any]:
    shows = actor().role in HQ
    return {
        "id": row.id,
        "card_number": row.number,
        "card_state": row.state,
        "name": row.name if shows else masked_name(row.name),
        "phone": row.phone if shows else masked_phone(row.phone) or None,
        "email": row.email if shows or not row.email else f"{row.email[0]}***@{row.email.partition('@')[2]}",
        "tier": row.tier,
        "points": row.points or 0,
        "channel": row.channel,
        "store_code": row.store_code,
        "joined_at": row.joined_at.isoformat(),
        "last_visit_at": row.last_visit_at and row.last_visit_at.isoformat(),
    }


def _redemptions(chain: Chain, query: dict[str, Any]) -> Any:
    found = (
        select(Redemption, Checkout.business_day, Offer.name, Store.code, Card.number, Redemption.id)
        .join(Checkout, Checkout.id == Redemption.checkout_id)
        .join(Offer, Offer.id == Redemption.offer_id)
        .join(Store, Store.id == Redemption.store_id)
        .join(Card, Card.id == Checkout.card_id)
        .where(Redemption.chain_id == chain.id, Redemption.redeemed_at.is_not(None))
    )
    if (store_ids := actor().store_ids) is not None:
        found = found.where(Redemption.store_id.in_(store_ids))
    if (store_id := _store_id(query["store"])) is not None:
        found = found.where(Redemption.store_id == store_id)
    if query["cursor"] is not None:
        found = found.where(Redemption.id < query["cursor"])
    if day := query["day_from"]:
        early = day_start(day, chain.timezone, chain.cutoff_hour) - timedelta(days=2)
        found = found.where(Checkout.business_day >= day, Redemption.redeemed_at >= early)
    if day := query["day_to"]:
        found = found.where(Checkout.business_day <= day)
    return found


def _redemption(row: Any) -> dict[str, Any]:
    used, business_day, offer, store_code, card_number, _ = row
    return {
        "id": used.id,
        "checkout_id": used.checkout_id,
        "coupon_id": used.coupon_id,
        "offer_id": used.offer_id,
        "offer": offer,
        "store_code": store_code,
        "card_number": card_number,
        "discount_cents": used.discount_cents,
        "business_day": business_day.isoformat(),
        "redeemed_at": used.redeemed_at.isoformat(),
        "undone_at": used.undone_at and used.undone_at.isoformat(),
    }
