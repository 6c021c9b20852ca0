"""Who brought whom, and who brings most."""

from app.reports.columns import count, day, number, store_columns, time, word
from app.reports.report import Report
from app.reports.spelling import Spelling
from core.text import Text

REFERRALS = Report(
    name="referrals",
    title=Text("推荐关系", "Referrals"),
    about=Text(
        "每位由会员带来的新会员一行：传播树的一条边。",
        "One row for each member who came through another: an edge of the propagation tree.",
    ),
    columns=(
        number("referral_id", "r.id", "推荐编号", "the referral"),
        time("created_at", "r.created_at", "时间", "when the new member joined"),
        day(),
        number("member_id", "r.member_id", "新会员的编号", "the new member"),
        word("card_number", "k.number", "新会员的卡号", "the number of the new card"),
        number("referrer_id", "r.referrer_id", "推荐人的编号", "the member who brought him"),
        number("root_id", "r.root_id", "源头会员的编号", "the member at the root of the tree"),
        number("depth", "r.depth", "第几代", "the generation below the root"),
        word(
            "channel",
            "r.channel",
            "分享渠道：friend、group、moments、poster 或 copy",
            "the channel of the share: friend, group, moments, poster or copy",
        ),
        number("share_link_id", "r.share_link_id", "分享编号", "the share link"),
        *store_columns("新会员的门店", "the store of the new member"),
    ),
    tables="referrals r JOIN cards k ON k.id = r.card_id LEFT JOIN stores s ON s.id = r.store_id",
    chain="r",
    store="r.store_id",
    moment="r.created_at",
    order="r.created_at, r.id",
)


def spreading_parts(sql: Spelling) -> str:
    """What each member did and caused in the period: links made, visits, members brought."""
    made, visited, joined = sql.day_of("l.created_at"), sql.day_of("v.at"), sql.day_of("r.created_at")
    return f"""
counted AS (
    SELECT r.referrer_id AS member_id, 0 AS links, 0 AS visits, COUNT(*) AS joined, MAX(r.created_at) AS last_at
    FROM referrals r LEFT JOIN stores s ON s.id = r.store_id
    WHERE r.chain_id = :chain_id AND r.created_at >= :start AND r.created_at < :end
      AND {joined} BETWEEN :first AND :last
    GROUP BY r.referrer_id
    UNION ALL
    SELECT l.member_id, COUNT(*), 0, 0, NULL
    FROM share_links l LEFT JOIN stores s ON s.id = l.store_id
    WHERE l.chain_id = :chain_id AND l.created_at >= :start AND l.created_at < :end
      AND {made} BETWEEN :first AND :last
    GROUP BY l.member_id
    UNION ALL
    SELECT l.member_id, 0, COUNT(*), 0, NULL
    FROM share_visits v JOIN share_links l ON l.id = v.share_link_id LEFT JOIN stores s ON s.id = l.store_id
    WHERE v.chain_id = :chain_id AND v.at >= :start AND v.at < :end AND {visited} BETWEEN :first AND :last
    GROUP BY l.member_id
),
summed AS (
    SELECT member_id, SUM(links) AS links, SUM(visits) AS visits, SUM(joined) AS joined, MAX(last_at) AS last_at
    FROM counted GROUP BY member_id
)"""


SPREADERS = Report(
    name="spreaders",
    title=Text("传播达人", "Spreaders"),
    about=Text(
        "每位在这段时间分享过或带来新会员的会员一行，带来最多的在前。",
        "One row for each member who shared or brought members in the period, those who brought most first.",
    ),
    columns=(
        number("member_id", "w.member_id", "会员编号", "the member"),
        word("card_number", "k.number", "卡号", "the number of the card"),
        *store_columns("会员的门店", "the member's store"),
        count("links", "w.links", "分享次数", "share links made"),
        count(
            "visits",
            "w.visits",
            "带来的访问（30 分钟内同一人算一次）",
            "visits (one visitor counts once in 30 minutes)",
        ),
        count("joined", "w.joined", "直接带来的新会员", "new members brought directly"),
        number("own_depth", "COALESCE(r.depth, 0)", "自己是第几代，0 为源头", "his own generation, 0 at a root"),
        time("last_joined_at", "w.last_at", "最近一次带来新会员", "when the last of them joined"),
    ),
    parts=spreading_parts,
    tables="""summed w
    JOIN members m ON m.id = w.member_id
    LEFT JOIN cards k ON k.chain_id = m.chain_id AND k.program_id = :program_id AND k.wallet_id = m.wallet_id
    LEFT JOIN referrals r ON r.chain_id = m.chain_id AND r.member_id = m.id
    LEFT JOIN stores s ON s.id = m.store_id""",
    chain="",
    store="m.store_id",
    order="w.joined DESC, w.visits DESC, w.links DESC, w.member_id",
)
