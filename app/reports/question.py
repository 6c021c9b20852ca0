"""What somebody asks of a report, checked before the first line is sent."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from app.reports.pack import REPORTS
from app.reports.report import Report
from app.reports.spelling import PostgresqlSpelling, Spelling, SqliteSpelling, common_offset
from cards.models import Card, Member, Program
from checkout.models import Checkout
from core.clock import business_day, day_start
from core.db import db
from core.errors import Invalid, NotFound, NotPermitted
from core.text import Text
from push.audiences.saved_segments import get_segment, only_segment
from push.audiences.segments import narrowed
from push.errors import SegmentNotFound
from stores.models import Chain, Store

BEGINNING = date(2000, 1, 1)
END = date(2100, 1, 1)
LOOK_AROUND = timedelta(days=2)  # a stored business day lies no further from its moment, whatever zone and cut-off


class ReportUnknown(NotFound):
    """There is no report of this name."""

    code = "report_unknown"
    sentence = Text("没有这个报表。", "There is no such report.")


class ReportForHeadOffice(NotPermitted):
    """Its rows belong to no store."""

    code = "report_for_head_office"
    sentence = Text("这个报表只给总部。", "This report is for head office only.")


class PeriodInvalid(Invalid):
    """``from`` and ``to`` are days such as 2026-05-31, in this order."""

    code = "period_invalid"
    sentence = Text(
        "日期要写成 2026-05-31 这样，开始不晚于结束。", "Write days as 2026-05-31, and from not later than to."
    )


class SwitchInvalid(Invalid):
    """A switch is 0 or 1."""

    code = "switch_invalid"
    sentence = Text("bom 只能是 0 或 1。", "bom is 0 or 1.")


class StoreUnknown(NotFound):
    """The chain has no such store, or it is not yours."""

    code = "store_unknown"
    sentence = Text("没有这家门店，或者它不归您管。", "There is no such store, or it is not yours.")


class SegmentNotForReport(Invalid):
    """Its rows are not members."""

    code = "report_without_segments"
    sentence = Text("只有会员文件可以按人群来取。", "Only the file of members is narrowed to a segment.")


@dataclass(frozen=True)
class Reader:
    """Whoever asks: his chain, his stores (None: all), and whether he may see phones, names and e-mails."""

    chain_id: int
    store_ids: frozenset[int] | None = None
    shows_personal: bool = True


@dataclass(frozen=True)
class Question:
    """One report, of one period, for one reader."""

    report: Report
    chain: Chain
    program_id: int | None
    first: date
    last: date
    is_open: bool  # no first day was named
    store: Store | None
    store_ids: frozenset[int] | None
    shows_personal: bool
    zones: frozenset[str]
    now: datetime
    bom: bool = True
    segment_id: int | None = None
    members: str = ""  # whom the segment means now, as a SELECT

    @property
    def file_name(self) -> str:
        """members_2026-05-01_2026-05-31.csv"""
        period = f"to_{self.last}" if self.is_open else f"{self.first}_{self.last}"
        place = f"_{_file_safe(self.store.code)}" if self.store else ""
        whom = f"_segment-{self.segment_id}" if self.segment_id else ""
        return f"{self.report.name}{whom}{place}_{period}.csv"

    def spelling(self, *, is_for_spreadsheets: bool = True) -> Spelling:
        zone = "COALESCE(s.timezone, :zone)" if len(self.zones) > 1 else ":zone"
        spell = PostgresqlSpelling if db.engine.dialect.name == "postgresql" else SqliteSpelling
        is_row_by_row = self.report.parts is None and not self.members  # a segment counts over tables
        return spell(zone, common_offset(self.zones), self.shows_personal, is_for_spreadsheets, is_row_by_row)

    def select(self, sql: Spelling) -> str:
        """The rows of the file, in its order."""
        cells = ", ".join(sql.cell(column, self._value(column.sql, sql)) for column in self.report.columns)
        return f"{self._with(sql)}SELECT {cells} {self._from(sql)} ORDER BY {self.report.order}"

    def select_totals(self, sql: Spelling) -> str:
        """How many rows, and the sum of each column that has one."""
        sums = "".join(f", COALESCE(SUM({column.sql}), 0)" for column in self.report.totals)
        return f"{self._with(sql)}SELECT COUNT(*){sums} {self._from(sql)}"

    def values(self, sql: Spelling) -> dict[str, Any]:
        """The parameters of both."""
        chain = self.chain
        start = min(day_start(self.first, zone, chain.cutoff_hour) for zone in self.zones)
        end = max(day_start(self.last + timedelta(days=1), zone, chain.cutoff_hour) for zone in self.zones)
        return sql.values(
            {
                "chain_id": chain.id,
                "program_id": self.program_id,
                "currency": chain.currency,
                "cutoff_hour": chain.cutoff_hour,
                "zone": chain.timezone if len(self.zones) > 1 else next(iter(self.zones)),
                "now": self.now,
                "first": self.first,
                "last": self.last,
                "start": start,
                "end": end,
                "early": start - LOOK_AROUND,
                "late": end + LOOK_AROUND,
            }
        )

    def _value(self, column_sql: str, sql: Spelling) -> str:
        if column_sql != "{day}":
            return column_sql
        assert self.report.moment is not None
        return sql.day_of(self.report.moment)

    def _with(self, sql: Spelling) -> str:
        return f"WITH {self.report.parts(sql)} " if self.report.parts else ""

    def _from(self, sql: Spelling) -> str:
        report, rules = self.report, []
        if report.chain:
            rules.append(f"{report.chain}.chain_id = :chain_id")
        if report.day:
            rules.append(f"{report.day} BETWEEN :first AND :last")
        if report.moment and report.day:
            rules.append(f"{report.moment} >= :early AND {report.moment} < :late")
        elif report.moment:
            rules.append(f"{report.moment} >= :start AND {report.moment} < :end")
            if len(self.zones) > 1 and sql.offset is None:
                rules.append(f"{sql.day_of(report.moment)} BETWEEN :first AND :last")
        if self.store_ids is not None and report.store:
            rules.append(f"{report.store} IN ({', '.join(map(str, sorted(self.store_ids))) or 'NULL'})")
        if self.members:
            rules.append(f"{report.member} IN ({self.members})")
        return f"FROM {report.tables}" + (f" WHERE {' AND '.join(rules)}" if rules else "")


def ask(
    name: str,
    reader: Reader,
    *,
    first: str | None = None,
    last: str | None = None,
    store_code: str | None = None,
    segment: str | None = None,
    bom: str | None = None,
    now: datetime,
) -> Question:
    """A question that can be answered, or the refusal.

    Without ``first`` the report begins with the chain, without ``last`` it ends today. Raises ReportUnknown,
    ReportForHeadOffice, PeriodInvalid, StoreUnknown, SegmentNotFound, SegmentNotForReport, SwitchInvalid.
    """
    report = REPORTS.get(name)
    if report is None:
        raise ReportUnknown()
    if reader.store_ids is not None and report.is_for_head_office:
        raise ReportForHeadOffice()
    if bom not in (None, "", "0", "1"):
        raise SwitchInvalid()
    chain = db.session.get_one(Chain, reader.chain_id)
    store = _store(reader, store_code)
    segment_id = _segment_id(report, reader, segment)
    end = _day(last) or business_day(now, chain.timezone, chain.cutoff_hour)
    start = _day(first)
    if (start or BEGINNING) > end:
        raise PeriodInvalid()
    return Question(
        report=report,
        chain=chain,
        program_id=db.session.scalar(select(Program.id).filter_by(chain_id=chain.id, is_default=True)),
        first=start or _beginning(report, chain),
        last=end,
        is_open=start is None,
        store=store,
        store_ids=frozenset([store.id]) if store else reader.store_ids,
        shows_personal=reader.shows_personal,
        zones=_zones(report, chain),
        now=now,
        bom=bom != "0",
        segment_id=segment_id,
        members=_members_of(chain, segment_id, now) if segment_id else "",
    )


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise PeriodInvalid() from error
    if len(text) != len("2026-05-31") or not BEGINNING <= day <= END:
        raise PeriodInvalid()
    return day


def _store(reader: Reader, code: str | None) -> Store | None:
    if not code:
        return None
    store = db.session.scalar(select(Store).filter_by(chain_id=reader.chain_id, code=code))
    if store is None or (reader.store_ids is not None and store.id not in reader.store_ids):
        raise StoreUnknown()
    return store


def _segment_id(report: Report, reader: Reader, number: str | None) -> int | None:
    """Segments are head office's."""
    if not number:
        return None
    if report.member is None:
        raise SegmentNotForReport()
    if reader.store_ids is not None or not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise SegmentNotFound()
    return get_segment(reader.chain_id, int(number)).id


def _members_of(chain: Chain, segment_id: int, now: datetime) -> str:
    """Its members as SQL with the values in it: a part of what the driver is given as text."""
    query = narrowed(select(Member.id), chain, only_segment(segment_id), now=now)
    dialect = type(db.engine.dialect)(paramstyle="named")  # in which no sign is doubled
    return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _beginning(report: Report, chain: Chain) -> date:
    """Where an open period begins. A report with a row for every day begins with the chain's first day."""
    if report.moment or report.day:
        return BEGINNING
    days = [
        business_day(chain.created_at, chain.timezone, chain.cutoff_hour),
        db.session.scalar(select(func.min(Card.issued_on)).filter_by(chain_id=chain.id)),
        db.session.scalar(select(func.min(Checkout.business_day)).filter_by(chain_id=chain.id)),
    ]
    return min(day for day in days if day is not None)


def _zones(report: Report, chain: Chain) -> frozenset[str]:
    """The zones in which the rows may have their days."""
    if report.in_chain_zone:
        return frozenset([chain.timezone])
    zones = frozenset(db.session.scalars(select(Store.timezone).filter_by(chain_id=chain.id).distinct()))
    return zones or frozenset([chain.timezone])


def _file_safe(code: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in code)
