"""Every file of the pack against the file it should be: the same on both databases."""

import csv
import io
import os
import tracemalloc
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text, update

from app.reports.control import control_of
from app.reports.pack import REPORTS
from app.reports.question import (
    PeriodInvalid,
    Question,
    Reader,
    ReportForHeadOffice,
    ReportUnknown,
    StoreUnknown,
    SwitchInvalid,
    ask,
)
from app.reports.streaming import export
from core.clock import day_start
from core.db import db, transaction
from sharing import propagation
from sharing.spreaders import top_spreaders
from stores.models import Store
from tests.reports import story

EXPECTED = Path(__file__).parent / "data"
NOW = story.hours(48)


SHARING = ("referrals", "spreaders", "share_links", "rewards")


def tell(name: str) -> None:
    """The story, and what it has beyond it for the files of sharing."""
    story.tell()
    if name in SHARING:
        story.tell_of_rewards()


def question(name: str, reader: Reader | None = None, **asked: str) -> Question:
    return ask(name, reader or Reader(1), now=NOW, **asked)


def file_of(asked: Question) -> bytes:
    with export(asked) as answer:
        return b"".join(answer.lines())


def rows_of(asked: Question) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file_of(asked).decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize("name", REPORTS)
def test_a_file_is_as_it_should_be(app, name):
    tell(name)
    expected = EXPECTED / f"{name}.csv"

    made = file_of(question(name, first="2026-05-19", last="2026-05-20"))

    if os.environ.get("WRITE_EXPECTED"):  # to be read before it is committed
        expected.write_bytes(made)
    assert made.decode() == expected.read_bytes().decode()


@pytest.mark.parametrize("name", REPORTS)
def test_the_control_totals_are_those_of_the_file(app, name):
    tell(name)
    asked = question(name)

    rows = rows_of(asked)
    with export(asked) as answer:
        sent = b"".join(answer.lines())
        control = control_of(answer)

    sums = {column.header: sum(int(row[column.header]) for row in rows) for column in asked.report.totals}
    assert (control["rows"], answer.rows, control["totals"]) == (len(rows), len(rows), sums)
    assert (control["bytes"], sent) == (len(sent), file_of(asked))


@pytest.mark.parametrize("name", REPORTS)
def test_zones_without_clock_changes_are_written_the_same_way(app, name):
    """Their cheap spelling against the general one."""
    tell(name)
    with transaction():
        db.session.execute(update(Store).values(timezone="Asia/Shanghai"))
        db.session.execute(update(Store).where(Store.id == 2).values(timezone="Asia/Singapore"))

    cheap = file_of(question(name, first="2026-05-19", last="2026-05-20"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.reports.question.common_offset", lambda zones: None)
        general = file_of(question(name, first="2026-05-19", last="2026-05-20"))

    assert cheap.decode() == general.decode()


def test_a_day_belongs_to_the_stores_own_zone(app):
    """03:00 in New York is the day before, for the chain's day begins at four."""
    story.tell()

    days = {row["member_id"]: row["business_day"] for row in rows_of(question("members"))}

    assert days == {"1": "2026-05-20", "2": "2026-05-19", "3": "2026-05-20", "5": "2026-05-21"}


def test_the_period_includes_both_of_its_days(app):
    story.tell()

    found = [row["member_id"] for row in rows_of(question("members", first="2026-05-19", last="2026-05-19"))]

    assert found == ["2"]


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_knows_nothing_of_another_chain(app, name):
    tell(name)

    ours, theirs = file_of(question(name)).decode(), file_of(question(name, Reader(2))).decode()

    assert "别家" not in ours
    assert not any(word in theirs for word in ("南京", "林小雪", "满30减5", "周末", "620000000000001", "CNY"))


def test_one_store_gets_its_rows_only(app):
    story.tell()

    stores = {row["store_code"] for row in rows_of(question("stores_daily", store_code="S001"))}

    assert stores == {"S001"}


def test_a_manager_reads_his_own_stores_with_masked_people(app):
    story.tell()
    manager = Reader(1, frozenset([1, 2]), shows_personal=False)

    people = [(row["name"], row["phone"], row["email"]) for row in rows_of(question("members", manager))]

    assert people == [
        ("林**", "138****0000", "l***@example.com"),
        ("'=**", "120****0123", "'-***@example.com"),
        ("", "", ""),
    ]


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        pytest.param({"name": "wages"}, ReportUnknown, id="an unknown name"),
        pytest.param({"first": "2026-05-21", "last": "2026-05-20"}, PeriodInvalid, id="an end before the start"),
        pytest.param({"first": "20.5.2026"}, PeriodInvalid, id="a day written otherwise"),
        pytest.param({"first": "20260520"}, PeriodInvalid, id="a day without dashes"),
        pytest.param({"last": "2026-02-30"}, PeriodInvalid, id="a day that is none"),
        pytest.param({"store_code": "S999"}, StoreUnknown, id="a store of nobody"),
        pytest.param({"bom": "yes"}, SwitchInvalid, id="a switch that is neither"),
    ],
)
def test_a_wrong_question_is_refused(app, asked, refusal):
    story.tell()

    with pytest.raises(refusal):
        question(**({"name": "members"} | asked))


def test_a_manager_is_refused_what_is_not_his(app):
    story.tell()
    manager = Reader(1, frozenset([1]), shows_personal=False)

    with pytest.raises(StoreUnknown):
        question("members", manager, store_code="-S002")
    with pytest.raises(ReportForHeadOffice):
        question("campaigns", manager)


def test_the_mark_for_excel_can_be_left_out(app):
    story.tell()

    with_mark, without = file_of(question("cards")), file_of(question("cards", bom="0"))

    assert with_mark == b"\xef\xbb\xbf" + without


def test_memory_stays_flat_over_many_rows(app):
    """100,000 rows more cost no memory that stays."""
    story.tell()
    many_scans(100_000)
    asked = question("scans")

    tracemalloc.start()
    with export(asked) as answer:
        size = sum(map(len, answer.lines()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert answer.rows == 100_000 + 5
    assert size > 8_000_000
    assert peak < 2_000_000


def many_scans(count: int) -> None:
    numbers = "SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < :count"
    with transaction():
        db.session.execute(
            text(
                f"WITH RECURSIVE numbers AS ({numbers}) "
                "INSERT INTO scans (id, chain_id, store_id, store_code_id, visitor, at) "
                "SELECT n + 10, 1, 1, 1, 'somebody on a phone', '2026-05-20 05:00:00.000000' FROM numbers"
            ),
            {"count": count},
        )


def test_the_spreaders_are_those_of_the_sharing_page(app):
    chain = story.tell()
    start, end = day_start(date(2026, 5, 19), chain.timezone, 4), day_start(date(2026, 5, 22), chain.timezone, 4)

    shown = top_spreaders(chain.id, start, end)
    rows = rows_of(question("spreaders", first="2026-05-19", last="2026-05-21"))

    assert [(each.member_id, each.direct, each.links, each.visits) for each in shown] == [
        tuple(int(row[name]) for name in ("member_id", "joined", "links", "visits")) for row in rows
    ]


def test_the_referrals_are_those_of_the_sharing_page(app):
    chain = story.tell()
    start, end = day_start(date(2026, 5, 19), chain.timezone, 4), day_start(date(2026, 5, 22), chain.timezone, 4)

    numbers = propagation.numbers(chain.id, start, end)

    assert numbers.referred == len(rows_of(question("referrals", first="2026-05-19", last="2026-05-21")))
    assert numbers.new_members == len(rows_of(question("members", first="2026-05-19", last="2026-05-21")))
