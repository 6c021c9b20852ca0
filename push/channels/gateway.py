"""A signed HTTP POST to a gateway that speaks to SMS and WeChat services.

The gateway checks ``X-Kaquan-Signature: v1=<hex>``, which is HMAC-SHA256 with the shared secret over
``<X-Kaquan-Timestamp>.<body>``, and drops a second message with the same ``Idempotency-Key``.
"""

import hashlib
import hmac
import json
import time
from dataclasses import asdict
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx2

from core.clock import utc_now
from push.channels import CodeMessage, Message, PermanentError, RetryError, UnansweredError

TIMEOUT = 10.0  # seconds
PARALLEL = 8
# 401, 403 and 404 speak of our set-up, not of this member; the rest may pass.
TRY_AGAIN = {401, 403, 404, 405, 408, 425, 429}
LONGEST_WAIT = timedelta(hours=6)
NOT_REACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class GatewayChannel:
    """One client with kept connections, used by several threads."""

    parallel = PARALLEL

    def __init__(self, url: str, secret: str, *, timeout: float = TIMEOUT) -> None:
        self._url = url
        self._secret = secret
        limits = httpx2.Limits(max_connections=PARALLEL, max_keepalive_connections=PARALLEL)
        self._client = httpx2.Client(timeout=timeout, limits=limits, follow_redirects=False)

    def send(self, message: Message) -> None:
        self._post(message.key, _payload(message))

    def send_code(self, message: CodeMessage) -> None:
        """Hand a one-time code over; raises as ``send`` does."""
        payload = asdict(message)
        self._post(payload.pop("key"), {"kind": "phone_code", "message_key": message.key, **payload})

    def _post(self, key: str, payload: dict[str, object]) -> None:
        body = json.dumps(payload, ensure_ascii=False).encode()
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": key,
            "X-Kaquan-Timestamp": timestamp,
            "X-Kaquan-Signature": f"v1={signature(self._secret, timestamp, body)}",
        }
        try:
            answer = self._client.post(self._url, content=body, headers=headers)
        except NOT_REACHED as problem:
            raise RetryError(f"gateway: {type(problem).__name__}") from None
        except httpx2.HTTPError as problem:
            raise UnansweredError(f"gateway: {type(problem).__name__}") from None
        if answer.is_success:
            return
        if answer.status_code in TRY_AGAIN or not 400 <= answer.status_code < 500:
            raise RetryError(f"gateway {answer.status_code}", retry_after(answer.headers.get("Retry-After")))
        raise PermanentError(f"gateway {answer.status_code}")

    def close(self) -> None:
        self._client.close()


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the gateway computes to know that the message is ours, and fresh."""
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


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


def _payload(message: Message) -> dict[str, object]:
    return {
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
