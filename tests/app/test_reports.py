"""The CSV pack over HTTP and from the terminal."""

import csv
import hashlib
import io
import json
from pathlib import Path

import pytest
from sqlalchemy import select

from app.reports.dictionary import dictionary
from core.audit import AuditEntry
from core.db import db
from stores.models import Chain, Role, Store
from tests.factories import make_key, make_staff
from tests.pages import sign_in
from tests.reports import story

DICTIONARY = Path(__file__).parents[2] / "docs" / "reports.md"


@pytest.fixture
def chain(app) -> Chain:
    return story.tell()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def rows_of(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def actions(chain: Chain) -> list[tuple[str, str]]:
    found = db.session.scalars(select(AuditEntry).filter_by(chain_id=chain.id, object_kind="report").order_by("id"))
    return [(entry.action, entry.actor) for entry in found]


def test_head_office_gets_a_file_in_the_browser(chain, client):
    staff = make_staff(chain)
    sign_in(client, staff)

    answer = client.get("/reports/members.csv?from=2026-05-19&to=2026-05-20")

    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="members_2026-05-19_2026-05-20.csv"'
    assert [row["phone"] for row in rows_of(answer)] == ["+8613800000000", "+12025550123", ""]
    assert actions(chain) == [("report requested", f"staff:{staff.id}"), ("report delivered", f"staff:{staff.id}")]


def test_a_key_of_head_office_gets_a_file(chain, client):
    answer = client.get("/reports/cards.csv?store=S001", headers=bearer(make_key(chain, Role.HQ_ANALYST)))

    assert {row["store_code"] for row in rows_of(answer)} == {"S001"}


def test_a_manager_gets_his_stores_without_personal_data(chain, client):
    sign_in(client, make_staff(chain, Role.STORE_MANAGER, (db.session.get_one(Store, 1),)))

    answer = client.get("/reports/members.csv")

    assert [(row["store_code"], row["phone"]) for row in rows_of(answer)] == [("S001", "138****0000"), ("S001", "")]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/reports/wages.csv", 404, id="no such report"),
        pytest.param("/reports/members.csv?from=yesterday", 422, id="no day"),
        pytest.param("/reports/members.csv?from=2026-05-02&to=2026-05-01", 422, id="the wrong way round"),
        pytest.param("/reports/members.csv?store=-S002", 404, id="a store of somebody else"),
        pytest.param("/reports/campaigns.csv", 403, id="for head office only"),
        pytest.param("/reports/members.csv?bom=maybe", 422, id="no switch"),
    ],
)
def test_what_is_wrong_is_refused_before_the_first_byte(chain, client, path, status):
    key = make_key(chain, Role.STORE_MANAGER, db.session.get_one(Store, 1))

    answer = client.get(path, headers=bearer(key) | {"Accept": "application/json"})

    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert actions(chain) == []


def test_clerks_and_strangers_get_nothing(chain, client):
    clerk = make_key(chain, Role.CLERK, db.session.get_one(Store, 1))

    assert client.get("/reports/members.csv", headers=bearer(clerk)).status_code == 403
    assert client.get("/reports/members.csv", headers=bearer("kq_nobody")).status_code == 401
    assert client.get("/reports/members.csv").location.startswith("/login")


def test_the_control_file_fits_the_file(chain, client):
    key = bearer(make_key(chain))
    asked = "from=2026-05-19&to=2026-05-20"

    file = client.get(f"/reports/checkouts.csv?{asked}", headers=key).data
    control = client.get(f"/reports/checkouts.control.json?{asked}", headers=key).get_json()

    assert control["sha256"] == hashlib.sha256(file).hexdigest()
    assert (control["rows"], control["bytes"]) == (3, len(file))
    assert control["totals"]["net_cents"] == 5200 + 5700


def test_a_file_that_nobody_reads_gives_its_connection_back(chain, client):
    key = bearer(make_key(chain))
    before = db.engine.pool.checkedout()

    for _ in range(3):
        client.head("/reports/members.csv", headers=key)

    assert db.engine.pool.checkedout() == before


def test_the_command_writes_the_file_and_its_control_totals(chain, app, tmp_path):
    out = tmp_path / "members.csv"

    told = app.test_cli_runner().invoke(
        args=["reports", "export", "members", "--chain", "snowpeak", "--from", "2026-05-19", "--to", "2026-05-20",
              "--out", str(out), "--json"]
    )  # fmt: skip

    control = json.loads(told.stdout)
    assert (told.exit_code, control["rows"]) == (0, 3)
    assert control == json.loads((tmp_path / "members.csv.control.json").read_text())
    assert control["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert actions(chain) == [("report delivered", "command")]


def test_a_refused_command_leaves_the_earlier_file(chain, app, tmp_path):
    out = tmp_path / "members.csv"
    out.write_text("earlier")

    told = app.test_cli_runner().invoke(
        args=["reports", "export", "members", "--chain", "snowpeak", "--from", "2026-06-31", "--out", str(out)]
    )

    assert (told.exit_code, out.read_text(), list(tmp_path.iterdir())) == (1, "earlier", [out])


def test_the_dictionary_is_up_to_date():
    assert DICTIONARY.read_text(encoding="utf-8") == dictionary(), (
        "flask --app wsgi reports dictionary --out docs/reports.md"
    )
