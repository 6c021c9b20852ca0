"""A manager's PIN: six digits, typed at a till of his store to allow what a clerk may not do alone."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import and_, case, or_, select, update

from core import audit
from core.audit import Author
from core.db import db
from core.errors import Invalid, NotPermitted
from core.text import Text
from stores import staffing
from stores.models import Role, Staff, StaffStore

PIN = re.compile(r"[0-9]{6}")
RUNS = ("01234567890", "09876543210")  # what is typed without thinking
TRIES = 5
LOCKED_FOR = timedelta(minutes=5)
MANY = 25  # wrong ones without a right one between: somebody tries them all …
LOCKED_LONG = timedelta(days=1)  # … and would take centuries; a new PIN opens it at once
APPROVERS = (Role.STORE_MANAGER, Role.HQ_ADMIN)


class PinInvalid(Invalid):
    """A PIN is six digits that nobody guesses at once."""

    code = "pin_invalid"
    sentence = Text(
        "PIN 是 6 位数字，不能全相同或连号。", "A PIN has 6 digits: not all the same, and not in counting order."
    )


class PinNotAlike(Invalid):
    """It was typed twice, differently."""

    code = "pin_not_alike"
    sentence = Text("两次输入的 PIN 不一样。", "The two PINs are not the same.")


class PinWrong(NotPermitted):
    """The PIN is wrong, is not set, is locked, or is not of a manager of this store; which of them is not told."""

    code = "pin_wrong"
    sentence = Text(
        "PIN 不对，或这位店长还没有设 PIN。连续输错 5 次后，请等 5 分钟再试；错太多次要等一天，或由本人重设 PIN。",
        "The PIN is wrong, or this manager has not set one. After five wrong tries, wait five minutes; after many, a"
        " day, or until its owner sets a new one.",
    )


class PinTry(NamedTuple):
    """A counted PIN of somebody who may allow things in this store."""

    staff_id: int
    role: str
    pin_hash: str

    @property
    def author_name(self) -> str:
        return f"staff:{self.staff_id}"


class Approver(NamedTuple):
    """Somebody whose PIN counts in a store."""

    staff_id: int
    name: str
    role: str


def set_pin(chain_id: int, staff_id: int, pin: str, *, by: Author, now: datetime) -> None:
    """Give a manager or administrator a PIN. Needs an open transaction; raises NotFound, NotPermitted, PinInvalid."""
    person = staffing.get_staff(chain_id, staff_id)
    if person.role not in APPROVERS:
        raise NotPermitted()
    if not PIN.fullmatch(pin) or len(set(pin)) == 1 or any(pin in run for run in RUNS):
        raise PinInvalid()
    _write(person, staffing.hasher.hash(pin))
    _note("staff pin set", person, by, now)


def clear_pin(chain_id: int, staff_id: int, *, by: Author, now: datetime) -> None:
    """Take a forgotten PIN away: its owner sets a new one. Needs an open transaction; raises NotFound."""
    person = staffing.get_staff(chain_id, staff_id)
    if person.pin_hash is None:
        return
    _write(person, None)
    _note("staff pin cleared", person, by, now)


def list_approvers(chain_id: int, store_id: int) -> Sequence[Approver]:
    """Whoever has a PIN that counts in this store: its managers first, then the administrators."""
    rows = db.session.execute(
        select(Staff.id, Staff.name, Staff.role)
        .where(*_may_approve(chain_id, store_id))
        .order_by(case((Staff.role == Role.STORE_MANAGER, 0), else_=1), Staff.name, Staff.id)
    )
    return [Approver(*row) for row in rows]


def take_try(
    chain_id: int, store_id: int, *, staff_id: int | None = None, login: str = "", now: datetime
) -> PinTry | None:
    """Count a PIN before it is looked at, so that parallel guesses are counted too. Needs an open transaction.

    The approver is named by number or by log-in. None for somebody whose PIN does not count here, and while it is
    locked. Every fifth wrong PIN locks it for a while, after many for a day.
    """
    who = Staff.id == staff_id if staff_id is not None else Staff.login == login.strip().lower()
    count = Staff.failed_pins + 1
    locked_until = case((count >= MANY, now + LOCKED_LONG), else_=now + LOCKED_FOR)
    row = db.session.execute(
        update(Staff)
        .where(who, *_may_approve(chain_id, store_id))
        .where(or_(Staff.pin_locked_until.is_(None), Staff.pin_locked_until <= now))
        .values(failed_pins=count, pin_locked_until=case((count % TRIES == 0, locked_until)))
        .returning(Staff.id, Staff.role, Staff.pin_hash)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return None if row is None else PinTry(row.id, row.role, row.pin_hash or "")


def is_pin_of(attempt: PinTry | None, pin: str) -> bool:
    """Whether the PIN is right. As slow for nobody. Takes long: not for an open transaction."""
    pin_hash = attempt.pin_hash if attempt else _nobodys_hash()
    try:
        return staffing.hasher.verify(pin_hash, pin) and attempt is not None
    except (VerificationError, InvalidHashError):
        return False


def forget_tries(staff_id: int) -> None:
    """The right PIN was given: the wrong ones before do not count. Needs an open transaction."""
    db.session.execute(update(Staff).where(Staff.id == staff_id).values(failed_pins=0, pin_locked_until=None))


def _may_approve(chain_id: int, store_id: int) -> tuple[Any, ...]:
    works_here = select(StaffStore.staff_id).where(StaffStore.store_id == store_id)
    is_manager = and_(Staff.role == Role.STORE_MANAGER, Staff.id.in_(works_here))
    is_approver = or_(Staff.role == Role.HQ_ADMIN, is_manager)
    return Staff.chain_id == chain_id, Staff.disabled_at.is_(None), Staff.pin_hash.is_not(None), is_approver


def _write(person: Staff, pin_hash: str | None) -> None:
    person.pin_hash, person.failed_pins, person.pin_locked_until = pin_hash, 0, None
    db.session.flush()


def _note(action: str, person: Staff, by: Author, now: datetime) -> None:
    audit.note(action, chain_id=person.chain_id, object_kind="staff", object_id=person.id, by=by, at=now)


@cache
def _nobodys_hash() -> str:
    return staffing.hasher.hash("nobody's PIN")
