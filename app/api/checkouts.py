"""Purchases for tills and partner systems: quote, settle, reserve, undo, refund."""

from typing import Any

from app.api.acting_store import acting_store_id
from app.api.blueprint import api_blueprint
from app.api.checkout_schemas import (
    IDEMPOTENCY_HEADER,
    CheckoutSchema,
    PriceCheckoutSchema,
    QuoteSchema,
    RefundCheckoutSchema,
    RefundSchema,
    ReleasedCheckoutSchema,
    ReserveCheckoutSchema,
    SettleCheckoutSchema,
    VoidCheckoutSchema,
    VoidedCheckoutSchema,
    items_of,
    quote_json,
    refunded_json,
    released_json,
    settled_json,
    voided_json,
)
from app.api.idempotent import idempotency_key, in_one_transaction, request_fingerprint
from app.auth.guard import TILL, access, actor, author
from app.till.approving import approval_of
from app.till.booking import book, request_id_of
from app.till.overdue import was_let_go
from app.till.refusing import refusals_noted
from app.till.tickets import card_at_till, number_in, wrong_codes_counted
from checkout import errors, quoting, refunding, reserving, voiding
from checkout.models import TillAction
from checkout.policies import Approval
from checkout.quoting import Presented, Quote
from checkout.undoing import find_checkout
from core.clock import utc_now
from core.hot import reading
from core.idempotency import fingerprint
from core.tokens import new_secret

bp = api_blueprint("checkouts", "Purchases at the till")


@bp.post("/checkouts/quote")
@bp.arguments(PriceCheckoutSchema())
@bp.alt_response(200, schema=QuoteSchema)
@access(*TILL)
def quote_checkout(body: dict[str, Any]) -> dict[str, Any]:
    """Price a purchase: discounts, the best combination, and for each coupon that does not fit, why."""
    store_id = acting_store_id(body["store_code"])
    _refuse_value(body)
    with wrong_codes_counted():
        card = card_at_till(body["card_code"])
        quote = _quote(store_id, card, body)
        if was_let_go(quote.standing):
            quote = _quote(store_id, card, body)
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
    return _book(body, TillAction.SETTLE)


@bp.post("/checkouts/reservations")
@bp.arguments(ReserveCheckoutSchema())
@bp.doc(parameters=[IDEMPOTENCY_HEADER])
@bp.alt_response(201, schema=CheckoutSchema)
@access(*TILL)
def reserve_checkout(body: dict[str, Any]) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Hold the coupons and points of a purchase for some minutes, until it is confirmed or released."""
    return _book(body, TillAction.RESERVE, reserve_minutes=body["minutes"])


@bp.post("/checkouts/<int:checkout_id>/confirm")
@bp.doc(parameters=[IDEMPOTENCY_HEADER])
@bp.alt_response(200, schema=CheckoutSchema)
@access(*TILL)
def confirm_checkout(checkout_id: int) -> Any:
    """Book a reserved purchase at the price it was reserved for."""
    with refusals_noted(TillAction.CONFIRM, checkout_id=checkout_id):
        return _confirm(checkout_id)


@bp.post("/checkouts/<int:checkout_id>/release")
@bp.doc(parameters=[IDEMPOTENCY_HEADER])
@bp.alt_response(200, schema=ReleasedCheckoutSchema)
@access(*TILL)
def release_checkout(checkout_id: int) -> Any:
    """Give up a reserved purchase: its coupons and points are free again."""
    with refusals_noted(TillAction.RELEASE, checkout_id=checkout_id):
        return _release(checkout_id)


@bp.post("/checkouts/<int:checkout_id>/void")
@bp.arguments(VoidCheckoutSchema(), required=False)
@bp.doc(parameters=[IDEMPOTENCY_HEADER])
@bp.alt_response(200, schema=VoidedCheckoutSchema)
@access(*TILL)
def void_checkout(body: dict[str, Any], checkout_id: int) -> Any:
    """Undo a checkout, within the time that the chain gives the key's role, or with a manager's approval."""
    with refusals_noted(TillAction.VOID, checkout_id=checkout_id):
        return _void(checkout_id, _approval(body, checkout_id))


@bp.post("/checkouts/<int:checkout_id>/refunds")
@bp.arguments(RefundCheckoutSchema())
@bp.doc(parameters=[IDEMPOTENCY_HEADER])
@bp.alt_response(201, schema=RefundSchema)
@access(*TILL)
def refund_checkout(body: dict[str, Any], checkout_id: int) -> Any:
    """Hand a part of the payment back, within the limit of the key's role, or with a manager's approval."""
    with refusals_noted(TillAction.REFUND, checkout_id=checkout_id, amount_cents=body["amount_cents"]):
        return _refund(checkout_id, body, _approval(body, checkout_id))


def _quote(store_id: int, card: Presented, body: dict[str, Any]) -> Quote:
    with reading() as hot:
        return quoting.quote(
            hot,
            actor().chain_id,
            store_id,
            card,
            body["amount_cents"],
            now=utc_now(),
            coupon_ids=body["coupons"],
            use_points=body["use_points"],
            items=items_of(body["items"]),
        )


def _book(
    body: dict[str, Any], action: TillAction, *, reserve_minutes: int | None = None
) -> tuple[dict[str, Any], int, dict[str, str]]:
    key = idempotency_key() or new_secret()
    store_id = acting_store_id(body["store_code"])
    card_number, amount_cents = number_in(body["card_code"]), body["amount_cents"]
    with refusals_noted(action, store_id=store_id, card_number=card_number, amount_cents=amount_cents):
        _refuse_value(body)
        booked = book(
            body["card_code"],
            store_id=store_id,
            amount_cents=amount_cents,
            coupon_ids=body["coupons"] or (),
            seen_payable_cents=body["payable_cents"],
            use_points=body["use_points"],
            items=items_of(body["items"]),
            key=key,
            fingerprint=request_fingerprint(),
            reserve_minutes=reserve_minutes,
        )
    headers = {"Idempotent-Replay": "true"} if booked.is_repeat else {}
    return settled_json(booked), 201, headers


@in_one_transaction
def _confirm(checkout_id: int) -> tuple[dict[str, Any], int]:
    who = actor()
    confirmed = reserving.confirm(who.chain_id, checkout_id, store_ids=who.store_ids, by=author(), now=utc_now())
    return settled_json(confirmed), 200


@in_one_transaction
def _release(checkout_id: int) -> tuple[dict[str, Any], int]:
    who = actor()
    given_back = reserving.release(who.chain_id, checkout_id, store_ids=who.store_ids, by=author(), now=utc_now())
    return released_json(checkout_id, given_back), 200


@in_one_transaction
def _void(checkout_id: int, approval: Approval | None) -> tuple[dict[str, Any], int]:
    who = actor()
    voided = voiding.void(
        who.chain_id,
        checkout_id,
        role=who.role,
        store_ids=who.store_ids,
        by=author(),
        now=utc_now(),
        approval=approval,
    )
    return voided_json(voided), 200


@in_one_transaction
def _refund(checkout_id: int, body: dict[str, Any], approval: Approval | None) -> tuple[dict[str, Any], int]:
    who = actor()
    refunded = refunding.refund(
        who.chain_id,
        checkout_id,
        body["amount_cents"],
        request_id=request_id_of(who.author_name, idempotency_key() or new_secret()),
        fingerprint=fingerprint("refund", checkout_id, body["amount_cents"], body["reason"]),
        role=who.role,
        store_ids=who.store_ids,
        by=author(),
        now=utc_now(),
        reason=body["reason"],
        approval=approval,
    )
    return refunded_json(refunded), 201


def _approval(body: dict[str, Any], checkout_id: int) -> Approval | None:
    said = body.get("approval")
    if not said:
        return None
    where = find_checkout(actor().chain_id, checkout_id, actor().store_ids)
    return approval_of(where.store_id, login=said["login"], pin=said["pin"])


def _refuse_value(body: dict[str, Any]) -> None:
    if body["use_value_cents"]:
        raise errors.ValueNotAccepted()
