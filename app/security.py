"""Headers that keep browsers strict, what no request may hold, and the counters that slow guessing down."""

from typing import Any

from flask import Flask, Response, abort, current_app, request
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.routing import IntegerConverter, Map

from core.errors import TooMany

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",  # the camera's decoder is WebAssembly
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
GUESSES = parse("20/minute")  # wrong codes from one address
LOGINS = parse("30/minute")  # log-in attempts from one address
LARGEST = 2**63 - 1  # a row's number in either database


def init_app(app: Flask) -> None:
    app.extensions["limiter"] = MovingWindowRateLimiter(MemoryStorage())
    app.url_map.converters["int"] = RowNumber
    app.before_request(_refuse_nul)
    app.after_request(_add_headers)


class RowNumber(IntegerConverter):
    """A number in an address that a row can have; a larger one leads nowhere."""

    def __init__(self, url_map: Map, *, max: int = LARGEST, **more: Any) -> None:
        super().__init__(url_map, max=max, **more)


def row_number(text: str) -> int:
    """The number of a row, from a question or a form: ``request.args.get("card", type=row_number)``."""
    number = int(text)
    if not 0 < number <= LARGEST:
        raise ValueError(text)
    return number


def _refuse_nul() -> None:
    """No text in a database can hold a NUL, and no page has a reason to send one."""
    if "\0" in request.path:
        abort(404)
    is_form = request.mimetype == "application/x-www-form-urlencoded"
    said = [text for texts in request.form.listvalues() for text in texts] if is_form else []
    if b"%00" in request.query_string or any("\0" in text for text in said):
        abort(400)


def _add_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(self), geolocation=(self), microphone=()")
    if current_app.extensions["settings"].is_https:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static" and not request.path.startswith("/accent/"):
        headers.setdefault("Cache-Control", "private, no-store")
    return response


def address() -> str:
    """Where the request comes from (behind TRUSTED_PROXIES proxies)."""
    return request.remote_addr or "unknown"


def slow_down_guessing(guesser: str | None = None) -> None:
    """Refuse whoever has sent too many wrong codes lately: an address, or a signed-in ``guesser``.

    Call before a look-up by code.
    """
    if not current_app.extensions["limiter"].test(GUESSES, "guess", guesser or address()):
        raise TooMany()


def note_wrong_code(guesser: str | None = None) -> None:
    """Count a code that was not known. Call when a look-up by code found nothing."""
    current_app.extensions["limiter"].hit(GUESSES, "guess", guesser or address())


def count_login() -> None:
    """Count a log-in attempt of this address; refuse when there are too many."""
    if not current_app.extensions["limiter"].hit(LOGINS, "login", address()):
        raise TooMany()
