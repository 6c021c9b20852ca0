"""The reader's language: Chinese or English, chosen by him, by his browser, by the chain."""

import os
from functools import lru_cache
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, current_app, g, has_request_context, request
from flask_babel import Babel, gettext
from werkzeug import Response
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from core.text import Text

LANGUAGES = {"zh": "zh_Hans_CN", "en": "en"}
COOKIE = "kq_language"
A_YEAR = 365 * 24 * 3600  # seconds
HERE = Path(__file__).parent
CATALOGUES = [
    "translations",
    "auth/translations",
    "api/translations",
    "wallet/translations",
    "till/translations",
    "dashboard/translations_staffing",
    "dashboard/translations_settings",
    "dashboard/translations_webhooks",
    "dashboard/translations_stores",
    "dashboard/translations_sharing",
    "dashboard/translations_tree",
    "dashboard/translations_rewards",
    "dashboard/translations_offers",
    "dashboard/translations_codes",
    "dashboard/translations_campaigns",
    "dashboard/translations_effect",
    "dashboard/translations_writing",
    "dashboard/translations_timing",
    "dashboard/translations_segments",
    "dashboard/translations_addresses",
    "dashboard/translations_home",
    "dashboard/translations_members",
    "dashboard/translations_reports",
]


def init_app(app: Flask) -> None:
    compile_catalogues()
    Babel(
        app,
        default_locale=LANGUAGES["zh"],
        default_translation_directories=";".join(_present_catalogues()),
        locale_selector=lambda: LANGUAGES[language()],
    )
    app.jinja_env.globals.update(_=gettext, language=language)
    app.jinja_env.filters["say"] = say
    app.after_request(_remember_choice)


def language() -> str:
    """ "zh" or "en" for whoever reads this answer."""
    if not has_request_context():
        return "zh"
    chosen = request.query_string and request.args.get("lang")
    chosen = chosen or ("HTTP_COOKIE" in request.environ and request.cookies.get(COOKIE))
    if chosen in LANGUAGES:
        return str(chosen)
    best = preferred(request.headers.get("Accept-Language", ""))
    if best:
        return best
    chain = g.get("chain")
    return chain.language if chain else "zh"


@lru_cache(maxsize=1024)
def preferred(accepted: str) -> str | None:
    """ "zh" or "en", as far as a browser's Accept-Language says."""
    # Offered as "zh-CN": Werkzeug does not match "zh_Hans_CN" with a browser's zh-CN.
    best = parse_accept_header(accepted, LanguageAccept).best_match(["zh-CN", "zh", "en"])
    return best[:2] if best else None


def keep_language(response: Response, chosen: str) -> None:
    """Let this browser read in the chosen language from now on."""
    secure = current_app.extensions["settings"].is_https
    response.set_cookie(COOKIE, chosen, max_age=A_YEAR, httponly=True, samesite="Lax", secure=secure)


def _remember_choice(response: Response) -> Response:
    chosen = request.args.get("lang") if request.query_string else None
    if chosen in LANGUAGES and chosen != request.cookies.get(COOKIE):
        keep_language(response, chosen)
    return response


def say(text: Text) -> str:
    """A sentence of the domain in the reader's language."""
    return text.say(language())


def _present_catalogues() -> list[str]:
    """Folders with sentences in them: an empty one would make Flask-Babel forget the plurals of the others."""
    return [str(HERE / folder) for folder in CATALOGUES if any((HERE / folder).glob("*/LC_MESSAGES/messages.po"))]


def compile_catalogues() -> None:
    """Make the .mo files that gettext reads, where a .po is newer."""
    for folder in CATALOGUES:
        for source in (HERE / folder).glob("*/LC_MESSAGES/messages.po"):
            target = source.with_suffix(".mo")
            if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
                continue
            with source.open("rb") as po:
                catalogue = read_po(po)
            fresh = target.with_suffix(f".mo.{os.getpid()}")  # several processes start at once
            with fresh.open("wb") as mo:
                write_mo(mo, catalogue)
            fresh.replace(target)
