"""Headers that keep browsers strict, and the counters that slow guessing down."""

from flask import Flask, Response, current_app, request
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

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


def init_app(app: Flask) -> None:
    app.extensions["limiter"] = MovingWindowRateLimiter(MemoryStorage())
    app.after_request(_add_headers)


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
