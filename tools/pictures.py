"""The README's pictures, taken from a running demo: tools/pictures.py [http://localhost:8000] [STORE_CODE_URL]

The second argument is the customer's address that ``make demo`` prints.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from app.demo.chain import PASSWORD

OUT = Path(__file__).parent.parent / "docs" / "pictures"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def main(base: str, customer: str) -> None:
    OUT.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        code = _phone(browser, customer)
        _till(browser, base, code)
        _dashboard(browser, base)
        browser.close()


def _phone(browser: Browser, customer: str) -> str:
    """Take a card; return what it shows at the till."""
    page = browser.new_page(viewport=PHONE, locale="zh-CN", device_scale_factor=2)
    page.goto(customer)
    page.locator("form[method=post] button").first.click()
    page.reload()  # without the greeting
    page.wait_for_load_state("networkidle")
    page.screenshot(path=OUT / "phone.png")
    return page.locator("[data-code-value]").inner_text()


def _till(browser: Browser, base: str, code: str) -> None:
    page = browser.new_page(viewport={"width": 900, "height": 640}, locale="zh-CN")
    _sign_in(page, base, "clerk@snowpeak.example")
    page.goto(f"{base}/till/")
    page.fill("#sale-code", code)
    page.keyboard.press("Enter")
    page.fill("#sale-amount", "58")
    page.locator("#sale-bill .bill__coupon").first.wait_for()
    page.screenshot(path=OUT / "till.png")


def _dashboard(browser: Browser, base: str) -> None:
    page = browser.new_page(viewport=DESK, locale="zh-CN")
    _sign_in(page, base, "hq@snowpeak.example")
    page.goto(f"{base}/dashboard/")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=OUT / "dashboard.png")


def _sign_in(page: Page, base: str, login: str) -> None:
    page.goto(f"{base}/login")
    page.fill("input[name=login]", login)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), sys.argv[2])
