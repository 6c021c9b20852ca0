"""What must hold between share links, their visits and the members who came through them."""

from core.text import Text
from core.verifying import Check
from sharing import reward_verifying

CHECKS = (
    Check(
        "share_visits",
        Text("分享的访问数 = 访问记录数", "the visits of a share link are its rows"),
        "share link",
        """
        SELECT l.id AS subject, coalesce(v.count, 0) AS expected, l.visits AS found
        FROM share_links l
        LEFT JOIN (SELECT share_link_id, count(*) AS count FROM share_visits GROUP BY share_link_id) v
               ON v.share_link_id = l.id
        WHERE ours(l)
        """,
    ),
    Check(
        "referral_paths",
        Text("推荐的位置 = 推荐人的位置之下", "the place of a referral is below its referrer's"),
        "member",
        """
        SELECT r.member_id AS subject,
               coalesce(up.path, hex10(r.referrer_id)) || hex10(r.member_id)
               || ' ' || CAST(coalesce(up.depth, 0) + 1 AS VARCHAR)
               || ' ' || CAST(coalesce(up.root_id, r.referrer_id) AS VARCHAR) AS expected,
               r.path || ' ' || CAST(r.depth AS VARCHAR) || ' ' || CAST(r.root_id AS VARCHAR) AS found
        FROM referrals r
        LEFT JOIN referrals up ON up.chain_id = r.chain_id AND up.member_id = r.referrer_id
        WHERE ours(r)
        """,
    ),
    Check(
        "referral_links",
        Text("推荐的链接和渠道 = 推荐人的链接", "the link and channel of a referral are its referrer's"),
        "member",
        """
        SELECT r.member_id AS subject,
               CAST(l.member_id AS VARCHAR) || ' ' || l.channel AS expected,
               CAST(r.referrer_id AS VARCHAR) || ' ' || r.channel AS found
        FROM referrals r
        JOIN share_links l ON l.id = r.share_link_id
        WHERE ours(r)
        """,
    ),
    Check(
        "reward_receivers",
        Text("奖励归推荐人或其朋友", "a reward is the referrer's or the friend's"),
        "reward",
        """
        SELECT w.id AS subject, CASE w.side WHEN 'friend' THEN r.member_id ELSE r.referrer_id END AS expected,
               w.member_id AS found
        FROM rewards w
        JOIN referrals r ON r.id = w.referral_id
        WHERE ours(w) AND (w.side = 'friend' OR w.state IN ('pending', 'flagged', 'approved'))
        """,
    ),
    *reward_verifying.CHECKS,
)
