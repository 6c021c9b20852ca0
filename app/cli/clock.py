"""``clock``: the one process that says when."""

import click
from flask import current_app

from app import clock
from app.cli.speaking import command, say
from core.text import Text

TICKED = Text("已检查一次。", "Looked once.")
STANDS_BY = Text("另一个时钟正在值班。", "Another clock has the duty.")


@click.command("clock")
@click.option("--once", is_flag=True, help="One tick, and the nightly jobs that are due; then end.")
@command
def group(once: bool) -> None:
    """Start campaigns when they are due, and do the nightly jobs, until Ctrl-C. A second clock stands by."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    if not once:
        clock.run(app)
        return
    candidate = clock.Clock(app)
    has_duty = candidate.tick()
    if has_duty:
        candidate.minute()
        candidate.night()
        candidate.retire()
    click.echo(say(TICKED if has_duty else STANDS_BY), err=True)
