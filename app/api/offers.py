"""Offers, and the coupons that wallets claim from them."""

from collections.abc import Sequence
from typing import Any

from flask import Response
from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.api.idempotent import idempotency_key, replayed, request_fingerprint
from app.api.offer_schemas import OfferSchema, draft_shown, said_of
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import EVERYBODY, WALLET, access, actor
from app.wallet.showing import public_url
from core.clock import utc_now
from core.db import transaction
from core.hot import one_action, this_transaction
from core.idempotency import Answer, earlier_answer, keep_answer
from coupons import queries
from coupons.claiming import Claimed, claim
from coupons.drafts import version_of
from coupons.models import CouponSource, CouponState, Offer, OfferState
from coupons.offers import drafts_of, get_offer, list_offers
from coupons.scopes import scopes_of
from stores.queries import get_chain

bp = api_blueprint("offers", "Offers and claiming")


class ClaimedSchema(Schema):
    """A coupon that was just claimed."""

    id = fields.Integer()
    code = fields.String()
    offer_id = fields.Integer()
    card_id = fields.Integer()
    state = fields.String()
    valid_from = fields.AwareDateTime(format="iso")
    valid_until = fields.AwareDateTime(format="iso", metadata={"description": "exclusive"})


class OfferQuery(PageQuery):
    """A page of offers, perhaps of one state."""

    state = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(list(OfferState)))


@bp.post("/offers/<int:offer_id>/coupons")
@access(WALLET)
@bp.alt_response(201, schema=ClaimedSchema)
def claim_coupon(offer_id: int) -> tuple[dict[str, Any], int] | Response:
    """Claim one coupon for the card this wallet holds. With an Idempotency-Key a repeat gets the first coupon."""
    key = idempotency_key()
    if key is not None:
        return _claim_once(offer_id, key)
    with one_action() as hot:
        claimed = claim(hot, offer_id, wallet_id=actor().id, source=CouponSource.API, now=utc_now())
    return _claimed_json(claimed), 201


def _claim_once(offer_id: int, key: str) -> tuple[dict[str, Any], int] | Response:
    """The claim and its answer in one transaction; a refusal is not kept, so it may be tried again."""
    scope, now = actor().author_name, utc_now()
    with transaction():
        earlier = earlier_answer(scope, key, fingerprint=request_fingerprint(), now=now)
        if earlier is None:
            claimed = claim(this_transaction(), offer_id, wallet_id=actor().id, source=CouponSource.API, now=now)
            body = _claimed_json(claimed)
            keep_answer(scope, key, Answer(201, body))
            return body, 201
    return replayed(earlier)


def _claimed_json(claimed: Claimed) -> dict[str, Any]:
    return {
        "id": claimed.id,
        "code": claimed.code,
        "offer_id": claimed.offer_id,
        "card_id": claimed.card_id,
        "state": CouponState.CLAIMED,
        "valid_from": claimed.valid_from.isoformat(),
        "valid_until": claimed.valid_until.isoformat(),
    }


@bp.get("/offers")
@access(*EVERYBODY)
@bp.arguments(OfferQuery, location="query")
@bp.response(200, page_schema(OfferSchema))
def offers(asked: dict[str, Any]) -> dict[str, Any]:
    """The chain's offers, newest first."""
    rows = list_offers(actor().chain_id, state=asked["state"], after=asked["cursor"], limit=asked["limit"])
    shown = offers_shown(rows)
    return page(rows, limit=asked["limit"], show=lambda offer: shown[offer.id])


@bp.get("/offers/<int:offer_id>")
@access(*EVERYBODY)
@bp.response(200, OfferSchema)
def offer(offer_id: int) -> dict[str, Any]:
    """One offer: its rules, what customers read of them, and what became of its coupons."""
    return offers_shown([get_offer(actor().chain_id, offer_id)])[offer_id]


def offers_shown(rows: Sequence[Offer]) -> dict[int, dict[str, Any]]:
    """Offers of the caller's chain as they are answered; as many queries as for one."""
    chain = get_chain(actor().chain_id)
    ids = [offer.id for offer in rows]
    left, funnels = queries.count_left(ids), queries.funnels(ids, now=utc_now())
    drafts, scopes = drafts_of(rows), scopes_of(rows)
    own = ("id", "state", "submitted_at", "submitted_by", "approved_at", "approved_by", "created_at")
    return {
        offer.id: draft_shown(drafts[offer.id])
        | {name: getattr(offer, name) for name in own}
        | said_of(offer, chain, scopes[offer.id])
        | {
            "version": version_of(drafts[offer.id]),
            "left": left.get(offer.id),
            "claimed": funnels[offer.id].claimed,
            "redeemed": funnels[offer.id].redeemed,
            "url": public_url(f"/o/{offer.token}") if offer.is_public else None,
        }
        for offer in rows
    }
