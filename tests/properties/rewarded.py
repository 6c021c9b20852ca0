"""How rewards must stand after anything: said once more, in plain Python, slowly and without a database."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from core.clock import business_day

LIVE = ("pending", "flagged", "approved")
UNDONE = ("voided", "refunded")
SIDES = ("referrer", "friend")


@dataclass
class Promise:
    """A rule: what each side gets, as (points or None for a coupon, cost); its limits; whether it runs."""

    trigger: str
    gifts: dict[str, tuple[int | None, int]]
    hold: timedelta
    per_day: int
    lifetime: int
    budget: int
    min_cents: int = 0
    within: timedelta = timedelta()
    state: str = "running"
    ended_at: datetime | None = None


@dataclass
class Edge:
    """A friend who came through somebody; people are named by their cards."""

    friend: int
    referrer: int
    at: datetime


@dataclass
class Bought:
    card: int
    at: datetime
    payable: int
    refunded: int = 0
    is_voided: bool = False


@dataclass
class Due:
    """A reward."""

    number: int
    promise: Promise
    edge: Edge
    side: str
    card: int
    points: int | None
    cost: int
    state: str = ""
    reason: str | None = None
    committed: int = 0
    checkout: int | None = None
    day: date | None = None
    due_at: datetime | None = None
    is_by_clock: bool = True
    short: int = 0
    is_lost: bool = False


@dataclass
class Books:
    """Everything there is. Points on cards and used coupons are others' work: they are told before each step."""

    promises: list[Promise]
    edges: list[Edge] = field(default_factory=list)
    purchases: dict[int, Bought] = field(default_factory=dict)
    rewards: dict[tuple[str, int, str], Due] = field(default_factory=dict)
    unread: list[tuple[str, int]] = field(default_factory=list)
    returned: dict[int, int] = field(default_factory=dict)  # points that undoing a purchase gave back, till it is read
    balance: dict[int, int] = field(default_factory=dict)
    used: set[tuple[str, int, str]] = field(default_factory=set)

    # --- what the clock does ----------------------------------------------------------------------------------------

    def tick(self, now: datetime) -> None:
        for kind, number in self.unread:
            if kind == "joined":
                edge = self.edges[number]
                self._earn("card_issued", edge, edge.at, None)
                self._earn_by_purchase(edge)
            elif kind == "settled":
                edge_of = self._edge_of(self.purchases[number].card)
                if edge_of is not None and self._first(edge_of) == number:
                    self._earn("first_purchase", edge_of, self.purchases[number].at, number)
            else:
                self._undo(number)
                self._settle_short(self.purchases[number].card, self.returned.pop(number, 0))
        self.unread.clear()
        waiting = [due for due in self.rewards.values() if due.state == "pending" and due.due_at and due.due_at <= now]
        for due in sorted(waiting, key=lambda each: (each.due_at, each.number)):
            gone = self.gone(due)
            self._end(due, "rejected", gone) if gone else self._give(due)

    def _undo(self, number: int) -> None:
        touched = []
        for due in sorted(self.rewards.values(), key=lambda each: each.number):
            gone = self.gone(due) if due.checkout == number and due.state in LIVE else None
            if gone is None:
                continue
            if due.state == "approved":
                self._take(due, gone)
            else:
                self._end(due, "rejected", gone)
            touched.append(due.edge)
        for edge in touched[:1]:
            self._earn_by_purchase(edge)

    def _settle_short(self, card: int, returned: int) -> None:
        """What a clawback found spent is taken from points that come back."""
        short = [due for due in self.rewards.values() if due.card == card and due.state == "clawed_back" and due.short]
        for due in sorted(short, key=lambda each: each.number):
            taken = min(due.short, returned, self.balance.get(card, 0))
            returned -= taken
            self.balance[card] = self.balance.get(card, 0) - taken
            due.short -= taken
            due.committed = -(-due.cost * due.short // (due.points or 1))

    def _earn_by_purchase(self, edge: Edge) -> None:
        first = self._first(edge)
        if first is not None:
            self._earn("first_purchase", edge, self.purchases[first].at, first)

    def _earn(self, trigger: str, edge: Edge, at: datetime, checkout: int | None) -> None:
        for promise in self.promises:
            is_over = promise.ended_at is not None and promise.ended_at <= edge.at
            if promise.trigger != trigger or promise.state == "paused" or is_over:
                continue
            for side in SIDES:
                if side in promise.gifts:
                    self._begin(promise, edge, side, at, checkout)

    def _begin(self, promise: Promise, edge: Edge, side: str, at: datetime, checkout: int | None) -> None:
        key = (promise.trigger, edge.friend, side)
        due = self.rewards.get(key)
        if due is not None:
            is_gone = due.state == "rejected" or (due.state == "clawed_back" and not due.short and not due.is_lost)
            if not (is_gone and due.is_by_clock and due.reason in UNDONE):
                return
        points, cost = promise.gifts[side]
        card = edge.referrer if side == "referrer" else edge.friend
        due = due or Due(len(self.rewards), promise, edge, side, card, points, cost)
        due.checkout, due.day, due.due_at = checkout, business_day(at, "Asia/Shanghai"), at + promise.hold
        due.is_by_clock = True
        if self._is_capped(due):
            due.state, due.reason, due.committed = "rejected", "cap", 0
        elif self._committed(promise) + cost > promise.budget:
            due.state, due.reason, due.committed = "rejected", "budget", 0
        else:
            due.state, due.reason, due.committed = "pending", None, cost
        self.rewards[key] = due

    # --- what persons do; each says whether it is allowed -----------------------------------------------------------

    def approve(self, due: Due, now: datetime) -> str:
        if due.state not in ("rejected", "flagged"):
            return "reward_state_forbids"
        gone = self.gone(due)
        if gone and due.reason not in UNDONE:  # he may not know it: he is told, and may ask again
            self._end(due, "rejected", gone)
            return ""
        if self._is_capped(due):
            return "reward_cap_reached"
        if self._committed(due.promise) + due.cost > due.promise.budget:
            return "reward_budget_spent"
        is_at_once = due.reason in UNDONE or (due.due_at is not None and due.due_at <= now)
        due.committed, due.is_by_clock = due.cost, False
        if is_at_once:
            self._give(due, by_clock=False)
        else:
            due.state, due.reason = "pending", None
        return ""

    def reject(self, due: Due) -> str:
        if due.state not in ("pending", "flagged"):
            return "reward_state_forbids"
        self._end(due, "rejected", "person", by_clock=False)
        return ""

    def claw_back(self, due: Due) -> str:
        if due.state != "approved":
            return "reward_state_forbids"
        self._take(due, "person", by_clock=False)
        return ""

    # --- what follows -----------------------------------------------------------------------------------------------

    def _give(self, due: Due, *, by_clock: bool = True) -> None:
        due.state, due.reason, due.is_by_clock = "approved", None, by_clock
        if due.points:
            self.balance[due.card] = self.balance.get(due.card, 0) + due.points

    def _end(self, due: Due, state: str, reason: str, *, by_clock: bool = True) -> None:
        due.state, due.reason, due.committed, due.is_by_clock = state, reason, 0, by_clock

    def _take(self, due: Due, reason: str, *, by_clock: bool = True) -> None:
        self._end(due, "clawed_back", reason, by_clock=by_clock)
        if due.points is None:
            due.is_lost = (due.promise.trigger, due.edge.friend, due.side) in self.used
            due.committed = due.cost if due.is_lost else 0
            return
        taken = min(due.points, self.balance.get(due.card, 0))
        self.balance[due.card] = self.balance.get(due.card, 0) - taken
        due.short = due.points - taken
        due.committed = -(-due.cost * due.short // due.points)

    def gone(self, due: Due) -> str | None:
        if due.checkout is None:
            return None
        bought = self.purchases[due.checkout]
        if bought.is_voided:
            return "voided"
        return "refunded" if bought.payable - bought.refunded < due.promise.min_cents else None

    def _first(self, edge: Edge) -> int | None:
        """The friend's first purchase that counts."""
        (promise,) = (promise for promise in self.promises if promise.trigger == "first_purchase")
        counts = [
            (bought.at, number)
            for number, bought in self.purchases.items()
            if bought.card == edge.friend
            and not bought.is_voided
            and bought.payable - bought.refunded >= promise.min_cents
            and edge.at <= bought.at < edge.at + promise.within
        ]
        return min(counts)[1] if counts else None

    def _edge_of(self, card: int) -> Edge | None:
        return next((edge for edge in self.edges if edge.friend == card), None)

    def _committed(self, promise: Promise) -> int:
        return sum(due.committed for due in self.rewards.values() if due.promise is promise)

    def _is_capped(self, due: Due) -> bool:
        if due.side != "referrer":
            return False
        had = [
            other
            for other in self.rewards.values()
            if other is not due
            and other.promise is due.promise
            and (other.side, other.card) == ("referrer", due.card)
            and (other.state in LIVE or other.short or other.is_lost)
        ]
        return len(had) >= due.promise.lifetime or sum(o.day == due.day for o in had) >= due.promise.per_day
