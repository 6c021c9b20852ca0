"""What must hold between cards and their points."""

from core.text import Text
from core.verifying import Check

CHECKS = (
    Check(
        "points_balance",
        Text("卡上的积分 = 流水之和", "the points of a card are the sum of its lines"),
        "card",
        """
        SELECT k.id AS subject, coalesce(e.total, 0) AS expected, k.points AS found
        FROM cards k
        LEFT JOIN (SELECT card_id, sum(delta) AS total FROM point_entries GROUP BY card_id) e ON e.card_id = k.id
        WHERE ours(k)
        """,
    ),
    Check(
        "points_lines",
        Text("每行流水的余额 = 到此为止之和", "the balance of every line is the sum up to it"),
        "point entry",
        """
        SELECT e.id AS subject, sum(e.delta) OVER (PARTITION BY e.card_id ORDER BY e.id) AS expected,
               e.balance AS found
        FROM point_entries e WHERE ours(e)
        """,
    ),
)
