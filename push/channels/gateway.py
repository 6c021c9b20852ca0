"""A signed HTTP POST to a gateway that speaks to SMS and WeChat services.

The gateway checks ``X-Kaquan-Signature: v1=<hex>``, which is HMAC-SHA256 with the shared secret over
``<X-Kaquan-Timestamp>.<body>``, and drops a second message with the same ``Idempotency-Key``.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx2

from core.clock import utc_now
from push.channels import CodeMessage, Handed, Message, PermanentError, RetryError, UnansweredError

TIMEOUT = 10.0  # seconds
AS_JSON = json.JSONEncoder(ensure_ascii=False).encode
PARALLEL = 64
# 401, 403 and 404 speak of our set-up, not of this member; the rest may pass.
TRY_AGAIN = {401, 403, 404, 405, 408, 425, 429}
NUMBER_IS_DEAD = 410
LONGEST_ANSWER = 4096  # bytes, in which a reference is looked for
LONGEST_REFERENCE = 100
LONGEST_WAIT = timedelta(hours=6)
NOT_REACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class GatewayChannel:
    """One session with kept connections, on the loop of the thread that sends."""

    def __init__(self, url: str, secret: str, *, timeout: float = TIMEOUT, parallel: int = PARALLEL) -> None:
        self.parallel = parallel
        self._url = url
        self._secret = secret
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, message: Message) -> Handed:
        body, headers = _signed(self._secret, message.key, _payload(message))
        session = self._session or self._open()
        try:
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                _check(answer.status, answer.headers)
                return Handed(await _reference(answer))
        except aiohttp.ClientConnectorError as problem:
            raise RetryError(f"gateway: {type(problem).__name__}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise UnansweredError(f"gateway: {type(problem).__name__}") from None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=self.parallel, ttl_dns_cache=60)
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self._session


class GatewayCodes:
    """The same gateway for one-time codes: a person waits, so it is asked at once, by whichever thread serves him."""

    def __init__(self, url: str, secret: str, *, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._secret = secret
        self._client = httpx2.Client(timeout=timeout, follow_redirects=False)

    def send_code(self, message: CodeMessage) -> None:
        """Hand a one-time code over; raises as ``Channel.send`` does."""
        payload = asdict(message)
        key = payload.pop("key")
        body, headers = _signed(self._secret, key, {"kind": "phone_code", "message_key": key, **payload})
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except NOT_REACHED as problem:
            raise RetryError(f"gateway: {type(problem).__name__}") from None
        except httpx2.HTTPError as problem:
            raise UnansweredError(f"gateway: {type(problem).__name__}") from None
        _check(answer.status_code, answer.headers)

    def close(self) -> None:
        self._client.close()


def _signed(secret: str, key: str, payload: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
    body = AS_JSON(payload).encode()
    timestamp = str(int(time.time()))
    return body, {
        "Content-Type": "application/json; charset=utf-8",
        "Idempotency-Key": key,
        "X-Kaquan-Timestamp": timestamp,
        "X-Kaquan-Signature": f"v1={signature(secret, timestamp, body)}",
    }


def _check(status: int, headers: Mapping[str, str]) -> None:
    """Raise what the answer means, unless it is a yes."""
    if 200 <= status < 300:
        return
    if status in TRY_AGAIN or not 400 <= status < 500:
        raise RetryError(f"gateway {status}", retry_after(headers.get("Retry-After")))
    raise PermanentError(f"gateway {status}", address_is_dead=status == NUMBER_IS_DEAD)


async def _reference(answer: aiohttp.ClientResponse) -> str | None:
    """What the gateway calls the message, where it says so; nothing else of what it says is of interest."""
    text = b""
    try:
        async for part in answer.content.iter_any():
            text += part
            if len(text) > LONGEST_ANSWER:
                return None
        said = json.loads(text)
    except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError):
        return None
    reference = said.get("ref") if isinstance(said, dict) else None
    return reference if isinstance(reference, str) and is_reference(reference) else None


def is_reference(reference: str) -> bool:
    """PostgreSQL keeps no zero byte, and one odd reference must not keep a whole batch from being noted."""
    return 0 < len(reference) <= LONGEST_REFERENCE and reference.isprintable()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the gateway computes to know that the message is ours, and fresh."""
    return hmac.digest(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hex()


def retry_after(value: str | None) -> timedelta | None:
    """Seconds or a date (RFC 9110), at most six hours; None when it says neither."""
    if not value:
        return None
    if value.isascii() and value.isdecimal():
        return min(timedelta(seconds=int(value[:9])), LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(value) - utc_now()
    except (ValueError, TypeError):
        return None
    return min(max(wait, timedelta()), LONGEST_WAIT)


def _payload(message: Message) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "message_key": message.key,
        "to": message.to,
        "language": message.language,
        "chain": message.chain,
        "title": message.title,
        "body": message.body,
        "coupon": message.coupon,
        "url": message.url,
        "unsubscribe_url": message.unsubscribe_url,
    }
    if message.template is not None:
        payload["template"] = {"code": message.template.code, "fields": dict(message.template.fields)}
    return payload
