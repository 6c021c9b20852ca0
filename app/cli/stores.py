"""``stores``: head office's list of stores, taken in."""

from pathlib import Path

import click

from app.cli.importing import (
    dry_run_option,
    map_option,
    print_report,
    progress,
    refusal_as_report,
    report,
    tell_columns,
    tell_refused,
    tell_totals,
)
from app.cli.speaking import author, chain_option, chosen_chain, command, json_option, say
from core.clock import utc_now
from core.db import transaction
from core.text import Text
from stores.importing import ImportPlan, RefusedLine, counts, import_stores, lock_stores, plan_import
from stores.models import Chain
from stores.store_files import FIELDS, StoreFile, read_store_file

PROGRESS = Text("门店", "Stores")
DRY_RUN = Text("试运行，没有改动任何门店。", "Dry run: no store was changed.")
ODD_PHONES = Text(
    "{count} 个电话不是有效号码，按原样保留。", "{count} phones are no valid numbers and were kept as written."
)


@click.group("stores")
def group() -> None:
    """Stores of a chain."""


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@map_option(FIELDS)
@dry_run_option
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
    with refusal_as_report(as_json):
        plan = carry_out(chain, read_store_file(file.read_bytes(), mapping))
    if as_json:
        print_report(report(plan, counts(plan), _described) | {"phones_kept_as_written": plan.odd_phones})
    else:
        _tell(plan, dry_run=dry_run)


def _imported(chain: Chain, file: StoreFile) -> ImportPlan:
    with transaction():
        lock_stores(chain.id)
        plan = _planned(chain, file)
        import_stores(plan, by=author(), now=utc_now())
    return plan


def _planned(chain: Chain, file: StoreFile) -> ImportPlan:
    with progress(file.rows, PROGRESS) as rows:
        return plan_import(chain.id, file, rows)


def _described(line: RefusedLine) -> dict[str, str]:
    return {"store_code": line.store_code, "store_name": line.store_name}


def _tell(plan: ImportPlan, *, dry_run: bool) -> None:
    """The report for a person: what was done, then every line that was left out."""
    if dry_run:
        click.echo(say(DRY_RUN))
    tell_columns(plan)
    tell_totals(counts(plan))
    if plan.odd_phones:
        click.echo(say(ODD_PHONES, count=plan.odd_phones))
    tell_refused(plan, lambda line: f"{line.store_code} {line.store_name}".strip())
