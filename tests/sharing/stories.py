"""Random lives of a chain, kept as plain lists beside the rows: what is asked of the tables is counted here slowly."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from cards.models import Card, Member, Program, Tier, Wallet
from checkout.models import Checkout
from core.clock import business_day
from core.db import db, transaction
from core.tokens import new_number
from sharing.models import Occasion, OwnChannel, Referral, ShareChannel, ShareLink, ShareVisit
from sharing.reward_models import FraudFinding, Reward, RewardRule
from stores.models import Chain
from tests.factories import NOON, make_chain, make_store, program_of

DAYS = 60
MEMBERS = 140
BEGINNING = NOON - timedelta(days=DAYS)
FIRST_ID = 100_000  # far from what the database numbers itself
_marks = count(1)
_ids: dict[type, "count[int]"] = defaultdict(lambda: count(FIRST_ID))

ORDER = (Wallet, Member, Card, ShareLink, ShareVisit, Referral, Checkout, RewardRule, Reward, FraudFinding)


@dataclass
class Person:
    member: Member
    card: Card
    wallet: Wallet
    referral: Referral | None = None
    link: ShareLink | None = None  # by which he came
    purchases: list[Checkout] = field(default_factory=list)

    @property
    def id(self) -> int:
        return self.member.id

    @property
    def joined_at(self) -> datetime:
        return self.member.joined_at


@dataclass
class Story:
    """Everything that happened, in the order of its ids."""

    chain: Chain
    stores: list[int]
    programs: list[int]
    people: list[Person] = field(default_factory=list)
    links: list[ShareLink] = field(default_factory=list)
    visits: list[tuple[ShareVisit, ShareLink]] = field(default_factory=list)
    rewards: list[Reward] = field(default_factory=list)
    findings: list[FraudFinding] = field(default_factory=list)
    own: list[OwnChannel] = field(default_factory=list)
    rows: dict[type, list[Any]] = field(default_factory=lambda: {kind: [] for kind in ORDER})

    def add(self, kind: Any, **values: Any) -> Any:
        """A row to be written at the end, all of a table together."""
        row = kind(id=next(_ids[kind]), **values)
        self.rows[kind].append(row)
        return row

    def write(self) -> None:
        with transaction():
            for rows in self.rows.values():
                db.session.add_all(rows)
                db.session.flush()

    def day(self, moment: datetime) -> date:
        return business_day(moment, self.chain.timezone, self.chain.cutoff_hour)


def tell(seed: int, slug: str = "snowpeak", *, members: int = MEMBERS) -> Story:
    """A chain with three stores, two programs and two channels of its own, over two months."""
    random = Random(seed)
    chain = make_chain(slug, cutoff_hour=4)
    stores = [make_store(chain).id for _ in range(3)]
    with transaction():
        second = Program(chain_id=chain.id, is_default=False, name="小店卡", name_en="Corner card", created_at=NOON)
        own = [
            OwnChannel(
                chain_id=chain.id,
                code=code,
                name=name,
                name_en=english,
                is_for_members=False,
                archived_at=archived,
                created_at=NOON,
            )
            for code, name, english, archived in (
                ("slip", "快递单", "Courier slip", None),
                ("table", "桌卡", "Table card", NOON),
                ("idle", "旧", "Old", NOON),
            )
        ]
        db.session.add_all([second, *own])
        db.session.flush()
        db.session.add(Tier(chain_id=chain.id, program_id=second.id, rank=0, name="卡", name_en="Card"))
    story = Story(chain, stores, [program_of(chain).id, second.id], own=own)
    tiers = dict(db.session.execute(db.select(Tier.program_id, db.func.min(Tier.id)).group_by(Tier.program_id)).all())
    for minute in sorted(random.sample(range(DAYS * 24 * 60), members)):
        _live(story, random, tiers, BEGINNING + timedelta(minutes=minute, microseconds=random.randrange(10**6)))
    _reward(story, random)
    story.write()
    return story


def _live(story: Story, random: Random, tiers: dict[int, int], now: datetime) -> None:
    """Somebody joins; he and others share, look and buy."""
    person = _join(story, random, tiers, now)
    for sharer in random.sample(story.people, min(len(story.people), random.choice([0, 1, 1, 2]))):
        _share(story, random, sharer, now + timedelta(minutes=random.randrange(600)))
    for _ in range(random.randrange(4)):
        _open(story, random, now + timedelta(minutes=random.randrange(900)))
    for _ in range(random.choice([0, 0, 1, 2, 5])):
        after = timedelta(minutes=random.randrange(100 * 24 * 60))
        _buy(story, random, person, person.joined_at + random.choice([after, timedelta(days=7), timedelta(days=30)]))


def _join(story: Story, random: Random, tiers: dict[int, int], now: datetime) -> Person:
    known = [link for link in story.links if link.created_at <= now]
    link = random.choice(known) if known and random.random() < 0.65 else None
    program = link.program_id if link else random.choice(story.programs)
    store = random.choice([link.store_id, *story.stores]) if link else random.choice([*story.stores, None])
    wallet = story.add(Wallet, key_hash=f"{next(_marks):064x}", created_at=now)
    member = story.add(
        Member, chain_id=story.chain.id, wallet_id=wallet.id, store_id=store, joined_at=now, name=f"人{wallet.id}"
    )
    cards = [_card(story, tiers, member, kind, now) for kind in dict.fromkeys([program, *_second(story, random)])]
    person = Person(member, cards[0], wallet, link=link)
    story.people.append(person)
    if link:
        person.referral = _refer(story, person, link, now)
    return person


def _second(story: Story, random: Random) -> list[int]:
    return [random.choice(story.programs)] if random.random() < 0.2 else []


def _card(story: Story, tiers: dict[int, int], member: Member, program: int, now: datetime) -> Card:
    return story.add(
        Card,
        chain_id=story.chain.id,
        program_id=program,
        wallet_id=member.wallet_id,
        member_id=member.id,
        tier_id=tiers[program],
        number=new_number(),
        code_secret=b"x" * 20,
        channel="scan",
        store_id=member.store_id,
        issued_at=now,
        issued_on=story.day(now),
    )


def _refer(story: Story, person: Person, link: ShareLink, now: datetime) -> Referral:
    above = next(each for each in story.people if each.id == link.member_id)
    up = above.referral
    path = (up.path if up else f"{above.id:010x}") + f"{person.id:010x}"
    return story.add(
        Referral,
        chain_id=story.chain.id,
        member_id=person.id,
        referrer_id=above.id,
        card_id=person.card.id,
        root_id=up.root_id if up else above.id,
        share_link_id=link.id,
        channel=link.channel,
        store_id=person.member.store_id,
        depth=up.depth + 1 if up else 1,
        path=path,
        created_at=now,
    )


def _share(story: Story, random: Random, sharer: Person, now: datetime) -> None:
    channels: list[tuple[str, int | None]] = [(str(each), None) for each in ShareChannel]
    channel, own_id = random.choice([*channels, *((own.code, own.id) for own in story.own[:2])])
    link = story.add(
        ShareLink,
        chain_id=story.chain.id,
        program_id=sharer.card.program_id,
        card_id=sharer.card.id,
        member_id=sharer.id,
        store_id=sharer.card.store_id,
        token=f"link{next(_marks):012d}",
        channel=channel,
        own_channel_id=own_id,
        occasion=random.choice(list(Occasion)),
        parent_id=sharer.link.id if sharer.link else None,
        visits=0,
        created_at=now,
    )
    story.links.append(link)


def _open(story: Story, random: Random, now: datetime) -> None:
    """Somebody who has a card, or a stranger who may come back."""
    if not story.links:
        return
    link = random.choice(story.links)
    stranger = f"{900_000 + random.randrange(60):064x}"
    visitor = random.choice([stranger, random.choice(story.people).wallet.key_hash])
    visit = story.add(ShareVisit, chain_id=story.chain.id, share_link_id=link.id, visitor=visitor, at=now)
    link.visits += 1
    story.visits.append((visit, link))


def _buy(story: Story, random: Random, person: Person, at: datetime) -> None:
    paid = random.choice([0, 990, 4000, 12_345, random.randrange(50_000)])
    state = random.choice(["settled", "settled", "settled", "voided", "refunded", "reserved", "released"])
    if state == "refunded" and not paid:
        state = "settled"
    is_settled = state in ("settled", "voided", "refunded")
    refunded = {"refunded": paid, "settled": random.choice([0, 0, paid // 3])}.get(state, 0)
    checkout = story.add(
        Checkout,
        chain_id=story.chain.id,
        store_id=random.choice(story.stores),
        card_id=person.card.id,
        member_id=person.id,
        settled_by="staff:1",
        request_id=f"till-{next(_marks)}",
        fingerprint="f" * 64,
        amount_cents=paid + 100,
        member_discount_cents=100,
        coupon_discount_cents=0,
        payable_cents=paid,
        refunded_cents=refunded,
        points_earned=0,
        state=state,
        settled_at=at if is_settled else None,
        business_day=story.day(at) if is_settled else None,
        reserved_until=None if is_settled else at,
        voided_at=at if state == "voided" else None,
    )
    person.purchases.append(checkout)


def _reward(story: Story, random: Random) -> None:
    """Rewards in every state, and findings, on some of the referrals."""
    rule = story.add(
        RewardRule,
        chain_id=story.chain.id,
        name="带朋友",
        name_en="Bring a friend",
        state="running",
        trigger="card_issued",
        hold_days=3,
        referrer_points=50,
        referrer_cost_cents=500,
        friend_points=20,
        friend_cost_cents=200,
        created_at=BEGINNING,
        started_at=BEGINNING,
    )
    cards = {person.id: person.card.id for person in story.people}
    for person in story.people:
        if (edge := person.referral) is None or random.random() < 0.3:
            continue
        for side, member, points in (("referrer", edge.referrer_id, 50), ("friend", person.id, 20)):
            state = random.choice(["pending", "approved", "approved", "rejected", "flagged", "clawed_back"])
            is_decided = state in ("approved", "rejected", "clawed_back")
            earned = edge.created_at + timedelta(days=random.choice([0, 0, 5]))
            cost = points * 10
            committed = {"rejected": 0, "clawed_back": random.choice([0, cost // 2])}.get(state, cost)
            story.rewards.append(
                story.add(
                    Reward,
                    chain_id=story.chain.id,
                    rule_id=rule.id,
                    referral_id=edge.id,
                    side=side,
                    member_id=member,
                    card_id=cards[member],
                    points=points,
                    cost_cents=cost,
                    committed_cents=committed,
                    state=state,
                    reason=None if state in ("pending", "approved") else "velocity",
                    earned_on=story.day(earned),
                    due_at=earned + timedelta(days=3),
                    decided_at=earned if is_decided else None,
                    decided_by="system" if is_decided else None,
                    created_at=earned,
                )
            )
        if random.random() < 0.3:
            dismissed = random.choice([None, edge.created_at])
            story.findings.append(
                story.add(
                    FraudFinding,
                    chain_id=story.chain.id,
                    referral_id=edge.id,
                    rule="velocity",
                    action="flag",
                    evidence={},
                    found_at=edge.created_at,
                    dismissed_at=dismissed,
                    dismissed_by="staff:1" if dismissed else None,
                )
            )
