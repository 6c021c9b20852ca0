"""Proving the phone of a member: a code is sent to it, and told back."""

from typing import Any

from flask import Response
from marshmallow import Schema, fields, validate

from app import phone_codes
from app.api.blueprint import api_blueprint
from app.api.idempotent import idempotency_key, replayed, request_fingerprint
from app.auth.guard import WALLET, access, actor
from app.phone_codes import Once
from cards.freezing import CardNotFound
from cards.holding import HeldCard, card_of_wallet
from core.idempotency import Answer
from sharing.queries import find_own_card

bp = api_blueprint("phones", "Phones that members prove")


class AskPhoneCodeSchema(Schema):
    """The phone that is to be proved."""

    phone = fields.String(
        required=True,
        validate=validate.Length(1, 40),
        metadata={"description": "E.164, or as people dial it in the country of the chain's currency"},
    )


class PhoneCodeSchema(Schema):
    """A code is on its way; it ends the one before."""

    phone = fields.String(metadata={"description": "E.164"})
    valid_until = fields.AwareDateTime(format="iso")
    next_at = fields.AwareDateTime(format="iso", metadata={"description": "when another may be asked for"})


class VerifyPhoneSchema(Schema):
    """The code as the member typed it."""

    code = fields.String(
        required=True, validate=validate.Length(1, 20), metadata={"description": "six digits; five tries"}
    )


class VerifiedPhoneSchema(Schema):
    """The member's phone, proved."""

    phone = fields.String(metadata={"description": "E.164"})
    phone_verified_at = fields.AwareDateTime(format="iso")


@bp.post("/cards/<number>/phone-codes")
@access(WALLET)
@bp.arguments(AskPhoneCodeSchema)
@bp.alt_response(202, schema=PhoneCodeSchema)
def ask_phone_code(asked: dict[str, str], number: str) -> tuple[dict[str, Any], int] | Response:
    """Send a one-time code to a phone of the member who holds this card: one a minute, five an hour, ten a day."""
    held, key = _held(number), idempotency_key()
    once = Once(actor().author_name, key, request_fingerprint()) if key else None
    code = phone_codes.ask(held.chain, actor().id, asked["phone"], once=once)
    if isinstance(code, Answer):
        return replayed(code)
    return phone_codes.shown(code), 202


@bp.post("/cards/<number>/phone-codes/verify")
@access(WALLET)
@bp.arguments(VerifyPhoneSchema)
@bp.alt_response(200, schema=VerifiedPhoneSchema)
def verify_phone(typed: dict[str, str], number: str) -> tuple[dict[str, Any], int]:
    """Prove the phone by the code. The right code told twice is right twice, so repeats need no key."""
    idempotency_key()
    held = _held(number)
    phone_codes.verify(held.chain.id, actor().id, typed["code"])
    member = _held(number).member
    assert member.phone_verified_at is not None
    return {"phone": member.phone, "phone_verified_at": member.phone_verified_at.isoformat()}, 200


def _held(number: str) -> HeldCard:
    card = find_own_card(actor().id, number)
    if card is None:
        raise CardNotFound()
    return card_of_wallet(actor().id, card.id)
