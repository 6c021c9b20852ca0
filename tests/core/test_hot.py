"""SQL texts on the driver: the same words on both databases, all or nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import func, select

from core.db import db, transaction
from core.hot import AlreadyThere, Sql, moment, one_action, this_transaction
from core.leases import Lease
from tests.factories import NOON

pytestmark = pytest.mark.usefixtures("app")
TAKE = Sql("INSERT INTO leases (name, holder, leased_until) VALUES (:name, :holder, :until)")
FIND = Sql("SELECT name, leased_until FROM leases WHERE name = :name")
ALL = Sql("SELECT name FROM leases ORDER BY name")


def take(hot, name, until=NOON):
    return hot.run(TAKE, name=name, holder="me", until=until)


def names() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(Lease.name).order_by(Lease.name)))


def test_names_are_spelled_for_both_drivers():
    sql = Sql("SELECT :now ::timestamptz, '%' FROM x WHERE a = :a AND b = c::date")

    assert sql.sqlite == sql.text
    assert sql.postgresql == "SELECT %(now)s ::timestamptz, '%%' FROM x WHERE a = %(a)s AND b = c::date"


def test_an_action_commits_by_itself():
    with one_action() as hot:
        assert take(hot, "one") == 1

    assert names() == ["one"]


@pytest.mark.parametrize("durable", [False, True])
def test_rows_are_read_back(durable):
    with one_action(durable=durable) as hot:
        take(hot, "one")
        take(hot, "two")
        assert hot.row(FIND, name="three") is None
        assert [row[0] for row in hot.rows(ALL)] == ["one", "two"]


def test_a_unique_key_says_that_it_is_already_there():
    with one_action() as hot:
        take(hot, "one")
    with pytest.raises(AlreadyThere), one_action() as hot:
        take(hot, "one")

    assert names() == ["one"]


def test_after_already_there_the_connection_works():
    with one_action() as hot:
        take(hot, "one")
        with pytest.raises(AlreadyThere):
            take(hot, "one")
        take(hot, "two")

    assert names() == ["one", "two"]


def test_inside_a_transaction_it_is_undone_with_it():
    with pytest.raises(ZeroDivisionError), transaction():
        take(this_transaction(), "one")
        1 / 0  # noqa: B018

    assert names() == []


def test_an_action_of_its_own_inside_a_transaction_is_refused():
    with transaction(), pytest.raises(RuntimeError, match="this_transaction"), one_action():
        pass


def test_a_time_is_stored_as_the_models_store_it():
    when = datetime(2026, 5, 20, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=8)))
    with one_action() as hot:
        take(hot, "one", when)
        row = hot.row(FIND, name="one")

    assert moment(row[1]) == when
    assert db.session.scalar(select(Lease.leased_until)) == when
    assert db.session.scalar(select(func.count()).where(Lease.leased_until == when)) == 1


def test_a_moment_is_aware_whatever_the_driver_gave():
    aware = datetime(2026, 5, 20, 4, 0, tzinfo=UTC)

    assert moment("2026-05-20 04:00:00.000000") == aware
    assert moment(aware.replace(tzinfo=None)) == aware
    assert moment(aware.astimezone(timezone(timedelta(hours=8)))) == aware


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite has one writer at a time
def test_a_statement_that_met_a_deadlock_begins_once_more(app):
    with transaction():
        db.session.add_all(Lease(name=name, holder="nobody", leased_until=NOON) for name in ("one", "other"))

    def change(first: str, then: str) -> int:
        """Both rows in one statement, with a pause in which somebody comes the other way."""
        update = "UPDATE leases SET holder = holder || '!' WHERE name = '{0}'"
        block = f"DO $$ BEGIN {update.format(first)}; PERFORM pg_sleep(0.3); {update.format(then)}; END $$"
        with app.app_context(), one_action() as hot:
            return hot.run(Sql(block))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(change, ("one", "other"), ("other", "one")))

    db.session.rollback()
    assert db.session.scalars(select(Lease.holder)).all() == ["nobody!!", "nobody!!"]
