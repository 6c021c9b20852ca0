"""Purchases for tills and partner systems: quote, settle, undo."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.api.idempotent import idempotency_key, in_one_transaction, request_fingerprint
from app.auth.guard import TILL, access, actor, author
from app.languages import language
from app.till.booking import book
from app.till.tickets import card_at_till, give_ticket, wrong_codes_counted
from cards.contacts import masked_name, masked_phone
from checkout import errors, queries, quoting, settling, voiding
from core.clock import utc_now
from core.hot import reading
from core.tokens import new_secret

bp = api_blueprint("checkouts", "Purchases at the till")

BIGGEST = 2**53  # what every JSON reader can hold
IDEMPOTENCY_HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 6, "maxLength": 80},
    "description": "The same key with the same body gets the first checkout; with another body 409.",
}


class PriceCheckoutSchema(Schema):
    """A purchase to be priced."""

    card_code = fields.String(
        required=True,
        validate=validate.Length(1, 200),
        metadata={"description": "the 24 digits the card shows, or the card_ticket of a quote (15 minutes)"},
    )
    amount_cents = fields.Integer(required=True, strict=True, metadata={"description": "before any discount"})
    coupons = fields.List(
        fields.Integer(strict=True, validate=validate.Range(1, BIGGEST)),
        load_default=None,
        validate=validate.Length(max=20),
        metadata={"description": "at most one; a quote without it takes the best, a checkout none"},
    )
    store_code = fields.String(
        load_default=None, validate=validate.Length(1, 40), metadata={"description": "only with a head-office key"}
    )


class SettleCheckoutSchema(PriceCheckoutSchema):
    """A purchase to be booked."""

    payable_cents = fields.Integer(
        load_default=None,
        strict=True,
        metadata={"description": "what the till showed; when it is not the price any more, 409 quote_changed"},
    )


class DiscountSchema(Schema):
    """One step from the amount to what is payable."""

    kind = fields.String(metadata={"enum": ["member_price", "coupon"]})
    label = fields.String()
    coupon_id = fields.Integer(allow_none=True)
    discount_cents = fields.Integer()


class FittingCouponSchema(Schema):
    """A coupon that can be used, and what it takes off."""

    coupon_id = fields.Integer()
    offer_id = fields.Integer()
    name = fields.String()
    discount_cents = fields.Integer()


class RefusedCouponSchema(Schema):
    """A coupon that cannot be used now, and why."""

    coupon_id = fields.Integer()
    name = fields.String(allow_none=True)
    code = fields.String()
    detail = fields.String()


class CardAtTillSchema(Schema):
    """Whose card it is, as far as a till needs to know."""

    number = fields.String()
    member_name = fields.String(metadata={"description": "masked"})
    member_phone = fields.String(metadata={"description": "masked"})
    tier = fields.String()
    points = fields.Integer()


class QuoteSchema(Schema):
    """What is to be paid and why. Discounts stand in the order in which they were calculated."""

    card = fields.Nested(CardAtTillSchema)
    card_ticket = fields.String(metadata={"description": "stands for card_code for 15 minutes"})
    currency = fields.String()
    amount_cents = fields.Integer()
    discounts = fields.List(fields.Nested(DiscountSchema))
    payable_cents = fields.Integer()
    points = fields.Integer(metadata={"description": "what the purchase will earn"})
    coupons = fields.List(fields.Integer(), metadata={"description": "used in this price"})
    best = fields.List(fields.Integer(), metadata={"description": "the best combination"})
    fits = fields.List(fields.Nested(FittingCouponSchema), metadata={"description": "the best first"})
    refusals = fields.List(fields.Nested(RefusedCouponSchema))


class CheckoutSchema(Schema):
    """A booked purchase."""

    id = fields.Integer()
    state = fields.String(metadata={"enum": ["settled", "voided"]})
    amount_cents = fields.Integer()
    member_discount_cents = fields.Integer()
    coupon_discount_cents = fields.Integer()
    payable_cents = fields.Integer()
    points_earned = fields.Integer()
    coupons = fields.List(fields.Integer())
    settled_at = fields.AwareDateTime(format="iso")
    business_day = fields.Date()


class VoidedCheckoutSchema(Schema):
    """What an undo did."""

    id = fields.Integer()
    state = fields.String()
    payable_cents = fields.Integer(metadata={"description": "to be handed back"})
    coupons = fields.List(fields.Integer(), metadata={"description": "usable again"})
    expired_coupons = fields.List(fields.Integer(), metadata={"description": "their time had passed meanwhile"})
    points_taken = fields.Integer()
    points_short = fields.Integer(metadata={"description": "spent meanwhile, so not taken"})
    voided_at = fields.AwareDateTime(format="iso")


@bp.post("/checkouts/quote")
@bp.arguments(PriceCheckoutSchema())
@bp.alt_response(200, schema=QuoteSchema)
@access(*TILL)
def quote_checkout(body: dict[str, Any]) -> dict[str, Any]:
    """Price a purchase: discounts, the best combination, and for each coupon that does not fit, why."""
    store_id = _store_id(body["store_code"])
    with wrong_codes_counted():
        card = card_at_till(body["card_code"])
        with reading() as hot:
            quote = quoting.quote(
                hot,
                actor().chain_id,
                store_id,
                card,
                body["amount_cents"],
                now=utc_now(),
                coupon_ids=body["coupons"],
            )
    return quote_json(quote)


@bp.post("/checkouts")
@bp.arguments(SettleCheckoutSchema())
@bp.doc(parameters=[IDEMPOTENCY_HEADER])
@bp.alt_response(201, schema=CheckoutSchema)
@access(*TILL)
def settle_checkout(body: dict[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Book a purchase at today's price, with the coupons chosen and no others.

    An Idempotency-Key counts in its store: a head-office key that sends one key for two stores books two purchases.
    """
    key = idempotency_key() or new_secret()
    settled = book(
        body["card_code"],
        store_id=_store_id(body["store_code"]),
        amount_cents=body["amount_cents"],
        coupon_ids=body["coupons"] or (),
        seen_payable_cents=body["payable_cents"],
        key=key,
        fingerprint=request_fingerprint(),
    )
    headers = {"Idempotent-Replay": "true"} if settled.is_repeat else {}
    return settled_json(settled), 201, headers


@bp.post("/checkouts/<int:checkout_id>/void")
@bp.doc(parameters=[IDEMPOTENCY_HEADER])
@bp.alt_response(200, schema=VoidedCheckoutSchema)
@access(*TILL)
@in_one_transaction
def void_checkout(checkout_id: int) -> tuple[dict[str, Any], int]:
    """Undo a checkout within the time its undoer has: a clerk 30 minutes of the same business day, others 48 hours."""
    who = actor()
    voided = voiding.void(who.chain_id, checkout_id, role=who.role, store_ids=who.store_ids, by=author(), now=utc_now())
    return voided_json(voided), 200


def _store_id(store_code: str | None) -> int:
    """The store this request acts for: the key's own, or the one a head-office key names."""
    who = actor()
    if store_code is None:
        if who.store_ids is None:
            raise errors.StoreNeeded()
        return next(iter(who.store_ids))
    till = queries.find_till_by_code(who.chain_id, store_code)
    if till is None or not who.may_see_store(till.store_id):
        raise errors.StoreNotFound()
    return till.store_id


def quote_json(quote: quoting.Quote) -> dict[str, Any]:
    """A quote in the reader's language."""
    standing, tongue = quote.standing, language()
    return {
        "card": {
            "number": standing.number,
            "member_name": masked_name(standing.member_name),
            "member_phone": masked_phone(standing.member_phone),
            "tier": standing.tier_name.say(tongue),
            "points": standing.points,
        },
        "card_ticket": give_ticket(standing.number),
        "currency": standing.currency,
        "amount_cents": quote.amount_cents,
        "discounts": [
            {
                "kind": line.kind,
                "label": line.label.say(tongue),
                "coupon_id": line.coupon_id,
                "discount_cents": line.discount_cents,
            }
            for line in quote.lines
        ],
        "payable_cents": quote.payable_cents,
        "points": quote.points,
        "coupons": list(quote.coupon_ids),
        "best": list(quote.best.coupon_ids),
        "fits": [
            {
                "coupon_id": coupon.id,
                "offer_id": coupon.offer_id,
                "name": coupon.name.say(tongue),
                "discount_cents": discount,
            }
            for coupon, discount in quote.fits
        ],
        "refusals": [
            {
                "coupon_id": refused.coupon_id,
                "name": refused.name and refused.name.say(tongue),
                "code": refused.refusal.code,
                "detail": refused.refusal.say(tongue),
            }
            for refused in quote.refused
        ],
    }


def settled_json(settled: settling.Settled) -> dict[str, Any]:
    return {
        "id": settled.id,
        "state": settled.state,
        "amount_cents": settled.amount_cents,
        "member_discount_cents": settled.member_discount_cents,
        "coupon_discount_cents": settled.coupon_discount_cents,
        "payable_cents": settled.payable_cents,
        "points_earned": settled.points_earned,
        "coupons": list(settled.coupon_ids),
        "settled_at": settled.settled_at and settled.settled_at.isoformat(),
        "business_day": settled.business_day and settled.business_day.isoformat(),
    }


def voided_json(voided: voiding.Voided) -> dict[str, Any]:
    return {
        "id": voided.id,
        "state": "voided",
        "payable_cents": voided.payable_cents,
        "coupons": list(voided.coupon_ids),
        "expired_coupons": list(voided.expired_coupon_ids),
        "points_taken": voided.points_taken,
        "points_short": voided.points_short,
        "voided_at": voided.voided_at.isoformat(),
    }
