"""The links in a message: found, judged by their looks, and opened where that can harm nobody."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from push.wording.link_checking import INTERNET, Net, ask, ask_all, find_links, judge

OURS = "https://cards.example"


def test_links_are_found_in_texts_and_html_each_once():
    found = find_links(
        ["去 https://a.cn/x?y=1，还有（http://b.cn/3）。{link} 与 htp://x", "https://a.cn/x?y=1."],
        ['<a href="mailto:a@b.cn">写信</a><img src="https://i.cn/a.png"><a href="{link}">卡包</a><a>无</a>'],
    )

    assert found == ["https://a.cn/x?y=1", "http://b.cn/3", "htp://x", "mailto:a@b.cn", "https://i.cn/a.png"]


@pytest.mark.parametrize(
    ("url", "tone", "word"),
    [
        ("https://shop.example.com/menu", "good", "right"),
        ("https://cards.example/o/abc", "good", "ours"),
        ("tel:+8613800138000", "good", "right"),
        ("http://shop.example.com", "warn", "encrypted"),
        ("https://bit.ly/3abc", "warn", "short"),
        ("https://www.t.cn/3abc", "warn", "short"),
        ("https://shop.example.com@evil.example", "bad", "misleads"),
        ("javascript:alert(1)", "bad", "http"),
        ("ftp://shop.example.com", "bad", "http"),
        ("shop.example.com/menu", "bad", "not an address"),
        ("https://", "bad", "not an address"),
        ("http://[::1", "bad", "not an address"),
        ("https://a.cn:port/", "bad", "not an address"),
        ("http://127.0.0.1/", "bad", "outside"),
        ("http://192.168.1.5/x", "bad", "outside"),
        ("http://localhost:8000/", "bad", "outside"),
        ("http://[::1]/", "bad", "outside"),
    ],
)
def test_a_link_is_judged_by_its_looks(url, tone, word):
    judged = judge(url, own_url=OURS)

    assert (judged.tone, word in judged.words.en.lower()) == (tone, True), judged


class Site(BaseHTTPRequestHandler):
    """Answers by path; remembers what it was asked for."""

    asked: list[tuple[str, str]] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers["Host"]))
        status, location = {
            "/moved": (302, "/there"),
            "/away": (301, "http://else.example:PORT/there"),
            "/inside": (302, "http://inner.example:PORT/secret"),
            "/file": (302, "file:///etc/passwd"),
            "/circle": (302, "/circle"),
            "/slow": (200, ""),
            "/gone": (404, ""),
        }.get(self.path, (200, ""))
        if self.path == "/slow":
            time.sleep(5)
        self.send_response(status)
        if self.path == "/endless":
            self.drip()
            return
        if location:
            self.send_header("Location", location.replace("PORT", str(self.server.server_address[1])))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def drip(self) -> None:
        """One header after the other, always before anybody loses patience."""
        try:
            while True:
                self.send_header("X-More", "x")
                self.flush_headers()
                time.sleep(0.1)
        except OSError:
            pass

    def log_message(self, *_args: object) -> None:
        """Quiet."""


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Site.asked = []
    yield f"http://shop.example:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


NAMES = {"shop.example": ["127.0.0.1"], "else.example": ["127.0.0.1"], "inner.example": ["10.0.0.5"]}


# As it is asked in earnest, but that this machine stands for the internet.
HERE = Net(lambda host: NAMES.get(host, []), lambda address: address == "127.0.0.1", None)


def opened(url):
    return ask(url, net=HERE)


@pytest.mark.parametrize(
    ("path", "tone", "word"),
    [
        ("/", "good", "It opens."),
        ("/moved", "good", "It opens."),
        ("/away", "good", "leads to else.example"),
        ("/gone", "bad", "404"),
        ("/circle", "bad", "circles"),
        ("/inside", "bad", "outside"),
        ("/file", "bad", "http"),
    ],
)
def test_a_link_is_opened_and_followed(site, path, tone, word):
    judged = opened(site + path)

    assert (judged.tone, word in judged.words.en) == (tone, True), judged


def test_the_site_is_asked_by_its_name_and_nothing_inside_is_asked_at_all(site):
    opened(f"{site}/inside")

    assert Site.asked == [("/inside", site.removeprefix("http://"))]


def test_names_without_an_address_and_sites_that_do_not_answer_are_told_apart(site):
    assert "no such site" in opened("http://nowhere.example/").words.en
    closed = site.rpartition(":")[0] + ":9"
    assert "not answer" in opened(closed).words.en


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0x7f.0.0.1/",
        "http://10.1.2.3:80/",
        "http://192.0.0.192/opc/v2/",
        "http://168.63.129.16/machine",
        "http://[fec0::1]/",
        "http://[64:ff9b::a83f:8110]/",
        "https://example.com:22/",
        "gopher://example.com/",
        "http://user@example.com/",
    ],
)
def test_what_is_not_public_is_never_asked(url):
    net = INTERNET._replace(resolve=lambda host: ["127.0.0.1"] if host.startswith("0x") else [host.strip("[]")])

    assert ask(url, net=net).tone == "bad"


def test_a_name_with_one_private_address_among_public_ones_is_not_asked():
    judged = ask("http://mixed.example/", net=INTERNET._replace(resolve=lambda _host: ["93.184.216.34", "127.0.0.1"]))

    assert "outside" in judged.words.en


def test_many_links_are_opened_side_by_side_and_no_more_than_twenty(site):
    urls = [f"{site}/{number}" for number in range(25)]

    judged = ask_all(urls, net=HERE)

    assert [each.url for each in judged] == urls[:20]
    assert {each.tone for each in judged} == {"good"}


def test_a_site_that_takes_its_time_holds_up_nobody(site):
    begun = time.monotonic()

    slow, quick = ask_all([f"{site}/slow", f"{site}/"], net=HERE, seconds=2.0)

    assert time.monotonic() - begun < 4
    assert ("not answer" in slow.words.en, quick.tone) == (True, "good")


def test_a_site_that_never_comes_to_an_end_keeps_no_thread(site):
    (endless,) = ask_all([f"{site}/endless"], net=HERE, seconds=0.5)

    assert "not answer" in endless.words.en
    waits_until = time.monotonic() + 5
    while any(thread.name.startswith("links") for thread in threading.enumerate()):
        assert time.monotonic() < waits_until
        time.sleep(0.05)
