"""Importing head office's list: what goes in, what is left out and why, and nothing by halves."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.errors import NotFound
from stores import importing
from stores.importing import counts, import_stores, lock_stores, plan_import
from stores.models import Store, StoreCode
from stores.store_files import read_store_file
from tests.factories import NOON, in_days, make_chain, make_store, make_store_code

pytestmark = pytest.mark.usefixtures("app")
DIRTY = (Path(__file__).parent / "data" / "dirty-stores.csv").read_bytes()


def run(chain, data, *, now=NOON):
    file = read_store_file(data if isinstance(data, bytes) else data.encode())
    with transaction():
        lock_stores(chain.id)
        plan = plan_import(chain.id, file)
        import_stores(plan, by=SYSTEM, now=now)
    db.session.expire_all()
    return plan


def stores_of(chain):
    return {store.code: store for store in db.session.scalars(select(Store).filter_by(chain_id=chain.id))}


def labels_of(store):
    return db.session.scalars(select(StoreCode.label).filter_by(store_id=store.id)).all()


def refusals(plan):
    return [(line.line, line.store_code, line.reason.code) for line in plan.refused]


def test_the_dirty_file_goes_in_clean():
    chain = make_chain()

    plan = run(chain, DIRTY)

    stores = stores_of(chain)
    assert counts(plan) == {"created": 6, "updated": 0, "unchanged": 0, "refused": 0}
    assert {code: store.timezone for code, store in stores.items()} == {
        "1001-1": "Asia/Shanghai",
        "1002-7": "Asia/Shanghai",
        "1003-2": "Asia/Shanghai",
        "1004-4": "Asia/Macau",
        "1005-9": "Asia/Shanghai",
        "1006-3": "Asia/Shanghai",
    }
    assert stores["1001-1"].address == "黄浦区, 南京东路100号（近河南中路）"
    assert stores["1002-7"].name == "Jing'an Temple Store - GF"
    assert stores["1003-2"].phone == "+85224799293"
    assert stores["1003-2"].address == "734 King’s Road, Quarry Bay"
    assert stores["1005-9"].name == "=HYPERLINK(“//x”)店"
    assert (stores["1006-3"].longitude, stores["1006-3"].latitude) == (None, None)
    assert plan.odd_phones == 2


def test_each_new_store_gets_one_code_for_its_door():
    chain = make_chain()
    known = make_store(chain, "K")
    make_store_code(known, label="till")

    run(chain, "code,name\nK,Known\nN,New\n")

    stores = stores_of(chain)
    assert labels_of(stores["K"]) == ["till"]
    assert labels_of(stores["N"]) == ["店门"]


def test_the_label_is_in_the_language_of_the_chain():
    chain = make_chain(language="en")

    run(chain, "code,name\nN,New\n")

    assert labels_of(stores_of(chain)["N"]) == ["Door"]


def test_the_same_file_again_changes_nothing():
    chain = make_chain()
    run(chain, DIRTY)

    plan = run(chain, DIRTY)

    assert counts(plan) == {"created": 0, "updated": 0, "unchanged": 6, "refused": 0}
    assert db.session.scalar(select(func.count(StoreCode.id))) == 6


def test_a_known_store_is_brought_up_to_date_and_its_change_is_in_the_audit():
    chain = make_chain()
    store = make_store(chain, "K", name="Old", city="上海", phone="1")

    plan = run(chain, "code,name,city\nK,New,上海\n", now=in_days(1))

    store = stores_of(chain)["K"]
    entry = db.session.scalars(select(AuditEntry).filter_by(action="store imported")).one()
    assert counts(plan)["updated"] == 1
    assert (store.name, store.city, store.phone, store.created_at) == ("New", "上海", "1", NOON)
    assert (entry.object_id, entry.before, entry.after) == (store.id, {"name": "Old"}, {"name": "New"})


def test_the_import_itself_is_in_the_audit():
    chain = make_chain()

    run(chain, "code,name\nA,A\n,B\n")

    entry = db.session.scalars(select(AuditEntry).filter_by(action="stores imported")).one()
    assert entry.after == {"created": 1, "updated": 0, "unchanged": 0, "refused": 1}


def test_a_store_that_the_file_does_not_name_is_left_alone():
    chain = make_chain()
    make_store(chain, "K", name="Known")

    run(chain, "code,name\nN,New\n")

    assert stores_of(chain)["K"].name == "Known"


def test_an_empty_cell_empties_the_field_but_not_the_time_zone():
    chain = make_chain()
    make_store(chain, "K", phone="123", timezone="Asia/Tokyo")

    run(chain, "code,name,phone,timezone\nK,Known,,\n")

    store = stores_of(chain)["K"]
    assert (store.phone, store.timezone) == ("", "Asia/Tokyo")


def test_an_empty_time_zone_of_a_new_store_is_that_of_the_chain():
    chain = make_chain(timezone="Europe/Zurich")

    run(chain, "code,name,timezone\nN,New,\nM,More,Asia/Tokyo\n")

    assert {code: store.timezone for code, store in stores_of(chain).items()} == {
        "N": "Europe/Zurich",
        "M": "Asia/Tokyo",
    }


def test_a_line_that_cannot_be_kept_is_left_out_with_its_reason_and_the_others_go_in():
    chain = make_chain()
    lines = [
        "code,name,longitude,latitude",
        "A,Good,121.4,31.2",
        ",No code,,",
        "C,,,",
        f"D,{'x' * 1_000_000},,",
        "E,N\0L,,",
        "F,Swapped,31.2,121.4",
        "A,Again,,",
        "G,=1+1,,",
        "H,Comma,1,2,oops",
    ]

    plan = run(chain, "\n".join(lines))

    assert refusals(plan) == [
        (3, "", "store_code_missing"),
        (4, "C", "store_name_missing"),
        (5, "D", "cell_too_long"),
        (6, "E", "cell_unreadable"),
        (7, "F", "point_out_of_range"),
        (8, "A", "store_code_repeated"),
        (10, "H", "too_many_cells"),
    ]
    assert {code: store.name for code, store in stores_of(chain).items()} == {"A": "Good", "G": "=1+1"}
    assert max(len(line.store_name) for line in plan.refused) <= 80


def test_planning_changes_nothing():
    chain = make_chain()
    make_store(chain, "K", name="Old")

    plan = plan_import(chain.id, read_store_file(b"code,name\nK,New\nN,New\n"))

    assert counts(plan) == {"created": 1, "updated": 1, "unchanged": 0, "refused": 0}
    assert {code: store.name for code, store in stores_of(chain).items()} == {"K": "Old"}


def test_a_failure_leaves_nothing_behind(monkeypatch):
    chain = make_chain()
    make_store(chain, "K", name="Old")

    def broken(*_, **__):
        raise RuntimeError("the power went")

    monkeypatch.setattr(importing, "give_first_codes", broken)
    with pytest.raises(RuntimeError, match="the power went"):
        run(chain, "code,name\nK,New\nN,New\n")

    assert {code: store.name for code, store in stores_of(chain).items()} == {"K": "Old"}


def test_the_codes_of_another_chain_are_another_matter():
    chain, other = make_chain(), make_chain("other")
    make_store(other, "A", name="Theirs")

    plan = run(chain, "code,name\nA,Ours\n")

    assert counts(plan)["created"] == 1
    assert stores_of(other)["A"].name == "Theirs"


def test_a_store_created_meanwhile_is_updated_rather_than_doubled():
    chain = make_chain()
    plan = plan_import(chain.id, read_store_file(b"code,name\nA,From the file\n"))
    make_store(chain, "A", name="Meanwhile")

    with transaction():
        import_stores(plan, by=SYSTEM, now=NOON)

    db.session.expire_all()
    assert {code: store.name for code, store in stores_of(chain).items()} == {"A": "From the file"}


def test_an_import_into_no_chain_is_refused():
    with pytest.raises(NotFound):
        plan_import(77, read_store_file(b"code,name\nA,A\n"))


def test_the_rows_may_come_through_a_progress_bar():
    chain = make_chain()
    file = read_store_file(b"code,name\nA,A\nB,B\n")
    seen = []

    plan = plan_import(chain.id, file, (seen.append(row.line) or row for row in file.rows))

    assert (seen, counts(plan)["created"]) == ([2, 3], 2)


@pytest.mark.parametrize("count", [1500])
def test_importing_takes_a_few_statements_however_many_stores(count, count_queries):
    chain = make_chain()
    data = "code,name\n" + "".join(f"S{number},Store {number}\n" for number in range(count))
    count_queries.clear()

    run(chain, data)

    assert len(count_queries) < 20
