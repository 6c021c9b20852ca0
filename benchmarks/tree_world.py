"""A chain with a tree of a million members, drawn from a seed, in the tables and as arrays beside them.

Everybody but the forty roots came through somebody before him, each as likely as the other; so the tree is as deep as
such a tree grows, and a line of members who each brought the next makes it deeper still.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import psycopg
from sqlalchemy import make_url

from benchmarks import world
from benchmarks.world import connected
from core.hot import STORED_MOMENT, Sql
from sharing.models import ShareChannel

Array = np.ndarray[Any, Any]

MEMBERS = int(os.environ.get("BENCH_TREE_MEMBERS", "1000000"))
ROOTS = 40
LINE = 36
STEP_SECONDS = 10  # from one member to the next
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
CHANNELS = tuple(ShareChannel)


@dataclass
class Tree:
    """Place 0 is nobody; each other place is the id of a member, of his card and of the link he made."""

    parent: Array  # 0 of a root
    root: Array
    depth: Array
    joined: Array  # seconds since BEGIN

    @property
    def members(self) -> int:
        return len(self.parent) - 1

    def below(self) -> Array:
        """How many stand below each."""
        below = [0] * len(self.parent)
        parents = self.parent.tolist()
        for member in range(self.members, 0, -1):
            below[parents[member]] += below[member] + 1
        below[0] = 0
        return np.array(below)

    def nearest(self, size: int) -> int:
        """The member whose sub-tree is nearest to a size."""
        below = self.below()
        return int(np.abs(below[1:] - size).argmin()) + 1


class Period(NamedTuple):
    begin: int  # seconds since BEGIN
    end: int

    @property
    def moments(self) -> tuple[datetime, datetime]:
        return BEGIN + timedelta(seconds=self.begin), BEGIN + timedelta(seconds=self.end)


def draw(members: int = MEMBERS, seed: int = 40) -> Tree:
    random = np.random.default_rng(seed)
    place = np.arange(members + 1)
    parent = 1 + (random.random(members + 1) * (place - 1)).astype(np.int64)
    parent[: ROOTS + 1] = 0
    line = np.linspace(1, members, LINE).astype(np.int64)
    parent[line[1:]] = line[:-1]
    root, depth = place.copy(), np.zeros(members + 1, dtype=np.int64)
    for member, above in enumerate(parent.tolist()):
        if above:
            root[member], depth[member] = root[above], depth[above] + 1
    return Tree(parent, root, depth, place * STEP_SECONDS)


FILL = [part for part in world.FILL if part[1].split()[2] in ("chains", "programs", "tiers", "stores")]
PEOPLE = [
    "INSERT INTO wallets (key_hash, language, created_at) SELECT {wallet_hash}, 'zh', {ago} FROM {numbers}",
    f"INSERT INTO members (chain_id, wallet_id, store_id, name, phone, language, joined_at)"
    f" SELECT 1, n.i, 1 + n.i % {world.STORES}, '会员 ' || n.i, NULL, 'zh', {{ago}} FROM {{numbers}}",
    f"INSERT INTO cards (chain_id, program_id, wallet_id, member_id, tier_id, number, code_secret, state, points,"
    f" value_cents, channel, store_id, issued_at, issued_on)"
    f" SELECT 1, 1, n.i, n.i, 1, {world.LUHN_NUMBER}, {{secret}}, 'active', 0, 0, 'share', 1 + n.i % {world.STORES},"
    f" {{ago}}, '2026-01-02' FROM {{numbers}}",
]
LINKS = (
    "INSERT INTO share_links (id, chain_id, program_id, card_id, member_id, store_id, token, channel, visits,"
    f" created_at) SELECT n.i, 1, 1, n.i, n.i, 1 + n.i % {world.STORES}, 'benchlink' || n.i || 'token',"
    " CASE n.i % 5 WHEN 0 THEN 'copy' WHEN 1 THEN 'friend' WHEN 2 THEN 'group' WHEN 3 THEN 'moments' ELSE 'poster' END,"
    " 0, {ago} FROM {numbers}"
)
VISITS = (
    "INSERT INTO share_visits (chain_id, share_link_id, visitor, at)"
    " SELECT 1, share_link_id, 'bench-' || member_id, created_at FROM referrals"
)
EDGE_COLUMNS = (
    "id", "chain_id", "member_id", "referrer_id", "root_id", "card_id", "share_link_id", "channel", "store_id",
    "depth", "path", "created_at",
)  # fmt: skip


def fill(database_url: str, tree: Tree) -> None:
    """Fill a migrated, empty database, and let it count its rows."""
    name = make_url(database_url).get_backend_name()
    dialect = world.DIALECTS[name]
    ago = dialect.ago.replace("1 second", f"{STEP_SECONDS} second").replace("+ n.i,", f"+ n.i * {STEP_SECONDS},")
    parts = {
        "numbers": dialect.numbers,
        "secret": dialect.secret,
        "ago": ago,
        "wallet_hash": dialect.sha256.format("'bench-wallet-' || n.i"),
    }
    with connected(database_url) as connection:
        checks_nothing = (
            "SET session_replication_role = replica" if name == "postgresql" else "PRAGMA foreign_keys = OFF"
        )
        connection.execute(checks_nothing)
        for count, text in [*FILL, *((tree.members, text) for text in (*PEOPLE, LINKS))]:
            sql = Sql(text.format(**parts))
            connection.execute(sql.sqlite if name == "sqlite" else sql.postgresql, {"n": count})
        _write_edges(connection, tree)
        connection.execute(VISITS)
        connection.commit()
        world.tidy(connection)


def _write_edges(connection: Any, tree: Tree) -> None:
    columns = ", ".join(EDGE_COLUMNS)
    if isinstance(connection, psycopg.Connection):
        with connection.cursor().copy(f"COPY referrals ({columns}) FROM STDIN".encode()) as copy:
            for row in _edges(tree):
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(EDGE_COLUMNS))
        connection.executemany(f"INSERT INTO referrals ({columns}) VALUES ({marks})", _edges(tree))


def _edges(tree: Tree) -> Iterator[tuple[Any, ...]]:
    paths = [""] * (tree.members + 1)
    columns = (tree.parent.tolist(), tree.root.tolist(), tree.depth.tolist(), tree.joined.tolist())
    for member, (parent, root, depth, joined) in enumerate(zip(*columns, strict=True)):
        paths[member] = f"{paths[parent]}{member:010x}" if member else ""
        if parent:
            at = (BEGIN + timedelta(seconds=joined)).strftime(STORED_MOMENT)
            store, channel = 1 + root % world.STORES, CHANNELS[parent % len(CHANNELS) - 1]
            edge = (member, 1, member, parent, root, member, parent, channel, store, depth, paths[member], at)
            yield edge
