"""Head office's pages for printed codes and for lists of phones."""

import csv
import io

import pytest
from sqlalchemy import func, select, update

from cards.models import Member
from core.audit import SYSTEM, AuditEntry
from core.clock import utc_now
from core.db import db, transaction
from coupons import printing
from coupons.code_models import CodeBatch, PrintedCode
from coupons.models import Coupon
from stores.models import Role
from tests.factories import make_card, make_chain, make_offer, make_staff, make_store, make_store_code
from tests.pages import csrf, post, sign_in


@pytest.fixture
def chain(app, client):
    chain = make_chain()
    sign_in(client, make_staff(chain, Role.HQ_ADMIN))
    return chain


@pytest.fixture
def path(chain):
    return f"/dashboard/offers/{make_offer(chain).id}"


def made(client, path, size=20, **form):
    post(client, f"{path}/codes", {"size": size, "name": "传单"} | form)
    return db.session.scalars(select(CodeBatch).order_by(CodeBatch.id.desc()).limit(1)).one()


def fill(client, path, batch):
    return client.post(f"{path}/codes/{batch.id}/fill", headers={"HX-Request": "true", "X-CSRFToken": csrf(client)})


def send(client, path, content, **form):
    data = {"csrf_token": csrf(client), "file": (io.BytesIO(content), "list.csv")} | form
    return client.post(f"{path}?lang=en", data=data, content_type="multipart/form-data")


def test_a_batch_is_written_piece_by_piece_from_its_page(client, path, monkeypatch):
    monkeypatch.setattr(printing, "PIECE", 10)
    batch = made(client, path)

    page = client.get(f"{path}/codes?lang=en").text
    first, second = fill(client, path, batch), fill(client, path, batch)

    assert f"/codes/{batch.id}/fill" in page
    assert "10 / 20" in first.text
    assert second.headers["HX-Refresh"] == "true"
    assert "In use" in client.get(f"{path}/codes?lang=en").text


def test_the_same_form_sent_twice_begins_one_batch(client, path):
    for _ in range(2):
        made(client, path, request_id="form-1")

    assert db.session.scalar(select(func.count(CodeBatch.id))) == 1


@pytest.mark.parametrize("size", ["0", "", "many", "10000001", "-5", "１０"])
def test_a_wrong_number_of_codes_is_said(client, path, size):
    answer = post(client, f"{path}/codes?lang=en", {"size": size})

    assert answer.status_code == 422
    assert "between 1 and 10,000,000" in answer.text


def test_the_codes_are_downloaded_and_the_audit_tells(client, path):
    batch = made(client, path)
    early = client.get(f"{path}/codes/{batch.id}.csv")
    fill(client, path, batch)

    file = client.get(f"{path}/codes/{batch.id}.csv")

    rows = list(csv.reader(io.StringIO(file.text)))
    assert early.status_code == 409
    assert (len(rows), rows[0][0], rows[1][1]) == (21, "code", "unused")
    assert all(printing.has_right_check(printing.plain(row[0])) for row in rows[1:])
    assert db.session.scalar(select(func.count()).where(AuditEntry.action == "codes exported")) == 1


def test_a_batch_is_made_void_with_its_numbers_said(client, path):
    batch = made(client, path)
    fill(client, path, batch)

    page = client.get(f"{path}/codes?lang=en").text
    post(client, f"{path}/codes/{batch.id}/void")

    assert "20 unused codes stop working" in page
    assert db.session.scalar(select(CodeBatch.state)) == "void"
    assert "20 codes are void" in client.get(f"{path}/codes?lang=en").text


def test_a_partners_list_is_taken_in_with_its_report(client, path):
    answer = send(client, f"{path}/codes/import", b"code\nPARTNER-1\nPARTNER-1\nx\nPARTNER-2\n")

    assert answer.status_code == 200
    assert "It stood in this file before." in answer.text
    assert "This is no code" in answer.text
    assert db.session.scalar(select(func.count()).select_from(PrintedCode)) == 2
    assert db.session.scalar(select(CodeBatch.name)) == "list.csv"


def test_without_a_file_nothing_is_taken_in(client, path):
    answer = post(client, f"{path}/codes/import?lang=en", {})

    assert (answer.status_code, "Choose the file first" in answer.text) == (422, True)
    assert db.session.scalar(select(func.count(CodeBatch.id))) == 0


def test_a_list_of_phones_is_looked_at_then_handed_out(client, chain, path):
    card = make_card(make_store_code(make_store(chain)))
    with transaction():
        db.session.execute(update(Member).where(Member.id == card.member_id).values(phone="+8613800000001"))
    content = b"phone\n13800000001\n13800000002\nx\n"

    looked = send(client, f"{path}/hand-out", content)
    before = db.session.scalar(select(func.count(Coupon.id)))
    given = [send(client, f"{path}/hand-out", content, do="yes", request_id="list-1") for _ in range(2)]

    assert (looked.status_code, before) == (200, 0)
    assert "Nothing was given yet" in looked.text
    assert "No member has this phone number." in given[0].text
    assert "Got the coupon from this list before." in given[1].text
    assert db.session.scalars(select(Coupon.source)).all() == ["import"]


def test_a_list_that_is_too_long_is_refused(client, path, monkeypatch):
    monkeypatch.setattr("app.dashboard.printed_codes.MOST_LINES", 2)

    answer = send(client, f"{path}/hand-out", b"13800000001\n13800000002\n13800000003\n", do="yes")

    assert answer.status_code == 422
    assert "At most 2 lines" in answer.text


def test_an_analyst_reads_and_does_not_make(client, app, chain, path):
    analyst = sign_in(app.test_client(), make_staff(chain, Role.HQ_ANALYST))
    manager = sign_in(app.test_client(), make_staff(chain, Role.STORE_MANAGER, (make_store(chain),)))

    assert analyst.get(f"{path}/codes").status_code == 200
    assert "Make new codes" not in analyst.get(f"{path}/codes?lang=en").text
    assert post(analyst, f"{path}/codes", {"size": 5}).status_code == 403
    assert manager.get(f"{path}/codes").status_code == 403


def test_a_batch_of_another_offer_or_chain_is_not_found(client, chain, path):
    other_offer, other_chain = make_offer(chain), make_chain("other")
    with transaction():
        batch = printing.make_batch(chain.id, other_offer.id, size=1, name="", by=SYSTEM, now=utc_now())
    foreign = make_offer(other_chain)

    assert client.get(f"{path}/codes/{batch.id}.csv").status_code == 404
    assert post(client, f"{path}/codes/{batch.id}/void").status_code == 404
    assert client.get(f"/dashboard/offers/{foreign.id}/codes").status_code == 404


@pytest.mark.parametrize("content", [b'phone\n"13800138000\n13800138001\n', b'"' + b"1" * 200_000], ids=len)
def test_a_list_whose_quotes_do_not_match_is_refused_with_its_line(client, path, content):
    page = send(client, f"{path}/hand-out", content, do="yes")

    assert page.status_code == 422
    assert "the quotes do not match" in page.text


def test_a_file_whose_name_no_database_can_hold_is_refused(client, path):
    data = {"csrf_token": csrf(client), "file": (io.BytesIO(b"PAPER0001\n"), "list\0.csv")}

    assert client.post(f"{path}/codes/import", data=data, content_type="multipart/form-data").status_code == 400
