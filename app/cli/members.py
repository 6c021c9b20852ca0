"""``members``: members of another system, taken in."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from app.cli.speaking import author, chain_option, chosen_chain, command, json_option, say, terminal_language
from cards.importing import ImportPlan, RefusedLine, counts, import_members, lock_members, plan_import
from cards.member_files import FIELDS, MemberFile, read_member_file
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from core.text import Text
from stores.models import Chain

SHOWN_REFUSALS = 50
PROGRESS = Text("会员", "Members")
DRY_RUN = Text("试运行，没有改动任何会员。", "Dry run: no member was changed.")
COLUMNS = Text("使用的列：{columns}", "Columns: {columns}")
UNUSED = Text("没有用到的列：{columns}", "Columns not used: {columns}")
TOTALS = Text(
    "新增 {created}，更新 {updated}，不变 {unchanged}，未导入 {refused}",
    "Created {created}, updated {updated}, unchanged {unchanged}, refused {refused}",
)
REFUSED = Text("  第 {line} 行：{reason} [{code}]", "  line {line}: {reason} [{code}]")
MORE = Text("  另有 {count} 行，用 --json 查看全部。", "  and {count} more; --json shows all.")
MAP_FORM = Text("要写成 字段=列名，字段有：{fields}", "Write FIELD=COLUMN; the fields are {fields}")
NOTHING: dict[str, Any] = {"created": 0, "updated": 0, "unchanged": 0, "refused": []}


@click.group("members")
def group() -> None:
    """Members of a chain."""


def _mapping(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """``--map FIELD=COLUMN``, several times, as a mapping."""
    pairs = [entry.partition("=") for entry in given]
    if not all(name.strip() and column.strip() for name, _, column in pairs):
        raise click.BadParameter(say(MAP_FORM, fields=", ".join(FIELDS)))
    return {name.strip(): column for name, _, column in pairs}


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=COLUMN",
    callback=_mapping,
    help=f"Which column holds a field, where its header does not tell. Fields: {', '.join(FIELDS)}.",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@json_option
@chain_option
@command
def import_(file: Path, mapping: dict[str, str], dry_run: bool, as_json: bool, chain_slug: str | None) -> None:
    """Take in a CSV of members: each gets a wallet, a card and his points.

    Members that the chain knows (by card number, phone or e-mail) are brought up to date. A line that cannot be kept is
    left out and reported; the others go in together. Nobody has agreed to messages by being imported.
    """
    chain = chosen_chain(chain_slug)
    carry_out = _planned if dry_run else _imported
    try:
        plan = carry_out(chain, read_member_file(file.read_bytes(), mapping))
    except DomainError as refusal:
        if as_json:
            _print_json(NOTHING | {"error": _reason(refusal)})
        raise
    if as_json:
        _print_json(_report(plan))
    else:
        _tell(plan, dry_run=dry_run)


def _imported(chain: Chain, file: MemberFile) -> ImportPlan:
    with transaction():
        lock_members(chain.id)
        plan = _planned(chain, file)
        import_members(plan, by=author(), now=utc_now())
    return plan


def _planned(chain: Chain, file: MemberFile) -> ImportPlan:
    with click.progressbar(file.rows, label=say(PROGRESS), file=sys.stderr) as rows:
        return plan_import(chain.id, file, now=utc_now(), rows=rows)


def _report(plan: ImportPlan) -> dict[str, Any]:
    return {
        **counts(plan),
        "refused": [_refused(line) for line in plan.refused],
        "encoding": plan.encoding,
        "columns": plan.columns,
        "unused_columns": plan.unused,
    }


def _refused(line: RefusedLine) -> dict[str, Any]:
    return {"line": line.line, **_reason(line.reason)}


def _reason(refusal: DomainError) -> dict[str, Any]:
    return {"code": refusal.code, "reason": refusal.say(terminal_language())}


def _print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _tell(plan: ImportPlan, *, dry_run: bool) -> None:
    """The report for a person: what was done, then every line that was left out."""
    if dry_run:
        click.echo(say(DRY_RUN))
    click.echo(say(COLUMNS, columns=", ".join(f"{name} = {column}" for name, column in plan.columns.items())))
    if plan.unused:
        click.echo(say(UNUSED, columns=", ".join(plan.unused)))
    click.echo(say(TOTALS, **counts(plan)))
    for line in plan.refused[:SHOWN_REFUSALS]:
        click.echo(say(REFUSED, **_refused(line)))
    if len(plan.refused) > SHOWN_REFUSALS:
        click.echo(say(MORE, count=len(plan.refused) - SHOWN_REFUSALS))
