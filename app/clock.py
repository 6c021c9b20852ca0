"""The clock process: it holds a lease, ticks, and each tick asks the database what is due.

APScheduler keeps nothing: its jobs live in memory and are made anew at every start. A second clock stands by and takes
over when the first stops renewing its lease.
"""

import logging
import os
import secrets
import signal
import socket
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.schedulers.blocking import BlockingScheduler
from flask import Flask
from sqlalchemy import select

from app.bounce_box import PROBLEMS, read_bounces
from app.broker import Teller, connect
from app.config import Settings
from app.worker import WEBHOOKS
from cards.phones import forget_codes
from cards.tiering import recompute_tiers
from checkout.reserving import release_batch
from core.clock import utc_now
from core.db import db, refresh_statistics, transaction
from core.leases import take_lease
from coupons.expiring import expire_batch
from coupons.giving import time_out_batch
from coupons.stock_alarm import alarm_batch
from coupons.welcome import give_missing_batch
from push.channels.browsers import forget_gone
from push.channels.receipts import take_early_batch
from push.delivering.waiting import count_shares
from push.partners.calling import is_anybody_waiting
from push.partners.endpoints import forget_batch
from push.runs import finish_batch, start_due_batch, start_entered_batch
from push.sweeping import sweep_batch
from push.timing.entering import enter_batch
from push.watching import pause_failing_batch
from sharing.forgetting import forget_traces_batch
from sharing.rewarding import earn_batch, give_due_batch
from stores.models import Chain

LEASE = "clock"
LEASED_FOR = timedelta(seconds=20)
TICK_SECONDS = 5
MINUTE_SECONDS = 60
MOST_ROUNDS = 20  # of one chain's rewards in a tick: the other chains wait
NIGHT_HOUR = 3  # by each chain's own clock

log = logging.getLogger("kaquan.clock")


def expire_coupons(chain_id: int, now: datetime) -> None:
    while expire_batch(chain_id, now=now):
        pass


def fit_tiers(chain_id: int, now: datetime) -> None:
    with transaction():
        recompute_tiers(chain_id)


def forget_phone_codes(chain_id: int, now: datetime) -> None:
    with transaction():
        forget_codes(chain_id, now=now)


def forget_webhooks(chain_id: int, now: datetime) -> None:
    gone = True
    while gone:
        with transaction():
            gone = bool(forget_batch(chain_id, now=now))


def forget_browsers(_chain_id: int, now: datetime) -> None:
    with transaction():
        forget_gone(now=now)


def forget_traces(chain_id: int, now: datetime) -> None:
    while forget_traces_batch(chain_id, now=now):
        pass


def count_anew(_chain_id: int, _now: datetime) -> None:
    refresh_statistics()


def tell_stock(chain_id: int, now: datetime) -> None:
    alarm_batch(chain_id, now=now)


def give_missing_welcomes(chain_id: int, now: datetime) -> None:
    give_missing_batch(chain_id, now=now)


def reward_friends(chain_id: int, now: datetime) -> None:
    for batch in (earn_batch, give_due_batch):
        for _ in range(MOST_ROUNDS):
            if not batch(chain_id, now=now):
                break


# In this order, for each chain.
MINUTELY: list[Callable[[int, datetime], None]] = [give_missing_welcomes, tell_stock]
NIGHTLY: list[Callable[[int, datetime], None]] = [
    fit_tiers,
    expire_coupons,
    forget_phone_codes,
    forget_traces,
    forget_webhooks,
    forget_browsers,
    count_anew,
]


class Clock:
    """One candidate for the duty; ``holder`` names it in the lease."""

    def __init__(self, app: Flask, holder: str = "") -> None:
        self._app = app
        broker_url = app.extensions["settings"].broker_url
        self._teller = Teller(connect(broker_url)) if broker_url else None
        self._settings: Settings = app.extensions["settings"]
        self.holder = holder or f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(4)}"

    def tick(self, now: datetime | None = None) -> bool:
        """Start, sweep and finish what is due, if this clock has the duty; False while another has it."""
        with self._app.app_context():
            now = now or utc_now()
            if not self._holds(now):
                return False
            while start_due_batch(now=now):
                pass
            while start_entered_batch(now=now):
                pass
            while take_early_batch(now=now):
                pass
            sweep_batch(now=now)
            while time_out_batch(now=now):
                pass
            release_batch(now=now)
            pause_failing_batch(now=now)
            finish_batch(now=now)
            self._tell_workers(now)
            _for_each_chain([reward_friends], now)
            return True

    def minute(self, now: datetime | None = None) -> bool:
        """Do what every chain needs each minute, if this clock has the duty; False while another has it."""
        with self._app.app_context():
            now = now or utc_now()
            if not self._holds(now):
                return False
            enter_batch(now=now)
            _for_each_chain(MINUTELY, now)
            return True

    def night(self, now: datetime | None = None) -> list[int]:
        """Do the nightly jobs of every chain whose night has come; return those chains."""
        with self._app.app_context():
            now = now or utc_now()
            if not self._holds(now):
                return []
            chains = db.session.execute(select(Chain.id, Chain.timezone).order_by(Chain.id)).all()
            return [chain.id for chain in chains if self._had_its_night(chain.id, chain.timezone, now)]

    @property
    def has_bounce_box(self) -> bool:
        return bool(self._settings.bounces_url)

    def bounces(self) -> int:
        """Read the mailbox of bounces, if this clock has the duty; how many mails were read."""
        with self._app.app_context():
            if not self._holds(utc_now()):
                return 0
            try:
                return read_bounces(self._settings.bounces_url, self._settings.secret_key)
            except PROBLEMS as problem:
                log.warning("the mailbox of bounces cannot be read: %s", type(problem).__name__)
                return 0

    def retire(self) -> None:
        """Give the duty up, so that another takes over at once."""
        with self._app.app_context(), transaction():
            now = utc_now()
            take_lease(LEASE, self.holder, now=now, until=now)
        if self._teller is not None:
            self._teller.close()

    def _tell_workers(self, now: datetime) -> None:
        """Wake workers wherever they are; without a broker they look by themselves."""
        if self._teller is not None:
            shares = count_shares(now=now) | ({WEBHOOKS: 1} if is_anybody_waiting(now=now) else {})
            db.session.rollback()  # the reading is over: nothing is open while the broker answers
            self._teller.tell(shares)

    def _holds(self, now: datetime) -> bool:
        with transaction():
            return take_lease(LEASE, self.holder, now=now, until=now + LEASED_FOR)

    def _had_its_night(self, chain_id: int, timezone: str, now: datetime) -> bool:
        """Run the jobs unless this night's lease is taken: it lasts until the next night, whoever holds it."""
        name, tonight = f"night-{chain_id}", f"{self.holder}-{secrets.token_hex(4)}"
        with transaction():
            if not take_lease(name, tonight, now=now, until=next_night(timezone, now)):
                return False
        try:
            for job in NIGHTLY:
                job(chain_id, now)
        except Exception:
            with transaction():
                take_lease(name, tonight, now=now, until=now)  # to be tried again
            raise
        return True


def _for_each_chain(jobs: Sequence[Callable[[int, datetime], None]], now: datetime) -> None:
    """Do the jobs of every chain; one that fails in one chain holds up no other, and is told at the end."""
    problems: list[Exception] = []
    for chain_id in db.session.scalars(select(Chain.id).order_by(Chain.id)).all():
        for job in jobs:
            try:
                job(chain_id, now)
            except Exception as problem:
                db.session.rollback()
                log.exception("%s failed in chain %s", job.__name__, chain_id)
                problems.append(problem)
    if problems:
        raise problems[0]


def next_night(timezone: str, now: datetime) -> datetime:
    """The next time it is three in the morning there."""
    zone = ZoneInfo(timezone)
    day = now.astimezone(zone).date()
    nights = (
        datetime(d.year, d.month, d.day, NIGHT_HOUR, tzinfo=zone).astimezone(UTC)
        for d in (day, day + timedelta(days=1), day + timedelta(days=2))
    )
    return next(night for night in nights if night > now)


def build_scheduler(clock: Clock) -> BlockingScheduler:
    """The jobs, as APScheduler runs them: never two of one, late ones once, much too late ones not at all."""
    scheduler = BlockingScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60}
    )
    begin = utc_now()
    scheduler.add_job(_told(clock.tick), "interval", seconds=TICK_SECONDS, id="tick", next_run_time=begin)
    scheduler.add_job(_told(clock.minute), "interval", seconds=MINUTE_SECONDS, id="minute", next_run_time=begin)
    if clock.has_bounce_box:
        scheduler.add_job(_told(clock.bounces), "interval", seconds=MINUTE_SECONDS, id="bounces", next_run_time=begin)
    scheduler.add_job(_told(clock.night), "interval", seconds=MINUTE_SECONDS, id="night", next_run_time=begin)
    return scheduler


def _told(job: Callable[[], object]) -> Callable[[], None]:
    """A job that survives a database that is away for a while."""

    def run() -> None:
        try:
            job()
        except Exception:
            log.exception("%s failed; it is tried again at the next tick", job.__name__)

    return run


def run(app: Flask) -> None:
    """Tick until SIGTERM or Ctrl-C."""
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    clock = Clock(app)
    scheduler = build_scheduler(clock)

    def stop(_signal: int, _frame: object) -> None:
        if scheduler.running:  # a second signal changes nothing
            scheduler.shutdown(wait=False)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("clock %s ticks every %s s", clock.holder, TICK_SECONDS)
    scheduler.start()
    clock.retire()
