"""What the browser loads comes from us, unchanged."""

import re
from pathlib import Path

from tools import assets

ROOT = Path(__file__).resolve().parent.parent
FOREIGN_SOURCE = re.compile(
    r"""<(?:script|link|img|iframe|source|audio|video)\b[^>]*?\b(?:src|href|srcset)\s*=\s*["']?(?:https?:)?//
      | url\(\s*["']?(?:https?:)?//
      | @import\s+["'](?:https?:)?//
      | \b(?:import|importScripts)\s*\(?[^;"']{0,80}["'](?:https?:)?//
      | (?:cdn\.|unpkg\.|jsdelivr\.|googleapis\.|cdnjs\.|bootcdn\.)[a-z]""",
    re.VERBOSE | re.IGNORECASE,
)


def our_pages_and_static_files() -> list[Path]:
    return [
        path
        for path in (ROOT / "app").rglob("*")
        if path.suffix in {".html", ".css", ".js", ".svg", ".xml", ".txt", ".webmanifest"}
        and assets.VENDOR not in path.parents
    ]


def test_vendored_files_are_those_of_the_lock():
    assert assets.problems() == []


def test_a_changed_vendored_file_is_noticed(tmp_path, monkeypatch):
    copy = tmp_path / "app" / "static" / "vendor"
    copy.mkdir(parents=True)
    for path in assets.VENDOR.glob("*.js"):
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "htmx.min.js").write_text("alert(1)")
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    monkeypatch.setattr(assets, "VENDOR", copy)

    found = assets.problems()

    assert "app/static/vendor/htmx.min.js: not the file that was fetched" in found
    assert "app/static/vendor/tabler.min.css: missing" in found


def test_every_package_ships_its_licence():
    licences = {path.stem for path in (assets.VENDOR / "licences").iterdir()}

    assert {name.strip("@").replace("/", "-") for name in assets.PACKAGES} <= licences


def test_no_page_or_static_file_of_ours_loads_from_elsewhere():
    foreign = {
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in our_pages_and_static_files()
        for found in FOREIGN_SOURCE.finditer(path.read_text(encoding="utf-8"))
    }

    assert foreign == set()


def test_control_a_foreign_source_would_be_seen():
    for source in (
        '<script defer src="https://example.org/a.js">',
        '<link rel="stylesheet" href="//example.org/a.css">',
        "background: url(https://example.org/a.png)",
        "import { a } from 'https://example.org/a.js'",
    ):
        assert FOREIGN_SOURCE.search(source), source
