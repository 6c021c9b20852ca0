"""Taking a card in a rush: answered before Flask.

Flask's routing, contexts and hooks cost more than the card itself. So the plain request, a wallet's token and nothing
else, is answered here by the functions that the view calls. Everything else goes on to Flask: what is not plain,
whoever is to be refused, and whatever breaks. tests/app/test_express.py holds both ways to the same answers.
"""

import re
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from app import observing, security
from app.answering import AnswerJson
from app.api.traced import is_silent
from app.api.wallets import joined_json
from app.auth.bearers import KEY_PREFIX
from app.config import Settings
from app.languages import preferred
from app.turns import Turns
from cards import wallets
from core.clock import utc_now
from core.hot import one_action
from core.tokens import hashed
from sharing import joining

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ENDPOINT = "wallets_api.take_card"
PATH = re.compile(r"/api/v1/store-codes/([0-9A-Za-z_-]{1,64})/cards")
HOST = re.compile(r"[0-9A-Za-z.-]+(:\d+)?")
STATUS = {True: "201 CREATED", False: "200 OK"}  # by whether the card is new


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
        token = _token(environ) if self._is_open else None
        answered = self._answer_in_turn(token, environ, start_response, begun_at) if token is not None else None
        return self._flask(environ, start_response) if answered is None else answered

    def _answer(
        self, token: str, environ: "WSGIEnvironment", start_response: "StartResponse", begun_at: float
    ) -> Iterable[bytes] | None:
        """The card; None where Flask shall see to the request."""
        with self._app.app_context():
            joined = _join(token, environ)
        if joined is None:
            return None
        provider: AnswerJson = self._app.json  # type: ignore[assignment]
        body = provider.line(joined_json(joined)).encode()
        request_id = observing.request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        own = [("Content-Length", str(len(body))), ("X-Request-Id", request_id)]
        status = STATUS[joined.is_new]
        observing.count(ENDPOINT, "POST", int(status[:3]), time.perf_counter() - begun_at)
        start_response(status, self._headers + own)
        return [body]


def _token(environ: "WSGIEnvironment") -> str | None:
    """The store code, when the request is plain: what Flask and the view would look at is what ``_join`` reads."""
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
    return found[1] if found and is_plain else None


def _join(token: str, environ: "WSGIEnvironment") -> joining.Joined | None:
    """The card, as app/api/wallets.py takes it; None where Flask shall see to the request."""
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
        with one_action() as hot:
            return joining.join_by_code(
                hot, token, wallet_id=wallet_id, visitor=key_hash, language=tongue, now=utc_now()
            )
    except Exception:  # a refusal, or it broke: Flask does the same again, and knows what to say
        return None
