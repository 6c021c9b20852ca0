"""Taking a card in a rush, from a store code or a friend's link: answered before Flask.

Flask's routing, contexts and hooks cost more than the card itself. So the plain request, a wallet's token and nothing
else, is answered here by the functions that the views call. Everything else goes on to Flask: what is not plain,
whoever is to be refused, and whatever breaks. tests/app/test_express.py holds both ways to the same answers.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Flask

from app import observing, security
from app.answering import AnswerJson
from app.api.sharing import joined_by_link_json
from app.api.traced import is_silent
from app.api.wallets import joined_json
from app.auth.bearers import KEY_PREFIX
from app.config import Settings
from app.languages import preferred
from app.turns import Turns
from cards import wallets
from core.clock import utc_now
from core.hot import Hot, one_action
from core.tokens import hashed
from sharing import joining

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATH = re.compile(r"/api/v1/(store-codes|share-links)/([0-9A-Za-z_-]{1,64})/cards")
HOST = re.compile(r"[0-9A-Za-z.-]+(:\d+)?")
STATUS = {True: "201 CREATED", False: "200 OK"}  # by whether the card is new


class Way(NamedTuple):
    """One of the views that are answered here: what it does, and what it tells."""

    endpoint: str
    join: Callable[..., joining.Joined]
    shown: Callable[[joining.Joined], dict[str, Any]]


def _by_code(hot: Hot, token: str, **who: Any) -> joining.Joined:
    return joining.join_by_code(hot, token, **who)


def _by_link(hot: Hot, token: str, **who: Any) -> joining.Joined:
    return joining.join_by_link(hot, token, **who)


WAYS = {
    "store-codes": Way("wallets_api.take_card", _by_code, joined_json),
    "share-links": Way("sharing_api.take_shared_card", _by_link, joined_by_link_json),
}


class Express:
    """WSGI around Flask's own."""

    def __init__(self, app: Flask) -> None:
        settings: Settings = app.extensions["settings"]
        self._app, self._flask = app, app.wsgi_app
        self._is_open = settings.log_level.upper() != "DEBUG"  # there every answer is told
        # On SQLite one writes at a time. Threads that hand Python's lock to one another meanwhile take longer.
        self._answer_in_turn = Turns(self._answer) if settings.is_sqlite else self._answer
        self._headers = [
            ("Content-Type", "application/json"),
            *security.headers_of(settings),
            security.NOT_KEPT,
            ("Vary", "Accept-Encoding"),
        ]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        begun_at = time.perf_counter()
        asked = _asked(environ) if self._is_open else None
        answered = self._answer_in_turn(*asked, environ, start_response, begun_at) if asked is not None else None
        return self._flask(environ, start_response) if answered is None else answered

    def _answer(
        self,
        way: Way,
        token: str,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
        begun_at: float,
    ) -> Iterable[bytes] | None:
        """The card; None where Flask shall see to the request."""
        with self._app.app_context():
            told = _join(way, token, environ)
        if told is None:
            return None
        shown, is_new = told
        provider: AnswerJson = self._app.json  # type: ignore[assignment]
        body = provider.line(shown).encode()
        request_id = observing.request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        own = [("Content-Length", str(len(body))), ("X-Request-Id", request_id)]
        status = STATUS[is_new]
        observing.count(way.endpoint, "POST", int(status[:3]), time.perf_counter() - begun_at)
        start_response(status, self._headers + own)
        return [body]


def _asked(environ: "WSGIEnvironment") -> tuple[Way, str] | None:
    """The token, when the request is plain: what Flask and the view would look at is what ``_join`` reads."""
    found = PATH.fullmatch(environ["PATH_INFO"])
    is_plain = (
        found
        and environ["REQUEST_METHOD"] == "POST"
        and not environ.get("QUERY_STRING")
        and "HTTP_COOKIE" not in environ
        and "HTTP_IDEMPOTENCY_KEY" not in environ
        and HOST.fullmatch(environ.get("HTTP_HOST", ""))
        and not environ.get("CONTENT_TYPE", "").lower().startswith(security.FORMS)
        and is_silent(environ)
    )
    return (WAYS[found[1]], found[2]) if found and is_plain else None


def _join(way: Way, token: str, environ: "WSGIEnvironment") -> tuple[dict[str, Any], bool] | None:
    """What the view tells of the card, and whether it is new; None where Flask shall see to the request."""
    kind, _, secret = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    is_wallet = kind.lower() == "bearer" and secret and not secret.startswith(KEY_PREFIX)
    if not is_wallet or security.guesses_too_much(security.counted_as(environ.get("REMOTE_ADDR"))):
        return None
    key_hash = hashed(secret)
    try:
        wallet_id = wallets.find_wallet_id(key_hash)
        if wallet_id is None:
            return None
        tongue = preferred(environ.get("HTTP_ACCEPT_LANGUAGE", "")) or "zh"
        who = {"wallet_id": wallet_id, "visitor": key_hash, "language": tongue, "now": utc_now()}
        with one_action() as hot:
            joined = way.join(hot, token, **who)
        return way.shown(joined), joined.is_new
    except Exception:  # a refusal, or it broke: Flask does the same again, and knows what to say
        return None
