"""The codes of a batch as CSV, as they are printed."""

from collections.abc import Iterator

from coupons.code_models import BatchState, CodeBatch
from coupons.printing import CodeLine, each_code, shown

COLUMNS = ("code", "state", "coupon_id", "used_at")


def csv_lines(batch: CodeBatch) -> Iterator[str]:
    """The head, then a line for each code; a page of them in memory at a time. No cell needs a quote."""
    unused = "void" if batch.state == BatchState.VOID else "unused"
    yield ",".join(COLUMNS) + "\r\n"
    for line in each_code(batch):
        yield _line(line, unused)


def _line(line: CodeLine, unused: str) -> str:
    if line.used_at is None:
        return f"{shown(line.code)},{unused},,\r\n"
    return f"{shown(line.code)},used,{line.coupon_id},{line.used_at.isoformat()}\r\n"
