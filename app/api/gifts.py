"""Giving coupons to friends, and taking what friends give."""

from typing import Any

from flask import g
from marshmallow import Schema, fields, validate

from app import gifts
from app.api.blueprint import api_blueprint
from app.api.idempotent import idempotency_key, in_one_transaction
from app.api.offers import ClaimedSchema
from app.api.traced import OPTIONAL_BODY, TracedSchema, told_trace, trace_in
from app.auth.guard import WALLET, access, actor
from app.security import note_wrong_code, slow_down_guessing
from app.wallet.showing import public_url
from cards.holding import card_of_wallet
from core.clock import utc_now
from coupons import gift_views, giving
from coupons.errors import CouponNotUsable, GiftGone
from coupons.gift_models import GiftState
from coupons.models import CouponState

bp = api_blueprint("gifts", "Coupons that members give to friends")


class GiveCouponSchema(TracedSchema):
    """A line that goes with the gift."""

    message = fields.String(load_default="", validate=validate.Length(max=giving.LONGEST_MESSAGE))


class CouponGiftSchema(Schema):
    """A coupon that waits for a friend: whoever opens its link first can take it."""

    token = fields.String()
    url = fields.String(metadata={"description": "the page a friend opens"})
    coupon_id = fields.Integer(metadata={"description": "the giver's"})
    state = fields.String(metadata={"description": "open, accepted, cancelled or timed_out"})
    message = fields.String()
    valid_until = fields.AwareDateTime(format="iso", metadata={"description": "then it goes back to the giver"})


class GiftCancelledSchema(Schema):
    """The coupon is its giver's again."""

    token = fields.String()
    coupon_id = fields.Integer()
    state = fields.String()


@bp.post("/coupons/<int:coupon_id>/gifts")
@access(WALLET)
@bp.arguments(GiveCouponSchema)
@bp.alt_response(201, schema=CouponGiftSchema)
@in_one_transaction
def give_coupon(said: dict[str, Any], coupon_id: int) -> tuple[dict[str, Any], int]:
    """Hold a coupon of this wallet out to a friend, for a day. While it waits no till takes it."""
    card_id = gift_views.find_card_of_coupon(actor().id, coupon_id)
    chain_id = card_of_wallet(actor().id, card_id).chain.id
    gift = gifts.give(chain_id, card_id, coupon_id, said["message"], now=utc_now(), trace=trace_in(said))
    shown = {
        "token": gift.token,
        "url": public_url(f"/g/{gift.token}"),
        "coupon_id": coupon_id,
        "state": GiftState.OPEN,
        "message": gift.message,
        "valid_until": gift.valid_until.isoformat(),
    }
    return shown, 201


@bp.post("/coupon-gifts/<token>/accept")
@access(WALLET)
@bp.doc(requestBody=OPTIONAL_BODY)
@bp.alt_response(201, schema=ClaimedSchema)
def accept_gift(token: str) -> tuple[dict[str, Any], int]:
    """Take a gift, and the chain's card with it where this wallet has none. Repeats get the same coupon."""
    idempotency_key()
    slow_down_guessing()
    trace = told_trace()
    try:
        taken = gifts.take(token, key_hash=g.wallet_key_hash, trace=trace)
    except GiftGone:
        if not gift_views.is_known(token):
            note_wrong_code()
        raise
    return taken._asdict() | {
        "state": CouponState.CLAIMED,
        "valid_from": taken.valid_from.isoformat(),
        "valid_until": taken.valid_until.isoformat(),
    }, 201


@bp.delete("/coupon-gifts/<token>")
@access(WALLET)
@bp.alt_response(200, schema=GiftCancelledSchema)
@in_one_transaction
def cancel_gift(token: str) -> tuple[dict[str, Any], int]:
    """Take a coupon back that this wallet holds out. Repeats do nothing more."""
    found = gift_views.find_gift(token)
    if found is None or found.giver_wallet_id != actor().id:
        raise GiftGone()
    state = found.gift.state
    if state == GiftState.ACCEPTED:
        raise CouponNotUsable()
    if state == GiftState.OPEN:
        giving.cancel(found.giver_card_id, found.coupon.id, now=utc_now())
        state = GiftState.CANCELLED
    return {"token": token, "coupon_id": found.coupon.id, "state": state}, 200
