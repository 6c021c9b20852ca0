"""Partner systems that listen, and what they were told."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from time import sleep
from typing import Any, NamedTuple

from core.audit import SYSTEM
from core.db import db, transaction
from push.partners.calling import Caller, call_batch
from push.partners.endpoints import NewEndpoint, Wanted, create_endpoint
from push.partners.models import WebhookMessage
from stores.models import Chain
from tests.factories import NOON
from tests.push.standing import standing


class Call(NamedTuple):
    """One request that came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


class Partner(ThreadingHTTPServer):
    """Keeps every call. ``answer`` gives the status, a pair of status and headers, or seconds to be silent."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[Call] = []
        self.answer: Callable[[Call], Any] = lambda _call: 204
        self.lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is part of the play."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Partner

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        call = Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        with self.server.lock:
            self.server.calls.append(call)
        planned = self.server.answer(call)
        if isinstance(planned, float):
            sleep(planned)
            planned = 204
        status, headers = planned if isinstance(planned, tuple) else (planned, {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def partner() -> Iterator[Partner]:
    with standing(Partner()) as server:
        yield server


def listen(chain: Chain, url: str, *kinds: str, is_private: bool = True) -> NewEndpoint:
    with transaction():
        wanted = Wanted("CRM", url, kinds)
        return create_endpoint(chain.id, wanted, is_private=is_private, by=SYSTEM, now=NOON)


def call_out(*, now: Any = NOON, is_private: bool = True, timeout: float = 5.0) -> int:
    """Call everybody who is to be told something now."""
    caller = Caller(is_private=is_private, timeout=timeout)
    try:
        count = 0
        while done := call_batch(caller, now=now):
            count += done
        return count
    finally:
        caller.close()


def messages() -> list[WebhookMessage]:
    db.session.commit()
    query = db.select(WebhookMessage).order_by(WebhookMessage.id).execution_options(populate_existing=True)
    return list(db.session.scalars(query))
