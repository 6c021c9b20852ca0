"""Sharing through the API: links, visits, cards, and the tree."""

import pytest
from sqlalchemy import func, select, update

from cards.models import Card, Member
from core.db import db, transaction
from sharing.models import OwnChannel, Referral, ShareLink, ShareVisit
from stores.models import Role, Store
from tests.factories import (
    NOON,
    make_card,
    make_chain,
    make_key,
    make_offer,
    make_store,
    make_store_code,
    make_wallet,
    save,
)

API = "/api/v1"
BROWSER = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) MicroMessenger/8.0.49"


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


@pytest.fixture
def card(code):
    return make_card(code, wallet_id=make_wallet("sharer"))


def call(client, method, path, bearer=None, agent=BROWSER, **options):
    headers = {"User-Agent": agent} | options.pop("headers", {})
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    return client.open(f"{API}{path}", method=method, headers=headers, **options)


def share(client, card, channel="friend", *, headers=None, **more):
    body = {"channel": channel, **more}
    return call(client, "POST", f"/cards/{card.number}/share-links", "sharer", json=body, headers=headers or {})


def accept(client, token, secret):
    wallet_id = make_wallet(secret)
    return wallet_id, call(client, "POST", f"/share-links/{token}/cards", secret)


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def test_every_act_of_sharing_makes_a_link(client, card):
    first, second = share(client, card), share(client, card, "moments")

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["token"] != second.json["token"]
    assert first.json["url"] == f"http://localhost/s/{first.json['token']}"
    assert count(ShareLink) == 2


def test_a_repeated_request_gets_the_first_link(client, card):
    key = {"Idempotency-Key": "share-0001"}

    first, again = share(client, card, headers=key), share(client, card, headers=key)
    other = share(client, card, "moments", headers=key)

    assert (again.status_code, again.json, count(ShareLink)) == (201, first.json, 1)
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize("number", ["6200000000000000", "nonsense"])
def test_only_the_own_card_is_shared(client, card, number):
    make_wallet("stranger")

    answers = [
        call(client, "POST", f"/cards/{card.number}/share-links", "stranger", json={"channel": "copy"}),
        call(client, "POST", f"/cards/{number}/share-links", "sharer", json={"channel": "copy"}),
    ]

    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [(404, "card_not_found")] * 2


def test_an_unknown_channel_is_refused(client, card):
    answer = share(client, card, "fax")

    assert (answer.status_code, answer.json["code"]) == (422, "channel_unknown")


def test_visits_count_once_per_visitor(client, card):
    token = share(client, card).json["token"]
    make_wallet("a friend")

    answers = [
        call(client, "POST", f"/share-links/{token}/visits", "a friend"),
        call(client, "POST", f"/share-links/{token}/visits", "a friend"),
        call(client, "POST", f"/share-links/{token}/visits"),
        call(client, "POST", f"/share-links/{token}/visits", agent="okhttp/4.12.0"),
        call(client, "POST", f"/share-links/{token}/visits", "sharer"),
        call(client, "POST", f"/share-links/{token}/visits", agent="TelegramBot (like TwitterBot)"),
        call(client, "POST", f"/share-links/{token}/visits", headers={"Sec-Purpose": "prefetch"}),
    ]

    assert {(answer.status_code, answer.data) for answer in answers} == {(204, b"")}
    assert count(ShareVisit) == 3
    assert db.session.scalar(select(ShareLink.visits)) == 3


def test_an_unknown_link_gets_the_neutral_answer(client, card):
    visit = call(client, "POST", "/share-links/xxxxxxxxxxxxx/visits")
    take = call(client, "POST", "/share-links/xxxxxxxxxxxxx/cards", "sharer")

    assert [(a.status_code, a.json["code"]) for a in (visit, take)] == [(404, "code_unknown")] * 2


def test_a_key_is_no_visitor(client, chain, card):
    token = share(client, card).json["token"]

    assert call(client, "POST", f"/share-links/{token}/visits", make_key(chain)).status_code == 401


def test_a_friend_takes_the_card_and_the_edge_is_told(client, card):
    link = share(client, card, "group").json

    _, answer = accept(client, link["token"], "a friend")

    edge = db.session.scalars(select(Referral)).one()
    assert (answer.status_code, answer.json["is_new"]) == (201, True)
    assert answer.json["referral"] == {
        "id": edge.id,
        "share_link_id": edge.share_link_id,
        "channel": "group",
        "depth": 1,
        "created_at": edge.created_at.isoformat(),
    }
    assert edge.referrer_id == card.member_id


def test_taking_it_again_gets_the_same_card_and_the_same_edge(client, card):
    token = share(client, card).json["token"]

    _, first = accept(client, token, "a friend")
    again = call(client, "POST", f"/share-links/{token}/cards", "a friend")

    assert again.status_code == 200
    assert again.json["number"] == first.json["number"]
    assert again.json["referral"] == first.json["referral"]
    assert count(Referral) == 1


def test_the_sharer_gets_his_own_card_and_no_edge(client, card):
    token = share(client, card).json["token"]

    answer = call(client, "POST", f"/share-links/{token}/cards", "sharer")

    assert (answer.status_code, answer.json["number"], answer.json["referral"]) == (200, card.number, None)


@pytest.fixture
def three_generations(client, card):
    """Four members below the sharer: two direct, one below the first of them, one below that."""
    numbers, secret = [card.number], "sharer"
    for friend in ("a", "b", "c"):
        link = call(client, "POST", f"/cards/{numbers[-1]}/share-links", secret, json={"channel": "group"}).json
        _, taken = accept(client, link["token"], friend)
        numbers.append(taken.json["number"])
        secret = friend
    accept(client, share(client, card).json["token"], "d")
    return numbers


def test_the_tree_shows_generations_and_masked_members(client, chain, three_generations):
    with transaction():
        db.session.execute(update(Member).values(name="林小雪"))
    key = make_key(chain, Role.HQ_ANALYST)

    tree = call(client, "GET", f"/referrals/tree?card={three_generations[0]}", key)

    assert tree.status_code == 200
    assert (tree.json["root"]["card"], tree.json["root"]["depth"]) == (three_generations[0], 0)
    assert tree.json["members"] == 4
    assert tree.json["generations"] == [
        {"generation": 1, "members": 2},
        {"generation": 2, "members": 1},
        {"generation": 3, "members": 1},
    ]
    assert [node["generation"] for node in tree.json["nodes"]] == [1, 2, 3, 1]
    assert [node["card"] for node in tree.json["nodes"]][:3] == three_generations[1:]
    assert {node["name"] for node in tree.json["nodes"]} == {"林**"}
    assert tree.json["next_cursor"] is None


def test_the_tree_pages_by_key_and_can_be_cut(client, chain, three_generations):
    key, path = make_key(chain), f"/referrals/tree?card={three_generations[0]}"
    seen, cursor = [], ""
    while cursor is not None:
        answer = call(client, "GET", f"{path}&limit=3" + (f"&cursor={cursor}" if cursor else ""), key).json
        seen += [node["card"] for node in answer["nodes"]]
        cursor = answer["next_cursor"]

    cut = call(client, "GET", f"{path}&generations=1", key).json

    assert len(seen) == len(set(seen)) == 4
    assert [node["generation"] for node in cut["nodes"]] == [1, 1]


@pytest.mark.parametrize("asked", ["card=1", "", "card=6200000000000000&cursor=x", "card=6200000000000000&limit=0"])
def test_a_tree_asked_for_wrongly_is_refused(client, chain, asked):
    assert call(client, "GET", f"/referrals/tree?{asked}", make_key(chain)).status_code == 422


def test_a_card_of_another_chain_has_no_tree(client, chain, card):
    foreign = make_key(make_chain("other"))

    answer = call(client, "GET", f"/referrals/tree?card={card.number}", foreign)

    assert (answer.status_code, answer.json["code"]) == (404, "card_not_found")


def test_a_store_key_gets_no_tree(client, chain, code, card):
    store_key = make_key(chain, Role.STORE_MANAGER, make_store(chain))

    assert call(client, "GET", f"/referrals/tree?card={card.number}", store_key).status_code == 403
    assert count(Card) == 1


def add_channel(chain, code="slip", *, is_for_members=False):
    own = {"name": "随单卡", "name_en": "Courier slip", "is_for_members": is_for_members, "created_at": NOON}
    return save(OwnChannel(chain_id=chain.id, code=code, **own))


def last_link() -> ShareLink:
    return db.session.scalars(select(ShareLink).order_by(ShareLink.id.desc()).limit(1)).one()


def test_a_wallet_says_where_the_thought_arose_and_what_is_shared(client, chain, card):
    offer = make_offer(chain)
    add_channel(chain, "table", is_for_members=True)

    answer = share(client, card, "table", occasion="coupon", offer_id=offer.id)

    assert (answer.status_code, answer.json["channel"], answer.json["occasion"]) == (201, "table", "coupon")
    assert (last_link().offer_id, last_link().occasion, last_link().channel) == (offer.id, "coupon", "table")


@pytest.mark.parametrize(
    ("body", "status", "refusal"),
    [
        ({"channel": "fax"}, 422, "channel_unknown"),
        ({"channel": "slip"}, 422, "channel_unknown"),
        ({"channel": "friend", "occasion": "staff"}, 422, "invalid"),
        ({"channel": "friend", "occasion": "api"}, 422, "invalid"),
        ({"channel": "friend", "offer_id": 987_654}, 404, "offer_not_found"),
    ],
    ids=str,
)
def test_what_a_wallet_may_not_share_is_refused(client, chain, card, body, status, refusal):
    add_channel(chain)

    answer = call(client, "POST", f"/cards/{card.number}/share-links", "sharer", json=body)

    assert (answer.status_code, answer.json["code"], count(ShareLink)) == (status, refusal, 0)


def test_a_key_makes_a_link_for_a_member_by_an_own_channel(client, chain, card):
    add_channel(chain)
    key = make_key(chain, Role.HQ_ADMIN)

    answer = call(client, "POST", "/share-links", key, json={"card": card.number, "channel": "slip"})

    assert (answer.status_code, answer.json["occasion"]) == (201, "api")
    assert answer.json["url"] == f"http://localhost/s/{last_link().token}"
    assert (last_link().member_id, last_link().channel) == (card.member_id, "slip")


def test_a_repeated_request_of_a_key_gets_the_first_link(client, chain, card):
    key, once = make_key(chain, Role.HQ_ADMIN), {"Idempotency-Key": "slip-0001"}
    body = {"card": card.number, "channel": "poster"}

    answers = [call(client, "POST", "/share-links", key, json=body, headers=once) for _ in range(2)]

    assert answers[0].json == answers[1].json
    assert count(ShareLink) == 1


@pytest.mark.parametrize("role", [Role.STORE_MANAGER, Role.CLERK])
def test_a_stores_key_makes_links_for_its_own_members(client, chain, code, card, role):
    own = make_key(chain, role, db.session.get_one(Store, code.store_id))
    other = make_key(chain, role, make_store(chain))
    foreign = make_key(make_chain("other"), Role.HQ_ADMIN)
    body = {"card": card.number, "channel": "poster"}

    answers = [call(client, "POST", "/share-links", key, json=body) for key in (own, other, foreign)]

    assert [answer.status_code for answer in answers] == [201, 404, 404]
    assert {answer.json["code"] for answer in answers[1:]} == {"card_not_found"}


def test_keys_learn_the_channels_in_use(client, chain):
    add_channel(chain)
    archived = add_channel(chain, "old")
    with transaction():
        db.session.execute(update(OwnChannel).where(OwnChannel.id == archived.id).values(archived_at=NOON))
    add_channel(make_chain("other"), "theirs")

    found = call(client, "GET", "/share-channels", make_key(chain, Role.HQ_ANALYST)).json["channels"]

    assert [each["code"] for each in found] == ["friend", "group", "moments", "poster", "copy", "slip"]
    assert found[-1] == {
        "code": "slip",
        "name": "随单卡",
        "name_en": "Courier slip",
        "is_own": True,
        "is_for_members": False,
    }


def test_making_a_link_costs_the_same_whoever_came_and_however(client, chain, card, count_queries):
    """One statement makes it; the rest is who asks."""
    add_channel(chain, "table", is_for_members=True)
    share(client, card)
    counts = []
    for channel in ("friend", "table"):
        count_queries.clear()
        share(client, card, channel)
        counts.append(len(count_queries))

    assert counts[0] == counts[1]
