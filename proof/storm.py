"""Many clients at once. Each sends its requests one after the other, and asks again when it got no answer.

All connections are open before the first request leaves; then every client sends in the same moment. A client whose
connection breaks before the answer sends the very same request again, under the same Idempotency-Key, until a server is
there to answer it.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import uuid4

CLIENTS = 64
PATIENCE = 90.0  # seconds in which a request must have got its answer
PAUSE = 0.25  # before asking again


class Request(NamedTuple):
    """A POST by somebody, under a key of its own."""

    path: str
    bearer: str
    body: dict[str, Any]
    key: str


class Answer(NamedTuple):
    status: int
    body: Any
    tries: int
    is_replay: bool

    @property
    def code(self) -> str:
        """What the answer was: "yes", or the code of the refusal."""
        if self.is_yes:
            return "yes"
        code = self.body.get("code") if isinstance(self.body, dict) else None
        return str(code or self.status)

    @property
    def is_yes(self) -> bool:
        return 200 <= self.status < 300


def post(path: str, bearer: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> Request:
    """A request to the API."""
    return Request(f"/api/v1{path}", bearer, body or {}, key or uuid4().hex)


def storm(port: int, plans: Sequence[Sequence[Request]]) -> list[Answer]:
    """Let each client carry out its plan, all at once; the answers in no order."""
    return asyncio.run(_storm(port, plans))


def shared(requests: Sequence[Request], clients: int = CLIENTS) -> list[list[Request]]:
    """The requests dealt out to so many clients."""
    return [list(requests[number::clients]) for number in range(min(clients, len(requests)))]


async def _storm(port: int, plans: Sequence[Sequence[Request]]) -> list[Answer]:
    start = asyncio.Barrier(len(plans))
    answers = await asyncio.gather(*(_client(port, plan, start) for plan in plans))
    return [answer for each in answers for answer in each]


async def _client(port: int, plan: Sequence[Request], start: asyncio.Barrier) -> list[Answer]:
    connection = _Connection(port)
    await connection.open()
    await start.wait()
    try:
        return [await _answered(connection, request) for request in plan]
    finally:
        connection.close()


async def _answered(connection: "_Connection", request: Request) -> Answer:
    until, tries = time.monotonic() + PATIENCE, 0
    while True:
        tries += 1
        with suppress(OSError, EOFError, asyncio.TimeoutError):
            status, headers, body = await connection.ask(request)
            return Answer(status, body, tries, b"idempotent-replay" in headers)
        if time.monotonic() > until:
            return Answer(0, None, tries, False)
        connection.close()
        await asyncio.sleep(PAUSE)


class _Connection:
    """One keep-alive connection, opened again when it was cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def ask(self, request: Request) -> tuple[int, bytes, Any]:
        """Raises OSError or EOFError when there is no whole answer."""
        if self._writer is None:
            await self.open()
        assert self._reader is not None
        assert self._writer is not None
        self._writer.write(_bytes_of(request))
        await self._writer.drain()
        head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), 60)
        status = int(head[9:12])
        headers = head.lower()
        length = int(headers.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        body = await asyncio.wait_for(self._reader.readexactly(length), 60)
        return status, headers, json.loads(body) if body.startswith(b"{") else None


def _bytes_of(request: Request) -> bytes:
    body = json.dumps(request.body).encode()
    lines = [
        f"POST {request.path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        "Accept-Language: en",
        f"Authorization: Bearer {request.bearer}",
        f"Idempotency-Key: {request.key}",
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
