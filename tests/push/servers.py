"""Providers that speak the real protocols, and their faults: an SMTP server, an HTTP gateway."""

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from tests.push.standing import standing

SECRET = "shared with the gateway"


class MailServer:
    """Keeps what it takes. ``answers`` are replies to recipients that are not 250, ``at_the_end`` those to mails."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answers: dict[str, str] = {}
        self.at_the_end: dict[str, str] = {}
        self.connections = 0

    @property
    def keys(self) -> list[str]:
        return [str(mail["X-Message-Key"]) for mail in self.mails]

    async def handle_EHLO(self, _server: Any, session: Any, _envelope: Any, hostname: str, responses: Any) -> Any:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        for address in envelope.rcpt_tos:
            if address in self.at_the_end:
                return self.at_the_end[address]
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 taken"


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@contextmanager
def mail_server() -> Iterator[tuple[MailServer, str]]:
    """A server and its SMTP_URL."""
    handler = MailServer()
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield handler, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()


class Gateway(ThreadingHTTPServer):
    """Checks signatures and drops repeated keys, as an SMS gateway does. ``answer`` may break things on the way."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[dict[str, Any]] = []
        self.acted: dict[str, dict[str, Any]] = {}  # by key: what a phone would have shown
        self.answer: Callable[[dict[str, Any]], tuple[int, dict[str, str]] | None] = lambda _body: (202, {})
        self.said: dict[str, Any] = {}  # in JSON, with every answer
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/messages"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the play."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        stamp, signature = self.headers["X-Kaquan-Timestamp"], self.headers["X-Kaquan-Signature"]
        wanted = hmac.new(SECRET.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hexdigest()
        if signature != f"v1={wanted}" or abs(time.time() - int(stamp)) > 300:
            return self._reply(401, {})
        body = json.loads(raw)
        key = self.headers["Idempotency-Key"]
        with self.server.lock:
            self.server.calls.append(body | {"key": key})
        planned = self.server.answer(body)
        if planned is None:  # acted on, and the connection breaks before the answer
            self._act(key, body)
            self.close_connection = True
            return self.connection.close()
        if planned[0] < 300:
            self._act(key, body)
        return self._reply(*planned)

    def _act(self, key: str, body: dict[str, Any]) -> None:
        with self.server.lock:
            self.server.acted.setdefault(key, body)

    def _reply(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        body = json.dumps(self.server.said).encode() if self.server.said else b""
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def gateway() -> Iterator[Gateway]:
    with standing(Gateway()) as server:
        yield server
