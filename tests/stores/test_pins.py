"""A manager's PIN: who may have one, where it counts, how guessing it ends."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.errors import NotFound, NotPermitted
from stores import pins, staffing
from stores.models import Role, Staff
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_staff, make_store

GOOD, WRONG = "482913", "482914"


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def store(chain):
    return make_store(chain)


@pytest.fixture
def manager(chain, store):
    person = make_staff(chain, Role.STORE_MANAGER, (store,), name="陈店长")
    give(person)
    return person


def give(person, pin=GOOD):
    with transaction():
        pins.set_pin(person.chain_id, person.id, pin, by=SYSTEM, now=NOON)


def attempt(store, pin, *, now=NOON, **who):
    with transaction():
        tried = pins.take_try(store.chain_id, store.id, now=now, **who)
    if not pins.is_pin_of(tried, pin):
        return None
    with transaction():
        pins.forget_tries(tried.staff_id)
    return tried


def test_the_right_pin_names_its_owner(store, manager):
    by_number = attempt(store, GOOD, staff_id=manager.id)
    by_login = attempt(store, GOOD, login=f" {manager.login.upper()} ")

    assert by_number.author_name == by_login.author_name == f"staff:{manager.id}"
    assert by_number.role == Role.STORE_MANAGER
    assert attempt(store, WRONG, staff_id=manager.id) is None


def test_the_pin_is_kept_as_a_hash_and_the_audit_does_not_know_it(store, manager):
    kept = db.session.scalar(select(Staff.pin_hash).filter_by(id=manager.id))
    entry = db.session.scalars(select(AuditEntry).filter_by(action="staff pin set")).one()

    assert kept.startswith("$argon2")
    assert GOOD not in f"{kept}{entry.before}{entry.after}"


@pytest.mark.parametrize(
    "pin", ["", "12345", "1234567", "abcdef", "１２３４８９", "111111", "123456", "987654", "234567"]
)
def test_a_pin_that_is_no_pin_is_refused(chain, store, pin):
    person = make_staff(chain, Role.STORE_MANAGER, (store,))

    with pytest.raises(pins.PinInvalid):
        give(person, pin)


@pytest.mark.parametrize("role", [Role.CLERK, Role.HQ_ANALYST])
def test_only_managers_and_administrators_have_one(chain, store, role):
    with pytest.raises(NotPermitted):
        give(make_staff(chain, role, (store,) if role == Role.CLERK else ()))


def test_a_pin_of_another_chain_is_not_there(chain, manager):
    other = make_chain("other")

    with pytest.raises(NotFound), transaction():
        pins.set_pin(other.id, manager.id, GOOD, by=SYSTEM, now=NOON)


def test_a_managers_pin_counts_in_his_stores_only(chain, store, manager):
    other = make_store(chain)

    assert attempt(other, GOOD, staff_id=manager.id) is None
    assert [each.staff_id for each in pins.list_approvers(chain.id, store.id)] == [manager.id]
    assert pins.list_approvers(chain.id, other.id) == []


def test_an_administrators_pin_counts_everywhere_and_stands_after_the_managers(chain, store, manager):
    admin = make_staff(chain, Role.HQ_ADMIN, name="阿")
    give(admin)

    assert attempt(make_store(chain), GOOD, staff_id=admin.id) is not None
    assert [each.staff_id for each in pins.list_approvers(chain.id, store.id)] == [manager.id, admin.id]
    foreign = make_store(make_chain("other"))
    assert attempt(foreign, GOOD, staff_id=admin.id) is None


def test_the_fifth_wrong_pin_locks_it_for_five_minutes(store, manager):
    for _ in range(pins.TRIES):
        assert attempt(store, WRONG, staff_id=manager.id) is None

    assert attempt(store, GOOD, staff_id=manager.id, now=NOON + timedelta(minutes=4)) is None
    assert attempt(store, GOOD, staff_id=manager.id, now=NOON + timedelta(minutes=5)) is not None
    assert db.session.scalar(select(Staff.failed_pins).filter_by(id=manager.id)) == 0


def test_whoever_tries_them_all_waits_a_day_for_every_five(store, manager):
    for number in range(pins.MANY):
        assert attempt(store, WRONG, staff_id=manager.id, now=NOON + timedelta(hours=number)) is None
    last = NOON + timedelta(hours=pins.MANY - 1)

    assert attempt(store, GOOD, staff_id=manager.id, now=last + timedelta(hours=23)) is None
    assert attempt(store, GOOD, staff_id=manager.id, now=last + timedelta(hours=24)) is not None


def test_a_new_pin_counts_at_once_though_the_old_one_was_locked(store, manager):
    for _ in range(pins.TRIES):
        attempt(store, WRONG, staff_id=manager.id)
    db.session.expire_all()
    give(manager, "738201")

    assert attempt(store, "738201", staff_id=manager.id) is not None


def test_a_cleared_pin_opens_nothing(chain, store, manager):
    with transaction():
        pins.clear_pin(chain.id, manager.id, by=SYSTEM, now=NOON)

    assert attempt(store, GOOD, staff_id=manager.id) is None
    assert pins.list_approvers(chain.id, store.id) == []


def test_somebody_locked_out_allows_nothing(chain, store, manager):
    with transaction():
        staffing.disable_staff(chain.id, manager.id, by=SYSTEM, now=NOON)

    assert attempt(store, GOOD, staff_id=manager.id) is None


def test_of_many_guesses_at_once_five_are_looked_at(app, store, manager):
    chain_id, store_id, staff_id = store.chain_id, store.id, manager.id

    def guess(_racer: int) -> bool:
        with transaction():
            return pins.take_try(chain_id, store_id, staff_id=staff_id, now=NOON) is not None

    looked_at = race(app, guess, racers=16)

    assert looked_at.count(True) == pins.TRIES
    assert db.session.get_one(Staff, staff_id, populate_existing=True).failed_pins == pins.TRIES
