"""Headers that keep browsers strict, and counters that slow guessing down."""

import pytest
import time_machine
from limits import RateLimitItemPerMinute
from sqlalchemy import func, select

from app.auth.views import local_path
from app.security import counted_as
from cards.models import Wallet
from core.clock import utc_now
from core.db import db, transaction
from core.hot import this_transaction
from sharing import linking
from tests.factories import make_card, make_chain, make_key, make_staff, make_store, make_store_code
from tests.pages import sign_in

PAGES = ["/login", "/healthz", "/nowhere", "/api/docs", "/wallet/", "/api/v1/openapi.json"]


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_keeps_the_browser_strict(client, path):
    headers = client.get(path).headers
    rules = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))

    assert rules["default-src"] == "'self'"
    assert rules["style-src"] == "'self'"
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert rules["frame-ancestors"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "private, no-store"


def test_files_that_never_change_may_be_kept(client):
    with client.get("/static/css/base.css") as answer:
        assert "no-store" not in answer.headers["Cache-Control"]


def test_cookies_are_for_https_only_where_the_site_is(app, client, monkeypatch):
    chain = make_chain()
    monkeypatch.setattr(type(app.extensions["settings"]), "is_https", True)
    monkeypatch.setitem(app.config, "SESSION_COOKIE_SECURE", True)
    staff = make_staff(chain)
    sign_in(client, staff)

    answer = client.get("/login?lang=en")
    assert answer.headers["Strict-Transport-Security"]
    assert all("Secure" in cookie for cookie in answer.headers.getlist("Set-Cookie"))


def test_guessing_codes_is_slowed_down_and_forgotten_after_a_minute(client):
    start = utc_now()
    with time_machine.travel(start) as clock:
        answers = [client.get(f"/q/guess{number}").status_code for number in range(22)]
        clock.shift(61)
        later = client.get("/q/guess").status_code

    assert answers == [404] * 20 + [429] * 2
    assert later == 404


def test_known_codes_are_no_guesses(client):
    code = make_store_code(make_store(make_chain()))

    assert {client.get(f"/q/{code.token}").status_code for _ in range(25)} == {200}


@pytest.fixture
def few_calls(app, monkeypatch):
    """Three public calls a minute."""
    monkeypatch.setitem(app.extensions, "public_calls", RateLimitItemPerMinute(3))


def test_one_address_opens_so_many_wallets_a_minute_and_no_more(client, few_calls):
    with time_machine.travel(utc_now(), tick=False) as clock:
        answers = [client.post("/api/v1/wallets") for _ in range(5)]
        other = client.post("/api/v1/wallets", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
        clock.shift(20)
        refused = client.post("/api/v1/wallets")
        clock.shift(41)
        later = client.post("/api/v1/wallets")

    assert [answer.status_code for answer in answers] == [201] * 3 + [429] * 2
    assert (other.status_code, refused.status_code, later.status_code) == (201, 429, 201)
    assert refused.content_type == "application/problem+json"
    assert refused.get_json()["code"] == "too_many_requests"
    assert 39 <= int(refused.headers["Retry-After"]) <= 41
    assert db.session.scalar(select(func.count()).select_from(Wallet)) == 5


def test_one_address_tells_so_many_visits_a_minute_and_no_more(client, few_calls):
    card = make_card(make_store_code(make_store(make_chain())))
    with transaction():
        link = linking.create_link(this_transaction(), card.chain_id, card.id, "friend", now=utc_now())
    answers = [client.post(f"/api/v1/share-links/{link.token}/visits") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [204] * 3 + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_too_many_guesses_are_told_when_to_come_back(client):
    answers = [client.get(f"/q/guess{number}") for number in range(21)]

    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_whoever_has_a_network_of_addresses_guesses_no_faster(client):
    def guess(address):
        return client.get("/q/guess", environ_overrides={"REMOTE_ADDR": address}).status_code

    answers = [guess(f"2001:db8:1:2::{number:x}") for number in range(21)]

    assert answers == [404] * 20 + [429]
    assert guess("2001:db8:1:3::1") == 404


@pytest.mark.parametrize(
    ("remote", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        (None, "unknown"),
        ("a socket", "a socket"),
    ],
)
def test_an_address_is_counted_by_who_has_it(remote, counted):
    assert counted_as(remote) == counted


def test_wrong_bearers_are_guesses(client):
    headers = [{"Authorization": f"Bearer kq_guess{number}"} for number in range(21)]

    assert [client.get("/api/v1/stores", headers=one).status_code for one in headers] == [401] * 20 + [429]


@pytest.mark.parametrize("target", ["/till/", "/dashboard/offers?state=running#x", "/"])
def test_local_paths_are_local(target):
    assert local_path(target) == target


@pytest.mark.parametrize("text", [b"a\\u0000b", b"\x00"])
def test_a_text_no_database_can_hold_is_refused(client, text):
    headers = {"Authorization": f"Bearer {make_key(make_chain())}"}
    body = b'{"card_code": "' + text + b'", "amount_cents": 1, "store_code": "x"}'
    answer = client.post("/api/v1/checkouts/quote", data=body, headers=headers, content_type="application/json")

    assert answer.status_code == 400


def test_only_files_may_be_large(app, client):
    size = app.config["MAX_FORM_MEMORY_SIZE"] + 1
    headers = {"Authorization": f"Bearer {make_key(make_chain())}"}

    for kind in ("application/json", "application/x-www-form-urlencoded"):
        answer = client.post("/api/v1/checkouts/quote", data=b" " * size, headers=headers, content_type=kind)
        assert answer.status_code in (413, 422)


def test_a_till_goes_on_selling_while_somebody_beside_it_guesses(client):
    key = make_key(make_chain())
    for number in range(25):
        client.get("/api/v1/stores", headers={"Authorization": f"Bearer {number}"})

    assert client.get("/api/v1/stores", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert client.get("/api/v1/stores", headers={"Authorization": f"Bearer {key}x"}).status_code == 429
