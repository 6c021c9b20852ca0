"""What must hold between share links and their visits."""

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
    *reward_verifying.CHECKS,
)
