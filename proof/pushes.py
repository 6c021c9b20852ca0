"""A push over three channels while whoever sends it is killed again and again.

Workers and clocks get SIGKILL in the middle of their work and are started anew; the gateway fails, hangs and drops
connections. In the end every delivery has one end, the sums add up, and nobody was told twice. The waits between tries
are cut short: what is to be tried again is tried again within seconds.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.exc import OperationalError

from benchmarks.serving import ROOT, environment
from cards.models import Member
from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from proof.crowd import crowd
from proof.scene import Stage
from proof.shop import count
from proof.sink import SECRET, Seen, Sink, is_never_taken, sink
from push import campaigns, runs
from push.models import Delivery, Run
from push.timing.policies import Policy, set_policy
from push.timing.scheduling import UNDO
from push.wording.writing import message_key
from tests.push.brokers import redis_server

LEASE_SECONDS = 15
WORKERS = 3  # where several machines may work
KILL_EVERY = (1.0, 4.0)  # seconds
PATIENCE = 1800.0  # seconds without any progress at all end the proof
CHANNELS = ("inbox", "email", "gateway")
STATES = "SELECT state, count(*) FROM deliveries GROUP BY state"
HELD = "SELECT count(*) FROM cards WHERE chain_id = :chain_id AND state IN ('active', 'frozen', 'closed')"
BROUGHT = "SELECT DISTINCT run_id, member_id, coupon_id FROM deliveries WHERE coupon_id IS NOT NULL"
MOST_ROUNDS = 50
ENDED = {"sent", "delivered", "failed", "skipped"}


class Crew:
    """The processes that send, and the one that kills them."""

    def __init__(self, stage: Stage, there: Sink, broker_url: str, workers: int) -> None:
        settings = {
            "SMTP_URL": there.smtp_url,
            "GATEWAY_URL": there.gateway_url,
            "GATEWAY_SECRET": SECRET,
            "PUSH_LEASE_SECONDS": str(LEASE_SECONDS),
            "BROKER_URL": broker_url,
            "LOG_LEVEL": "ERROR",
        }
        self._environment = environment(stage.server.database_url, stage.server.folder) | settings
        self._log: Path = stage.server.folder / "crew.log"
        self._names = ["worker"] * workers + ["clock"] * (2 if workers > 1 else 1)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.killed: Counter[str] = Counter()

    def __enter__(self) -> "Crew":
        self._processes = [self._start(name) for name in self._names]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            self._kill(process)

    def kill_one(self) -> None:
        """SIGKILL somebody in the middle of whatever he does, and start him anew."""
        number = random.randrange(len(self._processes))
        self._kill(self._processes[number])
        self.killed[self._names[number]] += 1
        self._processes[number] = self._start(self._names[number])

    def check(self) -> None:
        """Nobody ends by himself."""
        if any(process.poll() is not None for process in self._processes):
            raise RuntimeError(f"somebody ended by himself: see {self._log}: {self._log.read_text()[-2000:]}")

    def _start(self, name: str) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "flask", "--app", "wsgi", name],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _kill(self, process: "subprocess.Popen[bytes]") -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def all_of(stage: Stage) -> None:
    with transaction():
        set_policy(stage.shop.chain.id, Policy(0, 0, 99, 99), by=SYSTEM, now=utc_now())
    crowd(stage.shop, stage.members)
    offer_id = stage.shop.offer(stock=MOST_ROUNDS * stage.members, per_member_limit=MOST_ROUNDS).id
    several = db.engine.dialect.name == "postgresql"
    begin = time.monotonic()
    workers = WORKERS if several else 1
    with sink() as there, broker(stage, is_wanted=several) as broker_url:
        with Crew(stage, there, broker_url, workers) as crew:
            live(stage, crew, offer_id)
        seen = there.seen()
    note = ", ".join(f"{number} × {name}" for name, number in crew.killed.items())
    tell(stage, seen, sum(crew.killed.values()), f"killed: {note}; {time.monotonic() - begin:.0f} s")


@contextmanager
def broker(stage: Stage, *, is_wanted: bool) -> Iterator[str]:
    """Redis, where several machines work; none where one does."""
    if not is_wanted:
        yield ""
        return
    with redis_server(stage.server.folder) as url:
        yield url


def live(stage: Stage, crew: Crew, offer_id: int) -> None:
    """Let campaigns go out, one after the other, until enough was killed and all have ended."""
    start(stage, offer_id)
    kill_at, moved_at, last = time.monotonic() + 3, time.monotonic(), -1
    while True:
        time.sleep(0.25)
        crew.check()
        left = hurry()
        if left != last:
            last, moved_at = left, time.monotonic()
        if time.monotonic() - moved_at > PATIENCE:
            raise RuntimeError(f"{left} deliveries got nowhere")
        killed = sum(crew.killed.values())
        if left and killed < stage.kills and time.monotonic() >= kill_at:
            crew.kill_one()
            kill_at = time.monotonic() + random.uniform(*KILL_EVERY)
        elif not left and killed < stage.kills:
            start(stage, offer_id)
        elif not left:
            return


def start(stage: Stage, offer_id: int) -> None:
    """A campaign to everybody that the clock finds due; a coupon comes with it."""
    now = utc_now()
    title, body = "周五冰淇淋", "{name}，第二份半价，{coupon_until} 前用{coupon}。"
    draft = campaigns.Draft(name="周五", audience={}, channels=CHANNELS, title=title, body=body, offer_id=offer_id)
    with transaction():
        campaign = campaigns.create_campaign(stage.shop.chain.id, draft, by=SYSTEM, now=now)
        campaigns.schedule_campaign(campaign.chain_id, campaign.id, {"kind": "now"}, by=SYSTEM, now=now - UNDO)


def hurry() -> int:
    """Let what waits for another try come now; return how much has not ended, runs that are to begin among it."""
    now = utc_now()
    with suppress(OperationalError), transaction():  # SQLite is busy with freezing: the next look is soon
        db.session.execute(
            update(Delivery)
            .where(Delivery.state == "pending", Delivery.error.is_not(None), Delivery.due_at > now)
            .values(due_at=now)
            .execution_options(synchronize_session=False)
        )
    left = count("SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending')")
    return left + count("SELECT count(*) FROM campaigns WHERE state IN ('scheduled', 'running')")


# --- what must hold -------------------------------------------------------------------------------------------------


def tell(stage: Stage, seen: Seen, kills: int, note: str) -> None:
    """Compare what the database says with what came."""
    table, size = stage.table, count(HELD, chain_id=stage.shop.chain.id)
    states = Counter({str(row[0]): int(row[1]) for row in db.session.execute(text(STATES))})
    rounds = count("SELECT count(*) FROM campaign_runs")
    table.line(
        f"{size:,} members, 3 channels, {rounds} runs, {kills} killed",
        f"{3 * size * rounds:,} deliveries, each with one end",
        f"{sum(states.values()):,} deliveries, {sum(states[end] for end in ENDED):,} ended",
        is_ok=sum(states.values()) == sum(states[end] for end in ENDED) == 3 * size * rounds and kills >= stage.kills,
        note=note,
    )
    found = db.session.scalars(select(Run)).all()
    sums = runs.count_sums([run.id for run in found])
    right = sum(run.audience_count == sums[run.id].audience == sum(sums[run.id].states.values()) for run in found)
    over = sum(run.state == "finished" for run in found)
    table.line(
        "sums of each run, and its end",
        f"{rounds} add up, {rounds} finished",
        f"{right} add up, {over} finished",
        note=", ".join(f"{number:,} {state}" for state, number in sorted(states.items())),
    )
    coupons(stage)
    gateway(stage, seen)
    mails(stage, seen, kills)


def coupons(stage: Stage) -> None:
    """One for each member and run over all channels, each taken from the stock; no message went without it."""
    given = count("SELECT count(*) FROM coupons WHERE source = 'campaign'")
    taken = count("SELECT sum(claimed) FROM offer_slots")
    brought = count(f"SELECT count(DISTINCT coupon_id) FROM ({BROUGHT}) had")
    members = count(f"SELECT count(*) FROM ({BROUGHT}) had")
    bare = count("SELECT count(*) FROM deliveries WHERE state IN ('sent', 'delivered') AND coupon_id IS NULL")
    stage.table.line(
        "coupons: one for each member and run",
        f"{members:,} times a member, as many coupons",
        f"{given:,} given, {brought:,} brought, {taken:,} off stock",
        is_ok=given == taken == brought == members > 0 and not bare,
        note=f"{bare} told without theirs",
    )


def gateway(stage: Stage, seen: Seen) -> None:
    """Who was told by the gateway is who is noted as told, and everybody once a run."""
    keys = {"sent": set[str](), "failed": set[str]()}
    for delivery_id, state, due_at, phone in _handed_over("gateway"):
        keys[state].add(message_key(due_at, delivery_id))
        if is_never_taken(phone) != (state == "failed"):
            stage.table.line(f"delivery {delivery_id}", "its number decides", state, is_ok=False)
    calls = ", ".join(f"{number:,} × {what}" for what, number in sorted(seen.answers.items()))
    stage.table.line(
        "gateway: message keys acted on, each for one member",
        f"{len(keys['sent']):,} sent, the same acted on, none twice",
        f"{len(keys['sent'] & set(seen.acted)):,} sent and acted on, {len(seen.acted):,} acted on",
        is_ok=keys["sent"] == set(seen.acted) and not seen.changed,
        note=f"{len(keys['failed']):,} failed for good; {calls}",
    )


def mails(stage: Stage, seen: Seen, kills: int) -> None:
    """A mail server does not know keys: what was taken as its sender died comes again, under the same one."""
    keys = {message_key(due_at, delivery_id) for delivery_id, _, due_at, _ in _handed_over("email")}
    again = sum(number - 1 for number in seen.mails.values())
    stage.table.line(
        "mails: one key for each member; again only after a kill",
        f"{len(keys):,} sent, at most {2 * kills} again",
        f"{len(keys & set(seen.mails)):,} arrived, {again} again",
        is_ok=keys == set(seen.mails) and again <= 2 * kills,
    )


def _handed_over(channel: str) -> Any:
    return db.session.execute(
        select(Delivery.id, Delivery.state, Run.due_at, func.coalesce(Member.phone, ""))
        .join(Run, Run.id == Delivery.run_id)
        .join(Member, Member.id == Delivery.member_id)
        .where(Delivery.channel == channel, Delivery.state.in_(("sent", "failed")))
    )
