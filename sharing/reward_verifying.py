"""What must hold between rewards, what their rules promise, and the coupons and points that were given."""

from core.text import Text
from core.verifying import Check

CHECKS = (
    Check(
        "reward_budget",
        Text("奖励规则的占用 = 其奖励的占用之和", "what a reward rule commits is what its rewards commit"),
        "reward rule",
        """
        SELECT u.id AS subject, coalesce(q.committed, 0) AS expected, u.committed_cents AS found
        FROM reward_rules u
        LEFT JOIN (SELECT rule_id, sum(committed_cents) AS committed FROM rewards GROUP BY rule_id) q
               ON q.rule_id = u.id
        WHERE ours(u)
        """,
    ),
    Check(
        "reward_commits",
        Text(
            "奖励的占用符合它的状态：有效的是全部成本，拒绝的是零，收回的只剩已用掉的",
            "a reward commits what its state says: all it costs, nothing once rejected, what was kept once taken back",
        ),
        "reward",
        """
        SELECT r.id AS subject,
               CASE WHEN r.state IN ('pending', 'flagged', 'approved') OR r.is_coupon_lost THEN r.cost_cents
                    WHEN r.state = 'clawed_back' AND r.points_short > 0
                    THEN (r.cost_cents * r.points_short + r.points - 1) / r.points
                    ELSE 0 END AS expected,
               r.committed_cents AS found
        FROM rewards r WHERE ours(r)
        """,
    ),
    Check(
        "reward_points",
        Text("积分奖励与积分流水一致", "the points of a reward are its lines in the ledger"),
        "reward",
        """
        SELECT u.reward_id AS subject, sum(u.given) AS expected, sum(u.booked) AS found
        FROM (
            SELECT r.id AS reward_id, CASE r.state WHEN 'approved' THEN r.points
                                                   WHEN 'clawed_back' THEN r.points_short ELSE 0 END AS given,
                   0 AS booked
            FROM rewards r WHERE r.points IS NOT NULL AND ours(r)
            UNION ALL
            SELECT CAST(substr(e.cause, 8) AS bigint), 0, e.delta
            FROM point_entries e WHERE e.cause LIKE 'reward:%' AND ours(e)
            UNION ALL
            SELECT CAST(substr(e.cause, 10) AS bigint), 0, e.delta
            FROM point_entries e WHERE e.cause LIKE 'clawback:%' AND ours(e)
        ) u
        GROUP BY u.reward_id
        """,
    ),
    Check(
        "reward_coupons",
        Text("奖励给出的优惠券是它的券，也在它的卡上", "the coupon of a reward is of its offer, and on its card"),
        "reward",
        """
        SELECT r.id AS subject, r.coupon_id AS expected, coalesce(q.id, 0) AS found
        FROM rewards r
        LEFT JOIN coupons q ON q.id = r.coupon_id AND q.source = 'share_reward' AND q.offer_id = r.offer_id
                           AND q.card_id = r.card_id
        WHERE r.coupon_id IS NOT NULL AND ours(r)
        """,
    ),
    Check(
        "reward_coupons_owed",
        Text(
            "分享奖励的优惠券各属于一笔已发放的奖励；收回的奖励没有可用的券",
            "a share reward's coupon in use is of one reward that stands; a reward taken back leaves no coupon",
        ),
        "coupon",
        """
        SELECT q.id AS subject, 1 AS expected, count(r.id) AS found
        FROM coupons q
        LEFT JOIN rewards r ON r.coupon_id = q.id AND (r.state = 'approved' OR r.is_coupon_lost)
        WHERE q.source = 'share_reward' AND q.state IN ('claimed', 'gifting', 'redeemed') AND ours(q)
        GROUP BY q.id
        """,
    ),
    Check(
        "reward_caps",
        Text("推荐人每天的奖励不超过上限", "never more rewards of a referrer in a day than the rule allows"),
        "reward rule/member",
        """
        SELECT r.rule_id || '/' || r.member_id || '/' || CAST(r.earned_on AS text) AS subject, 0 AS expected,
               CASE WHEN count(*) > u.per_day_cap THEN count(*) - u.per_day_cap ELSE 0 END AS found
        FROM rewards r JOIN reward_rules u ON u.id = r.rule_id
        WHERE u.per_day_cap IS NOT NULL AND r.side = 'referrer' AND r.state IN ('pending', 'flagged', 'approved')
          AND ours(r)
        GROUP BY r.rule_id, r.member_id, r.earned_on, u.per_day_cap
        """,
    ),
    Check(
        "reward_lifetime_caps",
        Text("推荐人的奖励总数不超过上限", "never more rewards of a referrer in all than the rule allows"),
        "reward rule/member",
        """
        SELECT r.rule_id || '/' || r.member_id AS subject, 0 AS expected,
               CASE WHEN count(*) > u.lifetime_cap THEN count(*) - u.lifetime_cap ELSE 0 END AS found
        FROM rewards r JOIN reward_rules u ON u.id = r.rule_id
        WHERE u.lifetime_cap IS NOT NULL AND r.side = 'referrer' AND r.state IN ('pending', 'flagged', 'approved')
          AND ours(r)
        GROUP BY r.rule_id, r.member_id, u.lifetime_cap
        """,
    ),
)
