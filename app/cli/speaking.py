"""How commands speak: the chain they are about, refusals as one line in the reader's language, lists."""

import errno
import json
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from core.audit import Author
from core.errors import DomainError
from core.text import Text
from stores import chains
from stores.models import Chain

Function = TypeVar("Function", bound=Callable[..., Any])
NO_TABLES = Text(
    "数据库还没有准备好。请先运行：flask --app wsgi db upgrade",
    "The database is not ready. First run: flask --app wsgi db upgrade",
)
NO_DATABASE = Text(
    "数据库连不上：{why}。请检查 DATABASE_URL（flask --app wsgi config 可查看）。",
    "The database cannot be used: {why}. Check DATABASE_URL; flask --app wsgi config prints it.",
)
NO_FILE = Text("{file} 读写不了：{why}", "{file} cannot be read or written: {why}")
NO_CHAIN = Text(
    "还没有品牌。请先运行：chains create --slug … --name …", "There is no chain yet. First run: chains create"
)
SEVERAL = Text(
    "有几个品牌，请用 --chain 指定一个：{slugs}", "There are several chains; choose one with --chain: {slugs}"
)
chain_option = click.option("--chain", "chain_slug", metavar="SLUG", help="Which chain, where there are several.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document and nothing else.")


def terminal_language() -> str:
    """ "zh" or "en", as the terminal's locale says."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if locale.lower().startswith("zh") else "en"


def say(text: Text, **values: object) -> str:
    return text.say(terminal_language(), **values)


def author() -> Author:
    """Whoever sits at the terminal, for the audit."""
    return Author("command")


def command(view: Function) -> Function:
    """A command with the application's context; refusals end it with one line and status 1."""

    @with_appcontext
    @wraps(view)
    def spoken(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except DomainError as refusal:
            raise click.ClickException(refusal.say(terminal_language())) from refusal
        except (OperationalError, ProgrammingError) as error:
            if "no such table" in str(error) or "UndefinedTable" in str(error):
                raise click.ClickException(say(NO_TABLES)) from error
            raise click.ClickException(unusable(error)) from error
        except OSError as error:
            if error.errno == errno.EPIPE or error.filename is None:
                raise
            raise click.ClickException(say(NO_FILE, file=error.filename, why=error.strerror)) from error

    return spoken  # type: ignore[return-value]


def unusable(error: DBAPIError) -> str:
    """Why the database does not do what it should: its own words, without the statement."""
    lines = str(error.orig).strip().splitlines() or [type(error).__name__]
    return say(NO_DATABASE, why=lines[0].rstrip("."))


def chosen_chain(slug: str | None) -> Chain:
    """The chain that ``--chain`` names, or the only one. Ends the command with status 2 where that is not one."""
    if slug:
        return chains.find_chain(slug)
    known = chains.list_chains()
    if len(known) == 1:
        return known[0]
    if not known:
        raise click.UsageError(say(NO_CHAIN))
    raise click.UsageError(say(SEVERAL, slugs=", ".join(chain.slug for chain in known)))


def print_list(rows: Iterable[object], *, columns: Sequence[str], as_json: bool) -> None:
    """Print these attributes of the rows."""
    show_list(({column: getattr(row, column) for column in columns} for row in rows), columns=columns, as_json=as_json)


def show_list(rows: Iterable[dict[str, Any]], *, columns: Sequence[str], as_json: bool) -> None:
    """Print these entries of the rows."""
    listed = list(rows)
    if as_json:
        click.echo(json.dumps(listed, ensure_ascii=False, default=_spelled))
        return
    lines = [list(columns), *(["" if row[c] is None else str(row[c]) for c in columns] for row in listed)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _spelled(value: object) -> str:
    """Times as ISO 8601."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two."""
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)
