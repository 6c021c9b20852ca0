"""A coupon for the member who stands at the till: given by the clerk for a reason, or off a printed code or a word."""

from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug import Response

from app.auth.guard import TILL, access, actor, author, require_staff
from app.errors import status_of
from app.languages import say
from app.security import note_wrong_code, row_number, slow_down_guessing
from app.till import desk
from app.till.showing import LONGEST_AMOUNT
from app.till.tickets import card_at_till, give_ticket, wrong_codes_counted
from app.wallet.showing import name_of
from checkout import quoting
from checkout.quoting import Standing
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, Invalid
from core.hot import reading
from core.idempotency import Answer, earlier_answer, fingerprint, keep_answer
from core.text import Text
from core.tokens import new_code
from coupons import entering, errors, staff_gifts, terms
from coupons.models import Offer
from coupons.offers import get_offer
from stores.queries import get_chain

bp = Blueprint("till_gifts", __name__, url_prefix="/till/gift", template_folder="templates")
bp.before_request(require_staff)

LONGEST_KEY = 80


class NoOfferChosen(Invalid):
    """The form was sent without one of the offers."""

    code = "no_offer_chosen"
    sentence = Text("请先选要送的券。", "Choose the coupon to give first.")


@dataclass(frozen=True)
class Shown:
    """The page: the member, what was typed, and what came of it."""

    standing: Standing | None
    ticket: str = ""
    amount: str = ""  # of the sale that waits
    text: str = ""
    reason: str = ""
    offer_id: int | None = None
    done: str = ""  # the name of the offer whose coupon the member has now
    was_there: bool = False
    refusal: DomainError | None = None


@bp.post("")
@access(*TILL)
def begin() -> Response:
    """For the member whose ticket the till's page sends."""
    return _answer(_member())


@bp.post("/give")
@access(*TILL)
def give() -> Response:
    """The clerk gives one of the offers that staff may give; the same form sent twice gives one."""
    shown = _member()
    if shown.standing is None:
        return _answer(shown)
    try:
        if shown.offer_id is None:
            raise NoOfferChosen()
        _give_once(shown.standing, shown.offer_id, shown.reason)
    except DomainError as refusal:
        return _answer(replace(shown, refusal=refusal))
    return _answer(_done(shown, shown.offer_id))


@bp.post("/enter")
@access(*TILL)
def enter() -> Response:
    """A printed code or a claim word that the member brings."""
    shown, guesser = _member(), actor().author_name
    if shown.standing is None:
        return _answer(shown)
    slow_down_guessing(guesser)
    try:
        entered = enter_for(shown.standing, shown.text, store_id=desk.till().store_id)
    except DomainError as refusal:
        if isinstance(refusal, errors.EnteredCodeUnknown | errors.PrintedCodeMistyped):
            note_wrong_code(guesser)
        return _answer(replace(shown, refusal=refusal))
    return _answer(replace(_done(shown, entered.offer_id), was_there=entered.was_there))


@bp.get("")
@bp.get("/give")
@bp.get("/enter")
@access(*TILL)
def start_again() -> Response:
    """A reloaded answer, or its other language: an empty till."""
    return redirect(url_for("till.index", lang=request.args.get("lang")))


def enter_for(standing: Standing, text: str, *, store_id: int | None) -> entering.Entered:
    """Turn what a member brings into a coupon of his card; staff are told precisely why not."""
    entries = entering.find_entries([actor().chain_id], text)
    if not entries:
        raise entering.why_unknown(text)
    with transaction():
        return entering.enter(entries[0], card_ids=[standing.card_id], store_id=store_id, for_staff=True, now=utc_now())


def _give_once(standing: Standing, offer_id: int, reason: str) -> None:
    key = request.form.get("key", "")[:LONGEST_KEY] or new_code()
    scope, now, store_id = f"{actor().author_name}:gift", utc_now(), desk.till().store_id
    with transaction():
        if earlier_answer(scope, key, fingerprint=fingerprint(standing.card_id, offer_id), now=now) is not None:
            return
        given = staff_gifts.give(
            actor().chain_id,
            offer_id,
            staff_id=actor().id,
            card_id=standing.card_id,
            store_id=store_id,
            reason=reason,
            by=author(),
            now=now,
        )
        keep_answer(scope, key, Answer(201, {"coupon_id": given.id}))


def _member() -> Shown:
    """The member of the ticket, and what else the form holds."""
    till = desk.till()
    shown = Shown(
        None,
        amount=request.form.get("amount", "").strip()[:LONGEST_AMOUNT],
        text=request.form.get("text", "").strip()[: entering.LONGEST],
        reason=request.form.get("reason", "").strip()[: staff_gifts.LONGEST_REASON],
        offer_id=request.form.get("offer_id", type=row_number),
    )
    try:
        with wrong_codes_counted():
            card = card_at_till(request.form.get("code", "").strip() or request.form.get("ticket", ""))
            with reading() as hot:
                standing = quoting.find_standing(hot, actor().chain_id, till.store_id, card, now=utc_now())
    except DomainError as refusal:
        return replace(shown, refusal=refusal)
    return replace(shown, standing=standing, ticket=give_ticket(standing.number))


def _done(shown: Shown, offer_id: int) -> Shown:
    offer = get_offer(actor().chain_id, offer_id)
    return replace(shown, done=name_of(offer), text="", reason="", offer_id=None)


def _answer(shown: Shown) -> Response:
    till = desk.till()
    page = render_template(
        "till/gift.html",
        shown=shown,
        gifts=_gifts(),
        key=new_code(),
        count=desk.count_sales(till),
        longest=entering.LONGEST,
        longest_reason=staff_gifts.LONGEST_REASON,
        **desk.words(till),
    )
    return make_response(page, status_of(shown.refusal) if shown.refusal else 200)


def _gifts() -> list[dict[str, Any]]:
    """What the clerk may give, and how many more today."""
    chain_id, now = actor().chain_id, utc_now()
    given = staff_gifts.count_given(chain_id, actor().id, now=now)
    currency = get_chain(chain_id).currency

    def gift(offer: Offer) -> dict[str, Any]:
        left = max(0, (offer.staff_gift_limit or 0) - given.get(offer.id, 0))
        return {"id": offer.id, "name": name_of(offer), "terms": say(terms.sentence(offer, currency)), "left": left}

    return [gift(offer) for offer in staff_gifts.offers_to_give(chain_id, now=now)]
