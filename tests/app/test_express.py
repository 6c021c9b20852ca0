"""Plain requests for a card do not reach Flask, and nobody can tell."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from flask import request_started
from sqlalchemy import func, select

from app.api import express
from app.factory import create_app
from cards.models import Card, Member
from core.db import db
from core.hot import one_action
from sharing import joining
from sharing.linking import create_link
from tests.factories import NOON, make_card, make_chain, make_key, make_store, make_store_code, make_wallet

THROUGH_FLASK = {"Idempotency-Key": "by-flask-1"}


class Door(NamedTuple):
    """A way to the card, and how many cards there are before anybody comes."""

    place: str
    token: str
    chain_id: int
    cards: int

    @property
    def way(self) -> express.Way:
        return express.WAYS[self.place]


@pytest.fixture(params=list(express.WAYS))
def door(app, request) -> Door:
    chain = make_chain()
    code = make_store_code(make_store(chain))
    if request.param == "store-codes":
        return Door(request.param, code.token, chain.id, 0)
    card = make_card(code)
    with one_action() as hot:
        link = create_link(hot, chain.id, card.id, "friend", now=NOON)
    return Door(request.param, link.token, chain.id, 1)


@pytest.fixture
def reached_flask(app) -> Iterator[list[str]]:
    """The paths of the requests that Flask saw."""
    paths: list[str] = []

    def note(_app: object, **_: object) -> None:
        from flask import request

        paths.append(request.path)

    with request_started.connected_to(note, app):
        yield paths


def bearer(secret: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"} | more


def take(client, door: Door, secret: str, *, token: str | None = None, **more: str):
    return client.post(f"/api/v1/{door.place}/{token or door.token}/cards", headers=bearer(secret, **more))


def new_cards(door: Door) -> int:
    return (db.session.scalar(select(func.count(Card.id))) or 0) - door.cards


def test_a_card_is_taken_alike_by_both_ways(client, door, reached_flask):
    make_wallet("one")
    make_wallet("two")

    short = [take(client, door, "one") for _ in range(2)]
    assert not reached_flask
    long = [take(client, door, "two", **THROUGH_FLASK) for _ in range(2)]
    assert len(reached_flask) == 2

    for ours, theirs in zip(short, long, strict=True):
        assert ours.status == theirs.status
        assert common(ours.json) == common(theirs.json)
        assert ours.json.keys() == theirs.json.keys()
        changing = ("X-Request-Id", "Content-Length")
        assert {pair for pair in ours.headers if pair[0] not in changing} == {
            pair for pair in theirs.headers if pair[0] not in changing
        }
        assert all(ours.headers[name] for name in changing)
    assert [answer.status_code for answer in short] == [201, 200]
    assert short[0].json["id"] == short[1].json["id"]
    assert new_cards(door) == 2


def language_of_the_newest() -> str | None:
    return db.session.scalar(select(Member.language).order_by(Member.id.desc()).limit(1))


def common(told: dict) -> dict:
    """What two members are told alike."""
    edge = told.get("referral")
    rest = {name: value for name, value in told.items() if name not in ("id", "number", "referral")}
    return rest | ({"referral": {**edge, "id": 0, "created_at": ""}} if edge else {})


def test_a_friend_is_told_who_brought_him_also_when_he_asks_again(client, door, reached_flask):
    make_wallet("one")
    first, again = (take(client, door, "one").json for _ in range(2))
    by_flask = take(client, door, "one", **THROUGH_FLASK).json

    assert len(reached_flask) == 1
    assert ("referral" in first) is (door.place == "share-links")
    assert first.get("referral") == again.get("referral") == by_flask.get("referral")
    if door.place == "share-links":
        assert (first["referral"]["channel"], first["referral"]["depth"]) == ("friend", 1)


@pytest.mark.parametrize(("accepted", "kept"), [("en-GB,en;q=0.9", "en"), ("zh-CN", "zh"), ("fr", "zh"), (None, "zh")])
@pytest.mark.parametrize("way", [{}, THROUGH_FLASK], ids=["short", "long"])
def test_a_member_reads_in_the_language_of_the_request(client, door, accepted, kept, way):
    make_wallet("one")
    take(client, door, "one", **(way | ({"Accept-Language": accepted} if accepted else {})))

    assert language_of_the_newest() == kept


def test_a_request_id_is_kept_when_it_is_one(client, door, reached_flask):
    make_wallet("one")

    assert take(client, door, "one", **{"X-Request-Id": "till-7.42"}).headers["X-Request-Id"] == "till-7.42"
    assert len(take(client, door, "one", **{"X-Request-Id": "a b"}).headers["X-Request-Id"]) == 32
    assert not reached_flask


@pytest.mark.parametrize(
    "more",
    [THROUGH_FLASK, {"Host": "a b"}, {"Host": "x/y"}, {"Content-Type": "application/x-www-form-urlencoded"}],
    ids=["key", "no host", "no host either", "a form"],
)
def test_what_is_not_plain_goes_on_to_flask(client, door, reached_flask, more):
    make_wallet("one")
    take(client, door, "one", **more)

    assert reached_flask


@pytest.mark.parametrize(("body", "is_plain"), [({}, True), ({"device": "x"}, False)], ids=["nothing", "a device"])
def test_a_body_that_says_something_goes_on_to_flask(client, door, reached_flask, body, is_plain):
    make_wallet("one")
    answer = client.post(f"/api/v1/{door.place}/{door.token}/cards", headers=bearer("one"), json=body)

    assert answer.status_code == 201
    assert (not reached_flask) is is_plain


def test_whoever_has_a_cookie_goes_on_to_flask(client, door, reached_flask):
    make_wallet("one")
    client.set_cookie("kq_language", "en")
    take(client, door, "one")

    assert reached_flask
    assert language_of_the_newest() == "en"


@pytest.mark.parametrize("path", ["{}/cards?lang=en", "{}/cards/", "{}%00/cards", "a.b/cards"])
def test_other_addresses_go_on_to_flask(client, door, reached_flask, path):
    make_wallet("one")
    client.post(f"/api/v1/{door.place}/" + path.format(door.token), headers=bearer("one"))

    assert reached_flask


@pytest.mark.parametrize(
    ("token", "secret", "status"),
    [("unknown", "one", 404), (None, "stranger", 401), (None, "", 401)],
    ids=["no such code", "no such wallet", "nobody"],
)
def test_refusals_are_flasks(client, door, reached_flask, token, secret, status):
    make_wallet("one")
    answer = take(client, door, secret, token=token)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert len(reached_flask) == 1
    assert new_cards(door) == 0


def test_a_key_takes_no_card(client, door):
    key = make_key(db.session.get_one(type(make_chain("other")), door.chain_id))

    assert take(client, door, key).status_code == 403


def test_a_wrong_code_counts_once(client, door):
    make_wallet("one")
    answers = [take(client, door, "one", token=f"guess{number}").status_code for number in range(22)]

    assert answers == [404] * 20 + [429] * 2
    assert take(client, door, "one").status_code == 429
    assert new_cards(door) == 0


def test_what_breaks_breaks_in_flask(app, client, door, reached_flask, monkeypatch):
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    make_wallet("one")
    monkeypatch.setattr(joining, "join_by_code", break_down)
    monkeypatch.setattr(joining, "join_by_link", break_down)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)

    answer = take(client, door, "one")
    assert answer.status_code == 500
    assert answer.json["request_id"]
    assert reached_flask


def test_both_ways_are_counted_alike(client, door):
    def counted() -> float:
        name = f'kaquan_requests_total{{endpoint="{door.way.endpoint}",method="POST",status="201"}}'
        lines = client.get("/metrics").get_data(as_text=True).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    make_wallet("one")
    make_wallet("two")
    before = counted()
    take(client, door, "one")
    take(client, door, "two", **THROUGH_FLASK)

    assert counted() == before + 2


def test_the_endpoints_are_the_views(app):
    assert {way.endpoint for way in express.WAYS.values()} <= set(app.view_functions)


def test_nothing_is_answered_before_flask_where_every_answer_is_told(app, door, reached_flask):
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    loud = create_app(database_url=url, secret_key="s" * 40, testing=True, log_level="DEBUG")
    make_wallet("one")
    try:
        with request_started.connected_to(lambda *_, **__: reached_flask.append("loud"), loud):
            assert take(loud.test_client(), door, "one").status_code == 201
    finally:
        with loud.app_context():
            db.engine.dispose()
        create_app(database_url=url, secret_key="s" * 40, testing=True)  # logs as before

    assert reached_flask == ["loud"]
