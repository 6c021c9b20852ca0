"""What a browser and its address look like, as keyed hashes: countable, not readable, and worth nothing elsewhere.

They serve the fraud rules alone (docs/decisions/fraud.md). Many people share an address, and many phones look alike:
alike is a reason to look, never a proof.
"""

import hashlib
import hmac
from functools import lru_cache
from ipaddress import ip_address

from flask import current_app, request

from app.security import counted_as
from sharing.traces import NO_TRACE, Trace

LENGTH = 16  # bytes of a hash that are kept


def trace_of_request() -> Trace:
    """What the browser that asks leaves behind. Only for pages: behind the API's address stands a partner's server."""
    headers = request.headers
    return trace_of_browser(request.remote_addr, headers.get("User-Agent", ""), headers.get("Accept-Language", ""))


def trace_of_browser(address: str | None, user_agent: str, languages: str) -> Trace:
    """The device is what a browser says of itself, at its address. Nobody comes from an address that is not public."""
    network = _network(address)
    if network is None:
        return NO_TRACE
    return Trace(_hashed("browser", user_agent, languages, network), _hashed("network", network))


def trace_told(device: str | None, network_address: str | None) -> Trace:
    """What a partner's system tells of the person before it."""
    network = _network(network_address)
    return Trace(
        None if device is None else _hashed("device", device),
        None if network is None else _hashed("network", network),
    )


@lru_cache(maxsize=10_000)
def _network(address: str | None) -> str | None:
    """What the addresses of one connection have in common. None for this machine, and for a proxy that
    TRUSTED_PROXIES does not know of: there everybody would be one.
    """
    try:
        found = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    plain = getattr(found, "ipv4_mapped", None) or found
    return counted_as(address) if plain.is_global else None


def is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _hashed(*parts: str) -> str:
    said = "\n".join(parts).encode("utf-8", "surrogateescape")
    return hmac.digest(_key(current_app.config["SECRET_KEY"]), said, "sha256")[:LENGTH].hex()


@lru_cache(maxsize=8)
def _key(secret: str) -> bytes:
    """A key for this alone, so that no other use of the secret makes these hashes."""
    return hmac.digest(secret.encode(), b"traces", hashlib.sha256)
