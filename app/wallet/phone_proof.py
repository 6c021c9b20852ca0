"""Proving one's phone: the number, then the code that was sent to it."""

import math
from typing import Any, NamedTuple

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app import phone_codes
from app.auth.guard import WALLET, access, actor
from app.languages import language
from app.phone_codes import PhoneCodeNotSent, PhoneCodesUnavailable
from app.wallet.entering import typed_before
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import name_of
from cards import phones
from cards.contacts import PhoneInvalid, as_dialled, spoken
from cards.holding import HeldCard
from cards.phones import Asked, LiveCode, PhoneCodeOver, PhoneCodesTooMany, PhoneCodeWrong
from core.clock import utc_now
from core.errors import DomainError
from coupons.entering import find_entries
from coupons.gift_views import find_gift
from coupons.offers import find_public_offer, get_offer

bp = Blueprint("wallet_phone", __name__, url_prefix="/wallet/cards/<int:card_id>/phone", template_folder="templates")
bp.before_request(require_wallet)


@bp.get("")
@access(WALLET)
def show(card_id: int) -> str:
    """The number to be proved, the field for the code where one was sent, or what is proved already.

    ``offer`` or ``gift`` is the token of what asked for it, ``entered`` says that a typed word or code did; ``change``
    shows the number again.
    """
    held = held_card(card_id)
    if "change" in request.args:
        return _number_page(held)
    live = phones.find_live_code(held.chain.id, actor().id, now=utc_now())
    return _code_page(held, live) if live else _number_page(held)


@bp.post("")
@access(WALLET)
def ask(card_id: int) -> Response | tuple[str, int] | tuple[str, int, dict[str, str]]:
    """Send a code to the number."""
    held, typed = held_card(card_id), request.form.get("phone", "")
    try:
        asked = phone_codes.ask(held.chain, actor().id, typed)
    except (PhoneInvalid, PhoneCodesUnavailable, PhoneCodeNotSent) as refusal:
        return _number_page(held, typed=typed, error=refusal), 422
    except PhoneCodesTooMany as refusal:
        return _refused_for_now(held, typed, refusal)
    if phone_codes.is_shown() and isinstance(asked, Asked):
        flash(_("Demo: your code is %(code)s", code=asked.code), "")
    return _to_the_code(held)


@bp.post("/verify")
@access(WALLET)
def verify(card_id: int) -> Response | tuple[str, int]:
    """Compare the code; then back to whatever asked for the phone."""
    held = held_card(card_id)
    try:
        phone_codes.verify(held.chain.id, actor().id, request.form.get("code", ""))
    except (PhoneCodeWrong, PhoneCodeOver) as refusal:
        live = phones.find_live_code(held.chain.id, actor().id, now=utc_now())
        return (_code_page(held, live, error=refusal) if live else _number_page(held, error=refusal)), 422
    flash(_("Your phone number is verified."), "good")
    return redirect(_back(held), 303)


def _refused_for_now(
    held: HeldCard, typed: str, refusal: PhoneCodesTooMany
) -> Response | tuple[str, int, dict[str, str]]:
    """To the code that was sent, where one waits; else why there is none."""
    if phones.find_live_code(held.chain.id, actor().id, now=utc_now()):
        flash(refusal.say(language()), "warn")
        return _to_the_code(held)
    headers = {"Retry-After": str(refusal.context["retry_after"])}
    return _number_page(held, typed=typed, error=refusal), 429, headers


def _number_page(held: HeldCard, *, typed: str | None = None, error: DomainError | None = None) -> str:
    member, currency = held.member, held.chain.currency
    is_verified = member.phone_verified_at is not None and "change" not in request.args and error is None
    return render_template(
        "wallet/phone.html",
        held=held,
        is_verified=is_verified,
        verified_phone=spoken(member.phone, currency=currency) if is_verified else "",
        phone=typed if typed is not None else as_dialled(member.phone, currency=currency),
        error=error.say(language()) if error else "",
        **_around(held),
    )


def _code_page(held: HeldCard, live: LiveCode, *, error: DomainError | None = None) -> str:
    wait = (live.next_at - utc_now()).total_seconds()
    return render_template(
        "wallet/phone_code.html",
        held=held,
        phone=live.phone,
        spoken_phone=spoken(live.phone, currency=held.chain.currency),
        wait_seconds=max(0, math.ceil(wait)),
        error=error.say(language()) if error else "",
        **_around(held),
    )


class Asker(NamedTuple):
    """What wants the phone proved."""

    kind: str  # offer, gift, entered; it stands before the token in addresses and forms
    token: str
    name: str
    url: str


def _around(held: HeldCard) -> dict[str, object]:
    return {
        "chain_name": name_of(held.chain),
        "chain_accent": held.chain.accent,
        "back_url": _back(held),
        "asker": _asker(held),
    }


def _back(held: HeldCard) -> str:
    """To whatever wanted the phone, else to the settings."""
    asker = _asker(held)
    return asker.url if asker else url_for("wallet_settings.index", card=held.card.id)


def _asker(held: HeldCard) -> Asker | None:
    """The offer or gift of this chain that is named in the address or the form, or what was typed before."""
    if token := request.values.get("offer"):
        offer = find_public_offer(token)
        if offer is not None and offer.chain_id == held.chain.id:
            return Asker("offer", token, name_of(offer), url_for("wallet_offers.look", token=token))
    if token := request.values.get("gift"):
        found = find_gift(token)
        if found is not None and found.chain.id == held.chain.id:
            return Asker("gift", token, name_of(found.offer), url_for("wallet_receiving.look", token=token))
    if "entered" in request.values and (entries := find_entries([held.chain.id], typed_before())):
        offer = get_offer(held.chain.id, entries[0].offer_id)
        return Asker("entered", "1", name_of(offer), url_for("wallet_entering.index", again=1))
    return None


def _to_the_code(held: HeldCard) -> Response:
    asker = _asker(held)
    named: dict[str, Any] = {asker.kind: asker.token} if asker else {}
    return redirect(url_for("wallet_phone.show", card_id=held.card.id, **named), 303)
