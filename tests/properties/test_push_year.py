"""A year of random schedules, zones, quiet hours and caps: every delivery ends as an obvious model says, to the minute.

Each year is drawn from its number, so that one that fails can be lived again. More: ``KAQUAN_YEARS=100 pytest
tests/properties/test_push_year.py``. ``make test`` lives one year on SQLite and its first five months on PostgreSQL;
``make proof`` lives whole years on both.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from cards.models import Card, CardState, Member
from core.audit import SYSTEM
from core.db import db, transaction
from push import runs
from push.audiences import consents
from push.delivering.sending import deliver_inbox_batch
from push.models import Campaign, Delivery, Run, RunState
from push.sweeping import sweep_batch
from push.timing.policies import Policy, set_policy
from tests.factories import make_card, make_chain, make_store, make_store_code
from tests.properties.push_model import DAY, HOUR, NAMES, QUARTER, Manners, Person, Plan, Year
from tests.push.memory import MemoryChannel
from tests.push.pushing import make_campaign, schedule, send

pytestmark = [pytest.mark.usefixtures("app"), pytest.mark.slow, pytest.mark.timeout(900)]
YEARS = int(os.environ.get("KAQUAN_YEARS", "0"))  # whole ones, on both databases
FIRST = 3  # a year in which everything happens
ZONES = (
    "Asia/Shanghai", "Europe/London", "America/New_York", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu",
    "America/Santiago", "Africa/Cairo", "Pacific/Auckland", "Africa/Casablanca", "UTC",
)  # fmt: skip
CHANNELS = ("inbox", "email", "gateway")
AWAY = ("email", "gateway")


class Life:
    """The same year in the database and in the model."""

    def __init__(self, seed: int, *, is_whole: bool) -> None:
        self.random = random.Random(seed)
        self.year = self.random.choice((2026, 2027, 2028))
        self.now = datetime(self.year, 1, 3, self.random.randrange(24), tzinfo=UTC)
        self.end = datetime(self.year, 12, 20, tzinfo=UTC)
        self.zone = self.random.choice(ZONES)
        self.chain = make_chain(timezone=self.zone)
        self.cards: list[Card] = []
        people = [self._person() for _ in range(5)]
        manners = self._manners()
        plans = [self._plan() for _ in range(6)]
        self.campaigns = [self._schedule(plan) for plan in plans]
        self.model = Year(self.zone, self.year, people, plans, manners, self.now)
        self.changes = sorted(self._moment() for _ in range(40))
        self.ends_at = self.end if is_whole else datetime(self.year, 6, 1, tzinfo=UTC)
        self.naps = [(at, at + self.random.randrange(4, 40) * HOUR) for at in sorted(self._moment() for _ in range(8))]

    # --- what is drawn

    def _moment(self) -> datetime:
        span = (self.end - self.now) // QUARTER
        return self.now + self.random.randrange(1, span) * QUARTER

    def _person(self) -> Person:
        zone = self.random.choice(ZONES)
        card = make_card(make_store_code(make_store(self.chain, timezone=zone)), now=self.now - DAY)
        self.cards.append(card)
        person = Person(zone, set(), {})
        for channel in AWAY:
            self._address(card, person, channel, self.random.random() < 0.8, self.now)
            if self.random.random() < 0.8:
                self._word(card, person, channel, "promotion", True, self.now)
        return person

    def _manners(self) -> Manners:
        draw = self.random.randrange
        per_day = self.random.choice((1, 1, 2, 3))
        hours = self.random.choice(((21, 9), (22, 7), (draw(24), draw(24)), (draw(24), draw(24))))
        manners = Manners(*hours, per_day, per_day + draw(5))
        with transaction():
            set_policy(self.chain.id, Policy(**vars(manners)), by=SYSTEM, now=self.now)
        return manners

    def _plan(self) -> Plan:
        draw = self.random
        channels = draw.choice((("email",), ("gateway", "email"), draw.sample(CHANNELS, draw.randrange(1, 4))))
        when = {
            "at": self._at,
            "weekly": lambda: {"kind": "recurring", "weekdays": draw.sample(NAMES, draw.randrange(1, 8))},
            "monthly": lambda: {"kind": "recurring", "monthdays": draw.sample(range(1, 32), draw.randrange(1, 4))},
            "cron": self._cron,
        }[draw.choice(("at", "weekly", "weekly", "monthly", "cron"))]()
        if when["kind"] == "recurring":
            when["time"] = f"{draw.randrange(24):02d}:{draw.choice((0, 15, 30, 45)):02d}"
        if when["kind"] != "at" and draw.random() < 0.3:
            when["until"] = (self.now + draw.randrange(60, 330) * DAY).date().isoformat()
        if draw.random() < 0.5:
            when["zone"] = "member"
        when["fresh_hours"] = draw.choice((1, 4, 9, 24, 72, 168))
        purpose = draw.choice(("promotion", "promotion", "promotion", "service"))
        return Plan(list(channels), draw.choice(("every", "first")), purpose, when)

    def _at(self) -> dict[str, Any]:
        return {"kind": "at", "at": (self._moment() + 2 * DAY).replace(tzinfo=None).isoformat(timespec="minutes")}

    def _cron(self) -> dict[str, Any]:
        draw = self.random
        hours = ",".join(map(str, sorted(draw.sample(range(24), draw.randrange(1, 4)))))
        days = ",".join(draw.sample(NAMES, draw.randrange(1, 3)))
        return {"kind": "cron", "cron": f"{draw.choice((0, 15, 30, 45))} {hours} * * {days}"}

    def _schedule(self, plan: Plan) -> Campaign:
        more = {"channel_mode": plan.mode, "purpose": plan.purpose, "schedule": plan.schedule}
        campaign = make_campaign(self.chain, *plan.channels, **more)
        return schedule(campaign, plan.schedule, now=self.now)

    # --- what changes on the way

    def change(self) -> None:
        """Somebody says yes or no, gives or loses an address, has his card frozen; or the chain changes its manners."""
        draw = self.random
        if draw.random() < 0.1:
            self.model.manners = self._manners()
            return
        number = draw.randrange(len(self.cards))
        card, person = self.cards[number], self.model.people[number]
        kinds: list[Callable[[], None]] = [
            lambda: self._word(card, person, draw.choice(CHANNELS), draw.choice(("promotion", "service")),
                               draw.random() < 0.6, self.now),
            lambda: self._address(card, person, draw.choice(AWAY), draw.random() < 0.6, self.now),
            lambda: self._card(card, person, draw.random() < 0.85),
        ]  # fmt: skip
        draw.choice((*kinds, kinds[0]))()

    def _word(self, card: Card, person: Person, channel: str, purpose: str, is_yes: bool, now: datetime) -> None:
        person.agrees[channel, purpose] = is_yes
        with transaction():
            (consents.grant if is_yes else consents.withdraw)(
                card.member_id, channel, "test", now, consents.ConsentPurpose(purpose)
            )

    def _address(self, card: Card, person: Person, channel: str, is_there: bool, now: datetime) -> None:
        (person.addresses.add if is_there else person.addresses.discard)(channel)
        with transaction():
            member = db.session.get_one(Member, card.member_id)
            if channel == "email":
                member.email = f"m{card.id}@example.com" if is_there else None
            else:
                member.phone = f"+86138{card.id:08d}" if is_there else None

    def _card(self, card: Card, person: Person, is_active: bool) -> None:
        person.is_active = is_active
        with transaction():
            db.session.get_one(Card, card.id).state = CardState.ACTIVE if is_active else CardState.FROZEN

    # --- living it

    def live(self) -> None:
        """The model looks every quarter of an hour; the database's clock and workers only when something is due."""
        wake = self.next_wake()
        while self.now < self.ends_at:
            self.now += QUARTER
            changes = 0
            while self.changes and self.changes[0] <= self.now:
                self.changes.pop(0)
                self.change()
                changes += 1
            is_nap = any(begin <= self.now < end for begin, end in self.naps)
            self.model.look(self.now, workers_are_there=not is_nap)
            if self.now >= wake or changes or self.random.random() < 0.002:
                self.work(is_nap=is_nap)
                wake = self.next_wake()

    def work(self, *, is_nap: bool) -> None:
        """As the clock and a worker of each channel do."""
        runs.start_due_batch(now=self.now)
        sweep_batch(now=self.now)
        is_more = not is_nap
        while is_more:
            done = deliver_inbox_batch(now=self.now) + sum(send(name, MemoryChannel(), now=self.now) for name in AWAY)
            is_more = done > 0 and self.is_anything_due()
        runs.finish_batch(now=self.now)

    def is_anything_due(self) -> bool:
        db.session.commit()
        due = select(Delivery.id).where(Delivery.state == "pending", Delivery.due_at <= self.now)
        return db.session.scalar(due.limit(1)) is not None

    def next_wake(self) -> datetime:
        """When the database says that something is due, or a nap ends. What it says too early does nothing."""
        db.session.commit()
        begins = db.session.scalar(select(func.min(Campaign.next_run_at)).where(Campaign.next_run_at > self.now))
        dues = db.session.scalar(
            select(func.min(Delivery.due_at))
            .join(Run, Run.id == Delivery.run_id)
            .where(Delivery.state == "pending", Run.state == RunState.RUNNING, Delivery.due_at > self.now)
        )
        naps = [end for begin, end in self.naps if begin <= self.now < end]
        return min([at for at in (begins, dues, *naps) if at is not None], default=self.end)

    def outcomes(self) -> Counter[tuple[Any, ...]]:
        db.session.commit()
        plan_of = {campaign.id: number for number, campaign in enumerate(self.campaigns)}
        person_of = {card.member_id: number for number, card in enumerate(self.cards)}
        rows = db.session.execute(
            select(Delivery.campaign_id, Run.due_at, Delivery.member_id, Delivery.channel, Delivery.state,
                   Delivery.reason, Delivery.sent_at)
            .join(Run, Run.id == Delivery.run_id)
        )  # fmt: skip
        return Counter((plan_of[row[0]], row[1], person_of[row[2]], *row[3:]) for row in rows)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(YEARS, 1)))
def test_every_delivery_of_a_year_ends_as_the_model_says(seed):
    life = Life(seed, is_whole=YEARS > 0 or db.engine.dialect.name == "sqlite")
    life.live()

    real, expected = life.outcomes(), Counter(row.outcome for row in life.model.rows)
    assert sorted(map(str, (real - expected).elements())) == []
    assert sorted(map(str, (expected - real).elements())) == []
    for run_id, sums in runs.count_sums(list(db.session.scalars(select(Run.id)))).items():
        run = db.session.get_one(Run, run_id, populate_existing=True)
        assert sums.audience == run.audience_count == sum(sums.states.values())
        assert run.state == "finished" or run.send_until > life.now - timedelta(hours=1)
