"""Proving a phone: a one-time code is sent to it and typed back.

Six digits can be guessed, so little hangs on them: they last minutes, take five tries, and lie in the database under a
key that is not there. How many may be sent is counted over all chains, by the rows themselves; parallel askers of one
phone, wallet or address stand in line at a lock of the database, so that none of them counts too few.
"""

import hashlib
import hmac
import math
import secrets
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, case, delete, func, insert, literal, select, text, update
from sqlalchemy.orm import InstrumentedAttribute

from cards.contacts import PhoneInvalid, parse_phone
from cards.models import Member, PhoneCode
from core import audit, events
from core.audit import Author
from core.db import db
from core.errors import Conflict, DomainError, Invalid, TooMany
from core.text import Text
from stores.models import Chain

DIGITS = 6
LASTS = timedelta(minutes=5)
MOST_TRIES = 5
KEPT = timedelta(days=1)  # the longest time that a limit looks back
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
PAUSE = MINUTE  # before the next code for the same phone or wallet
A_PERSON = ((1, PAUSE), (5, HOUR), (10, KEPT))
AN_ADDRESS = ((60, MINUTE), (300, HOUR), (1000, KEPT))  # a store's wireless network is one address for all its guests


class PhoneCodesTooMany(TooMany):
    """Too many codes were asked for: for this phone, from this wallet or from this address. It does not say which."""

    code = "phone_codes_too_many"
    sentence = Text("验证码发得太频繁，请{wait}后再试。", "Too many codes were asked for. Please try again in {wait}.")


class PhoneCodeWrong(Invalid):
    """Not the code that was sent."""

    code = "phone_code_wrong"
    sentence = Text("验证码不对，请再看一下短信。", "That is not the code. Please look at the message again.")


class PhoneCodeOver(Conflict):
    """There is no code to be typed: it ran out, was tried too often, was used, or a newer one was sent."""

    code = "phone_code_over"
    sentence = Text("这个验证码已经失效，请重新获取。", "This code no longer works. Please ask for a new one.")


class Asked(NamedTuple):
    """A code to be sent. It is nowhere else in clear."""

    id: int
    phone: str
    code: str
    valid_until: datetime


class LiveCode(NamedTuple):
    """A code that waits to be typed."""

    phone: str
    valid_until: datetime
    next_at: datetime  # when another may be asked for


def ask(chain: Chain, wallet_id: int, phone: str, *, address_hash: str, secret: str, now: datetime) -> Asked:
    """A new code for a phone as it was typed; it ends the one before. Needs an open transaction.

    ``secret`` is the application's own. Raises PhoneInvalid, PhoneCodesTooMany.
    """
    parsed = parse_phone(phone, currency=chain.currency)
    if parsed is None:
        raise PhoneInvalid()
    counted: dict[InstrumentedAttribute[Any], object] = {
        PhoneCode.address: address_hash,
        PhoneCode.phone: parsed,
        PhoneCode.wallet_id: wallet_id,
    }
    _stand_in_line(counted)
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
    row: dict[InstrumentedAttribute[Any], object] = counted | {
        PhoneCode.chain_id: chain.id,
        PhoneCode.code_hash: _hashed(code, wallet_id, parsed, secret),
        PhoneCode.tries: 0,
        PhoneCode.made_at: now,
        PhoneCode.valid_until: now + LASTS,
    }
    values = select(*(literal(value, column.type) for column, value in row.items())).where(*_within(counted, now))
    made = db.session.scalar(insert(PhoneCode).from_select(list(row), values).returning(PhoneCode.id))
    if made is None:
        raise _too_many(counted, now)
    return Asked(made, parsed, code, now + LASTS)


def take_back(code_id: int) -> None:
    """Forget a code that could not be sent, so that it counts for nothing. Needs an open transaction."""
    db.session.execute(delete(PhoneCode).where(PhoneCode.id == code_id, PhoneCode.used_at.is_(None)))


def verify(chain_id: int, wallet_id: int, code: str, *, secret: str, by: Author, now: datetime) -> DomainError | None:
    """Compare a typed code; when it is right, the phone is the member's from now on. Needs an open transaction.

    Returns the refusal for the caller to raise once the transaction is committed: a wrong try has to count. The right
    code typed twice is right twice.
    """
    typed = unicodedata.normalize("NFKC", code).replace(" ", "")
    if not (typed.isascii() and typed.isdecimal() and len(typed) == DIGITS):
        return PhoneCodeWrong()
    newest = db.session.execute(_newest(wallet_id)).one_or_none()
    if newest is None or newest.chain_id != chain_id:
        return PhoneCodeOver()
    typed_hash = _hashed(typed, wallet_id, newest.phone, secret)
    tried = db.session.execute(
        update(PhoneCode)
        .where(
            PhoneCode.id == newest.id,
            PhoneCode.used_at.is_(None),
            PhoneCode.tries < MOST_TRIES,
            PhoneCode.valid_until > now,
        )
        .values(tries=PhoneCode.tries + 1, used_at=case((PhoneCode.code_hash == typed_hash, now), else_=None))
        .returning(PhoneCode.used_at, PhoneCode.tries)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if tried is None:
        return None if _is_used_up_by(newest.id, typed_hash, now) else PhoneCodeOver()
    if tried.used_at is None:
        return PhoneCodeWrong() if tried.tries < MOST_TRIES else PhoneCodeOver()
    _mark_verified(chain_id, wallet_id, newest.phone, by=by, now=now)
    return None


def find_live_code(chain_id: int, wallet_id: int, *, now: datetime) -> LiveCode | None:
    """The code that this wallet can still type, for the page that asks for it."""
    newest = db.session.execute(_newest(wallet_id)).one_or_none()
    if newest is None or newest.chain_id != chain_id or newest.used_at is not None:
        return None
    if newest.tries >= MOST_TRIES or newest.valid_until <= now:
        return None
    return LiveCode(newest.phone, newest.valid_until, newest.made_at + PAUSE)


def forget_codes(chain_id: int, *, now: datetime) -> int:
    """Delete the codes that no limit looks back to; return how many. Needs an open transaction."""
    gone = db.session.execute(
        delete(PhoneCode).where(PhoneCode.chain_id == chain_id, PhoneCode.made_at <= now - KEPT).returning(PhoneCode.id)
    )
    return len(gone.all())


def hashed_address(address: str, *, secret: str) -> str:
    """A network address as it is kept here: countable, not readable."""
    return hmac.new(secret.encode(), f"address {address}".encode(), hashlib.sha256).hexdigest()


def _hashed(code: str, wallet_id: int, phone: str, secret: str) -> str:
    return hmac.new(secret.encode(), f"phone code {wallet_id} {phone} {code}".encode(), hashlib.sha256).hexdigest()


def _stand_in_line(counted: dict[InstrumentedAttribute[Any], object]) -> None:
    """One asker at a time for each phone, wallet and address, always locked in the same order.

    SQLite has one writer anyway. The lock ends with the transaction.
    """
    if db.engine.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 0))")
        for column, value in counted.items():
            db.session.execute(lock, {"subject": f"phone_codes.{column.key} {value}"})


def _limits(
    counted: dict[InstrumentedAttribute[Any], object],
) -> Iterator[tuple[ColumnElement[bool], int, timedelta]]:
    for column, value in counted.items():
        for most, window in AN_ADDRESS if column is PhoneCode.address else A_PERSON:
            yield column == value, most, window


def _within(counted: dict[InstrumentedAttribute[Any], object], now: datetime) -> list[ColumnElement[bool]]:
    """That none of the limits is reached."""
    return [
        select(func.count()).where(is_counted, PhoneCode.made_at > now - window).scalar_subquery() < most
        for is_counted, most, window in _limits(counted)
    ]


def _too_many(counted: dict[InstrumentedAttribute[Any], object], now: datetime) -> PhoneCodesTooMany:
    """The refusal, with the seconds until the next code can be asked for."""
    free_at = now + timedelta(seconds=1)
    for is_counted, most, window in _limits(counted):
        oldest = db.session.scalar(
            select(PhoneCode.made_at)
            .where(is_counted, PhoneCode.made_at > now - window)
            .order_by(PhoneCode.made_at.desc())
            .offset(most - 1)
            .limit(1)
        )
        free_at = max(free_at, oldest + window) if oldest else free_at
    seconds = math.ceil((free_at - now).total_seconds())
    return PhoneCodesTooMany(retry_after=seconds, wait=waiting(seconds))


def waiting(seconds: int) -> Text:
    """So long, as people say it."""
    if seconds <= 90:
        return Text(f" {seconds} 秒", f"{seconds} seconds" if seconds != 1 else "a second")
    minutes = math.ceil(seconds / 60)
    if minutes <= 90:
        return Text(f" {minutes} 分钟", f"{minutes} minutes")
    hours = math.ceil(minutes / 60)
    return Text(f" {hours} 小时", f"{hours} hours")


def _newest(wallet_id: int) -> Any:
    """A wallet has one code at a time: its newest."""
    return select(PhoneCode.__table__).where(PhoneCode.wallet_id == wallet_id).order_by(PhoneCode.id.desc()).limit(1)


def _is_used_up_by(code_id: int, typed_hash: str, now: datetime) -> bool:
    """Whether this very code has proved the phone a moment ago: a double tap."""
    used = select(PhoneCode.id).where(
        PhoneCode.id == code_id,
        PhoneCode.used_at.is_not(None),
        PhoneCode.code_hash == typed_hash,
        PhoneCode.valid_until > now,
    )
    return db.session.scalar(used) is not None


def _mark_verified(chain_id: int, wallet_id: int, phone: str, *, by: Author, now: datetime) -> None:
    member_id = db.session.scalar(
        update(Member)
        .where(Member.chain_id == chain_id, Member.wallet_id == wallet_id)
        .values(phone=phone, phone_verified_at=now)
        .returning(Member.id)
    )
    assert member_id is not None  # a wallet asks for the chain of a card it holds
    events.record("member.phone_verified", chain_id=chain_id, at=now, member_id=member_id)
    audit.note("member phone verified", chain_id=chain_id, object_kind="member", object_id=member_id, by=by, at=now)
