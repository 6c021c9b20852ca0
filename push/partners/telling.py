"""Telling partner systems what became of deliveries: a message per delivery and endpoint that listens.

It is written in the transaction in which the delivery ended, by one statement, and sent later (calling.py).
Where nobody listens the statement finds no endpoint and writes nothing.
"""

import json
from collections.abc import Collection
from datetime import datetime

from core.hot import Hot, Sql

DELIVERY_KINDS = ("delivery.sent", "delivery.delivered", "delivery.failed", "delivery.skipped")
TEST = "endpoint.test"
FIELDS = (
    "campaign_id", "run_id", "member_id", "channel", "variant", "state", "reason", "error", "attempts", "coupon_id",
)  # fmt: skip
_PAIRS = ", ".join(["'delivery_id', d.id", *(f"'{name}', d.{name}" for name in FIELDS)])
_TELL = """
    INSERT INTO webhook_messages (chain_id, endpoint_id, message_id, kind, payload, state, attempts, due_at, at)
    SELECT d.chain_id, e.id, 'dlv-' || d.id || '-' || d.state || '-' || {mark}, 'delivery.' || d.state, {payload},
        'pending', 0, {now}, {now}
    FROM deliveries d
    JOIN webhook_endpoints e ON e.chain_id = d.chain_id AND e.disabled_at IS NULL AND {listens}
    WHERE {which} AND d.state IN ('sent', 'delivered', 'failed', 'skipped')
    ON CONFLICT DO NOTHING
"""
_POSTGRESQL = {
    "mark": ":mark ::text",
    "now": ":now ::timestamptz",
    "payload": f"jsonb_build_object({_PAIRS})",
    "listens": "(e.kinds = '[]'::jsonb OR jsonb_exists(e.kinds, 'delivery.' || d.state))",
}
_SQLITE = {
    "mark": ":mark",
    "now": ":now",
    "payload": f"json_object({_PAIRS})",
    "listens": "(e.kinds = '[]' OR EXISTS (SELECT 1 FROM json_each(e.kinds) WHERE value = 'delivery.' || d.state))",
}
OF_IDS = {
    True: Sql(_TELL.format(**_POSTGRESQL, which="d.id = ANY(:ids ::bigint[])")),
    False: Sql(_TELL.format(**_SQLITE, which="d.id IN (SELECT value FROM json_each(:ids))")),
}
OF_RUN = {
    True: Sql(_TELL.format(**_POSTGRESQL, which="d.run_id = :run_id")),
    False: Sql(_TELL.format(**_SQLITE, which="d.run_id = :run_id")),
}
LISTENS = Sql("SELECT 1 FROM webhook_endpoints WHERE disabled_at IS NULL LIMIT 1")


def tell(hot: Hot, delivery_ids: Collection[int], *, now: datetime) -> int:
    """Write down what has just become of these deliveries, for every endpoint that wants to know; return how many.

    Needs the transaction in which they ended. Those that have not ended are passed over.
    """
    if not delivery_ids or hot.row(LISTENS) is None:
        return 0
    ids = list(delivery_ids)
    return hot.run(
        OF_IDS[hot.is_postgresql], ids=ids if hot.is_postgresql else json.dumps(ids), mark=_mark(now), now=now
    )


def tell_frozen(hot: Hot, run_id: int, *, now: datetime) -> int:
    """The same for whoever was skipped as the run began."""
    if hot.row(LISTENS) is None:
        return 0
    return hot.run(OF_RUN[hot.is_postgresql], run_id=run_id, mark=_mark(now), now=now)


def _mark(now: datetime) -> str:
    """In the message's id, since what failed may be tried again, and a database put back gives its numbers out anew."""
    return f"{int(now.timestamp() * 1000):x}"
