"""Ready-made segments: figures of the chain's own, and everybody who bought in exactly one of the six."""

from collections import Counter
from datetime import timedelta
from itertools import count
from random import Random

import pytest

from checkout.models import Checkout, CheckoutState
from core.audit import SYSTEM, list_entries
from core.db import db, transaction
from push.audiences import rfm, saved_segments
from push.audiences.models import ReadyMade
from push.audiences.saved_segments import archive_segment, called, change_segment, create_segment
from push.audiences.segments import check_audience, sample_members
from push.sentences import audience_sentence
from tests.factories import NOON, in_days, make_chain, make_store, make_store_code
from tests.push.pushing import make_member

pytestmark = pytest.mark.usefixtures("app")
numbers = count(1)


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


def buy(card, days_ago, cents=1000, state=CheckoutState.SETTLED):
    at = in_days(-days_ago)
    return Checkout(
        chain_id=card.chain_id, store_id=card.store_id, card_id=card.id, member_id=card.member_id, settled_by="key:1",
        request_id=f"f{next(numbers)}", fingerprint="f" * 64, amount_cents=cents, member_discount_cents=0,
        coupon_discount_cents=0, payable_cents=cents, refunded_cents=0, points_earned=0, state=state,
        settled_at=at, business_day=at.date(), voided_at=at if state == CheckoutState.VOIDED else None,
    )  # fmt: skip


def save_all(checkouts):
    with transaction():
        db.session.add_all(checkouts)


def make(chain, now=NOON):
    with transaction():
        return rfm.make_ready(chain, by=SYSTEM, now=now)


def meant(chain, rules):
    rows = sample_members(chain, check_audience(chain.id, rules), now=NOON, limit=10_000)
    return {row.id for row in rows}


def test_without_enough_buyers_the_figures_are_the_usual_ones(chain, code):
    save_all([buy(make_member(code), 3)])

    habits = rfm.habits_of(chain.id, now=NOON)

    assert habits == (1, 60, 180, 2, 5, None)
    assert not habits.are_own


def test_the_figures_are_those_of_the_chain(chain, code):
    """Sixty come every 20 days; ten of them spend 50.00 each time, the others 10.00; forty came once."""
    checkouts = []
    for number in range(60):
        card = make_member(code)
        checkouts += [buy(card, days, 5000 if number < 30 else 1000) for days in (1, 21, 41, 61)]
    checkouts += [buy(make_member(code), 30) for _ in range(40)]
    checkouts += [buy(make_member(code), 2, 10**8, CheckoutState.VOIDED) for _ in range(40)]  # never was
    checkouts += [buy(make_member(code), 400, 10**8) for _ in range(40)]  # too long ago
    save_all(checkouts)

    habits = rfm.habits_of(chain.id, now=NOON)

    assert habits == (100, 40, 120, 4, 5, 20_000)


def test_many_buyers_are_drawn_by_lot(chain, code, monkeypatch):
    save_all([buy(make_member(code), days) for days in range(1, 81)])
    monkeypatch.setattr(rfm, "MOST_BUYERS", 40)

    habits = rfm.habits_of(chain.id, now=NOON)

    assert habits.buyers == 80
    assert habits.much_cents == 1000


def test_everybody_who_bought_is_in_exactly_one(chain, code):
    random = Random(11)
    buyers, checkouts = set(), []
    for _ in range(150):
        card = make_member(code, now=in_days(-random.choice([1, 10, 29, 40, 200, 700])))
        days = (NOON - card.issued_at).days
        bought = [
            buy(card, random.randint(0, days), random.choice([300, 1000, 9000])) for _ in range(random.randint(0, 9))
        ]
        buyers |= {card.member_id} if bought else set()
        checkouts += bought
    save_all(checkouts)

    made = {segment.ready_made: meant(chain, segment.rules) for segment in make(chain)}

    assert set(made) == set(ReadyMade)
    in_how_many = Counter(member for members in made.values() for member in members)
    assert {member: in_how_many[member] for member in buyers} == dict.fromkeys(buyers, 1)
    assert set(in_how_many) - buyers <= made[ReadyMade.NEW]
    assert len([members for members in made.values() if members]) == 6


def test_they_are_named_in_the_chains_language_and_called_in_both(chain):
    first = make(chain)[0]

    assert first.name == "头号常客"
    assert called(first) == ("头号常客", "Champions")
    with transaction():
        renamed = change_segment(chain.id, first.id, "贵客", first.rules, by=SYSTEM, now=NOON)
    assert called(renamed) == ("贵客", "贵客")
    assert renamed.ready_made == ReadyMade.CHAMPIONS


def test_made_again_they_follow_the_figures_and_leave_alone_what_was_changed(chain, code):
    made = {segment.ready_made: segment.id for segment in make(chain)}
    noted = len(list_entries(chain.id))
    make(chain)
    assert len(list_entries(chain.id)) == noted  # nothing new, nothing noted
    own = {"all": [{"field": "points", "op": "at_least", "value": 9}]}
    with transaction():
        changed = change_segment(chain.id, made["loyal"], "忠实会员", own, by=SYSTEM, now=NOON)
    assert changed.ready_made is None
    cards = [make_member(code) for _ in range(50)]
    save_all([buy(card, days) for card in cards for days in (1, 21)])

    again = make(chain)

    assert {segment.ready_made for segment in again} == set(ReadyMade) - {ReadyMade.LOYAL}  # its name is taken
    assert saved_segments.get_segment(chain.id, made["loyal"]).rules == own
    lost = saved_segments.get_segment(chain.id, made["lost"])
    assert lost.rules["all"][0]["value"] == 120  # it was 180
    assert {segment.id for segment in again} <= set(made.values())


def test_what_was_put_away_is_made_anew(chain):
    first = make(chain)[0]
    with transaction():
        archive_segment(chain.id, first.id, by=SYSTEM, now=NOON)

    assert {segment.ready_made for segment in make(chain)} == set(ReadyMade)
    assert saved_segments.get_segment(chain.id, first.id).archived_at is not None


def test_a_segment_of_ones_own_keeps_its_name(chain):
    with transaction():
        own = create_segment(chain.id, "已流失", {"all": []}, by=SYSTEM, now=NOON)

    assert ReadyMade.LOST not in {segment.ready_made for segment in make(chain)}
    assert saved_segments.get_segment(chain.id, own.id).rules == {"all": []}


def test_rules_say_their_figures(chain):
    lost = rfm.rules_by(rfm.USUAL)[ReadyMade.LOST]

    said = audience_sentence(chain, check_audience(chain.id, lost))

    assert said.zh.startswith("买过，但超过 180 天没再买")
    assert said.en.startswith("Members who bought, but not in the last 180 days")


@pytest.mark.parametrize(("cents", "said"), [(42765, 42000), (999, 990), (100, 100), (7, 7), (0, 0)])
def test_an_amount_is_said_in_two_digits(cents, said):
    assert rfm.two_digits(cents) == said


@pytest.mark.parametrize(("share", "value"), [(0.5, 3), (0.8, 5), (0, 1), (1, 5)])
def test_a_share_of_an_ordered_list(share, value):
    assert rfm.at_share([1, 2, 3, 4, 5], share) == value


def test_the_middle_gap_is_between_a_months_and_four_months_of_days(chain, code):
    checkouts = []
    for _ in range(60):
        card = make_member(code)
        checkouts += [buy(card, days) for days in (0, 1, 2)]
    save_all(checkouts)

    assert rfm.habits_of(chain.id, now=NOON + timedelta(hours=1)).soon_days == 30
