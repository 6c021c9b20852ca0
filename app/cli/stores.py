"""``stores``: head office's list of stores, taken in."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from app.cli.speaking import author, chain_option, chosen_chain, command, json_option, say, terminal_language
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from core.text import Text
from stores.importing import ImportPlan, RefusedLine, counts, import_stores, lock_stores, plan_import
from stores.models import Chain
from stores.store_files import FIELDS, StoreFile, read_store_file

SHOWN_REFUSALS = 50
PROGRESS = Text("门店", "Stores")
DRY_RUN = Text("试运行，没有改动任何门店。", "Dry run: no store was changed.")
ENCODING = Text("文件编码：{encoding}", "Encoding of the file: {encoding}")
COLUMNS = Text("使用的列：{columns}", "Columns: {columns}")
UNUSED = Text("没有用到的列：{columns}", "Columns not used: {columns}")
TOTALS = Text(
    "新增 {created}，更新 {updated}，不变 {unchanged}，未导入 {refused}",
    "Created {created}, updated {updated}, unchanged {unchanged}, refused {refused}",
)
ODD_PHONES = Text(
    "{count} 个电话不是有效号码，按原样保留。", "{count} phones are no valid numbers and were kept as written."
)
REFUSED = Text("  第 {line} 行 {store}：{reason} [{code}]", "  line {line} {store}: {reason} [{code}]")
MORE = Text("  另有 {count} 行，用 --json 查看全部。", "  and {count} more; --json shows all.")
MAP_FORM = Text("要写成 字段=列名，字段有：{fields}", "Write FIELD=COLUMN; the fields are {fields}")
NOTHING: dict[str, Any] = {"created": 0, "updated": 0, "unchanged": 0, "refused": []}


@click.group("stores")
def group() -> None:
    """Stores of a chain."""


def _mapping(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """``--map FIELD=COLUMN``, several times, as a mapping."""
    pairs = [entry.partition("=") for entry in given]
    if not all(field.strip() and sign for field, sign, _ in pairs):
        raise click.BadParameter(say(MAP_FORM, fields=", ".join(FIELDS)))
    return {field.strip(): column for field, _, column in pairs}


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map",
    "mapping",
    multiple=True,
    metavar="FIELD=COLUMN",
    callback=_mapping,
    help="Which column holds a field, where its header does not tell; FIELD= leaves a field out. "
    f"Fields: {', '.join(FIELDS)}.",
)
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@json_option
@chain_option
@command
def import_(file: Path, mapping: dict[str, str], dry_run: bool, as_json: bool, chain_slug: str | None) -> None:
    """Take in head office's CSV: new stores are added, known ones (by code) brought up to date.

    A line that cannot be kept is left out and reported; the others go in together. A file that
    cannot be read, or that has no columns for code and name, is refused as a whole (status 1).
    """
    chain = chosen_chain(chain_slug)
    carry_out = _planned if dry_run else _imported
    try:
        plan = carry_out(chain, read_store_file(file.read_bytes(), mapping))
    except DomainError as refusal:
        if as_json:
            _print_json(NOTHING | {"error": _reason(refusal)})
        raise
    if as_json:
        _print_json(_report(plan))
    else:
        _tell(plan, dry_run=dry_run)


def _imported(chain: Chain, file: StoreFile) -> ImportPlan:
    with transaction():
        lock_stores(chain.id)
        plan = _planned(chain, file)
        import_stores(plan, by=author(), now=utc_now())
    return plan


def _planned(chain: Chain, file: StoreFile) -> ImportPlan:
    with click.progressbar(file.rows, label=say(PROGRESS), file=sys.stderr) as rows:
        return plan_import(chain.id, file, rows)


def _report(plan: ImportPlan) -> dict[str, Any]:
    return {
        **counts(plan),
        "refused": [_refused(line) for line in plan.refused],
        "encoding": plan.encoding,
        "columns": plan.columns,
        "unused_columns": plan.unused,
        "phones_kept_as_written": plan.odd_phones,
    }


def _refused(line: RefusedLine) -> dict[str, Any]:
    return {
        "line": line.line,
        **_reason(line.reason),
        "store_code": line.store_code,
        "store_name": line.store_name,
    }


def _reason(refusal: DomainError) -> dict[str, Any]:
    """The machine's code, the sentence for this terminal, and both for whoever shows it."""
    both = Text(refusal.say("zh"), refusal.say("en"))
    return {"code": refusal.code, "reason": both.say(terminal_language()), "reasons": both._asdict()}


def _print_json(document: object) -> None:
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def _tell(plan: ImportPlan, *, dry_run: bool) -> None:
    """The report for a person: what was done, then every line that was left out."""
    if dry_run:
        click.echo(say(DRY_RUN))
    if plan.encoding != "utf-8":
        click.echo(say(ENCODING, encoding=plan.encoding))
    pairs = (f"{field} = {column}" for field, column in plan.columns.items())
    click.echo(say(COLUMNS, columns=", ".join(pairs)))
    if plan.unused:
        click.echo(say(UNUSED, columns=", ".join(plan.unused)))
    click.echo(say(TOTALS, **counts(plan)))
    if plan.odd_phones:
        click.echo(say(ODD_PHONES, count=plan.odd_phones))
    for line in plan.refused[:SHOWN_REFUSALS]:
        store = f"{line.store_code} {line.store_name}".strip()
        reason = _reason(line.reason)
        click.echo(say(REFUSED, line=line.line, store=store, reason=reason["reason"], code=reason["code"]))
    if len(plan.refused) > SHOWN_REFUSALS:
        click.echo(say(MORE, count=len(plan.refused) - SHOWN_REFUSALS))
