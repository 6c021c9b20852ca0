"""Reading head office's CSV: bytes in, rows by field out, or the whole file refused."""

from pathlib import Path

import pytest

from core.errors import Invalid
from stores import store_files
from stores.store_files import read_store_file

DIRTY = (Path(__file__).parent / "data" / "dirty-stores.csv").read_bytes()
MILLION = "x" * 1_000_000


def codes_in(file):
    return [row.cells["code"] for row in file.rows]


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("gb18030", "gb18030"),
    ],
)
def test_the_encoding_is_recognised_and_named(encoding, named):
    file = read_store_file(DIRTY.decode().encode(encoding))

    assert file.encoding == named
    assert codes_in(file) == ["1001-1", "1002-7", "1003-2", "1004-4", "1005-9", "1006-3"]
    assert file.rows[0].cells["name"] == "雪山冰品南京东路店"


def test_the_headers_of_head_offices_are_understood():
    file = read_store_file(DIRTY)

    assert file.columns == {
        "code": "Store Number",
        "name": "Store Name",
        "address": "Street Address",
        "city": "City",
        "region": "State/Province",
        "country": "Country",
        "postcode": "Postcode",
        "phone": "Phone Number",
        "timezone": "Timezone",
        "longitude": "Longitude",
        "latitude": "Latitude",
    }
    assert file.unused == ["Brand", "Ownership Type"]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (
            "门店编号,门店名称,详细地址,城市,省份,国家/地区,邮政编码,联系电话,时区,经度,纬度",
            "code name address city region country postcode phone timezone longitude latitude",
        ),
        ("店号,店名,地址,电话", "code name address phone"),
        ("code,name,lat,lng,tz,zip", "code name latitude longitude timezone postcode"),
        ("Store ID,Branch Name,Tel.", "code name phone"),
        ("STORE_NO;Name;Postal code", "code name postcode"),
        ("number\tstore\tprovince", "code name region"),
    ],
)
def test_headers_are_guessed_in_both_languages_and_with_any_separator(header, columns):
    separator = next(sign for sign in "\t;," if sign in header)
    line = separator.join(["7", "店"] + [""] * (header.count(separator) - 1))

    file = read_store_file(f"{header}\n{line}\n".encode())

    assert sorted(file.columns) == sorted(columns.split())


def test_a_map_names_the_columns_that_no_header_tells():
    data = b"Filiale,Bezeichnung,Ort,code\n12,Laden,Bern,x\n"

    file = read_store_file(data, {"code": "filiale", "name": "Bezeichnung"})

    assert file.columns == {"code": "Filiale", "name": "Bezeichnung"}
    assert file.rows[0].cells == {"code": "12", "name": "Laden"}
    assert file.unused == ["Ort", "code"]


def test_a_field_that_is_mapped_to_nothing_is_left_out():
    file = read_store_file(b"code,name,region,tel\n1,A,B,2\n", {"region": "", "phone": "Region"})

    assert file.columns == {"code": "code", "name": "name", "phone": "region"}


def test_a_row_knows_the_line_it_starts_on():
    data = b'code,name,address\n\n1,A,"two\nlines"\n\n\n2,B,x\n'

    assert [row.line for row in read_store_file(data).rows] == [3, 7]


def test_a_row_may_end_early_and_what_is_beyond_the_header_is_counted():
    rows = read_store_file(b"code,name,city\n1,A\n2,B,C,,\n3,D,E,F,G\n").rows

    assert [row.cells["city"] for row in rows] == ["", "C", "E"]
    assert [row.surplus for row in rows] == [0, 0, 2]


def test_a_cell_of_a_million_characters_is_read():
    rows = read_store_file(f"code,name\n1,{MILLION}\n2,B\n".encode()).rows

    assert [len(row.cells["name"]) for row in rows] == [1_000_000, 1]


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        pytest.param(b"", store_files.FileEmpty, id="no bytes"),
        pytest.param(b"\xef\xbb\xbf\n\n", store_files.FileEmpty, id="nothing but a BOM"),
        pytest.param(b"code,name\n,\n", store_files.FileEmpty, id="a header and empty lines"),
        pytest.param(b"PK\x03\x04stuff", store_files.FileNotCsv, id="an Excel workbook"),
        pytest.param(b"\xd0\xcf\x11\xe0stuff", store_files.FileNotCsv, id="an old Excel workbook"),
        pytest.param("code,name\n1,台北忠孝東路門市部".encode("big5"), store_files.FileEncodingUnknown, id="Big5"),
        pytest.param("code,name\n1,Café Zürich".encode("cp1252"), store_files.FileEncodingUnknown, id="Windows-1252"),
        pytest.param(
            "code,name\n1,渋谷スクランブル店".encode("shift_jis"),
            store_files.FileEncodingUnknown,
            id="Shift JIS",
        ),
        pytest.param(bytes(range(128, 256)) * 9, store_files.FileEncodingUnknown, id="no text at all"),
        pytest.param(b"\xff\xfea", store_files.FileEncodingUnknown, id="half a UTF-16 character"),
        pytest.param(b"city,phone\nBern,1\n", store_files.FileColumnsMissing, id="no code and no name"),
        pytest.param(b"code\n1\n", store_files.FileColumnsMissing, id="no name"),
        pytest.param(b"code,Code,name\n1,2,A\n", store_files.FileColumnTwice, id="two columns of one name"),
        pytest.param(b'code,name\n1,"A\n2,B\n', store_files.FileBroken, id="a quote that never ends"),
        pytest.param(b'code,name\n1,"A"B\n', store_files.FileBroken, id="text after a quote"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_as_a_whole(data, refusal):
    with pytest.raises(refusal) as refused:
        read_store_file(data)

    assert refused.value.say("zh")
    assert refused.value.say("en") != refused.value.say("zh")


def test_the_refusal_of_missing_columns_says_what_is_missing_and_what_is_there():
    with pytest.raises(store_files.FileColumnsMissing) as refused:
        read_store_file(b"code,Ort\n1,Bern\n")

    assert refused.value.context == {"missing": "name", "found": "code, Ort", "headers": ["code", "Ort"]}


def test_a_broken_quote_is_named_by_its_line():
    with pytest.raises(store_files.FileBroken) as refused:
        read_store_file(b'code,name\n1,A\n2,"B\n3,C\n')

    assert refused.value.context == {"line": 3}


@pytest.mark.parametrize(
    ("mapping", "refusal"),
    [
        ({"code": "Nummer"}, store_files.FileColumnUnknown),
        ({"colour": "Code"}, store_files.FieldUnknown),
        ({"name": "Twin"}, store_files.FileColumnTwice),
    ],
)
def test_a_map_that_does_not_fit_the_file_is_refused(mapping, refusal):
    with pytest.raises(refusal):
        read_store_file(b"Code,Name,Twin,Twin\n1,A,B,C\n", mapping)


def test_every_refusal_of_a_file_has_its_own_code():
    kinds = [kind for kind in vars(store_files).values() if isinstance(kind, type) and kind is not Invalid]
    refusals = [kind for kind in kinds if issubclass(kind, Invalid)]

    assert len({refusal.code for refusal in refusals} - {"invalid"}) == len(refusals) == 8
