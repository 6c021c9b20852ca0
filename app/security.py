"""Headers that keep browsers strict, what no request may hold, and the counters that slow guessing down."""

import math
import time
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any

from flask import Flask, Request, Response, abort, current_app, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from limits import RateLimitItem, RateLimitItemPerMinute, parse
from werkzeug.routing import IntegerConverter, Map

from app.config import Settings
from app.counting import Limiter
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
STRICT_HEADERS = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(self), geolocation=(self), microphone=()"),
]
HTTPS_ONLY = ("Strict-Transport-Security", "max-age=31536000")
NOT_KEPT = ("Cache-Control", "private, no-store")
NOWHERE = "unknown"  # the address of a request without one
ONE_CUSTOMER = 64  # bits that the addresses of one connection to the net have in common
GUESSES = parse("20/minute")  # wrong codes from one address
LOGINS = parse("30/minute")  # log-in attempts from one address
POSTERS = parse("60/minute")  # drawn for one address; a picture that was kept does not count
TRIALS = parse("30/hour")  # test messages of one person
LINK_CHECKS = parse("10/minute")  # times one person has links opened
PREVIEWS = parse("300/minute")  # one chat app asks for those of many
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
LARGEST = 2**63 - 1  # a row's number in either database


def init_app(app: Flask) -> None:
    settings: Settings = app.extensions["settings"]
    app.extensions["limiter"] = Limiter(settings.broker_url)
    app.extensions["public_calls"] = RateLimitItemPerMinute(settings.public_calls_per_minute)
    app.url_map.converters["int"] = RowNumber
    app.session_interface = PageSessions()
    app.before_request_funcs.setdefault(None, []).insert(0, _limit_bodies)  # before anybody reads a form
    app.before_request(_refuse_nul)
    app.after_request(_add_headers)


class PageSessions(SecureCookieSessionInterface):
    """Pages have a session, the API has none: to open one there would cost as much as to find the card."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return self.session_class() if request.path.startswith("/api/") else super().open_session(app, request)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        if session.accessed or session.modified:
            super().save_session(app, session, response)


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


def _limit_bodies() -> None:
    """Only files may be large; a form or a JSON body is read into memory whole."""
    largest = current_app.config["MAX_FORM_MEMORY_SIZE"]
    if (request.content_length or 0) > largest and request.mimetype != FORMS[1]:
        request.max_content_length = largest


def _refuse_nul() -> None:
    """No text in a database can hold a NUL, and no page has a reason to send one."""
    if "\0" in request.path:
        abort(404)
    is_form = request.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() in FORMS
    said = [text for texts in request.form.listvalues() for text in texts] if is_form else []
    said += [file.filename or "" for files in request.files.listvalues() for file in files] if is_form else []
    if b"%00" in request.query_string or any("\0" in text for text in said):
        abort(400)


def _add_headers(response: Response) -> Response:
    headers = response.headers
    given = {name.lower() for name, _ in headers}
    for name, value in headers_of(current_app.extensions["settings"]):
        if name.lower() not in given:
            headers.add(name, value)
    if "cache-control" not in given and request.endpoint != "static" and not request.path.startswith("/accent/"):
        headers.add(*NOT_KEPT)
    return response


def headers_of(settings: Settings) -> list[tuple[str, str]]:
    """What every answer carries unless it says otherwise."""
    return [*STRICT_HEADERS, HTTPS_ONLY] if settings.is_https else STRICT_HEADERS


def address() -> str:
    """Where the request comes from (behind TRUSTED_PROXIES proxies), as it is counted."""
    return counted_as(request.remote_addr)


@lru_cache(maxsize=10_000)
def counted_as(remote: str | None) -> str:
    """An address as it is counted: of IPv6 the network, since one customer has 2**64 addresses to guess from."""
    try:
        found = ip_address((remote or "").partition("%")[0])
    except ValueError:
        return remote or NOWHERE
    if isinstance(found, IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or IPv6Network((found, ONE_CUSTOMER), strict=False))


def guesses_too_much(guesser: str) -> bool:
    """Whether an address, or somebody signed in, has sent too many wrong codes lately."""
    return not current_app.extensions["limiter"].test(GUESSES, "guess", guesser)


def slow_down_guessing(guesser: str | None = None) -> None:
    """Refuse whoever has sent too many wrong codes lately: an address, or a signed-in ``guesser``.

    Call before a look-up by code.
    """
    if guesses_too_much(guesser or address()):
        raise _too_many(GUESSES, "guess", guesser or address())


def note_wrong_code(guesser: str | None = None) -> None:
    """Count a code that was not known. Call when a look-up by code found nothing."""
    current_app.extensions["limiter"].hit(GUESSES, "guess", guesser or address())


def count_login() -> None:
    """Count a log-in attempt of this address; refuse when there are too many."""
    if not current_app.extensions["limiter"].hit(LOGINS, "login", address()):
        raise _too_many(LOGINS, "login", address())


def count_public_call(kind: str) -> None:
    """Count what anybody may send without a key; refuse an address that sends too much of a kind.

    Call where a row would be written for whoever asks.
    """
    limit = current_app.extensions["public_calls"]
    if not current_app.extensions["limiter"].hit(limit, kind, address()):
        raise _too_many(limit, kind, address())


def count_poster() -> None:
    """Count a poster that has to be drawn, which takes long; refuse an address that wants too many."""
    _count_drawing(POSTERS, "poster")


def count_preview() -> None:
    """The same for the picture that chat apps show."""
    _count_drawing(PREVIEWS, "preview")


def count_trial(person: str) -> None:
    """Count a test message that somebody sends himself; refuse too many."""
    _count(TRIALS, "trial", person)


def count_link_check(person: str) -> None:
    """Count that somebody has our server open the links of a message; refuse too many."""
    _count(LINK_CHECKS, "links", person)


def _count(limit: RateLimitItem, *counted: str) -> None:
    if not current_app.extensions["limiter"].hit(limit, *counted):
        raise _too_many(limit, *counted)


def _count_drawing(limit: RateLimitItem, kind: str) -> None:
    _count(limit, kind, address())


def _too_many(limit: RateLimitItem, *counted: str) -> TooMany:
    """The refusal, with the seconds until the next call is taken."""
    free_at = current_app.extensions["limiter"].free_at(limit, *counted)
    return TooMany(retry_after=max(1, math.ceil(free_at - time.time())))
