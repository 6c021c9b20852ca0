"""``members``: members of another system, taken in."""

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
from cards.importing import ImportPlan, counts, import_members, lock_members, plan_import
from cards.member_files import FIELDS, MemberFile, read_member_file
from core.clock import utc_now
from core.db import transaction
from core.text import Text
from stores.models import Chain

PROGRESS = Text("会员", "Members")
DRY_RUN = Text("试运行，没有改动任何会员。", "Dry run: no member was changed.")


@click.group("members")
def group() -> None:
    """Members of a chain."""


@group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@map_option(FIELDS)
@dry_run_option
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
    with refusal_as_report(as_json):
        plan = carry_out(chain, read_member_file(file.read_bytes(), mapping))
    if as_json:
        print_report(report(plan, counts(plan), lambda line: {}))
    else:
        _tell(plan, dry_run=dry_run)


def _imported(chain: Chain, file: MemberFile) -> ImportPlan:
    with transaction():
        lock_members(chain.id)
        plan = _planned(chain, file)
        import_members(plan, by=author(), now=utc_now())
    return plan


def _planned(chain: Chain, file: MemberFile) -> ImportPlan:
    with progress(file.rows, PROGRESS) as rows:
        return plan_import(chain.id, file, now=utc_now(), rows=rows)


def _tell(plan: ImportPlan, *, dry_run: bool) -> None:
    """The report for a person: what was done, then every line that was left out."""
    if dry_run:
        click.echo(say(DRY_RUN))
    tell_columns(plan)
    tell_totals(counts(plan))
    tell_refused(plan)
