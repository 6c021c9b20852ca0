"""Codes on paper: made with a check digit, or taken in from a partner; each turns into one coupon.

A batch is written in pieces, each in a transaction of its own, and works when it is whole: what was interrupted can be
continued, or made void.
"""

import re
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from unicodedata import normalize

import psycopg.errors
from sqlalchemy import delete, func, select, update

from core import audit
from core.audit import Author
from core.db import db, transaction
from coupons import errors
from coupons.code_models import BatchKind, BatchState, CodeBatch, PrintedCode
from coupons.offers import get_offer

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
DRAWN = 13  # letters of 5 random bits
LENGTH = DRAWN + 1  # with the check digit
SHORTEST, LONGEST = 8, 32  # of a partner's codes
MOST_CODES = 10_000_000
LONGEST_NAME = 80
PIECE = 50_000  # codes written in one transaction
PAGE = 20_000  # codes read at once
SAME = str.maketrans("OIL", "011")  # how people read our letters back
BETWEEN = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
IN_FORM = re.compile(rf"[0-9A-Z]{{{SHORTEST},{LONGEST}}}")


class Progress(NamedTuple):
    """How far a batch is written."""

    made: int
    size: int

    @property
    def is_whole(self) -> bool:
        return self.made == self.size


class BatchLine(NamedTuple):
    """A batch in the list, and how many of its codes are used."""

    batch: CodeBatch
    used: int


class CodeLine(NamedTuple):
    """A code in the export."""

    code: str
    coupon_id: int | None
    used_at: datetime | None


# --- what a code looks like ---------------------------------------------------------------------------------------


def _times_two(value: int) -> int:
    """In the field of 32 elements (x^5 + x^2 + 1), where letters are added by XOR."""
    value <<= 1
    return value ^ 0b100101 if value & 32 else value


def _weights() -> list[bytes]:
    """For each place of a code, what each letter adds to the check digit. Every place weighs differently, so one wrong
    letter, and two letters in the wrong order, always show.
    """
    tables, table = [], list(range(32))
    for _ in range(LENGTH):
        tables.append(bytes(table * 8))
        table = [_times_two(value) for value in table]
    return tables[::-1]  # the check digit weighs 1


WEIGHTS = _weights()
AS_LETTER = bytes(LETTERS.encode() * 8)  # 32 letters, and a byte has 256 values: all are as likely


def new_codes(count: int) -> list[str]:
    """So many new codes: 65 random bits and a check digit each. Made column by column, which is how it is quick."""
    check = 0
    letters = bytearray(LENGTH * count)
    for place in range(DRAWN):
        drawn = secrets.token_bytes(count)
        letters[place::LENGTH] = drawn.translate(AS_LETTER)
        check ^= int.from_bytes(drawn.translate(WEIGHTS[place]))
    letters[DRAWN::LENGTH] = check.to_bytes(count).translate(AS_LETTER)
    text = letters.decode("ascii")
    return [text[start : start + LENGTH] for start in range(0, len(text), LENGTH)]


def has_right_check(code: str) -> bool:
    """Whether it is a code as ``new_codes`` makes them; a slip of the finger is not."""
    if len(code) != LENGTH or not set(code) <= set(LETTERS):
        return False
    check = 0
    for place, letter in enumerate(code):
        check ^= WEIGHTS[place][LETTERS.index(letter)]
    return check == 0


def shown(code: str) -> str:
    """As it is printed: in groups of four. A partner's code stays as it is."""
    if not has_right_check(code):
        return code
    return "-".join(code[start : start + 4] for start in range(0, LENGTH, 4))


def plain(text: str) -> str:
    """A code as it is stored: capitals, without spaces and hyphens; empty when it cannot be one."""
    code = text.replace("-", "").upper()
    if not (text.isascii() and IN_FORM.fullmatch(code)):  # most are; for the others more patience
        code = BETWEEN.sub("", normalize("NFKC", text)).upper()
    return code if IN_FORM.fullmatch(code) else ""


def readings(text: str) -> list[str]:
    """What somebody who typed this may have read: as it stands, and with O for 0, I and L for 1."""
    code = plain(text)
    return list(dict.fromkeys([code, code.translate(SAME)])) if code else []


# --- making -------------------------------------------------------------------------------------------------------


def make_batch(chain_id: int, offer_id: int, *, size: int, name: str, by: Author, now: datetime) -> CodeBatch:
    """Begin a batch of new codes; ``fill_batch`` writes them. Needs an open transaction.

    Raises OfferNotFound, CodesInvalid.
    """
    if not 1 <= size <= MOST_CODES:
        raise errors.CodesInvalid(most=f"{MOST_CODES:,}")
    return _begin(chain_id, offer_id, BatchKind.GENERATED, size, name, by, now)


def take_in(chain_id: int, offer_id: int, *, name: str, by: Author, now: datetime) -> CodeBatch:
    """Begin a batch of a partner's codes; ``coupons.code_import`` writes them. Needs an open transaction."""
    return _begin(chain_id, offer_id, BatchKind.IMPORTED, 0, name, by, now)


def _begin(chain_id: int, offer_id: int, kind: BatchKind, size: int, name: str, by: Author, now: datetime) -> CodeBatch:
    offer = get_offer(chain_id, offer_id)
    batch = CodeBatch(
        chain_id=chain_id,
        offer_id=offer.id,
        kind=kind,
        name=name.strip()[:LONGEST_NAME] or offer.name,
        state=BatchState.MAKING,
        size=size,
        made=0,
        made_by=by.name,
        made_at=now,
    )
    db.session.add(batch)
    db.session.flush()
    _note("codes begun", batch, by, now, {"kind": kind, "size": size, "name": batch.name})
    return batch


def fill_batch(chain_id: int, batch_id: int) -> Progress:
    """Write the next codes of a batch of new ones, in a transaction of its own; whole, it works.

    Call until ``is_whole``, whoever began it. Raises BatchNotFound, BatchNotOpen.
    """
    with transaction():
        batch = held_batch(chain_id, batch_id)
        if batch.state == BatchState.ACTIVE:
            return Progress(batch.made, batch.size)
        if batch.state != BatchState.MAKING or batch.kind != BatchKind.GENERATED:
            raise errors.BatchNotOpen()
        count = min(PIECE, batch.size - batch.made)
        while not write_codes(batch, sorted(new_codes(count))):
            pass  # a code drawn that the chain has: once in a very long time
        batch.made += count
        if batch.made == batch.size:
            batch.state = BatchState.ACTIVE
        return Progress(batch.made, batch.size)


def held_batch(chain_id: int, batch_id: int) -> CodeBatch:
    """The batch, for nobody else to change until the transaction ends. Raises BatchNotFound."""
    batch = db.session.scalar(
        select(CodeBatch)
        .filter_by(id=batch_id, chain_id=chain_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if batch is None:
        raise errors.BatchNotFound()
    return batch


def write_codes(batch: CodeBatch, codes: Sequence[str]) -> bool:
    """Write all of them, or none when the chain has one already. Needs an open transaction."""
    try:
        with db.session.begin_nested():
            driver: Any = db.session.connection().connection.driver_connection
            if db.engine.dialect.name == "postgresql":
                _copy(driver, batch, codes)
            else:
                driver.executemany(
                    "INSERT INTO printed_codes (batch_id, code, chain_id) VALUES (?, ?, ?)",
                    ((batch.id, code, batch.chain_id) for code in codes),
                )
    except (psycopg.errors.UniqueViolation, sqlite3.IntegrityError):
        return False
    return True


def _copy(driver: Any, batch: CodeBatch, codes: Sequence[str]) -> None:
    if not codes:
        return
    before, after = f"{batch.id}\t", f"\t{batch.chain_id}\n"
    with driver.cursor() as cursor, cursor.copy("COPY printed_codes (batch_id, code, chain_id) FROM STDIN") as copy:
        copy.write(before + (after + before).join(codes) + after)


# --- afterwards ---------------------------------------------------------------------------------------------------


def void_batch(chain_id: int, batch_id: int, *, by: Author, now: datetime) -> int:
    """Let no unused code of a batch work any more, in a transaction of its own; return how many those are.

    Coupons that came of its codes stay. The codes of a batch that was never whole go altogether, so that they can be
    taken in again. Raises BatchNotFound, BatchNotOpen.
    """
    with transaction():
        batch = held_batch(chain_id, batch_id)
        if batch.state == BatchState.VOID:
            raise errors.BatchNotOpen()
        was_whole = batch.state == BatchState.ACTIVE
        unused = batch.made - count_used([batch.id])[batch.id]
        batch.state, batch.voided_at = BatchState.VOID, now
        _note("codes voided", batch, by, now, {"unused": unused})
    while not was_whole and _forget_piece(batch_id):
        pass
    return unused


def _forget_piece(batch_id: int) -> int:
    """Delete some codes of a batch, in a transaction of its own; return how many."""
    some = select(PrintedCode.code).where(PrintedCode.batch_id == batch_id).limit(PIECE)
    with transaction():
        deleted = db.session.execute(
            delete(PrintedCode)
            .where(PrintedCode.batch_id == batch_id, PrintedCode.code.in_(some.scalar_subquery()))
            .execution_options(synchronize_session=False)
        )
        gone = int(deleted.rowcount)  # type: ignore[attr-defined]
        db.session.execute(
            update(CodeBatch)
            .where(CodeBatch.id == batch_id)
            .values(made=CodeBatch.made - gone)
            .execution_options(synchronize_session=False)
        )
    return gone


def list_batches(chain_id: int, offer_id: int | None = None, *, limit: int = 200) -> list[BatchLine]:
    """The batches of an offer, or of all, newest first."""
    query = select(CodeBatch).filter_by(chain_id=chain_id)
    if offer_id is not None:
        query = query.filter_by(offer_id=offer_id)
    batches = db.session.scalars(query.order_by(CodeBatch.id.desc()).limit(limit)).all()
    used = count_used([batch.id for batch in batches])
    return [BatchLine(batch, used[batch.id]) for batch in batches]


def count_used(batch_ids: Sequence[int]) -> dict[int, int]:
    """How many codes of each batch have become coupons."""
    rows = db.session.execute(
        select(PrintedCode.batch_id, func.count())
        .where(PrintedCode.batch_id.in_(batch_ids), PrintedCode.coupon_id.is_not(None))
        .group_by(PrintedCode.batch_id)
    )
    return dict.fromkeys(batch_ids, 0) | {row[0]: row[1] for row in rows}


def get_batch(chain_id: int, batch_id: int) -> CodeBatch:
    """The batch, or BatchNotFound."""
    batch = db.session.scalar(select(CodeBatch).filter_by(id=batch_id, chain_id=chain_id))
    if batch is None:
        raise errors.BatchNotFound()
    return batch


def note_export(batch: CodeBatch, *, by: Author, now: datetime) -> None:
    """Whoever reads a batch's codes could use them, so the audit tells. Needs an open transaction."""
    _note("codes exported", batch, by, now, {"codes": batch.made})


def each_code(batch: CodeBatch) -> Iterator[CodeLine]:
    """All codes of a whole batch, a page of them in memory at a time."""
    columns = select(PrintedCode.code, PrintedCode.coupon_id, PrintedCode.used_at).filter_by(batch_id=batch.id)
    after = ""
    while True:
        rows = db.session.execute(columns.where(PrintedCode.code > after).order_by(PrintedCode.code).limit(PAGE)).all()
        yield from (CodeLine(*row) for row in rows)
        if len(rows) < PAGE:
            return
        after = rows[-1].code


def _note(action: str, batch: CodeBatch, by: Author, now: datetime, after: dict[str, Any]) -> None:
    audit.note(
        action, chain_id=batch.chain_id, object_kind="code_batch", object_id=batch.id, by=by, at=now, after=after
    )
