"""Two people at head office import at once."""

from sqlalchemy import func, select

from core.audit import SYSTEM
from core.db import db, transaction
from stores.importing import counts, import_stores, lock_stores, plan_import
from stores.models import Store, StoreCode
from stores.store_files import read_store_file
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_store

IMPORTERS = 6
STORES = 40


def test_parallel_imports_of_one_file_make_each_store_and_code_once(app):
    chain = make_chain()
    chain_id = chain.id
    make_store(chain, "S0", name="Old")
    lines = [f"S{number},Store {number}" for number in range(STORES)]
    file = read_store_file("\n".join(["code,name", *lines]).encode())

    def attempt(_):
        with transaction():
            lock_stores(chain_id)
            plan = plan_import(chain_id, file)
            import_stores(plan, by=SYSTEM, now=NOON)
        return counts(plan)

    results = race(app, attempt, racers=IMPORTERS)

    assert sum(result["created"] for result in results) == STORES - 1
    assert sum(result["updated"] for result in results) == 1
    assert sum(result["unchanged"] for result in results) == STORES * (IMPORTERS - 1)
    assert db.session.scalar(select(func.count(Store.id))) == STORES
    assert db.session.scalar(select(func.count(StoreCode.id))) == STORES
