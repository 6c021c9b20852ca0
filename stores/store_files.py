"""Head office's CSV of stores: from bytes to rows, or one clear refusal of the whole file."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from core.errors import Invalid
from core.text import Text

FIELDS = (
    "code",
    "name",
    "address",
    "city",
    "region",
    "country",
    "postcode",
    "phone",
    "timezone",
    "longitude",
    "latitude",
)
REQUIRED = ("code", "name")

# Headers as head offices write them, without case, spaces and punctuation. Earlier ones win.
HEADERS: Mapping[str, Sequence[str]] = {
    "code": (
        *("storecode", "storenumber", "storeno", "storenum", "storeid", "shopcode", "shopid", "branchcode"),
        *("outletcode", "code", "number", "no", "门店编号", "门店编码", "门店代码", "门店号", "店铺编号"),
        *("店铺编码", "店铺代码", "店编号", "店号", "编号", "编码", "代码"),
    ),
    "name": (
        *("storename", "shopname", "branchname", "outletname", "name", "store", "门店名称", "门店名"),
        *("店铺名称", "店铺名", "店名", "名称", "门店"),
    ),
    "address": (
        "streetaddress",
        "storeaddress",
        "address",
        "street",
        "address1",
        "详细地址",
        "门店地址",
        "地址",
    ),
    "city": ("city", "town", "cityname", "所在城市", "城市", "市"),
    "region": (
        *("stateprovince", "province", "state", "region", "provincestate", "省份", "省市", "省直辖市"),
        *("所在省份", "省", "州", "地区"),
    ),
    "country": ("country", "countrycode", "countryregion", "国家", "国家地区"),
    "postcode": ("postcode", "postalcode", "zipcode", "zip", "邮政编码", "邮编"),
    "phone": ("phonenumber", "phone", "telephone", "tel", "联系电话", "门店电话", "电话号码", "电话", "座机"),
    "timezone": ("timezone", "tz", "timezonename", "时区"),
    "longitude": ("longitude", "lng", "lon", "long", "经度"),
    "latitude": ("latitude", "lat", "纬度"),
}

DELIMITERS = ",;\t"
LONGEST_CELL = 1 << 24  # the reader's own limit would refuse a file for one long cell
GLANCE = 80  # characters of a cell that a report shows
LIKELY_CHINESE = 0.9  # share of common characters that tells GB18030 from other bytes
ZIP, OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


class FileEmpty(Invalid):
    """There is nothing in the file."""

    code = "file_empty"
    sentence = Text("文件里没有门店。", "There are no stores in this file.")


class FileNotCsv(Invalid):
    """An Excel workbook, under whatever name."""

    code = "file_not_csv"
    sentence = Text(
        "这是 Excel 工作簿。请在 Excel 中另存为“CSV UTF-8”后再导入。",
        "This is an Excel workbook. Save it in Excel as “CSV UTF-8” and import that.",
    )


class FileEncodingUnknown(Invalid):
    """Neither UTF-8, UTF-16 nor GB18030."""

    code = "file_encoding_unknown"
    sentence = Text(
        "无法识别文件的文字编码。请另存为 UTF-8 编码的 CSV。",
        "The encoding of the text is not UTF-8, UTF-16 or GB18030. Save the file as UTF-8 CSV.",
    )


class FileBroken(Invalid):
    """Quotes that do not match, from which on no line can be trusted."""

    code = "file_broken"
    sentence = Text(
        "从第 {line} 行起引号不成对，文件无法读取。请检查这一行。",
        "From line {line} on the quotes do not match, so the file cannot be read. Check that line.",
    )


class FileColumnsMissing(Invalid):
    """The store's code or name has no column."""

    code = "file_columns_missing"
    sentence = Text(
        "没有找到这些字段的列：{missing}。文件中的列是：{found}。请为字段指定列。",
        "No column was found for: {missing}. The file has: {found}. Say which column holds which field.",
    )


class FileColumnUnknown(Invalid):
    """A column was named that the file does not have."""

    code = "file_column_unknown"
    sentence = Text(
        "文件中没有“{column}”这一列。文件中的列是：{found}。",
        "The file has no column “{column}”. It has: {found}.",
    )


class FileColumnTwice(Invalid):
    """Two columns of one name: which one is meant?"""

    code = "file_column_twice"
    sentence = Text(
        "“{column}”这一列出现了两次，请改名后再导入。",
        "The column “{column}” is there twice. Rename one of them.",
    )


class FieldUnknown(Invalid):
    """A store has no such field."""

    code = "field_unknown"
    sentence = Text(
        "没有“{field}”这个字段。可用的字段：{fields}。", "There is no field “{field}”. There are: {fields}."
    )


class Row(NamedTuple):
    """One record of the file: its first line, and its cells by field."""

    line: int
    cells: dict[str, str]
    surplus: int  # filled cells beyond the last header


class StoreFile(NamedTuple):
    """A file that can be read: how it is written, which column is which field, and its rows."""

    encoding: str
    headers: list[str]
    columns: dict[str, str]
    unused: list[str]
    rows: list[Row]


def read_store_file(data: bytes, mapping: Mapping[str, str] | None = None) -> StoreFile:
    """Read the whole file, or refuse the whole file.

    ``mapping`` names the column of a field where its header does not tell; a field mapped to
    nothing is left out though its header tells.
    """
    text, encoding = decoded(data)
    records = _records(text)
    header = next((cells for _, cells in records if any(map(str.strip, cells))), None)
    if header is None:
        raise FileEmpty
    headers = [readable(cell) for cell in header]
    columns = _columns(headers, mapping or {})
    rows = [_row(line, cells, columns, len(headers)) for line, cells in records if any(map(str.strip, cells))]
    if not rows:
        raise FileEmpty
    used = {headers[at] for at in columns.values()}
    return StoreFile(
        encoding=encoding,
        headers=headers,
        columns={field: headers[at] for field, at in columns.items()},
        unused=[header for header in headers if header and header not in used],
        rows=rows,
    )


def readable(cell: str) -> str:
    """The beginning of a cell, safe to be shown in a report: one line, no control characters."""
    start = " ".join(cell[:GLANCE].split())
    return "".join(letter for letter in start if letter.isprintable())


def decoded(data: bytes) -> tuple[str, str]:
    """The text of a file, and the name of its encoding.

    UTF-8 and UTF-16 prove themselves. GB18030 takes nearly any bytes, so it is believed only when
    what comes out is common Chinese: a Latin-1 or Big5 file is refused rather than garbled.
    """
    if data.startswith((ZIP, OLD_EXCEL)):
        raise FileNotCsv
    for encoding in _candidates(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding != "gb18030" or _is_common_chinese(text):
            return text.removeprefix("\ufeff"), encoding.removesuffix("-sig")
    raise FileEncodingUnknown


def _candidates(data: bytes) -> list[str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ["utf-16"]
    start = data[:2000]
    if start[1::2].count(0) > len(start) / 4:
        return ["utf-16-le"]
    if start[0::2].count(0) > len(start) / 4:
        return ["utf-16-be"]
    return ["utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8", "gb18030"]


def _is_common_chinese(text: str) -> bool:
    foreign = [letter for letter in text if ord(letter) > 127]
    common = len("".join(foreign).encode("gb2312", "ignore")) / 2
    return common >= LIKELY_CHINESE * len(foreign)


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every record with the line it starts on."""
    first_line = text.lstrip().partition("\n")[0]
    delimiter = max(DELIMITERS, key=first_line.count)
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileBroken(line=line) from error


def _columns(headers: list[str], mapping: Mapping[str, str]) -> dict[str, int]:
    """Where each field stands: as the caller said, else as the header tells."""
    _check_fields(mapping)
    found = {field: _named(headers, column) for field, column in mapping.items() if column.strip()}
    taken = set(found.values())
    plain = [_plain(header) for header in headers]
    for field in FIELDS:
        if field not in mapping and (column := _guess(field, plain, taken)) is not None:
            if plain.count(plain[column]) > 1:
                raise FileColumnTwice(column=headers[column])
            found[field] = column
            taken.add(column)
    if missing := [field for field in REQUIRED if field not in found]:
        raise FileColumnsMissing(missing=", ".join(missing), found=_listed(headers), headers=headers)
    return found


def _check_fields(mapping: Mapping[str, str]) -> None:
    for field in mapping:
        if field not in FIELDS:
            raise FieldUnknown(field=readable(field), fields=", ".join(FIELDS))


def _named(headers: list[str], column: str) -> int:
    wanted = " ".join(column.split()).casefold()
    at = [number for number, header in enumerate(headers) if header.casefold() == wanted]
    if not at:
        raise FileColumnUnknown(column=readable(column), found=_listed(headers))
    if len(at) > 1:
        raise FileColumnTwice(column=column)
    return at[0]


def _guess(field: str, plain: list[str], taken: set[int]) -> int | None:
    for name in HEADERS[field]:
        for number, header in enumerate(plain):
            if header == name and number not in taken:
                return number
    return None


def _plain(header: str) -> str:
    return re.sub(r"[\W_]+", "", header.casefold())


def _listed(headers: list[str]) -> str:
    """The headers for a sentence; of a broken file not more than a glance."""
    shown = [header[:40] for header in headers[:30] if header]
    return ", ".join(shown) or "–"


def _row(line: int, cells: list[str], columns: dict[str, int], width: int) -> Row:
    found = {field: cells[at] if at < len(cells) else "" for field, at in columns.items()}
    return Row(line, found, sum(bool(cell.strip()) for cell in cells[width:]))
