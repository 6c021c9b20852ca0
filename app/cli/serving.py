"""``serve``: the web processes, by granian."""

import os
import sys

import click
from flask import current_app
from flask.cli import with_appcontext

from app.config import Settings

THREADS = 3  # a process; more wait for one another (docs/decisions/serving.md)
SQLITE_PROCESSES = 1  # one writer: more gain nothing and stall one another


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=int, help="Port; PORT when not given.")
@with_appcontext
def group(host: str, port: int | None) -> None:
    """Serve pages and API until Ctrl-C."""
    settings: Settings = current_app.extensions["settings"]
    os.execv(sys.executable, command(settings, host=host, port=port or settings.port))


def command(settings: Settings, *, host: str, port: int) -> list[str]:
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
