"""What a replayed history left in the database, compared with what is true of it: each edge, link and visit."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import psycopg

from benchmarks.world import connected
from core.hot import moment as told_moment
from proof.history import CHANNELS, NOBODY, Array, History
from proof.replay import EPOCH, Ground, Lived
from proof.table import Table

PART = 50_000  # rows that are looked at together
STEP = 10  # hex digits of a member in a path

EDGES = """
    SELECT member_id, referrer_id, root_id, card_id, share_link_id, depth, channel, created_at, path
    FROM referrals WHERE chain_id IN ({chains}) ORDER BY id"""
LINKS = """
    SELECT l.id, l.chain_id, l.member_id, coalesce(l.parent_id, 0), l.visits, l.channel, l.created_at
    FROM share_links l WHERE l.chain_id IN ({chains}) ORDER BY l.id"""
VISITS = "SELECT share_link_id, count(*) FROM share_visits WHERE chain_id IN ({chains}) GROUP BY share_link_id"
MEMBERS = "SELECT id, chain_id, joined_at FROM members WHERE chain_id IN ({chains}) ORDER BY id"


def compare(table: Table, history: History, ground: Ground, lived: Lived) -> None:
    """Lines for members, edges, links, visits and events."""
    truth = _Truth(history, ground, lived)
    with connected(ground.database_url) as connection:
        read = _Reading(connection, ground.chain_ids)
        _members(table, truth, read)
        _edges(table, truth, read)
        _links(table, truth, read)
        _events(table, truth, read)


class _Truth:
    """The history in the ids that it got when it was replayed."""

    def __init__(self, history: History, ground: Ground, lived: Lived) -> None:
        self.history, self.lived = history, lived
        self.chain_id = np.array(ground.chain_ids)[history.chain]
        self.order = np.argsort(lived.member_id)
        self.ids = lived.member_id[self.order]
        self.link_order = np.argsort(lived.link_id)
        self.link_ids = lived.link_id[self.link_order]
        self.edges = int(history.is_referred.sum())

    def members(self, ids: Array) -> Array:
        """Which members of the history have these ids; NOBODY for an id that none has."""
        return _place(self.ids, self.order, ids)

    def links(self, ids: Array) -> Array:
        return _place(self.link_ids, self.link_order, ids)

    def path_of(self, member: int) -> str:
        """The line from the root to a member, walked upwards in the history."""
        steps, parent = [], self.parents
        while member != NOBODY:
            steps.append(f"{self.known[member]:010x}")
            member = parent[member]
        return "".join(reversed(steps))

    def ready_for_paths(self) -> None:
        self.parents, self.known = self.history.parent.tolist(), self.lived.member_id.tolist()


def _place(known: Array, order: Array, ids: Array) -> Array:
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[places] == ids, order[places], NOBODY)


class _Reading:
    def __init__(self, connection: Any, chain_ids: Sequence[int]) -> None:
        self.connection = connection
        self.chains = ", ".join(map(str, chain_ids))

    def parts(self, sql: str) -> Iterator[list[tuple[Any, ...]]]:
        """The columns of a query, so many rows at a time."""
        on_postgresql = isinstance(self.connection, psycopg.Connection)
        cursor = self.connection.cursor("proof") if on_postgresql else self.connection.cursor()
        cursor.execute(sql.format(chains=self.chains))
        while rows := cursor.fetchmany(PART):
            yield list(zip(*rows, strict=True))
        cursor.close()

    def number(self, sql: str) -> int:
        return int(self.connection.execute(sql.format(chains=self.chains)).fetchone()[0])


def _members(table: Table, truth: _Truth, read: _Reading) -> None:
    history = truth.history
    found = right = 0
    for columns in read.parts(MEMBERS):
        member = truth.members(np.array(columns[0]))
        is_right = (
            (member != NOBODY)
            & (truth.chain_id[member] == columns[1])
            & (history.joined[member] == _microseconds(columns[2]))
        )
        found, right = found + len(member), right + int(is_right.sum())
    cards = read.number("SELECT count(*) FROM cards WHERE chain_id IN ({chains})")
    table.line(
        "members as in the history, each with one card that was new once",
        _told(history.members),
        _told(found),
        is_ok=found == right == cards == history.members == int(truth.lived.new.sum()),
        note=f"{_told(right)} right, {_told(cards)} cards, {_told(truth.lived.new.sum())} told new",
    )


def _edges(table: Table, truth: _Truth, read: _Reading) -> None:
    """Every edge: the member, who brought him, by which link and channel, root, depth, path, when."""
    history, lived = truth.history, truth.lived
    truth.ready_for_paths()
    channels = np.array(CHANNELS)
    found, wrong = np.zeros(history.members, dtype=np.bool_), 0
    rows = 0
    for member_id, referrer_id, root_id, card_id, link_id, depth, channel, created_at, path in read.parts(EDGES):
        rows += len(member_id)
        member = truth.members(np.array(member_id))
        is_true = (member != NOBODY) & history.is_referred[member] & ~found[member]
        link = history.via[member]
        for got, true in (
            (referrer_id, lived.member_id[history.parent[member]]),
            (root_id, lived.member_id[history.root[member]]),
            (card_id, lived.card_id[member]),
            (link_id, lived.link_id[link]),
            (depth, history.depth[member]),
            (channel, channels[history.channel[link]]),
            (_microseconds(created_at), history.joined[member]),
        ):
            is_true &= np.asarray(got) == true
        is_true &= np.array([truth.path_of(each) == got for each, got in zip(member.tolist(), path, strict=True)])
        wrong += int((~is_true).sum())
        found[member] = True
    missing = int((history.is_referred & ~found).sum())
    table.line(
        "edges: referrer, link, channel, root, depth, path, time",
        f"{_told(truth.edges)}: 0 wrong, 0 missing",
        f"{_told(rows)}: {wrong} wrong, {missing} missing",
    )
    deepest = read.number("SELECT max(depth) FROM referrals WHERE chain_id IN ({chains})")
    table.line("the deepest generation", int(history.depth.max()), deepest)


def _links(table: Table, truth: _Truth, read: _Reading) -> None:
    """Every link: whose, in which channel, by which link he himself came, and how often it was opened."""
    history, lived = truth.history, truth.lived
    channels = np.array(CHANNELS)
    rows = right = 0
    for link_id, chain_id, member_id, parent_id, visits, channel, created_at in read.parts(LINKS):
        rows += len(link_id)
        link = truth.links(np.array(link_id))
        owner = history.owner[link]
        came_by = np.where(history.parent[owner] != NOBODY, lived.link_id[history.via[owner]], 0)
        is_true = link != NOBODY
        for got, true in (
            (chain_id, truth.chain_id[owner]),
            (member_id, lived.member_id[owner]),
            (parent_id, came_by),
            (visits, history.visits[link]),
            (channel, channels[history.channel[link]]),
            (_microseconds(created_at), history.created[link]),
        ):
            is_true &= np.asarray(got) == true
        right += int(is_true.sum())
    total = _told(len(history.owner))
    table.line("links: sharer, channel, link he came by, visits", f"{total} right", f"{_told(right)} right")
    counted = np.zeros(len(history.owner), dtype=np.int64)
    for link_id, count in read.parts(VISITS):
        counted[truth.links(np.array(link_id))] = count
    is_same = bool((counted == history.visits).all()) and rows == len(history.owner)
    table.line(
        "visits of each link",
        _told(history.visits.sum()),
        _told(counted.sum()),
        is_ok=is_same,
        note=f"of {_told((history.act == 0).sum())} openings, with previews, repeats and own links among them",
    )


def _events(table: Table, truth: _Truth, read: _Reading) -> None:
    got = [
        read.number(f"SELECT count(*) FROM events WHERE kind = '{kind}' AND chain_id IN ({{chains}})")
        for kind in ("card.issued", "member.referred")
    ]
    expected = [truth.history.members, truth.edges]
    table.line("events: cards issued, members referred", _both(expected), _both(got))


def _microseconds(moments: Sequence[Any]) -> Array:
    """Times as the driver gives them, exact."""
    seconds = [told_moment(each) - EPOCH for each in moments]
    return np.array([(each.days * 86_400 + each.seconds) * 1_000_000 + each.microseconds for each in seconds])


def _told(number: Any) -> str:
    return f"{int(number):,}"


def _both(numbers: Sequence[int]) -> str:
    return ", ".join(map(_told, numbers))
