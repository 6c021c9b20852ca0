"""Pictures of every page: a demo chain is served, and a browser walks through all three faces.

Each page is taken as a phone and as a desk sees it, in both languages; of pages that differ by a number only, the
first. Ends with status 1 when a page is wider than the screen, asks for something that is not there, or its scripts
complain. Needs Chromium and a CJK font (tools/system.py chromium font).
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1440, "height": 900}}
LANGUAGES = ("zh", "en")
PASSWORD = "snowpeak-demo"
FACES = {
    "dashboard": ("hq@snowpeak.example", "/dashboard/"),
    "till": ("clerk@snowpeak.example", "/till/"),
    "wallet": (None, "/wallet/"),
}
NOT_PAGES = re.compile(r"\.(csv|json|png|svg|pdf|webmanifest)$|/(logout|language|static|progress|live)\b")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60


class Walk:
    """One visitor of one face, at one size, in one language."""

    def __init__(self, browser: Browser, site: str, folder: Path, face: str, size: str, language: str) -> None:
        self.site, self.folder, self.face, self.label = site, folder, face, f"{size}-{language}"
        self.problems: list[str] = []
        context = browser.new_context(viewport=SIZES[size], locale={"zh": "zh-CN", "en": "en-GB"}[language])
        context.add_cookies([{"name": "kq_language", "value": language, "url": site}])
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: self._note(f"script: {error}"))
        self.page.on("console", lambda line: self._note(line.text) if line.type == "error" else None)

    def _note(self, problem: str) -> None:
        self.problems.append(f"{self.face} {self.label} {urlsplit(self.page.url).path}: {problem}")

    def sign_in(self, login: str) -> None:
        self.page.goto(f"{self.site}/login")
        self.shoot("login")
        self.page.fill("input[name=login]", login)
        self.page.fill("input[name=password]", PASSWORD)
        self.page.click("main button[type=submit]")
        self.page.wait_for_load_state()

    def take_card(self, code_url: str) -> None:
        self.page.goto(self.site + urlsplit(code_url).path)
        self.shoot("scan")
        self.page.click("form.action button[type=submit]")
        self.page.wait_for_load_state()

    def through(self, start: str) -> None:
        """Every page that can be reached by links of the same face."""
        seen, waiting = {_shape(start)}, deque([start])
        while waiting:
            path = waiting.popleft()
            answer = self.page.goto(self.site + path)
            if answer is None or answer.status >= 400:
                self._note(f"answered with {answer and answer.status}")
                continue
            self.shoot(_shape(urlsplit(path).path))
            for link in self._links():
                if link.startswith(f"/{self.face}") and _shape(link) not in seen and not NOT_PAGES.search(link):
                    seen.add(_shape(link))
                    waiting.append(link)

    def _links(self) -> list[str]:
        hrefs = self.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        return [urlsplit(href).path for href in hrefs if href.startswith(self.site)]

    def shoot(self, name: str) -> None:
        self.page.wait_for_load_state("load")
        self.page.wait_for_timeout(250)  # charts draw themselves
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            self._note(f"{wide} px wider than the screen")
        file = self.folder / self.face / f"{_file_name(name)}-{self.label}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(file), full_page=True)


def _shape(path: str) -> str:
    """/dashboard/offers/17 and /dashboard/offers/18 are one page."""
    return re.sub(r"/(\d+|[a-z0-9]{13})(?=/|$)", "/1", path)


def _file_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


@contextmanager
def demo(folder: Path) -> Iterator[tuple[str, str]]:
    """A demo chain being served: the address of the site, and of one store code."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    site = f"http://127.0.0.1:{port}"
    settings = {
        "DATABASE_URL": f"sqlite:///{folder / 'demo.db'}",
        "KAQUAN_VAR": str(folder),
        "KAQUAN_NO_DOTENV": "1",
        "PUBLIC_URL": site,
        "PORT": str(port),
    }
    environment = os.environ | settings
    flask = [sys.executable, "-m", "flask", "--app", "wsgi"]
    subprocess.run([*flask, "demo", "--data-only"], cwd=ROOT, env=environment, check=True)
    listed = subprocess.run(
        [*flask, "codes", "list", "--json"], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    server = subprocess.Popen([*flask, "serve", "--port", str(port)], cwd=ROOT, env=environment)
    try:
        _wait(f"{site}/readyz")
        yield site, json.loads(listed.stdout)[0]["url"]
    finally:
        server.terminate()
        server.wait(timeout=20)


def _wait(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            urlopen(url, timeout=5).close()
        except (URLError, OSError):
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
        else:
            return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "shots")
    parser.add_argument("--faces", nargs="+", choices=FACES, default=list(FACES))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=list(LANGUAGES))
    arguments = parser.parse_args()
    named = os.environ.get("CHROMIUM")
    program = named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    problems: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kaquan-shots-") as name, demo(Path(name)) as (site, code_url):
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
            for face in arguments.faces:
                login, start = FACES[face]
                for size in arguments.sizes:
                    for language in arguments.languages:
                        walk = Walk(browser, site, arguments.out, face, size, language)
                        if login:
                            walk.sign_in(login)
                        else:
                            walk.take_card(code_url)
                        walk.through(start)
                        walk.page.context.close()
                        problems += walk.problems
            browser.close()
    print("\n".join(sorted(set(problems))))
    print(f"{len(list(arguments.out.rglob('*.png')))} pictures in {arguments.out}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
