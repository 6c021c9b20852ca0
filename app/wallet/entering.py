"""A claim word or the code from a piece of paper, typed on the phone."""

from collections.abc import Sequence

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth.devices import device_key_hash, device_wallet
from app.auth.guard import PUBLIC, WALLET, access, actor
from app.errors import status_of
from app.languages import language
from app.security import note_wrong_code, row_number, slow_down_guessing
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import card_shown
from cards import holding
from cards.holding import HeldCard
from cards.models import CardState
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from core.hot import one_action
from core.idempotency import Answer, earlier_answer, fingerprint, keep_answer
from core.tokens import new_code
from coupons import entering, errors, queries, sightings
from coupons.entering import Entry
from sharing.previews import is_preview

bp = Blueprint("wallet_entering", __name__, url_prefix="/wallet", template_folder="templates")
bp.before_request(require_wallet)

LONGEST_KEY = 80
TYPED = "entered"  # in the session
MOST_SEEN = 20  # offers of one page


@bp.get("/enter")
@access(PUBLIC)
def index() -> str:
    """One field, for a word or a code; back from the proof of the phone it holds what was typed."""
    return _page(_cards(), text=typed_before() if "again" in request.args else "")


@bp.post("/enter")
@access(PUBLIC)
def enter() -> Response | tuple[str, int] | str:
    """Take the coupon; the same form sent twice takes one."""
    slow_down_guessing()
    text, cards = request.form.get("text", ""), _cards()
    if not cards:
        return redirect(url_for("wallet_entering.index"), 303)
    chosen = request.form.get("chain", type=row_number)
    entries = entering.find_entries({held.chain.id for held in cards}, text)
    entries = [entry for entry in entries if chosen in (None, entry.chain_id)]
    if len(entries) > 1:
        return _page(cards, text=text, among=[held for entry in entries for held in _first_of(cards, entry)])
    try:
        if not entries:
            raise errors.EnteredCodeUnknown()
        card_id, coupon_id, was_there = _take_once(entries[0], cards)
    except errors.PhoneNeeded:
        session[TYPED] = text[: entering.LONGEST]  # not in an address: it may be the code of a piece of paper
        return redirect(url_for("wallet_phone.show", card_id=_first_of(cards, entries[0])[0].card.id, entered=1), 303)
    except DomainError as refusal:
        if isinstance(refusal, errors.EnteredCodeUnknown):
            note_wrong_code()
        return _page(cards, text=text, problem=refusal.say(language())), status_of(refusal)
    session.pop(TYPED, None)
    flash(_("This coupon is in your card already.") if was_there else _("The coupon is in your card."), "good")
    return redirect(url_for("wallet.coupon", card_id=card_id, coupon_id=coupon_id), 303)


@bp.post("/cards/<int:card_id>/seen")
@access(WALLET)
def seen(card_id: int) -> tuple[str, int]:
    """Told by the card's page once a person really sees the offers on it (``offer``, several)."""
    held = held_card(card_id)
    if not is_preview(request.user_agent.string, dict(request.headers), method=request.method):
        now, visitor = utc_now(), device_key_hash()
        asked = set(request.args.getlist("offer", type=row_number)[:MOST_SEEN])
        public = {on_show.offer.id for on_show in queries.public_offers(held.chain.id, now=now, limit=200)}
        with one_action() as hot:
            sightings.see(hot, asked & public, visitor=visitor, now=now)
    return "", 204


def typed_before() -> str:
    """The word or code for which this phone was last sent to prove its number."""
    return str(session.get(TYPED, ""))


def _cards() -> list[HeldCard]:
    """The active cards of this phone, the newest first."""
    wallet = device_wallet()
    cards = holding.cards_of_wallet(wallet.id, now=utc_now()) if wallet else []
    return [held for held in cards if held.card.state == CardState.ACTIVE]


def _first_of(cards: Sequence[HeldCard], entry: Entry) -> list[HeldCard]:
    return [held for held in cards if held.chain.id == entry.chain_id][:1]


def _take_once(entry: Entry, cards: Sequence[HeldCard]) -> tuple[int, int, bool]:
    """The card, the coupon, and whether it was there: of this form, or of the same paper."""
    card_ids = sorted(held.card.id for held in cards if held.chain.id == entry.chain_id)
    key = request.form.get("request_id", "")[:LONGEST_KEY] or new_code()
    scope, now = f"wallet:{actor().id}:enter", utc_now()
    with transaction():
        earlier = earlier_answer(scope, key, fingerprint=fingerprint(*entry), now=now)
        if earlier is not None:
            return earlier.body["card_id"], earlier.body["coupon_id"], False
        entered = entering.enter(entry, card_ids=card_ids, now=now)
        keep_answer(scope, key, Answer(303, {"card_id": entered.card_id, "coupon_id": entered.coupon_id}))
    return entered.card_id, entered.coupon_id, entered.was_there


def _page(cards: Sequence[HeldCard], *, text: str = "", problem: str = "", among: Sequence[HeldCard] = ()) -> str:
    return render_template(
        "wallet/enter.html",
        has_card=bool(cards),
        text=text[: entering.LONGEST],
        longest=entering.LONGEST,
        problem=problem,
        among=[(held.chain.id, card_shown(held)) for held in among],
        request_id=new_code(),
        chain_accent=cards[0].chain.accent if cards else None,
    )
