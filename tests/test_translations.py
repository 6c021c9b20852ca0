"""Every sentence that a person reads is there in Chinese and in English."""

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from app.api.description import readable
from app.api.document import document
from app.config import ROOT
from app.factory import create_app
from app.languages import CATALOGUES, HERE

HAN = re.compile(r"[\u4e00-\u9fff]")
KEYWORDS = {"gettext": None, "_": None, "ngettext": (1, 2), "lazy_gettext": None, "_l": None}
NAMES = re.compile(r"%\((\w+)\)[sd]")
BOTH_ALIKE = re.compile(r"[\W\d_]*|Cookie|CSV|API|Kaquan.*|English|SMS|OK|ID")  # the same in every language


@cache
def used() -> dict[str, set[str]]:
    """Every msgid of templates and code, and the files that say it."""
    found: dict[str, set[str]] = {}
    rules = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
    for file, _line, message, _comments, _context in extract_from_dir(
        ROOT / "app", rules, keywords=KEYWORDS, options_map={"**.html": {"silent": "false"}}
    ):
        for text in message if isinstance(message, tuple) else (message,):
            if text:
                found.setdefault(text, set()).add(file)
    app = create_app(database_url="sqlite://", secret_key="s" * 40, testing=True)
    for text in readable(document(app)):
        found.setdefault(text, set()).add("the description of the API")
    return found


def catalogues() -> list[Path]:
    return [path for folder in CATALOGUES for path in (HERE / folder).glob("zh_Hans_CN/LC_MESSAGES/messages.po")]


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def messages() -> list[tuple[str, Message]]:
    return [(str(path.relative_to(HERE)), message) for path in catalogues() for message in read(path) if message.id]


def forms(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


def ids(message: Message) -> list[str]:
    return [message.id] if isinstance(message.id, str) else list(message.id)


def test_every_catalogue_that_is_named_is_there():
    assert len(catalogues()) == len(CATALOGUES)


def test_every_sentence_has_its_chinese():
    translated = {text for _, message in messages() for text in ids(message) if all(forms(message))}
    missing = {text: files for text, files in used().items() if text not in translated}

    assert not missing, "\n".join(f"{sorted(files)}: {text!r}" for text, files in sorted(missing.items()))


def test_no_translation_is_a_guess():
    assert [(path, message.id) for path, message in messages() if message.fuzzy] == []


def test_chinese_is_chinese_and_english_is_english():
    strange = [
        (path, message.id, form)
        for path, message in messages()
        for form in forms(message)
        if not HAN.search(form) and not BOTH_ALIKE.fullmatch(NAMES.sub("", form))
    ]
    english = [text for text in used() if HAN.search(text) and not text.startswith("Kaquan")]

    assert (strange, english) == ([], [])


def test_a_translation_names_the_same_figures():
    unlike = [
        (path, message.id, form)
        for path, message in messages()
        for form in forms(message)
        if not set(NAMES.findall(form)) <= set(NAMES.findall(" ".join(ids(message))))
        or set(NAMES.findall(ids(message)[-1])) - set(NAMES.findall(form)) - {"num"}
    ]

    assert unlike == []


def test_a_sentence_is_translated_alike_everywhere():
    """Two catalogues may hold the same msgid; the first would win, so they must agree."""
    said: dict[str, set[str]] = {}
    for _, message in messages():
        said.setdefault(ids(message)[0], set()).add("|".join(forms(message)))

    unlike = {text: translations for text, translations in said.items() if len(translations) > 1}
    assert not unlike, "\n".join(f"{text!r}: {sorted(translations)}" for text, translations in unlike.items())


def test_no_sentence_stands_in_a_catalogue_for_nothing():
    """A translation that no page says any more is thrown away."""
    in_use = used()
    idle = Counter(path for path, message in messages() if not any(text in in_use for text in ids(message)))

    assert idle == {}, [(p, m.id) for p, m in messages() if not any(text in in_use for text in ids(m))][:40]


@pytest.mark.parametrize("path", catalogues(), ids=lambda path: str(path.relative_to(HERE).parts[:2]))
def test_a_catalogue_holds_a_sentence_once(path):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("msgid ")]

    assert [line for line, times in Counter(lines).items() if times > 1 and line != 'msgid ""'] == []
