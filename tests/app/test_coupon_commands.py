"""The commands for printed codes and lists of phones."""

import csv
import json

import pytest
from sqlalchemy import func, select, update

from cards.models import Member
from core.audit import AuditEntry
from core.db import db, transaction
from coupons import printing
from coupons.code_models import CodeBatch, PrintedCode
from coupons.models import Coupon
from tests.app.test_commands import run  # noqa: F401
from tests.factories import make_card, make_chain, make_offer, make_store, make_store_code


@pytest.fixture
def shop(app):
    chain = make_chain()
    return chain, make_store_code(make_store(chain)), make_offer(chain).id


def read(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_codes_are_made_and_written(run, shop, tmp_path):  # noqa: F811
    out = tmp_path / "codes.csv"

    status, said, _ = run("coupons", "codes-make", shop[2], 25, "--out", out, "--name", "传单", "--json")

    document = json.loads(said)
    rows = read(out)
    assert status == 0
    assert (document["size"], document["state"], document["name"]) == (25, "active", "传单")
    assert rows[0] == ["code", "state", "coupon_id", "used_at"]
    assert len(rows) == 26
    assert all(printing.has_right_check(printing.plain(row[0])) for row in rows[1:])
    assert set(db.session.scalars(select(AuditEntry.action))) >= {"codes begun", "codes exported"}


def test_an_interrupted_batch_is_continued(run, shop, tmp_path, monkeypatch):  # noqa: F811
    out, fill, pieces = tmp_path / "codes.csv", printing.fill_batch, iter([True, False])
    monkeypatch.setattr(printing, "PIECE", 10)

    def broken(*args):
        if not next(pieces):
            raise KeyboardInterrupt
        return fill(*args)

    monkeypatch.setattr(printing, "fill_batch", broken)
    status, _, said = run("coupons", "codes-make", shop[2], 25, "--out", out)
    monkeypatch.setattr(printing, "fill_batch", fill)
    batch_id = db.session.scalar(select(CodeBatch.id))

    assert (status, out.exists()) == (1, False)
    assert f"codes-continue {batch_id}" in said
    assert run("coupons", "codes-export", batch_id, "--out", out)[0] == 1
    assert run("coupons", "codes-continue", batch_id, "--out", out)[0] == 0
    assert len(read(out)) == 26


def test_a_list_of_codes_is_taken_in_with_a_report(run, shop, tmp_path):  # noqa: F811
    file, report = tmp_path / "partner.csv", tmp_path / "report.csv"
    file.write_text("code\nPARTNER-001\nPARTNER-001\n=1+1\nPARTNER-002\n", encoding="utf-8")

    status, said, _ = run("coupons", "codes-import", shop[2], file, "--report", report, "--json")

    document = json.loads(said)
    assert (status, document["accepted"], document["duplicate_in_file"], document["malformed"]) == (0, 2, 1, 1)
    assert [line["line"] for line in document["refused"]] == [3, 4]
    assert read(report)[1:] == [["3", "PARTNER-001", "duplicate_in_file"], ["4", "'=1+1", "malformed"]]


def test_a_batch_is_voided_after_a_question(run, shop, tmp_path):  # noqa: F811
    run("coupons", "codes-make", shop[2], 5, "--out", tmp_path / "codes.csv")
    batch_id = db.session.scalar(select(CodeBatch.id))

    assert run("coupons", "codes-void", batch_id, standard_input="n\n")[0] == 1
    assert db.session.scalar(select(CodeBatch.state)) == "active"
    assert "5 unused codes are void" in run("coupons", "codes-void", batch_id, "--yes")[1]
    assert "void" in run("coupons", "codes-list")[1]
    assert run("coupons", "codes-void", batch_id, "--yes")[0] == 1


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["codes-make", 999, 5, "--out", "x.csv"], 1),
        (["codes-make", 1, 0, "--out", "x.csv"], 2),
        (["codes-make", 1, 5], 2),
        (["codes-make", 1, 5, "--out", "no-such-folder/x.csv"], 2),
        (["codes-void", 999, "--yes"], 1),
        (["codes-import", 1, "no-such-file.csv"], 2),
        (["hand-out", 999, __file__], 1),
    ],
)
def test_a_wrong_command_ends_with_its_status(run, shop, words, status, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)

    assert run("coupons", *words)[0] == status
    assert db.session.scalar(select(func.count()).select_from(PrintedCode)) == 0


def test_coupons_are_handed_out_to_a_list(run, shop, tmp_path):  # noqa: F811
    chain, code, offer_id = shop
    card = make_card(code)
    with transaction():
        db.session.execute(update(Member).where(Member.id == card.member_id).values(phone="+8613800000001"))
    file, report = tmp_path / "phones.csv", tmp_path / "report.csv"
    file.write_text("手机\n13800000001\n13800000002\nx\n", encoding="utf-8-sig")

    dry = json.loads(run("coupons", "hand-out", offer_id, file, "--dry-run", "--json")[1])
    first = json.loads(run("coupons", "hand-out", offer_id, file, "--json", "--report", report)[1])
    again = json.loads(run("coupons", "hand-out", offer_id, file, "--json")[1])
    in_words = run("coupons", "hand-out", offer_id, file)[1]

    names = ("accepted", "already_has", "unknown_phone", "malformed")
    assert [[document[name] for name in names] for document in (dry, first, again)] == [
        [1, 0, 1, 1],
        [1, 0, 1, 1],
        [0, 1, 1, 1],
    ]
    assert "had it 1" in in_words
    assert read(report)[1:] == [["3", "13800000002", "unknown_phone", ""], ["4", "x", "malformed", ""]]
    assert db.session.scalar(select(func.count(Coupon.id))) == 1
    assert chain.slug == "snowpeak"
