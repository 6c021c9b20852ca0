"""The first rows of a report on a page, and the days of a period as a chart."""

from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from app.reports.question import Question, Reader
from app.reports.streaming import export
from cards.models import Card
from checkout.models import Checkout, CheckoutState
from core.db import db

MOST_ROWS = 50
MOST_DAYS = 92  # of a chart


class Preview(NamedTuple):
    """The beginning of a report, with its totals."""

    rows: list[tuple[Any, ...]]
    row_count: int
    totals: dict[str, int]


class DayInChart(NamedTuple):
    day: date
    cards: int
    payable_cents: int


def preview(question: Question, *, limit: int = MOST_ROWS) -> Preview:
    """The same rows, in the same order and words as in the file."""
    with export(question, is_for_spreadsheets=False) as answer:
        totals = answer.totals()
        return Preview(answer.first_rows(limit), totals.pop("rows"), totals)


def by_day(reader: Reader, first: date, last: date) -> list[DayInChart]:
    """Cards issued and money paid on each day, the last ones where the period is long."""
    first = max(first, last - timedelta(days=MOST_DAYS - 1))
    cards = _sums(reader, Card, Card.issued_on, func.count(), first, last)
    settled, net = Checkout.state == CheckoutState.SETTLED, Checkout.payable_cents - Checkout.refunded_cents
    paid = _sums(reader, Checkout, Checkout.business_day, func.sum(net), first, last, settled)
    days = [first + timedelta(days=each) for each in range((last - first).days + 1)]
    return [DayInChart(day, cards.get(day, 0), paid.get(day, 0)) for day in days]


def _sums(reader: Reader, model: Any, day: Any, total: Any, first: date, last: date, *rules: Any) -> dict[date, int]:
    query = select(day, total).where(model.chain_id == reader.chain_id, day >= first, day <= last, *rules)
    if reader.store_ids is not None:
        query = query.where(model.store_id.in_(reader.store_ids))
    return {row[0]: int(row[1]) for row in db.session.execute(query.group_by(day))}


def shown(value: Any, timezone: str) -> Any:
    """A cell as a page shows it: times shorter, in their own zone."""
    if isinstance(value, str) and len(value) == len("2026-05-31T12:00:00+08:00") and value[10] == "T":
        moment = datetime.fromisoformat(value)
        same = moment.utcoffset() == moment.astimezone(ZoneInfo(timezone)).utcoffset()
        return f"{value[:10]} {value[11:16]}" + ("" if same else f" {value[19:]}")
    return value
