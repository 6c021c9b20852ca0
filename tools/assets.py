"""Front-end files of other people: fetched from npm at exact versions, kept here, held by a lock.

Without arguments it fetches all and writes ``assets.lock``; ``--check`` compares files and lock, offline.
"""

import argparse
import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "app" / "static" / "vendor"
LOCK = ROOT / "assets.lock"


class Package(NamedTuple):
    version: str
    files: dict[str, str]  # path in the package -> name in app/static/vendor
    licence: str  # path in the package, or the holder's name where the package carries only "MIT"
    notice: str | None = None


PACKAGES = {
    "htmx.org": Package("2.0.11", {"dist/htmx.min.js": "htmx.min.js"}, "LICENSE"),
    "@alpinejs/csp": Package("3.17.4", {"dist/cdn.min.js": "alpine-csp.min.js"}, "© Caleb Porzio and contributors"),
    "@tabler/core": Package(
        "1.6.1",
        {"dist/css/tabler.min.css": "tabler.min.css", "dist/js/tabler.min.js": "tabler.min.js"},
        "© 2018-2026 The Tabler Authors, © 2018-2026 codecalm.net Paweł Kuna",
    ),
    "echarts": Package("6.1.0", {"dist/echarts.min.js": "echarts.min.js"}, "LICENSE", "NOTICE"),
    # The two below belong together: the first names the exact version of the second.
    "barcode-detector": Package("3.2.2", {"dist/iife/ponyfill.js": "barcode-detector.js"}, "LICENSE"),
    "zxing-wasm": Package("3.1.3", {"dist/reader/zxing_reader.wasm": "zxing_reader.wasm"}, "LICENSE"),
}

MIT = """MIT License

Copyright {holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute,
sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES
OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def read_lock() -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else []
    return entries


def problems() -> list[str]:
    """What differs between the vendored files and the lock; empty when all is as it was fetched."""
    locked = {entry["path"]: entry for entry in read_lock()}
    present = {path.relative_to(ROOT).as_posix(): path for path in VENDOR.rglob("*") if path.is_file()}
    found = [f"{path}: not in assets.lock" for path in sorted(present.keys() - locked.keys())]
    found += [f"{path}: missing" for path in sorted(locked.keys() - present.keys())]
    for path in sorted(present.keys() & locked.keys()):
        if sha256(present[path].read_bytes()) != locked[path]["sha256"]:
            found.append(f"{path}: not the file that was fetched")
    for entry in locked.values():
        package = PACKAGES.get(entry["package"])
        if package is None or package.version != entry["version"]:
            found.append(f"{entry['path']}: from {entry['package']} {entry['version']}, not the version asked for")
    return found


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetch() -> None:
    trusted = {(entry["package"], entry["version"]): entry["integrity"] for entry in read_lock()}
    entries: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "vendor"
        for name, package in PACKAGES.items():
            archive = pack(name, package.version, Path(folder))
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
            if trusted.get((name, package.version), integrity) != integrity:
                raise SystemExit(f"{name} {package.version} is not the package that assets.lock knows: {integrity}")
            for path, content in chosen_files(name, package, archive).items():
                target = fresh / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                entries.append(
                    {
                        "path": (VENDOR / path).relative_to(ROOT).as_posix(),
                        "package": name,
                        "version": package.version,
                        "integrity": integrity,
                        "sha256": sha256(content),
                    }
                )
            print(f"{name} {package.version}")
        shutil.rmtree(VENDOR, ignore_errors=True)
        shutil.copytree(fresh, VENDOR)
    LOCK.write_text(json.dumps(sorted(entries, key=lambda e: e["path"]), indent=1) + "\n", encoding="utf-8")


def pack(name: str, version: str, folder: Path) -> Path:
    if shutil.which("npm") is None:
        raise SystemExit("npm is needed to fetch the front-end files: install Node.js")
    done = subprocess.run(
        ["npm", "pack", "--json", f"{name}@{version}"], cwd=folder, check=True, capture_output=True, text=True
    )
    filename: str = json.loads(done.stdout)[0]["filename"]
    return folder / filename


def chosen_files(name: str, package: Package, archive: Path) -> dict[str, bytes]:
    """The files we serve, and the licence they come under."""
    with tarfile.open(archive) as tar:

        def content(path: str) -> bytes:
            member = tar.extractfile(f"package/{path}")
            assert member is not None, path
            return member.read()

        files = {target: content(source) for source, target in package.files.items()}
        label = name.strip("@").replace("/", "-")
        if package.licence.startswith("©"):
            manifest = json.loads(content("package.json"))
            assert manifest["license"] == "MIT", name
            files[f"licences/{label}.txt"] = MIT.format(holder=package.licence).encode()
        else:
            files[f"licences/{label}.txt"] = content(package.licence)
        if package.notice:
            files[f"licences/{label}-notice.txt"] = content(package.notice)
    return files


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare the files with assets.lock")
    if not parser.parse_args().check:
        fetch()
    found = problems()
    print("\n".join(found) or "The vendored files are those of assets.lock.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
