"""Calling partner systems: what they are to be told goes out signed, and again until they take it.

One short transaction takes a batch, fairly among endpoints; with none open they are called side by side; one more notes
the answers. An endpoint that fails rests ever longer and is then tried with one message, so that it holds up nobody.
After days of failure it is disabled. The messages are Standard Webhooks: ``webhook-id`` is the same at every attempt.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import random
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from sqlalchemy import and_, exists, or_, select, update

from core.db import db, transaction
from push.channels.gateway import retry_after
from push.channels.public_addresses import is_public
from push.delivering.looping import run_here
from push.partners import endpoints as webhooks
from push.partners.models import DisabledBecause, WebhookEndpoint, WebhookMessage, WebhookState

LEASE = timedelta(minutes=2)
TIMEOUT = 10.0  # seconds, for a whole call
AT_ONCE = 8  # calls to one endpoint
PER_ENDPOINT = 50
BATCH = 500
MOST_READ = 65_536  # of an answer: what it says is not kept
WAITS = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)  # after each failed attempt: more than three days in all
SPREAD = 0.1
FIRST_REST, LONGEST_REST = timedelta(seconds=5), timedelta(minutes=15)
PATIENCE = timedelta(days=5)  # with an endpoint that takes nothing


class Due(NamedTuple):
    """A message on its way, with where to and what signs it."""

    id: int
    chain_id: int
    endpoint_id: int
    message_id: str
    attempts: int
    body: bytes
    url: str
    secrets: tuple[str, ...]


class Answer(NamedTuple):
    """What came back: a status, or why there was none."""

    status: int | None = None
    error: str | None = None
    after: timedelta | None = None

    @property
    def is_yes(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class AddressNotPublic(OSError):
    """The name leads into a private network."""


class PublicResolver(AbstractResolver):
    """Finds only addresses of the public internet. What it finds is what is called: there is no second look-up."""

    def __init__(self) -> None:
        self._names = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise AddressNotPublic("the address is not public")
        return public

    async def close(self) -> None:
        await self._names.close()


class Caller:
    """Calls endpoints, many side by side. Belongs to one thread."""

    def __init__(self, *, is_private: bool = False, timeout: float = TIMEOUT) -> None:
        self._is_private = is_private
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None

    def call_all(self, messages: Sequence[Due], *, now: datetime) -> list[Answer]:
        """The answers, in the order of the messages."""
        return run_here(self._call_all(messages, now))

    def close(self) -> None:
        """Give connections back, in the thread that called."""
        if self._session is not None:
            run_here(self._session.close())
            self._session = None

    async def _call_all(self, messages: Sequence[Due], now: datetime) -> list[Answer]:
        if self._session is None:
            resolver = None if self._is_private else PublicResolver()
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=AT_ONCE, resolver=resolver)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
        gates = {message.endpoint_id: asyncio.Semaphore(AT_ONCE) for message in messages}
        return await asyncio.gather(
            *(self._in_turn(self._session, message, gates[message.endpoint_id], now) for message in messages)
        )

    async def _in_turn(
        self, session: aiohttp.ClientSession, message: Due, gate: asyncio.Semaphore, now: datetime
    ) -> Answer:
        async with gate:
            return await self._call(session, message, now)

    async def _call(self, session: aiohttp.ClientSession, message: Due, now: datetime) -> Answer:
        host = urlsplit(message.url).hostname or ""
        if not self._is_private and _is_literal(host) and not is_public(host):
            return Answer(error="the address is not public")
        try:
            async with session.post(
                message.url, data=message.body, headers=headers_of(message, now), allow_redirects=False
            ) as answer:
                await answer.content.read(MOST_READ)
                return Answer(status=answer.status, after=retry_after(answer.headers.get("Retry-After")))
        except TimeoutError:
            return Answer(error="no answer in time")
        except aiohttp.ClientConnectorError as problem:
            is_inner = isinstance(problem.os_error, AddressNotPublic)
            return Answer(error="the address is not public" if is_inner else "could not be reached")
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            return Answer(error=type(problem).__name__)


def _is_literal(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def headers_of(message: Due, now: datetime) -> dict[str, str]:
    """What signs a message, with the time of this attempt."""
    stamp = str(int(now.timestamp()))
    return {
        "Content-Type": "application/json",
        "User-Agent": "Kaquan-Webhooks/1",
        "webhook-id": message.message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(
            signature(secret, message.message_id, stamp, message.body) for secret in message.secrets
        ),
    }


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(webhooks.PREFIX))
    signed = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


def body_of(message: WebhookMessage) -> bytes:
    """The same at every attempt."""
    said = {
        "type": message.kind,
        "timestamp": message.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": message.payload,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


# --- a batch --------------------------------------------------------------------------------------------------------


def call_batch(
    caller: Caller, *, now: datetime, lease: timedelta = LEASE, is_stopping: Callable[[], bool] = lambda: False
) -> int:
    """Take what is due, call, note the answers; return how many messages there were."""
    if is_stopping() or not (ready := _ready(now)):
        return 0
    random.shuffle(ready)
    due: list[Due] = []
    with transaction():
        for endpoint in ready:
            if len(due) < BATCH:
                due += _take(endpoint, now=now, lease=lease)
    answers = caller.call_all(due, now=now)
    with transaction():
        _note_all(list(zip(due, answers, strict=True)), now=now)
    return len(due)


def is_anybody_waiting(*, now: datetime) -> bool:
    """Whether there is an endpoint to call now."""
    return bool(_ready(now))


def _is_due(now: datetime) -> Any:
    free = or_(
        WebhookMessage.state == WebhookState.PENDING,
        and_(WebhookMessage.state == WebhookState.SENDING, WebhookMessage.leased_until <= now),
    )
    return and_(WebhookMessage.state.in_(webhooks.UNFINISHED), WebhookMessage.due_at <= now, free)


def _ready(now: datetime) -> list[WebhookEndpoint]:
    """The endpoints that are to be told something and may be called."""
    waits = exists().where(WebhookMessage.endpoint_id == WebhookEndpoint.id, _is_due(now))
    return list(
        db.session.scalars(
            select(WebhookEndpoint)
            .where(
                WebhookEndpoint.disabled_at.is_(None),
                or_(WebhookEndpoint.resting_until.is_(None), WebhookEndpoint.resting_until <= now),
                waits,
            )
            .execution_options(populate_existing=True)
        )
    )


def _take(endpoint: WebhookEndpoint, *, now: datetime, lease: timedelta) -> list[Due]:
    """Two workers never get the same message: the state in the WHERE decides. One alone where it failed last."""
    due = (
        select(WebhookMessage.id)
        .where(WebhookMessage.endpoint_id == endpoint.id, _is_due(now))
        .order_by(WebhookMessage.due_at, WebhookMessage.id)
        .limit(1 if endpoint.failures else PER_ENDPOINT)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    taken = db.session.scalars(
        update(WebhookMessage)
        .where(WebhookMessage.id.in_(select(due.c.id)), _is_due(now))
        .values(
            state=WebhookState.SENDING,
            leased_until=now + lease,
            tried_at=now,
            attempts=WebhookMessage.attempts + 1,
        )
        .returning(WebhookMessage)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).all()
    old = endpoint.previous_secret
    is_old_good = old is not None and endpoint.previous_until is not None and endpoint.previous_until > now
    signing = (endpoint.secret, old) if old is not None and is_old_good else (endpoint.secret,)
    return [
        Due(each.id, each.chain_id, endpoint.id, each.message_id, each.attempts, body_of(each), endpoint.url, signing)
        for each in taken
    ]


def _note_all(answered: Sequence[tuple[Due, Answer]], *, now: datetime) -> None:
    for message, answer in answered:
        _note(message, answer, now=now)
    for endpoint_id in sorted({message.endpoint_id for message, _ in answered}):  # so that no two wait for one another
        own = [(message, answer) for message, answer in answered if message.endpoint_id == endpoint_id]
        if any(answer.is_yes for _, answer in own):
            _is_well(endpoint_id)
        else:
            _is_ill(own[0][0], [answer for _, answer in own], now=now)


def _note(message: Due, answer: Answer, *, now: datetime) -> None:
    values: dict[str, Any] = {"status": answer.status, "error": answer.error, "leased_until": None}
    if answer.is_yes:
        values |= {"state": WebhookState.SENT, "sent_at": now}
    elif message.attempts > len(WAITS):
        values |= {"state": WebhookState.FAILED}
    else:
        wait = WAITS[message.attempts - 1] * (1 + SPREAD * random.random())
        values |= {"state": WebhookState.PENDING, "due_at": now + max(wait, answer.after or timedelta())}
    db.session.execute(
        update(WebhookMessage)
        .where(
            WebhookMessage.id == message.id,
            WebhookMessage.state == WebhookState.SENDING,
            WebhookMessage.attempts == message.attempts,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _is_well(endpoint_id: int) -> None:
    db.session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == endpoint_id, WebhookEndpoint.failures > 0)
        .values(failures=0, failing_since=None, resting_until=None)
        .execution_options(synchronize_session=False)
    )


def _is_ill(message: Due, answers: Sequence[Answer], *, now: datetime) -> None:
    """It rests twice as long each time. Gone for good, or for too long, it is disabled."""
    endpoint = db.session.get(WebhookEndpoint, message.endpoint_id, populate_existing=True)
    if endpoint is None:
        return
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    rest = min(FIRST_REST * 2 ** min(endpoint.failures - 1, 12), LONGEST_REST)
    asked = max((answer.after for answer in answers if answer.after), default=timedelta())
    endpoint.resting_until = now + max(rest, asked)
    db.session.flush()
    if any(answer.status == 410 for answer in answers):
        webhooks.disable(message.chain_id, endpoint.id, now=now, because=DisabledBecause.GONE)
    elif now - endpoint.failing_since >= PATIENCE:
        webhooks.disable(message.chain_id, endpoint.id, now=now, because=DisabledBecause.FAILING)
