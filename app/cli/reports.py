"""``reports``: the CSV pack, written to files."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from app.cli.speaking import author, chain_option, chosen_chain, command, json_option, say, show_list, terminal_language
from app.reports.control import control_of, quick_totals
from app.reports.dictionary import dictionary
from app.reports.pack import REPORTS
from app.reports.question import Question, Reader, ask
from app.reports.recording import record_delivered
from app.reports.streaming import export
from core.clock import utc_now
from core.text import Text

WRITTEN = Text(
    "{rows} 行写入 {file}，校验值在 {control}。", "{rows} rows written to {file}, control totals to {control}."
)
OUTDATED = Text(
    "{file} 不是最新的。请运行：flask --app wsgi reports dictionary --out {file}",
    "{file} is out of date. Run: flask --app wsgi reports dictionary --out {file}",
)


@click.group("reports")
def group() -> None:
    """The CSV pack of a chain."""


@group.command("list")
@json_option
@command
def list_(as_json: bool) -> None:
    """List the reports: what a row of each is."""
    language = terminal_language()
    rows = (
        {"name": report.name, "row": report.about.say(language), "columns": [each.header for each in report.columns]}
        for report in REPORTS.values()
    )
    show_list(rows, columns=("name", "row"), as_json=as_json)


@group.command("export")
@click.argument("name", type=click.Choice(list(REPORTS)))
@click.option("--from", "first", metavar="DAY", help="First business day, as 2026-05-01. Without it: the beginning.")
@click.option("--to", "last", metavar="DAY", help="Last business day. Without it: today.")
@click.option("--store", "store_code", metavar="CODE", help="One store only.")
@click.option("--segment", metavar="ID", help="Members only: whom a saved segment means now.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
@click.option("--no-bom", is_flag=True, help="Without the byte order mark that Excel wants.")
@json_option
@chain_option
@command
def export_(
    name: str,
    first: str | None,
    last: str | None,
    store_code: str | None,
    segment: str | None,
    out: Path,
    no_bom: bool,
    as_json: bool,
    chain_slug: str | None,
) -> None:
    """Write a report to FILE, and its control totals to FILE.control.json.

    The file appears when it is whole; a refusal (status 1) leaves an earlier one as it was. With --json the control
    totals are printed.
    """
    question = ask(
        name,
        Reader(chosen_chain(chain_slug).id),
        first=first,
        last=last,
        store_code=store_code,
        segment=segment,
        bom="0" if no_bom else "1",
        now=utc_now(),
    )
    control = _write(question, out)
    text = json.dumps(control, ensure_ascii=False, indent=2) + "\n"
    beside = out.with_name(f"{out.name}.control.json")
    beside.write_text(text, encoding="utf-8")
    if as_json:
        click.echo(text, nl=False)
    else:
        click.echo(say(WRITTEN, rows=control["rows"], file=out, control=beside))


@group.command("dictionary")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; else the terminal.")
@click.option("--check", is_flag=True, help="Change nothing; status 1 when the file is out of date.")
@command
def dictionary_(out: Path | None, check: bool) -> None:
    """Describe every column of every report, as docs/reports.md does."""
    text = dictionary()
    if out is None:
        click.echo(text, nl=False)
    elif not check:
        out.write_text(text, encoding="utf-8")
    elif not out.exists() or out.read_text(encoding="utf-8") != text:
        raise click.ClickException(say(OUTDATED, file=out))


def _write(question: Question, out: Path) -> dict[str, Any]:
    """Write the file under another name, then give it its own."""
    rows = quick_totals(question)["rows"]
    unfinished = out.with_name(f".{out.name}.part")
    try:
        with export(question) as answer, unfinished.open("wb") as file:
            with click.progressbar(length=rows, label=question.report.name, file=sys.stderr) as bar:
                for piece in answer.lines():
                    file.write(piece)
                    bar.update(answer.rows - bar.pos)
            control = control_of(answer)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    os.replace(unfinished, out)
    record_delivered(answer, by=author())
    return control
