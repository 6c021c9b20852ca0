"""Offers, and the coupons that wallets claim from them."""

from typing import Any

from flask import Response
from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.api.idempotent import idempotency_key, replayed, request_fingerprint
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import EVERYBODY, WALLET, access, actor
from app.wallet.showing import public_url
from core.clock import utc_now
from core.db import db, transaction
from core.hot import one_action, this_transaction
from core.idempotency import Answer, earlier_answer, keep_answer
from coupons import queries, terms
from coupons.claiming import Claimed, claim
from coupons.models import CouponSource, CouponState, OfferState
from coupons.offers import list_offers
from stores.models import Chain

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


class SentenceSchema(Schema):
    """One sentence in both languages."""

    zh = fields.String()
    en = fields.String()


class OfferSchema(Schema):
    """What a coupon gives and when. Money in minor units, percentages in basis points."""

    id = fields.Integer()
    state = fields.String()
    name = fields.String()
    name_en = fields.String()
    sentence = fields.Nested(SentenceSchema, metadata={"description": "what the customer reads"})
    kind = fields.String()
    value_cents = fields.Integer(allow_none=True)
    percent_bp = fields.Integer(allow_none=True, metadata={"description": "taken off: 1000 is 10 %"})
    cap_cents = fields.Integer(allow_none=True)
    min_cents = fields.Integer()
    stock = fields.Integer(allow_none=True)
    left = fields.Integer(allow_none=True, metadata={"description": "null where there is no limit"})
    claimed = fields.Integer()
    redeemed = fields.Integer()
    per_member_limit = fields.Integer()
    valid_from = fields.AwareDateTime(format="iso", allow_none=True)
    valid_until = fields.AwareDateTime(format="iso", allow_none=True, metadata={"description": "exclusive"})
    valid_days = fields.Integer(allow_none=True, metadata={"description": "from the claim, its own day included"})
    welcome_program_id = fields.Integer(allow_none=True, metadata={"description": "the welcome gift of this program"})
    is_public = fields.Boolean()
    url = fields.String(allow_none=True, metadata={"description": "the public claim page"})
    created_at = fields.AwareDateTime(format="iso")


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
    chain = db.session.get_one(Chain, actor().chain_id)
    rows = list_offers(chain.id, state=asked["state"], after=asked["cursor"], limit=asked["limit"])
    ids = [offer.id for offer in rows]
    left, funnels = queries.count_left(ids), queries.funnels(ids, now=utc_now())

    def show(offer: Any) -> dict[str, Any]:
        columns = {name: getattr(offer, name) for name in OfferSchema().fields if hasattr(offer, name)}
        return columns | {
            "sentence": terms.sentence(offer, chain.currency)._asdict(),
            "left": left.get(offer.id),
            "claimed": funnels[offer.id].claimed,
            "redeemed": funnels[offer.id].redeemed,
            "welcome_program_id": offer.program_id,
            "url": public_url(f"/o/{offer.token}") if offer.is_public else None,
        }

    return page(rows, limit=asked["limit"], show=show)
