"""Whose phone this is, for the pages of the wallet."""

from flask import g, redirect, request, url_for
from werkzeug import Response

from app.auth.devices import device_wallet
from app.auth.guard import PUBLIC, actor, allowed_roles
from cards.holding import HeldCard, card_of_wallet
from core.errors import NotSignedIn


def require_wallet() -> Response | None:
    """before_request of wallet pages: a phone that has taken something, else the empty wallet."""
    if device_wallet() is not None or PUBLIC in allowed_roles(request.endpoint or ""):
        return None
    if request.method == "GET":
        return redirect(url_for("wallet.index"))
    raise NotSignedIn()


def held_card(card_id: int) -> HeldCard:
    """A card of this phone's wallet. Raises CardNotHeld."""
    held = card_of_wallet(actor().id, card_id)
    g.chain = held.chain
    return held
