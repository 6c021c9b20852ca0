"""The links in a message: what looks wrong with each, and, when somebody asks, whether it opens.

Asking is a request of our server to an address that a person typed. So it goes to public addresses only, as they were
resolved a moment before (a name that changes its mind between looking and asking gains nothing), to the ports of the
web, follows few redirects, each looked at anew, and reads no body.
"""

import re
import socket
import ssl
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from html.parser import HTMLParser
from typing import Literal, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx2

from core.text import Text
from push.channels.public_addresses import is_public, may_be_public

Tone = Literal["good", "warn", "bad"]

IN_TEXT = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s<>\"'，。；：！？、（）《》“”]*")
TAIL = ".,;:!?)]}"
MOST_LINKS = 20
SHORTENERS = {
    "t.cn", "url.cn", "w.url.cn", "dwz.cn", "suo.im", "suo.nz", "3.cn", "u.jd.com", "m.tb.cn", "c.tb.cn",
    "bit.ly", "tinyurl.com", "goo.gl", "t.co", "is.gd", "ow.ly", "buff.ly", "rebrand.ly", "cutt.ly", "t.ly", "rb.gy",
}  # fmt: skip
SCHEMES = ("http", "https")
IN_MAIL_TOO = ("mailto", "tel")
PORTS = {"http": 80, "https": 443}
MOST_HOPS = 5
SECONDS = 5.0
AT_ONCE = 8
ALTOGETHER = 15.0  # seconds for all links of a message

WRONG = Text("这不是一个网址。", "This is not an address.")
OTHER_SCHEME = Text("只能是 http(s) 网址。", "Only http(s) addresses open on every phone.")
PRIVATE = Text("外面打不开这个地址。", "Nobody outside can open this address.")
IN_DISGUISE = Text("“@”前面的部分会骗人，请去掉。", "What stands before the “@” misleads people. Take it out.")
SHORT = Text(
    "短链接看不出去哪里，短信和邮件常被拦截。请用原来的网址，我们会自己缩短。",
    "A short link hides where it leads, and filters stop it. Use the real address; we shorten it ourselves.",
)
PLAIN_HTTP = Text(
    "http 不加密，手机会警告。有 https 请用 https。", "http is not encrypted and phones warn of it. Use https."
)
OURS = Text("我们自己的页面。", "A page of ours.")
FINE = Text("看起来没问题。", "Looks right.")

OPENS = Text("能打开。", "It opens.")
ELSEWHERE = Text("能打开，转到了 {host}。", "It opens, and leads to {host}.")
REFUSES = Text("打不开：对方回答 {status}。", "It does not open: the answer is {status}.")
NO_HOST = Text("没有这个网站。", "There is no such site.")
NO_ANSWER = Text("没有回应。", "It does not answer.")
IN_CIRCLES = Text("一直在跳转。", "It goes in circles.")


class Judged(NamedTuple):
    """A link and what is to be said of it."""

    url: str
    tone: Tone
    words: Text


# --- looking --------------------------------------------------------------------------------------------------------


class _Addresses(HTMLParser):
    """What an HTML part leads to and shows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"a": "href", "img": "src"}.get(tag)
        self.found += [value.strip() for name, value in attrs if name == wanted and value]


def find_links(texts: Iterable[str], html: Iterable[str] = ()) -> list[str]:
    """The links in texts and HTML parts, each once, in their order. ``{link}`` is ours and not among them."""
    found = [each.rstrip(TAIL) for text in texts for each in IN_TEXT.findall(text)]
    for part in html:
        parser = _Addresses()
        parser.feed(part)
        found += parser.found
    return list(dict.fromkeys(url for url in found if url and not url.startswith("{")))


def judge(url: str, *, own_url: str) -> Judged:
    """What a look at the link tells, without asking anybody. ``own_url`` is where members reach us."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return Judged(url, "bad", WRONG)
    if parts.scheme in IN_MAIL_TOO:
        return Judged(url, "good", FINE)
    if parts.scheme not in SCHEMES:
        return Judged(url, "bad", OTHER_SCHEME if parts.scheme else WRONG)
    if not host:
        return Judged(url, "bad", WRONG)
    if host == urlsplit(own_url).hostname:
        return Judged(url, "good", OURS)
    return Judged(url, *_of_host(parts, host))


def _of_host(parts: SplitResult, host: str) -> tuple[Tone, Text]:
    if not may_be_public(host):
        return "bad", PRIVATE
    if "@" in parts.netloc:
        return "bad", IN_DISGUISE
    if host.removeprefix("www.") in SHORTENERS:
        return "warn", SHORT
    return ("warn", PLAIN_HTTP) if parts.scheme == "http" else ("good", FINE)


# --- asking ---------------------------------------------------------------------------------------------------------


def resolve(host: str) -> list[str]:
    """The addresses of a name; none when it has none."""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return []
    return [str(each[4][0]) for each in found]


class Net(NamedTuple):
    """What may be asked: how names are found, which addresses and ports are allowed (None: every port)."""

    resolve: Callable[[str], Sequence[str]]
    is_allowed: Callable[[str], bool]
    ports: Collection[int] | None


INTERNET = Net(resolve, is_public, frozenset(PORTS.values()))


def ask_all(urls: Sequence[str], *, net: Net = INTERNET, seconds: float = ALTOGETHER) -> list[Judged]:
    """Open each link once, a few at a time; whoever has not answered in time does not answer, and is hung up on."""
    asked, trusted = urls[:MOST_LINKS], httpx2.create_ssl_context()
    clients = [_client(trusted) for _ in asked]
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="links")
    futures = [pool.submit(_follow, client, url, net) for client, url in zip(clients, asked, strict=True)]
    in_time = wait(futures, timeout=seconds).done
    pool.shutdown(wait=False, cancel_futures=True)
    for client in clients:
        client.close()  # a site that answers for ever would keep its thread for ever
    return [
        future.result() if future in in_time else Judged(url, "bad", NO_ANSWER)
        for url, future in zip(asked, futures, strict=True)
    ]


def ask(url: str, *, net: Net = INTERNET) -> Judged:
    """Whether the link opens, and where it ends."""
    with _client(httpx2.create_ssl_context()) as client:
        return _follow(client, url, net)


def _client(trusted: ssl.SSLContext) -> httpx2.Client:
    return httpx2.Client(verify=trusted, timeout=SECONDS, follow_redirects=False, trust_env=False)


def _follow(client: httpx2.Client, url: str, net: Net) -> Judged:
    here = url
    for _ in range(MOST_HOPS):
        found = _hop(client, here, net)
        if isinstance(found, Text):
            return Judged(url, "bad", found)
        if found.has_redirect_location:
            here = _joined(here, found.headers["Location"])
            continue
        return _answered(url, here, found.status_code)
    return Judged(url, "bad", IN_CIRCLES)


def _joined(here: str, location: str) -> str:
    try:
        return urljoin(here, location)
    except ValueError:
        return ""  # no address


def _answered(url: str, here: str, status: int) -> Judged:
    if status >= 400:
        return Judged(url, "bad", _filled(REFUSES, status=str(status)))
    there = urlsplit(here).hostname or ""
    if there == urlsplit(url).hostname:
        return Judged(url, "good", OPENS)
    return Judged(url, "good", _filled(ELSEWHERE, host=there))


def _filled(text: Text, **values: str) -> Text:
    return Text(text.zh.format(**values), text.en.format(**values))


def _hop(client: httpx2.Client, url: str, net: Net) -> httpx2.Response | Text:
    """One request, to the very address that was looked at; or why there is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return WRONG
    if parts.scheme not in SCHEMES or not host or "@" in parts.netloc:
        return OTHER_SCHEME
    if net.ports is not None and (port or PORTS[parts.scheme]) not in net.ports:
        return PRIVATE
    addresses = net.resolve(host)
    if not addresses:
        return NO_HOST
    if not all(net.is_allowed(address) for address in addresses):
        return PRIVATE
    return _asked(client, parts, host, addresses[0])


def _asked(client: httpx2.Client, parts: SplitResult, host: str, address: str) -> httpx2.Response | Text:
    where = f"[{address}]" if ":" in address else address
    netloc = where if parts.port is None else f"{where}:{parts.port}"
    target = parts._replace(netloc=netloc, fragment="").geturl()
    name = host if parts.port is None else f"{host}:{parts.port}"
    try:
        request = client.build_request(
            "GET",
            target,
            headers={"Host": name if name.isascii() else name.encode("idna").decode(), "User-Agent": "Kaquan"},
            extensions={"sni_hostname": host},
        )
        answer = client.send(request, stream=True)
        answer.close()
    except (httpx2.HTTPError, OSError):
        return NO_ANSWER
    except (httpx2.InvalidURL, ValueError):
        return WRONG
    return answer
