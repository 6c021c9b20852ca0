"""A CSV of members as another system exports it: from bytes to rows, or one clear refusal of the whole file."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from core.errors import Invalid
from core.text import Text
from stores.store_files import (
    DELIMITERS,
    LONGEST_CELL,
    FieldUnknown,
    FileBroken,
    FileColumnTwice,
    FileColumnUnknown,
    decoded,
)

FIELDS = ("phone", "email", "name", "card_number", "store_code", "tier", "points", "joined_on", "language")
RECOGNISED_BY = ("phone", "email", "card_number")

# Headers as other systems write them, without case, spaces and punctuation. Earlier ones win.
HEADERS: Mapping[str, Sequence[str]] = {
    "phone": ("phone", "mobile", "mobilephone", "phonenumber", "tel", "手机号", "手机", "手机号码", "电话", "联系电话"),
    "email": ("email", "emailaddress", "mail", "邮箱", "电子邮箱", "邮件"),
    "name": ("name", "membername", "fullname", "customername", "姓名", "会员姓名", "称呼", "名字"),
    "card_number": ("cardnumber", "cardno", "membershipnumber", "卡号", "会员卡号"),
    "store_code": ("storecode", "store", "shopcode", "storenumber", "门店编号", "门店", "开卡门店", "店号"),
    "tier": ("tier", "level", "grade", "等级", "会员等级", "级别"),
    "points": ("points", "pointsbalance", "balance", "积分", "积分余额", "可用积分"),
    "joined_on": ("joinedon", "joinedat", "joined", "registeredat", "入会日期", "开卡日期", "入会时间"),
    "language": ("language", "lang", "语言"),
}  # fmt: skip


class MemberFileEmpty(Invalid):
    """There is nobody in the file."""

    code = "member_file_empty"
    sentence = Text("文件里没有会员。", "There are no members in this file.")


class MemberColumnsMissing(Invalid):
    """Nothing tells one member from another."""

    code = "member_columns_missing"
    sentence = Text(
        "文件要有手机、邮箱或卡号中的一列。文件中的列是：{found}。",
        "The file needs a column for phone, e-mail or card number. It has: {found}.",
    )


class MemberRow(NamedTuple):
    """One record: the line it starts on, and its cells by field."""

    line: int
    cells: dict[str, str]


class MemberFile(NamedTuple):
    """A file that can be read: how it is written, which column is which field, and its rows."""

    encoding: str
    columns: dict[str, str]
    unused: list[str]
    rows: list[MemberRow]


def read_member_file(data: bytes, mapping: Mapping[str, str] | None = None) -> MemberFile:
    """Read the whole file, or refuse the whole file.

    ``mapping`` names the column of a field where its header does not tell; a field mapped to nothing is left out.
    """
    text, encoding = decoded(data)
    records = [(line, cells) for line, cells in _records(text) if any(map(str.strip, cells))]
    if not records:
        raise MemberFileEmpty
    headers = [" ".join(cell.split()) for cell in records[0][1]]
    columns = _columns(headers, mapping or {})
    rows = [MemberRow(line, _cells(cells, columns)) for line, cells in records[1:]]
    if not rows:
        raise MemberFileEmpty
    unused = [header for at, header in enumerate(headers) if header and at not in columns.values()]
    return MemberFile(encoding, {name: headers[at] for name, at in columns.items()}, unused, rows)


def _records(text: str) -> list[tuple[int, list[str]]]:
    """Every record with the line it starts on."""
    first_line = text.lstrip().partition("\n")[0]
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first_line.count), strict=True)
    records, line = [], 1
    try:
        for cells in reader:
            records.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileBroken(line=line) from error
    return records


def _columns(headers: list[str], mapping: Mapping[str, str]) -> dict[str, int]:
    for name in mapping:
        if name not in FIELDS:
            raise FieldUnknown(field=name, fields=", ".join(FIELDS))
    found = {name: _named(headers, column) for name, column in mapping.items() if column.strip()}
    plain = [re.sub(r"[\W_]+", "", header.casefold()) for header in headers]
    for name in FIELDS:
        at = next((plain.index(header) for header in HEADERS[name] if header in plain), None)
        if name in mapping or at is None or at in found.values():
            continue
        if plain.count(plain[at]) > 1:
            raise FileColumnTwice(column=headers[at])
        found[name] = at
    if not set(RECOGNISED_BY) & set(found):
        raise MemberColumnsMissing(found=_listed(headers))
    return found


def _named(headers: list[str], column: str) -> int:
    wanted = " ".join(column.split()).casefold()
    at = [number for number, header in enumerate(headers) if header.casefold() == wanted]
    if not at:
        raise FileColumnUnknown(column=column, found=_listed(headers))
    if len(at) > 1:
        raise FileColumnTwice(column=column)
    return at[0]


def _listed(headers: list[str]) -> str:
    return ", ".join(header[:40] for header in headers[:30] if header) or "–"


def _cells(cells: list[str], columns: dict[str, int]) -> dict[str, str]:
    return {name: cells[at] if at < len(cells) else "" for name, at in columns.items()}
