"""Sharing a card: every act makes a link of its own, for one channel."""

from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth.guard import WALLET, access
from app.errors import wants_json
from app.languages import say
from app.traces import trace_of_request
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import card_shown, name_of, picture, public_url
from cards.holding import HeldCard
from core.clock import utc_now
from core.hot import one_action
from coupons import terms
from coupons.queries import find_welcome_offer
from sharing import linking
from sharing.joining import CodeUnknown
from sharing.models import ShareChannel

bp = Blueprint("wallet_sharing", __name__, url_prefix="/wallet/cards/<int:card_id>/share", template_folder="templates")
bp.before_request(require_wallet)


@bp.get("")
@access(WALLET)
def choose(card_id: int) -> str:
    """The channels, for phones on which the sheet does not open."""
    held = held_card(card_id)
    return render_template("wallet/share.html", **_shown(held))


@bp.post("")
@access(WALLET)
def share(card_id: int) -> Response:
    """Make the link of this act of sharing."""
    held = held_card(card_id)
    channel, trace = request.form.get("channel", ShareChannel.COPY), trace_of_request()
    with one_action() as hot:
        link = linking.create_link(hot, held.chain.id, card_id, channel, now=utc_now(), trace=trace)
    if not wants_json():
        return redirect(url_for("wallet_sharing.show", card_id=card_id, token=link.token), 303)
    shown = _shown(held)
    return jsonify(url=_address(link.token), title=shown["title"], text=shown["gift"] or shown["title"])


@bp.get("/<token>")
@access(WALLET)
def show(card_id: int, token: str) -> str:
    """One link, to be copied or held out as a QR."""
    held = held_card(card_id)
    shared = linking.find_link(token, now=utc_now())
    if shared is None or shared.link.card_id != card_id:
        raise CodeUnknown()
    address = _address(token)
    return render_template("wallet/shared.html", address=address, qr=picture(address), **_shown(held))


def _address(token: str) -> str:
    return public_url(url_for("scanning.friend", token=token))


def _shown(held: HeldCard) -> dict[str, Any]:
    gift = find_welcome_offer(held.program.id, now=utc_now())
    sharer = held.member.name or _("A friend")
    return {
        "held": held,
        "card": card_shown(held) | {"number": "", "tier": "", "holder": ""},
        "gift": say(terms.sentence(gift, held.chain.currency)) if gift else "",
        "title": _("%(name)s sends you a membership card of %(chain)s", name=sharer, chain=name_of(held.chain)),
        "chain_accent": held.chain.accent,
    }
