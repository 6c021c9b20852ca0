"""Every class of our stylesheets stands on some page."""

import re

from app.config import ROOT

SHEETS = ROOT / "app" / "static" / "css"
NAME = re.compile(r"\.(-?[_a-zA-Z][\w-]*)")
# Classes that templates put together from a part and a word.
OF_OTHERS = {"htmx-request"}  # htmx sets it
MADE = re.compile(r"[\w-]+--[\w-]+|\w+__\w+")


def classes() -> dict[str, str]:
    """Class names in selectors, and the sheet that has them."""
    found = {}
    for sheet in SHEETS.glob("*.css"):
        text = re.sub(r"/\*.*?\*/|url\([^)]*\)|\"[^\"]*\"", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL)
        selectors = re.sub(r"\{[^{}]*\}", " ", text)
        found |= dict.fromkeys(NAME.findall(selectors), sheet.name)
    return found


def test_no_class_is_without_a_page():
    places = [*(ROOT / "app").rglob("*.html"), *(ROOT / "app").rglob("*.py"), *(SHEETS.parent / "js").glob("*.js")]
    said = "\n".join(path.read_text(encoding="utf-8") for path in places)
    words = set(re.findall(r"[\w-]+", said))

    def is_used(name: str) -> bool:
        if name in words:
            return True
        beginning = re.match(r"(.+(?:--|__))", name)
        return (
            beginning is not None and MADE.fullmatch(name) is not None and beginning[1] + "{" in said.replace(" ", "")
        )

    assert {name: sheet for name, sheet in classes().items() if name not in OF_OTHERS and not is_used(name)} == {}
