"""The people of a chain: who they are, which stores are theirs, who may come in no more."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from argon2 import PasswordHasher
from sqlalchemy import delete, or_, select, update

from core import audit
from core.audit import Author
from core.db import db, insert
from core.errors import Conflict, Invalid, NotFound
from core.text import Text
from stores.models import Chain, Role, Staff, StaffSession, StaffStore, Store

SHORTEST_PASSWORD = 10
hasher = PasswordHasher()


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


class StaffNeedsName(Invalid):
    """A person has a log-in name and a name."""

    code = "staff_needs_name"
    sentence = Text("账号和姓名都要填。", "A person needs a log-in name and a name.")


class LastAdmin(Conflict):
    """Somebody of head office must be able to log in."""

    code = "last_admin"
    sentence = Text("这是最后一位总部管理员，不能停用。", "This is head office's last administrator and stays.")


class LoginUnknown(NotFound):
    """Nobody of the chain has this log-in name."""

    code = "login_unknown"
    sentence = Text("没有账号为 {login} 的人，请看人员列表。", "Nobody has the log-in {login}. See the list of staff.")


class StoreNumberUnknown(NotFound):
    """The chain has no store with this number."""

    code = "store_number_unknown"
    sentence = Text("没有编号为 {store} 的门店。", "There is no store with the number {store}.")


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
    """Add a person. Needs an open transaction; raises LoginTaken, PasswordTooShort and other kinds of Invalid."""
    wanted = _checked_stores(chain_id, role, store_ids)
    login, name = login.strip().lower(), name.strip()
    if not login or not name:
        raise StaffNeedsName()
    person: Staff | None = db.session.scalar(
        insert(Staff)
        .values(
            chain_id=chain_id,
            login=login,
            name=name,
            role=role,
            password_hash=hash_password(password),
            language=language,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["login"])
        .returning(Staff)
    )
    if person is None:
        raise LoginTaken()
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


def list_staff(chain_id: int) -> Sequence[Staff]:
    return db.session.scalars(select(Staff).filter_by(chain_id=chain_id).order_by(Staff.id)).all()


def get_staff(chain_id: int, staff_id: int) -> Staff:
    """A person of the chain. Raises NotFound."""
    person = db.session.scalar(select(Staff).filter_by(id=staff_id, chain_id=chain_id))
    if person is None:
        raise NotFound()
    return person


def get_staff_by_login(chain_id: int, login: str) -> Staff:
    """The person of the chain with this log-in name. Raises LoginUnknown."""
    person = db.session.scalar(select(Staff).filter_by(login=login.strip().lower(), chain_id=chain_id))
    if person is None:
        raise LoginUnknown(login=login)
    return person


def stores_with_codes(chain_id: int, codes: Iterable[str]) -> list[int]:
    """The ids of a chain's stores by head office's numbers, in that order. Raises StoreNumberUnknown."""
    wanted = list(codes)
    rows = db.session.execute(select(Store.code, Store.id).where(Store.chain_id == chain_id, Store.code.in_(wanted)))
    found = {row.code: row.id for row in rows}
    for code in wanted:
        if code not in found:
            raise StoreNumberUnknown(store=code)
    return [found[code] for code in wanted]


def find_people(
    chain_id: int, *, search: str = "", store_ids: Collection[int] | None = None, after: int = 0, limit: int = 50
) -> Sequence[Staff]:
    """A page of a chain's people by id; with ``store_ids``, of those who work in one of these stores."""
    query = select(Staff).where(Staff.chain_id == chain_id, Staff.id > after)
    if search:
        columns = (Staff.name, Staff.login)
        query = query.where(or_(*(column.icontains(search, autoescape=True) for column in columns)))
    if store_ids is not None:
        query = query.where(Staff.id.in_(select(StaffStore.staff_id).where(StaffStore.store_id.in_(store_ids))))
    return db.session.scalars(query.order_by(Staff.id).limit(limit)).all()


def stores_of_staff(staff_ids: Collection[int]) -> dict[int, list[Store]]:
    """The stores of these people, for those who have some."""
    rows = db.session.execute(
        select(StaffStore.staff_id, Store)
        .join(Store, Store.id == StaffStore.store_id)
        .where(StaffStore.staff_id.in_(staff_ids))
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
    if language not in ("zh", "en"):
        raise Invalid()
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
    present = set(db.session.scalars(select(StaffStore.store_id).filter_by(staff_id=staff_id)))
    if wanted == present:
        return
    db.session.execute(delete(StaffStore).where(StaffStore.staff_id == staff_id))
    db.session.add_all(StaffStore(staff_id=staff_id, store_id=store_id) for store_id in wanted)
    audit.note(
        "staff stores",
        chain_id=chain_id,
        object_kind="staff",
        object_id=staff_id,
        by=by,
        at=now,
        before={"stores": sorted(present)},
        after={"stores": sorted(wanted)},
    )


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
