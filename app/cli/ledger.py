"""``ledger``: whether the books agree with their rows."""

import json
import sys

import click

from app.cli.speaking import chain_option, command, json_option, say, show_list
from app.verifying import CHECKS, verify_books
from core.text import Text
from core.verifying import Finding
from stores import chains

CLEAN = Text("全部一致：{checks} 项核对，{rows} 行。", "All agree: {checks} checks, {rows} rows compared.")
DIFFERS = Text("{problems} 处不一致。", "{problems} differences.")
DIFFERENCE = Text(
    "{subject} {which}：应为 {expected}，实为 {found}", "{subject} {which}: should be {expected}, is {found}"
)
MORE = Text("……还有 {count} 处", "… and {count} more")


@click.group("ledger")
def group() -> None:
    """The books: points, money, stock, limits."""


@group.command("verify")
@click.option(
    "--most", type=click.IntRange(0), default=20, show_default=True, help="Differences to list of each check."
)
@json_option
@chain_option
@command
def verify_(most: int, as_json: bool, chain_slug: str | None) -> None:
    """Compare every balance, counter and total with its rows; status 1 when something differs.

    All chains, unless one is chosen. What is read is one moment of the database; it changes nothing and may run at any
    time.
    """
    chain_id = chains.find_chain(chain_slug).id if chain_slug else None
    findings = []
    with click.progressbar(length=len(CHECKS), label="ledger verify", file=sys.stderr) as bar:
        for finding in verify_books(chain_id=chain_id, most=most):
            findings.append(finding)
            bar.update(1)
    if as_json:
        click.echo(json.dumps(_document(findings), ensure_ascii=False))
    else:
        _print(findings)
    if any(finding.problems for finding in findings):
        raise SystemExit(1)


def _document(findings: list[Finding]) -> dict[str, object]:
    return {
        "problems": sum(finding.problems for finding in findings),
        "checks": [
            {
                "check": finding.check.name,
                "about": finding.check.about.en,
                "rows": finding.rows,
                "problems": finding.problems,
                "subject": finding.check.subject,
                "differences": [difference._asdict() for difference in finding.differences],
            }
            for finding in findings
        ],
    }


def _print(findings: list[Finding]) -> None:
    rows = [
        {"check": each.check.name, "rows": each.rows, "problems": each.problems, "what": say(each.check.about)}
        for each in findings
    ]
    show_list(rows, columns=("check", "rows", "problems", "what"), as_json=False)
    for finding in findings:
        _print_differences(finding)
    problems = sum(finding.problems for finding in findings)
    if problems:
        click.echo(say(DIFFERS, problems=problems))
    else:
        click.echo(say(CLEAN, checks=len(findings), rows=sum(finding.rows for finding in findings)))


def _print_differences(finding: Finding) -> None:
    if not finding.problems:
        return
    click.echo(f"\n{finding.check.name}: {say(finding.check.about)}")
    for which, expected, found in finding.differences:
        told = {"subject": finding.check.subject, "which": which, "expected": expected, "found": found}
        click.echo(f"  {say(DIFFERENCE, **told)}")
    if finding.problems > len(finding.differences):
        click.echo(f"  {say(MORE, count=finding.problems - len(finding.differences))}")
