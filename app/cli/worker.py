"""``worker``: the process that sends. Any number may run, on any machine that reaches the database."""

import click
from flask import current_app

from app import worker
from app.cli.speaking import command, say
from core.text import Text

NOT_SET_UP = Text("没有设置 {names}。可以用：{known}", "{names}: not set up. There are {known}")
LOOKED_AT = Text("处理了 {count} 条推送记录。", "Looked at {count} deliveries.")


@click.command("worker")
@click.option("--once", is_flag=True, help="Send what is due now, then end.")
@click.option("--channels", default="", help="Only these, with commas: email,gateway. Left out: all that are set up.")
@command
def group(once: bool, channels: str) -> None:
    """Send what is due, over every channel that is set up, until Ctrl-C."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    only = {name.strip() for name in channels.split(",") if name.strip()}
    known = worker.line_names(app.extensions["settings"])
    if unknown := only - set(known):
        words = say(NOT_SET_UP, names=", ".join(sorted(unknown)), known=", ".join(known))
        raise click.BadParameter(words, param_hint="--channels")
    if not once:
        worker.run(app, only)
        return
    looked_at = worker.Worker(app, only).run_once()
    click.echo(say(LOOKED_AT, count=looked_at), err=True)
