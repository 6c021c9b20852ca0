"""Web Push: a message encrypted for each browser (RFC 8291), handed to the push service of its maker (RFC 8030).

A message that is tried again tells nobody twice: its key is the topic under which the push service keeps one message,
and the tag under which the browser shows one notification.
"""

import asyncio
import base64
import hashlib
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp
from cryptography.hazmat.primitives.asymmetric import ec
from pywebpush import WebPusher

from core.clock import utc_now
from push.channels import Browser, Handed, Message, PermanentError, RetryError, UnansweredError
from push.channels.gateway import retry_after
from push.channels.vapid import Tokens

TIMEOUT = 10.0  # seconds
CONNECT_TIMEOUT = 4.0
PARALLEL = 64
LONGEST_KEPT = timedelta(days=7)  # by a push service, for a browser that is off
LARGEST = 3000  # bytes before encryption; push services take 4,096 after it
LONGEST_TOPIC = 32  # characters
GONE = {404, 410}
TRY_AGAIN = {401, 403, 408, 425, 429}
# A subscription that was made for another key of ours, in the words of Apple and of Google.
OF_ANOTHER_KEY = ("VapidPkHashMismatch", "do not correspond")
FAILURES = 5  # in a row, after which a push service is left alone for a while
REST = timedelta(minutes=1)
STOP = {"zh": "不再接收", "en": "Stop these"}
WITH_COUPON = {"zh": "附上优惠券：{coupon}", "en": "With it comes a coupon: {coupon}"}


@dataclass(frozen=True)
class _Answer:
    """What became of a message on its way to one browser."""

    problem: PermanentError | RetryError | None = None
    is_gone: bool = False


class WebPushChannel:
    """Encrypts and posts, on one client with kept connections."""

    parallel = PARALLEL

    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str, *, timeout: float = TIMEOUT) -> None:
        self._tokens = Tokens(key, subject)
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, CONNECT_TIMEOUT))
        self._session: aiohttp.ClientSession | None = None
        self._failures: dict[str, int] = defaultdict(int)  # in a row, by push service
        self._rests_until: dict[str, float] = {}

    async def send(self, message: Message) -> Handed:
        """Hand the message over for every browser of the member; one that takes it is enough."""
        if not message.browsers:
            raise PermanentError("web push: no browser")
        body = payload(message)
        answers = await asyncio.gather(*(self._tell(browser, message, body) for browser in message.browsers))
        told = list(zip(message.browsers, answers, strict=True))
        gone = tuple(browser.endpoint for browser, answer in told if answer.is_gone)
        problems = [answer.problem for answer in answers if answer.problem is not None]
        if len(problems) + len(gone) < len(answers):
            return Handed(gone=gone)
        for kind in (UnansweredError, RetryError):  # what may still go, goes
            for problem in problems:
                if isinstance(problem, kind):
                    raise kind(str(problem), problem.after, gone=gone, is_provider=False)
        raise PermanentError(str(problems[0]) if problems else "web push: gone", gone=gone)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _tell(self, browser: Browser, message: Message, body: bytes) -> _Answer:
        service = _service_of(browser.endpoint)
        if time.monotonic() < self._rests_until.get(service, 0):
            return _Answer(RetryError("web push: the push service is away", REST))
        try:
            encrypted = WebPusher(_subscription(browser)).encode(body)["body"]
            answer = await self._post(browser.endpoint, service, message, encrypted)
        except (ValueError, TypeError):  # keys that are none; they were checked when they came
            return _Answer(PermanentError("web push: keys"), is_gone=True)
        except aiohttp.ClientConnectorError as problem:
            self._note_failure(service)
            return _Answer(RetryError(f"web push: {type(problem).__name__}"))
        except (aiohttp.ClientError, TimeoutError) as problem:
            self._note_failure(service)
            return _Answer(UnansweredError(f"web push: {type(problem).__name__}"))
        self._failures.pop(service, None)
        return answer

    async def _post(self, endpoint: str, service: str, message: Message, encrypted: bytes) -> _Answer:
        headers = {
            "Authorization": self._tokens.header(service),
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(int(_kept_for(message).total_seconds())),
            "Urgency": "normal",
            "Topic": topic(message.key),
        }
        async with self._client().post(endpoint, data=encrypted, headers=headers, allow_redirects=False) as answer:
            words = "" if answer.ok else (await answer.content.read(2000)).decode(errors="replace")
            return _read(answer.status, answer.headers.get("Retry-After"), words)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=PARALLEL)
            self._session = aiohttp.ClientSession(timeout=self._timeout, connector=connector)
        return self._session

    def _note_failure(self, service: str) -> None:
        """Another push service goes on: one that cannot be reached must not hold it up."""
        self._failures[service] += 1
        if self._failures[service] >= FAILURES:
            self._failures.pop(service)
            self._rests_until[service] = time.monotonic() + REST.total_seconds()


def payload(message: Message) -> bytes:
    """What the service worker reads, short enough for every push service."""
    lines = [message.body]
    if message.coupon:
        lines.append(WITH_COUPON[message.language].format(coupon=message.coupon))
    said: dict[str, object] = {
        "title": f"{message.chain} · {message.title}",
        "body": "\n".join(line for line in lines if line),
        "url": message.url,
        "key": message.key,
        "lang": "zh-CN" if message.language == "zh" else "en",
        "stop": {"label": STOP[message.language], "url": message.unsubscribe_url},
    }
    octets = _packed(said)
    while len(octets) > LARGEST:
        excess = len(octets) - LARGEST
        said["body"] = str(said["body"])[: -max(1, excess // 4) - 1].rstrip() + "…"
        octets = _packed(said)
    return octets


def topic(key: str) -> str:
    """Two messages of one topic are one to the push service (RFC 8030, 5.4)."""
    return base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()).decode()[:LONGEST_TOPIC]


def _kept_for(message: Message) -> timedelta:
    """As long as it is worth reading."""
    left = message.fresh_until - utc_now() if message.fresh_until else LONGEST_KEPT
    return min(max(left, timedelta()), LONGEST_KEPT)


def _packed(said: dict[str, object]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def _subscription(browser: Browser) -> dict[str, object]:
    return {"endpoint": browser.endpoint, "keys": {"p256dh": browser.p256dh, "auth": browser.auth}}


def _service_of(endpoint: str) -> str:
    address = urlsplit(endpoint)
    return f"{address.scheme}://{address.netloc}"


def _read(status: int, wait: str | None, words: str) -> _Answer:
    """What an answer means: taken, gone, perhaps later, never."""
    if 200 <= status < 300:
        return _Answer()
    if status in GONE or any(word in words for word in OF_ANOTHER_KEY):
        return _Answer(is_gone=True)
    if status in TRY_AGAIN or not 400 <= status < 500:
        return _Answer(RetryError(f"web push {status}", retry_after(wait)))
    return _Answer(PermanentError(f"web push {status}"))
