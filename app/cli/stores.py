"""``stores``: head office's list of stores, taken in."""

from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from app.cli.manners import both, chain_option, chosen_chain, print_json, progress
from core.audit import Author
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from stores.importing import ImportPlan, RefusedLine, counts, import_stores, lock_stores, plan_import
from stores.models import Chain
from stores.store_files import FIELDS, StoreFile, read_store_file

SHOWN_REFUSALS = 50
group = AppGroup("stores", help="Stores of a chain.")


def _mapping(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """``--map FIELD=COLUMN``, several times, as a mapping."""
    pairs = [entry.partition("=") for entry in given]
    for field, sign, column in pairs:
        if not sign or not field.strip() or not column.strip():
            raise click.BadParameter(f"FIELD=COLUMN, e.g. code=“Store Number”; fields: {', '.join(FIELDS)}")
    return {field.strip(): column for field, _, column in pairs}


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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@chain_option
def import_command(
    file: Path, mapping: dict[str, str], dry_run: bool, as_json: bool, slug: str | None
) -> None:
    """Take in head office's CSV: new stores are added, known ones (by code) brought up to date.

    A line that cannot be kept is left out and reported; the others go in together. A file that
    cannot be read, or lacks the columns of code and name, is refused as a whole (status 1).
    """
    chain = chosen_chain(slug)
    try:
        plan = _plan_only(chain, file, mapping) if dry_run else _imported(chain, file, mapping)
    except DomainError as refusal:
        if as_json:
            print_json(_no_report(refusal))
        raise click.ClickException(both(refusal)) from refusal
    if as_json:
        print_json(_report(plan))
    else:
        _say(plan, dry_run=dry_run)


def _plan_only(chain: Chain, file: Path, mapping: dict[str, str]) -> ImportPlan:
    return _planned(chain, read_store_file(file.read_bytes(), mapping))


def _imported(chain: Chain, file: Path, mapping: dict[str, str]) -> ImportPlan:
    read = read_store_file(file.read_bytes(), mapping)
    with transaction():
        lock_stores(chain.id)
        plan = _planned(chain, read)
        import_stores(plan, by=Author("system"), now=utc_now())
    return plan


def _planned(chain: Chain, file: StoreFile) -> ImportPlan:
    with progress(file.rows, label="门店 / stores") as rows:
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
        "code": line.reason.code,
        "reason": both(line.reason),
        "store_code": line.store_code,
        "store_name": line.store_name,
    }


def _no_report(refusal: DomainError) -> dict[str, Any]:
    return {
        "created": 0,
        "updated": 0,
        "unchanged": 0,
        "refused": [],
        "error": {"code": refusal.code, "reason": both(refusal)},
    }


def _say(plan: ImportPlan, *, dry_run: bool) -> None:
    """The report for a person: what was done, then every line that was left out."""
    if dry_run:
        click.echo("试运行，没有改动 / Dry run, nothing was changed")
    if plan.encoding != "utf-8":
        click.echo(f"文件编码 / Encoding: {plan.encoding}")
    click.echo("列 / Columns: " + ", ".join(f"{field} = {column}" for field, column in plan.columns.items()))
    if plan.unused:
        click.echo("未使用的列 / Unused columns: " + ", ".join(plan.unused))
    totals = counts(plan)
    click.echo(
        f"新增 / created {totals['created']}, 更新 / updated {totals['updated']}, "
        f"不变 / unchanged {totals['unchanged']}, 未导入 / refused {totals['refused']}"
    )
    if plan.odd_phones:
        click.echo(f"{plan.odd_phones} 个电话按原样保留 / phones kept as written")
    for line in plan.refused[:SHOWN_REFUSALS]:
        name = " ".join(filter(None, (line.store_code, line.store_name)))
        click.echo(f"  第 {line.line} 行 / line {line.line} [{name}] {line.reason.code}: {both(line.reason)}")
    if more := len(plan.refused) - SHOWN_REFUSALS:
        if more > 0:
            click.echo(f"  … 另有 {more} 行 / and {more} more (--json shows all)")
