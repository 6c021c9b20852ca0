"""What somebody types: a claim word (口令) or the code from a piece of paper. Either becomes a coupon on his card."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import exists, select, update

from core.db import db
from core.errors import DomainError
from coupons import errors, printing
from coupons.claiming import claim_for_one
from coupons.code_models import BatchState, CodeBatch, PrintedCode
from coupons.drafts import normal_word
from coupons.models import Coupon, CouponSource, Offer, OfferState

LONGEST = 60  # characters that are looked at


class Entry(NamedTuple):
    """What a chain knows under the text that was typed."""

    chain_id: int
    offer_id: int
    batch_id: int | None = None  # of a printed code; None: a claim word
    code: str = ""


class Entered(NamedTuple):
    """The coupon that came of it; ``was_there`` when this card had it from the same code before."""

    coupon_id: int
    offer_id: int
    card_id: int
    was_there: bool


def find_entries(chain_ids: Collection[int], text: str) -> list[Entry]:
    """What these chains know under this text, each chain at most one thing; a word goes before a code."""
    text = text.strip()[:LONGEST]
    entries = {entry.chain_id: entry for entry in [*_codes(chain_ids, text), *_words(chain_ids, text)]}
    return [entries[chain_id] for chain_id in sorted(entries)]


def _words(chain_ids: Collection[int], text: str) -> list[Entry]:
    word = normal_word(text)
    if not word:
        return []
    rows = db.session.execute(
        select(Offer.chain_id, Offer.id).where(
            Offer.chain_id.in_(chain_ids), Offer.claim_word == word, Offer.state == OfferState.RUNNING
        )
    )
    return [Entry(*row) for row in rows]


def _codes(chain_ids: Collection[int], text: str) -> list[Entry]:
    """A code as it was typed goes before one that was read with O for 0: so it comes last, and stays."""
    readings = printing.readings(text)
    rows = db.session.execute(
        select(PrintedCode.chain_id, CodeBatch.offer_id, PrintedCode.batch_id, PrintedCode.code)
        .join(CodeBatch, CodeBatch.id == PrintedCode.batch_id)
        .where(PrintedCode.chain_id.in_(chain_ids), PrintedCode.code.in_(readings))
    ).all()
    return [Entry(*row) for row in sorted(rows, key=lambda row: readings.index(row.code), reverse=True)]


def why_unknown(text: str) -> DomainError:
    """For staff, who may know more: whether a letter of a code is wrong."""
    readings = printing.readings(text)
    is_ours = any(len(code) == printing.LENGTH and set(code) <= set(printing.LETTERS) for code in readings)
    is_slip = is_ours and not any(map(printing.has_right_check, readings))
    return errors.PrintedCodeMistyped() if is_slip else errors.EnteredCodeUnknown()


def enter(
    entry: Entry, *, card_ids: Sequence[int], now: datetime, store_id: int | None = None, for_staff: bool = False
) -> Entered:
    """Turn a word or a code into a coupon of the first of these cards, all of one member, that its offer is for.

    Needs an open transaction that ends with a refusal. ``for_staff`` says why a code is not in use; the public is told
    EnteredCodeUnknown. Raises that, PrintedCodeVoid, PrintedCodeUsed, and what claiming raises.
    """
    if entry.batch_id is None:
        return _claimed(entry, card_ids, CouponSource.CLAIM_WORD, store_id, now)
    state, coupon_id = _standing(entry)
    earlier = None if coupon_id is None else _own(coupon_id, card_ids)
    if earlier is not None:
        return earlier
    if state != BatchState.ACTIVE:
        raise errors.PrintedCodeVoid() if for_staff else errors.EnteredCodeUnknown()
    if coupon_id is not None:
        raise errors.PrintedCodeUsed()
    entered = _claimed(entry, card_ids, CouponSource.PRINTED_CODE, store_id, now)
    if not _use(entry, entered.coupon_id, now):  # somebody else was first: the coupon goes with the transaction
        raise errors.PrintedCodeUsed()
    return entered


def _claimed(
    entry: Entry, card_ids: Sequence[int], source: CouponSource, store_id: int | None, now: datetime
) -> Entered:
    claimed = claim_for_one(entry.offer_id, card_ids, source=source, store_id=store_id, now=now)
    return Entered(claimed.id, claimed.offer_id, claimed.card_id, was_there=False)


def _standing(entry: Entry) -> tuple[str, int | None]:
    """The state of the code's batch, and its coupon."""
    row = db.session.execute(
        select(CodeBatch.state, PrintedCode.coupon_id)
        .join(PrintedCode, PrintedCode.batch_id == CodeBatch.id)
        .where(PrintedCode.batch_id == entry.batch_id, PrintedCode.code == entry.code)
    ).one_or_none()
    if row is None:
        raise errors.EnteredCodeUnknown()
    return row.state, row.coupon_id


def _own(coupon_id: int, card_ids: Sequence[int]) -> Entered | None:
    row = db.session.execute(
        select(Coupon.id, Coupon.offer_id, Coupon.card_id).where(Coupon.id == coupon_id, Coupon.card_id.in_(card_ids))
    ).one_or_none()
    return None if row is None else Entered(*row, was_there=True)


def _use(entry: Entry, coupon_id: int, now: datetime) -> bool:
    """Let the code be this coupon, if it is still free and its batch still works."""
    is_active = exists().where(CodeBatch.id == entry.batch_id, CodeBatch.state == BatchState.ACTIVE)
    used = db.session.scalar(
        update(PrintedCode)
        .where(
            PrintedCode.batch_id == entry.batch_id,
            PrintedCode.code == entry.code,
            PrintedCode.coupon_id.is_(None),
            is_active,
        )
        .values(coupon_id=coupon_id, used_at=now)
        .returning(PrintedCode.code)
        .execution_options(synchronize_session=False)
    )
    return used is not None
