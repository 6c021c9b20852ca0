"""The way out that every message carries: one tap, or none where the mail program does it (RFC 8058)."""

from flask import Blueprint, current_app, render_template, request, url_for
from flask_babel import gettext as _

from app.auth.guard import PUBLIC, access
from app.factory import csrf
from app.security import note_wrong_code, slow_down_guessing
from app.wallet.showing import name_of
from cards.holding import chain_of_member
from core.clock import utc_now
from core.db import transaction
from push import consents
from push.models import PushChannel
from push.unsubscribing import Way, read_token
from sharing.joining import CodeUnknown
from stores.models import Chain

bp = Blueprint("wallet_unsubscribing", __name__, url_prefix="/u", template_folder="templates")

SOURCE = "unsubscribe link"


@bp.get("/<token>")
@access(PUBLIC)
def ask(token: str) -> str:
    """What will stop, and the button. Opening it stops nothing: mail programs open links all day."""
    way, chain = _way_of(token)
    return _page(way, chain, token, is_done=False)


@bp.post("/<token>")
@access(PUBLIC)
@csrf.exempt  # type: ignore[untyped-decorator]  # the link is signed, and a mail program has no form
def stop(token: str) -> str:
    """No more messages over this channel."""
    way, chain = _way_of(token)
    with transaction():
        consents.withdraw(way.member_id, way.channel, SOURCE, utc_now())
    return _page(way, chain, token, is_done=True)


@bp.post("/<token>/undo")
@access(PUBLIC)
def undo(token: str) -> str:
    """A slip of the thumb: messages come as before."""
    way, chain = _way_of(token)
    with transaction():
        consents.grant(way.member_id, way.channel, SOURCE, utc_now())
    return _page(way, chain, token, is_done=False)


def _way_of(token: str) -> tuple[Way, Chain]:
    slow_down_guessing()
    way = read_token(token, current_app.config["SECRET_KEY"])
    chain = chain_of_member(way.member_id) if way and way.channel in set(PushChannel) else None
    if way is None or chain is None:
        note_wrong_code()
        raise CodeUnknown()
    return way, chain


def _page(way: Way, chain: Chain, token: str, *, is_done: bool) -> str:
    words = {
        PushChannel.INBOX: _("messages in the wallet"),
        PushChannel.EMAIL: _("e-mails"),
        PushChannel.GATEWAY: _("SMS and WeChat messages"),
        PushChannel.WEB_PUSH: _("browser notifications"),
        PushChannel.WECHAT_TEMPLATE: _("WeChat messages"),
        PushChannel.WECHAT_SUBSCRIPTION: _("WeChat messages"),
    }
    return render_template(
        "wallet/unsubscribe.html",
        what=words[PushChannel(way.channel)],
        chain_name=name_of(chain),
        chain_accent=chain.accent,
        is_done=is_done,
        was_undone=request.endpoint == "wallet_unsubscribing.undo",
        stop_url=url_for("wallet_unsubscribing.stop", token=token),
        undo_url=url_for("wallet_unsubscribing.undo", token=token),
    )
