"""How a file of another system is taken in at a terminal: its columns, the progress, the report."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import click

from app.cli.speaking import say, terminal_language
from core.errors import DomainError
from core.text import Text

Row = TypeVar("Row")
SHOWN_REFUSALS = 50
ENCODING = Text("文件编码：{encoding}", "Encoding of the file: {encoding}")
COLUMNS = Text("使用的列：{columns}", "Columns: {columns}")
UNUSED = Text("没有用到的列：{columns}", "Columns not used: {columns}")
TOTALS = Text(
    "新增 {created}，更新 {updated}，不变 {unchanged}，未导入 {refused}",
    "Created {created}, updated {updated}, unchanged {unchanged}, refused {refused}",
)
REFUSED = Text("  第 {line} 行{who}：{reason} [{code}]", "  line {line}{who}: {reason} [{code}]")
MORE = Text("  另有 {count} 行，用 --json 查看全部。", "  and {count} more; --json shows all.")
MAP_FORM = Text("要写成 字段=列名，字段有：{fields}", "Write FIELD=COLUMN; the fields are {fields}")
NOTHING: dict[str, Any] = {"created": 0, "updated": 0, "unchanged": 0, "refused": []}

dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")


def map_option(fields: Sequence[str]) -> Callable[[Any], Any]:
    """``--map FIELD=COLUMN``, several times, as a mapping."""
    names = ", ".join(fields)

    def mapping(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
        pairs = [entry.partition("=") for entry in given]
        if not all(field.strip() and sign for field, sign, _ in pairs):
            raise click.BadParameter(say(MAP_FORM, fields=names))
        return {field.strip(): column for field, _, column in pairs}

    return click.option(
        "--map",
        "mapping",
        multiple=True,
        metavar="FIELD=COLUMN",
        callback=mapping,
        help=f"Which column holds a field, where its header does not tell; FIELD= leaves a field out. Fields: {names}.",
    )


def progress(rows: Sequence[Row], label: Text) -> AbstractContextManager[Iterable[Row]]:
    """The rows, with a bar on standard error."""
    return click.progressbar(rows, label=say(label), file=sys.stderr)


@contextmanager
def refusal_as_report(as_json: bool) -> Iterator[None]:
    """A file refused as a whole is a report too: nothing was taken in, and why. The refusal goes on."""
    try:
        yield
    except DomainError as refusal:
        if as_json:
            print_report(NOTHING | {"error": reason_of(refusal)})
        raise


def print_report(document: Mapping[str, Any]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def report(plan: Any, counts: Mapping[str, int], describe: Callable[[Any], Mapping[str, object]]) -> dict[str, Any]:
    """The plan of an import for machines; ``describe`` says of a refused line what only its kind of file has."""
    return {
        **counts,
        "refused": [{"line": line.line, **reason_of(line.reason), **describe(line)} for line in plan.refused],
        "encoding": plan.encoding,
        "columns": plan.columns,
        "unused_columns": plan.unused,
    }


def reason_of(refusal: DomainError) -> dict[str, Any]:
    """The machine's code, the sentence for this terminal, and both for whoever shows it."""
    both = Text(refusal.say("zh"), refusal.say("en"))
    return {"code": refusal.code, "reason": both.say(terminal_language()), "reasons": both._asdict()}


def tell_columns(plan: Any) -> None:
    """How the file was read."""
    if plan.encoding != "utf-8":
        click.echo(say(ENCODING, encoding=plan.encoding))
    click.echo(say(COLUMNS, columns=", ".join(f"{field} = {column}" for field, column in plan.columns.items())))
    if plan.unused:
        click.echo(say(UNUSED, columns=", ".join(plan.unused)))


def tell_totals(counts: Mapping[str, int]) -> None:
    click.echo(say(TOTALS, **counts))


def tell_refused(plan: Any, name_of: Callable[[Any], str] = lambda line: "") -> None:
    """Every line that was left out, up to a screenful; ``name_of`` says whom or what it is about."""
    for line in plan.refused[:SHOWN_REFUSALS]:
        name = name_of(line)
        reason = line.reason
        click.echo(
            say(
                REFUSED,
                line=line.line,
                who=f" {name}" if name else "",
                reason=reason.say(terminal_language()),
                code=reason.code,
            )
        )
    if len(plan.refused) > SHOWN_REFUSALS:
        click.echo(say(MORE, count=len(plan.refused) - SHOWN_REFUSALS))
