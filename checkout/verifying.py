"""What must hold between purchases, the coupons and points used in them, and what was handed back."""

from core.text import Text
from core.verifying import Check

# Purchases that stand, wholly or in part. One refunded wholly counts with nothing.
STAND = "h.state IN ('settled', 'refunded')"

COUPONS = (
    Check(
        "coupons_used",
        Text("已用的优惠券恰有一次有效核销", "a used coupon has one redemption in force, others none"),
        "coupon",
        """
        SELECT q.id AS subject, CASE WHEN q.state = 'redeemed' THEN 1 ELSE 0 END AS expected,
               CASE WHEN r.coupon_id IS NULL THEN 0 ELSE r.count END AS found
        FROM coupons q
        LEFT JOIN (SELECT coupon_id, count(*) AS count FROM redemptions WHERE undone_at IS NULL GROUP BY coupon_id) r
               ON r.coupon_id = q.id
        WHERE ours(q)
        """,
    ),
    Check(
        "redemptions_in_force",
        Text("结账有效，核销才有效", "a redemption is in force exactly while its checkout is"),
        "redemption",
        """
        SELECT r.id AS subject, CASE WHEN h.state IN ('settled', 'reserved') THEN 1 ELSE 0 END AS expected,
               CASE WHEN r.undone_at IS NULL THEN 1 ELSE 0 END AS found
        FROM redemptions r JOIN checkouts h ON h.id = r.checkout_id WHERE ours(r)
        """,
    ),
    Check(
        "redemptions_timed",
        Text("预留的核销没有时间，其余都有", "a redemption has its time once its checkout is settled"),
        "redemption",
        """
        SELECT r.id AS subject, CASE WHEN h.settled_at IS NULL THEN 0 ELSE 1 END AS expected,
               CASE WHEN r.redeemed_at IS NULL THEN 0 ELSE 1 END AS found
        FROM redemptions r JOIN checkouts h ON h.id = r.checkout_id WHERE ours(r)
        """,
    ),
    Check(
        "redemptions_belong",
        Text(
            "核销、优惠券和结账是同一张卡、同一活动、同一门店",
            "a redemption is of its coupon's offer and its checkout's card and store",
        ),
        "redemption",
        """
        SELECT r.id AS subject, 1 AS expected,
               CASE WHEN q.offer_id = r.offer_id AND q.card_id = h.card_id AND h.store_id = r.store_id THEN 1 ELSE 0 END
               AS found
        FROM redemptions r JOIN checkouts h ON h.id = r.checkout_id JOIN coupons q ON q.id = r.coupon_id WHERE ours(r)
        """,
    ),
    Check(
        "budget_discounts",
        Text("优惠不超过优惠券占用的预算", "a discount stays within what its coupon commits of the budget"),
        "redemption",
        """
        SELECT r.id AS subject, 0 AS expected,
               CASE WHEN r.discount_cents > q.committed_cents THEN r.discount_cents - q.committed_cents ELSE 0 END
               AS found
        FROM redemptions r JOIN coupons q ON q.id = r.coupon_id JOIN offers f ON f.id = r.offer_id
        WHERE f.budget_cents IS NOT NULL AND r.undone_at IS NULL AND ours(r)
        """,
    ),
)

MONEY = (
    Check(
        "checkouts_add_up",
        Text("应收 = 原价减各项优惠", "what is payable is the amount less every discount"),
        "checkout",
        """
        SELECT h.id AS subject,
               h.amount_cents - h.member_discount_cents - h.coupon_discount_cents - h.points_discount_cents AS expected,
               h.payable_cents AS found
        FROM checkouts h WHERE ours(h)
        """,
    ),
    Check(
        "checkouts_coupons",
        Text("优惠券优惠 = 各次核销之和", "what coupons took off is the sum of the redemptions"),
        "checkout",
        """
        SELECT h.id AS subject, coalesce(r.total, 0) AS expected, h.coupon_discount_cents AS found
        FROM checkouts h
        LEFT JOIN (SELECT checkout_id, sum(discount_cents) AS total FROM redemptions GROUP BY checkout_id) r
               ON r.checkout_id = h.id
        WHERE ours(h)
        """,
    ),
    Check(
        "checkouts_refunded",
        Text("已退 = 各笔退款之和", "what was refunded is the sum of the refunds"),
        "checkout",
        """
        SELECT h.id AS subject, coalesce(b.total, 0) AS expected, h.refunded_cents AS found
        FROM checkouts h
        LEFT JOIN (SELECT checkout_id, sum(amount_cents) AS total FROM refunds GROUP BY checkout_id) b
               ON b.checkout_id = h.id
        WHERE ours(h)
        """,
    ),
    Check(
        "cards_spent",
        Text("卡上的累计消费 = 有效结账的应收减退款", "what a card has spent is what was paid and not refunded"),
        "card",
        f"""
        SELECT k.id AS subject, coalesce(h.total, 0) AS expected, k.spent_cents AS found
        FROM cards k
        LEFT JOIN (
            SELECT h.card_id, sum(h.payable_cents - h.refunded_cents) AS total FROM checkouts h WHERE {STAND}
            GROUP BY h.card_id
        ) h ON h.card_id = k.id
        WHERE ours(k)
        """,
    ),
)

POINTS = (
    Check(
        "cards_earned",
        Text(
            "卡上的累计积分 = 有效结账所得，加导入的",
            "what a card has earned is what purchases that stand gave, and what was imported",
        ),
        "card",
        f"""
        SELECT k.id AS subject, coalesce(u.total, 0) AS expected, k.earned_points AS found
        FROM cards k
        LEFT JOIN (
            SELECT card_id, sum(points) AS total FROM (
                SELECT h.card_id, h.points_earned AS points FROM checkouts h WHERE {STAND}
                UNION ALL
                SELECT h.card_id, -(b.points_taken + b.points_short)
                FROM refunds b JOIN checkouts h ON h.id = b.checkout_id
                UNION ALL
                SELECT e.card_id, e.delta FROM point_entries e WHERE e.cause = 'import'
            ) each
            GROUP BY card_id
        ) u ON u.card_id = k.id
        WHERE ours(k)
        """,
    ),
    Check(
        "points_given",
        Text("结账给的积分 = 流水", "the points a checkout gave are in the ledger"),
        "ledger cause",
        """
        SELECT u.cause AS subject, sum(u.earned) AS expected, sum(u.booked) AS found
        FROM (
            SELECT 'checkout:' || h.id AS cause, h.points_earned AS earned, 0 AS booked
            FROM checkouts h WHERE h.points_earned > 0 AND h.settled_at IS NOT NULL AND ours(h)
            UNION ALL
            SELECT e.cause, 0, e.delta FROM point_entries e WHERE e.cause LIKE 'checkout:%' AND ours(e)
        ) u
        GROUP BY u.cause
        """,
    ),
    Check(
        "points_used",
        Text("结账用的积分 = 流水", "the points a checkout used are in the ledger"),
        "checkout",
        """
        SELECT u.id AS subject, sum(u.used) AS expected, sum(u.booked) AS found
        FROM (
            SELECT CAST(h.id AS text) AS id, h.points_used AS used, 0 AS booked
            FROM checkouts h WHERE h.points_used > 0 AND ours(h)
            UNION ALL
            SELECT substr(e.cause, CASE WHEN e.cause LIKE 'spend:%' THEN 7 ELSE 9 END), 0, -e.delta
            FROM point_entries e WHERE (e.cause LIKE 'spend:%' OR e.cause LIKE 'reserve:%') AND ours(e)
        ) u
        GROUP BY u.id
        """,
    ),
    Check(
        "points_refunded",
        Text("退款退回与扣回的积分 = 流水", "the points that refunds gave back and took are in the ledger"),
        "ledger cause",
        """
        SELECT u.cause AS subject, sum(u.points) AS expected, sum(u.booked) AS found
        FROM (
            SELECT 'refund:' || b.checkout_id || ':'
                   || sum(b.amount_cents) OVER (PARTITION BY b.checkout_id ORDER BY b.id) AS cause,
                   b.points_returned - b.points_taken AS points, 0 AS booked
            FROM refunds b WHERE ours(b)
            UNION ALL
            SELECT e.cause, 0, e.delta FROM point_entries e WHERE e.cause LIKE 'refund:%' AND ours(e)
        ) u
        GROUP BY u.cause
        """,
    ),
    Check(
        "points_released",
        Text("放弃的预留退回所用的积分", "a reservation that was released gave its points back, others did not"),
        "ledger cause",
        """
        SELECT u.cause AS subject, sum(u.points) AS expected, sum(u.booked) AS found
        FROM (
            SELECT 'release:' || h.id AS cause, h.points_used AS points, 0 AS booked
            FROM checkouts h WHERE h.state = 'released' AND ours(h)
            UNION ALL
            SELECT e.cause, 0, e.delta FROM point_entries e WHERE e.cause LIKE 'release:%' AND ours(e)
        ) u
        GROUP BY u.cause
        """,
    ),
    Check(
        "points_voided",
        Text(
            "撤销退回所用的积分，扣回的不超过所得",
            "an undo gave back the points used, and took no more than were earned",
        ),
        "ledger cause",
        """
        SELECT v.cause AS subject,
               CASE WHEN v.booked > v.used THEN v.used
                    WHEN v.booked < v.used - v.earned THEN v.used - v.earned ELSE v.booked END AS expected,
               v.booked AS found
        FROM (
            SELECT u.cause, sum(u.used) AS used, sum(u.earned) AS earned, sum(u.booked) AS booked
            FROM (
                SELECT 'void:' || h.id AS cause, h.points_used AS used, h.points_earned AS earned, 0 AS booked
                FROM checkouts h WHERE h.state = 'voided' AND ours(h)
                UNION ALL
                SELECT e.cause, 0, 0, e.delta FROM point_entries e WHERE e.cause LIKE 'void:%' AND ours(e)
            ) u
            GROUP BY u.cause
        ) v
        """,
    ),
)

CHECKS = COUPONS + MONEY + POINTS
