"""Words and printed codes that become coupons, and coupons that staff give."""

from typing import Any

from marshmallow import Schema, fields, validate

from app.api.acting_store import acting_store_id
from app.api.blueprint import api_blueprint
from app.api.idempotent import in_one_transaction
from app.auth.guard import HQ_ADMIN, TILL, WALLET, access, actor, author
from app.security import note_wrong_code, slow_down_guessing
from app.till.tickets import card_at_till, wrong_codes_counted
from cards import holding
from cards.models import CardState
from checkout import quoting
from checkout.quoting import Standing
from core.clock import utc_now
from core.errors import Invalid
from core.hot import this_transaction
from core.text import Text
from coupons import entering, errors, staff_gifts, voiding
from coupons.entering import Entered, Entry
from stores import staffing
from stores.models import Role

bp = api_blueprint("entering", "Words, printed codes, gifts of staff, coupons taken away")


class CardCodeNeeded(Invalid):
    """A till says for whose card."""

    code = "card_code_needed"
    sentence = Text("收银端要同时给出会员码 card_code。", "A till sends the member's card_code with it.")


class EnterSchema(Schema):
    """A claim word or a printed code, as it was typed."""

    text = fields.String(required=True, validate=validate.Length(1, entering.LONGEST))
    chain = fields.String(
        load_default=None,
        validate=validate.Length(1, 40),
        metadata={"description": "for a wallet: the slug of the chain, where several of its chains know the text"},
    )
    card_code = fields.String(
        load_default=None,
        validate=validate.Length(1, 200),
        metadata={"description": "for a till: the code the card shows, or a ticket"},
    )
    store_code = fields.String(
        load_default=None, validate=validate.Length(1, 40), metadata={"description": "for a head-office key"}
    )


class EnteredSchema(Schema):
    """The coupon that came of it."""

    coupon_id = fields.Integer()
    offer_id = fields.Integer()
    card_id = fields.Integer()
    was_there = fields.Boolean(metadata={"description": "this card had it from the same printed code before"})


class GiveSchema(Schema):
    """A coupon that a member of staff gives."""

    card_code = fields.String(required=True, validate=validate.Length(1, 200))
    offer_id = fields.Integer(required=True, strict=True, validate=validate.Range(1, 2**53))
    login = fields.String(
        required=True, validate=validate.Length(1, 200), metadata={"description": "of the member of staff who gives"}
    )
    reason = fields.String(required=True, validate=validate.Length(1, staff_gifts.LONGEST_REASON))
    store_code = fields.String(
        load_default=None, validate=validate.Length(1, 40), metadata={"description": "for a head-office key"}
    )


class VoidCouponSchema(Schema):
    """Why a coupon is taken away."""

    reason = fields.String(required=True, validate=validate.Length(1, 200))


class VoidedCouponSchema(Schema):
    """A coupon that is void."""

    id = fields.Integer()
    offer_id = fields.Integer()
    card_id = fields.Integer()
    state = fields.String()


@bp.post("/coupons/enter")
@bp.arguments(EnterSchema())
@bp.alt_response(201, schema=EnteredSchema)
@access(WALLET, *TILL)
@in_one_transaction
def enter_code(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Turn a claim word or a printed code into a coupon: of the wallet's card, or of the card at the till.

    Unknown, mistyped and void codes get one answer; a till is told which.
    """
    guesser = None if actor().role == WALLET else actor().author_name  # whoever guesses has wallets by the hundred
    slow_down_guessing(guesser)
    try:
        entered = _at_till(body) if actor().role != WALLET else _by_wallet(body)
    except (errors.EnteredCodeUnknown, errors.PrintedCodeMistyped):
        note_wrong_code(guesser)
        raise
    return entered._asdict(), 201


@bp.post("/coupons/gifts-of-staff")
@bp.arguments(GiveSchema())
@bp.alt_response(201, schema=EnteredSchema)
@access(*TILL)
@in_one_transaction
def give_coupon(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Give the member at the till a coupon, in the name of a member of staff, who may give so many a day."""
    store_id = acting_store_id(body["store_code"])
    given = staff_gifts.give(
        actor().chain_id,
        body["offer_id"],
        staff_id=_giver(body["login"], store_id),
        card_id=_standing(body["card_code"], store_id).card_id,
        store_id=store_id,
        reason=body["reason"],
        by=author(),
        now=utc_now(),
    )
    return Entered(given.id, given.offer_id, given.card_id, was_there=False)._asdict(), 201


@bp.post("/coupons/<int:coupon_id>/void")
@bp.arguments(VoidCouponSchema())
@bp.alt_response(200, schema=VoidedCouponSchema)
@access(*HQ_ADMIN)
@in_one_transaction
def void_coupon(body: dict[str, Any], coupon_id: int) -> tuple[dict[str, Any], int]:
    """Take a member's coupon away, with a reason. What it had committed of the offer's budget is free again."""
    coupon = voiding.void_coupon(actor().chain_id, coupon_id, reason=body["reason"], by=author(), now=utc_now())
    return {"id": coupon.id, "offer_id": coupon.offer_id, "card_id": coupon.card_id, "state": coupon.state}, 200


def _giver(login: str, store_id: int) -> int:
    """The person with this log-in name, if he works at the till of this store. Raises LoginUnknown."""
    person = staffing.get_staff_by_login(actor().chain_id, login)
    stores = {store.id for store in staffing.stores_of_staff([person.id]).get(person.id, [])}
    is_here = person.role == Role.HQ_ADMIN or (person.role in TILL and store_id in stores)
    if person.disabled_at is not None or not is_here:
        raise staffing.LoginUnknown(login=login)
    return person.id


def _by_wallet(body: dict[str, Any]) -> Entered:
    now = utc_now()
    held = [h for h in holding.cards_of_wallet(actor().id, now=now) if h.card.state == CardState.ACTIVE]
    held = [h for h in held if body["chain"] in (None, h.chain.slug)]
    if not held:
        raise errors.CardNeeded()
    entry = _only(entering.find_entries({h.chain.id for h in held}, body["text"]))
    card_ids = sorted(h.card.id for h in held if h.chain.id == entry.chain_id)
    return entering.enter(entry, card_ids=card_ids, now=now)


def _only(entries: list[Entry]) -> Entry:
    if not entries:
        raise errors.EnteredCodeUnknown()
    if len(entries) > 1:
        raise errors.EnteredCodeAmbiguous()
    return entries[0]


def _at_till(body: dict[str, Any]) -> Entered:
    if body["card_code"] is None:
        raise CardCodeNeeded()
    store_id = acting_store_id(body["store_code"])
    standing = _standing(body["card_code"], store_id)
    entries = entering.find_entries([actor().chain_id], body["text"])
    if not entries:
        raise entering.why_unknown(body["text"])
    return entering.enter(entries[0], card_ids=[standing.card_id], store_id=store_id, for_staff=True, now=utc_now())


def _standing(card_code: str, store_id: int) -> Standing:
    with wrong_codes_counted():
        return quoting.find_standing(
            this_transaction(), actor().chain_id, store_id, card_at_till(card_code), now=utc_now()
        )
