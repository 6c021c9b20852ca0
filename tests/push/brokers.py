"""A Redis server of our own for a test; where there is none, fakeredis speaks its protocol over TCP."""

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakeredis import TcpFakeServer

from tests.push.servers import free_port


@contextmanager
def redis_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """Its BROKER_URL. It keeps nothing."""
    port = port or free_port()
    program = shutil.which("redis-server")
    running = _real(program, port, folder) if program else _fake(port)
    with running:
        _wait_for(port)
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _real(program: str, port: int, folder: Path) -> Iterator[None]:
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(
        [*command, "--dir", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _fake(port: int) -> Iterator[None]:
    server = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("Redis did not start")
