"""``serve``: the web processes, and on request all that one machine needs."""

import os
import sys

import click
from flask import current_app
from flask.cli import with_appcontext

from app.config import Settings
from app.processes import run_all, web_command


@click.command("serve")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", type=int, help="Port; PORT when not given.")
@click.option("--with-workers", is_flag=True, help="Start the clock and a worker beside the web processes.")
@with_appcontext
def group(host: str, port: int | None, with_workers: bool) -> None:
    """Serve pages and API until Ctrl-C."""
    settings: Settings = current_app.extensions["settings"]
    port = port or settings.port
    if with_workers:
        run_all(settings, host=host, port=port)
        return
    os.execv(sys.executable, web_command(settings, host=host, port=port))
