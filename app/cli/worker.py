"""``worker``: the process that sends. Any number may run, on any machine that reaches the database."""

import click
from flask import current_app

from app import worker
from app.cli.speaking import command, say
from core.text import Text

LOOKED_AT = Text("处理了 {count} 条推送记录。", "Looked at {count} deliveries.")


@click.command("worker")
@click.option("--once", is_flag=True, help="Send what is due now, then end.")
@command
def group(once: bool) -> None:
    """Send what is due, over every channel that is set up, until Ctrl-C."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if not once:
        worker.run(app)
        return
    looked_at = worker.Worker(app).run_once()
    click.echo(say(LOOKED_AT, count=looked_at), err=True)
