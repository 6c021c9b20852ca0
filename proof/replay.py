"""A history lived again by several processes, through the functions that serve pages and API.

Each process leads the people whose turn falls to it through one wave after the other; between waves all wait for each
other. What a process learns of others' members and links lies in files that all have mapped.
"""

import multiprocessing
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

from app.factory import create_app
from cards import wallets
from core.db import db
from core.hot import Hot, one_action
from core.tokens import hashed
from proof.history import CHANNELS, Act, Array, History, load
from sharing import joining, linking, previews, visiting

SECRET_KEY = "proof" * 10
IN_ONE_GO = 1000  # acts in one transaction, on SQLite: another writer's turn costs the pages that this one knows
PATIENCE = 3600.0  # seconds in which the others must have finished a wave
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BROWSERS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 MicroMessenger/8.0.50",
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36",
)
CRAWLERS = (
    "facebookexternalhit/1.1",
    "TelegramBot (like TwitterBot)",
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "WhatsApp/2.24",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.5.0",
    "python-requests/2.32",
)


class Ground(NamedTuple):
    """What the history is played on: ids of chains and stores, tokens of store codes, in the history's order."""

    database_url: str
    folder: Path
    chain_ids: list[int]
    store_ids: list[list[int]]
    store_tokens: list[list[str]]


class Lived(NamedTuple):
    """What came of it: the ids of members and their cards, of links and their tokens; how often a card was new."""

    member_id: Array
    card_id: Array
    link_id: Array
    token: Array
    new: Array  # by process


COLUMNS = {"member_id": "i8", "card_id": "i8", "link_id": "i8", "token": "S16"}


def prepare(history: History, folder: Path, processes: int) -> None:
    """Files for what will be learned."""
    history.save(folder)
    for name, kind in COLUMNS.items():
        length = len(history.owner) if name in ("link_id", "token") else history.members
        np.lib.format.open_memmap(folder / f"lived_{name}.npy", "w+", np.dtype(kind), (length,)).flush()
    np.lib.format.open_memmap(folder / "lived_new.npy", "w+", np.dtype("i8"), (processes,)).flush()


def lived(folder: Path) -> Lived:
    return Lived(*(np.asarray(np.load(folder / f"lived_{name}.npy", mmap_mode="r+")) for name in Lived._fields))


class Told(NamedTuple):
    """How far the processes are, and the most memory one of them has held."""

    wave: int
    done: int  # links made and acts done
    peak_mib: float


def replay(ground: Ground, processes: int, tell: Callable[[Told], None], *, every: float = 10.0) -> float:
    """Let the processes live the history; returns the most MiB that one of them held, shared pages left out."""
    spawning = multiprocessing.get_context("spawn")
    barrier = spawning.Barrier(processes)
    progress = spawning.Array("q", 2 * processes, lock=False)
    hands = [
        spawning.Process(target=_live, args=(ground, number, processes, barrier, progress), daemon=True)
        for number in range(processes)
    ]
    for hand in hands:
        hand.start()
    peak, next_told = 0.0, time.monotonic() + every
    while any(hand.is_alive() for hand in hands):
        hands[0].join(0.2)
        if any(hand.exitcode for hand in hands):
            barrier.abort()
            raise RuntimeError("a process broke while it replayed the history")
        peak = max([peak, *(_own_mib(hand.pid) for hand in hands if hand.pid)])
        if time.monotonic() > next_told:
            next_told += every
            tell(Told(max(progress[0::2]), sum(progress[1::2]), peak))
    if any(hand.exitcode for hand in hands):
        raise RuntimeError("a process broke while it replayed the history")
    return peak


def _own_mib(pid: int) -> float:
    with suppress(psutil.Error):
        memory = psutil.Process(pid).memory_info()
        return float(memory.rss - getattr(memory, "shared", 0)) / 1024 / 1024
    return 0.0


def _live(ground: Ground, number: int, processes: int, barrier: Barrier, progress: Any) -> None:
    app = create_app(database_url=ground.database_url, secret_key=SECRET_KEY, testing=True)
    with app.app_context():
        hand = Hand(ground, number, processes, progress)
        for wave in range(hand.history.waves):
            progress[2 * number] = wave
            barrier.wait(PATIENCE)
            hand.make_links(wave)
            barrier.wait(PATIENCE)
            hand.live(wave)
        hand.lived.new[number] = hand.new
        db.session.remove()
        db.engine.dispose()


class Hand:
    """One process."""

    def __init__(self, ground: Ground, number: int, processes: int, progress: Any) -> None:
        self.ground, self.number, self.processes = ground, number, processes
        self.history, self.lived = load(ground.folder), lived(ground.folder)
        self.progress = progress
        self.new = 0
        history = self.history
        self.act_starts = np.searchsorted(history.act_wave, np.arange(history.waves + 1))
        owners_wave = history.wave[history.owner] + 1
        self.links_in_order = np.argsort(owners_wave, kind="stable")
        self.link_starts = np.searchsorted(owners_wave[self.links_in_order], np.arange(history.waves + 1))

    # --- links ----------------------------------------------------------------------------------------------------

    def make_links(self, wave: int) -> None:
        """The links of those who joined in the wave before."""
        links = self.links_in_order[slice(*self.link_starts[wave : wave + 2])]
        mine = links[self.history.owner[links] % self.processes == self.number]
        for few in _in_parts(mine):
            self._together(self._make_link, few)
            self.progress[2 * self.number + 1] += len(few)

    def _make_link(self, hot: Hot, link: int) -> None:
        history = self.history
        owner = history.owner[link]
        made = linking.create_link(
            hot,
            self.ground.chain_ids[history.chain[owner]],
            int(self.lived.card_id[owner]),
            CHANNELS[history.channel[link]],
            now=moment(history.created[link]),
        )
        self.lived.link_id[link] = made.id
        self.lived.token[link] = made.token

    # --- people ---------------------------------------------------------------------------------------------------

    def live(self, wave: int) -> None:
        """What is done in a wave by the people of this process; first what all processes try at once."""
        history = self.history
        acts = np.arange(*self.act_starts[wave : wave + 2])
        raced = acts[history.act_raced[acts]]
        mine = acts[history.act_wallet[acts] % self.processes == self.number]
        for few in _in_parts(raced):
            self._together(self._do, few)
        for few in _in_parts(mine):
            self._together(self._do, few)
            self.progress[2 * self.number + 1] += len(few)

    def _together(self, step: Callable[[Hot, int], None], few: list[int]) -> None:
        """On PostgreSQL each is an action by itself, on SQLite all are one, since a second writer waits for it."""
        before = self.new
        while True:
            try:
                with one_action() as hot:
                    for each in few:
                        step(hot, each)
            except sqlite3.OperationalError as busy:
                if "locked" not in str(busy):
                    raise
                self.new = before  # nothing of it happened
            else:
                return

    def _do(self, hot: Hot, act: int) -> None:
        history = self.history
        kind, now = history.act[act], moment(history.act_at[act])
        if kind == Act.OPEN:
            self._open(hot, act, now)
            return
        member, wallet = int(history.act_member[act]), int(history.act_wallet[act])
        visitor = visitor_of(wallet)
        wallet_id = wallets.open_wallet(hot, visitor, language="en", now=now)
        who: dict[str, Any] = {"wallet_id": wallet_id, "visitor": visitor, "language": "en", "now": now}
        if kind == Act.BY_LINK:
            joined = joining.join_by_link(hot, self._token(act), **who)
        elif kind == Act.BY_CODE:
            token = self.ground.store_tokens[history.chain[member]][history.store[member]]
            joined = joining.join_by_code(hot, token, **who)
        else:
            self._join_by_nothing(hot, who)
            return
        self.new += joined.is_new
        if joined.is_new:
            self.lived.member_id[member] = joined.member_id
            self.lived.card_id[member] = joined.card_id

    def _open(self, hot: Hot, act: int, now: datetime) -> None:
        """As the friend's page does: whoever looks like a crawler is not counted."""
        agent = int(self.history.act_agent[act])
        if _is_preview(CRAWLERS[agent % len(CRAWLERS)] if agent else BROWSERS[act % len(BROWSERS)]):
            return
        wallet = int(self.history.act_wallet[act])
        visiting.count_visit(hot, self._token(act), visitor=visitor_of(wallet), now=now)

    def _join_by_nothing(self, hot: Hot, who: dict[str, Any]) -> None:
        try:
            joining.join_by_link(hot, "nobodygavethis", **who)
        except joining.CodeUnknown:
            return
        raise RuntimeError("a card was given for a token that nobody gave out")

    def _token(self, act: int) -> str:
        return str(self.lived.token[self.history.act_link[act]], "ascii")


@cache
def _is_preview(browser: str) -> bool:
    return previews.is_preview(browser, {})


def moment(microseconds: Any) -> datetime:
    return EPOCH + timedelta(microseconds=int(microseconds))


def visitor_of(wallet: int) -> str:
    """The hash of somebody's wallet secret, by which he is known as a visitor too."""
    return hashed(f"proof-{wallet}")


def _in_parts(numbers: Array) -> Iterator[list[int]]:
    for start in range(0, len(numbers), IN_ONE_GO):
        yield numbers[start : start + IN_ONE_GO].tolist()
