"""``demo``: a fictional chain with history, and all processes to look at it."""

import logging
import os
import sys
import time
from collections.abc import Callable

import click
import qrcode
from flask import current_app
from flask_migrate import upgrade

from app.cli.speaking import command
from app.config import Settings
from app.demo import chain as demo_chain
from app.demo import pushes, rewarding, story, tricks
from app.demo.chain import DemoChain
from app.processes import run_all
from core.clock import utc_now
from core.db import transaction
from core.errors import Conflict
from core.text import Text
from stores import codes
from stores.chains import ChainNotFound

SUMMER_AGO, THANKS_AGO = 44, 12  # days: when the two campaigns went out


class DemoIncomplete(Conflict):
    """Making the demo was interrupted."""

    code = "demo_incomplete"
    sentence = Text(
        "演示数据上次没有做完。请删掉这个数据库（默认是 var/kaquan.db*），再运行一次。",
        "Making the demo was interrupted. Remove its database (var/kaquan.db* by default) and run it again.",
    )


@click.command("demo")
@click.option("--data-only", is_flag=True, help="Make the data and stop.")
@command
def group(data_only: bool) -> None:
    """Make the demo chain if it is not there, then serve it until Ctrl-C."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    upgrade()
    try:
        found = demo_chain.find()
    except ChainNotFound:
        found = _build()
    if not pushes.is_whole(found.chain.id):
        raise DemoIncomplete()
    if not data_only:
        settings: Settings = current_app.extensions["settings"]
        _introduce(settings, found)
        if not (settings.gateway_url or settings.production):
            os.environ.setdefault("SHOW_PHONE_CODES", "true")  # nobody has these phones
        run_all(settings, host="0.0.0.0", port=settings.port)


def _build() -> DemoChain:
    """Ninety days, and the campaigns in between."""
    now = utc_now()
    begun = time.monotonic()
    with click.progressbar(length=story.DAYS + 1, label="雪山冰品 snowpeak", file=sys.stderr) as bar:
        with transaction():
            demo = demo_chain.set_up(opened_at=story.opening(now), now=now)
            rewarding.set_up(demo, at=story.opening(now))
        told = story.Story(demo, now)
        chapters = [(story.DAYS, SUMMER_AGO, pushes.send_summer), (SUMMER_AGO - 1, THANKS_AGO, pushes.send_thanks)]
        for first, last, send in chapters:
            _tell(told, first, last, lambda _ago: bar.update(1))
            send(told, at=story.evening(told, last))
        _tell(told, THANKS_AGO - 1, 0, lambda _ago: bar.update(1))
        pushes.plan_ahead(told, now=now)
    click.echo(f"{time.monotonic() - begun:.0f} s", err=True)
    return demo


def _tell(told: story.Story, first: int, last: int, tell: Callable[[int], None]) -> None:
    """Some days, the earliest first, each with what it earned."""
    for ago in range(first, last - 1, -1):
        tricks.plan(told, ago)
        with transaction():
            story.tell(told, [ago], told=tell)
        rewarding.end_the_day(told, ago)


def _introduce(settings: Settings, demo: DemoChain) -> None:
    """Addresses, log-ins and one store's QR, on standard output."""
    url = codes.code_url(settings.public_url, demo.codes[0][0].token)
    click.echo(f"\n  {demo.chain.name}  {demo.chain.name_en}\n")
    for label, path in [("dashboard", "/dashboard/"), ("till", "/till/"), ("API", "/api/docs")]:
        click.echo(f"  {label:10} {settings.public_url}{path}")
    click.echo(f"  {'customer':10} {url}\n")
    for login, name, role, places in demo_chain.STAFF:
        click.echo(f"  {login:28} {demo_chain.PASSWORD}   {role} {name} {' '.join(places)}")
    picture = qrcode.QRCode(border=2)
    picture.add_data(url)
    click.echo(f"\n  {demo.stores[0].name}")
    picture.print_ascii(out=sys.stdout, invert=True)
    click.echo("  Ctrl-C ends it.\n")
