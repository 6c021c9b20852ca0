"""Parts that come from the machine and not from PyPI: is each there, else install it or say how.

Runs on the bare Python too, before there is a virtual environment.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

CJK_FONTS = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/wqy-microhei/wqy-microhei.ttc",
    "/usr/share/fonts/wenquanyi/wqy-microhei/wqy-microhei.ttc",
)


class Part(NamedTuple):
    purpose: str
    package: str
    is_there: Callable[[], bool]


def has_chromium() -> bool:
    named = os.environ.get("CHROMIUM")
    if named:
        return Path(named).exists()
    return any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))


def has_font() -> bool:
    named = os.environ.get("FONT_PATH")
    return any(Path(path).exists() for path in ((named,) if named else CJK_FONTS))


def has_venv() -> bool:
    return subprocess.run([sys.executable, "-c", "import ensurepip, venv"], stderr=subprocess.DEVNULL).returncode == 0


PARTS = {
    "chromium": Part("the browser tests", "chromium", has_chromium),
    "font": Part("Chinese text on posters and pictures", "fonts-wqy-microhei", has_font),
    "sqlite3": Part("the limit of exports on SQLite", "sqlite3", lambda: shutil.which("sqlite3") is not None),
    "venv": Part("the virtual environment", "python3-venv", has_venv),
}


def install(packages: list[str]) -> bool:
    """By apt where we are root; says nothing of success, the caller looks again."""
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"Installing by apt: {' '.join(packages)}", file=sys.stderr, flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(
            ["apt-get", *command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode:
            print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
            return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--optional", action="store_true", help="warn of a missing part, and go on")
    arguments = parser.parse_args()

    missing = [name for name in arguments.parts if not PARTS[name].is_there()]
    if missing and install([PARTS[name].package for name in missing]):
        missing = [name for name in missing if not PARTS[name].is_there()]
    if not missing:
        return 0

    packages = " ".join(PARTS[name].package for name in missing)
    for name in missing:
        print(f"Missing: {PARTS[name].package}, for {PARTS[name].purpose}.", file=sys.stderr)
    print(f"Install: sudo apt-get install {packages}   (or your system's like)", file=sys.stderr)
    if arguments.optional or os.environ.get("ALLOW_MISSING") == "1":
        return 0
    print("To run without, and without what needs it: ALLOW_MISSING=1", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
