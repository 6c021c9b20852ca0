"""One cell of a small CSV written in Python, safe in a spreadsheet. The pack does the same in SQL."""

import re

from app.reports.spelling import FORMULA_STARTS

HARMLESS = re.compile(r"[+-]?\d[\d ]*(\.\d+)?")  # a phone or a number that came as text


def cell(value: object) -> object:
    """Stop a text that a spreadsheet would run as a formula; numbers and phones stay as they are."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS) and not HARMLESS.fullmatch(value):
        return "'" + value
    return "" if value is None else value
