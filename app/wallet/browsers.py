"""Notifications of a browser: the script that shows them, and how a browser is taken in, let go, renewed."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, current_app, flash, jsonify, request, send_from_directory, url_for
from flask_babel import gettext as _

from app.auth.guard import PUBLIC, WALLET, access, actor
from app.config import Settings
from app.factory import csrf
from app.languages import language
from app.security import note_wrong_code, row_number, slow_down_guessing
from app.wallet.phone import held_card, require_wallet
from cards.holding import HeldCard
from core.clock import utc_now
from core.db import transaction
from push.audiences import consents
from push.channels import Browser, browsers, vapid
from push.channels.browsers import BrowserInvalid
from push.models import Purpose, PushChannel

bp = Blueprint("wallet_browsers", __name__, url_prefix="/wallet")
bp.before_request(require_wallet)

SOURCE = "browser"
OFFERED_FOR = timedelta(days=7)  # after joining, in one quiet line
ICONS = ((192, "icon-192.png"), (512, "icon-512.png"))


@bp.get("/service-worker.js")
@access(PUBLIC)
def service_worker() -> Response:
    """The script that browsers keep; from here, so that it may look after all pages of the wallet."""
    answer = send_from_directory(str(current_app.static_folder), "js/service_worker.js", mimetype="text/javascript")
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@bp.get("/manifest.webmanifest")
@access(PUBLIC)
def manifest() -> Response:
    """What the wallet is called and looks like on a phone's Home Screen."""
    icons = [
        {"src": url_for("static", filename=f"img/{name}"), "sizes": f"{size}x{size}", "type": "image/png"}
        for size, name in ICONS
    ]
    answer = jsonify(
        id=url_for("wallet.index"),
        name=_("Wallet"),
        short_name=_("Wallet"),
        lang="zh-CN" if language() == "zh" else "en",
        start_url=url_for("wallet.index"),
        scope="/",
        display="standalone",
        background_color="#FAF8F5",
        theme_color="#FAF8F5",
        icons=icons,
    )
    answer.mimetype = "application/manifest+json"
    return answer


@bp.post("/browsers")
@access(WALLET)
def add() -> tuple[str, int]:
    """This browser may show notifications, and the chain of the card may send them."""
    browser = _browser()
    held = held_card(request.form.get("card", 0, type=row_number))
    with transaction():
        browsers.subscribe(actor().id, browser, now=utc_now())
        consents.grant(held.member.id, PushChannel.WEB_PUSH, SOURCE, utc_now())
    flash(_("Notifications are on in this browser."), "good")
    return "", 204


@bp.post("/browsers/stop")
@access(WALLET)
def stop() -> tuple[str, int]:
    """No more notifications in this browser, of no chain."""
    with transaction():
        browsers.unsubscribe(actor().id, request.form.get("endpoint", ""))
    flash(_("Notifications are off in this browser."), "good")
    return "", 204


@bp.post("/browsers/renew")
@access(PUBLIC)
@csrf.exempt  # type: ignore[untyped-decorator]  # a browser renews with no page open; it proves itself by its old address
def renew() -> tuple[str, int]:
    """The push service gave the browser another address. The answer tells nothing about the old one."""
    slow_down_guessing()
    browser, old = _browser(), request.form.get("old_endpoint", "")
    with transaction():
        is_known = browsers.renew(old, request.form.get("old_auth", ""), browser, now=utc_now())
    if not is_known:
        note_wrong_code()
    return "", 204


def browser_shown(held: HeldCard) -> dict[str, Any] | None:
    """What the script of the page needs; None where browsers show no notifications of this site."""
    settings = _settings()
    if not settings.is_web_push_possible:
        return None
    return {
        "key": vapid.public_key(vapid.private_key(settings.secret_key, settings.vapid_private_key)),
        "known": " ".join(browsers.fingerprint(endpoint) for endpoint in browsers.endpoints_of(actor().id)),
        "card": held.card.id,
    }


def may_be_offered(held: HeldCard) -> bool:
    """Whether a new member's card says in a quiet line that there are notifications: until he has said yes or no."""
    if not _settings().is_web_push_possible or held.card.issued_at < utc_now() - OFFERED_FOR:
        return False
    return (Purpose.PROMOTION, PushChannel.WEB_PUSH) not in consents.words_of(held.member.id)


def _browser() -> Browser:
    """The subscription in the form. Raises BrowserInvalid."""
    settings, form = _settings(), request.form
    if not settings.is_web_push_possible:
        raise BrowserInvalid()
    return browsers.check_browser(
        form.get("endpoint", ""), form.get("p256dh", ""), form.get("auth", ""), services=settings.push_services.split()
    )


def _settings() -> Settings:
    found: Settings = current_app.extensions["settings"]
    return found
