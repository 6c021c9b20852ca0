"""``bounces``: what a mail server reports of mails that it could not deliver."""

import sys

import click
from flask import current_app
from sqlalchemy.exc import DBAPIError

from app.bounce_box import PROBLEMS, read_bounces
from app.cli.speaking import command, say
from core.clock import utc_now
from core.db import transaction
from core.text import Text
from push.channels.bouncing import LARGEST, take_report

TRY_AGAIN = 75  # as mail servers understand it (sysexits.h): keep the mail and come back
ABOUT = Text("涉及的推送记录：{count}", "Deliveries it is about: {count}")
READ = Text("读到的邮件：{count}", "Mails read: {count}")
NO_BOX = Text("没有设置 BOUNCES_URL。", "BOUNCES_URL is not set.")
BOX_AWAY = Text("邮箱打不开：{why}", "The mailbox cannot be read: {why}")


@click.command("bounces")
@click.option("--box", is_flag=True, help="Read the mailbox of BOUNCES_URL instead, as the clock does each minute.")
@command
def group(box: bool) -> None:
    """Read one mail on standard input: the report of a mail server, or a complaint. For the server's pipe.

    A mail that is none is passed over. Status 75 while the database is away, so that the server comes back with it.
    """
    if box:
        return _read_box()
    raw = sys.stdin.buffer.read(LARGEST + 1)
    try:
        with transaction():
            known = take_report(raw, now=utc_now(), secret_key=current_app.extensions["settings"].secret_key)
    except DBAPIError as problem:
        click.echo(type(problem.orig).__name__, err=True)
        raise click.exceptions.Exit(TRY_AGAIN) from None
    click.echo(say(ABOUT, count=known), err=True)


def _read_box() -> None:
    settings = current_app.extensions["settings"]
    url = settings.bounces_url
    if not url:
        raise click.ClickException(say(NO_BOX))
    try:
        count = read_bounces(url, settings.secret_key)
    except PROBLEMS as problem:
        raise click.ClickException(say(BOX_AWAY, why=type(problem).__name__)) from None
    click.echo(say(READ, count=count), err=True)
