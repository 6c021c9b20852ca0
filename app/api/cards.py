"""A card, for the wallet that holds it and for the till it stands at."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.auth.guard import TILL, WALLET, Actor, access, actor
from app.languages import language
from app.till.tickets import card_at_till, wrong_codes_counted
from cards.holding import CardNotHeld
from cards.rotating_code import CardCodeUnknown, shown_code
from checkout import quoting
from checkout.queries import CardView, find_card
from core.clock import utc_now
from core.hot import reading
from core.text import Text
from coupons import terms
from coupons.queries import HeldCoupon, coupons_of_card

bp = api_blueprint("cards", "Cards")


class CardQuery(Schema):
    """How a till proves that a member of another store stands before it."""

    card_code = fields.String(
        load_default=None,
        validate=validate.Length(1, 200),
        metadata={"description": "the code the card shows; a store's key needs it for members of other stores"},
    )


class HeldCouponSchema(Schema):
    """A coupon of a card."""

    id = fields.Integer()
    offer_id = fields.Integer()
    name = fields.String()
    terms = fields.String()
    state = fields.String()
    valid_from = fields.AwareDateTime(format="iso")
    valid_until = fields.AwareDateTime(format="iso", metadata={"description": "exclusive"})


class TierSchema(Schema):
    name = fields.String()
    discount_bp = fields.Integer(metadata={"description": "taken off, in basis points: 500 is 5 %"})
    points_multiplier_bp = fields.Integer()


class CardSchema(Schema):
    """A membership card."""

    id = fields.Integer()
    number = fields.String()
    state = fields.String()
    chain = fields.String()
    program = fields.String()
    tier = fields.Nested(TierSchema)
    points = fields.Integer()
    value_cents = fields.Integer()
    currency = fields.String()
    issued_at = fields.AwareDateTime(format="iso")
    coupons = fields.List(fields.Nested(HeldCouponSchema), metadata={"description": "the usable first"})


class ShownCodeSchema(Schema):
    """What the card shows at the till now."""

    value = fields.String(metadata={"description": "24 digits"})
    expires_at = fields.AwareDateTime(format="iso", allow_none=True, metadata={"description": "null: a static code"})


@bp.get("/cards/<number>")
@bp.arguments(CardQuery, location="query")
@bp.alt_response(200, schema=CardSchema)
@access(WALLET, *TILL)
def get_card(query: dict[str, Any], number: str) -> dict[str, Any]:
    """A card: its tier, points, value and coupons. For the wallet that holds it, or a till."""
    who = actor()
    found = find_card(number, wallet_id=who.id) if who.role == WALLET else _at_till(number, query["card_code"])
    if found is None:
        raise CardNotHeld() if who.role == WALLET else CardCodeUnknown()
    return card_json(found, coupons_of_card(found.card.id, now=utc_now()))


@bp.get("/cards/<number>/code")
@bp.alt_response(200, schema=ShownCodeSchema)
@access(WALLET)
def get_code(number: str) -> dict[str, Any]:
    """The code the card shows at the till now. Ask again when it has expired."""
    found = find_card(number, wallet_id=actor().id)
    if found is None:
        raise CardNotHeld()
    code = shown_code(found.card.number, found.card.code_secret, found.program.code_mode, now=utc_now())
    return {"value": code.value, "expires_at": code.expires_at and code.expires_at.isoformat()}


def _at_till(number: str, card_code: str | None) -> CardView | None:
    """The card, when it is of the key's stores or shows its code here."""
    who = actor()
    with wrong_codes_counted():
        found = find_card(number, chain_id=who.chain_id)
        if found is None:
            raise CardCodeUnknown()
        if _is_ours(who, found) or (card_code is not None and _shows(found, card_code)):
            return found
        raise CardCodeUnknown()


def _is_ours(who: Actor, found: CardView) -> bool:
    return who.may_see_store(found.card.store_id) or who.may_see_store(found.member_store_id)


def _shows(found: CardView, card_code: str) -> bool:
    who, card = actor(), card_at_till(card_code)
    store_id = next(iter(who.store_ids or ()), 0)
    if card.number != found.card.number:
        return False
    with reading() as hot:
        quoting.find_standing(hot, who.chain_id, store_id, card, now=utc_now())
    return True


def card_json(found: CardView, coupons: list[HeldCoupon]) -> dict[str, Any]:
    """A card in the reader's language."""
    card, tier, program, chain, tongue = found.card, found.tier, found.program, found.chain, language()
    return {
        "id": card.id,
        "number": card.number,
        "state": card.state,
        "chain": Text(chain.name, chain.name_en).say(tongue),
        "program": Text(program.name, program.name_en).say(tongue),
        "tier": {
            "name": Text(tier.name, tier.name_en).say(tongue),
            "discount_bp": tier.discount_bp,
            "points_multiplier_bp": tier.points_multiplier_bp,
        },
        "points": card.points,
        "value_cents": card.value_cents,
        "currency": chain.currency,
        "issued_at": card.issued_at.isoformat(),
        "coupons": [_coupon_json(held, chain.currency, tongue) for held in coupons],
    }


def _coupon_json(held: HeldCoupon, currency: str, tongue: str) -> dict[str, Any]:
    coupon, offer = held.coupon, held.offer
    return {
        "id": coupon.id,
        "offer_id": offer.id,
        "name": Text(offer.name, offer.name_en).say(tongue),
        "terms": terms.sentence(offer, currency).say(tongue),
        "state": held.state,
        "valid_from": coupon.valid_from.isoformat(),
        "valid_until": coupon.valid_until.isoformat(),
    }
