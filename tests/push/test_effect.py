"""What campaigns did and what they caused: against a slow count of random stories, and against a known truth."""

from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from cards.models import Card, CardState, Member
from core.audit import SYSTEM
from core.db import db, transaction
from core.intervals import Sample
from push import runs
from push.audiences import consents
from push.effects import effect
from push.effects.effect import DAYS, Against, Comparison, Effect, Group, measure
from push.effects.funnel import count_clickers, funnel
from push.models import Campaign
from push.timing.policies import Oversight, set_oversight
from stores.models import Chain
from tests.factories import NOON, in_days, make_chain, make_store, make_store_code
from tests.push import effects
from tests.push.pushing import deliveries, make_campaign, make_member, schedule, send_all, start

SEEDS = (3, 11, 29)


@pytest.fixture(params=SEEDS)
def told(app, request):
    return effects.tell(request.param)


def runs_asked(told):
    return [None, *(run.id for run in told.runs)]


# --- the funnel


def test_the_funnel_is_the_slow_count(told):
    for run_id in runs_asked(told):
        rows = [each for each in told.deliveries if run_id in (None, each.run_id)]

        found = funnel(told.life.chain.id, told.campaign.id, run_id)

        assert found.whole._asdict() == effects.part_of(told, rows)
        for variant, part in found.variants.items():
            assert part._asdict() == effects.part_of(told, [each for each in rows if each.variant == variant])
        for variant, channel, part in found.rows:
            mine = [each for each in rows if (each.variant, each.channel) == (variant, channel)]
            assert part._asdict() == effects.part_of(told, mine)
        assert sum(part.audience for *_, part in found.rows) == len(rows)


def test_members_who_clicked_are_counted_once(told):
    clicked = {click.delivery_id for click in told.clicks}

    found = count_clickers(told.life.chain.id, told.campaign.id)

    for variant in ("A", "B"):
        sent = [d for d in told.deliveries if d.variant == variant and d.state in ("sent", "delivered")]
        clickers = {each.member_id for each in sent if each.id in clicked}
        assert found[variant] == (len(clickers), len({each.member_id for each in sent}))


def test_a_campaign_that_has_not_gone_has_an_empty_funnel(app):
    campaign = make_campaign(make_chain())

    found = funnel(campaign.chain_id, campaign.id)

    assert set(found.whole) == {0}
    assert (found.variants, found.rows) == ({}, [])


# --- told against held out


def slow_group(figures):
    spent = [each[0] for each in figures]
    return Group(
        len(figures),
        sum(each[1] for each in figures),
        sum(each[2] for each in figures),
        Sample(len(spent), sum(spent), float(sum(each * each for each in spent))),
    )


@pytest.mark.parametrize("is_held_by_chain", [False, True], ids=["campaign's holdout", "chain's holdout"])
def test_the_groups_are_the_slow_count(app, is_held_by_chain):
    told = effects.tell(7, is_held_by_chain=is_held_by_chain)

    for run_id in runs_asked(told):
        runs = [run for run in told.runs if run_id in (None, run.id)]
        for now in (NOON, told.runs[0].started_at + timedelta(days=7)):
            found = measure(told.campaign, now=now, run_id=run_id)

            assert found.against == (Against.CHAIN if is_held_by_chain else Against.CAMPAIGN)
            for days in DAYS:
                slow = {key: slow_group(each) for key, each in effects.groups_of(told, days, now, runs).items()}
                held = sum((group for (is_held, _), group in slow.items() if is_held), Group())
                assert found.held[days] == held
                assert {label: group for label, group in found.told[days].items() if group.members} == {
                    label: group for (is_held, label), group in slow.items() if not is_held
                }
                assert found.comparison(days).one.members == sum(each.members for each in found.told[days].values())


def test_the_figures_add_up_over_variants(told):
    found = measure(told.campaign, now=NOON)

    for days in DAYS:
        parts = [found.of_variant(label, days).one for label in ("A", "B")]
        assert sum(parts, Group()) == found.comparison(days).one
        assert found.between_variants("A", "B", days) == Comparison(days, *parts)


def test_who_changed_his_group_is_in_neither(told):
    held = next(each for each in told.deliveries if each.reason == "holdout")
    before = measure(told.campaign, now=NOON, run_id=held.run_id)
    with transaction():
        row = db.session.get_one(type(held), held.id)
        other = type(held)(
            chain_id=row.chain_id, campaign_id=row.campaign_id, run_id=row.run_id, member_id=row.member_id,
            card_id=row.card_id, channel="web_push", variant=row.variant, state="pending", due_at=row.due_at,
            attempts=0,
        )  # fmt: skip
        db.session.add(other)

    after = measure(told.campaign, now=NOON, run_id=held.run_id)

    count = lambda found: sum(g.members for g in found.told[1].values()) + found.held[1].members  # noqa: E731
    assert count(before) - count(after) in (0, 1)
    assert after.comparison(1).one.members <= before.comparison(1).one.members


def groups(campaign):
    """How many were meant to be told, and how many were held out."""
    found = measure(campaign, now=in_days(60)).comparison(1)
    return found.one.members, found.other.members


@pytest.fixture
def sixty(app):
    code = make_store_code(make_store(make_chain()))
    return [make_member(code, email=f"m{number}@example.com") for number in range(60)]


def test_who_says_no_between_the_freezing_and_the_sending_stays_in_his_group(sixty):
    """Whoever is held out can say no as well, and nobody notices: both must stay, or only the willing are compared."""
    campaign = make_campaign(db.session.get_one(Chain, sixty[0].chain_id), "email", holdout_bp=3000)
    with transaction():
        consents.withdraw(sixty[-1].member_id, "email", "test", NOON)  # before: in neither
    start(campaign)
    meant = groups(campaign)
    with transaction():
        for card in sixty[:20]:
            consents.withdraw(card.member_id, "email", "test", NOON)
        db.session.get_one(Card, sixty[20].id).state = CardState.FROZEN
        db.session.get_one(Member, sixty[21].member_id).email = None
    send_all()

    reasons = Counter(row.reason for row in deliveries(campaign))
    assert reasons["opted_out"] > 10
    assert meant == groups(campaign) == (59 - reasons["holdout"], reasons["holdout"])


def test_who_was_held_out_of_all_promotion_and_is_told_later_is_in_neither_group(sixty):
    chain = db.session.get_one(Chain, sixty[0].chain_id)
    campaign = make_campaign(chain, "inbox", holdout_bp=2000)
    schedule(campaign, {"kind": "recurring", "weekdays": ["wed"], "time": "12:10"}, now=NOON)
    for share, now in ((2000, NOON + timedelta(minutes=10)), (100, NOON + timedelta(days=7, minutes=10))):
        with transaction():
            set_oversight(chain.id, Oversight(global_holdout_bp=share), by=SYSTEM, now=now)
        runs.start_due_batch(now=now)

    reasons: dict[int, set[str | None]] = {}
    for row in deliveries(campaign):
        reasons.setdefault(row.member_id, set()).add(row.reason)
    alike = Counter(next(iter(each)) for each in reasons.values() if len(each) == 1)
    assert len(reasons) > alike.total()
    assert groups(campaign)[0] == alike[None]


def test_a_campaign_without_a_holdout_is_compared_with_nobody(app):
    campaign = make_campaign(make_chain())

    found = measure(campaign, now=NOON)

    assert found.against == Against.NOBODY
    assert found.comparison(7).bought.interval is None


def test_who_was_told_too_lately_is_not_compared_yet(told):
    campaign = db.session.get_one(Campaign, told.campaign.id)

    found = measure(campaign, now=told.runs[0].started_at + timedelta(days=1) - timedelta(microseconds=1))

    assert found.comparison(1) == Comparison(1, Group(), Group())
    assert found.first_complete_at == in_days(1, told.runs[0].started_at)


# --- what is said of the figures


def group_of(spent):
    buyers = sum(each > 0 for each in spent)
    return Group(len(spent), buyers, buyers, Sample(len(spent), sum(spent), float(sum(each * each for each in spent))))


def test_of_few_members_nothing_is_said():
    few, many = group_of([0, 500] * 49), group_of([0, 500] * 400)

    assert Comparison(7, many, few).bought.interval is None
    assert Comparison(7, few, many).spend.interval is None
    assert not Comparison(7, few, many).spend.is_shown


def test_an_effect_is_shown_when_the_interval_leaves_0_out():
    told, held = group_of([0, 0, 500] * 1000), group_of([0, 0, 0, 0, 500] * 200)
    found = Comparison(7, told, held)

    assert found.bought.is_shown
    assert found.bought.interval.low > 0
    assert found.bought.lift == pytest.approx((1 / 3 - 1 / 5) * 5)
    assert found.spend.value == pytest.approx(500 / 3 - 100)
    assert found.spend.is_shown


def test_no_effect_is_shown_where_both_groups_are_alike():
    found = Comparison(7, group_of([0, 0, 500] * 1000), group_of([0, 0, 500] * 100))

    assert not found.bought.is_shown
    assert not found.spend.is_shown


def test_a_difference_that_would_show_is_smaller_in_larger_groups():
    small = Comparison(7, group_of([0, 500] * 100), group_of([0, 500] * 100)).smallest_shown
    large = Comparison(7, group_of([0, 500] * 10_000), group_of([0, 500] * 10_000)).smallest_shown

    assert small == pytest.approx(0.14, abs=0.001)
    assert large == pytest.approx(0.014, abs=0.0001)
    assert Comparison(7, Group(), Group()).smallest_shown is None


def spendings(random, members, share, mean):
    """What members spend: nothing, or an amount with a long tail."""
    return [round(random.expovariate(1 / mean)) if random.random() < share else 0 for _ in range(members)]


@pytest.mark.parametrize("lift", [0.0, 0.05], ids=["no effect", "an effect"])
def test_the_intervals_hold_the_truth_nineteen_times_in_twenty(lift):
    """Simulated campaigns, of which it is known what they caused: nine tenths told, a tenth held out."""
    random, campaigns, share, mean = Random(2026), 400, 0.12, 3000
    held_bought = held_spent = 0
    for _ in range(campaigns):
        told = group_of(spendings(random, 1800, share + lift, mean))
        found = Comparison(7, told, group_of(spendings(random, 200, share, mean)))
        held_bought += found.bought.interval.low <= lift <= found.bought.interval.high
        held_spent += found.spend.interval.low <= lift * mean <= found.spend.interval.high

    assert 0.925 <= held_bought / campaigns <= 0.98
    assert 0.915 <= held_spent / campaigns <= 0.98


def test_chance_alone_rarely_looks_like_an_effect():
    random, campaigns = Random(7), 400
    shown = sum(
        Comparison(
            7, group_of(spendings(random, 900, 0.1, 3000)), group_of(spendings(random, 300, 0.1, 3000))
        ).bought.is_shown
        for _ in range(campaigns)
    )

    assert shown / campaigns <= 0.08


def test_the_whole_of_no_variants_is_nobody():
    nobody = Effect(Against.NOBODY, {days: {} for days in DAYS}, {days: Group() for days in DAYS}, None)

    assert nobody.comparison(7) == Comparison(7, Group(), Group())
    assert effect.shares_of(0, 0) == (0.0, None)
