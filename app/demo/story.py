"""Ninety days of a chain's life, day by day, each day one transaction of the domain's own functions.

The same seed tells the same story; only codes and secrets differ, for they are never drawn from a seed.
"""

import heapq
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from app.demo import people
from app.demo.chain import DemoChain
from app.demo.people import Person
from cards import holding, wallets
from cards.models import Card
from cards.rotating_code import shown_code
from cards.tiering import recompute_tiers
from checkout import quoting, settling, voiding
from core.audit import SYSTEM, Author
from core.clock import business_day, day_start
from core.db import db
from core.errors import DomainError
from core.hot import Hot, this_transaction
from core.tokens import hashed
from coupons.claiming import claim
from sharing import joining, linking, visiting
from sharing.models import Occasion, ShareChannel
from sharing.traces import Trace
from stores import scanning
from stores.models import Role

SEED = 2013
DAYS = 90
SCANS_A_DAY = 34
TAKES_CARD = 0.68  # of those who scan for the first time
PROMOTION_DAYS = {61: 3.2, 20: 2.4, 1: 1.6}  # days ago: times the usual crowd
BUYS_AT_ONCE = 0.72
WAKING_HOUR = 8
UNDONE = 0.012
CLAIMED = ["big", "big", "summer", "summer", "spring", "cone", "second", "happy", "drink", "topping", "gold"]


@dataclass
class Story:
    """What has happened so far."""

    demo: DemoChain
    now: datetime  # the real one: nothing is told beyond it
    random: Random = field(default_factory=lambda: Random(SEED))
    people: list[Person] = field(default_factory=list)
    ahead: list[tuple[datetime, int, Callable[[datetime], None]]] = field(default_factory=list)  # a heap
    planned: int = 0
    strangers: int = 0
    receipts: int = 0

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.demo.chain.timezone)


def opening(now: datetime) -> datetime:
    """When the chain was set up: before its first day."""
    return now - timedelta(days=DAYS + 2)


def evening(story: Story, ago: int) -> datetime:
    """Half past seven in the evening, that many days ago."""
    day = business_day(story.now, story.demo.chain.timezone, story.demo.chain.cutoff_hour) - timedelta(days=ago)
    return datetime(day.year, day.month, day.day, 19, 30, tzinfo=story.zone).astimezone(UTC)


def tell(story: Story, days_ago: Sequence[int], *, told: Callable[[int], None]) -> None:
    """Live some days, the earliest first. Needs an open transaction; ``told`` hears of each day."""
    chain = story.demo.chain
    today = business_day(story.now, chain.timezone, chain.cutoff_hour)
    for ago in days_ago:
        _live(story, today - timedelta(days=ago), ago)
        if ago % 7 == 0:
            recompute_tiers(chain.id)
        told(ago)


def _live(story: Story, day: date, ago: int) -> None:
    """One day: people scan, join, buy, share, and their friends come, each thing in its time."""
    _plan(story, day, ago)
    tomorrow = day_start(day + timedelta(days=1), story.demo.chain.timezone)
    while story.ahead and story.ahead[0][0] < tomorrow:
        at, _, act = heapq.heappop(story.ahead)
        act(at)


def then(story: Story, at: datetime, act: Callable[[datetime], None]) -> None:
    """Let something happen later, if that is not in the future of the person who looks at the demo."""
    if at <= story.now:
        story.planned += 1
        heapq.heappush(story.ahead, (at, story.planned, act))


def _plan(story: Story, day: date, ago: int) -> None:
    growth = 0.55 + 0.45 * (DAYS - ago) / DAYS
    weekday = people.WEEKDAY_WEIGHTS[day.weekday()]
    crowd = SCANS_A_DAY * weekday * growth * PROMOTION_DAYS.get(ago, 1)
    if ago == 0:
        crowd *= (story.now - day_start(day, story.demo.chain.timezone)) / timedelta(days=1)
    for _ in range(_about(story.random, crowd)):
        then(story, _moment(story, day), lambda at: _scan(story, at))
    for person in story.people:
        if story.random.random() < person.habits.visits_a_week / 7 * weekday:
            then(story, _moment(story, day), lambda at, person=person: _visit_store(story, person, at))  # type: ignore[misc]
        if person.habits.likes_sharing and story.random.random() < 0.03:
            then(story, _moment(story, day), lambda at, person=person: _share(story, person, at))  # type: ignore[misc]


def _about(random: Random, mean: float) -> int:
    return max(0, round(random.gauss(mean, mean**0.5)))


def _moment(story: Story, day: date) -> datetime:
    """A time of that day while stores are open. Today's crowd comes by now, so that the board has something to show."""
    hour = story.random.choices(people.HOURS, people.HOUR_WEIGHTS)[0]
    second = story.random.randrange(3600)
    local = story.now.astimezone(story.zone)
    if day == local.date() and local.hour < people.HOURS[-1]:
        opened = datetime(day.year, day.month, day.day, people.HOURS[0], tzinfo=story.zone)
        if story.now < opened + timedelta(hours=1):  # somebody looks at night
            opened = day_start(day, story.demo.chain.timezone)
        return story.now - (story.now - opened) * (second / 3600)
    return datetime(day.year, day.month, day.day, hour, second // 60, second % 60, tzinfo=story.zone).astimezone(UTC)


def come_back(story: Story, member_id: int, at: datetime) -> None:
    """Let a member visit a store once more than he would have."""
    person = next(person for person in story.people if person.member_id == member_id)
    then(story, _by_day(story, at), lambda at: _visit_store(story, person, at))


def _by_day(story: Story, at: datetime) -> datetime:
    """Nobody opens links in the middle of the night: those wait until the morning."""
    hour = at.astimezone(story.zone).hour
    return at if hour >= WAKING_HOUR else at + timedelta(hours=WAKING_HOUR - hour)


def _scan(story: Story, at: datetime) -> None:
    """A passer-by opens a store code; most take the card, most of those buy something."""
    store = story.random.choices(range(len(story.demo.stores)), people.STORE_WEIGHTS)[0]
    code = story.random.choice(story.demo.codes[store])
    secret = stranger(story)
    scanning.count_scan(this_transaction(), code.token, visitor=hashed(secret), now=at)
    if story.random.random() > TAKES_CARD:
        return
    person = join(story, secret, store, at, token=code.token)
    if story.random.random() < BUYS_AT_ONCE:
        then(story, at + timedelta(minutes=4), lambda at: _visit_store(story, person, at))
    if person.habits.likes_sharing and story.random.random() < 0.6:
        then(story, at + timedelta(minutes=9), lambda at: _share(story, person, at))


def stranger(story: Story) -> str:
    story.strangers += 1
    return f"demo-phone-{story.demo.chain.id}-{story.strangers}"


def join(
    story: Story, secret: str, store: int, at: datetime, *, token: str = "", link: str = "", trace: Trace | None = None
) -> Person:
    """Take the card of a store code or of a friend's link, and perhaps say who one is."""
    hot: Hot = this_transaction()
    trace = trace or _trace_of(secret)
    wallet_id = wallets.open_wallet(hot, hashed(secret), language="zh", now=at)
    take = joining.join_by_link if link else joining.join_by_code
    joined = take(hot, link or token, wallet_id=wallet_id, visitor=hashed(secret), language="zh", now=at, trace=trace)
    card = db.session.get_one(Card, joined.card_id)
    habits = people.draw_habits(story.random)
    person = Person(card.id, card.member_id, wallet_id, card.number, card.code_secret, store, habits, trace)
    story.people.append(person)
    if story.random.random() < 0.6:
        _introduce(story, person, at)
    return person


def _trace_of(secret: str) -> Trace:
    """Everybody has a phone of his own, at home."""
    seen = hashed(secret)
    return Trace(seen[:32], seen[-32:])


def _introduce(story: Story, person: Person, at: datetime) -> None:
    profile = holding.Profile(
        name=people.draw_name(story.random),
        phone=people.draw_phone(person.member_id),
        email=f"member{person.member_id}@example.com" if story.random.random() < 0.3 else "",
        birthday=people.draw_birthday(person.member_id),
    )
    held = holding.card_of_wallet(person.wallet_id, person.card_id)
    holding.update_profile(held, profile, by=Author(f"wallet:{person.wallet_id}"), now=at)


def _visit_store(story: Story, person: Person, at: datetime) -> None:
    """A purchase: usually at the store where the member joined; a few are undone."""
    random, demo = story.random, story.demo
    store = person.store if random.random() < 0.8 else random.randrange(len(demo.stores))
    _claim_something(story, person, at)
    buy(story, person, demo.stores[store].id, at)


def buy(story: Story, person: Person, store_id: int, at: datetime, *, amount: int = 0) -> None:
    """What the basket comes to, unless an amount is said."""
    hot, chain = this_transaction(), story.demo.chain
    amount = amount or people.draw_amount(story.random, person.habits)
    shown = shown_code(person.number, person.code_secret, story.demo.program.code_mode, now=at)
    card = quoting.presented(shown.value)
    best = quoting.quote(hot, chain.id, store_id, card, amount, now=at).best
    story.receipts += 1
    receipt = f"demo-{story.receipts:06d}"
    sale = settling.Sale(chain.id, store_id, card, amount, receipt, receipt, "system", best.coupon_ids)
    settled = settling.settle(hot, sale, now=at)
    if story.random.random() < UNDONE:
        later = min(at + timedelta(minutes=3), story.now)
        voiding.void(chain.id, settled.id, role=Role.STORE_MANAGER, store_ids=None, by=SYSTEM, now=later)


def _claim_something(story: Story, person: Person, at: datetime) -> None:
    """Now and then a member takes one of the public offers first."""
    if story.random.random() > 0.28:
        return
    offer = story.demo.offers[story.random.choice(CLAIMED)]
    with suppress(DomainError):  # sold out, ended, or he has it already: as in life
        claim(this_transaction(), offer.id, card_id=person.card_id, now=at)


def _share(story: Story, person: Person, at: datetime) -> None:
    """Send the card to friends: some open the link, some of those take the card, and share in their turn."""
    random = story.random
    channel = random.choices(people.SHARE_CHANNELS, people.SHARE_WEIGHTS)[0]
    try:
        link = linking.create_link(
            this_transaction(),
            story.demo.chain.id,
            person.card_id,
            channel,
            now=at,
            occasion=_occasion(story, channel),
            trace=person.trace,
        )
    except DomainError:  # his card is no longer active
        return
    for _ in range(_about(random, people.OPENINGS[channel])):
        opened_at = _by_day(story, at + timedelta(minutes=random.randrange(1, 600)))
        then(story, opened_at, lambda at: _open_link(story, person, link.token, channel, at))


def _occasion(story: Story, channel: str) -> Occasion:
    """Own channels are printed by staff; the rest members do by themselves."""
    if channel not in list(ShareChannel):
        return Occasion.STAFF
    return story.random.choices([Occasion.WALLET, Occasion.JOINED, Occasion.RECEIPT], [5, 3, 2])[0]


def _open_link(story: Story, sharer: Person, token: str, channel: str, at: datetime) -> None:
    """A friend looks; some take the card, and share in their turn."""
    random, secret = story.random, stranger(story)
    visiting.count_visit(this_transaction(), token, visitor=hashed(secret), now=at)
    if random.random() >= people.CONVERSION[channel]:
        return
    friend = join(story, secret, sharer.store, at, link=token)
    if friend.habits.likes_sharing and random.random() < 0.5:
        then(story, at + timedelta(minutes=20), lambda at: _share(story, friend, at))
