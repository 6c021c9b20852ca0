"""The people of a chain: who they are, how they sign in, which stores are theirs."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import case, delete, or_, select, update

from core import audit
from core.audit import Author
from core.db import db
from core.errors import Conflict, Invalid, NotFound, NotSignedIn
from core.text import Text
from stores.models import Chain, Role, Staff, StaffSession, StaffStore, Store

SHORTEST_PASSWORD = 10
TRIES = 5
LOCKED_FOR = timedelta(minutes=5)
hasher = PasswordHasher()


class WrongLogin(NotSignedIn):
    """The name or the password is wrong, or the name is locked; which of them is not told."""

    code = "wrong_login"
    sentence = Text(
        "账号或密码不对。连续输错 5 次后，请等 5 分钟再试。",
        "The log-in name or the password is wrong. After five wrong tries, wait five minutes.",
    )


class LoginTaken(Conflict):
    """Another person has this log-in."""

    code = "login_taken"
    sentence = Text("这个账号已经有人用了。", "Somebody else has this log-in.")


class PasswordTooShort(Invalid):
    """A password has at least ten characters."""

    code = "password_too_short"
    sentence = Text("密码至少 10 个字符。", "A password has at least 10 characters.")


class StaffNeedsStore(Invalid):
    """A manager or clerk works in at least one store."""

    code = "staff_needs_store"
    sentence = Text("店长和店员至少要有一家门店。", "A manager or clerk needs at least one store.")


class LastAdmin(Conflict):
    """Somebody of head office must be able to log in."""

    code = "last_admin"
    sentence = Text("这是最后一位总部管理员，不能停用。", "This is head office's last administrator and stays.")


class StoreNumberUnknown(NotFound):
    """The chain has no store with this number."""

    code = "store_number_unknown"
    sentence = Text("没有编号为 {store} 的门店。", "There is no store with the number {store}.")


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


def create_staff(
    chain_id: int,
    *,
    login: str,
    name: str,
    role: Role,
    password: str,
    store_ids: Iterable[int] = (),
    language: str = "zh",
    by: Author,
    now: datetime,
) -> Staff:
    """Add a person. Needs an open transaction; raises LoginTaken, PasswordTooShort, StaffNeedsStore, NotFound."""
    wanted = _checked_stores(chain_id, role, store_ids)
    login = login.strip().lower()
    if db.session.scalar(select(Staff.id).where(Staff.login == login)) is not None:
        raise LoginTaken()
    person = Staff(
        chain_id=chain_id,
        login=login,
        name=name,
        role=role,
        password_hash=hash_password(password),
        language=language,
        created_at=now,
    )
    db.session.add(person)
    db.session.flush()
    db.session.add_all(StaffStore(staff_id=person.id, store_id=store_id) for store_id in wanted)
    db.session.flush()
    after = {"login": login, "role": role, "stores": sorted(wanted)}
    audit.note(
        "staff created",
        chain_id=chain_id,
        object_kind="staff",
        object_id=person.id,
        by=by,
        at=now,
        after=after,
    )
    return person


def hash_password(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise PasswordTooShort()
    return hasher.hash(password)


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
        return hasher.verify(password_hash, password) and attempt is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash() -> str:
    return hasher.hash("nobody's password")


def begin_session(staff_id: int, *, token_hash: str, now: datetime, lasts: timedelta) -> None:
    """Let a person in who gave the right password; the wrong ones before are forgotten. Needs an open transaction."""
    db.session.execute(update(Staff).where(Staff.id == staff_id).values(failed_logins=0, locked_until=None))
    db.session.add(StaffSession(staff_id=staff_id, token_hash=token_hash, created_at=now, valid_until=now + lasts))


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


def list_staff(chain_id: int) -> Sequence[Staff]:
    return db.session.scalars(select(Staff).filter_by(chain_id=chain_id).order_by(Staff.id)).all()


def get_staff(chain_id: int, staff_id: int) -> Staff:
    """A person of the chain. Raises NotFound."""
    person = db.session.scalar(select(Staff).filter_by(id=staff_id, chain_id=chain_id))
    if person is None:
        raise NotFound()
    return person


def get_staff_by_login(chain_id: int, login: str) -> Staff:
    """The person of the chain with this log-in name. Raises NotFound."""
    person = db.session.scalar(select(Staff).filter_by(login=login.strip().lower(), chain_id=chain_id))
    if person is None:
        raise NotFound()
    return person


def stores_with_codes(chain_id: int, codes: Iterable[str]) -> list[int]:
    """The ids of a chain's stores by head office's numbers, in that order. Raises StoreNumberUnknown."""
    wanted = list(codes)
    found = dict(
        db.session.execute(select(Store.code, Store.id).where(Store.chain_id == chain_id, Store.code.in_(wanted)))
        .tuples()
        .all()
    )
    for code in wanted:
        if code not in found:
            raise StoreNumberUnknown(store=code)
    return [found[code] for code in wanted]


def stores_of_staff(chain_id: int) -> dict[int, list[Store]]:
    """The stores of everybody who has some, by person."""
    rows = db.session.execute(
        select(StaffStore.staff_id, Store)
        .join(Store, Store.id == StaffStore.store_id)
        .where(Store.chain_id == chain_id)
        .order_by(Store.code)
    )
    stores: dict[int, list[Store]] = {}
    for staff_id, store in rows:
        stores.setdefault(staff_id, []).append(store)
    return stores


def set_password(chain_id: int, staff_id: int, password: str, *, by: Author, now: datetime) -> None:
    """Give a person a new password; who was signed in with the old one is so no more.

    Needs an open transaction; raises NotFound, PasswordTooShort.
    """
    person = get_staff(chain_id, staff_id)
    person.password_hash = hash_password(password)
    person.failed_logins, person.locked_until = 0, None
    _end_sessions(staff_id, now)
    audit.note("staff password", chain_id=chain_id, object_kind="staff", object_id=staff_id, by=by, at=now)


def rename_staff(chain_id: int, staff_id: int, *, name: str, language: str, by: Author, now: datetime) -> None:
    """Change what a person is called and reads. Needs an open transaction; raises NotFound."""
    person = get_staff(chain_id, staff_id)
    before = {"name": person.name, "language": person.language}
    after = {"name": name.strip() or person.name, "language": language}
    person.name, person.language = after["name"], after["language"]
    if before != after:
        audit.note(
            "staff changed",
            chain_id=chain_id,
            object_kind="staff",
            object_id=staff_id,
            by=by,
            at=now,
            before=before,
            after=after,
        )


def disable_staff(chain_id: int, staff_id: int, *, by: Author, now: datetime) -> None:
    """Let a person in no more, and end his sessions. Needs an open transaction; raises NotFound, LastAdmin."""
    db.session.execute(update(Chain).where(Chain.id == chain_id).values(slug=Chain.slug))  # one at a time
    person = get_staff(chain_id, staff_id)
    if person.role == Role.HQ_ADMIN and not _other_admins(chain_id, staff_id):
        raise LastAdmin()
    db.session.execute(update(Staff).where(Staff.id == staff_id, Staff.disabled_at.is_(None)).values(disabled_at=now))
    _end_sessions(staff_id, now)
    audit.note("staff disabled", chain_id=chain_id, object_kind="staff", object_id=staff_id, by=by, at=now)


def enable_staff(chain_id: int, staff_id: int, *, by: Author, now: datetime) -> None:
    """Let a person in again. Needs an open transaction; raises NotFound."""
    get_staff(chain_id, staff_id)
    db.session.execute(update(Staff).where(Staff.id == staff_id).values(disabled_at=None))
    audit.note("staff enabled", chain_id=chain_id, object_kind="staff", object_id=staff_id, by=by, at=now)


def _other_admins(chain_id: int, staff_id: int) -> bool:
    query = select(Staff.id).where(
        Staff.chain_id == chain_id,
        Staff.role == Role.HQ_ADMIN,
        Staff.id != staff_id,
        Staff.disabled_at.is_(None),
    )
    return db.session.scalar(query.limit(1)) is not None


def _end_sessions(staff_id: int, now: datetime) -> None:
    db.session.execute(
        update(StaffSession)
        .where(StaffSession.staff_id == staff_id, StaffSession.ended_at.is_(None))
        .values(ended_at=now)
    )


def assign_stores(chain_id: int, staff_id: int, store_ids: Iterable[int], *, by: Author, now: datetime) -> None:
    """Say anew which stores are a person's. Needs an open transaction; raises NotFound, StaffNeedsStore."""
    person = get_staff(chain_id, staff_id)
    wanted = _checked_stores(chain_id, Role(person.role), store_ids)
    db.session.execute(delete(StaffStore).where(StaffStore.staff_id == staff_id))
    db.session.add_all(StaffStore(staff_id=staff_id, store_id=store_id) for store_id in wanted)
    after = {"stores": sorted(wanted)}
    audit.note("staff stores", chain_id=chain_id, object_kind="staff", object_id=staff_id, by=by, at=now, after=after)


def _checked_stores(chain_id: int, role: Role, store_ids: Iterable[int]) -> set[int]:
    wanted = set(store_ids)
    if role in (Role.STORE_MANAGER, Role.CLERK) and not wanted:
        raise StaffNeedsStore()
    if role in (Role.HQ_ADMIN, Role.HQ_ANALYST):
        return set()
    known = set(db.session.scalars(select(Store.id).where(Store.chain_id == chain_id, Store.id.in_(wanted))))
    if known != wanted:
        raise NotFound()
    return wanted
