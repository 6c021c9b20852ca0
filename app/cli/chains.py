"""``chains``: making and listing chains."""

import click

from app.cli.speaking import author, command, json_option, print_list, say
from cards import programs
from core.clock import utc_now
from core.db import transaction
from core.text import Text
from stores import chains

MADE = Text("已建立品牌 {slug}，带默认会员卡和等级。", "Made the chain {slug} with a default card and its tiers.")
CARD = Text("会员卡", "Membership card")
COLUMNS = ("slug", "name", "name_en", "timezone", "currency", "language", "cutoff_hour")


@click.group("chains")
def group() -> None:
    """Chains: the brands that this installation serves."""


@group.command("create")
@click.option("--slug", required=True, help="Short name in small letters, e.g. snowpeak.")
@click.option("--name", required=True, help="The brand's name as customers read it.")
@click.option("--name-en", default="", help="The same for readers of English; the name when not given.")
@click.option("--timezone", default="Asia/Shanghai", show_default=True, metavar="ZONE", help="IANA name.")
@click.option("--currency", default="CNY", show_default=True, metavar="CODE", help="ISO 4217. It stays for good.")
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@command
def create(slug: str, name: str, name_en: str, timezone: str, currency: str, language: str) -> None:
    """Make a chain with its default card and tiers."""
    new = chains.NewChain(slug, name, name_en or name, timezone, currency.upper(), language)
    now = utc_now()
    with transaction():
        chain = chains.create_chain(new, by=author(), now=now)
        programs.create_program(chain.id, name=CARD.zh, name_en=CARD.en, by=author(), now=now)
    click.echo(say(MADE, slug=slug), err=True)


@group.command("list")
@json_option
@command
def list_(as_json: bool) -> None:
    """List the chains."""
    print_list(chains.list_chains(), columns=COLUMNS, as_json=as_json)
