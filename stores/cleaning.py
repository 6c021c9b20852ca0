"""One row of head office's file as we keep it, or the reason why not.

What is cleaned: runs of spaces become one, signs without width go, phones become E.164, time zones
become IANA names, countries two letters. Full-width punctuation stays: it is how Chinese is
written. A name that begins like a formula stays text; exports defuse it.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
from babel import Locale
from babel.core import get_global

from core.errors import Invalid
from core.text import Text
from stores.chains import TimezoneUnknown
from stores.store_files import Row

LONGEST = {
    "code": 40,
    "name": 120,
    "address": 300,
    "city": 80,
    "region": 80,
    "country": 80,
    "postcode": 20,
    "phone": 40,
    "timezone": 120,
    "longitude": 40,
    "latitude": 40,
}
# Signs without width go; the control characters that Windows-1252 leaves become what they stood for.
MENDED: dict[int, str | None] = {
    **dict.fromkeys(map(ord, "\u200b\u2060\ufeff")),
    **{byte: bytes([byte]).decode("cp1252", "ignore") or None for byte in range(0x80, 0xA0)},
}

# Cities that people write as zones, and that the IANA list does not have.
CITY_ZONES = {
    "asia/beijing": "Asia/Shanghai",
    "asia/peking": "Asia/Shanghai",
    "asia/guangzhou": "Asia/Shanghai",
    "asia/shenzhen": "Asia/Shanghai",
    "asia/chengdu": "Asia/Shanghai",
    "asia/nanjing": "Asia/Shanghai",
    "asia/hangzhou": "Asia/Shanghai",
    "asia/wuhan": "Asia/Shanghai",
    "asia/mumbai": "Asia/Kolkata",
    "asia/delhi": "Asia/Kolkata",
    "asia/new_delhi": "Asia/Kolkata",
    "asia/bangalore": "Asia/Kolkata",
    "asia/hanoi": "Asia/Ho_Chi_Minh",
    "asia/osaka": "Asia/Tokyo",
    "asia/busan": "Asia/Seoul",
    "asia/abu_dhabi": "Asia/Dubai",
    "australia/perth_wa": "Australia/Perth",
    "america/boston": "America/New_York",
    "america/miami": "America/New_York",
    "america/washington": "America/New_York",
    "america/seattle": "America/Los_Angeles",
    "america/san_francisco": "America/Los_Angeles",
    "europe/geneva": "Europe/Zurich",
    "europe/milan": "Europe/Rome",
    "europe/munich": "Europe/Berlin",
    "europe/edinburgh": "Europe/London",
}

# What Unicode's lists call "Hong Kong SAR China" and the like.
SHORT_COUNTRIES = {
    "香港": "HK",
    "中国香港": "HK",
    "hong kong": "HK",
    "澳门": "MO",
    "中国澳门": "MO",
    "macau": "MO",
    "macao": "MO",
    "中国台湾": "TW",
    "中国大陆": "CN",
    "prc": "CN",
    "usa": "US",
    "uk": "GB",
}

# Lists of "China" often hold these, whose phones have their own numbering plan.
PHONE_REGIONS = {"71": "TW", "81": "HK", "91": "HK", "82": "MO", "92": "MO"}


class CodeMissing(Invalid):
    code = "store_code_missing"
    sentence = Text("没有门店编号。", "The store has no code.")


class NameMissing(Invalid):
    code = "store_name_missing"
    sentence = Text("没有门店名称。", "The store has no name.")


class CellTooLong(Invalid):
    code = "cell_too_long"
    sentence = Text(
        "“{column}”有 {length} 个字，最多 {most} 个。",
        "“{column}” has {length} characters; there is room for {most}.",
    )


class CellUnreadable(Invalid):
    code = "cell_unreadable"
    sentence = Text("“{column}”中有无法显示的控制字符。", "“{column}” holds control characters that nobody can read.")


class TooManyCells(Invalid):
    code = "too_many_cells"
    sentence = Text(
        "这一行比标题行多出 {surplus} 个单元格，可能有未加引号的逗号。",
        "The line has {surplus} more filled cells than the header: perhaps a comma without quotes.",
    )


class CountryUnknown(Invalid):
    code = "country_unknown"
    sentence = Text(
        "“{given}”不是已知的国家或地区，请写两位代码，例如 CN。",
        "“{given}” is not a country we know. Write its two letters, such as CN.",
    )


class PointNotANumber(Invalid):
    code = "point_not_a_number"
    sentence = Text("“{column}”的“{given}”不是数字。", "“{given}” in “{column}” is not a number.")


class PointOutOfRange(Invalid):
    code = "point_out_of_range"
    sentence = Text(
        "“{column}”的 {given} 超出 ±{most} 的范围，经纬度可能写反了。",
        "{given} in “{column}” is beyond ±{most}. Perhaps longitude and latitude are swapped.",
    )


class PointIncomplete(Invalid):
    code = "point_incomplete"
    sentence = Text("经度和纬度要么都填，要么都不填。", "Give both longitude and latitude, or neither.")


def cleaned(row: Row, columns: dict[str, str]) -> dict[str, Any]:
    """The values of a store by field; raises the first reason why the row cannot be kept.

    Fields that the file has no column for are not in the answer. An empty time zone is None.
    """
    if row.surplus:
        raise TooManyCells(surplus=row.surplus)
    store: dict[str, Any] = {field: _tidy(cell, field, columns[field]) for field, cell in row.cells.items()}
    if not store["code"]:
        raise CodeMissing
    if not store["name"]:
        raise NameMissing
    for field, keep in KEEPERS.items():
        if field in store:
            store[field] = keep(store[field])
    if "phone" in store:
        store["phone"] = phone_of(store["phone"], store.get("country", ""), store.get("region", ""))
    return store | _point(store, columns)


def zone_of(given: str) -> str | None:
    """The IANA name that is meant, None when nothing is given.

    ``GMT+08:00 Asia/Beijing`` is its last word; a city that is no zone is its country's zone;
    ``China Standard Time`` is looked up in Unicode's list of Windows names.
    """
    if not given:
        return None
    for name in (given, given.split()[-1]):
        found = _zones().get(name.casefold())
        if found:
            return found
    raise TimezoneUnknown(timezone=given)


def country_of(given: str) -> str:
    """The two letters of a country that is given by letters, or by name in Chinese or English."""
    if not given:
        return ""
    found = _countries().get(given.casefold())
    if found is None:
        raise CountryUnknown(given=given)
    return found


def phone_of(given: str, country: str, region: str = "") -> str:
    """E.164 where the number is valid in the store's country, else as it was written.

    A shop's own line is printed for people to read, so a short or mistyped one is kept.
    """
    if not given:
        return ""
    for place in (country or None, PHONE_REGIONS.get(region) if country == "CN" else None):
        try:
            number = phonenumbers.parse(given, place)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return given


def is_odd_phone(kept: str) -> bool:
    """Whether ``phone_of`` had to keep a phone as it was written."""
    return bool(kept) and not re.fullmatch(r"\+\d+", kept)


KEEPERS: dict[str, Callable[[str], Any]] = {"timezone": zone_of, "country": country_of}


def _tidy(cell: str, field: str, column: str) -> str:
    text = " ".join(cell.translate(MENDED).split())
    if len(text) > LONGEST[field]:
        raise CellTooLong(column=column, length=len(text), most=LONGEST[field])
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise CellUnreadable(column=column)
    return text


def _point(store: dict[str, Any], columns: dict[str, str]) -> dict[str, float | None]:
    if "longitude" not in store and "latitude" not in store:
        return {}
    longitude, latitude = (
        _degrees(store.get(field, ""), columns.get(field, field), most)
        for field, most in (("longitude", 180), ("latitude", 90))
    )
    if (longitude is None) != (latitude is None):
        raise PointIncomplete
    return {"longitude": longitude, "latitude": latitude}


def _degrees(given: str, column: str, most: int) -> float | None:
    if not given:
        return None
    if not re.fullmatch(r"[+-]?\d{1,3}(\.\d*)?", given, re.ASCII):
        raise PointNotANumber(column=column, given=given)
    if abs(degrees := float(given)) > most:
        raise PointOutOfRange(column=column, given=given, most=most)
    return degrees


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    """Every name that stands for a zone, without case."""
    windows = {name.casefold(): zone for name, zone in get_global("windows_zone_mapping").items()}
    own = {name.casefold(): name for name in available_timezones()}
    return CITY_ZONES | windows | own


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    """Every way to write a country, without case, with its two letters."""
    found = {
        code.casefold(): codes[0]
        for code, codes in get_global("territory_aliases").items()
        if len(codes) == 1 and len(codes[0]) == 2
    }
    for language in ("en", "zh"):
        names = Locale(language).territories.items()
        found |= {name.casefold(): code for code, name in names if len(code) == 2}
        found |= {code.casefold(): code for code, name in names if len(code) == 2}
    return found | SHORT_COUNTRIES
