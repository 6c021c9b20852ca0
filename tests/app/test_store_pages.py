"""The pages of stores: who sees which, what they show, what they change."""

import csv
import io
import re
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from PIL import Image
from sqlalchemy import func, select, update

from cards.models import Card
from core.clock import utc_now
from core.db import db, transaction
from stores.models import Role, Scan, Store, StoreCode
from tests.factories import NOON, make_card, make_chain, make_staff, make_store, make_store_code, save
from tests.pages import post, sign_in

DIRTY = (Path(__file__).parent.parent / "stores" / "data" / "dirty-stores.csv").read_bytes()


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def admin(client, chain):
    """A browser in which head office is signed in, reading English."""
    sign_in(client, make_staff(chain))
    client.set_cookie("kq_language", "en")
    return client


def manager_of(client, chain, *stores):
    sign_in(client, make_staff(chain, Role.STORE_MANAGER, stores))
    client.set_cookie("kq_language", "en")
    return client


def upload(client, path, data, **more):
    file = {"file": (io.BytesIO(data), "stores.csv")}
    return post(client, path, file | more, content_type="multipart/form-data")


def fresh(model, row):
    db.session.expire_all()
    return db.session.get_one(model, row.id)


def selects_in(statements):
    return sum(statement.startswith("SELECT") for statement in statements)


def codes_in_pdf(data):
    return [zxingcpp.read_barcode(page.render(scale=1.5).to_pil()).text for page in pypdfium2.PdfDocument(data)]


def test_the_empty_list_teaches_what_belongs_there(admin):
    page = admin.get("/dashboard/stores").text

    assert "Here stand your stores" in page
    assert 'href="/dashboard/stores/import"' in page


def test_the_list_shows_codes_and_recent_cards(admin, chain):
    store = make_store(chain, "S1", name="Nanjing Road")
    code = make_store_code(store)
    make_store_code(store)
    make_card(code, now=utc_now())

    page = admin.get("/dashboard/stores").text

    assert "Nanjing Road" in page
    assert '<td class="num hide-phone">2</td><td class="num">1</td>' in page


def test_scans_that_became_a_card_leave_out_cards_that_came_another_way(admin, chain):
    store = make_store(chain, "S1")
    code = make_store_code(store)
    for visitor in "abcd":
        save(Scan(chain_id=chain.id, store_id=store.id, store_code_id=code.id, visitor=visitor, at=utc_now()))
    for _ in range(5):
        make_card(code, now=utc_now())
    with transaction():
        db.session.execute(
            update(Card).where(Card.id > select(func.min(Card.id)).scalar_subquery()).values(store_code_id=None)
        )

    page = " ".join(re.sub(r"<[^>]+>", " ", admin.get(f"/dashboard/stores/{store.id}").text).split())

    assert "New cards today 5" in page
    assert "Scans that became a card 25 %" in page


def test_a_store_says_where_it_is_as_envelopes_do(admin, chain):
    place = {"address": "南京东路 318 号", "city": "上海", "region": "上海", "postcode": "200001", "country": "CN"}
    store = make_store(chain, "S1", phone="+862160000001", **place)

    assert "南京东路 318 号, 上海, 200001, China" in admin.get(f"/dashboard/stores/{store.id}").text
    page = admin.get(f"/dashboard/stores/{store.id}?lang=zh").text
    assert "中国 上海 南京东路 318 号 200001" in page
    assert "021 6000 0001" in page


@pytest.mark.parametrize(("query", "found"), [("?search=kerry", "Kerry"), ("?city=上海", "Bund")])
def test_the_list_is_searched_and_filtered(admin, chain, query, found):
    make_store(chain, name="Kerry", city="杭州")
    make_store(chain, name="Bund", city="上海")

    page = admin.get(f"/dashboard/stores{query}").text

    assert [name for name in ("Kerry", "Bund") if f">{name}</a>" in page] == [found]


def test_a_search_without_a_hit_says_so_and_shows_the_way_back(admin, chain):
    make_store(chain)

    assert "No store fits this search" in admin.get("/dashboard/stores?search=nothing").text


def test_the_list_pages_by_key(admin, chain):
    for number in range(52):
        make_store(chain, name=f"Store {number:02}")

    first = admin.get("/dashboard/stores").text
    last_id = db.session.scalar(select(Store.id).filter_by(name="Store 49"))
    second = admin.get(f"/dashboard/stores?after={last_id}").text

    assert f"after={last_id}" in first
    assert [f"Store {number}" in second for number in (49, 50, 51)] == [False, True, True]


def test_the_list_asks_as_often_for_many_stores_as_for_one(admin, chain, count_queries):
    make_store(chain)
    admin.get("/dashboard/stores")
    count_queries.clear()
    admin.get("/dashboard/stores")
    for_one = selects_in(count_queries)
    for _ in range(30):
        make_store_code(make_store(chain))
    count_queries.clear()

    admin.get("/dashboard/stores")

    assert selects_in(count_queries) == for_one


def test_the_csv_has_the_rows_of_the_list_and_no_formula(admin, chain):
    make_store(chain, "S1", name="=1+1", city="上海", phone="+862162713050")
    make_store(chain, "S2", name="Other", city="杭州")

    answer = admin.get("/dashboard/stores/list.csv?city=上海")

    rows = list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert [(row["code"], row["name"], row["phone"]) for row in rows] == [("S1", "'=1+1", "+862162713050")]


def test_a_manager_sees_his_own_stores_only(client, chain):
    own, other = make_store(chain, name="Own"), make_store(chain, name="Other")
    code = make_store_code(other)
    manager = manager_of(client, chain, own)

    page = manager.get("/dashboard/stores").text

    assert (">Own</a>" in page, ">Other</a>" in page) == (True, False)
    assert "Other" not in manager.get("/dashboard/stores/list.csv").text
    assert manager.get(f"/dashboard/stores/{own.id}").status_code == 200
    for path in (
        f"/dashboard/stores/{other.id}",
        f"/dashboard/stores/{other.id}/codes/{code.id}.png",
        f"/dashboard/stores/{own.id}/codes/{code.id}.png",
        f"/dashboard/stores/{other.id}/codes/{code.id}/screen",
    ):
        assert manager.get(path).status_code == 404, path
    assert post(manager, f"/dashboard/stores/{other.id}/codes", {"label": "x"}).status_code == 404
    assert post(manager, f"/dashboard/stores/{other.id}/codes/{code.id}/revoke").status_code == 404


def test_the_store_of_another_chain_is_not_there(admin):
    theirs = make_store(make_chain("theirs"))
    code = make_store_code(theirs)

    assert admin.get(f"/dashboard/stores/{theirs.id}").status_code == 404
    assert admin.get(f"/dashboard/stores/{theirs.id}/edit").status_code == 404
    assert admin.get(f"/dashboard/stores/{theirs.id}/codes/{code.id}.svg").status_code == 404
    assert post(admin, f"/dashboard/stores/{theirs.id}/close").status_code == 404


@pytest.mark.parametrize("path", [f"/{2**63}", f"/{10**40}/edit", f"/1/codes/{10**40}.png", f"?after={10**40}"])
def test_a_number_that_no_row_can_have_breaks_nothing(admin, path):
    assert admin.get(f"/dashboard/stores{path}").status_code == (200 if "after" in path else 404)


@pytest.mark.parametrize("role", [Role.HQ_ANALYST, Role.STORE_MANAGER])
@pytest.mark.parametrize("path", ["/new", "/import", "/{id}/edit"])
def test_only_head_office_changes_stores(client, chain, role, path):
    store = make_store(chain)
    sign_in(client, make_staff(chain, role, (store,)))

    assert client.get("/dashboard/stores" + path.format(id=store.id)).status_code == 403


def test_an_analyst_reads_and_downloads_but_keeps_no_codes(client, chain):
    store = make_store(chain)
    code = make_store_code(store)
    sign_in(client, make_staff(chain, Role.HQ_ANALYST))

    assert client.get(f"/dashboard/stores/{store.id}/codes/{code.id}.pdf").status_code == 200
    assert post(client, f"/dashboard/stores/{store.id}/codes/{code.id}/revoke").status_code == 403


def test_looking_at_a_file_tells_what_it_would_do_and_changes_nothing(admin, chain):
    make_store(chain, "1001-1", name="Old")

    page = upload(admin, "/dashboard/stores/import/check", DIRTY + b"x,77,,\n").text

    assert "Import 6 stores" in page
    assert "The store has no name." in page
    assert "store_name_missing" in page
    assert [store.name for store in db.session.scalars(select(Store))] == ["Old"]


def test_htmx_gets_the_report_alone(admin):
    whole = upload(admin, "/dashboard/stores/import/check", DIRTY).text
    file = {"file": (io.BytesIO(DIRTY), "stores.csv")}
    part = post(
        admin,
        "/dashboard/stores/import/check",
        file,
        content_type="multipart/form-data",
        headers={"HX-Request": "true"},
    ).text

    assert "<html" in whole
    assert "<html" not in part
    assert "Import 6 stores" in part
    assert 'hx-swap-oob="true"' in part


def test_the_file_is_taken_in(admin):
    answer = upload(admin, "/dashboard/stores/import", DIRTY.decode().encode("gb18030"))

    assert answer.headers["Location"] == "/dashboard/stores"
    assert "6 stores added" in admin.get("/dashboard/stores").text
    assert len(db.session.scalars(select(StoreCode.label)).all()) == 6


def test_a_file_that_is_gb18030_is_said_to_be(admin):
    page = upload(admin, "/dashboard/stores/import/check", DIRTY.decode().encode("gb18030")).text

    assert "written in GB18030" in page


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "file_empty", "There are no stores"),
        (b"Nr,Laden\n1,A\n", "file_columns_missing", "No column was found for: Store number, Store name"),
        ("code,name\n1,Café\n".encode("cp1252"), "file_encoding_unknown", "The encoding"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_in_words(admin, data, code, words):
    looked = upload(admin, "/dashboard/stores/import/check", data)
    taken = upload(admin, "/dashboard/stores/import", data)

    assert words in looked.text
    assert (taken.status_code, words in taken.text) == (422, True)
    assert db.session.scalars(select(Store)).all() == []


def test_columns_can_be_chosen_where_no_header_tells(admin):
    data = b"Nr,Laden\n1,A\n"

    choices = upload(admin, "/dashboard/stores/import/check", data).text
    upload(admin, "/dashboard/stores/import", data, **{"map-code": "Nr", "map-name": "Laden", "map-city": "-"})

    assert '<option value="Laden">Laden</option>' in choices
    assert [(store.code, store.name) for store in db.session.scalars(select(Store))] == [("1", "A")]


def test_choices_made_for_another_file_are_forgotten(admin):
    page = upload(admin, "/dashboard/stores/import/check", DIRTY, **{"map-code": "Nr", "map-name": "Laden"}).text

    assert "Import 6 stores" in page


def test_a_store_is_opened_by_hand(admin):
    answer = post(admin, "/dashboard/stores/new", {"code": "S9", "name": "New one", "timezone": "Asia/Tokyo"})

    store = db.session.scalars(select(Store)).one()
    assert answer.headers["Location"] == f"/dashboard/stores/{store.id}"
    assert (store.code, store.timezone) == ("S9", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code": "S1", "name": "Twin"}, "There is already a store with the code “S1”"),
        ({"code": "S2", "name": "", "city": "Bern"}, "The store has no name"),
        ({"code": "S2", "name": "A", "latitude": "91", "longitude": "1"}, "91 in “Latitude” is beyond ±90"),
    ],
)
def test_what_cannot_be_kept_is_said_and_what_was_typed_stays(admin, chain, fields, words):
    make_store(chain, "S1")

    answer = post(admin, "/dashboard/stores/new", fields)

    assert answer.status_code == 422
    assert words in answer.text
    assert all(f'value="{value}"' in answer.text for value in fields.values())


def test_a_store_is_corrected(admin, chain):
    store = make_store(chain, "S1", name="Old", longitude=121.5, latitude=31.2)

    shown = admin.get(f"/dashboard/stores/{store.id}/edit").text
    post(admin, f"/dashboard/stores/{store.id}/edit", {"code": "S1", "name": "New", "latitude": "", "longitude": ""})

    assert 'value="121.5"' in shown
    assert (fresh(Store, store).name, store.longitude, store.timezone) == ("New", None, "Asia/Shanghai")


def test_a_store_closes_with_an_undo(admin, chain):
    store = make_store(chain)

    post(admin, f"/dashboard/stores/{store.id}/close")
    page = admin.get(f"/dashboard/stores/{store.id}").text
    closed_at = fresh(Store, store).closed_at
    post(admin, f"/dashboard/stores/{store.id}/reopen")

    assert closed_at is not None
    assert f'action="/dashboard/stores/{store.id}/reopen"' in page
    assert fresh(Store, store).closed_at is None


def test_the_store_page_counts_scans_and_cards_of_each_code(admin, chain):
    store = make_store(chain)
    door, table = make_store_code(store, label="door"), make_store_code(store, label="table")
    now = utc_now()
    for code, visitor in [(door, "a"), (door, "b"), (door, "c"), (table, "a")]:
        save(Scan(chain_id=chain.id, store_id=store.id, store_code_id=code.id, visitor=visitor, at=now))
    save(Scan(chain_id=chain.id, store_id=store.id, store_code_id=door.id, visitor="old", at=NOON.replace(year=2020)))
    make_card(door, now=now)

    page = admin.get(f"/dashboard/stores/{store.id}").text

    assert '<span class="number strong">3</span> scans · <span class="number strong">1</span> card ' in page
    assert '<span class="number strong">1</span> scan · <span class="number strong">0</span> cards ' in page
    assert '<span class="tile__value">25<small>%</small></span>' in page


def test_a_store_without_a_code_teaches_what_codes_are(admin, chain):
    assert "A code is what customers scan" in admin.get(f"/dashboard/stores/{make_store(chain).id}").text


def test_a_manager_adds_renames_revokes_and_restores_the_codes_of_his_store(client, chain):
    store = make_store(chain)
    manager = manager_of(client, chain, store)
    base = f"/dashboard/stores/{store.id}/codes"

    post(manager, base, {"label": "Table 12"})
    code = db.session.scalars(select(StoreCode)).one()
    post(manager, f"{base}/{code.id}/rename", {"label": "Table 13"})
    post(manager, f"{base}/{code.id}/revoke")
    page = manager.get(f"/dashboard/stores/{store.id}").text
    revoked_at = fresh(StoreCode, code).revoked_at
    post(manager, f"{base}/{code.id}/restore")

    assert fresh(StoreCode, code).label == "Table 13"
    assert revoked_at is not None
    assert f'action="{base}/{code.id}/restore"' in page
    assert fresh(StoreCode, code).revoked_at is None


def test_a_code_without_a_label_is_refused_in_words(admin, chain):
    store = make_store(chain)

    post(admin, f"/dashboard/stores/{store.id}/codes", {"label": " "})

    assert "Say where this code hangs" in admin.get(f"/dashboard/stores/{store.id}").text
    assert db.session.scalars(select(StoreCode)).all() == []


def test_the_pictures_of_a_code_say_its_address(admin, chain):
    store = make_store(chain, "S 1")
    code = make_store_code(store, label="店门")
    base = f"/dashboard/stores/{store.id}/codes/{code.id}"
    url = f"http://localhost/q/{code.token}"

    png = admin.get(f"{base}.png")
    svg = admin.get(f"{base}.svg?inline")
    pdf = admin.get(f"{base}.pdf?size=tent")

    assert zxingcpp.read_barcode(Image.open(io.BytesIO(png.data))).text == url
    assert "S-1-%E5%BA%97%E9%97%A8.png" in png.headers["Content-Disposition"]
    assert (svg.mimetype, svg.headers["Content-Disposition"][:6]) == ("image/svg+xml", "inline")
    assert [code.text for code in zxingcpp.read_barcodes(first_page(pdf.data))] == [url, url]


def first_page(data):
    return pypdfium2.PdfDocument(data)[0].render(scale=2).to_pil()


@pytest.mark.parametrize("kind", ["gif", "exe"])
def test_there_is_no_other_kind_of_picture(admin, chain, kind):
    store = make_store(chain)
    code = make_store_code(store)

    assert admin.get(f"/dashboard/stores/{store.id}/codes/{code.id}.{kind}").status_code == 404


def test_the_posters_of_a_list_come_in_one_file(admin, chain):
    tokens = [make_store_code(make_store(chain, city="上海")).token for _ in range(3)]
    make_store_code(make_store(chain, city="杭州"))
    make_store_code(make_store(chain, city="上海", closed_at=NOON))

    answer = admin.get("/dashboard/stores/posters.pdf?city=上海")

    assert codes_in_pdf(answer.data) == [f"http://localhost/q/{token}" for token in tokens]


def test_too_many_posters_are_refused_with_what_to_do(admin, chain, monkeypatch):
    monkeypatch.setattr("app.dashboard.stores.MOST_POSTERS", 1)
    for _ in range(2):
        make_store_code(make_store(chain))

    answer = admin.get("/dashboard/stores/posters.pdf")

    assert answer.status_code == 422
    assert "too_many_posters" in answer.text


def test_the_tablet_shows_the_code_and_what_to_do(admin, chain):
    store = make_store(chain, name="Bund")
    code = make_store_code(store)

    page = admin.get(f"/dashboard/stores/{store.id}/codes/{code.id}/screen").text

    assert "扫码领会员卡" in page
    assert "Scan for your member card" in page
    assert f"/dashboard/stores/{store.id}/codes/{code.id}.svg" in page


def test_the_tablet_shows_no_code_that_is_revoked(admin, chain):
    store = make_store(chain)
    code = make_store_code(store, revoked_at=NOON)

    assert "This code is not in use" in admin.get(f"/dashboard/stores/{store.id}/codes/{code.id}/screen").text


def test_reading_pages_changes_nothing(admin, chain, count_queries):
    store = make_store(chain)
    code = make_store_code(store)
    base = f"/dashboard/stores/{store.id}"
    count_queries.clear()

    for path in ("/dashboard/stores", base, f"{base}/codes/{code.id}.pdf", "/dashboard/stores/list.csv"):
        assert admin.get(path).status_code == 200

    assert not [statement for statement in count_queries if statement.split()[0] in ("INSERT", "UPDATE", "DELETE")]


@pytest.mark.parametrize("path", ["", "/new", "/import", "/{id}", "/{id}/edit"])
def test_every_page_speaks_chinese(admin, chain, path):
    store = make_store(chain, name="S", city="C")
    make_store_code(store, label="x")
    admin.set_cookie("kq_language", "zh")

    page = admin.get("/dashboard/stores" + path.format(id=store.id)).text

    assert "门店" in page
    for english in ("Store number", "Search</", "Import a list", "Add a ", "Save</", "Codes<", "days"):
        assert english not in page
