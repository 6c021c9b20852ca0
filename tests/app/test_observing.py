"""What machines see: alive, ready, counted; and logs that name nobody."""

import json
import logging

import pytest
import structlog
from sqlalchemy import text

from app.auth.guard import PUBLIC, access
from app.factory import create_app
from app.observing import mask_people, newest_migration
from cards.models import Member
from core.db import db
from tests.factories import NOON, make_chain, make_wallet, save

PHONE, EMAIL, NUMBER = "+8613812345678", "xue@example.com", "6212345678901234"


def lines(capsys) -> list[dict]:
    """The JSON entries on standard error."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]


def test_alive_needs_no_database(client, monkeypatch):
    monkeypatch.setattr(db.session, "execute", None)

    assert client.get("/healthz").get_json() == {"status": "ok"}


def test_ready_when_the_migrations_are_the_ones_this_code_knows(client):
    assert client.get("/readyz").get_json() == {"status": "ok"}


def test_not_ready_while_migrations_are_missing(client):
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    try:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.get_json() == {"status": "migrations", "at": "0001", "wanted": newest_migration()}
    finally:
        with db.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": newest_migration()})


def test_not_ready_while_there_are_no_tables_at_all(tmp_path):
    empty = create_app(database_url=f"sqlite:///{tmp_path / 'empty.db'}", secret_key="s" * 40, testing=True)
    answer = empty.test_client().get("/readyz")

    assert (answer.status_code, answer.get_json()["status"], answer.get_json()["at"]) == (503, "migrations", "None")


def test_not_ready_without_a_database(client, monkeypatch):
    def broken(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(db.session, "execute", broken)

    assert (client.get("/readyz").status_code, client.get("/readyz").get_json()) == (503, {"status": "no database"})


def test_requests_are_counted_by_endpoint_and_status(client):
    client.get("/healthz")
    page = client.get("/metrics")

    assert page.content_type.startswith("text/plain")
    assert 'kaquan_requests_total{endpoint="observing.healthz",method="GET",status="200"}' in page.text
    assert "kaquan_request_seconds_bucket" in page.text


def test_an_address_never_makes_a_series_of_its_own(client):
    for number in range(3):
        client.get(f"/q/{number}secret-token")

    assert "secret-token" not in client.get("/metrics").text


@pytest.mark.parametrize("offered", ["till-7-000123", "0f" * 16])
def test_a_request_id_that_came_is_kept(client, offered):
    assert client.get("/healthz", headers={"X-Request-Id": offered}).headers["X-Request-Id"] == offered


@pytest.mark.parametrize("offered", ["", "short", "x" * 65, "a b c d e f", "<script>"])
def test_a_request_id_that_makes_no_sense_is_replaced(client, offered):
    given = client.get("/healthz", headers={"X-Request-Id": offered}).headers["X-Request-Id"]

    assert given != offered
    assert len(given) == 32


def test_logs_are_json_lines_with_the_request_id(app, capsys):
    with app.test_request_context("/"):
        app.preprocess_request()
        structlog.get_logger("test").warning("happened", store_id=7)
        logging.getLogger("elsewhere").warning("also %s", "here")

    ours, others = lines(capsys)
    assert (ours["event"], ours["store_id"], ours["level"]) == ("happened", 7, "warning")
    assert (others["event"], others["logger"]) == ("also here", "elsewhere")
    assert len(ours["request_id"]) == 32
    assert ours["request_id"] == others["request_id"]


def test_logs_name_nobody(capsys, app):
    said = f"{PHONE} {EMAIL} {NUMBER}"
    structlog.get_logger("test").warning(said, phone=PHONE, inside={"to": [EMAIL]}, number=int(NUMBER))
    logging.getLogger("elsewhere").warning("to %s", said)

    err = capsys.readouterr().err
    assert not any(secret in err for secret in ("12345678", "xue@", NUMBER))
    assert "***@example.com" in err


@pytest.mark.parametrize("kept", ["2026-05-20T12:00:00Z", "SH001", "127.0.0.1:8000", "12.5", "1234567890"])
def test_what_names_nobody_is_kept(kept):
    assert mask_people(None, "", {"event": kept}) == {"event": kept}


def test_what_breaks_is_logged_without_addresses_and_values(app, client, capsys, monkeypatch):
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    chain = make_chain()

    @access(PUBLIC)
    def breaks(**_):
        member = {"chain_id": chain.id, "wallet_id": make_wallet(), "name": "林小雪", "phone": PHONE, "joined_at": NOON}
        save(Member(**member), Member(**member))

    monkeypatch.setitem(app.view_functions, "scanning.look", breaks)
    answer = client.get("/q/secret-token")

    [entry] = [line for line in lines(capsys) if line["event"] == "broken"]
    written = json.dumps(entry, ensure_ascii=False)
    assert answer.status_code == 500
    assert (entry["endpoint"], entry["request_id"]) == ("scanning.look", answer.headers["X-Request-Id"])
    assert "IntegrityError" in entry["exception"]
    assert not any(secret in written for secret in ("secret-token", "林小雪", "12345678"))
    assert "IntegrityError" not in answer.text
