"""One way to commit, one kind of time."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, StatementError

from core.db import db, refresh_statistics, transaction
from core.leases import Lease
from stores.models import Store
from tests.factories import NOON, make_chain, make_store, save

pytestmark = pytest.mark.usefixtures("app")


def count() -> int:
    return db.session.scalar(select(func.count()).select_from(Lease)) or 0


def lease(name: str, until: datetime = NOON) -> Lease:
    return Lease(name=name, holder="me", leased_until=until)


def test_a_transaction_keeps_all_of_it():
    with transaction():
        db.session.add_all([lease("one"), lease("two")])

    db.session.rollback()
    assert count() == 2


def test_a_transaction_that_fails_keeps_nothing_of_it():
    with pytest.raises(ZeroDivisionError), transaction():
        db.session.add(lease("one"))
        db.session.flush()
        1 / 0  # noqa: B018

    assert count() == 0


def test_transactions_do_not_nest():
    with transaction(), pytest.raises(RuntimeError, match="inside another"), transaction():
        pass


def test_after_a_failure_the_next_transaction_works():
    with pytest.raises(ZeroDivisionError), transaction():
        1 / 0  # noqa: B018
    with transaction():
        db.session.add(lease("one"))

    assert count() == 1


def test_a_naive_time_is_refused():
    with pytest.raises(StatementError, match="naive"):
        save(lease("one", datetime(2026, 5, 20)))


def test_a_time_comes_back_aware_and_in_utc():
    in_shanghai = datetime(2026, 5, 20, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    save(lease("one", in_shanghai))
    db.session.expire_all()

    kept = db.session.scalars(select(Lease.leased_until)).one()
    assert (kept, kept.tzinfo) == (in_shanghai, UTC)


def test_foreign_keys_are_checked():
    with pytest.raises(IntegrityError):
        save(Store(chain_id=12345, code="x", name="x", timezone="UTC", created_at=NOON))


def test_a_unique_key_holds():
    chain = make_chain()
    make_store(chain, "A")
    with pytest.raises(IntegrityError):
        make_store(chain, "A")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # autovacuum sees a table of PostgreSQL grow
def test_what_is_planned_for_a_small_table_holds_when_it_grows(database):
    make_store(make_chain())

    db.session.commit()
    refresh_statistics()

    with db.engine.connect() as connection:
        plan = connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT s.name FROM (SELECT value AS id FROM json_each('[1]')) w"
            " LEFT JOIN stores s ON s.id = w.id"
        )
        steps = [row[3] for row in plan]
        sizes = dict(connection.exec_driver_sql("SELECT tbl, stat FROM sqlite_stat1").all())
    assert any(step.startswith("SEARCH s USING INTEGER PRIMARY KEY") for step in steps), steps
    assert sizes["stores"] == sizes["chains"] == "1000"
