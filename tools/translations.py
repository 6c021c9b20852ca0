"""Sentences of pages and views: English in the code, Chinese in the catalogue of the face they belong to.

Without arguments it adds what the catalogues lack, for a person to translate, and drops what no code says any more;
``--check`` only tells, and ends with status 1 when a sentence has no Chinese.
"""

import argparse
import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from app.api.description import readable  # noqa: E402
from app.api.document import document  # noqa: E402
from app.factory import create_app  # noqa: E402

APP = ROOT / "app"
LOCALE = "zh_Hans_CN"
METHODS = [("**.py", "python"), ("**.html", "jinja2"), ("**.txt", "jinja2")]
Message = str | tuple[str, ...] | list[str]  # several: singular and plural


def said() -> dict[Message, list[str]]:
    """Every sentence that code, templates and the API's description say, and where (path from app/)."""
    found: dict[Message, list[str]] = {}
    message: Any
    keywords = {"_": None, "gettext": None, "lazy_gettext": None, "_l": None, "ngettext": (1, 2)}
    options = {"**.html": {"silent": "false"}, "**.txt": {"silent": "false"}}
    for path, line, message, _, _ in extract_from_dir(str(APP), METHODS, options, keywords):
        found.setdefault(message, []).append(f"{path}:{line}")
    app = create_app(database_url="sqlite://")
    for sentence in readable(document(app)):
        found.setdefault(sentence, []).append("api/description.py:1")
    return found


def catalogues() -> dict[Path, Catalog]:
    """The Chinese catalogues by file."""
    found = {}
    for path in sorted(APP.glob(f"**/translations*/{LOCALE}/LC_MESSAGES/messages.po")):
        with path.open("rb") as file:
            found[path] = read_po(file, locale=LOCALE)
    return found


def translated(found: dict[Path, Catalog]) -> set[Message]:
    return {
        message.id
        for catalogue in found.values()
        for message in catalogue
        if message.id and not message.fuzzy and _is_whole(message.string)
    }


def _is_whole(translation: str | Sequence[str] | None) -> bool:
    parts = (translation,) if isinstance(translation, str) else translation
    return bool(parts) and all(parts or ())


def missing() -> dict[Message, list[str]]:
    """Sentences without Chinese, and where they are said."""
    known = translated(catalogues())
    return {message: places for message, places in said().items() if message not in known}


def nearest(place: str, found: dict[Path, Catalog]) -> Path:
    """The catalogue for a sentence of this file: its module's own, its face's, or the common one."""
    path = APP / place.rsplit(":", 1)[0]
    own = [path.parents[depth] / f"translations_{path.stem}" for depth in range(2)]
    faces = [folder / "translations" for folder in path.parents if APP in (folder, *folder.parents)]
    for folder in [*own, *faces]:
        file = folder / LOCALE / "LC_MESSAGES" / "messages.po"
        if file in found:
            return file
    raise SystemExit(f"no catalogue for {place}")


def update() -> None:
    found, everything = catalogues(), said()
    for message, places in missing().items():
        found[nearest(places[0], found)].add(message)
    for path, catalogue in found.items():
        for message in [entry.id for entry in catalogue if entry.id and entry.id not in everything]:
            catalogue.delete(message)
        _write(path, catalogue)


def _write(path: Path, catalogue: Catalog) -> None:
    """The sentences, under the head that the file has: Babel would write another every day."""
    head, _, _ = path.read_text(encoding="utf-8").partition("\n\n")
    body = BytesIO()
    write_po(body, catalogue, width=0, omit_header=True, no_location=True)
    path.write_text(f"{head}\n\n{body.getvalue().decode().strip()}\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    if not parser.parse_args().check:
        update()
    lacking = missing()
    for message, places in lacking.items():
        print(f"{places[0]}: {message!r}")
    print(f"{len(lacking)} sentences without Chinese.", file=sys.stderr)
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())
