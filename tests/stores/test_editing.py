"""One store by hand."""

import pytest
from sqlalchemy import select

from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.errors import NotFound
from stores import cleaning, editing
from stores.models import Store, StoreCode
from tests.factories import NOON, in_days, make_chain, make_store

pytestmark = pytest.mark.usefixtures("app")


def do(change, *args, now=NOON, **more):
    with transaction():
        return change(*args, by=SYSTEM, now=now, **more)


def reload(store):
    db.session.expire_all()
    return db.session.get_one(Store, store.id)


def last_entry():
    return db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()


def test_a_store_opens_with_a_code_in_the_time_zone_of_its_chain():
    chain = make_chain(timezone="Asia/Tokyo")

    store = do(editing.create_store, chain.id, {"code": " S 1 ", "name": "银座", "phone": "03-1234-5678"})

    assert (store.code, store.timezone, store.phone) == ("S 1", "Asia/Tokyo", "03-1234-5678")
    assert db.session.scalars(select(StoreCode.label).filter_by(store_id=store.id)).all() == ["店门"]
    assert db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all() == [
        "store created",
        "store code added",
    ]


def test_a_second_store_with_the_code_is_refused():
    chain = make_chain()
    make_store(chain, "S1")

    with pytest.raises(editing.StoreCodeTaken):
        do(editing.create_store, chain.id, {"code": "S1", "name": "B"})


def test_a_store_without_a_name_is_refused():
    with pytest.raises(cleaning.NameMissing):
        do(editing.create_store, make_chain().id, {"code": "S1"})


def test_editing_changes_what_is_given_and_notes_only_what_changed():
    store = make_store(make_chain(), "S1", name="Old", phone="1", timezone="Asia/Tokyo")

    do(editing.edit_store, store.chain_id, store.id, {"code": "S1", "name": "New", "timezone": ""})

    store = reload(store)
    assert (store.name, store.phone, store.timezone) == ("New", "1", "Asia/Tokyo")
    assert (last_entry().before, last_entry().after) == ({"name": "Old"}, {"name": "New"})


def test_editing_without_a_change_notes_nothing():
    store = make_store(make_chain(), "S1", name="Same")

    do(editing.edit_store, store.chain_id, store.id, {"code": "S1", "name": " Same "})

    assert last_entry() is None


def test_the_code_of_another_store_cannot_be_taken():
    chain = make_chain()
    make_store(chain, "S1")
    store = make_store(chain, "S2")

    with pytest.raises(editing.StoreCodeTaken) as refused:
        do(editing.edit_store, chain.id, store.id, {"code": "S1", "name": "B"})

    assert refused.value.context == {"store_code": "S1"}


def test_a_store_closes_once_and_opens_again():
    store = make_store(make_chain())

    do(editing.close_store, store.chain_id, store.id, now=in_days(1))
    do(editing.close_store, store.chain_id, store.id, now=in_days(2))
    closed_at = reload(store).closed_at
    do(editing.reopen_store, store.chain_id, store.id)

    assert closed_at == in_days(1)
    assert reload(store).closed_at is None
    assert last_entry().action == "store reopened"


@pytest.mark.parametrize("change", [editing.close_store, editing.reopen_store])
def test_the_store_of_another_chain_is_not_found(change):
    store = make_store(make_chain("theirs"))
    ours = make_chain("ours")

    with pytest.raises(NotFound):
        do(change, ours.id, store.id)
    with pytest.raises(NotFound):
        do(editing.edit_store, ours.id, store.id, {"code": "1", "name": "x"})
