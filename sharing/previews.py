"""Telling a messenger's preview, a prefetch, a crawler or a tool from a person who opens a link.

By what they call themselves and by the headers of looking ahead. Whoever names himself like a browser and runs scripts
in sight cannot be told; the page speaks up only once it is really seen (static/js/beacon.js), which most of them never
get to.
"""

import re
from collections.abc import Mapping

# What looks at a link before, or instead of, a person. In-app browsers (MicroMessenger, FBAN, Line, Telegram-Android)
# are people, and so are the telephones named Cubot.
CRAWLERS = re.compile(
    r"(?<!\bcu)bot\b|(?<!\bcu)bot[/_-]|crawl|spider|slurp|preview|unfurl|scrape|\bscrap\b|-scrap/"
    r"|facebookexternalhit|facebookcatalog|meta-external|whatsapp/|^whatsapp\b|slack-img|skypeuri|line-poker"
    r"|mpcrawler|wechat-?link|larkurl2meta|feishu-?link|dingtalk-?link|iframely|embedly|vkshare|pinterest/0|cardyb"
    r"|mastodon/|misskey/|pleroma"
    r"|google-(?:pagerenderer|read-aloud|inspectiontool|safety)|googleother|google favicon|mediapartners"
    r"|lighthouse|pingdom|uptime|statuscake|nessus|security ?scan",
    re.IGNORECASE,
)
# Libraries and the systems of telephones, when no browser speaks.
TOOLS = re.compile(
    r"^(?:curl|wget|python|java|go-http-client|okhttp|axios|node|undici|ruby|php|perl|libwww|lwp|httpie|http\.rb"
    r"|apache-httpclient|postmanruntime|insomnia|dalvik|dart|aiohttp|guzzlehttp|reqwest|faraday)\b"
    r"|\bcfnetwork/",
    re.IGNORECASE,
)
AHEAD = re.compile(r"prefetch|prerender|preview|instant", re.IGNORECASE)
AHEAD_HEADERS = ("Purpose", "Sec-Purpose", "X-Purpose", "X-Moz")


def is_preview(user_agent: str, headers: Mapping[str, str], *, method: str = "GET") -> bool:
    """Whether this opening is a messenger's preview, a prefetch, a crawler or a tool rather than a person."""
    return (
        method == "HEAD"
        or not user_agent.strip()
        or TOOLS.search(user_agent) is not None
        or is_crawler(user_agent, headers)
    )


def is_crawler(user_agent: str, headers: Mapping[str, str]) -> bool:
    """Whether a bot or a prefetch is at work. Apps that speak to the API by a library are not meant."""
    ahead = any(AHEAD.search(headers.get(name, "")) for name in AHEAD_HEADERS)
    return ahead or CRAWLERS.search(user_agent) is not None
