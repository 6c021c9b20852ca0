"""``stores import``, ``codes list`` and ``codes export`` as a shell sees them."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from PIL import Image
from sqlalchemy import func, select

from core.db import db
from stores.models import Store, StoreCode
from tests.factories import NOON, make_chain, make_store, make_store_code

DIRTY = Path(__file__).parent.parent / "stores" / "data" / "dirty-stores.csv"


@pytest.fixture
def run(app, monkeypatch):
    """Run a command; the answer has exit_code, stdout and stderr."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=[str(argument) for argument in arguments])


@pytest.fixture
def file(tmp_path):
    """Write a file to import."""

    def write(text):
        path = tmp_path / "stores.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def count_stores():
    return db.session.scalar(select(func.count(Store.id)))


def manifest_of(folder):
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_an_import_prints_one_json_document(run):
    make_chain()

    answer = run("stores", "import", DIRTY, "--json")

    report = json.loads(answer.stdout)
    assert answer.exit_code == 0
    assert {name: report[name] for name in ("created", "updated", "unchanged", "refused")} == {
        "created": 6,
        "updated": 0,
        "unchanged": 0,
        "refused": [],
    }
    assert count_stores() == 6


def test_a_dry_run_changes_nothing(run):
    make_chain()

    answer = run("stores", "import", DIRTY, "--dry-run", "--json")

    assert json.loads(answer.stdout)["created"] == 6
    assert count_stores() == 0


def test_a_refused_line_is_reported_with_line_code_and_reason(run, file):
    make_chain()

    answer = run("stores", "import", file("code,name\nA,One\n,Two\n"), "--json")

    assert json.loads(answer.stdout)["refused"] == [
        {
            "line": 3,
            "code": "store_code_missing",
            "reason": "The store has no code.",
            "reasons": {"zh": "没有门店编号。", "en": "The store has no code."},
            "store_code": "",
            "store_name": "Two",
        }
    ]
    assert answer.exit_code == 0


@pytest.mark.parametrize(("locale", "words"), [("zh_CN.UTF-8", "新增 1，"), ("en_GB.UTF-8", "Created 1, ")])
def test_the_report_speaks_the_language_of_the_terminal(run, file, monkeypatch, locale, words):
    make_chain()
    monkeypatch.setenv("LC_ALL", locale)

    answer = run("stores", "import", file("code,name,x\nA,One\nA,Two\n"))

    assert words in answer.stdout
    assert "store_code_repeated" in answer.stdout


def test_the_report_says_that_a_file_is_gb18030(run, file):
    make_chain()

    answer = run("stores", "import", file("编号,店名\n1,南京东路店\n".encode("gb18030")))

    assert "gb18030" in answer.stdout
    assert db.session.scalars(select(Store.name)).all() == ["南京东路店"]


@pytest.mark.parametrize(
    ("data", "code"),
    [("code,name\n1,Café\n".encode("cp1252"), "file_encoding_unknown"), (b"a,b\n1,2\n", "file_columns_missing")],
)
def test_a_file_that_is_refused_ends_with_status_1(run, file, data, code):
    make_chain()

    answer = run("stores", "import", file(data), "--json")

    assert answer.exit_code == 1
    assert json.loads(answer.stdout)["error"]["code"] == code
    assert count_stores() == 0


def test_a_map_names_the_columns(run, file):
    make_chain()

    answer = run("stores", "import", file("Nr,Laden\n7,Bern\n"), "--map", "code=Nr", "--map", "name=Laden", "--json")

    assert json.loads(answer.stdout)["columns"] == {"code": "Nr", "name": "Laden"}


@pytest.mark.parametrize("given", ["code", "=Nr"])
def test_a_map_of_another_shape_is_a_wrong_call(run, file, given):
    make_chain()

    assert run("stores", "import", file("code,name\n"), "--map", given).exit_code == 2


def test_a_control_character_never_reaches_the_terminal(run, file):
    make_chain()

    answer = run("stores", "import", file("code,name\nA\x1b[2J,N\0N\n"))

    assert "\x1b" not in answer.stdout
    assert "\0" not in answer.stdout


def test_the_chain_is_named_where_there_are_several(run):
    make_chain("one")
    make_chain("two")

    assert run("stores", "import", DIRTY).exit_code == 2
    assert run("stores", "import", DIRTY, "--chain", "two").exit_code == 0
    assert run("codes", "list", "--chain", "one", "--json").stdout.strip() == "[]"


def test_codes_are_listed_as_json(run):
    store = make_store(make_chain(), "S1")
    code = make_store_code(store, label="door")
    make_store_code(store, label="old", revoked_at=NOON)

    listed = json.loads(run("codes", "list", "--json").stdout)

    assert listed[0] == {
        "store_code": "S1",
        "label": "door",
        "token": code.token,
        "url": f"http://localhost/q/{code.token}",
        "state": "active",
    }
    assert listed[1]["state"] == "revoked"


def read_png(path):
    return zxingcpp.read_barcode(Image.open(path)).text


def read_pdf(path):
    return zxingcpp.read_barcode(pypdfium2.PdfDocument(path)[0].render(scale=1.5).to_pil()).text


def read_svg(path):
    """The size of the drawing; tests/stores/test_pictures.py reads one back."""
    return path.read_text(encoding="utf-8").startswith("<svg ")


@pytest.mark.parametrize(
    ("kind", "read"), [("png", read_png), ("svg", read_svg), ("pdf", read_pdf)], ids=["png", "svg", "pdf"]
)
def test_every_code_in_force_is_drawn_and_listed(run, tmp_path, kind, read):
    chain = make_chain()
    run("stores", "import", DIRTY)
    make_store_code(make_store(chain, "R"), revoked_at=NOON)
    make_store_code(make_store(chain, "C", closed_at=NOON))
    out = tmp_path / "new" / "codes"

    answer = run("codes", "export", "--out", out, "--format", kind)

    rows = manifest_of(out)
    assert (answer.exit_code, answer.stdout) == (0, "")
    assert sorted(row["store_code"] for row in rows) == ["1001-1", "1002-7", "1003-2", "1004-4", "1005-9", "1006-3"]
    assert [read(out / row["file"]) for row in rows] == [kind == "svg" or row["url"] for row in rows]
    assert {path.name for path in out.iterdir()} == {"manifest.csv", *(row["file"] for row in rows)}
    tokens = db.session.scalars(select(StoreCode.token).filter_by(revoked_at=None)).all()
    assert {row["url"].rpartition("/")[2] for row in rows} < set(tokens)


def test_a_formula_in_a_name_is_harmless_in_the_manifest(run, tmp_path):
    make_store_code(make_store(make_chain(), "=1+1", name="@SUM(A1)"), label="-door")

    run("codes", "export", "--out", tmp_path)

    row = manifest_of(tmp_path)[0]
    assert (row["store_code"], row["store_name"], row["label"]) == ("'=1+1", "'@SUM(A1)", "'-door")


def test_file_names_are_safe_and_none_is_written_over(run, tmp_path):
    chain = make_chain()
    for code in ("../../etc/passwd", "a/b", "A:B", "…", "x" * 40):
        make_store_code(make_store(chain, code), label="店门 / <1>")
    make_store_code(make_store(chain, "a b"), label="店门 / <1>")
    out = tmp_path / "out"

    run("codes", "export", "--out", out)

    names = [row["file"] for row in manifest_of(out)]
    assert len({name.casefold() for name in names}) == 6
    assert all((out / name).is_file() for name in names)
    assert not any(set(name) & set('/\\:*?"<>| ') for name in names)


def test_the_codes_of_one_store_are_exported_alone(run, tmp_path):
    chain = make_chain()
    for code in ("A", "B"):
        make_store_code(make_store(chain, code))

    run("codes", "export", "--out", tmp_path, "--store", "B")

    assert [row["store_code"] for row in manifest_of(tmp_path)] == ["B"]


def test_a_poster_without_a_font_is_refused_with_what_to_install(app, run, tmp_path, monkeypatch):
    import dataclasses

    make_store_code(make_store(make_chain()))
    settings = dataclasses.replace(app.extensions["settings"], poster_font="/no/such/font.ttc")
    monkeypatch.setitem(app.extensions, "settings", settings)

    answer = run("codes", "export", "--out", tmp_path, "--format", "pdf")

    assert answer.exit_code == 1
    assert "fonts-wqy-microhei" in answer.stderr
    assert not (tmp_path / "manifest.csv").exists()


def test_png_codes_of_the_export_are_one_bit_pictures(run, tmp_path):
    make_store_code(make_store(make_chain()))
    run("codes", "export", "--out", tmp_path)

    picture = Image.open(io.BytesIO((tmp_path / manifest_of(tmp_path)[0]["file"]).read_bytes()))

    assert picture.mode == "1"


def test_a_store_that_is_not_there_is_refused(run, tmp_path):
    make_store(make_chain(), "A")

    for words in (["list", "--json"], ["export", "--out", tmp_path]):
        answer = run("codes", *words, "--store", "NOWHERE")
        assert (answer.exit_code, answer.stdout) == (1, "")
        assert "NOWHERE" in answer.stderr


@pytest.mark.parametrize(("public_url", "warns"), [("http://localhost:8000", True), ("https://card.example", False)])
def test_codes_that_no_phone_reaches_are_exported_with_a_warning(app, run, tmp_path, monkeypatch, public_url, warns):
    make_store(make_chain(), "A")
    monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], public_url=public_url))

    answer = run("codes", "export", "--out", tmp_path)
    assert (answer.exit_code, "PUBLIC_URL" in answer.stderr) == (0, warns)
