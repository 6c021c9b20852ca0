"""A true history, drawn from a seed: who shared, who opened what and when, and who came through whom.

Three chains count in three ways. Everybody but a few was led by somebody who was a member before; most of them came
through his link, some by a store code after it, some of those too late or in a chain where the store code wins. Around
that lies what must change nothing: links opened before and links of other chains, the same link opened again, previews,
own links, a card taken again. ``wave`` orders it for many hands: nothing in a wave needs anything of a later one.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sharing.models import DEFAULT_WINDOW_DAYS, ShareChannel

Array = np.ndarray[Any, Any]

SECOND = 1_000_000  # in microseconds, in which all times are told
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
BEGIN = 1_767_225_600 * SECOND  # 1 January 2026
SPAN = 150 * DAY  # in which everybody joins
QUIET = 30 * MINUTE  # in which an opening of the same link by the same person does not count again
STORES = 8  # of each chain
LINE = 36  # members of whom each brought the next: the depth that is sure
CHANNELS = tuple(ShareChannel)
CHANNEL_SHARES = (0.35, 0.25, 0.2, 0.1, 0.1)
NOBODY = -1


class ChainRule(NamedTuple):
    """How a chain counts, and which part of all members is its own."""

    slug: str
    share: float
    window_days: int = DEFAULT_WINDOW_DAYS
    store_code_wins: bool = False


CHAINS = (ChainRule("proof-tea", 0.5), ChainRule("proof-cake", 0.2, 14, True), ChainRule("proof-noodle", 0.3, 2))


class Way(IntEnum):
    """How a member came to his card."""

    ALONE = 0  # by a store code, having opened no link
    LINK = 1  # on the page of a link
    CODE = 2  # by a store code, within the window after a link
    LATE = 3  # by a store code, when the window was over


class Act(IntEnum):
    """What somebody does."""

    OPEN = 0
    BY_LINK = 1
    BY_CODE = 2
    BY_NOTHING = 3  # with a code that nobody gave out


@dataclass
class History:
    """Columns, a number for each member, link or act. Members and links are told apart by their place."""

    # members
    chain: Array
    wallet: Array
    way: Array
    joined: Array
    wave: Array
    store: Array  # of the store code he scans, or that the sharer's card came from
    via: Array  # the link that led him, credited or not
    parent: Array  # the true referrer
    root: Array
    depth: Array
    # links
    owner: Array
    channel: Array
    created: Array
    visits: Array  # counted
    # acts, in the order of waves, people and time
    act_wave: Array
    act_wallet: Array
    act_at: Array
    act: Array
    act_member: Array  # nobody's: of strangers and crawlers
    act_link: Array
    act_counts: Array  # of an opening: whether it does
    act_agent: Array  # which browser, or which crawler
    act_raced: Array  # whether all hands try it at once

    @property
    def members(self) -> int:
        return len(self.chain)

    @property
    def waves(self) -> int:
        """As many as acts need, and the links of those who joined last."""
        return max(int(self.act_wave[-1]), int(self.wave.max()) + 1) + 1

    @property
    def is_referred(self) -> Array:
        return self.parent != NOBODY

    def link_chain(self) -> Array:
        """The chain of each link."""
        return self.chain[self.owner]

    def save(self, folder: Path) -> None:
        for each in fields(self):
            np.save(folder / f"{each.name}.npy", getattr(self, each.name))


def load(folder: Path) -> History:
    """The history as it lies on the disk: its pages are shared by all who read it."""
    columns = {each.name: np.load(folder / f"{each.name}.npy", mmap_mode="r") for each in fields(History)}
    return History(**{name: np.asarray(column) for name, column in columns.items()})


def draw(members: int, seed: int) -> History:
    """The history of so many members; the same for the same seed."""
    return _Drawing(members, np.random.default_rng(seed)).history()


class _Drawing:
    def __init__(self, members: int, random: np.random.Generator) -> None:
        self.random = random
        sizes = [round(members * rule.share) for rule in CHAINS[1:]]
        self.sizes = [members - sum(sizes), *sizes]
        self.starts = np.concatenate(([0], np.cumsum(self.sizes)))
        self.n = members
        self.acts: list[dict[str, Any]] = []

    def history(self) -> History:
        self._members()
        self._links()
        self._credit()
        self._openings()
        self._joins()
        acts = self._ordered()
        return History(
            chain=self.chain, wallet=self.wallet, way=self.way, joined=self.joined, wave=self.wave, store=self.store,
            via=self.via, parent=self.parent, root=self.root, depth=self.depth, owner=self.owner, channel=self.channel,
            created=self.created, visits=np.bincount(acts["link"][acts["counts"]], minlength=len(self.owner)),
            **{f"act_{name}" if name != "act" else "act": column for name, column in acts.items()},
        )  # fmt: skip

    # --- who was led by whom, and how he came ---------------------------------------------------------------------

    def _members(self) -> None:
        parts = [self._leaders(size) for size in self.sizes]
        self.chain = np.repeat(np.arange(len(CHAINS), dtype=np.int8), self.sizes)
        leader = [np.where(part < 0, NOBODY, part + start) for part, start in zip(parts, self.starts, strict=False)]
        self.leader = np.concatenate(leader)
        place = np.concatenate([np.arange(size) for size in self.sizes])
        step = SPAN / np.array(self.sizes)[self.chain]
        self.joined = BEGIN + ((place + self.random.uniform(0.25, 0.75, self.n)) * step).astype(np.int64)
        window = np.array([rule.window_days for rule in CHAINS])[self.chain] * DAY
        self._ways(window)
        self._wallets()

    def _leaders(self, size: int) -> Array:
        """For each of a chain the place of who led him: somebody before him, a few of whom lead thousands."""
        place = np.arange(size)
        leader = (self.random.random(size) * place).astype(np.int64)
        hubs = self.random.choice(max(size // 50, 2), size=2 + size // 100_000, replace=True) + 1
        hub = self.random.choice(hubs, size=size)
        leader = np.where((self.random.random(size) < 0.06) & (hub < place), hub, leader)
        leader[self.random.random(size) < 0.08] = NOBODY
        leader[0] = NOBODY
        self.line = getattr(self, "line", [])
        line = np.linspace(0, size - 1, min(LINE, size)).astype(np.int64)
        leader[line[1:]] = line[:-1]
        self.line.append(line)
        return leader

    def _ways(self, window: Array) -> None:
        n, leader = self.n, self.leader
        gap = np.where(leader >= 0, self.joined - self.joined[leader], 0)
        chance = self.random.random(n)
        way = np.where(chance < 0.25, Way.CODE, Way.LINK)
        has_time = gap > 1.5 * window
        way = np.where((chance > 0.9) & has_time, Way.LATE, way)
        for line, start in zip(self.line, self.starts, strict=False):
            way[line + start] = Way.LINK
        way[leader < 0] = Way.ALONE
        self.way = way.astype(np.int8)
        before = np.where(
            way == Way.LINK,
            self.random.lognormal(3, 1.5, n) * MINUTE,
            np.minimum(self.random.lognormal(0, 1.5, n) * DAY, 0.95 * window),
        )
        before = np.minimum(before, 0.4 * gap)
        is_last_second = (way == Way.CODE) & (chance < 0.05) & has_time
        before = np.where(is_last_second, window - np.where(chance < 0.025, 1, SECOND), before)
        late = np.where(chance > 0.95, window + SECOND, window * self.random.uniform(1.0, 1.3, n) + SECOND)
        late = np.where(chance > 0.975, window, late)  # as long ago as the window is long: forgotten
        before = np.where(way == Way.LATE, late, before)
        self.opened = self.joined - before.astype(np.int64)  # the link that led him

    def _wallets(self) -> None:
        """A few hold the cards of two chains."""
        self.wallet = np.arange(self.n, dtype=np.int64)
        first, rest = self.sizes[0], self.n - self.sizes[0]
        count = min(first, rest) // 50
        others = first + self.random.choice(rest, count, replace=False)
        self.wallet[others] = self.random.choice(first, count, replace=False)
        times = np.bincount(self.wallet, minlength=self.n)
        self.has_one_card = times[self.wallet] == 1

    # --- links ----------------------------------------------------------------------------------------------------

    def _links(self) -> None:
        n, led = self.n, self.leader >= 0
        children = np.bincount(self.leader[led], minlength=n)
        alone = (self.random.random(n) < 0.25) + (self.random.random(n) < 0.03)
        count = np.where(children > 0, 1 + self.random.poisson(np.minimum(children, 80) * 0.3), alone)
        first = np.concatenate(([0], np.cumsum(count)))
        self.owner = np.repeat(np.arange(n), count)
        total = len(self.owner)
        self.channel = self.random.choice(len(CHANNELS), size=total, p=CHANNEL_SHARES).astype(np.int8)
        chosen = first[self.leader] + (self.random.random(n) * count[self.leader]).astype(np.int64)
        self.via = np.where(led, chosen, NOBODY)
        before = self.joined[self.owner] + (self.random.exponential(5, total) * DAY).astype(np.int64) + HOUR
        np.minimum.at(before, self.via[led], self.opened[led])
        since = self.joined[self.owner]
        self.created = since + ((before - since) * self.random.uniform(0.05, 0.9, total)).astype(np.int64)

    def _credit(self) -> None:
        """The edges, by the rules that each chain has: told here in plain words, a member after the other."""
        wins = np.array([rule.store_code_wins for rule in CHAINS])[self.chain]
        is_credited = (self.way == Way.LINK) | ((self.way == Way.CODE) & ~wins)
        self.parent = np.where(is_credited, self.leader, NOBODY)
        scanned = self.random.integers(0, STORES, self.n)
        wave, depth, root, store = [0] * self.n, [0] * self.n, list(range(self.n)), scanned.tolist()
        parents, ways = self.parent.tolist(), self.way.tolist()
        for member, leader in enumerate(self.leader.tolist()):
            if leader >= 0:
                wave[member] = wave[leader] + 1
            if parents[member] >= 0:
                depth[member] = depth[leader] + 1
                root[member] = root[leader]
            if ways[member] == Way.LINK:
                store[member] = store[leader]
        self.wave, self.depth = np.array(wave, dtype=np.int16), np.array(depth, dtype=np.int16)
        self.root, self.store = np.array(root), np.array(store, dtype=np.int16)

    # --- what people do -------------------------------------------------------------------------------------------

    def _openings(self) -> None:
        random, n, links = self.random, self.n, len(self.owner)
        link_wave = self.wave[self.owner] + 1
        opens = (self.via >= 0) & ((self.way != Way.LINK) | (random.random(n) < 0.95))
        led = np.flatnonzero(opens)
        self._open(led, self.via[led], self.opened[led])
        again = led[(self.way[led] != Way.LATE) & (random.random(len(led)) < 0.16)]
        later = np.where(random.random(len(again)) < 0.5, 10 * MINUTE, random.integers(30, 120, len(again)) * MINUTE)
        self._open(again, self.via[again], self.opened[again] + later)
        another = led[random.random(len(led)) < 0.2]
        self._distract(another, self.opened[another] - random.integers(SECOND, 3 * DAY, len(another)))
        foreign = led[(random.random(len(led)) < 0.1) & self.has_one_card[led]]
        self._distract(foreign, (self.opened[foreign] + self.joined[foreign]) // 2, same_chain=False)
        back = led[random.random(len(led)) < 0.08]  # from another link to the first, too soon to count
        back = back[self.created[self.via[back]] < self.opened[back] - 20 * MINUTE]
        self._open(back, self.via[back], self.opened[back] - 20 * MINUTE)
        self._distract(back, self.opened[back] - 10 * MINUTE)

        count = n // 2
        visited = random.integers(0, links, count)
        strangers = n + random.integers(0, max(n * 2 // 5, 1), count)
        at = self.created[visited] + (random.exponential(2, count) * DAY).astype(np.int64) + SECOND
        self._act(Act.OPEN, link_wave[visited], strangers, at, link=visited)
        shown = np.flatnonzero(random.random(links) < 0.1)
        crawlers = 2 * n + np.arange(len(shown))
        agents = 1 + random.integers(0, 100, len(shown))
        self._act(Act.OPEN, link_wave[shown], crawlers, self.created[shown] + SECOND, link=shown, agent=agents)
        own = np.flatnonzero(random.random(links) < 0.03)
        owner = self.owner[own]
        self._act(
            Act.OPEN, link_wave[own], self.wallet[owner], self.created[own] + MINUTE, member=owner, link=own, own=True
        )

    def _open(self, members: Array, links: Array, at: Array) -> None:
        self._act(Act.OPEN, self.wave[members], self.wallet[members], at, member=members, link=links)

    def _distract(self, members: Array, at: Array, *, same_chain: bool = True) -> None:
        """Another link, opened before the one that led him; or one of another chain, opened after it."""
        links = self.random.integers(0, len(self.owner), len(members))
        owners = self.owner[links]
        fits = (
            ((self.chain[owners] == self.chain[members]) == same_chain)
            & (self.wave[owners] < self.wave[members])
            & (self.created[links] < at)
            & (links != self.via[members])
            & (self.wallet[owners] != self.wallet[members])
        )
        self._open(members[fits], links[fits], at[fits])

    def _joins(self) -> None:
        random, n = self.random, self.n
        everybody = np.arange(n)
        raced = (self.way == Way.LINK) & (random.random(n) < 0.03)
        kind = np.where(self.way == Way.LINK, Act.BY_LINK, Act.BY_CODE)
        self._act(
            kind, self.wave, self.wallet, self.joined, member=everybody, link=np.maximum(self.via, 0), raced=raced
        )
        # Taken again: by a link of somebody else or of himself, or by a store code.
        members = np.flatnonzero(random.random(n) < 0.04)
        links = random.integers(0, len(self.owner), len(members))
        owners = self.owner[links]
        fits = (self.chain[owners] == self.chain[members]) & (self.wave[owners] <= self.wave[members])
        members, links = members[fits], links[fits]
        kind = np.where(random.random(len(members)) < 0.3, Act.BY_CODE, Act.BY_LINK)
        self._act(kind, self.wave[members] + 1, self.wallet[members], self.joined[members] + HOUR, members, links)
        own = np.flatnonzero(random.random(len(self.owner)) < 0.01)
        owner = self.owner[own]
        self._act(Act.BY_LINK, self.wave[owner] + 1, self.wallet[owner], self.created[own] + HOUR, owner, own)
        wrong = np.flatnonzero(random.random(n) < 0.001)
        at = self.joined[wrong] + 2 * HOUR
        self._act(Act.BY_NOTHING, self.wave[wrong] + 1, self.wallet[wrong], at, wrong)

    def _act(
        self, kind: Any, wave: Array, wallet: Array, at: Array, member: Any = NOBODY, link: Any = 0, *,
        agent: Any = 0, own: bool = False, raced: Any = False,
    ) -> None:  # fmt: skip
        self.acts.append(
            {"act": kind, "wave": wave, "wallet": wallet, "at": at, "member": member, "link": link, "agent": agent}
            | {"own": own, "raced": raced}
        )

    def _ordered(self) -> dict[str, Array]:
        types: dict[str, Any] = {
            "act": np.int8, "wave": np.int16, "wallet": np.int32, "at": np.int64, "member": np.int32, "link": np.int32,
            "agent": np.int8, "own": np.bool_, "raced": np.bool_,
        }  # fmt: skip
        together = {
            name: np.concatenate([np.broadcast_to(each[name], each["at"].shape).astype(kind) for each in self.acts])
            for name, kind in types.items()
        }
        order = np.lexsort((together["at"], together["wallet"], together["wave"]))
        acts = {name: column[order] for name, column in together.items()}
        may_count = (acts["act"] == Act.OPEN) & (acts["agent"] == 0) & ~acts.pop("own")
        acts["counts"] = _counted(may_count, acts["wallet"], acts["link"], acts["at"])
        return acts


def _counted(may_count: Array, wallet: Array, link: Array, at: Array) -> Array:
    """Which openings count: of one person and one link, those half an hour after the last that did."""
    counts = may_count.copy()
    places = np.flatnonzero(may_count)
    places = places[np.lexsort((at[places], link[places], wallet[places]))]
    is_same = (wallet[places][1:] == wallet[places][:-1]) & (link[places][1:] == link[places][:-1])
    last = 0
    for place in np.flatnonzero(is_same) + 1:
        if not is_same[place - 2] or place == 1:
            last = at[places[place - 1]]
        if at[places[place]] - last < QUIET:
            counts[places[place]] = False
        else:
            last = at[places[place]]
    return counts
