"""Store codes: added, told apart, ended and brought back."""

import pytest
from sqlalchemy import select

from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.errors import NotFound
from stores import codes
from stores.models import StoreCode
from tests.factories import NOON, in_days, make_chain, make_store, make_store_code

pytestmark = pytest.mark.usefixtures("app")


def do(change, *args, now=NOON, **more):
    with transaction():
        return change(*args, by=SYSTEM, now=now, **more)


def reload(code):
    db.session.expire_all()
    return db.session.get_one(StoreCode, code.id)


def actions():
    return db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()


def test_a_store_may_have_several_codes_with_tokens_of_their_own():
    store = make_store(make_chain())

    made = [do(codes.add_code, store.chain_id, store.id, label=label) for label in ("门", " 12  号桌 ")]

    assert [code.label for code in made] == ["门", "12 号桌"]
    assert len({code.token for code in made}) == 2
    assert all(len(code.token) >= 13 for code in made)


@pytest.mark.parametrize(("label", "refusal"), [(" \t", codes.LabelMissing), ("x" * 61, codes.LabelTooLong)])
def test_a_label_says_where_the_code_hangs(label, refusal):
    store = make_store(make_chain())
    code = make_store_code(store)

    with pytest.raises(refusal):
        do(codes.add_code, store.chain_id, store.id, label=label)
    with pytest.raises(refusal):
        do(codes.rename_code, store.chain_id, code.id, label=label)


def test_a_code_is_renamed_and_keeps_its_token():
    store = make_store(make_chain())
    code = make_store_code(store, label="door")
    token = code.token

    do(codes.rename_code, store.chain_id, code.id, label="till")

    assert (reload(code).label, reload(code).token) == ("till", token)
    assert actions() == ["store code renamed"]


def test_a_code_is_revoked_once_and_restored_once():
    store = make_store(make_chain())
    code = make_store_code(store)

    do(codes.revoke_code, store.chain_id, code.id, now=in_days(1))
    do(codes.revoke_code, store.chain_id, code.id, now=in_days(2))
    revoked_at = reload(code).revoked_at
    do(codes.restore_code, store.chain_id, code.id, now=in_days(3))
    do(codes.restore_code, store.chain_id, code.id, now=in_days(4))

    assert revoked_at == in_days(1)
    assert reload(code).revoked_at is None
    assert actions() == ["store code revoked", "store code restored"]


@pytest.mark.parametrize("change", [codes.revoke_code, codes.restore_code, codes.rename_code])
def test_the_code_of_another_chain_is_not_found(change):
    code = make_store_code(make_store(make_chain("theirs")))
    ours = make_chain("ours")
    more = {"label": "x"} if change is codes.rename_code else {}

    with pytest.raises(NotFound):
        do(change, ours.id, code.id, **more)


def test_no_code_is_added_to_the_store_of_another_chain():
    store = make_store(make_chain("theirs"))
    ours = make_chain("ours")

    with pytest.raises(NotFound):
        do(codes.add_code, ours.id, store.id, label="door")


def test_the_address_of_a_code_stands_below_the_public_one():
    assert codes.code_url("https://example.com/", "abc") == "https://example.com/q/abc"
