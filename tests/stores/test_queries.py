"""Reading stores: searched, filtered, paged, and kept to the reader's own."""

import pytest

from core.db import transaction
from core.errors import NotFound
from stores import queries
from stores.models import Scan
from tests.factories import NOON, in_days, make_chain, make_store, make_store_code, save

pytestmark = pytest.mark.usefixtures("app")


def names(stores):
    return [store.name for store in stores]


@pytest.fixture
def chain():
    chain = make_chain()
    make_store(chain, "A-1", name="南京东路店", city="上海", address="100 Nanjing Rd")
    make_store(chain, "B_2", name="Kerry Centre", city="杭州")
    make_store(chain, "C%3", name="人民广场店", city="上海")
    make_store(make_chain("other"), "A-1", name="Theirs", city="广州")
    return chain


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["南京东路店", "Kerry Centre", "人民广场店"]),
        ("kerry", ["Kerry Centre"]),
        ("KERRY 杭州", ["Kerry Centre"]),
        ("kerry 上海", []),
        ("a-1", ["南京东路店"]),
        ("nanjing rd", ["南京东路店"]),
        ("%", ["人民广场店"]),
        ("_", ["Kerry Centre"]),
        ("\0", ["南京东路店", "Kerry Centre", "人民广场店"]),
    ],
)
def test_a_search_finds_every_word_in_name_code_city_or_address(chain, search, found):
    assert names(queries.list_stores(chain.id, search=search)) == found
    assert queries.count_stores(chain.id, search=search) == len(found)


def test_a_city_keeps_the_list_to_itself(chain):
    assert names(queries.list_stores(chain.id, city="上海")) == ["南京东路店", "人民广场店"]
    assert list(queries.list_cities(chain.id)) == ["上海", "杭州"]


def test_the_list_pages_by_key(chain):
    first = queries.list_stores(chain.id, limit=2)
    second = queries.list_stores(chain.id, limit=2, after=first[-1].id)

    assert names([*first, *second]) == ["南京东路店", "Kerry Centre", "人民广场店"]


def test_all_stores_come_page_after_page(chain, monkeypatch):
    monkeypatch.setattr(queries, "PAGE", 2)

    assert names(queries.each_store(chain.id)) == ["南京东路店", "Kerry Centre", "人民广场店"]


def test_a_reader_sees_his_own_stores_only(chain):
    own = queries.list_stores(chain.id)[1]
    other = queries.list_stores(chain.id)[0]
    mine = frozenset({own.id})

    assert names(queries.list_stores(chain.id, store_ids=mine)) == ["Kerry Centre"]
    assert list(queries.list_cities(chain.id, store_ids=mine)) == ["杭州"]
    assert queries.get_store(chain.id, own.id, store_ids=mine).id == own.id
    with pytest.raises(NotFound):
        queries.get_store(chain.id, other.id, store_ids=mine)
    with pytest.raises(NotFound):
        queries.get_store_code(chain.id, make_store_code(other).id, store_ids=mine)


def test_codes_are_listed_with_their_store_and_only_those_that_work_on_demand(chain):
    first, second, third = queries.list_stores(chain.id)
    works = make_store_code(first, label="door")
    make_store_code(second, label="door", revoked_at=NOON)
    make_store_code(third, label="door")
    with transaction():
        third.closed_at = NOON

    everything = queries.list_codes(chain.id)
    in_force = list(queries.each_code(chain.id, only_in_force=True))

    assert [row.store_code for row in everything] == ["A-1", "B_2", "C%3"]
    assert [(row.token, row.store_name) for row in in_force] == [(works.token, "南京东路店")]
    assert queries.count_codes_in_force(chain.id) == 1
    assert queries.count_codes_by_store(chain.id, [first.id, second.id]) == {first.id: 1}


def test_scans_are_counted_by_code_since_a_moment(chain):
    store = queries.list_stores(chain.id)[0]
    door, table = make_store_code(store), make_store_code(store)
    for code, at in [(door, in_days(-9)), (door, in_days(-1)), (door, NOON), (table, NOON)]:
        save(Scan(chain_id=chain.id, store_id=store.id, store_code_id=code.id, visitor=f"{code.id}{at}", at=at))

    assert queries.count_scans_by_code(chain.id, store.id, since=in_days(-1)) == {door.id: 2, table.id: 1}
