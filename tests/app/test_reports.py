"""The CSV pack over HTTP and from the terminal."""

import csv
import hashlib
import io
import json
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select

from app.reports.control import quick_totals
from app.reports.dictionary import dictionary
from app.reports.pack import REPORTS
from app.reports.question import Reader, ask
from app.reports.reading import by_day
from core.audit import SYSTEM, AuditEntry
from core.clock import utc_now
from core.db import db, transaction
from push.audiences.saved_segments import change_segment, create_segment
from stores.models import Chain, Role, Store
from tests.factories import make_chain, make_key, make_staff
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


def keep_segment(chain_id, rules):
    with transaction():
        return create_segment(chain_id, "五月", rules, by=SYSTEM, now=utc_now()).id


def test_head_office_gets_the_members_of_a_segment(chain, client):
    everybody = rows_of(client.get("/reports/members.csv", headers=bearer(make_key(chain))))
    some = {"any": [{"field": "address", "op": "has", "value": "phone"}]}
    segment = keep_segment(chain.id, some)
    staff = make_staff(chain)
    sign_in(client, staff)

    answer = client.get(f"/reports/members.csv?segment={segment}")
    control = client.get(f"/reports/members.control.json?segment={segment}").json

    phones = [row["phone"] for row in rows_of(answer)]
    assert phones == [row["phone"] for row in everybody if row["phone"]]
    assert 0 < len(phones) < len(everybody)
    assert f"members_segment-{segment}_to_" in answer.headers["Content-Disposition"]
    assert (control["rows"], control["segment"]) == (len(phones), segment)
    assert control["sha256"] == hashlib.sha256(answer.data).hexdigest()
    noted = db.session.scalars(
        select(AuditEntry).filter_by(actor=f"staff:{staff.id}", object_kind="report").order_by(AuditEntry.id)
    ).all()
    assert {entry.after["segment"] for entry in noted} == {segment}


def test_a_command_writes_the_members_of_a_segment(chain, app, tmp_path):
    segment = keep_segment(chain.id, {"any": [{"field": "address", "op": "has", "value": "phone"}]})
    asked = ["reports", "export", "members", "--chain", chain.slug, "--out", str(tmp_path / "members.csv")]

    written = app.test_cli_runner().invoke(args=[*asked, "--segment", str(segment)])
    unknown = app.test_cli_runner().invoke(args=[*asked, "--segment", "x"], env={"LANG": "en_US.UTF-8"})

    assert written.exit_code == 0, written.stderr
    with (tmp_path / "members.csv").open(encoding="utf-8-sig") as file:
        assert all(row["phone"] for row in csv.DictReader(file))
    assert json.loads((tmp_path / "members.csv.control.json").read_text())["segment"] == segment
    assert (unknown.exit_code, "There is no such segment." in unknown.stderr) == (1, True)


def test_a_segment_is_narrowed_further_and_follows_its_rules(chain, client):
    key = bearer(make_key(chain))
    segment = keep_segment(chain.id, {"all": []})
    path = f"/reports/members.csv?segment={segment}&from=2026-05-19&to=2026-05-20"
    assert len(rows_of(client.get(path, headers=key))) == 3

    with transaction():
        nobody = {"all": [{"field": "points", "op": "at_least", "value": 10**9}]}
        change_segment(chain.id, segment, "五月", nobody, by=SYSTEM, now=utc_now())

    assert rows_of(client.get(path, headers=key)) == []


def test_who_is_in_a_segment_is_not_looked_for_member_by_member(chain):
    """Rows leave in their order by index; what a segment counts or sums up would be so anew for each member."""
    bought = {"all": [{"not": {"field": "purchase", "op": "within_days", "value": 90}}]}
    segment = str(keep_segment(chain.id, bought))

    everybody, some = (ask("members", Reader(chain.id), segment=which, now=utc_now()) for which in (None, segment))

    assert (everybody.spelling().is_row_by_row, some.spelling().is_row_by_row) == (True, False)


def test_segments_are_for_head_office_and_for_members(chain, client):
    stranger = db.session.scalars(select(Chain).filter_by(slug="other")).one()
    own, theirs = (keep_segment(each, {"all": []}) for each in (chain.id, stranger.id))
    key = bearer(make_key(chain))
    manager = bearer(make_key(chain, Role.STORE_MANAGER, db.session.get_one(Store, 1)))

    asked = [(key, "members", theirs), (key, "members", "²"), (key, "members", 10**30), (manager, "members", own)]
    answers = [client.get(f"/reports/{name}.csv?segment={which}", headers=who) for who, name, which in asked]
    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(404, "segment_not_found")}
    refused = client.get(f"/reports/cards.csv?segment={own}", headers=key)
    assert (refused.status_code, refused.json["code"]) == (422, "report_without_segments")


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
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    assert client.get("/reports/members.csv", headers=browser).location.startswith("/login")


@pytest.mark.parametrize("accept", ["*/*", "text/csv", "application/json"])
@pytest.mark.parametrize("file", ["members.csv", "members.control.json"])
def test_a_script_without_a_key_is_told_so(chain, client, accept, file):
    answer = client.get(f"/reports/{file}", headers={"Accept": accept})

    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert answer.get_json()["code"] == "not_signed_in"


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


def test_the_page_of_reports_offers_every_file(chain, client):
    sign_in(client, make_staff(chain))

    page = client.get("/dashboard/reports?from=2026-05-19&to=2026-05-20").text

    for name in REPORTS:
        assert f"/reports/{name}.csv?from=2026-05-19&amp;to=2026-05-20" in page, name


def test_a_manager_is_not_offered_what_is_for_head_office(chain, client):
    sign_in(client, make_staff(chain, Role.STORE_MANAGER, (db.session.get_one(Store, 1),)))

    page = client.get("/dashboard/reports").text

    assert "/reports/campaigns.csv" not in page
    assert client.get("/dashboard/reports/campaigns").status_code == 403
    assert client.get("/dashboard/reports/members").status_code == 200


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_can_be_read_on_a_page(chain, client, name):
    story.tell_of_rewards()
    sign_in(client, make_staff(chain))

    page = client.get(f"/dashboard/reports/{name}?from=2026-05-19&to=2026-05-21").text

    assert all(f"<code>{column.header}</code>" in page for column in REPORTS[name].columns)


def test_a_page_shows_text_as_it_is(chain, client):
    """Nothing runs as a formula there."""
    sign_in(client, make_staff(chain))

    page = client.get("/dashboard/reports/redemptions?from=2026-05-19&to=2026-05-21").text

    assert ">满30减5<" in page
    assert ">@金卡<" in client.get("/dashboard/reports/cards?from=2026-05-19&to=2026-05-21").text


def test_the_charts_add_up_to_the_files(chain):
    days = by_day(Reader(chain.id), date(2026, 5, 19), date(2026, 5, 20))

    totals = quick_totals(
        ask("stores_daily", Reader(chain.id), first="2026-05-19", last="2026-05-20", now=story.hours(48))
    )

    assert sum(each.cards for each in days) == totals["cards"]
    assert sum(each.payable_cents for each in days) == totals["payable_cents"]


def test_head_office_sees_who_took_what(chain, client):
    sign_in(client, make_staff(chain, name="沈雪"))
    client.get("/reports/members.csv?from=2026-05-19&to=2026-05-20").get_data()

    page = client.get("/dashboard/reports").text

    assert "members_2026-05-19_2026-05-20.csv" in page
    assert "沈雪" in page


@pytest.mark.parametrize("asked", ["from=x", "from=2026-05-20&to=2026-05-01", "store=nowhere", "from=0001-01-01"])
def test_a_page_of_reports_answers_odd_questions(chain, client, asked):
    sign_in(client, make_staff(chain))

    assert client.get(f"/dashboard/reports?{asked}").status_code == 200
    assert client.get(f"/dashboard/reports/cards?{asked}").status_code == 200


def test_a_chain_in_which_nothing_happened_is_shown_no_flat_charts(client):
    sign_in(client, make_staff(make_chain("quiet")))
    page = client.get("/dashboard/reports?lang=en").text

    assert "In this period there were none." in page
    assert "data-chart" not in page
    assert "/reports/members.csv" in page
