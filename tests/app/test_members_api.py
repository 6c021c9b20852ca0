"""GET /members, /redemptions and /events."""

import pytest

from core import events
from core.db import db, transaction
from stores.models import Chain, Role, Store
from tests.factories import NOON, make_key
from tests.reports import story


@pytest.fixture
def chain(app) -> Chain:
    return story.tell()


def get(client, key: str, path: str):
    return client.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {key}"})


def store(store_id: int) -> Store:
    return db.session.get_one(Store, store_id)


def test_head_office_lists_its_members_newest_first(chain, client):
    listed = get(client, make_key(chain), "/members").get_json()

    assert [item["id"] for item in listed["items"]] == [5, 3, 2, 1]
    assert listed["next_cursor"] is None
    assert listed["items"][-1] == {
        "id": 1,
        "card_number": "6200000000000016",
        "card_state": "active",
        "name": "林小雪",
        "phone": "+8613800000000",
        "email": "lin@example.com",
        "tier": "@金卡",
        "points": 70,
        "channel": "scan",
        "store_code": "S001",
        "joined_at": "2026-05-20T04:00:00+00:00",
        "last_visit_at": "2026-05-20T06:00:00+00:00",
    }


def test_a_stores_key_sees_its_own_members_masked(chain, client):
    key = make_key(chain, Role.STORE_MANAGER, store(1))

    items = get(client, key, "/members").get_json()["items"]

    assert [(item["id"], item["name"], item["phone"], item["email"]) for item in items] == [
        (5, "", None, None),
        (1, "林**", "138****0000", "l***@example.com"),
    ]


def test_a_list_goes_on_where_it_ended(chain, client):
    key = make_key(chain)

    first = get(client, key, "/members?limit=2").get_json()
    second = get(client, key, f"/members?limit=2&cursor={first['next_cursor']}").get_json()

    assert [item["id"] for page in (first, second) for item in page["items"]] == [5, 3, 2, 1]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("search=13800000000", [1], id="a phone as people write it"),
        pytest.param("search=6200000000000024", [2], id="a card number"),
        pytest.param("search=0016", [1], id="the end of a card number"),
        pytest.param("search=LIN@example.com", [1], id="an address"),
        pytest.param("search=小雪", [1], id="part of a name"),
        pytest.param("search=%25", [], id="no pattern"),
        pytest.param("store=S001", [5, 1], id="a store"),
        pytest.param("state=closed", [2], id="a state"),
        pytest.param("joined_from=2026-05-20&joined_to=2026-05-20", [3, 2, 1], id="days of the chain"),
    ],
)
def test_members_can_be_looked_for(chain, client, asked, found):
    listed = get(client, make_key(chain), f"/members?{asked}").get_json()

    assert [item["id"] for item in listed["items"]] == found


@pytest.mark.parametrize("path", ["/members?store=S001", "/redemptions?store=S001"])
def test_a_store_of_somebody_else_is_not_there(chain, client, path):
    answer = get(client, make_key(chain, Role.STORE_MANAGER, store(2)), path)

    assert (answer.status_code, answer.get_json()["code"]) == (404, "store_unknown")


@pytest.mark.parametrize("asked", ["joined_from=soon", "limit=0", "limit=501", "cursor=x", "state=lost"])
def test_a_question_that_makes_no_sense_is_refused(chain, client, asked):
    assert get(client, make_key(chain), f"/members?{asked}").status_code == 422


def test_redemptions_tell_where_and_how_much(chain, client):
    items = get(client, make_key(chain), "/redemptions?from=2026-05-20&to=2026-05-20").get_json()["items"]

    assert [(item["id"], item["discount_cents"], item["undone_at"]) for item in items] == [
        (2, 500, "2026-05-20T07:00:00+00:00"),
        (1, 500, None),
    ]
    assert (items[0]["store_code"], items[0]["offer"], items[0]["business_day"]) == ("S001", "满30减5", "2026-05-20")
    assert get(client, make_key(chain), "/redemptions?to=2026-05-19").get_json()["items"] == []


def test_a_stores_key_sees_its_own_redemptions(chain, client):
    items = get(client, make_key(chain, Role.STORE_MANAGER, store(2)), "/redemptions").get_json()["items"]

    assert items == []


def test_events_are_told_once_and_in_order(chain, client):
    key = make_key(chain)
    tell(chain, 3)
    before = get(client, key, "/events?limit=2").get_json()

    after = get(client, key, f"/events?cursor={before['next_cursor']}").get_json()
    nothing = get(client, key, f"/events?cursor={after['next_cursor']}").get_json()

    told = [item["payload"]["number"] for page in (before, after) for item in page["items"]]
    assert told == [0, 1, 2]
    assert nothing == {"items": [], "next_cursor": after["next_cursor"]}


def test_a_chain_hears_only_its_own_events(chain, client):
    tell(db.session.get_one(Chain, 2), 1)

    assert get(client, make_key(chain), "/events").get_json() == {"items": [], "next_cursor": "0-0"}


@pytest.mark.parametrize("cursor", ["yesterday", "1", "1-", "-1-2", "1-2-3", "99999999999999999999-1"])
def test_a_position_that_is_none_is_refused(chain, client, cursor):
    assert get(client, make_key(chain), f"/events?cursor={cursor}").status_code == 422


@pytest.mark.parametrize("path", ["/members", "/redemptions", "/events"])
def test_clerks_are_refused(chain, client, path):
    assert get(client, make_key(chain, Role.CLERK, store(1)), path).status_code == 403


def tell(chain: Chain, count: int) -> None:
    for number in range(count):
        with transaction():
            events.record("card.tested", chain_id=chain.id, at=NOON, number=number)
