"""The people of a chain under parallel hands."""

from sqlalchemy import func, select

from core.audit import SYSTEM
from core.db import db, transaction
from stores import staffing
from stores.models import Role, Staff, StaffSession
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_staff


def admins_left(chain) -> int:
    query = select(func.count(Staff.id)).where(Staff.chain_id == chain.id, Staff.disabled_at.is_(None))
    return db.session.scalar(query) or 0


def test_administrators_who_lock_each_other_out_at_once_leave_one(app):
    chain = make_chain()
    admins = [make_staff(chain).id for _ in range(6)]

    def lock_out_the_next(number):
        with transaction():
            staffing.disable_staff(chain.id, admins[(number + 1) % len(admins)], by=SYSTEM, now=NOON)
        return "locked out"

    results = race(app, lock_out_the_next, racers=len(admins))

    assert sorted(results) == ["last_admin"] + ["locked out"] * 5
    assert admins_left(chain) == 1


def test_of_many_who_take_a_login_at_once_one_has_it(app):
    chain = make_chain()

    def add(number):
        with transaction():
            staffing.create_staff(
                chain.id,
                login="same@example.com",
                name=f"王{number}",
                role=Role.HQ_ANALYST,
                password="long enough",
                by=SYSTEM,
                now=NOON,
            )
        return "added"

    results = race(app, add, racers=6)

    assert sorted(results) == ["added"] + ["login_taken"] * 5


def test_an_administrator_of_another_chain_does_not_count(app):
    chain, other = make_chain(), make_chain("other")
    admin = make_staff(chain)
    make_staff(other)

    results = race(app, lambda _: _disabled(chain.id, admin.id), racers=1)
    assert results == ["last_admin"]
    assert db.session.scalar(select(func.count(StaffSession.id))) == 0


def _disabled(chain_id: int, staff_id: int) -> None:
    with transaction():
        staffing.disable_staff(chain_id, staff_id, by=SYSTEM, now=NOON)
