"""``GET /stores`` and ``GET /store-codes``: who sees which."""

import pytest

from stores.models import Role
from tests.factories import NOON, make_chain, make_key, make_store, make_store_code


def get(client, path, key):
    answer = client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code, answer.get_json()


@pytest.fixture
def chain(app):
    chain = make_chain()
    for code, city in [("A", "上海"), ("B", "杭州"), ("C", "上海")]:
        make_store_code(make_store(chain, code, city=city))
    make_store_code(make_store(make_chain("other"), "X"))
    return chain


def test_the_stores_of_the_chain_are_listed(client, chain):
    status, body = get(client, "/stores", make_key(chain))

    assert status == 200
    assert [store["code"] for store in body["items"]] == ["A", "B", "C"]
    assert body["items"][0].keys() == {
        *("id", "code", "name", "address", "city", "region", "country", "postcode", "phone", "timezone"),
        *("longitude", "latitude", "closed_at"),
    }
    assert body["next_cursor"] is None


def test_stores_are_searched_and_kept_to_a_city(client, chain):
    key = make_key(chain)

    assert [store["code"] for store in get(client, "/stores?city=上海", key)[1]["items"]] == ["A", "C"]
    assert [store["code"] for store in get(client, "/stores?q=b", key)[1]["items"]] == ["B"]


@pytest.mark.parametrize("path", ["/stores", "/store-codes"])
def test_a_list_pages_by_cursor(client, chain, path):
    key = make_key(chain)

    first = get(client, f"{path}?limit=2", key)[1]
    second = get(client, f"{path}?limit=2&cursor={first['next_cursor']}", key)[1]

    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (2, 1, None)
    assert first["items"][1]["id"] < second["items"][0]["id"]


def test_store_codes_tell_their_store_address_and_state(client, chain):
    store = make_store(chain, "D", closed_at=NOON)
    closed = make_store_code(store, label="till")
    revoked = make_store_code(store, label="old", revoked_at=NOON)

    body = get(client, "/store-codes?store=D", make_key(chain))[1]

    assert body["items"] == [
        {
            "id": code.id,
            "store_code": "D",
            "label": label,
            "token": code.token,
            "url": f"http://localhost/q/{code.token}",
            "state": state,
        }
        for code, label, state in [(closed, "till", "closed"), (revoked, "old", "revoked")]
    ]


@pytest.mark.parametrize("path", ["/stores", "/store-codes"])
def test_the_key_of_a_store_sees_that_store_only(client, chain, path):
    store = make_store(chain, "OWN")
    make_store_code(store)

    body = get(client, path, make_key(chain, Role.CLERK, store))[1]

    assert [row.get("store_code", row.get("code")) for row in body["items"]] == ["OWN"]


@pytest.mark.parametrize("path", ["/stores", "/store-codes"])
def test_nobody_without_a_key_sees_anything(client, chain, path):
    assert get(client, path, "kq_wrong")[0] == 401


@pytest.mark.parametrize("query", ["?limit=0", "?limit=501", "?cursor=-1", f"?cursor={2**63}", f"?q={'x' * 121}"])
def test_a_question_that_makes_no_sense_is_refused(client, chain, query):
    assert get(client, f"/stores{query}", make_key(chain))[0] == 422
