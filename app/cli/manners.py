"""What all commands do alike: choose the chain, refuse in both languages, show progress, print JSON."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import click
from sqlalchemy import select

from core.db import db
from core.errors import DomainError
from core.text import Text
from stores.models import Chain

Command = TypeVar("Command", bound=Callable[..., Any])
Item = TypeVar("Item")


def chain_option(command: Command) -> Command:
    """``--chain SLUG``, to be resolved by ``chosen_chain``."""
    option = click.option("--chain", "slug", metavar="SLUG", help="The chain, where there are several.")
    return option(command)


def chosen_chain(slug: str | None) -> Chain:
    """The chain of that name, or the only one there is. Ends the command with status 2 otherwise."""
    if slug:
        chain = db.session.scalar(select(Chain).where(Chain.slug == slug))
        if chain is None:
            raise click.UsageError(f"没有连锁品牌“{slug}” / There is no chain “{slug}”")
        return chain
    chains = db.session.scalars(select(Chain).order_by(Chain.id).limit(20)).all()
    if not chains:
        raise click.UsageError("还没有连锁品牌 / There is no chain yet: chains create --slug … --name …")
    if len(chains) > 1:
        names = ", ".join(chain.slug for chain in chains)
        raise click.UsageError(f"请用 --chain 指定 / Choose one with --chain: {names}")
    return chains[0]


@contextmanager
def refusals() -> Iterator[None]:
    """A refusal inside the block ends the command with status 1 and its sentence on standard error."""
    try:
        yield
    except DomainError as refusal:
        raise click.ClickException(both(refusal)) from refusal


def both(words: DomainError | Text) -> str:
    """A sentence in both languages: nobody knows who reads a terminal."""
    return f"{words.say('zh')} / {words.say('en')}"


def progress(
    items: Iterable[Item], *, label: str, length: int | None = None
) -> AbstractContextManager[Iterable[Item]]:
    """A bar on standard error that moves with the items."""
    return click.progressbar(items, label=label, length=length, file=sys.stderr)


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))
