"""Every refusal in the shape its reader can use."""

import re
import sqlite3
from http import HTTPStatus

import pytest
from flask_babel import refresh
from marshmallow import ValidationError
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import Conflict, default_exceptions

from app.auth.guard import PUBLIC, access
from app.errors import STATUS_OF, http_error, status_of
from core import errors
from coupons.errors import OfferSoldOut

API = "/api/v1/nowhere"


@pytest.fixture
def broken(app, monkeypatch):
    """Makes the health page raise what it is given."""
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)

    def use(error):
        @access(PUBLIC)
        def view():
            raise error

        monkeypatch.setitem(app.view_functions, "observing.healthz", view)

    return use


@pytest.mark.parametrize(("kind", "status"), STATUS_OF.items(), ids=lambda one: getattr(one, "__name__", str(one)))
def test_every_kind_has_its_status(kind, status):
    class Own(kind):
        pass

    assert status_of(Own()) == status


def test_a_refusal_of_no_kind_is_a_bad_request():
    assert status_of(errors.DomainError()) == 400


def test_machines_get_a_problem(client, broken):
    broken(OfferSoldOut())
    answer = client.get("/healthz", headers={"Accept": "application/json", "Accept-Language": "en"})

    assert (answer.status_code, answer.content_type) == (409, "application/problem+json")
    problem = answer.get_json()
    assert problem["code"] == "offer_sold_out"
    assert problem["detail"] == OfferSoldOut.sentence.en
    assert (problem["title"], problem["status"], problem["type"]) == ("Conflict", 409, "about:blank")
    assert problem["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_people_get_a_page_with_the_same_sentence_in_their_language(client, broken, language):
    broken(OfferSoldOut())
    answer = client.get(f"/healthz?lang={language}", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert OfferSoldOut.sentence.say(language) in answer.text
    assert "offer_sold_out" in answer.text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_every_refusal_of_the_web_is_said_in_the_readers_language(app, status, accept):
    def said(language):
        with app.test_request_context(f"/?lang={language}", headers={"Accept": accept}):
            refresh()
            return http_error(default_exceptions.get(status, Conflict)()).get_data(as_text=True)

    phrase = HTTPStatus(status).phrase
    chinese = said("zh").replace(f'"title": "{phrase}"', "")

    assert re.search(r"[\u4e00-\u9fff]{2}", chinese)
    assert f">{phrase}<" not in chinese
    assert not re.search(r'"detail": "[^"]*[\u4e00-\u9fff]', said("en"))


def test_what_broke_is_not_told(client, broken):
    broken(RuntimeError("password=hunter2"))
    for accept in ("text/html", "application/json"):
        answer = client.get("/healthz", headers={"Accept": accept})
        assert answer.status_code == 500
        assert "hunter2" not in answer.text
        assert answer.headers["X-Request-Id"] in answer.text


def test_invalid_fields_are_named(client, broken):
    broken(ValidationError({"json": {"amount_cents": ["Not a valid integer."]}}))
    for language, sentence in {"zh": "应为整数。", "en": "Not a valid integer."}.items():
        answer = client.get("/healthz", headers={"Accept": "application/json", "Accept-Language": language})
        assert answer.status_code == 422
        assert answer.get_json()["errors"] == {"amount_cents": [sentence]}


def test_an_address_of_the_api_that_is_not_there_is_a_problem(client):
    answer = client.get(API)

    assert (answer.status_code, answer.content_type, answer.get_json()["code"]) == (
        404,
        "application/problem+json",
        "not_found",
    )


def test_a_method_that_is_not_taken_says_which_are(client):
    answer = client.delete("/healthz")

    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]


def test_too_large_a_request_is_refused(app, client):
    size = app.config["MAX_FORM_MEMORY_SIZE"] + 1
    answer = client.post("/login", data=b"x" * size, content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 413


def test_json_that_is_none_is_refused(client):
    answer = client.post("/api/v1/checkouts/quote", data="{", content_type="application/json")

    assert answer.status_code in (400, 401)
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["/nowhere", "/q/%00", "/dashboard/stores/99999999999999999999999"])
def test_what_leads_nowhere_is_not_found(client, path):
    assert client.get(path).status_code in (302, 404)


@pytest.mark.parametrize(
    "error",
    [
        DeadlockDetected("deadlock detected"),
        OperationalError("UPDATE", {}, DeadlockDetected("deadlock detected")),
        sqlite3.OperationalError("database is locked"),
    ],
    ids=["deadlock", "deadlock in a session", "queue"],
)
def test_who_met_a_deadlock_or_a_long_queue_may_try_again(client, broken, error):
    broken(error)
    answer = client.get("/healthz", headers={"Accept": "application/json"})

    assert (answer.status_code, answer.get_json()["code"]) == (503, "service_unavailable")
    assert answer.headers["Retry-After"] == "1"


def test_any_other_trouble_of_the_database_is_broken(client, broken):
    broken(OperationalError("SELECT", {}, sqlite3.OperationalError("no such table: cards")))

    assert client.get("/healthz", headers={"Accept": "application/json"}).status_code == 500
