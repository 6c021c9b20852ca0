"""The figures of the dashboard over a replayed history, compared with the same worked out from the history itself."""

import math
from datetime import timedelta
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from proof.history import BEGIN, CHAINS, CHANNELS, DAY, NOBODY, Array, History
from proof.replay import Ground, Lived, moment
from proof.table import Table
from sharing import branching, propagation, queries, spreaders

PERIODS = {"all": (BEGIN, BEGIN + 500 * DAY), "a month": (BEGIN + 60 * DAY, BEGIN + 90 * DAY)}
NORMAL = NormalDist().inv_cdf(0.975)
TOP = 50  # spreaders
ASKED = 200  # members whose reach is asked for


class Part(NamedTuple):
    """A chain in a period, as the history knows it: which members, links and visits lie within."""

    truth: "Truth"
    chain: int
    begin: int
    end: int

    @property
    def name(self) -> str:
        return CHAINS[self.chain].slug

    def at(self, ids: Array, times: Array) -> Array:
        return np.flatnonzero((ids == self.chain) & (times >= self.begin) & (times < self.end))

    @property
    def joined(self) -> Array:
        return self.at(self.truth.history.chain, self.truth.history.joined)

    @property
    def referred(self) -> Array:
        joined = self.joined
        return joined[self.truth.history.is_referred[joined]]

    @property
    def links(self) -> Array:
        return self.at(self.truth.link_chain, self.truth.history.created)

    @property
    def visits(self) -> Array:
        """Places in the columns of visits."""
        return self.at(self.truth.link_chain[self.truth.visit_link], self.truth.visit_at)


class Truth:
    def __init__(self, history: History, ground: Ground, lived: Lived) -> None:
        self.history, self.ground, self.lived = history, ground, lived
        self.link_chain = history.link_chain()
        counted = np.flatnonzero(history.act_counts)
        self.visit_link, self.visit_at = history.act_link[counted], history.act_at[counted]
        self.visit_wallet = history.act_wallet[counted]
        self.below = _below(history)


def _below(history: History) -> Array:
    """How many came through each, directly or through others: from the last to the first, since nobody led earlier."""
    below = [0] * history.members
    parents = history.parent.tolist()
    for member in range(history.members - 1, -1, -1):
        if parents[member] != NOBODY:
            below[parents[member]] += below[member] + 1
    return np.array(below)


def compare(table: Table, history: History, ground: Ground, lived: Lived) -> None:
    """A line for each figure, over all chains and both periods; what differs is told below it."""
    truth = Truth(history, ground, lived)
    parts = [
        (Part(truth, chain, *period), (ground.chain_ids[chain], moment(period[0]), moment(period[1])))
        for chain in range(len(CHAINS))
        for period in PERIODS.values()
    ]
    for what, expected_of, got_of in FIGURES:
        expected = [expected_of(part) for part, _ in parts]
        got = [got_of(part, *asked) for part, asked in parts]
        _line(table, what, expected, got)
    for what, expected_of, got_of in WHOLE:
        whole = [(Part(truth, chain, *PERIODS["all"]), chain_id) for chain, chain_id in enumerate(ground.chain_ids)]
        _line(
            table,
            what,
            [expected_of(part) for part, _ in whole],
            [got_of(part, chain_id) for part, chain_id in whole],
        )


def _line(table: Table, what: str, expected: list[Any], got: list[Any]) -> None:
    same = [a == b for a, b in zip(expected, got, strict=True)]
    note = next((f"{a!s:.300} <> {b!s:.300}" for a, b in zip(expected, got, strict=True) if a != b), "")
    table.line(what, f"{len(expected)} alike", f"{sum(same)} alike", note=note)


# --- totals -------------------------------------------------------------------------------------------------------


def _numbers(part: Part) -> tuple[int, ...]:
    history, truth = part.truth.history, part.truth
    referred, links, visits = part.referred, part.links, part.visits
    visitors = np.unique(truth.visit_wallet[visits])
    reached = np.union1d(visitors, history.wallet[referred])
    sharers = np.unique(history.owner[links])
    return tuple(map(len, (part.joined, referred, links, sharers, visits, visitors, reached)))


def _conversion(part: Part) -> float:
    *_, reached = numbers = _numbers(part)
    return round(numbers[1] / reached, 9)


def _generations(part: Part) -> list[tuple[int, int]]:
    sizes = np.bincount(part.truth.history.depth[part.joined])
    return [(generation, int(size)) for generation, size in enumerate(sizes) if size or not generation]


def _k_factor(part: Part) -> tuple[Any, ...]:
    """Members of the cohort, their links until the end, whom these brought, and the sum of squares."""
    history = part.truth.history
    joined, links = part.joined, part.links
    is_of_cohort = np.zeros(history.members, dtype=np.bool_)
    is_of_cohort[joined] = True
    brought = np.bincount(history.parent[part.referred], minlength=history.members)[joined]
    count, total, squares = len(joined), int(brought.sum()), int((brought**2).sum())
    spread = NORMAL * math.sqrt((squares - total**2 / count) / (count - 1) / count)
    mean = total / count
    interval = round(max(mean - spread, 0), 5), round(mean + spread, 5)
    return count, int(is_of_cohort[history.owner[links]].sum()), total, squares, interval


def _asked_k_factor(_: Part, *asked: Any) -> tuple[Any, ...]:
    k = propagation.k_factor(*asked)
    assert k.interval is not None
    return k.members, k.links, k.brought, k.squares, (round(k.interval.low, 5), round(k.interval.high, 5))


def _time_to_convert(part: Part) -> float:
    """The median; of two in the middle the lower one."""
    history = part.truth.history
    referred = part.referred
    took = np.sort(history.joined[referred] - history.created[history.via[referred]])
    return float(took[(len(took) - 1) // 2]) / 1_000_000


def _asked_time(part: Part, *asked: Any) -> float:
    """The truth where it is given to the second."""
    got, true = propagation.time_to_convert(*asked), _time_to_convert(part)
    assert got is not None
    return true if abs(got - timedelta(seconds=true)) <= timedelta(seconds=0.501) else got.total_seconds()


# --- by channel, by store, by person ------------------------------------------------------------------------------

Kinds = dict[Any, tuple[int, int, int, int]]


def _kinds(part: Part, kind: Array, names: list[Any]) -> Kinds:
    """Of each kind of link the sharers, links, visits, and the members whom its links brought."""
    history, truth = part.truth.history, part.truth
    links, visits = part.links, truth.visit_link[part.visits]
    brought = history.via[part.referred]
    found = {}
    for number, name in enumerate(names):
        of_it = links[kind[links] == number]
        figures = (
            len(np.unique(history.owner[of_it])),
            len(of_it),
            int((kind[visits] == number).sum()),
            int((kind[brought] == number).sum()),
        )
        if any(figures):
            found[name] = figures
    return found


def _channels(part: Part) -> Kinds:
    return _kinds(part, part.truth.history.channel, list(CHANNELS))


def _stores(part: Part) -> Kinds:
    """A link belongs to the store where its sharer joined."""
    history = part.truth.history
    return _kinds(part, history.store[history.owner], part.truth.ground.store_ids[part.chain])


def _spreaders(part: Part) -> list[tuple[int, ...]]:
    """Who brought most himself in the period; of two alike who joined first."""
    history, truth = part.truth.history, part.truth
    direct = np.bincount(history.parent[part.referred], minlength=history.members)
    found = np.flatnonzero(direct)
    found = found[np.lexsort((truth.lived.member_id[found], -direct[found]))][:TOP]
    links = np.bincount(history.owner[part.links], minlength=history.members)
    visits = np.bincount(history.owner[truth.visit_link[part.visits]], minlength=history.members)
    columns = (truth.lived.member_id, links, visits, direct, truth.below)
    return list(zip(*(column[found].tolist() for column in columns), strict=True))


def _asked_spreaders(_: Part, *asked: Any) -> list[tuple[int, ...]]:
    found = spreaders.top_spreaders(*asked, limit=TOP)
    return [(each.member_id, each.links, each.visits, each.direct, each.reach) for each in found]


def _asked_channels(_: Part, *asked: Any) -> Kinds:
    return {row.channel: tuple(row.figures) for row in branching.by_channel(*asked) if any(row.figures)}


def _asked_stores(_: Part, *asked: Any) -> Kinds:
    return {row.store_id: tuple(row.figures) for row in branching.by_store(*asked) if any(row.figures)}


# --- the tree -----------------------------------------------------------------------------------------------------


def _roots(part: Part) -> list[tuple[int, int]]:
    """Everybody who brought somebody and came by himself, with how many came through him."""
    truth = part.truth
    is_root = ~truth.history.is_referred & (truth.below > 0) & (truth.history.chain == part.chain)
    found = np.flatnonzero(is_root)
    order = np.lexsort((truth.lived.member_id[found], -truth.below[found]))
    found = found[order]
    return list(zip(truth.lived.member_id[found].tolist(), truth.below[found].tolist(), strict=True))


def _asked_roots(_: Part, chain_id: int) -> list[tuple[int, int]]:
    return [tuple(each) for each in queries.roots_by_reach(chain_id, limit=None)]


def _largest(part: Part) -> int:
    """The place of the member with most below him: the last of several, which is the lowest."""
    truth = part.truth
    below = np.where(truth.history.chain == part.chain, truth.below, 0)
    return int(below.argmax())


def _below_largest(part: Part) -> list[tuple[int, int]]:
    """His sub-tree by generation: those whose line upwards leads to him."""
    history, top = part.truth.history, _largest(part)
    is_below = np.zeros(history.members + 1, dtype=np.bool_)  # the last place stands for nobody
    is_below[top] = True
    sizes = []
    while True:
        grown = is_below.copy()
        grown[:-1] |= is_below[history.parent]
        if (new := int(grown.sum() - is_below.sum())) == 0:
            return list(enumerate(sizes, start=1))
        sizes.append(new)
        is_below = grown


def _asked_below(part: Part, chain_id: int) -> list[tuple[int, int]]:
    root = queries.find_root(chain_id, member_id=int(part.truth.lived.member_id[_largest(part)]))
    assert root is not None
    return [tuple(each) for each in queries.count_below(chain_id, root)]


def _some(part: Part) -> Array:
    """Members of all kinds: early and late, with many below and with none."""
    members = np.flatnonzero(part.truth.history.chain == part.chain)
    return members[np.linspace(0, len(members) - 1, min(ASKED, len(members))).astype(np.int64)]


def _reach(part: Part) -> dict[int, int]:
    some = _some(part)
    return dict(zip(part.truth.lived.member_id[some].tolist(), part.truth.below[some].tolist(), strict=True))


def _asked_reach(part: Part, chain_id: int) -> dict[int, int]:
    return queries.count_reach(chain_id, part.truth.lived.member_id[_some(part)].tolist())


FIGURES: list[tuple[str, Any, Any]] = [
    ("members, referred, links, sharers, visits, visitors, reach", _numbers,
     lambda _, *asked: tuple(propagation.numbers(*asked))),
    ("conversion", _conversion, lambda _, *asked: round(propagation.numbers(*asked).conversion, 9)),
    ("generation sizes", _generations, lambda _, *asked: [tuple(each) for each in propagation.generations(*asked)]),
    ("K-factor with its interval", _k_factor, _asked_k_factor),
    ("time to convert", _time_to_convert, _asked_time),
    ("sharers, links, visits, members by channel", _channels, _asked_channels),
    ("sharers, links, visits, members by store", _stores, _asked_stores),
    (f"top {TOP} spreaders: links, visits, direct, reach", _spreaders, _asked_spreaders),
]  # fmt: skip
WHOLE: list[tuple[str, Any, Any]] = [
    ("reach of all roots", _roots, _asked_roots),
    ("the largest tree by generation", _below_largest, _asked_below),
    (f"reach of {ASKED} members", _reach, _asked_reach),
]
