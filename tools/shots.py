"""Pictures of every page: a demo is served, and browsers walk through it as everybody who uses it.

Each page is taken as a phone and as a desk sees it, in both languages; of pages that differ by a number only, the
first. Ends with status 1 when a page of the application is in no picture, is wider than the screen, asks for something
that is not there, or its scripts complain. Needs Chromium and a CJK font (tools/system.py chromium font).
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Error, Page, sync_playwright  # noqa: E402
from shots_site import BARE, OPENED, PASSWORD, Site, served  # noqa: E402
from werkzeug.exceptions import HTTPException, default_exceptions  # noqa: E402

from app.auth.devices import COOKIE  # noqa: E402
from app.errors import http_error  # noqa: E402

SIZES = {"phone": {"width": 390, "height": 844}, "desk": {"width": 1440, "height": 900}}
LANGUAGES = ("zh", "en")
THEMES = ("light", "dark")
PATIENCE_MS = 15_000
REFUSALS = (400, 401, 403, 404, 405, 413, 429, 500, 503)
# What a GET answers without being a page: files, pieces of pages, answers for machines, redirects.
NOT_PAGES = re.compile(
    r"static$|_api\.|^observing\.|^report_files\.|^assets\.|_csv$|picture$|posters$|^home\.live$|\.progress$|openapi$"
    r"|^wallet\.code$|^wallet_browsers\.|^wechat\.|\.download$|^auth\.start$|start_again$|_options$|preview$"
    r"|^sharing_tree\.(picture|branch|way|values|growth|find)$|^sharing\.(figures|spending)$|^offers\.account_figures$"
    r"|^wallet_short_links\.follow$|^effect\.figures$"
)
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


# Some charts draw themselves when they come into sight.
CHARTS_ARE_DRAWN = """() => [...document.querySelectorAll("[data-chart]")].every((box) => box.childElementCount)
    && [...document.querySelectorAll("[data-tree]")].every((box) => box.dataset.ready)"""
LOOK_AT_ALL = """async () => {
    for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight / 2) {
        scrollTo({ top: y, behavior: "instant" });
        await new Promise((next) => setTimeout(next, 40));
    }
    scrollTo({ top: 0, behavior: "instant" });
}"""


class Look(NamedTuple):
    """How somebody sees the pages."""

    size: str
    language: str
    theme: str

    @property
    def label(self) -> str:
        return "-".join([self.size, self.language, *([] if self.theme == "light" else [self.theme])])


class Walk:
    """One visitor, at one size, in one language."""

    def __init__(self, browser: Browser, site: Site, folder: Path, name: str, look: Look) -> None:
        self.browser, self.site, self.folder, self.name, self.look = browser, site, folder, name, look
        self.problems: list[str] = []
        self.seen: set[str] = set()  # endpoints
        self.expects_refusals = False
        self._routes = site.app.url_map.bind("")
        self._open(scripts=True)
        self.remember("kq_language", look.language)

    def _open(self, *, scripts: bool) -> None:
        self.has_scripts = scripts
        locale = {"zh": "zh-CN", "en": "en-GB"}[self.look.language]
        self.context = self.browser.new_context(
            viewport=SIZES[self.look.size], locale=locale, color_scheme=self.look.theme, java_script_enabled=scripts
        )
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", lambda error: self._note(f"script: {error}"))
        self.page.on("console", lambda line: self._note(line.text) if line.type == "error" else None)

    def without_scripts(self) -> None:
        """Go on as somebody whose browser runs no scripts."""
        kept = self.context.cookies()
        self.context.close()
        self._open(scripts=False)
        self.context.add_cookies(kept)  # type: ignore[arg-type]

    def go(self, visit: Callable[["Walk"], None]) -> None:
        """Walk; where the way is blocked, say so."""
        try:
            visit(self)
        except Error as error:
            self._note(f"the walk ended: {error.message.splitlines()[0]}")
        self.context.close()

    def remember(self, cookie: str, value: str) -> None:
        self.context.add_cookies([{"name": cookie, "value": value, "url": self.site.url}])

    def _note(self, problem: str) -> None:
        if not (self.expects_refusals and "Failed to load resource" in problem):
            self.problems.append(f"{self.name} {self.look.label} {urlsplit(self.page.url).path}: {problem}")

    def sign_in(self, login: str) -> None:
        self.page.goto(f"{self.site.url}/login")
        self.page.fill("input[name=login]", login)
        self.page.fill("input[name=password]", PASSWORD)
        self.press("main button[type=submit]")

    def press(self, button: str) -> None:
        """Send a form, and wait for the page that comes."""
        with self.page.expect_navigation():
            self.page.click(button)

    def visit(self, path: str, name: str = "") -> None:
        """Open a page and take its picture; it is called after its endpoint."""
        answer = self.page.goto(self.site.url + path)
        if not self.expects_refusals and (answer is None or answer.status >= 400):
            self._note(f"answered with {answer and answer.status}")
            return
        self.shoot(name or self.endpoint(path))

    def through(self, starts: Iterable[str], within: str) -> None:
        """Every page to which links lead, as far as their addresses begin alike; of each kind the first."""
        waiting = deque(starts)
        met = {self.endpoint(path) for path in waiting}
        while waiting:
            self.visit(waiting.popleft())
            for link in self._links():
                endpoint = self.endpoint(link)
                if link.startswith(within) and endpoint and endpoint not in met and not NOT_PAGES.search(endpoint):
                    met.add(endpoint)
                    waiting.append(link)

    def endpoint(self, path: str) -> str:
        try:
            return str(self._routes.match(urlsplit(path).path, method="GET")[0])
        except HTTPException:
            return ""

    def _links(self) -> list[str]:
        hrefs = self.page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
        return [urlsplit(href).path for href in hrefs if href.startswith(self.site.url)]

    def shoot(self, name: str) -> None:
        self.page.wait_for_load_state("load")
        if self.has_scripts:
            self.page.evaluate(LOOK_AT_ALL)
            self.page.wait_for_function(CHARTS_ARE_DRAWN)
        self.page.wait_for_timeout(150)
        self.seen.add(self.endpoint(self.page.url))
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            self._note(f"{wide} px wider than the screen")
        file = self.folder / self.name / f"{re.sub(r'[^a-z0-9]+', '-', name)}-{self.look.label}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(file), full_page=True)


def head_office(walk: Walk) -> None:
    """The demo's head office; and what is shown only after something is done."""
    walk.sign_in("hq@snowpeak.example")
    starts = ["/dashboard/", "/dashboard/search?q=SH00", "/dashboard/settings/changes", "/account", "/api/docs"]
    walk.through(starts, "/dashboard")
    walk.visit("/dashboard/offers/new", "offers.new")
    for number in range(2, 7):
        walk.visit(f"/dashboard/offers/{number}", f"offers.show.{number}")
    walk.visit("/dashboard/offers/6/edit")
    for number in (1, 2):
        walk.visit(f"/dashboard/campaigns/{number}", f"campaigns.show.{number}")
        walk.visit(f"/dashboard/campaigns/{number}/effect", f"effect.show.{number}")
    walk.visit("/dashboard/campaigns/1/deliveries")
    for report in ("members", "checkouts", "deliveries"):
        walk.visit(f"/dashboard/reports/{report}", f"reports.show.{report}")
    made_once(walk)
    checked_import(walk)
    drafted_campaign(walk)
    paused_campaign(walk)
    coded_offer(walk)
    rewarded(walk)


def made_once(walk: Walk) -> None:
    """Secrets that are shown once: a key, a password."""
    walk.page.goto(f"{walk.site.url}/dashboard/keys")
    walk.page.fill("input[name=name]", "POS 南京东路")
    walk.page.select_option("select[name=role]", "hq_analyst")
    walk.press("main form:has(input[name=name]) button[type=submit]")
    walk.shoot("staffing.key_made")
    walk.page.goto(f"{walk.site.url}/dashboard/staff/new")
    walk.page.fill("input[name=name]", "何一鸣")
    walk.page.fill("input[name=login]", f"he.{walk.look.label}@snowpeak.example")
    walk.page.select_option("select[name=role]", "hq_analyst")
    walk.press("main form:has(input[name=login]) button[type=submit]")
    walk.shoot("staffing.password_made")
    heard(walk)


def heard(walk: Walk) -> None:
    """A partner system that listens, and its secret."""
    walk.visit("/dashboard/webhooks")
    if not walk.page.query_selector("tbody a"):
        walk.page.fill("input[name=name]", "CRM")
        walk.page.fill("input[name=url]", "https://crm.example/kaquan")
        walk.press("main form:has(input[name=url]) button[type=submit]")
        walk.shoot("webhooks.secret")
        walk.page.goto(f"{walk.site.url}/dashboard/webhooks")
    walk.visit(str(walk.page.get_attribute("tbody a", "href")))


def checked_import(walk: Walk) -> None:
    """What a file of stores would do, with mistakes in it."""
    text = "code,name,city,lat,lng\nSH001,南京东路店,上海,31.2,121.4\nZZ900,新天地店,上海,31.2,400\nZZ901,,上海,,\n"
    walk.page.goto(f"{walk.site.url}/dashboard/stores/import")
    walk.page.set_input_files(
        "input[type=file]", {"name": "stores.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    walk.page.click("main form:has(input[type=file]) button[type=submit]")
    walk.page.wait_for_timeout(700)
    walk.shoot("stores.import_checked")


def drafted_campaign(walk: Walk) -> None:
    """A campaign that waits to be sent."""
    walk.page.goto(f"{walk.site.url}/dashboard/campaigns/new")
    walk.page.fill("input[name=name]", "周末第二份半价")
    walk.page.fill("input[name=title]", "周末第二份半价")
    walk.page.fill("textarea[name=body]", "周六周日到店，第二份半价。")
    walk.press("button[value=save]")
    walk.shoot("campaigns.drafted")
    walk.visit(f"{urlsplit(walk.page.url).path}/edit")


def paused_campaign(walk: Walk) -> None:
    """A campaign that recurs: as it waits, paused, as its words are changed, and its day in the calendar."""
    walk.page.goto(f"{walk.site.url}/dashboard/campaigns/new")
    walk.page.fill("input[name=name]", "每天早上")
    walk.page.fill("input[name=title]", "早安，今天也来坐坐")
    walk.page.fill("textarea[name=body]", "上午第二份半价。")
    walk.page.check("input[name=kind][value=recurring]")
    for day in ("mon", "wed", "fri"):
        walk.page.check(f"input[name=weekdays][value={day}]")
    walk.page.wait_for_timeout(700)
    walk.shoot("campaign_editor.recurring")
    walk.press("button[value=schedule]")
    walk.shoot("campaigns.scheduled")
    path = urlsplit(walk.page.url).path
    walk.page.click("details.confirm summary")
    walk.press(f"form[action='{path}/pause'] button")
    walk.shoot("campaigns.paused")
    walk.visit(f"{path}/words")
    walk.page.goto(f"{walk.site.url}/dashboard/campaigns/calendar")
    walk.page.click(".day:has(.push) .day__head a")
    walk.shoot("calendar.day")


def coded_offer(walk: Walk) -> None:
    """Codes on paper, with a partner's list that holds mistakes; and coupons for a list of phones, looked at first."""
    codes = ["PARTNER0001", "PARTNER0001", "X", "PARTNER0002"]
    walk.page.goto(f"{walk.site.url}/dashboard/offers/2/codes")
    walk.page.fill("input[name=size]", "500")
    walk.press("main form:has(input[name=size]) button[type=submit]")
    walk.page.wait_for_selector("#batches tbody tr:first-child a[href$='.csv']")
    walk.shoot("printed_codes.made")
    file = {"name": "codes.csv", "mimeType": "text/csv", "buffer": "\n".join(codes).encode()}
    walk.page.set_input_files("input[type=file]", file)
    walk.press("main form:has(input[type=file]) button[type=submit]")
    walk.shoot("printed_codes.taken_in")
    walk.page.goto(f"{walk.site.url}/dashboard/offers/2/hand-out")
    file = {"name": "phones.csv", "mimeType": "text/csv", "buffer": b"phone\n+8613800000000\nnobody\n"}
    walk.page.set_input_files("input[type=file]", file)
    walk.page.click("main form button.button--primary")
    walk.page.wait_for_selector("#handed .tiles")
    walk.shoot("printed_codes.looked_at")


def rewarded(walk: Walk) -> None:
    """A reward rule as it is written, a case with who stands behind it, a member's poster."""
    walk.page.goto(f"{walk.site.url}/dashboard/rewards/rules/new")
    walk.page.fill("input[name=name]", "周年荐友")
    walk.page.select_option("select[name=referrer_offer]", index=1)
    walk.page.wait_for_timeout(900)
    walk.shoot("rewards.written")
    walk.press("main form.rule-form button[type=submit]")
    walk.shoot("rewards.drafted")
    walk.visit(f"{urlsplit(walk.page.url).path}/edit", "rewards.edit")
    walk.page.goto(f"{walk.site.url}/dashboard/rewards/queue")
    for fold in walk.page.query_selector_all(".case:first-child details.behind > summary"):
        fold.click()
        walk.page.wait_for_timeout(600)
    walk.page.click(".case:first-child .decide > summary")
    walk.shoot("rewards.deciding")
    walk.visit("/dashboard/members/1/poster", "bringing.poster")
    walk.press("main form button[type=submit]")
    walk.shoot("bringing.made")


def manager(walk: Walk) -> None:
    walk.sign_in("manager@snowpeak.example")
    walk.through(["/dashboard/"], "/dashboard")
    walk.visit("/till/day?store=1", "till_day.everybody")


def opened(walk: Walk) -> None:
    """Head office of a chain with one store, and nothing that has happened yet."""
    walk.sign_in(OPENED[0])
    walk.through(["/dashboard/", "/dashboard/search?q=zzz"], "/dashboard")


def bare(walk: Walk) -> None:
    """Head office of a chain without a store."""
    walk.sign_in(BARE[0])
    walk.through(["/dashboard/"], "/dashboard")


def clerk(walk: Walk) -> None:
    walk.sign_in("clerk@snowpeak.example")
    walk.through(["/till/", "/till/store"], "/till")
    sold(walk)
    printed(walk)


def sold(walk: Walk) -> None:
    """A member's purchase: the bill, a coupon from the house, the payment, and what the receipt lets the clerk do."""
    walk.remember(COOKIE, walk.site.member_cookie)
    code = walk.page.request.get(f"{walk.site.url}{walk.site.member_card}/code").json()["value"]
    walk.page.goto(f"{walk.site.url}/till/")
    walk.page.fill("#sale-code", code)
    walk.page.wait_for_selector("#sale-member[data-member]")
    for key in "68.50":
        walk.page.click(f"[data-key='{key}']")
    walk.page.wait_for_selector("[data-pay]:not([data-waits])")
    walk.shoot("till.sale")
    walk.press("#sale-member button[formaction]")
    walk.shoot("till_gifts.begun")
    walk.expects_refusals = True
    walk.page.fill("input[name=text]", "WRONG-CODE")
    walk.press("form[action$=enter] button[type=submit]")
    walk.shoot("till_gifts.refused")
    walk.expects_refusals = False
    walk.press("form[action$=quote] button[type=submit]")
    walk.page.wait_for_selector("[data-pay]:not([data-waits])")
    walk.page.click("[data-pay]")
    walk.page.wait_for_selector("[data-done]")
    walk.shoot("till.paid")
    walk.visit(walk.page.get_attribute(".sale-last a", "href") or "", "till_receipts.sold")
    for fold in walk.page.query_selector_all("details.receipt-act:not([open]) > summary"):
        fold.click()
    walk.shoot("till_receipts.unfolded")
    walk.page.fill("input[name=amount]", "9999")
    walk.page.fill("input[name=reason]", "找错了钱")
    walk.expects_refusals = True
    for pin in walk.page.query_selector_all("#refund input[name=pin]"):
        pin.fill("000000")
    walk.press("#refund button[type=submit]")
    walk.shoot("till_receipts.refused")
    walk.expects_refusals = False


def printed(walk: Walk) -> None:
    """On paper: the receipt, and the report of the day."""
    walk.page.emulate_media(media="print")
    walk.visit("/till/day", "till_day.printed")
    walk.page.emulate_media(media="screen")
    walk.page.goto(f"{walk.site.url}/till/today")
    receipt = walk.page.get_attribute("a.sales__link", "href") or ""
    walk.page.emulate_media(media="print")
    walk.visit(receipt, "till_receipts.printed")
    walk.page.emulate_media(media="screen")


def customer(walk: Walk) -> None:
    """A new phone: from the scan to the card, and away from it again."""
    walk.visit("/wallet/", "wallet.index.empty")
    walk.visit(walk.site.code)
    walk.press("form.action button[type=submit]")
    walk.shoot("wallet.card.new")
    card = urlsplit(walk.page.url).path
    walk.through(["/wallet/", f"{card}/share"], "/wallet")
    walk.page.goto(f"{walk.site.url}/wallet/settings")
    for fold in walk.page.query_selector_all("details:not([open]) > summary"):
        fold.click()
    walk.shoot("wallet_settings.unfolded")
    walk.without_scripts()
    walk.page.goto(f"{walk.site.url}{card}/share")
    walk.press("main form button[value=copy]")
    walk.shoot("wallet_sharing.show")
    walk.page.goto(f"{walk.site.url}/wallet/settings")
    walk.page.click("details:last-of-type > summary")
    walk.press("form[action$='/close'] button")
    walk.visit(card, "wallet.card.closed")


def member(walk: Walk) -> None:
    """A phone with a history."""
    walk.remember(COOKIE, walk.site.member_cookie)
    walk.through(["/wallet/"], "/wallet")
    walk.page.goto(f"{walk.site.url}{walk.site.member_card}")
    walk.page.click("[data-opens=share]")
    walk.shoot("wallet.card.sharing")
    walk.expects_refusals = True
    walk.page.goto(f"{walk.site.url}/wallet/enter")
    walk.page.fill("input[name=text]", "WRONGWORD")
    walk.press("main form button[type=submit]")
    walk.shoot("wallet_entering.refused")
    walk.expects_refusals = False
    walk.visit(walk.site.offer, "wallet_offers.look.member")
    took(walk)
    walk.page.goto(f"{walk.site.url}{walk.site.member_card}/phone?change=1")
    walk.page.fill("input[name=phone]", f"1390000{SIZES[walk.look.size]['width']:04}")
    walk.press("#ask button[type=submit]")
    walk.shoot("wallet_phone.code")
    given(walk)


def took(walk: Walk) -> None:
    """One of the coupons that wait on the card, as long as there is one."""
    walk.page.goto(f"{walk.site.url}{walk.site.member_card}")
    offers = [link for link in walk._links() if link.startswith("/o/")]
    if offers:
        walk.page.goto(walk.site.url + offers[-1])
        walk.press("form.action button")
        walk.shoot("wallet_offers.taken")


def given(walk: Walk) -> None:
    """A coupon that is held out to a friend; and what another phone sees by the link once it was called back."""
    walk.page.goto(f"{walk.site.url}{walk.site.member_card}/coupons")
    coupons = [link for link in dict.fromkeys(walk._links()) if "/coupons/" in link]
    for coupon in coupons:
        walk.page.goto(f"{walk.site.url}{coupon}/give")
        if walk.page.query_selector("#give"):
            break
    else:
        return walk._note("no coupon may be given")
    walk.page.fill("textarea[name=message]", "周末一起去")
    walk.press("#give button[type=submit]")
    walk.shoot("wallet.coupon.waiting")
    link = walk.page.input_value("#gift-link input")
    walk.press("form[action$=cancel] button")
    walk.shoot("wallet.coupon.called_back")
    walk.context.clear_cookies(name=COOKIE)
    walk.expects_refusals = True
    walk.visit(urlsplit(link).path, "wallet_receiving.gone")
    walk.expects_refusals = False
    return None


def frozen(walk: Walk) -> None:
    walk.remember(COOKIE, walk.site.frozen_cookie)
    walk.through(["/wallet/"], "/wallet")


def stranger(walk: Walk) -> None:
    """Whoever comes by a link, and whatever can be refused."""
    walk.visit("/login")
    walk.visit(walk.site.offer)
    walk.visit(walk.site.gift)
    walk.visit(walk.site.code_without_offers, "scanning.look.without-offers")
    walk.visit(walk.site.shared)
    walk.visit(walk.site.shared_coupon, "scanning.friend.coupon")
    walk.visit(walk.site.way_out)
    walk.press("form.action button")
    walk.shoot("wallet_unsubscribing.stopped")
    walk.press("form[action$='/undo'] button")
    walk.shoot("wallet_unsubscribing.undone")
    walk.expects_refusals = True
    walk.visit(walk.site.revoked, "scanning.look.revoked")
    walk.visit("/s/AAAAAAAAAAAAA", "scanning.friend.unknown")
    walk.visit("/l/AAAAAAAAAAAAA", "wallet_short_links.follow.unknown")
    walk.visit("/u/AAAAAAAAAAAAA", "wallet_unsubscribing.ask.unknown")
    walk.visit("/wallet/cards/999999", "wallet.card.not-held")
    walk.page.goto(f"{walk.site.url}/login")
    walk.page.fill("input[name=login]", "nobody")
    walk.page.fill("input[name=password]", "wrong")
    walk.press("main button[type=submit]")
    walk.shoot("auth.login.refused")
    for status in REFUSALS:
        refused(walk, status)


def refused(walk: Walk, status: int) -> None:
    """The page of a refusal that is hard to bring about."""
    error = default_exceptions[status]()
    headers = {"Accept": "text/html", "Cookie": f"kq_language={walk.look.language}"}
    with walk.site.app.test_request_context("/dashboard/refused", headers=headers):
        html = http_error(error).get_data(as_text=True)
    walk.page.route(
        "**/dashboard/refused", lambda route: route.fulfill(status=status, body=html, content_type="text/html")
    )
    walk.visit("/dashboard/refused", f"refused.{status}")
    walk.page.unroute("**/dashboard/refused")


VISITORS: dict[str, Callable[[Walk], None]] = {
    "head-office": head_office,
    "manager": manager,
    "opened": opened,
    "bare": bare,
    "clerk": clerk,
    "customer": customer,
    "member": member,
    "frozen": frozen,
    "stranger": stranger,
}


def unseen(site: Site, seen: set[str]) -> list[str]:
    """Pages of the application that are in no picture."""
    pages = {str(rule.endpoint) for rule in site.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    return [f"{page}: in no picture" for page in pages - seen if not NOT_PAGES.search(page)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "shots")
    parser.add_argument("--visitors", nargs="+", choices=VISITORS, default=list(VISITORS))
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--languages", nargs="+", choices=LANGUAGES, default=list(LANGUAGES))
    parser.add_argument("--themes", nargs="+", choices=THEMES, default=["light"])
    arguments = parser.parse_args()
    looks = [Look(s, n, t) for s in arguments.sizes for n in arguments.languages for t in arguments.themes]
    named = os.environ.get("CHROMIUM")
    program = named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    problems: list[str] = []
    seen: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="kaquan-shots-") as folder, served(Path(folder)) as site:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
            for name in arguments.visitors:
                for look in looks:
                    walk = Walk(browser, site, arguments.out, name, look)
                    walk.go(VISITORS[name])
                    problems += walk.problems
                    seen |= walk.seen
            browser.close()
        if set(arguments.visitors) == set(VISITORS):
            problems += unseen(site, seen)
    print("\n".join(sorted(set(problems))))
    print(f"{len(list(arguments.out.rglob('*.png')))} pictures in {arguments.out}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
