"""A push service as browsers' makers run it (RFC 8030), and a browser that subscribed there and reads what comes."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import http_ece
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02

from push.channels import Browser
from tests.push.standing import standing

LARGEST_BODY = 4096
LONGEST_LIFE = 24 * 3600  # of a token, in seconds


class Subscriber:
    """A browser: it has a key of its own, and an address at the push service."""

    def __init__(self, url: str, number: int, auth: bytes) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = auth
        self.endpoint = f"{url}/wake/{number}"

    @property
    def browser(self) -> Browser:
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return Browser(self.endpoint, unpadded(point), unpadded(self.auth))

    @property
    def form(self) -> dict[str, str]:
        """What a page sends of it."""
        return {"endpoint": self.endpoint, "p256dh": self.browser.p256dh, "auth": self.browser.auth}

    def read(self, body: bytes) -> dict[str, Any]:
        """Decrypt as a browser does (RFC 8291)."""
        plain = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        said: dict[str, Any] = json.loads(plain)
        return said


class PushService(ThreadingHTTPServer):
    """Checks what the RFCs ask for, and keeps one message for each topic. ``answer`` may break things on the way."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, public_key: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.public_key = public_key  # whose subscriptions these are
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.kept: dict[str, dict[str, bytes]] = {}  # by path, then by topic: what a browser will be given
        self.answer: Callable[[str], tuple[int, dict[str, str]] | None] = lambda _path: (201, {})
        self.words = b""  # of a refusal
        self.lock = threading.Lock()
        self._made = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def subscribe(self) -> Subscriber:
        with self.lock:
            self._made += 1
        return Subscriber(self.url, self._made, bytes([self._made % 256]) * 16)

    def bodies_of(self, subscriber: Subscriber) -> list[bytes]:
        """What waits for a browser."""
        with self.lock:
            return list(self.kept.get(f"/wake/{subscriber.endpoint.rpartition('/')[2]}", {}).values())

    def messages_of(self, subscriber: Subscriber) -> list[dict[str, Any]]:
        return [subscriber.read(body) for body in self.bodies_of(subscriber)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the play."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: PushService

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.calls.append((self.path, dict(self.headers)))
        if problem := self._problem(body):
            return self._reply(*problem)
        planned = self.server.answer(self.path)
        if planned is None or planned[0] < 300:
            with self.server.lock:
                self.server.kept.setdefault(self.path, {})[self.headers["Topic"]] = body
        if planned is None:  # taken, and the connection breaks before the answer
            self.close_connection = True
            return self.connection.close()
        return self._reply(*planned)

    def _problem(self, body: bytes) -> tuple[int, dict[str, str]] | None:
        if len(body) > LARGEST_BODY:
            return 413, {}
        is_well_formed = (
            self.headers["Content-Encoding"] == "aes128gcm"
            and self.headers["TTL"].isdecimal()
            and self.headers["Urgency"] in ("very-low", "low", "normal", "high")
            and len(self.headers["Topic"]) <= 32
        )
        if not is_well_formed:
            return 400, {}
        return None if self._is_known() else (403, {})

    def _is_known(self) -> bool:
        """VAPID (RFC 8292): signed by the key of the subscription, for this service, not for long."""
        header = self.headers["Authorization"]
        if not Vapid02.verify(header):
            return False
        parts = dict(part.split("=", 1) for part in header.removeprefix("vapid ").split(","))
        claims = json.loads(base64.urlsafe_b64decode(parts["t"].split(".")[1] + "=="))
        return (
            parts["k"] == self.server.public_key
            and claims["aud"] == self.server.url
            and time.time() < claims["exp"] <= time.time() + LONGEST_LIFE
            and claims["sub"].startswith(("mailto:", "https:"))
        )

    def _reply(self, status: int, headers: dict[str, str]) -> None:
        words = self.server.words if status >= 400 else b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def push_service(public_key: str) -> Iterator[PushService]:
    """A running service for the subscriptions of one application."""
    with standing(PushService(public_key)) as server:
        yield server


def unpadded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
