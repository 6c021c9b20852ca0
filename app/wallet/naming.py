"""How friends see a member who shares: his name, a part of it, a nickname, or nobody."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth.guard import WALLET, access, author
from app.languages import language, say
from app.wallet import invitations
from app.wallet.phone import held_card, require_wallet
from cards.holding import HeldCard
from core.clock import utc_now
from core.db import transaction
from core.errors import Invalid
from sharing import naming
from sharing.errors import NicknameInvalid
from sharing.models import ShownAs
from sharing.naming import LONGEST_NICKNAME, Choice

bp = Blueprint("wallet_naming", __name__, url_prefix="/wallet/cards/<int:card_id>/name", template_folder="templates")
bp.before_request(require_wallet)

PLACE = "{name}"  # in the words that the page's script fills in


@bp.get("")
@access(WALLET)
def show(card_id: int) -> str:
    """The choice, each way with what a friend would read."""
    held = held_card(card_id)
    return _page(held, naming.find_choice(held.member.id))


@bp.post("")
@access(WALLET)
def save(card_id: int) -> Response | tuple[str, int]:
    """Choose; links that were sent before follow."""
    held = held_card(card_id)
    shown_as, nickname = request.form.get("shown_as", ""), request.form.get("nickname", "")
    try:
        with transaction():
            naming.choose(held.chain.id, held.member.id, shown_as, nickname, by=author(), now=utc_now())
    except NicknameInvalid as refusal:
        return _page(held, Choice(ShownAs.NICKNAME, nickname), refusal), 422
    flash(_("Saved."), "good")
    return redirect(url_for("wallet_naming.show", card_id=card_id), 303)


def _page(held: HeldCard, choice: Choice, refusal: Invalid | None = None) -> str:
    return render_template(
        "wallet/naming.html",
        held=held,
        ways=_ways(held),
        chosen=choice.shown_as,
        nickname=choice.nickname or "",
        longest=LONGEST_NICKNAME,
        error=refusal.say(language()) if refusal else "",
        example=_example(held, choice.of(held.member.name)),
        example_words=_example(held, PLACE),
        chain_accent=held.chain.accent,
    )


def _ways(held: HeldCard) -> list[dict[str, Any]]:
    name = held.member.name
    labels = {
        ShownAs.NAME: _("My name"),
        ShownAs.MASKED: _("A part of my name"),
        ShownAs.NICKNAME: _("A nickname"),
        ShownAs.NOBODY: _("No name"),
    }
    return [
        {
            "value": way.value,
            "label": label,
            "example": _example(held, Choice(way).of(name)) if way != ShownAs.NICKNAME else "",
        }
        for way, label in labels.items()
        if name or way != ShownAs.MASKED
    ]


def _example(held: HeldCard, name: str) -> str:
    """What a friend reads above the card."""
    return say(invitations.sends_card(held.chain, name))
