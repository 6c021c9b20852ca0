"""The way out that every message carries: one tap, or none where the mail program does it (RFC 8058)."""

from flask import Blueprint, current_app, render_template, request, url_for
from flask_babel import gettext as _

from app.auth.devices import device_wallet
from app.auth.guard import PUBLIC, access
from app.factory import csrf
from app.security import note_wrong_code, slow_down_guessing
from app.wallet.preferences import channels_like
from app.wallet.showing import name_of
from cards.holding import cards_of_wallet, chain_of_member
from core.clock import utc_now
from core.db import transaction
from push.audiences import consents
from push.audiences.unsubscribing import Way, read_token
from push.errors import WayOutUnknown
from push.models import ConsentPurpose, Purpose, PushChannel
from stores.models import Chain

bp = Blueprint("wallet_unsubscribing", __name__, url_prefix="/u", template_folder="templates")

SOURCE = "unsubscribe link"


@bp.get("/<token>")
@access(PUBLIC)
def ask(token: str) -> str:
    """What will stop, and the button. Opening it stops nothing: mail programs open links all day."""
    way, chain = _way_of(token)
    return _page(way, chain, token)


@bp.post("/<token>")
@access(PUBLIC)
@csrf.exempt  # type: ignore[untyped-decorator]  # the link is signed, and a mail program has no form
def stop(token: str) -> str:
    """No more messages of this purpose over this channel, and over what is the same to him."""
    way, chain = _way_of(token)
    with transaction():
        for channel in channels_like(way.channel):
            consents.withdraw(way.member_id, channel, SOURCE, utc_now(), ConsentPurpose(way.purpose))
    return _page(way, chain, token)


@bp.post("/<token>/undo")
@access(PUBLIC)
def undo(token: str) -> str:
    """A slip of the thumb: messages come as before. Whatever he said elsewhere stays as it is."""
    way, chain = _way_of(token)
    with transaction():
        for channel in _stopped_here(way):
            consents.grant(way.member_id, channel, SOURCE, utc_now(), ConsentPurpose(way.purpose))
    return _page(way, chain, token)


def _way_of(token: str) -> tuple[Way, Chain]:
    slow_down_guessing()
    way = read_token(token, current_app.config["SECRET_KEY"])
    chain = chain_of_member(way.member_id) if way and way.channel in set(PushChannel) else None
    if way is None or chain is None:
        note_wrong_code()
        raise WayOutUnknown()
    return way, chain


def _stopped_here(way: Way) -> list[PushChannel]:
    """The channels of which the member's last word was a link like this one: nobody is signed up by an undo."""
    said = consents.words_of(way.member_id)
    words = [(channel, said.get((way.purpose.value, channel.value))) for channel in channels_like(way.channel)]
    return [channel for channel, word in words if word and not word.is_granted and word.source == SOURCE]


def _page(way: Way, chain: Chain, token: str) -> str:
    """The state as it is: who comes back to the link later sees that nothing comes any more."""
    standing = consents.current_consents(way.member_id, way.purpose)
    is_done = not any(standing[channel] for channel in channels_like(way.channel))
    return render_template(
        "wallet/unsubscribe.html",
        what=_promotion(way) if way.purpose == Purpose.PROMOTION else _service(way),
        rest=_("Messages about your own card still come.") if way.purpose == Purpose.PROMOTION else "",
        chain_name=name_of(chain),
        chain_accent=chain.accent,
        is_done=is_done,
        may_be_undone=is_done and bool(_stopped_here(way)),
        was_undone=not is_done and request.endpoint == "wallet_unsubscribing.undo",
        stop_url=url_for("wallet_unsubscribing.stop", token=token),
        undo_url=url_for("wallet_unsubscribing.undo", token=token),
        all_url=_preferences_url(way),
    )


def _promotion(way: Way) -> str:
    words = {
        PushChannel.INBOX: _("offers and news in the wallet"),
        PushChannel.EMAIL: _("e-mails with offers and news"),
        PushChannel.GATEWAY: _("SMS with offers and news"),
        PushChannel.WEB_PUSH: _("browser notifications with offers and news"),
        PushChannel.WECHAT_TEMPLATE: _("WeChat messages with offers and news"),
        PushChannel.WECHAT_SUBSCRIPTION: _("WeChat messages with offers and news"),
    }
    return words[PushChannel(way.channel)]


def _service(way: Way) -> str:
    words = {
        PushChannel.INBOX: _("messages about your card in the wallet"),
        PushChannel.EMAIL: _("e-mails about your card"),
        PushChannel.GATEWAY: _("SMS about your card"),
        PushChannel.WEB_PUSH: _("browser notifications about your card"),
        PushChannel.WECHAT_TEMPLATE: _("WeChat messages about your card"),
        PushChannel.WECHAT_SUBSCRIPTION: _("WeChat messages about your card"),
    }
    return words[PushChannel(way.channel)]


def _preferences_url(way: Way) -> str:
    """All switches, where this phone is the member's own."""
    wallet = device_wallet()
    held = cards_of_wallet(wallet.id, now=utc_now()) if wallet else []
    card_id = next((each.card.id for each in held if each.member.id == way.member_id), None)
    return url_for("wallet_preferences.show", card_id=card_id) if card_id else ""
