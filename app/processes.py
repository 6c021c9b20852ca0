"""The processes of one machine: web, clock and worker, started and ended together."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from app.config import Settings

THREADS = 3  # a web process; more wait for one another (docs/decisions/serving.md)
SQLITE_PROCESSES = 1  # one writer: more gain nothing and stall one another
STOP_SECONDS = 8


def web_command(settings: Settings, *, host: str, port: int) -> list[str]:
    """The granian command for this database and machine."""
    processes = settings.web_processes or (SQLITE_PROCESSES if settings.is_sqlite else max(2, os.cpu_count() or 2))
    threads = settings.web_threads or THREADS
    options = {
        "--interface": "wsgi",
        "--host": host,
        "--port": str(port),
        "--workers": str(processes),
        "--blocking-threads": str(threads),
        "--backpressure": "512",
        "--log-level": "warning",
    }
    flat = [part for pair in options.items() for part in pair]
    return [sys.executable, "-m", "granian", *flat, "--no-ws", "--respawn-failed-workers", "wsgi:app"]


def run_all(settings: Settings, *, host: str, port: int) -> None:
    """Web, clock and worker, until one of them ends or somebody has seen enough (Ctrl-C, SIGTERM)."""
    flask = [sys.executable, "-m", "flask", "--app", "wsgi"]
    commands = [web_command(settings, host=host, port=port), [*flask, "clock"], [*flask, "worker"]]
    for ending in (signal.SIGINT, signal.SIGTERM):  # a background shell starts us with SIGINT ignored
        signal.signal(ending, signal.default_int_handler)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for words in commands:
            # Sessions of their own: Ctrl-C reaches us alone, and we end each with all that it started.
            processes.append(subprocess.Popen(words, start_new_session=True))
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
    except KeyboardInterrupt:
        pass
    finally:
        _end(processes)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ask all to end, wait, and leave nothing behind."""
    for process in processes:
        process.terminate()
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
