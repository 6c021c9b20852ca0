"""The real server with the settings of a plain installation."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import insert

from app.config import ROOT
from core.clock import utc_now
from core.db import db
from core.tokens import hashed
from stores.models import Scan
from tests.factories import make_chain, make_key, make_store, make_store_code, make_wallet

START_SECONDS = 60
ANSWER_SECONDS = 5  # of a loaded machine; a held-up request would not be answered at all
SCANS = 25_000  # with the store's name some 11 MB: more than the server and both sockets keep
WINDOW = 64 * 1024  # bytes that a slow reader's machine takes for it
SLOW_READERS = 2
REPORT = "/reports/scans.csv"

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def port(app, tmp_path: Path) -> Iterator[int]:
    """Of a server on the database of this test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEB_")}
    own = {"DATABASE_URL": app.config["SQLALCHEMY_DATABASE_URI"], "KAQUAN_VAR": str(tmp_path), "KAQUAN_NO_DOTENV": "1"}
    log = tmp_path / "log"
    with log.open("wb") as file:
        words = [sys.executable, "-m", "flask", "--app", "wsgi", "serve", "--port", str(port)]
        server = subprocess.Popen(words, cwd=ROOT, env=kept | own, stdout=file, stderr=file)
    try:
        wait_until_ready(server, port, log)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def wait_until_ready(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            ask(port, "GET", "/healthz")
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)


def ask(port: int, method: str, path: str, **headers: str) -> int:
    """The status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    with closing(connection):
        connection.request(method, path, headers=headers)
        return connection.getresponse().status


class SlowReader:
    """Somebody who asks for a file, takes its beginning, and then does something else."""

    def __init__(self, port: int, path: str, bearer: str) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer {bearer}\r\n\r\n"
        self.socket.sendall(head.encode())
        self.taken = self.socket.recv(2000)

    def close(self) -> None:
        self.socket.close()

    def read_on(self) -> bytes:
        while piece := self.socket.recv(1 << 20):
            self.taken += piece
        return self.taken


def test_a_slow_reader_of_a_long_file_holds_nobody_up(app, port):
    chain = make_chain()
    code = make_store_code(make_store(chain, name="门" * 120))
    scan = {"chain_id": chain.id, "store_id": code.store_id, "store_code_id": code.id, "at": utc_now()}
    db.session.execute(insert(Scan), [scan | {"visitor": hashed(str(n))} for n in range(SCANS)])
    db.session.commit()
    key = make_key(chain)
    for number in range(5):
        make_wallet(f"wallet-{number}")

    with ExitStack() as stack:
        readers = [stack.enter_context(closing(SlowReader(port, REPORT, key))) for _ in range(SLOW_READERS)]
        time.sleep(1)  # the server sends until nobody takes it
        for number in range(5):
            path = f"/api/v1/store-codes/{code.token}/cards"
            assert ask(port, "POST", path, Authorization=f"Bearer wallet-{number}") == 201
            assert ask(port, "GET", "/login") == 200
        answers = [reader.read_on() for reader in readers]

    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.count("门".encode() * 120) == SCANS
