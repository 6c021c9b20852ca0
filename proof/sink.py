"""A gateway and a mail server as they are, in a process: ``python -m proof.sink`` prints their ports.

The gateway checks signatures and acts once for each key. Of the calls 5 in 100 are answered with an error, some of
which were acted on nevertheless; 1 in 100 hangs; 1 in 100 loses its connection. Some numbers it never takes.
"""

import asyncio
import hashlib
import json
import random
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from typing import Any, NamedTuple

from aiohttp import web
from aiosmtpd.controller import Controller

from push.channels.gateway import signature

SECRET = "shared with the gateway"
HANGS_SECONDS = 60.0  # longer than anybody waits
LATENCY_SECONDS = 0.02
NEVER = 100  # one number in so many is never taken


def is_never_taken(phone: str) -> bool:
    """A number that does not exist: refused at every attempt."""
    return int(hashlib.sha256(phone.encode()).hexdigest(), 16) % NEVER == 0


class Gateway:
    """``acted`` has, by key, who would have seen what on his phone."""

    def __init__(self) -> None:
        self.acted: dict[str, str] = {}
        self.changed: list[str] = []  # keys that came again with something else
        self.answers: Counter[str] = Counter()
        self._random = random.Random(5)

    async def take(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        wanted = signature(SECRET, request.headers["X-Kaquan-Timestamp"], raw)
        if request.headers["X-Kaquan-Signature"] != f"v1={wanted}":
            return web.Response(status=401)
        await asyncio.sleep(LATENCY_SECONDS)
        body, key, fate = json.loads(raw), request.headers["Idempotency-Key"], self._random.random()
        if is_never_taken(body["to"]):
            return self._answer("refused for good", 422)
        if fate < 0.02:
            return self._answer("busy", 503)
        if fate < 0.03:
            return self._answer("too many", 429, {"Retry-After": "1"})
        self._act(key, body)
        if fate < 0.05:
            return self._answer("acted, then an error", 500)
        if fate < 0.06:
            self.answers["acted, then silent"] += 1
            await asyncio.sleep(HANGS_SECONDS)
        elif fate < 0.07:
            self.answers["acted, connection dropped"] += 1
            if request.transport is not None:  # a worker that was killed meanwhile has hung up
                request.transport.abort()
        return self._answer("taken", 202)

    def _act(self, key: str, body: dict[str, Any]) -> None:
        shown = f"{body['to']} {body['title']}"
        if self.acted.setdefault(key, shown) != shown:
            self.changed.append(key)

    def _answer(self, what: str, status: int, headers: dict[str, str] | None = None) -> web.Response:
        self.answers[what] += 1
        return web.Response(status=status, headers=headers)


class Mails:
    """Takes every mail. ``keys`` counts how often each message came."""

    def __init__(self) -> None:
        self.keys: Counter[str] = Counter()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        head = envelope.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        self.keys[str(message_from_bytes(head, policy=policy.default)["X-Message-Key"])] += 1
        return "250 taken"


class Seen(NamedTuple):
    """What the sink remembers."""

    acted: dict[str, str]
    changed: list[str]
    answers: dict[str, int]
    mails: dict[str, int]


class Sink:
    """Where both listen."""

    def __init__(self, gateway_port: int, mail_port: int) -> None:
        self.gateway_url = f"http://127.0.0.1:{gateway_port}/messages"
        self.smtp_url = f"smtp://127.0.0.1:{mail_port}"

    def seen(self) -> Seen:
        with urllib.request.urlopen(self.gateway_url, timeout=60) as answer:
            return Seen(**json.load(answer))


@contextmanager
def sink() -> Iterator[Sink]:
    """In a process of its own: it lives on while those that send are killed."""
    process = subprocess.Popen([sys.executable, "-m", "proof.sink"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        gateway_port, mail_port = map(int, process.stdout.readline().split())
        yield Sink(gateway_port, mail_port)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def serve() -> None:
    gateway, mails = Gateway(), Mails()

    async def tell(_request: web.Request) -> web.Response:
        return web.json_response(Seen(gateway.acted, gateway.changed, gateway.answers, mails.keys)._asdict())

    app = web.Application()
    app.router.add_post("/messages", gateway.take)
    app.router.add_get("/messages", tell)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    controller = Controller(mails, hostname="127.0.0.1", port=free_port())
    controller.start()
    print(runner.addresses[0][1], controller.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    from benchmarks.serving import free_port

    asyncio.run(serve())
