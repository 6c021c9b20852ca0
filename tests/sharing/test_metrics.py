"""Every figure of sharing against a slow and obvious computation of it, on random stories."""

import math
from collections import Counter
from datetime import timedelta
from statistics import median_low, stdev, variance

import pytest

from core.clock import day_start
from core.intervals import student
from sharing import branching, equal_age, propagation
from sharing.models import Occasion, ShareChannel
from sharing.spreaders import top_spreaders
from tests.factories import NOON
from tests.sharing import stories

pytestmark = pytest.mark.usefixtures("app")

EVERYWHERE, OF_STORES, OF_PROGRAM, OF_BOTH = "everywhere", "two stores", "a program", "a program in two stores"


class Asked:
    """A random story and a period of it; and the slow answers."""

    def __init__(self, seed, narrowed):
        self.story = stories.tell(seed)
        stories.tell(seed + 100, "other", members=40)
        chain = self.story.chain
        today = self.story.day(NOON)
        self.first, self.last = today - timedelta(days=45), today - timedelta(days=6)
        self.start = day_start(self.first, chain.timezone, chain.cutoff_hour)
        self.end = day_start(self.last + timedelta(days=1), chain.timezone, chain.cutoff_hour)
        self.stores = self.story.stores[:2] if narrowed in (OF_STORES, OF_BOTH) else None
        self.program = self.story.programs[0] if narrowed in (OF_PROGRAM, OF_BOTH) else None
        self.period = (chain.id, self.start, self.end)
        self.narrowed = {"store_ids": self.stores, "program_id": self.program}

    def is_now(self, moment):
        return self.start <= moment < self.end

    def fits(self, store, program):
        return (self.stores is None or store in self.stores) and self.program in (None, program)

    def fits_person(self, person):
        return self.fits(person.member.store_id, person.card.program_id)

    def fits_link(self, link):
        return self.fits(link.store_id, link.program_id)

    @property
    def joined(self):
        return [p for p in self.story.people if self.is_now(p.joined_at) and self.fits_person(p)]

    @property
    def referred(self):
        return [p for p in self.joined if p.referral]

    @property
    def links(self):
        return [link for link in self.story.links if self.is_now(link.created_at) and self.fits_link(link)]

    @property
    def visits(self):
        return [(v, link) for v, link in self.story.visits if self.is_now(v.at) and self.fits_link(link)]

    def friends_of(self, person):
        """Whom he brought in the period, wherever."""
        return [
            p
            for p in self.story.people
            if p.referral and p.referral.referrer_id == person.id and self.is_now(p.joined_at)
        ]


@pytest.fixture(
    params=[(1, EVERYWHERE), (2, OF_STORES), (3, OF_PROGRAM), (4, OF_BOTH)], ids=lambda given: f"{given[1]} {given[0]}"
)
def asked(app, request):
    return Asked(*request.param)


def test_the_totals_of_a_period(asked):
    found = propagation.numbers(*asked.period, **asked.narrowed)

    visitors = {visit.visitor for visit, _ in asked.visits}
    reached = visitors | {person.wallet.key_hash for person in asked.referred}
    assert found == (
        len(asked.joined),
        len(asked.referred),
        len(asked.links),
        len({link.member_id for link in asked.links}),
        len(asked.visits),
        len(visitors),
        len(reached),
    )
    assert found.conversion == pytest.approx(len(asked.referred) / len(reached))
    assert found.conversion_interval.low < found.conversion < found.conversion_interval.high
    assert found.links_per_sharer == pytest.approx(found.links / found.sharers)
    assert found.visits_per_link == pytest.approx(found.visits / found.links)


def test_generations_are_counted_one_by_one(asked):
    found = propagation.generations(*asked.period, **asked.narrowed)

    assert dict(found) == Counter(p.referral.depth if p.referral else 0 for p in asked.joined)


def test_the_k_factor_and_its_interval_come_from_what_each_member_brought(asked):
    found = propagation.k_factor(*asked.period, **asked.narrowed)

    brought = [len(asked.friends_of(person)) for person in asked.joined]
    cohort = {person.id for person in asked.joined}
    links = [link for link in asked.story.links if asked.is_now(link.created_at) and link.member_id in cohort]
    mean, half = sum(brought) / len(brought), 1.96 * stdev(brought) / math.sqrt(len(brought))
    assert (found.members, found.links, found.brought) == (len(brought), len(links), sum(brought))
    assert found.value == pytest.approx(mean)
    assert found.value == pytest.approx(found.links_per_member * found.conversion)
    assert found.interval == pytest.approx((max(mean - half, 0), mean + half), abs=1e-4)


def test_the_k_factors_of_stores_and_programs_are_parts_of_the_whole(asked):
    whole = propagation.k_factor(*asked.period, **asked.narrowed)
    by_store = propagation.k_by_store(*asked.period, **asked.narrowed)
    by_program = propagation.k_by_program(*asked.period, **asked.narrowed)

    for parts in (by_store, by_program):
        assert tuple(map(sum, zip(*parts.values(), strict=True))) == whole
    for key, found in [*by_store.items()]:
        members = [p for p in asked.joined if p.member.store_id == key]
        assert (found.members, found.brought) == (len(members), sum(len(asked.friends_of(p)) for p in members))
    for key, found in by_program.items():
        assert found.members == sum(p.card.program_id == key for p in asked.joined)


def test_the_time_to_convert_is_the_lower_median(asked):
    found = propagation.time_to_convert(*asked.period, **asked.narrowed)

    true = median_low(p.joined_at - p.link.created_at for p in asked.referred)
    assert abs(found - true) <= timedelta(seconds=0.501)


def test_days_are_business_days_of_the_chain_and_add_up(asked):
    found = propagation.by_day(*asked.period, **asked.narrowed)

    days = Counter(asked.story.day(p.joined_at) for p in asked.joined)
    friends = Counter(asked.story.day(p.joined_at) for p in asked.referred)
    assert [(each.first, each.last) for each in found] == [
        (asked.first + timedelta(days=n), asked.first + timedelta(days=n)) for n in range(40)
    ]
    assert [(each.referred, each.others) for each in found] == [
        (friends[each.first], days[each.first] - friends[each.first]) for each in found
    ]


def figures_of(asked, is_part, came):
    links = [link for link in asked.links if is_part(link)]
    visits = [link for _, link in asked.visits if is_part(link)]
    return len({link.member_id for link in links}), len(links), len(visits), len(came)


def test_channels_own_ones_too(asked):
    rows = branching.by_channel(*asked.period, **asked.narrowed)

    for row in rows:
        came = [p for p in asked.referred if p.referral.channel == row.channel]
        assert row.figures == figures_of(asked, lambda link, row=row: link.channel == row.channel, came)
    assert {row.channel for row in rows} == {
        *ShareChannel,
        "slip",
        "table",
    }  # an archived one that brought nobody is not
    assert sum(row.figures.brought for row in rows) == len(asked.referred)


def test_occasions_are_those_of_the_links(asked):
    rows = branching.by_occasion(*asked.period, **asked.narrowed)

    assert {row.occasion for row in rows} == set(Occasion)
    for row in rows:
        came = [p for p in asked.referred if p.link.occasion == row.occasion]
        assert row.figures == figures_of(asked, lambda link, row=row: link.occasion == row.occasion, came)


def test_stores_count_whom_their_members_brought_and_who_joined_there(asked):
    rows = branching.by_store(*asked.period, **asked.narrowed)

    for row in rows:
        came = [
            p
            for p in asked.story.people
            if p.referral and asked.is_now(p.joined_at) and p.link.store_id == row.store_id and asked.fits_link(p.link)
        ]
        assert row.figures == figures_of(asked, lambda link, row=row: link.store_id == row.store_id, came)
        assert row.joined == sum(p.member.store_id == row.store_id for p in asked.referred)
    assert sum(row.joined for row in rows) == len(asked.referred)


def test_programs_are_those_of_the_links(asked):
    rows = branching.by_program(*asked.period, **asked.narrowed)

    assert {row.program_id for row in rows} == ({asked.program} if asked.program else set(asked.story.programs))
    for row in rows:
        came = [p for p in asked.referred if p.card.program_id == row.program_id]
        assert row.figures == figures_of(asked, lambda link, row=row: link.program_id == row.program_id, came)


def test_the_flow_adds_up_to_all_who_came_through_friends(asked):
    rows = branching.flows(*asked.period, **asked.narrowed)

    true = Counter((p.member.store_id, p.referral.channel, p.referral.depth) for p in asked.referred)
    assert {(row.store_id, row.channel, row.generation): row.members for row in rows} == true
    assert [row.members for row in rows] == sorted((row.members for row in rows), reverse=True)


def test_spreaders_with_reach_rewards_and_findings(asked):
    rows = top_spreaders(*asked.period, **asked.narrowed, limit=1000)

    story = asked.story
    true = {p.id: asked.friends_of(p) for p in story.people if asked.fits_person(p) and asked.friends_of(p)}
    assert [row.member_id for row in rows] == sorted(true, key=lambda member: (-len(true[member]), member))
    edges = {p.referral.id: p.referral for p in story.people if p.referral}
    for row in rows:
        mine = [r for r in story.rewards if edges[r.referral_id].referrer_id == row.member_id]
        earned = [r for r in mine if asked.first <= r.earned_on <= asked.last]
        step = f"{row.member_id:010x}"
        assert row.direct == len(true[row.member_id])
        assert row.reach == sum(
            step in (e.path[at : at + 10] for at in range(0, len(e.path) - 10, 10)) for e in edges.values()
        )
        assert row.links == sum(
            link.member_id == row.member_id and asked.is_now(link.created_at) for link in story.links
        )
        assert row.visits == sum(link.member_id == row.member_id and asked.is_now(v.at) for v, link in story.visits)
        assert row.rewards == sum(r.side == "referrer" and r.state == "approved" for r in earned)
        assert row.reward_cents == sum(r.committed_cents for r in earned if r.state in ("approved", "clawed_back"))
        assert row.findings == sum(
            f.dismissed_at is None
            and edges[f.referral_id].referrer_id == row.member_id
            and asked.is_now(edges[f.referral_id].created_at)
            for f in story.findings
        )


def spent(person, days):
    """Net, in the person's first days."""
    return sum(
        each.payable_cents - each.refunded_cents
        for each in person.purchases
        if each.state == "settled" and each.settled_at < person.joined_at + timedelta(days=days)
    )


def test_spending_is_compared_at_equal_age(asked):
    now = NOON + timedelta(days=20)
    found = equal_age.compare_spending(*asked.period, now=now, **asked.narrowed)

    assert [each.days for each in found] == [7, 30, 90]
    for each in found:
        old = [p for p in asked.joined if p.joined_at <= now - timedelta(days=each.days)]
        groups = [
            [spent(p, each.days) for p in old if bool(p.referral) == is_referred] for is_referred in (True, False)
        ]
        for sample, amounts in zip((each.referred, each.others), groups, strict=True):
            assert (sample.number, sample.total) == (len(amounts), sum(amounts))
            assert sample.squares == pytest.approx(sum(amount * amount for amount in amounts))
        if min(map(len, groups)) > 1 and any(map(any, groups)):
            errors = [variance(amounts) / len(amounts) for amounts in groups]
            freedom = sum(errors) ** 2 / sum(e**2 / (len(g) - 1) for e, g in zip(errors, groups, strict=True))
            middle = sum(groups[0]) / len(groups[0]) - sum(groups[1]) / len(groups[1])
            half = student(freedom) * math.sqrt(sum(errors))
            assert each.difference_cents == pytest.approx(middle)
            assert each.interval == pytest.approx((middle - half, middle + half))
            assert each.is_shown == (abs(middle) > half)


def test_a_long_period_is_drawn_in_weeks_that_add_up(app):
    story = stories.tell(5)
    chain = story.chain
    start = day_start(story.day(NOON) - timedelta(days=120), chain.timezone, chain.cutoff_hour)

    found = propagation.by_day(chain.id, start, NOON)

    assert {(each.last - each.first).days for each in found[:-1]} == {6}
    assert sum(each.referred + each.others for each in found) == sum(p.joined_at < NOON for p in story.people)


def test_the_difference_of_nobody_is_not_shown(app):
    story = stories.tell(6, members=20)

    found = equal_age.compare_spending(story.chain.id, NOON, NOON + timedelta(days=1), now=NOON)

    assert [(each.referred.number, each.others.number, each.interval, each.is_shown) for each in found] == [
        (0, 0, None, False)
    ] * 3
