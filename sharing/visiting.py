"""Visits: an opening of a share link counts once per visitor in 30 minutes, and only when a person opened it.

``share_visitors`` decides by one conditional upsert; whoever it lets through is written down and counted on the link.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from core.hot import Hot, Sql
from sharing.joining import CodeUnknown

QUIET = timedelta(minutes=30)  # in which further openings by the same visitor do not count

LINK = """
    SELECT l.id, l.chain_id, own.id IS NOT NULL AS is_own
    FROM share_links l
    JOIN cards sharer ON sharer.id = l.card_id AND sharer.state = 'active'
    LEFT JOIN wallets own ON own.id = sharer.wallet_id AND own.key_hash = :visitor
    WHERE l.token = :token"""
UPSERT = """
    ON CONFLICT (share_link_id, visitor) DO UPDATE SET last_visit_at = excluded.last_visit_at
    WHERE share_visitors.last_visit_at <= :since
    RETURNING share_link_id"""

COUNT = Sql(f"""
WITH link AS ({LINK}),
counted AS (
    INSERT INTO share_visitors (share_link_id, visitor, last_visit_at)
    SELECT id, :visitor, :now FROM link WHERE NOT is_own{UPSERT}
),
visit AS (
    INSERT INTO share_visits (chain_id, share_link_id, visitor, at)
    SELECT link.chain_id, link.id, :visitor, :now FROM link JOIN counted ON counted.share_link_id = link.id
),
told AS (
    UPDATE share_links SET visits = visits + 1 WHERE id = (SELECT share_link_id FROM counted) RETURNING id
)
SELECT link.id, (SELECT id FROM told) FROM link""")

FIND = Sql(LINK)
COUNTED = Sql(f"""
    INSERT INTO share_visitors (share_link_id, visitor, last_visit_at) VALUES (:link_id, :visitor, :now){UPSERT}""")
VISIT = Sql(
    "INSERT INTO share_visits (chain_id, share_link_id, visitor, at) VALUES (:chain_id, :link_id, :visitor, :now)"
)
TOLD = Sql("UPDATE share_links SET visits = visits + 1 WHERE id = :link_id")


def count_visit(hot: Hot, token: str, *, visitor: str, now: datetime) -> bool:
    """Count this opening, unless the visitor was counted on the link in the last 30 minutes or shared it himself.

    ``visitor`` is a hash: of a phone's wallet secret, where it has one. Raises CodeUnknown.
    """
    values = {"token": token, "visitor": visitor, "now": now, "since": now - QUIET}
    if hot.is_postgresql:
        row = hot.row(COUNT, **values)
        if row is None:
            raise CodeUnknown()
        return row[1] is not None
    link = hot.row(FIND, token=token, visitor=visitor)
    if link is None:
        raise CodeUnknown()
    link_id, chain_id, is_own = link
    if is_own or hot.row(COUNTED, link_id=link_id, visitor=visitor, now=now, since=values["since"]) is None:
        return False
    hot.run(VISIT, chain_id=chain_id, link_id=link_id, visitor=visitor, now=now)
    hot.run(TOLD, link_id=link_id)
    return True


# What looks at a link before, or instead of, a person. In-app browsers (MicroMessenger, FBAN, Line) are people.
CRAWLERS = re.compile(
    r"bot\b|bot[/-]|crawl|spider|slurp|preview|unfurl|scraper"
    r"|facebookexternalhit|facebookcatalog|meta-external|whatsapp/|telegram|slack-img|skypeuri"
    r"|mpcrawler|wechat-?link|larkurl2meta|feishu-?link|dingtalk-?link|iframely|embedly|vkshare|pinterest/0"
    r"|google-(?:pagerenderer|read-aloud|inspectiontool|safety)|googleother|google favicon|mediapartners"
    r"|lighthouse|pingdom|uptime|statuscake|nessus|security ?scan",
    re.IGNORECASE,
)
TOOLS = re.compile(
    r"^(?:curl|wget|python|java|go-http-client|okhttp|axios|node|undici|ruby|php|perl|libwww|httpie|apache-httpclient"
    r"|postmanruntime|insomnia|cfnetwork|dart)\b",
    re.IGNORECASE,
)
AHEAD = re.compile(r"prefetch|prerender|preview", re.IGNORECASE)
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
