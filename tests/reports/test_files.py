"""Every file of the pack against the file it should be: the same on both databases."""

import csv
import io
import os
from pathlib import Path

import pytest

from app.reports.control import control_of
from app.reports.pack import REPORTS
from app.reports.question import Question, Reader, ask
from app.reports.streaming import export
from tests.reports import story

EXPECTED = Path(__file__).parent / "data"
NOW = story.hours(48)


def question(name: str, reader: Reader | None = None, **asked: str) -> Question:
    return ask(name, reader or Reader(1), now=NOW, **asked)


def file_of(asked: Question) -> bytes:
    with export(asked) as answer:
        return b"".join(answer.lines())


def rows_of(asked: Question) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file_of(asked).decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("name", REPORTS)
def test_a_file_is_as_it_should_be(app, name):
    story.tell()
    expected = EXPECTED / f"{name}.csv"

    made = file_of(question(name, first="2026-05-19", last="2026-05-20"))

    if os.environ.get("WRITE_EXPECTED"):  # to be read before it is committed
        expected.write_bytes(made)
    assert made.decode() == expected.read_bytes().decode()


@pytest.mark.parametrize("name", REPORTS)
def test_the_control_totals_are_those_of_the_file(app, name):
    story.tell()
    asked = question(name)

    rows = rows_of(asked)
    with export(asked) as answer:
        sent = b"".join(answer.lines())
        control = control_of(answer)

    sums = {column.header: sum(int(row[column.header]) for row in rows) for column in asked.report.totals}
    assert (control["rows"], answer.rows, control["totals"]) == (len(rows), len(rows), sums)
    assert (control["bytes"], sent) == (len(sent), file_of(asked))
