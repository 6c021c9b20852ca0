"""A few dishonest members, and some who only look like it: what the fraud rules find waits to be decided."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from app.demo import story as living
from app.demo.people import Person
from app.demo.story import Story
from cards import holding
from core.audit import Author
from core.hot import this_transaction
from core.tokens import hashed
from sharing import linking
from sharing.traces import Trace

MINUTE = timedelta(minutes=1)
NOON_BEFORE = timedelta(hours=7, minutes=30)  # of the evening


def plan(story: Story, ago: int) -> None:
    """What goes on on that day, at noon."""
    for number, trick in enumerate(TRICKS.get(ago, ())):
        at = living.evening(story, ago) - NOON_BEFORE + number * timedelta(hours=1)
        living.then(story, at, partial(trick, story))


def _one_home(story: Story, at: datetime) -> None:
    """A couple with phones of one model on one WiFi: honest, but alike."""
    home = _trace(story, "home")
    token = _link(story, _member(story), at, home)
    _come(story, token, at + 7 * MINUTE, home)


def _one_phone(story: Story, at: datetime) -> None:
    """Somebody takes four cards on one phone through his own link."""
    phone = _trace(story, "second-phone")
    token = _link(story, _member(story), at, _trace(story, "own-phone"))
    for number in range(4):
        _come(story, token, at + (5 + 6 * number) * MINUTE, phone)


def _crowd(story: Story, at: datetime) -> None:
    """A post that a dozen people read within the hour."""
    token = _link(story, _member(story), at, _trace(story, "post"))
    for number in range(12):
        _come(story, token, at + (3 + 4 * number) * MINUTE, _trace(story, "reader"), buys=number % 4 == 0)


def _one_number(story: Story, at: datetime) -> None:
    """The friend has the referrer's phone number; neither has proved it."""
    sharer, phone = _member(story), "+8619900000042"
    _write_phone(sharer, phone, at)
    token = _link(story, sharer, at, _trace(story, "sharer"))
    _come(story, token, at + 9 * MINUTE, _trace(story, "friend"), phone=phone)


TRICKS: dict[int, tuple[Callable[[Story, datetime], None], ...]] = {
    40: (_one_home, _one_phone),
    24: (_one_home, _one_home),
    6: (_crowd,),
    4: (_one_home,),
    3: (_one_number,),
    2: (_one_phone, _one_home),
}


def _member(story: Story) -> Person:
    """Somebody who has been there for a while."""
    return story.random.choice(story.people[: len(story.people) // 2])


def _trace(story: Story, what: str) -> Trace:
    story.planned += 1
    seen = hashed(f"demo-{what}-{story.demo.chain.id}-{story.planned}")
    return Trace(seen[:32], seen[-32:])


def _link(story: Story, sharer: Person, at: datetime, trace: Trace) -> str:
    hot, chain_id = this_transaction(), story.demo.chain.id
    return linking.create_link(hot, chain_id, sharer.card_id, "friend", now=at, trace=trace).token


def _come(story: Story, token: str, at: datetime, trace: Trace, *, buys: bool = True, phone: str = "") -> None:
    """A friend takes the card by the link, and buys what earns a reward."""

    def join(at: datetime) -> None:
        friend = living.join(story, living.stranger(story), 0, at, link=token, trace=trace)
        if phone:
            _write_phone(friend, phone, at)
        if buys:
            store_id = story.demo.stores[0].id
            living.then(story, at + 15 * MINUTE, lambda at: living.buy(story, friend, store_id, at, amount=3200))

    living.then(story, at, join)


def _write_phone(person: Person, phone: str, at: datetime) -> None:
    held = holding.card_of_wallet(person.wallet_id, person.card_id)
    profile = holding.Profile(name=held.member.name, phone=phone)
    holding.update_profile(held, profile, by=Author(f"wallet:{person.wallet_id}"), now=at)
