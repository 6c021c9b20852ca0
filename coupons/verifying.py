"""What must hold between offers, their counters and the coupons members hold."""

from core.text import Text
from core.verifying import Check

# A coupon given by a friend is not claimed again: its claim is the one of whoever gave it.
STOCK = (
    Check(
        "stock_laid",
        Text("各份库存之和 = 券活动的库存", "the parts of a stock add up to it"),
        "offer",
        """
        SELECT f.id AS subject, coalesce(f.stock, 0) AS expected, coalesce(s.stock, 0) AS found
        FROM offers f
        LEFT JOIN (SELECT offer_id, sum(stock) AS stock FROM offer_slots GROUP BY offer_id) s ON s.offer_id = f.id
        WHERE ours(f)
        """,
    ),
    Check(
        "stock_claimed",
        Text("各份已领之和 = 领出的优惠券", "what the parts of a stock count are the coupons claimed"),
        "offer",
        """
        SELECT f.id AS subject, coalesce(q.claimed, 0) AS expected, coalesce(s.claimed, 0) AS found
        FROM offers f
        LEFT JOIN (SELECT offer_id, sum(claimed) AS claimed FROM offer_slots GROUP BY offer_id) s ON s.offer_id = f.id
        LEFT JOIN (
            SELECT offer_id, count(*) AS claimed FROM coupons WHERE source <> 'friend' GROUP BY offer_id
        ) q ON q.offer_id = f.id
        WHERE f.stock IS NOT NULL AND ours(f)
        """,
    ),
    Check(
        "stock_within",
        Text("领出的不超过库存", "never more coupons than the stock"),
        "offer",
        """
        SELECT f.id AS subject, 0 AS expected,
               CASE WHEN q.claimed > f.stock THEN q.claimed - f.stock ELSE 0 END AS found
        FROM offers f
        JOIN (SELECT offer_id, count(*) AS claimed FROM coupons WHERE source <> 'friend' GROUP BY offer_id) q
          ON q.offer_id = f.id
        WHERE f.stock IS NOT NULL AND ours(f)
        """,
    ),
)

LIMITS = (
    Check(
        "member_limit",
        Text("每人领的不超过上限", "nobody has more coupons of an offer than it allows"),
        "offer/member",
        """
        SELECT q.offer_id || '/' || q.member_id AS subject, 0 AS expected,
               CASE WHEN q.held > f.per_member_limit THEN q.held - f.per_member_limit ELSE 0 END AS found
        FROM (
            SELECT offer_id, member_id, count(*) AS held FROM coupons GROUP BY offer_id, member_id
        ) q JOIN offers f ON f.id = q.offer_id
        WHERE ours(f)
        """,
    ),
    Check(
        "member_order",
        Text("每人的第几张没有空缺", "a member's first, second … coupon of an offer has no gap"),
        "offer/member",
        """
        SELECT q.offer_id || '/' || q.member_id AS subject, count(*) AS expected, max(q.ordinal) AS found
        FROM coupons q WHERE ours(q) GROUP BY q.offer_id, q.member_id
        """,
    ),
    Check(
        "day_counted",
        Text("各天的计数之和 = 领出的优惠券", "what is counted of the days are the coupons claimed"),
        "offer",
        """
        SELECT f.id AS subject, coalesce(q.claimed, 0) AS expected, coalesce(d.counted, 0) AS found
        FROM offers f
        LEFT JOIN (
            SELECT offer_id, count(*) AS claimed FROM coupons WHERE source <> 'friend' GROUP BY offer_id
        ) q ON q.offer_id = f.id
        LEFT JOIN (SELECT offer_id, sum(claimed) AS counted FROM offer_days GROUP BY offer_id) d ON d.offer_id = f.id
        WHERE f.per_day_limit IS NOT NULL AND ours(f)
        """,
    ),
    Check(
        "day_limit",
        Text("每天领的不超过上限", "never more of an offer in a day than it allows"),
        "offer/day",
        """
        SELECT d.offer_id || '/' || CAST(d.day AS text) AS subject, 0 AS expected,
               CASE WHEN d.claimed > f.per_day_limit THEN d.claimed - f.per_day_limit ELSE 0 END AS found
        FROM offer_days d JOIN offers f ON f.id = d.offer_id
        WHERE f.per_day_limit IS NOT NULL AND ours(f)
        """,
    ),
    Check(
        "phone_counted",
        Text("各手机的计数之和 = 券活动的优惠券", "what is counted of the phones are the coupons of the offer"),
        "offer",
        """
        SELECT f.id AS subject, coalesce(q.claimed, 0) AS expected, coalesce(p.counted, 0) AS found
        FROM offers f
        LEFT JOIN (SELECT offer_id, count(*) AS claimed FROM coupons GROUP BY offer_id) q ON q.offer_id = f.id
        LEFT JOIN (SELECT offer_id, sum(claimed) AS counted FROM offer_phones GROUP BY offer_id) p ON p.offer_id = f.id
        WHERE f.per_phone_limit IS NOT NULL AND ours(f)
        """,
    ),
    Check(
        "phone_limit",
        Text("每个手机领的不超过上限", "never more of an offer for a phone than it allows"),
        "offer/phone",
        """
        SELECT p.offer_id || '/' || substr(p.phone_hash, 1, 8) AS subject, 0 AS expected,
               CASE WHEN p.claimed > f.per_phone_limit THEN p.claimed - f.per_phone_limit ELSE 0 END AS found
        FROM offer_phones p JOIN offers f ON f.id = p.offer_id
        WHERE f.per_phone_limit IS NOT NULL AND ours(f)
        """,
    ),
    Check(
        "budget_committed",
        Text("预算的占用 = 有效优惠券的占用之和", "what is committed of a budget is what its coupons commit"),
        "offer",
        """
        SELECT f.id AS subject, coalesce(q.committed, 0) AS expected, coalesce(b.committed_cents, 0) AS found
        FROM offers f
        LEFT JOIN offer_budgets b ON b.offer_id = f.id
        LEFT JOIN (
            SELECT offer_id, sum(committed_cents) AS committed FROM coupons
            WHERE state IN ('claimed', 'gifting', 'redeemed') GROUP BY offer_id
        ) q ON q.offer_id = f.id
        WHERE f.budget_cents IS NOT NULL AND ours(f)
        """,
    ),
    Check(
        "budget_size",
        Text("预算两处一致", "a budget is the same where it is set and where it is counted"),
        "offer",
        """
        SELECT f.id AS subject, f.budget_cents AS expected, b.budget_cents AS found
        FROM offers f JOIN offer_budgets b ON b.offer_id = f.id
        WHERE f.budget_cents IS NOT NULL AND ours(f)
        """,
    ),
)

WAYS = (
    Check(
        "gifts_open",
        Text("转赠中的优惠券恰有一次未完成的转赠", "a coupon that is being given has one open gift, others none"),
        "coupon",
        """
        SELECT u.coupon_id AS subject, sum(u.gifting) AS expected, sum(u.open) AS found
        FROM (
            SELECT q.id AS coupon_id, 1 AS gifting, 0 AS open FROM coupons q WHERE q.state = 'gifting' AND ours(q)
            UNION ALL
            SELECT g.coupon_id, 0, 1 FROM coupon_gifts g WHERE g.state = 'open' AND ours(g)
        ) u
        GROUP BY u.coupon_id
        """,
    ),
    Check(
        "gifts_accepted",
        Text(
            "朋友的优惠券来自一次被接受的转赠，原券作废",
            "a friend's coupon came by an accepted gift; the giver's is void",
        ),
        "coupon",
        """
        SELECT u.coupon_id AS subject, sum(u.received) AS expected, sum(u.accepted) AS found
        FROM (
            SELECT q.id AS coupon_id, 1 AS received, 0 AS accepted FROM coupons q
            WHERE q.given_coupon_id IS NOT NULL AND ours(q)
            UNION ALL
            SELECT g.new_coupon_id, 0, 1 FROM coupon_gifts g
            JOIN coupons given ON given.id = g.coupon_id AND given.state = 'void'
            JOIN coupons mine ON mine.id = g.new_coupon_id AND mine.given_coupon_id = given.id
                             AND mine.offer_id = given.offer_id AND mine.member_id = g.receiver_id
            WHERE g.state = 'accepted' AND ours(g)
        ) u
        GROUP BY u.coupon_id
        """,
    ),
    Check(
        "staff_gifts",
        Text("店员送出的优惠券各有一条记录", "a coupon given by staff has its record, others none"),
        "coupon",
        """
        SELECT u.coupon_id AS subject, sum(u.given) AS expected, sum(u.noted) AS found
        FROM (
            SELECT q.id AS coupon_id, 1 AS given, 0 AS noted FROM coupons q WHERE q.source = 'staff_gift' AND ours(q)
            UNION ALL
            SELECT g.coupon_id, 0, CASE WHEN q.offer_id = g.offer_id AND q.source = 'staff_gift' THEN 1 ELSE 2 END
            FROM staff_gifts g JOIN coupons q ON q.id = g.coupon_id WHERE ours(g)
        ) u
        GROUP BY u.coupon_id
        """,
    ),
    Check(
        "staff_gift_order",
        Text("店员每天的第几张没有空缺", "what a member of staff gave of an offer in a day has no gap"),
        "offer/staff/day",
        """
        SELECT g.offer_id || '/' || g.staff_id || '/' || CAST(g.day AS text) AS subject,
               count(*) AS expected, max(g.ordinal) AS found
        FROM staff_gifts g WHERE ours(g) GROUP BY g.offer_id, g.staff_id, g.day
        """,
    ),
    Check(
        "printed_codes",
        Text("用过的印刷码各换了一张优惠券", "a coupon from a printed code has its code, others none"),
        "coupon",
        """
        SELECT u.coupon_id AS subject, sum(u.taken) AS expected, sum(u.used) AS found
        FROM (
            SELECT q.id AS coupon_id, 1 AS taken, 0 AS used FROM coupons q WHERE q.source = 'printed_code' AND ours(q)
            UNION ALL
            SELECT p.coupon_id, 0, CASE WHEN q.offer_id = b.offer_id AND q.source = 'printed_code' THEN 1 ELSE 2 END
            FROM printed_codes p JOIN code_batches b ON b.id = p.batch_id JOIN coupons q ON q.id = p.coupon_id
            WHERE p.coupon_id IS NOT NULL AND ours(p)
        ) u
        GROUP BY u.coupon_id
        """,
    ),
    Check(
        "printed_batches",
        Text("批次的计数 = 码的数量", "what a batch counts is the number of its codes"),
        "batch",
        """
        SELECT b.id AS subject, coalesce(p.count, 0) AS expected, b.made AS found
        FROM code_batches b
        LEFT JOIN (SELECT batch_id, count(*) AS count FROM printed_codes GROUP BY batch_id) p ON p.batch_id = b.id
        WHERE ours(b)
        """,
    ),
)

CHECKS = STOCK + LIMITS + WAYS
