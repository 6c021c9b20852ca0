"""Purchases as JSON: what travels, and in which words."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.languages import language
from app.till.tickets import give_ticket
from cards.contacts import masked_name, masked_phone
from checkout import quoting, settling, voiding
from checkout.models import CheckoutState
from checkout.refunding import Refunded
from checkout.undoing import GivenBack
from coupons.applicability import Item

BIGGEST = 2**53  # what every JSON reader can hold
MOST_ITEMS = 500
IDEMPOTENCY_HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "schema": {"type": "string", "minLength": 6, "maxLength": 80},
    "description": "The same key with the same body gets the first answer; with another body 409.",
}


class ItemSchema(Schema):
    """A line of the basket."""

    sku = fields.String(load_default=None, validate=validate.Length(1, 80))
    name = fields.String(required=True, validate=validate.Length(1, 200))
    quantity = fields.Integer(required=True, strict=True, validate=validate.Range(1, 10_000))
    price_cents = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(0, quoting.MOST_CENTS),
        metadata={"description": "of one piece"},
    )


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
        validate=validate.Length(max=200),
        metadata={"description": "a quote without it takes the best combination, a checkout none"},
    )
    use_points = fields.Integer(
        load_default=0,
        strict=True,
        validate=validate.Range(0, BIGGEST),
        metadata={"description": "to be spent, in multiples of the step that a quote tells"},
    )
    use_value_cents = fields.Integer(
        load_default=0,
        strict=True,
        validate=validate.Range(0, BIGGEST),
        metadata={"description": "only 0: cards hold no stored value"},
    )
    items = fields.List(
        fields.Nested(ItemSchema),
        load_default=None,
        validate=validate.Length(1, MOST_ITEMS),
        metadata={
            "description": "adds up to amount_cents. With it a coupon for an item needs that item, by name or SKU, and"
            " takes off the price it has here, at most the one its terms name"
        },
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


class ReserveCheckoutSchema(SettleCheckoutSchema):
    """A purchase whose coupons and points are to be held until it is confirmed or released."""

    minutes = fields.Integer(load_default=10, strict=True, metadata={"description": "1 to 60"})


class ApprovalSchema(Schema):
    """A manager of the store, or an administrator, allows what the key's role may not do by itself."""

    login = fields.String(required=True, validate=validate.Length(1, 120))
    pin = fields.String(required=True, validate=validate.Length(1, 20), metadata={"description": "six digits"})


class VoidCheckoutSchema(Schema):
    """An undo; beyond the time of the key's role with an approval."""

    approval = fields.Nested(ApprovalSchema, load_default=None)


class RefundCheckoutSchema(Schema):
    """A part of the payment to be handed back."""

    amount_cents = fields.Integer(required=True, strict=True, validate=validate.Range(-BIGGEST, BIGGEST))
    reason = fields.String(load_default="", validate=validate.Length(max=200))
    approval = fields.Nested(ApprovalSchema, load_default=None)


class DiscountSchema(Schema):
    """One step from the amount to what is payable."""

    kind = fields.String(metadata={"enum": list(quoting.LineKind)})
    label = fields.String()
    coupon_id = fields.Integer(allow_none=True)
    discount_cents = fields.Integer()


class FittingCouponSchema(Schema):
    """A coupon that can be used, and what it takes off by itself."""

    coupon_id = fields.Integer()
    offer_id = fields.Integer()
    name = fields.String()
    discount_cents = fields.Integer()


class RefusedCouponSchema(Schema):
    """A coupon that cannot be used now, or not together with those chosen, and why."""

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


class SpendablePointsSchema(Schema):
    """How many points this purchase takes, and what they take off."""

    most_points = fields.Integer()
    most_cents = fields.Integer()
    step_points = fields.Integer(metadata={"description": "points are used in multiples of this …"})
    step_cents = fields.Integer(metadata={"description": "… each of which takes so much off"})


class QuoteSchema(Schema):
    """What is to be paid and why. Discounts stand in the order in which they were calculated."""

    card = fields.Nested(CardAtTillSchema)
    card_ticket = fields.String(metadata={"description": "stands for card_code for 15 minutes"})
    currency = fields.String()
    amount_cents = fields.Integer()
    discounts = fields.List(fields.Nested(DiscountSchema))
    payable_cents = fields.Integer()
    points = fields.Integer(metadata={"description": "what the purchase will earn"})
    points_used = fields.Integer()
    spendable_points = fields.Nested(
        SpendablePointsSchema, allow_none=True, metadata={"description": "null: points cannot be spent"}
    )
    coupons = fields.List(fields.Integer(), metadata={"description": "used in this price"})
    best = fields.List(fields.Integer(), metadata={"description": "the best combination"})
    best_payable_cents = fields.Integer(metadata={"description": "with the best combination, before points"})
    is_best_exact = fields.Boolean(metadata={"description": "false: too many ways to be sure that none is better"})
    fits = fields.List(fields.Nested(FittingCouponSchema), metadata={"description": "the largest first"})
    refusals = fields.List(fields.Nested(RefusedCouponSchema))


class CheckoutSchema(Schema):
    """A booked or reserved purchase."""

    id = fields.Integer()
    state = fields.String(metadata={"enum": list(CheckoutState)})
    amount_cents = fields.Integer()
    member_discount_cents = fields.Integer()
    coupon_discount_cents = fields.Integer()
    points_used = fields.Integer()
    points_discount_cents = fields.Integer()
    payable_cents = fields.Integer()
    points_earned = fields.Integer(metadata={"description": "of a reserved one: what it will earn"})
    coupons = fields.List(fields.Integer())
    settled_at = fields.AwareDateTime(format="iso", allow_none=True)
    business_day = fields.Date(allow_none=True)
    reserved_until = fields.AwareDateTime(format="iso", allow_none=True)


class VoidedCheckoutSchema(Schema):
    """What an undo did."""

    id = fields.Integer()
    state = fields.String(metadata={"enum": ["voided"]})
    payable_cents = fields.Integer(metadata={"description": "to be handed back"})
    coupons = fields.List(fields.Integer(), metadata={"description": "usable again"})
    expired_coupons = fields.List(fields.Integer(), metadata={"description": "their time had passed meanwhile"})
    points_taken = fields.Integer()
    points_short = fields.Integer(metadata={"description": "spent meanwhile, so not taken"})
    points_returned = fields.Integer(metadata={"description": "of those it had used"})
    voided_at = fields.AwareDateTime(format="iso")


class RefundSchema(Schema):
    """What a refund did."""

    id = fields.Integer()
    checkout_id = fields.Integer()
    state = fields.String(metadata={"enum": ["settled", "refunded"], "description": "of the checkout"})
    amount_cents = fields.Integer(metadata={"description": "to be handed back now"})
    refunded_cents = fields.Integer(metadata={"description": "of the checkout in all"})
    left_cents = fields.Integer()
    coupons = fields.List(fields.Integer(), metadata={"description": "usable again: when all is refunded"})
    expired_coupons = fields.List(fields.Integer())
    points_taken = fields.Integer()
    points_short = fields.Integer()
    points_returned = fields.Integer()
    refunded_at = fields.AwareDateTime(format="iso")


class ReleasedCheckoutSchema(Schema):
    """A reservation given up."""

    id = fields.Integer()
    state = fields.String(metadata={"enum": ["released"]})
    coupons = fields.List(fields.Integer(), metadata={"description": "usable again"})
    expired_coupons = fields.List(fields.Integer())


def items_of(said: list[dict[str, Any]] | None) -> tuple[Item, ...] | None:
    """The basket as it was sent."""
    return None if said is None else tuple(Item(**item) for item in said)


def quote_json(quote: quoting.Quote) -> dict[str, Any]:
    """A quote in the reader's language."""
    standing, tongue, spendable = quote.standing, language(), quote.spendable
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
        "points_used": quote.points_used,
        "spendable_points": spendable and spendable._asdict(),
        "coupons": list(quote.coupon_ids),
        "best": list(quote.best.coupon_ids),
        "best_payable_cents": quote.best.payable_cents,
        "is_best_exact": quote.best.is_exact,
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
        "points_used": settled.points_used,
        "points_discount_cents": settled.points_discount_cents,
        "payable_cents": settled.payable_cents,
        "points_earned": settled.points_earned,
        "coupons": list(settled.coupon_ids),
        "settled_at": settled.settled_at and settled.settled_at.isoformat(),
        "business_day": settled.business_day and settled.business_day.isoformat(),
        "reserved_until": settled.reserved_until and settled.reserved_until.isoformat(),
    }


def voided_json(voided: voiding.Voided) -> dict[str, Any]:
    return {
        "id": voided.id,
        "state": CheckoutState.VOIDED,
        "payable_cents": voided.payable_cents,
        "coupons": list(voided.coupon_ids),
        "expired_coupons": list(voided.expired_coupon_ids),
        "points_taken": voided.points_taken,
        "points_short": voided.points_short,
        "points_returned": voided.points_returned,
        "voided_at": voided.voided_at.isoformat(),
    }


def refunded_json(refunded: Refunded) -> dict[str, Any]:
    return {
        "id": refunded.id,
        "checkout_id": refunded.checkout_id,
        "state": refunded.state,
        "amount_cents": refunded.amount_cents,
        "refunded_cents": refunded.refunded_cents,
        "left_cents": refunded.left_cents,
        "coupons": list(refunded.coupon_ids),
        "expired_coupons": list(refunded.expired_coupon_ids),
        "points_taken": refunded.points_taken,
        "points_short": refunded.points_short,
        "points_returned": refunded.points_returned,
        "refunded_at": refunded.refunded_at.isoformat(),
    }


def released_json(checkout_id: int, given_back: GivenBack) -> dict[str, Any]:
    return {
        "id": checkout_id,
        "state": CheckoutState.RELEASED,
        "coupons": list(given_back.coupon_ids),
        "expired_coupons": list(given_back.expired_coupon_ids),
    }
