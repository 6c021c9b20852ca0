"""One cell of a CSV, safe in a spreadsheet."""

import re

FORMULA_START = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
HARMLESS = re.compile(r"[+-]?\d[\d ]*(\.\d+)?")  # a phone or a number that came as text


def cell(value: object) -> object:
    """Stop a text that a spreadsheet would run as a formula; numbers and phones stay as they are."""
    if isinstance(value, str) and value.startswith(FORMULA_START) and not HARMLESS.fullmatch(value):
        return "'" + value
    return "" if value is None else value
