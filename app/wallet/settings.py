"""What a member says of himself, what may reach him, his language, his data, and leaving."""

from dataclasses import asdict

from flask import Blueprint, Response, flash, json, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response as AnyResponse

from app.auth.guard import WALLET, access, actor, author
from app.languages import LANGUAGES, keep_language, language, say
from app.security import row_number
from app.wallet import invitations
from app.wallet.personal_data import personal_data
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import card_shown, name_of
from cards import holding
from cards.contacts import EmailInvalid, PhoneInvalid, as_dialled
from cards.holding import HeldCard, NameTooLong, Profile
from cards.models import CardState
from core.clock import utc_now
from core.db import transaction
from core.errors import Invalid
from push import consents
from push.models import PushChannel
from sharing import naming

ASKED = (PushChannel.INBOX, PushChannel.EMAIL, PushChannel.GATEWAY)  # the switches on the page

bp = Blueprint("wallet_settings", __name__, url_prefix="/wallet/settings", template_folder="templates")
bp.before_request(require_wallet)

SOURCE = "wallet settings"
FIELD_OF = {NameTooLong: "name", PhoneInvalid: "phone", EmailInvalid: "email"}


@bp.get("")
@access(WALLET)
def index() -> str | AnyResponse:
    """The settings of one card's chain, and those of the whole wallet."""
    cards = _active_cards()
    chosen = request.args.get("card", type=row_number)
    held = next((h for h in cards if h.card.id == chosen), cards[0] if cards else None)
    return _page(cards, held)


@bp.post("/<int:card_id>")
@access(WALLET)
def save(card_id: int) -> AnyResponse | tuple[str, int]:
    """Profile and consents, in one go."""
    held, now = held_card(card_id), utc_now()
    said = Profile(**{field: request.form.get(field, "") for field in FIELD_OF.values()})
    try:
        with transaction():
            holding.update_profile(held, said, by=author(), now=now)
            for channel in ASKED:
                change = consents.grant if request.form.get(f"consent_{channel}") else consents.withdraw
                change(held.member.id, channel, SOURCE, now)
    except (NameTooLong, PhoneInvalid, EmailInvalid) as refusal:
        return _page(_active_cards(), held, said=said, error=refusal), 422
    flash(_("Saved."), "good")
    return redirect(url_for("wallet_settings.index", card=card_id), 303)


@bp.post("/language")
@access(WALLET)
def choose_language() -> AnyResponse:
    """The language of the pages and of what the chains write."""
    chosen = request.form.get("language", "")
    back = redirect(url_for("wallet_settings.index"), 303)
    if chosen in LANGUAGES:
        with transaction():
            holding.choose_language(actor().id, chosen)
        keep_language(back, chosen)
    return back


@bp.get("/data.json")
@access(WALLET)
def download() -> Response:
    """Everything that is kept about this wallet, as a file."""
    body = json.dumps(personal_data(actor().id), indent=2, sort_keys=False)
    headers = {"Content-Disposition": 'attachment; filename="kaquan-my-data.json"'}
    return Response(body, mimetype="application/json", headers=headers)


def _active_cards() -> list[HeldCard]:
    held = holding.cards_of_wallet(actor().id, now=utc_now())
    return [h for h in held if h.card.state != CardState.CLOSED]


def _consents(held: HeldCard | None, said: Profile | None) -> dict[str, bool]:
    """What is agreed to; after a mistake, what the form said."""
    if said is not None:
        return {channel: bool(request.form.get(f"consent_{channel}")) for channel in ASKED}
    return consents.current_consents(held.member.id) if held else {}


def _page(
    cards: list[HeldCard], held: HeldCard | None, *, said: Profile | None = None, error: Invalid | None = None
) -> str:
    values = {}
    if said is not None:
        values = asdict(said)
    elif held is not None:
        member = held.member
        phone = as_dialled(member.phone, currency=held.chain.currency)
        values = {"name": member.name, "phone": phone, "email": member.email or ""}
    return render_template(
        "wallet/settings.html",
        cards=cards,
        held=held,
        card=card_shown(held) if held else None,
        chain_name=name_of(held.chain) if held else "",
        values=values,
        shown_name=say(invitations.named(naming.shown_name(held.member))) if held else "",
        is_verified=held is not None and held.member.phone_verified_at is not None,
        errors={FIELD_OF[type(error)]: error.say(language())} if error else {},
        consents=_consents(held, said),
        chain_accent=held.chain.accent if held else None,
    )
