"""Counting a segment of a million members, next to SQL that somebody wrote by hand for this very question.

Rules are compiled, counted and compared: both must come to the same number.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import text

from benchmarks import audience_world, places
from benchmarks.audience_world import NOW
from benchmarks.figures import Figure
from benchmarks.tree import Place
from core.db import db
from push.audiences.rfm import Habits, rules_by
from push.audiences.segments import Node, check_audience, count_reach
from stores.models import Chain

FLOOR, GOAL = 0.6, 0.9
WHAT = f"{audience_world.MEMBERS:,} members with {audience_world.CHECKOUTS:,} purchases"
HABITS = Habits(audience_world.MEMBERS, 40, 120, 3, 6, 30_000)
RULES = rules_by(HABITS)
HELD = "m.chain_id = 1 AND c.chain_id = 1 AND c.program_id = 1 AND c.state IN ('active', 'frozen', 'closed')"
MEMBERS = "members m JOIN cards c ON c.member_id = m.id"


class Question(NamedTuple):
    """Rules, and the same by hand."""

    name: str
    rules: Node
    by_hand: str


def one(field: str, op: str, value: Any) -> Node:
    return {"field": field, "op": op, "value": value}


QUESTIONS = (
    Question(
        "joined lately at some stores",
        {"all": [one("joined", "within_days", 60), one("store", "in", list(range(1, 21)))]},
        f"SELECT count(*) FROM {MEMBERS} WHERE {HELD} AND m.joined_at >= :d60 AND m.store_id BETWEEN 1 AND 20",
    ),
    Question(
        "champions",
        RULES["champions"],
        f"""SELECT count(*) FROM {MEMBERS} JOIN (
            SELECT member_id FROM checkouts WHERE chain_id = 1 AND state = 'settled' AND settled_at >= :d365
            GROUP BY member_id HAVING count(*) >= 6 AND sum(payable_cents - refunded_cents) >= 30000
            AND max(settled_at) >= :d40) b ON b.member_id = m.id WHERE {HELD}""",
    ),
    Question(
        "promising",
        RULES["promising"],
        f"""SELECT count(*) FROM {MEMBERS} JOIN (
            SELECT member_id, count(*) AS ever FROM checkouts WHERE chain_id = 1 AND state = 'settled'
            GROUP BY member_id HAVING max(settled_at) >= :d40
            AND sum(CASE WHEN settled_at >= :d365 THEN 1 ELSE 0 END) < 3) b ON b.member_id = m.id
            WHERE {HELD} AND NOT (m.joined_at >= :d30 AND b.ever <= 1)""",
    ),
    Question(
        "a birthday, a coupon or a yes, and not lately",
        {
            "all": [
                {
                    "any": [
                        one("birthday", "in_month", [5]),
                        one("coupon", "holds", [3]),
                        one("consent", "granted", "email"),
                    ]
                },
                {"not": one("purchase", "within_days", 90)},
                one("points", "at_least", 100),
            ]
        },
        f"""SELECT count(*) FROM {MEMBERS} LEFT JOIN (
            SELECT DISTINCT member_id FROM checkouts WHERE chain_id = 1 AND state = 'settled' AND settled_at >= :d90
            ) b ON b.member_id = m.id LEFT JOIN (
            SELECT DISTINCT member_id FROM coupons WHERE chain_id = 1 AND offer_id = 3 AND state = 'claimed'
            AND valid_from <= :d0 AND valid_until > :d0) k ON k.member_id = m.id LEFT JOIN (
            SELECT member_id, is_granted, row_number() OVER (PARTITION BY member_id ORDER BY id DESC) AS place
            FROM consents WHERE chain_id = 1 AND channel = 'email' AND purpose = 'promotion'
            ) y ON y.member_id = m.id AND y.place = 1
            WHERE {HELD} AND b.member_id IS NULL AND c.points >= 100
            AND (m.birthday LIKE '05-%' OR k.member_id IS NOT NULL OR coalesce(y.is_granted, FALSE))""",
    ),
)
CHANNELS = ("inbox", "email", "gateway")
REACH = f"""SELECT count(*), sum(CASE WHEN {{inbox}} THEN 1 ELSE 0 END), sum(CASE WHEN {{email}} THEN 1 ELSE 0 END),
    sum(CASE WHEN {{gateway}} THEN 1 ELSE 0 END) FROM {MEMBERS}
    LEFT JOIN said i ON i.member_id = m.id AND i.channel = 'inbox'
    LEFT JOIN said e ON e.member_id = m.id AND e.channel = 'email'
    LEFT JOIN said g ON g.member_id = m.id AND g.channel = 'gateway' WHERE {HELD}"""
SAID = """WITH said AS (SELECT member_id, channel, is_granted FROM (
    SELECT member_id, channel, is_granted, row_number() OVER (PARTITION BY member_id, channel ORDER BY id DESC) AS place
    FROM consents WHERE chain_id = 1 AND purpose = 'promotion') w WHERE place = 1) """
REACH_BY_HAND = SAID + REACH.format(
    inbox="c.state = 'active' AND coalesce(i.is_granted, TRUE)",
    email="c.state = 'active' AND m.email <> '' AND coalesce(e.is_granted, FALSE)"
    " AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.chain_id = 1 AND s.channel = 'email'"
    " AND s.address = m.email AND s.lifted_at IS NULL)",
    gateway="c.state = 'active' AND m.phone <> '' AND coalesce(g.is_granted, FALSE)"
    " AND NOT EXISTS (SELECT 1 FROM suppressions s WHERE s.chain_id = 1 AND s.channel = 'gateway'"
    " AND s.address = m.phone AND s.lifted_at IS NULL)",
)


def figures(databases: Sequence[str], rounds: int, samples: list[dict[str, Any]]) -> Iterator[Figure]:
    for database in databases:
        with places.filled(database, "segments", WHAT, audience_world.fill):
            yield from measure(Place({"postgresql": "PostgreSQL"}.get(database, "SQLite"), None, rounds, samples))


def measure(place: Place) -> Iterator[Figure]:
    chain = db.session.get_one(Chain, 1)
    for question in QUESTIONS:
        rules = check_audience(chain.id, question.rules)
        value = place.compare(
            f"segment: {question.name}",
            lambda rules=rules: count_reach(chain, rules, [], now=NOW).members,
            lambda question=question: by_hand(question.by_hand)[0],
        )
        yield Figure(f"segment: {question.name}, {place.name}", value, "SQL by hand", FLOOR, GOAL)
    value = place.compare("everybody, by three channels", reach_of(chain), lambda: by_hand(REACH_BY_HAND))
    yield Figure(f"everybody, by three channels, {place.name}", value, "SQL by hand", FLOOR, GOAL)


def reach_of(chain: Chain) -> Callable[[], tuple[int, ...]]:
    def ours() -> tuple[int, ...]:
        reach = count_reach(chain, {"all": []}, CHANNELS, now=NOW)
        return (reach.members, *reach.by_channel.values())

    return ours


def by_hand(sql: str) -> tuple[int, ...]:
    """The moments are bound as each database keeps them."""
    days = [days for days in (0, 30, 40, 60, 90, 365) if f":d{days}" in sql]
    moments = {f"d{days}": _kept(days) for days in days}
    return tuple(db.session.execute(text(sql), moments).one())


def _kept(days: int) -> Any:
    moment = NOW - timedelta(days=days)
    return moment if db.engine.dialect.name == "postgresql" else moment.strftime("%Y-%m-%d %H:%M:%S.%f")
