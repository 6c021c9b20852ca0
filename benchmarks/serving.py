"""The server under test: what ``flask --app wsgi serve`` starts, in processes of its own."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


@dataclass(frozen=True)
class Serving:
    port: int
    process: "subprocess.Popen[bytes]"

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True) or [psutil.Process(self.process.pid)]

    def forget_peak(self) -> None:
        """Begin a new measurement of the most memory (Linux)."""
        for worker in self.workers():
            Path(f"/proc/{worker.pid}/clear_refs").write_text("5")

    def peak_mib(self) -> float:
        """The most that one process has held since ``forget_peak``."""
        return max(_status(worker.pid, "VmHWM") for worker in self.workers())

    def resident_mib(self) -> float:
        return max(_status(worker.pid, "VmRSS") for worker in self.workers())


def _status(pid: int, name: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def environment(database_url: str, folder: Path) -> dict[str, str]:
    """The settings of a benchmark's application: those of a plain installation."""
    kept = {name: value for name, value in os.environ.items() if name not in ("TEST_POSTGRES_URL", "PGOPTIONS")}
    return kept | {
        "DATABASE_URL": database_url,
        "SECRET_KEY": "benchmarks" * 5,
        "PUBLIC_URL": "http://localhost:8000",
        "KAQUAN_VAR": str(folder),
        "KAQUAN_NO_DOTENV": "1",
        "FLASK_SKIP_DOTENV": "1",
        "LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }


def migrate(database_url: str, folder: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"],
        cwd=ROOT,
        env=environment(database_url, folder),
        check=True,
        capture_output=True,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(database_url: str, folder: Path, *, application: str = "wsgi:app") -> Iterator[Serving]:
    """Serve on a free port of this machine until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "flask", "--app", "wsgi", "serve", "--port", str(port)]
    if application != "wsgi:app":
        command = [sys.executable, "-m", "benchmarks.serve_like", database_url, str(port), application]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(database_url, folder), stdin=subprocess.DEVNULL)
    try:
        _wait_until_ready(process, port)
        yield Serving(port, process)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_ready(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("the server under test did not start")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
