"""A column of a report: its header, the SQL that gives its value, what it means. One definition for both databases."""

from enum import StrEnum
from typing import NamedTuple

from core.text import Text


class Kind(StrEnum):
    """How a value is written into its cell."""

    NUMBER = "number"  # whole numbers as they are
    CENTS = "cents"  # money in minor units of the chain's currency
    WORD = "word"  # one of our own words
    TEXT = "text"  # what people wrote: defused when it begins like a formula
    PHONE = "phone"  # E.164; hidden from roles that may not see it
    NAME = "name"
    EMAIL = "email"
    DAY = "day"  # 2026-05-31
    TIME = "time"  # 2026-05-31T12:00:00+08:00, in the store's zone


PERSONAL = frozenset({Kind.PHONE, Kind.NAME, Kind.EMAIL})
KIND_WORDS = {
    Kind.NUMBER: Text("整数", "number"),
    Kind.CENTS: Text("金额（分）", "money in minor units"),
    Kind.WORD: Text("固定词", "word"),
    Kind.TEXT: Text("文字", "text"),
    Kind.PHONE: Text("手机号", "phone"),
    Kind.NAME: Text("姓名", "name"),
    Kind.EMAIL: Text("邮箱", "e-mail"),
    Kind.DAY: Text("日期", "date"),
    Kind.TIME: Text("时间", "time"),
}


class Column(NamedTuple):
    """``sql`` gives the plain value; how it is written follows from ``kind``. ``total``: summed in the control file."""

    header: str
    sql: str
    meaning: Text
    kind: Kind = Kind.WORD
    total: bool = False


def number(header: str, sql: str, zh: str, en: str) -> Column:
    return Column(header, sql, Text(zh, en), Kind.NUMBER)


def count(header: str, sql: str, zh: str, en: str) -> Column:
    """A number that is summed in the control file."""
    return Column(header, sql, Text(zh, en), Kind.NUMBER, total=True)


def cents(header: str, sql: str, zh: str, en: str) -> Column:
    return Column(header, sql, Text(zh, en), Kind.CENTS, total=True)


def word(header: str, sql: str, zh: str, en: str) -> Column:
    return Column(header, sql, Text(zh, en), Kind.WORD)


def text(header: str, sql: str, zh: str, en: str) -> Column:
    return Column(header, sql, Text(zh, en), Kind.TEXT)


def time(header: str, sql: str, zh: str, en: str) -> Column:
    return Column(header, sql, Text(zh, en), Kind.TIME)


def day(sql: str = "{day}", zh: str = "营业日", en: str = "the business day") -> Column:
    return Column("business_day", sql, Text(zh, en), Kind.DAY)


CURRENCY = word("currency", ":currency", "币种", "the currency of the amounts")


def store_columns(zh: str, en: str) -> list[Column]:
    """The store of a row, from the table ``s``."""
    return [
        text("store_code", "s.code", f"{zh}：门店编号", f"{en}: its code"),
        text("store_name", "s.name", f"{zh}：名称", f"{en}: its name"),
    ]
