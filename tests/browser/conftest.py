"""A site that is really served, and browsers that look at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from flask import Flask
from flask_migrate import upgrade
from playwright.sync_api import Browser, Page, sync_playwright

from app.config import ROOT
from app.factory import create_app
from core.db import db
from stores.models import Staff
from tests.conftest import empty_tables
from tests.factories import PASSWORD

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
]
PATIENCE_MS = 15_000
START_SECONDS = 60
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1440, "height": 900}


@dataclass(frozen=True)
class Site:
    """A server on this machine, on a database of its own that is empty when a test begins."""

    url: str
    app: Flask

    def sign_in(self, page: Page, staff: Staff, password: str = PASSWORD) -> None:
        """Sign a person in as he does it himself."""
        page.goto(f"{self.url}/login")
        page.fill("input[name=login]", staff.login)
        page.fill("input[name=password]", password)
        page.click("main button[type=submit]")
        page.wait_for_url(lambda url: "/login" not in url)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = os.path.dirname(__file__)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "database_url": f"sqlite:///{folder / 'site.db'}",
        "secret_key": "s" * 40,
        "public_url": url,
        "push_services": "127.0.0.1",  # where tests have theirs
    }
    app = create_app(testing=True, **settings)
    with app.app_context():
        upgrade()
    environment = os.environ | {name.upper(): value for name, value in settings.items()}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "run", "--port", str(port)],
            cwd=ROOT,
            env=environment | {"KAQUAN_NO_DOTENV": "1", "KAQUAN_VAR": str(folder)},
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_alive(url, server, folder / "log")
        yield Site(url, app)
    finally:
        server.terminate()
        server.wait(20)
        with app.app_context():
            db.engine.dispose()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_alive(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(f"{url}/healthz"):
                return
        except OSError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)


@pytest.fixture
def site(_served: Site) -> Iterator[Site]:
    """The served site; factories write to its database."""
    with _served.app.app_context():
        empty_tables()
        yield _served
        db.session.remove()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium of this machine; its absence is a failure unless ALLOW_MISSING=1."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        if os.environ.get("ALLOW_MISSING") == "1":
            pytest.skip("no Chromium (ALLOW_MISSING=1)")
        pytest.fail("No Chromium for the browser tests: install it (apt-get install chromium), or set ALLOW_MISSING=1.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def phone(site: Site, browser: Browser) -> Iterator[Page]:
    """A customer's phone: 390 x 844, Chinese, with a touch screen."""
    yield from _page(browser, viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)


@pytest.fixture
def friends_phone(site: Site, browser: Browser) -> Iterator[Page]:
    """Somebody else's phone, with nothing kept in it."""
    yield from _page(browser, viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True)


@pytest.fixture
def desktop(site: Site, browser: Browser) -> Iterator[Page]:
    """A desk: 1440 x 900, Chinese."""
    yield from _page(browser, viewport=DESKTOP)


def _page(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page of a fresh browser; scripts that break and what the CSP refuses fail the test."""
    context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai", **options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert broken == []
