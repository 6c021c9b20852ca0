"""The inbox of the wallet: always there, never disturbing, muted by one tap."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth.guard import WALLET, access, actor
from app.flashing import flash_with_undo
from app.languages import say
from app.security import row_number
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import moment_shown, name_of
from cards import holding
from core.clock import utc_now
from core.db import transaction
from push import inbox
from push.audiences import consents
from push.inbox import InboxMessage
from push.models import ConsentPurpose, Purpose, PushChannel
from push.wording.links import ShortLinks, Way, pieces

bp = Blueprint("wallet_inbox", __name__, url_prefix="/wallet/inbox", template_folder="templates")
bp.before_request(require_wallet)

PAGE = 20
SOURCE = "wallet inbox"
PAIRS = [(purpose, channel) for purpose in Purpose for channel in PushChannel]


@bp.get("")
@access(WALLET)
def index() -> str:
    """The messages, newest first. Looking does not mark them; the page tells when it is really seen."""
    now, after = utc_now(), request.args.get("after", type=row_number)
    cards = {held.card.id: held for held in holding.cards_of_wallet(actor().id, now=now)}
    found = inbox.inbox_of(actor().id, after=after, limit=PAGE + 1)
    zones = {held.chain.id: held.chain.timezone for held in cards.values()}
    messages = [_shown(message, zones.get(message.chain_id, "UTC")) for message in found[:PAGE]]
    unread = inbox.count_unread(actor().id)
    return render_template(
        "wallet/inbox.html",
        messages=messages,
        next_after=found[PAGE - 1].id if len(found) > PAGE else None,
        unread=unread,
        muted=[(held, name_of(held.chain), not _agreed(held.member.id)) for card_id, held in cards.items()],
        beacon_url=url_for("wallet_inbox.read") if unread else None,
        chain_accent=next(iter(cards.values())).chain.accent if cards else None,
    )


def _shown(message: InboxMessage, zone: str) -> dict[str, Any]:
    return {
        "chain": say(message.chain),
        "title": say(message.title),
        "parts": [(part, _leads_to(message, part)) for part, _ in pieces(say(message.body))],
        "offer": say(message.offer) if message.offer else "",
        "card_id": message.card_id,
        "coupon_id": message.coupon_id,
        "when": moment_shown(message.sent_at, zone, now=utc_now()),
        "is_new": message.read_at is None,
    }


def _leads_to(message: InboxMessage, address: str) -> str:
    """Where an address in a message leads, by way of its short link unless the member refused; else nothing."""
    link_id = message.addresses.get(address)
    if link_id is None:
        return ""
    if not message.is_measured:
        return address
    settings = current_app.extensions["settings"]
    token = ShortLinks(settings.public_url, settings.secret_key).token(Way(message.id, link_id))
    return url_for("wallet_short_links.follow", token=token)


@bp.post("/read")
@access(WALLET)
def read() -> Response | tuple[str, int]:
    """All messages are seen: told by the page, or by a button where no scripts run."""
    with transaction():
        inbox.mark_read(actor().id, now=utc_now())
    if request.form.get("by") == "button":
        return redirect(url_for("wallet_inbox.index"), 303)
    return "", 204


@bp.post("/<int:card_id>/mute")
@access(WALLET)
def mute(card_id: int) -> Response:
    """No more messages of this chain, on any channel. What was agreed to before comes back by the undo."""
    member_id, now = held_card(card_id).member.id, utc_now()
    agreed = _agreed(member_id)
    with transaction():
        for purpose in Purpose:
            for channel in PushChannel:
                consents.withdraw(member_id, channel, SOURCE, now, ConsentPurpose(purpose))
    flash_with_undo(
        _("No more messages from this chain."),
        url_for("wallet_inbox.listen", card_id=card_id),
        fields={"channels": " ".join(agreed)},
    )
    return redirect(url_for("wallet_inbox.index"), 303)


def _agreed(member_id: int) -> list[str]:
    """What may reach a member now, as "purpose:channel"."""
    standing = {purpose: consents.current_consents(member_id, purpose) for purpose in Purpose}
    return [f"{purpose}:{channel}" for purpose, channel in PAIRS if standing[purpose][channel]]


@bp.post("/<int:card_id>/listen")
@access(WALLET)
def listen(card_id: int) -> Response:
    """Messages again: over the channels named, else in the inbox."""
    member_id, now = held_card(card_id).member.id, utc_now()
    named = request.form.get("channels", "").split()
    wanted = [pair for pair in PAIRS if ":".join(pair) in named] or [(each, PushChannel.INBOX) for each in Purpose]
    with transaction():
        for purpose, channel in wanted:
            consents.grant(member_id, channel, SOURCE, now, ConsentPurpose(purpose))
    flash(_("Messages come again."), "good")
    return redirect(url_for("wallet_inbox.index"), 303)
