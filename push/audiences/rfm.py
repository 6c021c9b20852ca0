"""Ready-made segments by recency, frequency and money, with figures of the chain's own.

What is "lately" and what is "often" differs between an ice-cream parlour and a furniture shop. So the figures are
worked out from what members bought in the last year: the usual time between two purchases, how often the better half
comes, what the best fifth spends. The rules are then ordinary rules that can be read, changed and used anywhere.

Everybody who ever bought is in exactly one of the six.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select

from checkout.models import Checkout, CheckoutState
from core.audit import Author
from core.db import db
from core.text import Text
from push.audiences.chance import LOTS, Chance
from push.audiences.conditions.buying import NET
from push.audiences.models import ReadyMade, Segment
from push.audiences.saved_segments import READY_NAMES, create_segment, ready_made_of, rework_segment
from push.audiences.segments import Node
from push.errors import SegmentNameTaken
from stores.models import Chain

YEAR = 365  # days
NEW_DAYS = 30
FEWEST_BUYERS = 50  # with fewer, a chain's own figures say nothing
MOST_BUYERS = 20_000  # a drawn part of a larger chain says as much
SOON, LATE = (NEW_DAYS, 120), 365  # days: from when to when "lately" may reach, and "long ago" at most

ADVICE = {
    ReadyMade.CHAMPIONS: Text(
        "他们最常来、花得最多。道声谢，请他们带朋友来。",
        "They come and spend most. Thank them; ask for their friends.",
    ),
    ReadyMade.LOYAL: Text(
        "他们常来。给一点新鲜的，不必打折。",
        "They come often. Show them what is new; they need no discount.",
    ),
    ReadyMade.PROMISING: Text(
        "最近来过，还不常来。送一张下次用的券。",
        "They came lately, not often yet. A coupon for the next time helps.",
    ),
    ReadyMade.NEW: Text(
        "刚入会。请他们来第二次。",
        "They have just joined. Invite them a second time.",
    ),
    ReadyMade.AT_RISK: Text(
        "比平时久没来了。现在提醒，还来得及。",
        "They stay away longer than usual. A word now is in time.",
    ),
    ReadyMade.LOST: Text(
        "很久没来了。少打扰，给一次好一点的理由。",
        "They have been away for long. One good reason, and not often.",
    ),
}


class Habits(NamedTuple):
    """How a chain's members buy."""

    buyers: int  # in a year
    soon_days: int  # who bought within these is not missed yet
    late_days: int  # who did not buy within these is not expected any more
    often: int  # purchases in a year, of the better half
    very_often: int  # of the best fifth
    much_cents: int | None  # spent in a year, by the best fifth; None where too little is known

    @property
    def are_own(self) -> bool:
        return self.buyers >= FEWEST_BUYERS


USUAL = Habits(0, 60, 180, 2, 5, None)


def habits_of(chain_id: int, *, now: datetime) -> Habits:
    """The figures of a chain; what is usual where it has too few buyers."""
    count = db.session.scalar(select(func.count(Checkout.member_id.distinct())).where(*_lately(chain_id, now))) or 0
    if count < FEWEST_BUYERS:
        return USUAL._replace(buyers=count)
    rows = _drawn(chain_id, count, now)
    gaps = sorted((row.last - row.first) / (row.times - 1) for row in rows if row.times > 1)
    usual = at_share(gaps, 0.5).days if gaps else USUAL.soon_days // 2
    soon = min(max(2 * usual, SOON[0]), SOON[1])
    times = sorted(row.times for row in rows)
    often = max(2, at_share(times, 0.5))
    return Habits(
        buyers=count,
        soon_days=soon,
        late_days=min(3 * soon, LATE),
        often=often,
        very_often=max(often + 1, at_share(times, 0.8)),
        much_cents=max(1, two_digits(at_share(sorted(row.net for row in rows), 0.8))),
    )


def _lately(chain_id: int, now: datetime) -> tuple[Any, ...]:
    return (
        Checkout.chain_id == chain_id,
        Checkout.state == CheckoutState.SETTLED,
        Checkout.settled_at >= now - timedelta(days=YEAR),
    )


def _drawn(chain_id: int, count: int, now: datetime) -> Sequence[Row[Any]]:
    """What each buyer of the year did; of very many buyers a part, drawn by lot."""
    query = select(
        func.count().label("times"),
        func.coalesce(NET, 0).label("net"),
        func.min(Checkout.settled_at).label("first"),
        func.max(Checkout.settled_at).label("last"),
    ).where(*_lately(chain_id, now))
    if count > MOST_BUYERS:
        query = query.where(Chance(f"habits:{chain_id}").sql(Checkout.member_id) < LOTS * MOST_BUYERS // count)
    found: Any = db.session.execute(query.group_by(Checkout.member_id)).all()
    return list(found)


def at_share(ordered: Sequence[Any], share: float) -> Any:
    """The value that this share of them does not exceed."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def two_digits(cents: int) -> int:
    """An amount that can be said: ¥430 rather than ¥427.65."""
    step: int = 10 ** max(0, len(str(cents)) - 2)
    return int(cents // step * step)


def rules_by(habits: Habits) -> dict[ReadyMade, Node]:
    """The six rule trees."""
    lately = _one("purchase", "within_days", habits.soon_days)
    often = _one("purchases", "at_least", {"count": habits.often, "days": YEAR})
    best = [_one("purchases", "at_least", {"count": habits.very_often, "days": YEAR})]
    if habits.much_cents is not None:
        best.append(_one("spend", "at_least", {"cents": habits.much_cents, "days": YEAR}))
    new = [
        _one("joined", "within_days", NEW_DAYS),
        _one("purchases", "at_most", {"count": 1, "days": None}),
    ]
    return {
        ReadyMade.CHAMPIONS: {"all": [lately, *best]},
        ReadyMade.LOYAL: {"all": [lately, often, {"not": {"all": best}}]},
        ReadyMade.PROMISING: {"all": [lately, {"not": often}, {"not": {"all": new}}]},
        ReadyMade.NEW: {"all": new},
        ReadyMade.AT_RISK: {
            "all": [
                _one("purchase", "before_days", habits.soon_days),
                _one("purchase", "within_days", habits.late_days),
                {"not": {"all": new}},
            ]
        },
        ReadyMade.LOST: {"all": [_one("purchase", "before_days", habits.late_days), {"not": {"all": new}}]},
    }


def make_ready(chain: Chain, *, by: Author, now: datetime) -> list[Segment]:
    """Make the six, or bring those that nobody changed up to date. Needs an open transaction.

    Where the chain has another segment of that name, its own stays and the ready-made one is left out.
    Raises SegmentApproved.
    """
    standing, made = ready_made_of(chain.id), []
    for kind, rules in rules_by(habits_of(chain.id, now=now)).items():
        if kind in standing:
            made.append(rework_segment(standing[kind], rules, by=by, now=now))
            continue
        try:
            name = READY_NAMES[kind].say(chain.language)
            made.append(create_segment(chain.id, name, rules, by=by, now=now, ready_made=kind))
        except SegmentNameTaken:
            continue
    return made


def _one(field: str, op: str, value: Any) -> Node:
    return {"field": field, "op": op, "value": value}
