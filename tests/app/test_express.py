"""Plain requests for a card do not reach Flask, and nobody can tell."""

from collections.abc import Iterator

import pytest
from flask import request_started
from sqlalchemy import func, select

from app.api import express
from app.factory import create_app
from cards.models import Card, Member
from core.db import db
from sharing import joining
from tests.factories import make_chain, make_key, make_store, make_store_code, make_wallet

THROUGH_FLASK = {"Idempotency-Key": "by-flask-1"}


@pytest.fixture
def code(app):
    return make_store_code(make_store(make_chain()))


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


def take(client, token: str, secret: str, **more: str):
    return client.post(f"/api/v1/store-codes/{token}/cards", headers=bearer(secret, **more))


def test_a_card_is_taken_alike_by_both_ways(client, code, reached_flask):
    make_wallet("one")
    make_wallet("two")

    short = [take(client, code.token, "one") for _ in range(2)]
    assert not reached_flask
    long = [take(client, code.token, "two", **THROUGH_FLASK) for _ in range(2)]
    assert len(reached_flask) == 2

    for ours, theirs in zip(short, long, strict=True):
        assert ours.status == theirs.status
        own = {"id", "number"}
        assert {name: value for name, value in ours.json.items() if name not in own} == {
            name: value for name, value in theirs.json.items() if name not in own
        }
        assert ours.json.keys() == theirs.json.keys()
        changing = ("X-Request-Id", "Content-Length")
        assert {pair for pair in ours.headers if pair[0] not in changing} == {
            pair for pair in theirs.headers if pair[0] not in changing
        }
        assert all(ours.headers[name] for name in changing)
    assert [answer.status_code for answer in short] == [201, 200]
    assert short[0].json["id"] == short[1].json["id"]
    assert db.session.scalar(select(func.count(Card.id))) == 2


@pytest.mark.parametrize(("accepted", "kept"), [("en-GB,en;q=0.9", "en"), ("zh-CN", "zh"), ("fr", "zh"), (None, "zh")])
@pytest.mark.parametrize("way", [{}, THROUGH_FLASK], ids=["short", "long"])
def test_a_member_reads_in_the_language_of_the_request(client, code, accepted, kept, way):
    make_wallet("one")
    take(client, code.token, "one", **(way | ({"Accept-Language": accepted} if accepted else {})))

    assert db.session.scalar(select(Member.language)) == kept


def test_a_request_id_is_kept_when_it_is_one(client, code, reached_flask):
    make_wallet("one")

    assert take(client, code.token, "one", **{"X-Request-Id": "till-7.42"}).headers["X-Request-Id"] == "till-7.42"
    assert len(take(client, code.token, "one", **{"X-Request-Id": "a b"}).headers["X-Request-Id"]) == 32
    assert not reached_flask


@pytest.mark.parametrize(
    "more",
    [THROUGH_FLASK, {"Host": "a b"}, {"Host": "x/y"}, {"Content-Type": "application/x-www-form-urlencoded"}],
    ids=["key", "no host", "no host either", "a form"],
)
def test_what_is_not_plain_goes_on_to_flask(client, code, reached_flask, more):
    make_wallet("one")
    take(client, code.token, "one", **more)

    assert reached_flask


@pytest.mark.parametrize(("body", "is_plain"), [({}, True), ({"device": "x"}, False)], ids=["nothing", "a device"])
def test_a_body_that_says_something_goes_on_to_flask(client, code, reached_flask, body, is_plain):
    make_wallet("one")
    answer = client.post(f"/api/v1/store-codes/{code.token}/cards", headers=bearer("one"), json=body)

    assert answer.status_code == 201
    assert (not reached_flask) is is_plain


def test_whoever_has_a_cookie_goes_on_to_flask(client, code, reached_flask):
    make_wallet("one")
    client.set_cookie("kq_language", "en")
    take(client, code.token, "one")

    assert reached_flask
    assert db.session.scalar(select(Member.language)) == "en"


@pytest.mark.parametrize("path", ["{}/cards?lang=en", "{}/cards/", "{}%00/cards", "a.b/cards"])
def test_other_addresses_go_on_to_flask(client, code, reached_flask, path):
    make_wallet("one")
    client.post("/api/v1/store-codes/" + path.format(code.token), headers=bearer("one"))

    assert reached_flask


@pytest.mark.parametrize(
    ("token", "secret", "status"),
    [("unknown", "one", 404), (None, "stranger", 401), (None, "", 401)],
    ids=["no such code", "no such wallet", "nobody"],
)
def test_refusals_are_flasks(client, code, reached_flask, token, secret, status):
    make_wallet("one")
    answer = take(client, token or code.token, secret)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert len(reached_flask) == 1
    assert db.session.scalar(select(func.count(Card.id))) == 0


def test_a_key_takes_no_card(client, code):
    key = make_key(db.session.get_one(type(make_chain("other")), code.chain_id))

    assert take(client, code.token, key).status_code == 403


def test_a_wrong_code_counts_once(client, code):
    make_wallet("one")
    answers = [take(client, f"guess{number}", "one").status_code for number in range(22)]

    assert answers == [404] * 20 + [429] * 2
    assert take(client, code.token, "one").status_code == 429
    assert db.session.scalar(select(func.count(Card.id))) == 0


def test_what_breaks_breaks_in_flask(app, client, code, reached_flask, monkeypatch):
    def break_down(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    make_wallet("one")
    monkeypatch.setattr(joining, "join_by_code", break_down)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)

    answer = take(client, code.token, "one")
    assert answer.status_code == 500
    assert answer.json["request_id"]
    assert reached_flask


def test_both_ways_are_counted_alike(client, code):
    def counted() -> float:
        name = 'kaquan_requests_total{endpoint="wallets_api.take_card",method="POST",status="201"}'
        lines = client.get("/metrics").get_data(as_text=True).splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    make_wallet("one")
    make_wallet("two")
    before = counted()
    take(client, code.token, "one")
    take(client, code.token, "two", **THROUGH_FLASK)

    assert counted() == before + 2


def test_the_endpoint_is_the_views(app):
    assert express.ENDPOINT in app.view_functions


def test_nothing_is_answered_before_flask_where_every_answer_is_told(app, code, reached_flask):
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    loud = create_app(database_url=url, secret_key="s" * 40, testing=True, log_level="DEBUG")
    make_wallet("one")
    try:
        with request_started.connected_to(lambda *_, **__: reached_flask.append("loud"), loud):
            assert take(loud.test_client(), code.token, "one").status_code == 201
    finally:
        with loud.app_context():
            db.engine.dispose()
        create_app(database_url=url, secret_key="s" * 40, testing=True)  # logs as before

    assert reached_flask == ["loud"]
