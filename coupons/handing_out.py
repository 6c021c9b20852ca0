"""Handing coupons out to a list of phones: line by line, each line done or not, and a repeat does nothing again."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, NamedTuple

from sqlalchemy import select

from cards.contacts import PhoneInvalid, parse_phone
from cards.models import Card, CardState, Member
from core.db import db, transaction
from core.errors import DomainError
from core.idempotency import Answer, earlier_answer, fingerprint, keep_answer
from core.tokens import hashed
from coupons import errors
from coupons.claiming import claim_for_one
from coupons.models import Coupon, CouponSource, OfferState
from coupons.offers import get_offer
from stores.store_files import LONGEST_CELL, FileBroken

HEADINGS = {"phone", "mobile", "tel", "telephone", "phone number", "手机", "手机号", "手机号码", "电话", "联系电话"}
SHOWN = 40  # characters of a line that is told about
MOST_CARDS = 20  # of one phone that are tried


class Outcome(StrEnum):
    """What became of a line. ``limit``: something else stood in the way; the refusal's code says what."""

    ACCEPTED = "accepted"
    UNKNOWN_PHONE = "unknown_phone"
    ALREADY_HAS = "already_has"
    MALFORMED = "malformed"
    LIMIT = "limit"


class Line(NamedTuple):
    """A line of the list: what it says, and the number that it is."""

    number: int
    text: str
    phone: str | None


class Handed(NamedTuple):
    """What became of a line."""

    line: int
    text: str
    outcome: Outcome
    refusal: DomainError | None = None
    coupon_id: int | None = None


def read_phones(file: BinaryIO, *, currency: str) -> Iterator[Line]:
    """The phones of a CSV: of the column with such a heading, else of the first. Blank lines are passed over.

    Raises FileBroken where quotes do not match.
    """
    text = io.TextIOWrapper(file, "utf-8-sig", errors="replace", newline="")
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(text, strict=True)
    try:
        yield from _phones(reader, currency)
    except csv.Error as error:
        raise FileBroken(line=reader.line_num + 1) from error
    finally:
        text.detach()  # the file is the caller's to close


def _phones(rows: Iterable[list[str]], currency: str) -> Iterator[Line]:
    column = 0
    for number, row in enumerate(rows, 1):
        if number == 1:
            headed = [place for place, cell in enumerate(row) if cell.strip().casefold() in HEADINGS]
            if headed:
                column = headed[0]
                continue
        text = row[column].strip() if column < len(row) else ""
        if any(cell.strip() for cell in row):
            yield Line(number, text[:SHOWN], _phone(text, currency))


def _phone(text: str, currency: str) -> str | None:
    try:
        return parse_phone(text, currency=currency)
    except PhoneInvalid:
        return None


def hand_out_batch(chain_id: int, offer_id: int, line: Line, *, key: str, now: datetime) -> Handed:
    """Give the member with this phone a coupon, in a transaction of its own.

    Under the same ``key`` a phone gets one, however often the list is handed out. Raises OfferNotFound.
    """
    if line.phone is None:
        return Handed(line.number, line.text, Outcome.MALFORMED)
    scope, phone_key = f"hand-out:{chain_id}:{offer_id}:{hashed(key)[:16]}", hashed(line.phone)
    try:
        with transaction():
            cards = _cards(chain_id, line.phone)
            if not cards:
                return Handed(line.number, line.text, Outcome.UNKNOWN_PHONE)
            if earlier_answer(scope, phone_key, fingerprint=fingerprint(offer_id), now=now) is not None:
                return Handed(line.number, line.text, Outcome.ALREADY_HAS)
            coupon_id = claim_for_one(offer_id, cards, source=CouponSource.IMPORT, now=now).id
            keep_answer(scope, phone_key, Answer(201, {"coupon_id": coupon_id}))
    except errors.OfferNotFound:
        raise
    except DomainError as refusal:
        return Handed(line.number, line.text, _outcome_of(refusal), refusal)
    return Handed(line.number, line.text, Outcome.ACCEPTED, coupon_id=coupon_id)


def foresee(chain_id: int, offer_id: int, line: Line, *, now: datetime) -> Handed:
    """What would become of a line now, as far as its own member goes; nothing is changed. Raises OfferNotFound."""
    offer = get_offer(chain_id, offer_id)
    if line.phone is None:
        return Handed(line.number, line.text, Outcome.MALFORMED)
    cards = _cards(chain_id, line.phone)
    if not cards:
        return Handed(line.number, line.text, Outcome.UNKNOWN_PHONE)
    if offer.state != OfferState.RUNNING or (offer.valid_until is not None and offer.valid_until <= now):
        return Handed(line.number, line.text, Outcome.LIMIT, errors.OfferNotRunning())
    member_ids = select(Card.member_id).where(Card.id.in_(cards))
    held = db.session.scalars(
        select(Coupon.id).where(Coupon.offer_id == offer_id, Coupon.member_id.in_(member_ids)).limit(1000)
    ).all()
    if len(held) >= offer.per_member_limit:
        refusal = errors.OfferLimitReached(limit=offer.per_member_limit)
        return Handed(line.number, line.text, Outcome.ALREADY_HAS, refusal)
    return Handed(line.number, line.text, Outcome.ACCEPTED)


def _cards(chain_id: int, phone: str) -> list[int]:
    """The active cards of a phone: of a member who verified it first, then the oldest."""
    return list(
        db.session.scalars(
            select(Card.id)
            .join(Member, Member.id == Card.member_id)
            .where(Member.chain_id == chain_id, Member.phone == phone, Card.state == CardState.ACTIVE)
            .order_by(Member.phone_verified_at.is_(None), Card.id)
            .limit(MOST_CARDS)
        )
    )


def _outcome_of(refusal: DomainError) -> Outcome:
    had = (errors.OfferLimitReached, errors.OfferPhoneLimitReached)
    return Outcome.ALREADY_HAS if isinstance(refusal, had) else Outcome.LIMIT
