"""What a member says of himself, his language, his data, and leaving."""

from dataclasses import asdict
from datetime import date

from flask import Blueprint, Response, flash, json, redirect, render_template, request, url_for
from flask_babel import format_date
from flask_babel import gettext as _
from werkzeug import Response as AnyResponse

from app.auth.guard import WALLET, access, actor, author
from app.languages import LANGUAGES, keep_language, language, say
from app.security import row_number
from app.wallet import invitations, preferences
from app.wallet.personal_data import personal_data
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import card_shown, name_of
from cards import holding
from cards.contacts import EmailInvalid, PhoneInvalid, as_dialled
from cards.holding import A_LEAP_YEAR, BirthdayInvalid, HeldCard, NameTooLong, Profile
from cards.models import CardState
from core.clock import utc_now
from core.db import transaction
from core.errors import Invalid
from core.text import Text
from sharing import naming

bp = Blueprint("wallet_settings", __name__, url_prefix="/wallet/settings", template_folder="templates")
bp.before_request(require_wallet)

DAY = Text("日", "Day")  # of a month; the catalogue has the word for a date
FIELD_OF = {NameTooLong: "name", PhoneInvalid: "phone", EmailInvalid: "email", BirthdayInvalid: "birthday"}


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
    """What the member says of himself."""
    held, form = held_card(card_id), request.form
    birthday = f"{form.get('birth_month', '')}-{form.get('birth_day', '')}"
    said = Profile(form.get("name", ""), form.get("phone", ""), form.get("email", ""), birthday)
    try:
        with transaction():
            holding.update_profile(held, said, by=author(), now=utc_now())
    except tuple(FIELD_OF) as refusal:
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


def _days() -> dict[str, list[tuple[str, str]]]:
    """Months and days to choose from, in the reader's language."""
    in_chinese = language() == "zh"
    names = [format_date(date(A_LEAP_YEAR, month, 1), "LLLL", rebase=False) for month in range(1, 13)]
    return {
        "months": [("", _("Month")), *((str(number), name) for number, name in enumerate(names, 1))],
        "days": [("", say(DAY)), *((str(day), f"{day}日" if in_chinese else str(day)) for day in range(1, 32))],
    }


def _page(
    cards: list[HeldCard], held: HeldCard | None, *, said: Profile | None = None, error: Invalid | None = None
) -> str:
    values = {"birthday": ""}
    if said is not None:
        values = asdict(said)
    elif held is not None:
        member = held.member
        phone = as_dialled(member.phone, currency=held.chain.currency)
        values = {"name": member.name, "phone": phone, "email": member.email or "", "birthday": member.birthday or ""}
    month, _dash, day = values["birthday"].partition("-")
    return render_template(
        "wallet/settings.html",
        cards=cards,
        held=held,
        card=card_shown(held) if held else None,
        chain_name=name_of(held.chain) if held else "",
        values=values,
        born=(month.lstrip("0"), day.lstrip("0")),
        reached=preferences.summary(held) if held else "",
        **_days(),
        shown_name=say(invitations.named(naming.shown_name(held.member))) if held else "",
        is_verified=held is not None and held.member.phone_verified_at is not None,
        errors={FIELD_OF[type(error)]: error.say(language())} if error else {},
        chain_accent=held.chain.accent if held else None,
    )
