"""People as we imagine them, honest and not: who shares with whom, from where, on what phone, who buys.

Every figure here is an assumption of ours. The look-alikes matter most: families in one home, offices, dormitories,
cafés and shops whose guests share an address, phones of one model in one messenger, posts that many people read.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

DAYS = 45  # in which people share
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OPERATORS = 64  # addresses behind which a mobile operator has all its phones of a city
LANGUAGES = ["zh-CN,zh;q=0.9"] * 19 + ["en-GB,en;q=0.8"]
IPHONES = [
    f"Mozilla/5.0 (iPhone; CPU iPhone OS {system} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
    for system in ("16_7", "17_4_1", "17_5", "17_5_1", "18_0", "18_1")
]
IPHONE_WEIGHTS = [1, 1, 2, 4, 3, 2]
MAKERS = ("V2241A", "PGEM10", "2312DRA50C", "LSA-AN00", "SM-S9210", "ALN-AL00", "RMX3888", "24031PN0DC")
ANDROIDS = [
    f"Mozilla/5.0 (Linux; Android {version}; {maker}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0 Mobile"
    for version in (12, 13, 14)
    for maker in MAKERS
]
MESSENGERS = ["MicroMessenger/8.0.47", "MicroMessenger/8.0.49", "MicroMessenger/8.0.50"]
MESSENGER_WEIGHTS = [1, 3, 6]


class Place(NamedTuple):
    """Where somebody is online."""

    address: str
    is_mobile: bool = False


@dataclass
class Person:
    """Somebody, or one of somebody's wallets."""

    number: int
    phone: str
    model: str
    messenger: str
    languages: str
    home: Place

    def browser(self, place: Place) -> str:
        """What his messenger says of itself there."""
        return f"{self.model} {self.messenger} NetType/{'5G' if place.is_mobile else 'WIFI'} Language/zh_CN"


class Deed(NamedTuple):
    """What somebody does at some time: take a card, share it, prove a phone, buy, bring it back."""

    at: datetime
    kind: str
    person: Person
    place: Place | None = None
    through: Person | None = None
    phone: str = ""
    cents: int = 0


@dataclass
class Society:
    """Everybody, and everything that they will do. ``truth`` is of each friend: the story he belongs to."""

    random: Random
    begin: datetime
    people: list[Person] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    truth: dict[int, str] = field(default_factory=dict)
    places: int = 0

    # --- people and places ----------------------------------------------------------------------------------------

    def place(self) -> Place:
        """An address of its own: a home, an office, a café."""
        self.places += 1
        number = self.places
        return Place(f"114.{80 + number // 65536}.{number // 256 % 256}.{number % 256}")

    def mobile(self) -> Place:
        return Place(f"117.136.{self.random.randrange(OPERATORS)}.20", is_mobile=True)

    def somewhere(self, home: Place) -> Place:
        """At home or on the way."""
        return home if self.random.random() < 0.55 else self.mobile()

    def person(self, home: Place | None = None, *, like: Person | None = None) -> Person:
        """A new person; ``like`` somebody: on the same phone."""
        number, random = len(self.people), self.random
        made = Person(
            number,
            f"139{number:08d}",
            like.model if like else self._model(),
            like.messenger if like else random.choices(MESSENGERS, MESSENGER_WEIGHTS)[0],
            like.languages if like else random.choice(LANGUAGES),
            home or self.place(),
        )
        self.people.append(made)
        return made

    def _model(self) -> str:
        if self.random.random() < 0.35:
            return self.random.choices(IPHONES, IPHONE_WEIGHTS)[0]
        return self.random.choice(ANDROIDS)

    def some_day(self) -> datetime:
        """A time of day when people are awake."""
        return self.begin + self.random.randrange(DAYS) * DAY + self.random.uniform(9, 21) * HOUR

    # --- deeds ----------------------------------------------------------------------------------------------------

    def do(self, at: datetime, kind: str, person: Person, **more: object) -> None:
        self.deeds.append(Deed(at, kind, person, **more))  # type: ignore[arg-type]

    def member(self, person: Person, at: datetime, *, proves: float = 0.5) -> None:
        """Came by himself some days before, and buys now and then."""
        self.do(at - 3 * DAY, "join", person, place=person.home)
        if self.random.random() < proves:
            self.do(at - 2 * DAY, "prove", person, phone=person.phone)
        if self.random.random() < 0.8:
            self.buys(person, at - 3 * DAY)

    def shares(self, person: Person, at: datetime, place: Place) -> None:
        self.do(at, "share", person, place=place)

    def comes(self, friend: Person, sharer: Person, at: datetime, place: Place, story: str) -> None:
        self.truth[friend.number] = story
        self.do(at, "join", friend, place=place, through=sharer)

    def honest(
        self, friend: Person, sharer: Person, at: datetime, place: Place, story: str, *, buying: float = 0.6
    ) -> None:
        """A friend of his own will: perhaps proves his phone, perhaps buys."""
        self.comes(friend, sharer, at, place, story)
        if self.random.random() < 0.5:
            self.do(at + self.random.uniform(0.1, 60) * HOUR, "prove", friend, phone=friend.phone)
        if self.random.random() < buying:
            self.buys(friend, at)

    def buys(self, person: Person, since: datetime) -> None:
        at = since + min(self.random.expovariate(1 / 4), 28) * DAY
        self.do(at + HOUR, "buy", person, cents=self.random.randrange(2000, 9000))


# --- honest people ----------------------------------------------------------------------------------------------------


def ordinary(town: Society) -> None:
    """Friends who live elsewhere."""
    sharer, at = town.person(), town.some_day()
    town.member(sharer, at)
    town.shares(sharer, at, town.somewhere(sharer.home))
    for _ in range(town.random.randint(1, 4)):
        friend = town.person()
        later = at + town.random.uniform(0.05, 60) * HOUR
        town.honest(friend, sharer, later, town.somewhere(friend.home), "ordinary")


def family(town: Society) -> None:
    """One home; in many homes two have the same model, and in some the old borrow the number of the young."""
    sharer, at = town.person(), town.some_day()
    town.member(sharer, at)
    town.shares(sharer, at, sharer.home)
    for _ in range(town.random.randint(1, 4)):
        friend = town.person(sharer.home, like=sharer if town.random.random() < 0.35 else None)
        if town.random.random() < 0.02:
            friend.phone = sharer.phone
        town.honest(friend, sharer, at + town.random.uniform(0.1, 30) * HOUR, sharer.home, "family", buying=0.7)


def generations(town: Society) -> None:
    """Grandmother, mother, child: each brings the next, in one home."""
    sharer, at = town.person(), town.some_day()
    town.member(sharer, at)
    first = sharer
    for _ in range(town.random.randint(2, 3)):
        town.shares(sharer, at, first.home)
        friend = town.person(first.home, like=first if town.random.random() < 0.25 else None)
        at += town.random.uniform(1, 40) * HOUR
        town.honest(friend, sharer, at, first.home, "generations", buying=0.7)
        sharer = friend


def guests(story: str, tables: int, most: int) -> Callable[[Society], None]:
    """Many members share with whoever sits with them, all in one public network."""

    def sit(town: Society) -> None:
        place = town.place()
        for _ in range(tables):
            sharer, at = town.person(), town.some_day()
            town.member(sharer, at)
            town.shares(sharer, at, place)
            for _ in range(town.random.randint(1, most)):
                friend, later = town.person(), at + town.random.uniform(0.02, 0.5) * HOUR
                town.honest(friend, sharer, later, place, story, buying=0.75)

    return sit


def office(town: Society) -> None:
    """A colleague tells the others at lunch."""
    place = town.place()
    sharer, at = town.person(), town.some_day()
    town.member(sharer, at)
    town.shares(sharer, at, place)
    for _ in range(town.random.randint(5, 14)):
        friend = town.person()
        later = at + town.random.uniform(0.05, 9) * HOUR
        town.honest(friend, sharer, later, place if town.random.random() < 0.7 else town.mobile(), "office")


def dormitory(town: Society) -> None:
    """Some hundred students behind one address; those of a floor bring each other."""
    place = town.place()
    for _ in range(8):
        sharer, at = town.person(place), town.some_day()
        town.member(sharer, at)
        town.shares(sharer, at, place)
        for _ in range(town.random.randint(3, 9)):
            friend, later = town.person(place), at + town.random.uniform(0.1, 40) * HOUR
            town.honest(friend, sharer, later, town.somewhere(place), "dormitory", buying=0.65)


def influencer(town: Society) -> None:
    """A post that many read: a burst, then fewer and fewer."""
    sharer, at = town.person(), town.some_day()
    town.member(sharer, at)
    town.shares(sharer, at, town.mobile())
    for _ in range(town.random.randint(50, 110)):
        friend, later = town.person(), at + town.random.expovariate(1 / 7) * HOUR
        town.honest(friend, sharer, later, town.somewhere(friend.home), "influencer", buying=0.4)


def far_away(town: Society) -> None:
    """Honest, but the friends live where there is no store."""
    sharer, at = town.person(), town.some_day()
    town.member(sharer, at)
    for _ in range(town.random.randint(10, 18)):
        at += town.random.uniform(1, 24) * HOUR
        town.shares(sharer, at, town.somewhere(sharer.home))
        friend = town.person()
        later = at + town.random.uniform(0.1, 6) * HOUR
        town.honest(friend, sharer, later, town.somewhere(friend.home), "far away", buying=0.12)


# --- dishonest people -------------------------------------------------------------------------------------------------


def second_wallet(town: Society) -> None:
    """His own phone again with the cookie deleted; some take the operator's network for it."""
    thief, at = town.person(), town.some_day()
    town.member(thief, at)
    town.shares(thief, at, thief.home)
    for _ in range(town.random.randint(1, 2)):
        wallet = town.person(thief.home, like=thief)
        place = town.mobile() if town.random.random() < 0.25 else thief.home
        at += town.random.uniform(0.05, 2) * HOUR
        town.comes(wallet, thief, at, place, "second wallet")
        if town.random.random() < 0.3:
            town.buys(wallet, at)


def second_phone(town: Society) -> None:
    """Another phone of his own; half of them prove the number that they have proved before."""
    thief, at = town.person(), town.some_day()
    town.member(thief, at, proves=1)
    town.shares(thief, at, thief.home)
    wallet = town.person(thief.home)
    later = at + town.random.uniform(0.05, 5) * HOUR
    town.comes(wallet, thief, later, town.somewhere(thief.home), "second phone")
    if town.random.random() < 0.5:
        town.do(later + HOUR, "prove", wallet, phone=thief.phone)
    if town.random.random() < 0.3:
        town.buys(wallet, later)


def many_phones(town: Society) -> None:
    """A drawer full of old phones, all at home, in one evening; a few small purchases."""
    thief, at = town.person(), town.some_day()
    town.member(thief, at)
    town.shares(thief, at, thief.home)
    for _ in range(town.random.randint(6, 16)):
        wallet = town.person(thief.home)
        later = at + town.random.uniform(0.1, 5) * HOUR
        town.comes(wallet, thief, later, thief.home, "many phones")
        if town.random.random() < 0.1:
            town.buys(wallet, later)


def device_farm(town: Society) -> None:
    """A rack of phones of two models behind one line."""
    thief, at = town.person(), town.some_day()
    models = [town.person(thief.home), town.person(thief.home)]
    town.member(thief, at)
    town.shares(thief, at, thief.home)
    for _ in range(town.random.randint(30, 60)):
        wallet = town.person(thief.home, like=town.random.choice(models))
        at += town.random.uniform(0.02, 0.3) * HOUR
        town.comes(wallet, thief, at, thief.home, "device farm")


def click_farm(story: str, pause: float) -> Callable[[Society], None]:
    """Paid strangers or rented addresses, on all kinds of phones; nobody ever buys."""

    def click(town: Society) -> None:
        thief, at = town.person(), town.some_day()
        town.member(thief, at)
        town.shares(thief, at, thief.home)
        for _ in range(town.random.randint(80, 120)):
            wallet = town.person()
            at += town.random.expovariate(1 / pause) * HOUR
            town.comes(wallet, thief, at, town.somewhere(wallet.home), story)

    return click


def refunds(town: Society) -> None:
    """Confederates who buy for the reward and bring it back in the same week."""
    thief, at = town.person(), town.some_day()
    town.member(thief, at)
    for _ in range(town.random.randint(3, 12)):
        at += town.random.uniform(0.5, 30) * HOUR
        town.shares(thief, at, town.somewhere(thief.home))
        wallet = town.person()
        town.comes(wallet, thief, at + HOUR, town.somewhere(wallet.home), "refunds")
        town.do(at + 3 * HOUR, "buy", wallet, cents=2500)
        town.do(at + town.random.uniform(3.2, 5) * HOUR, "refund", wallet)


def loop(town: Society) -> None:
    """Two honest friends between himself and his own second wallet."""
    thief, at = town.person(), town.some_day()
    town.member(thief, at)
    last = thief
    town.shares(thief, at, thief.home)
    for _ in range(2):
        friend = town.person()
        at += town.random.uniform(1, 12) * HOUR
        town.honest(friend, last, at, friend.home, "ordinary")
        at += HOUR
        town.shares(friend, at, friend.home)
        last = friend
    wallet = town.person(thief.home, like=thief)
    town.comes(wallet, last, at + HOUR, thief.home, "loop")
    if town.random.random() < 0.5:
        town.do(at + 2 * HOUR, "prove", thief, phone=thief.phone)
        town.do(at + 3 * HOUR, "prove", wallet, phone=thief.phone)


def was_member(town: Society) -> None:
    """A member for long takes a second card for the new member's gift; it goes to his proven number."""
    sharer, at = town.person(), town.some_day()
    town.member(sharer, at)
    member = town.person()
    town.member(member, at, proves=1)
    town.shares(sharer, at, town.somewhere(sharer.home))
    wallet = town.person(member.home, like=member)
    town.comes(wallet, sharer, at + 5 * HOUR, town.somewhere(member.home), "was a member")
    if town.random.random() < 0.6:
        town.do(at + 8 * HOUR, "prove", wallet, phone=member.phone)


HONEST: dict[str, tuple[Callable[[Society], None], int]] = {
    "ordinary": (ordinary, 260),
    "family": (family, 110),
    "generations": (generations, 40),
    "café": (guests("café", tables=14, most=2), 5),
    "shop": (guests("shop", tables=40, most=3), 3),
    "office": (office, 14),
    "dormitory": (dormitory, 3),
    "influencer": (influencer, 4),
    "far away": (far_away, 5),
}
DISHONEST: dict[str, tuple[Callable[[Society], None], int]] = {
    "second wallet": (second_wallet, 120),
    "second phone": (second_phone, 60),
    "many phones": (many_phones, 12),
    "device farm": (device_farm, 6),
    "click farm, slow": (click_farm("click farm, slow", 3.0), 4),
    "click farm, fast": (click_farm("click farm, fast", 0.02), 2),
    "refunds": (refunds, 10),
    "loop": (loop, 24),
    "was a member": (was_member, 60),
}


def imagine(seed: int, scale: float, begin: datetime) -> Society:
    """Everybody, drawn from a seed; ``scale`` is how many of each story there are, one at least."""
    town = Society(Random(seed), begin)
    for story, count in [*HONEST.values(), *DISHONEST.values()]:
        for _ in range(max(1, round(count * scale))):
            story(town)
    town.deeds.sort(key=lambda deed: deed.at)
    return town
