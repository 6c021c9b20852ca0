"""One row of a file, made fit to keep, or refused with the reason."""

import pytest

from stores import cleaning
from stores.cleaning import cleaned, country_of, phone_of, zone_of
from stores.store_files import Row


def clean(surplus=0, **cells):
    cells = {"code": "1", "name": "A"} | cells
    return cleaned(Row(2, cells, surplus), {field: field.upper() for field in cells})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("Jing'an  Temple   Store", "Jing'an Temple Store", id="doubled spaces"),
        pytest.param(" \u3000A\xa0\tB ", "A B", id="spaces of every kind"),
        pytest.param("1号（近河南中路）、", "1号（近河南中路）、", id="full-width punctuation stays"),
        pytest.param("734 King\x92s Road", "734 King’s Road", id="a Windows apostrophe"),
        pytest.param("\ufeff店\u200b名", "店名", id="signs without width"),
        pytest.param('=HYPERLINK("//x")', '=HYPERLINK("//x")', id="a formula stays text"),
        pytest.param("two\nlines", "two lines", id="a line break"),
    ],
)
def test_texts_are_tidied_and_not_otherwise_touched(given, kept):
    assert clean(name=given)["name"] == kept


@pytest.mark.parametrize(
    ("cells", "refusal"),
    [
        pytest.param({"code": "  "}, cleaning.CodeMissing, id="no code"),
        pytest.param({"name": "\u200b"}, cleaning.NameMissing, id="no name that one can see"),
        pytest.param({"name": "x" * 1_000_000}, cleaning.CellTooLong, id="a million characters"),
        pytest.param({"code": "1" * 41}, cleaning.CellTooLong, id="a code that is too long"),
        pytest.param({"name": "A\0B"}, cleaning.CellUnreadable, id="a NUL byte"),
        pytest.param({"address": "A\x1bB"}, cleaning.CellUnreadable, id="an escape sign"),
        pytest.param({"timezone": "Asia/Nowhere"}, cleaning.TimezoneUnknown, id="no such zone"),
        pytest.param({"timezone": "GMT+08:00"}, cleaning.TimezoneUnknown, id="an offset is no zone"),
        pytest.param({"country": "Atlantis"}, cleaning.CountryUnknown, id="no such country"),
        pytest.param({"longitude": "east", "latitude": "1"}, cleaning.PointNotANumber, id="no number"),
        pytest.param({"longitude": "nan", "latitude": "1"}, cleaning.PointNotANumber, id="not a number"),
        pytest.param({"longitude": "1e2", "latitude": "1"}, cleaning.PointNotANumber, id="an exponent"),
        pytest.param({"longitude": "１２", "latitude": "1"}, cleaning.PointNotANumber, id="wide digits"),
        pytest.param({"longitude": "181", "latitude": "1"}, cleaning.PointOutOfRange, id="too far east"),
        pytest.param({"longitude": "31.2", "latitude": "121.5"}, cleaning.PointOutOfRange, id="swapped"),
        pytest.param({"longitude": "31.2", "latitude": ""}, cleaning.PointIncomplete, id="half a point"),
        pytest.param({"longitude": "31.2"}, cleaning.PointIncomplete, id="no column for the other half"),
        pytest.param({"surplus": 2}, cleaning.TooManyCells, id="more cells than the header"),
    ],
)
def test_a_row_that_cannot_be_kept_is_refused_with_the_reason(cells, refusal):
    with pytest.raises(refusal) as refused:
        clean(**cells)

    assert refused.value.say("zh")
    assert refused.value.say("zh") != refused.value.say("en")


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ("GMT+08:00 Asia/Beijing", "Asia/Shanghai"),
        ("GMT+08:00 Asia/Macau", "Asia/Macau"),
        ("GMT-05:00 America/New_York", "America/New_York"),
        ("Asia/Shanghai", "Asia/Shanghai"),
        ("asia/shanghai", "Asia/Shanghai"),
        ("China Standard Time", "Asia/Shanghai"),
        ("Asia/Mumbai", "Asia/Kolkata"),
        ("", None),
    ],
)
def test_a_time_zone_becomes_its_iana_name(given, zone):
    assert zone_of(given) == zone


@pytest.mark.parametrize(
    ("given", "letters"),
    [
        ("CN", "CN"),
        ("cn", "CN"),
        ("CHN", "CN"),
        ("China", "CN"),
        ("中国", "CN"),
        ("香港", "HK"),
        ("Hong Kong", "HK"),
        ("Switzerland", "CH"),
        ("", ""),
    ],
)
def test_a_country_becomes_its_two_letters(given, letters):
    assert country_of(given) == letters


@pytest.mark.parametrize(
    ("given", "country", "region", "kept"),
    [
        pytest.param("021-62713050", "CN", "31", "+862162713050", id="with an area code"),
        pytest.param("0731- 84304271", "CN", "43", "+8673184304271", id="with a stray space"),
        pytest.param("+44 20 7946 0018", "CN", "", "+442079460018", id="with a country code"),
        pytest.param("24799293", "CN", "91", "+85224799293", id="Hong Kong in a list of China"),
        pytest.param("24799293", "HK", "", "+85224799293", id="Hong Kong"),
        pytest.param("50482915", "CN", "31", "50482915", id="no area code is kept as written"),
        pytest.param("0871-5514008", "CN", "53", "0871-5514008", id="too short is kept as written"),
        pytest.param("ask inside", "CN", "", "ask inside", id="words are kept as written"),
        pytest.param("021-62713050", "", "", "021-62713050", id="no country is no plan"),
    ],
)
def test_a_phone_becomes_e164_where_it_is_a_valid_number(given, country, region, kept):
    assert phone_of(given, country, region) == kept


def test_a_field_without_a_column_is_not_in_the_answer():
    assert clean() == {"code": "1", "name": "A"}


def test_an_empty_point_is_no_point():
    assert clean(longitude="", latitude="") == {
        "code": "1",
        "name": "A",
        "longitude": None,
        "latitude": None,
    }


def test_degrees_are_numbers():
    assert clean(longitude="+121.48", latitude="-31.")["longitude"] == 121.48
