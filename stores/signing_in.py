"""How staff sign in: tries that are counted, passwords that are compared, sessions that end."""

from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import case, or_, select, update

from core.db import db
from core.errors import NotSignedIn
from core.text import Text
from stores import staffing
from stores.models import Role, Staff, StaffSession, StaffStore

TRIES = 5
LOCKED_FOR = timedelta(minutes=5)


class WrongLogin(NotSignedIn):
    """The name or the password is wrong, or the name is locked; which of them is not told."""

    code = "wrong_login"
    sentence = Text(
        "账号或密码不对。连续输错 5 次后，请等 5 分钟再试。",
        "The log-in name or the password is wrong. After five wrong tries, wait five minutes.",
    )


class LoginTry(NamedTuple):
    """A counted log-in of a person who may try."""

    staff_id: int
    role: str
    password_hash: str


class SignedIn(NamedTuple):
    id: int
    chain_id: int
    role: str
    name: str
    language: str
    store_ids: frozenset[int] | None


def take_try(login: str, *, now: datetime) -> LoginTry | None:
    """Count a log-in before it is looked at, so that parallel guesses are counted too. Needs an open transaction.

    None for a name nobody has and for one that is locked. Every fifth wrong password locks the name for a while.
    """
    count = Staff.failed_logins + 1
    row = db.session.execute(
        update(Staff)
        .where(
            Staff.login == login.strip().lower(),
            Staff.disabled_at.is_(None),
            or_(Staff.locked_until.is_(None), Staff.locked_until <= now),
        )
        .values(failed_logins=count, locked_until=case((count % TRIES == 0, now + LOCKED_FOR)))
        .returning(Staff.id, Staff.role, Staff.password_hash)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return None if row is None else LoginTry(row.id, row.role, row.password_hash)


def is_password_of(attempt: LoginTry | None, password: str) -> bool:
    """Whether the password is right. As slow for a name nobody has. Takes long: not for an open transaction."""
    password_hash = attempt.password_hash if attempt else _nobodys_hash()
    try:
        return staffing.hasher.verify(password_hash, password) and attempt is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    return staffing.hasher.hash("nobody's password")


def begin_session(staff_id: int, *, token_hash: str, now: datetime, lasts: timedelta) -> None:
    """Let a person in who gave the right password; the wrong ones before are forgotten. Needs an open transaction."""
    forget_tries(staff_id)
    db.session.add(StaffSession(staff_id=staff_id, token_hash=token_hash, created_at=now, valid_until=now + lasts))


def forget_tries(staff_id: int) -> None:
    """The right password was given: the wrong ones before do not count. Needs an open transaction."""
    db.session.execute(update(Staff).where(Staff.id == staff_id).values(failed_logins=0, locked_until=None))


def end_session(token_hash: str, *, now: datetime) -> None:
    db.session.execute(
        update(StaffSession)
        .where(StaffSession.token_hash == token_hash, StaffSession.ended_at.is_(None))
        .values(ended_at=now)
    )


def find_signed_in(token_hash: str, *, now: datetime) -> SignedIn | None:
    """Whoever's session this is, with the stores that are his (None: all of the chain)."""
    rows = db.session.execute(
        select(Staff.id, Staff.chain_id, Staff.role, Staff.name, Staff.language, StaffStore.store_id)
        .join(StaffSession, StaffSession.staff_id == Staff.id)
        .outerjoin(StaffStore, StaffStore.staff_id == Staff.id)
        .where(
            StaffSession.token_hash == token_hash,
            StaffSession.ended_at.is_(None),
            StaffSession.valid_until > now,
            Staff.disabled_at.is_(None),
        )
    ).all()
    if not rows:
        return None
    first = rows[0]
    everywhere = first.role in (Role.HQ_ADMIN, Role.HQ_ANALYST)
    stores = None if everywhere else frozenset(row.store_id for row in rows if row.store_id is not None)
    return SignedIn(first.id, first.chain_id, first.role, first.name, first.language, stores)
