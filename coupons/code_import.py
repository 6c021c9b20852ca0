"""A partner's list of codes, taken in line by line: what is accepted, what the chain has already, what is no code.

The file is read and written in pieces, so that its length does not matter.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import BinaryIO, NamedTuple

from sqlalchemy import select

from core.db import db, transaction
from coupons import errors
from coupons.code_models import BatchKind, BatchState, CodeBatch, PrintedCode
from coupons.printing import PIECE, held_batch, plain, write_codes

LONGEST_LINE = 1000  # characters; what follows is no code
ASKED_AT_ONCE = 20_000  # codes in one look-up
HEADINGS = {"code", "codes", "coupon code", "voucher", "voucher code", "券码", "兑换码", "优惠码", "代码"}
SHOWN = 40  # characters of a line that is told about


class Problem(StrEnum):
    """Why a line was not accepted."""

    MALFORMED = "malformed"
    DUPLICATE_IN_FILE = "duplicate_in_file"
    DUPLICATE_IN_CHAIN = "duplicate_in_chain"


class Line(NamedTuple):
    """One line of the file; ``code`` is empty when it holds none."""

    number: int
    text: str
    code: str


class Refused(NamedTuple):
    """A line that was not accepted."""

    line: int
    text: str
    problem: Problem


class Counts(NamedTuple):
    """How many lines were accepted, and how many not."""

    accepted: int = 0
    duplicate_in_file: int = 0
    duplicate_in_chain: int = 0
    malformed: int = 0


def import_codes(
    chain_id: int, batch_id: int, file: BinaryIO, *, tell: Callable[[Refused], object], now: datetime
) -> Iterator[Counts]:
    """Take the file into a batch that was begun for it; tell every line that is not accepted.

    Yields the counts so far after each piece; the last piece makes the batch work. Raises BatchNotFound, BatchNotOpen.
    """
    counts = dict.fromkeys(Counts._fields, 0)
    lines = read_lines(file)
    while piece := list(islice(lines, PIECE)):
        refused = import_batch(chain_id, batch_id, piece)
        for line in refused:
            counts[line.problem] += 1
            tell(line)
        counts["accepted"] += len(piece) - len(refused)
        yield Counts(**counts)
    finish_batch(chain_id, batch_id, now=now)
    yield Counts(**counts)


def read_lines(file: BinaryIO) -> Iterator[Line]:
    """The first column of each line that is not blank; a heading is passed over. The file can be sought in."""
    begins = file.read(2)
    file.seek(0)
    is_wide = begins in (b"\xff\xfe", b"\xfe\xff")
    text = io.TextIOWrapper(file, "utf-16" if is_wide else "utf-8-sig", errors="replace")
    try:
        yield from _lines(text)
    finally:
        text.detach()  # the file is the caller's to close


def _lines(text: io.TextIOWrapper) -> Iterator[Line]:
    number = 0
    while line := text.readline(LONGEST_LINE):
        number += 1
        is_long = len(line) == LONGEST_LINE
        while is_long and line[-1] != "\n" and (more := text.readline(LONGEST_LINE)):
            line = line[:SHOWN] + more[-1]
        said = line.strip()
        code = "" if is_long else plain(said)
        if not code:
            said = _first_column(said)
            if not said or (number == 1 and said.casefold() in HEADINGS):
                continue
            code = "" if is_long else plain(said)
        yield Line(number, said[:SHOWN], code)


def _first_column(line: str) -> str:
    for sign in "\t;,":
        line = line.partition(sign)[0]
    return line.strip().strip("\"'").strip()


def import_batch(chain_id: int, batch_id: int, lines: Sequence[Line]) -> list[Refused]:
    """Write the codes of these lines, in a transaction of its own; return the lines that are not accepted."""
    first: dict[str, Line] = {}
    refused = []
    for line in lines:
        if not line.code:
            refused.append(Refused(line.number, line.text, Problem.MALFORMED))
        elif first.setdefault(line.code, line) is not line:
            refused.append(Refused(line.number, line.text, Problem.DUPLICATE_IN_FILE))
    with transaction():
        batch = _open(chain_id, batch_id)
        codes = sorted(first)
        while not write_codes(batch, codes):
            for code, owner in _known(chain_id, codes):
                problem = Problem.DUPLICATE_IN_FILE if owner == batch_id else Problem.DUPLICATE_IN_CHAIN
                line = first.pop(code)
                refused.append(Refused(line.number, line.text, problem))
            codes = sorted(first)
        batch.size += len(codes)
        batch.made += len(codes)
    return sorted(refused)


def finish_batch(chain_id: int, batch_id: int, *, now: datetime) -> None:
    """Let the codes of a batch work, in a transaction of its own; a batch without codes is void."""
    with transaction():
        batch = _open(chain_id, batch_id)
        batch.state = BatchState.ACTIVE if batch.made else BatchState.VOID
        batch.voided_at = None if batch.made else now


def _open(chain_id: int, batch_id: int) -> CodeBatch:
    batch = held_batch(chain_id, batch_id)
    if batch.state != BatchState.MAKING or batch.kind != BatchKind.IMPORTED:
        raise errors.BatchNotOpen()
    return batch


def _known(chain_id: int, codes: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Those of the codes that the chain has already, and their batches."""
    for start in range(0, len(codes), ASKED_AT_ONCE):
        rows = db.session.execute(
            select(PrintedCode.code, PrintedCode.batch_id).where(
                PrintedCode.chain_id == chain_id, PrintedCode.code.in_(codes[start : start + ASKED_AT_ONCE])
            )
        )
        yield from (tuple(row) for row in rows.all())  # type: ignore[misc]
