"""The web processes under test: what ``flask --app wsgi serve`` starts, and somebody who kills them."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.serving import ROOT, environment, free_port

START_SECONDS = 90
KILL_AFTER = (0.1, 0.5)  # seconds of work between being ready and being killed
MOST_KILLS = 5  # in one storm
WHOLE_SERVER = {1, 3}  # the kills that take the whole server, not one of its web processes


class Server:
    """A server on a port of its own, started again on the same one when it was killed."""

    def __init__(self, database_url: str, folder: Path, *, processes: int, application: str = "wsgi:app") -> None:
        self.port = free_port()
        self.database_url = database_url
        self.folder = folder
        self._environment = environment(database_url, folder) | {
            "WEB_PROCESSES": str(processes),
            "PUBLIC_CALLS_PER_MINUTE": "1000000",
        }
        self._application = application
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [sys.executable, "-m", "flask", "--app", "wsgi", "serve", "--port", str(self.port)]
        if self._application != "wsgi:app":
            words = [
                sys.executable,
                "-m",
                "benchmarks.serve_like",
                self.database_url,
                str(self.port),
                self._application,
            ]
        log = (self.folder / "web.log").open("ab")
        self._process = subprocess.Popen(
            words, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        log.close()

    def wait_until_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            if self._process is None or self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the server under test did not start: see {self.folder / 'web.log'}")
            with suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5).close()
                return
            time.sleep(0.1)

    def last_error(self) -> str:
        """What the server last said of a failure."""
        said = (self.folder / "web.log").read_text(errors="replace").splitlines()
        return next((line[-2000:] for line in reversed(said) if "rror" in line), "nothing in the log")

    def workers(self) -> list[psutil.Process]:
        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []

    def kill_worker(self) -> bool:
        """SIGKILL one web process, in the middle of whatever it does."""
        workers = self.workers()
        if not workers:
            return False
        with suppress(psutil.NoSuchProcess):
            random.choice(workers).kill()
            return True
        return False

    def kill(self) -> None:
        """SIGKILL all of it: the server and its web processes."""
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def serving(database_url: str, folder: Path, *, processes: int, application: str = "wsgi:app") -> Iterator[Server]:
    """Serve until the block ends."""
    server = Server(database_url, folder, processes=processes, application=application)
    server.start()
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


class Killing:
    """Kill web processes as long as the block lasts, and the whole server now and then; start it again."""

    def __init__(self, server: Server) -> None:
        self.kills = 0
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> "Killing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._server.wait_until_ready()

    def _work(self) -> None:
        while self.kills < MOST_KILLS and not self._over.wait(random.uniform(*KILL_AFTER)):
            if self.kills in WHOLE_SERVER:
                self._server.kill()
                self._server.start()
            elif not self._server.kill_worker():
                continue
            self.kills += 1
            with suppress(RuntimeError):
                self._server.wait_until_ready()
