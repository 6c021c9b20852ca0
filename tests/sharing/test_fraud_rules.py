"""Every fraud rule at its edge: one below, at and above what it counts to, and the ends of its window."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from core.db import db, transaction
from sharing.fraud import Verdict, judge
from sharing.models import Referral
from sharing.reward_models import FraudAction, FraudFinding, FraudRule
from sharing.traces import Trace
from tests.factories import NOON, in_days
from tests.sharing.referring import Circle, referral_of

pytestmark = pytest.mark.usefixtures("app")

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
PHONE = "+8613800000001"
FLAG, REJECT = FraudAction.FLAG, FraudAction.REJECT


def trace(device=None, network="home"):
    return Trace(device, network)


@pytest.fixture
def circle():
    return Circle()


@pytest.fixture
def sharer(circle):
    return circle.member()


def judged(card, *, now=NOON):
    with transaction():
        return judge(card.chain_id, referral_of(card), now=now)


def found_on(card):
    """Evidence by rule."""
    rows = db.session.scalars(select(FraudFinding).where(FraudFinding.referral_id == referral_of(card)))
    return {FraudRule(finding.rule): finding.evidence for finding in rows}


def test_an_ordinary_friend_is_not_suspected(circle, sharer):
    link = circle.share(sharer, trace=trace("a phone"))
    friend = circle.friend(link, trace=trace("another", "a café"))

    assert judged(friend) is None
    assert found_on(friend) == {}


# --- phones ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proved_by_sharer", "proved_by_friend", "action"),
    [(True, True, REJECT), (True, False, FLAG), (False, True, FLAG), (False, False, FLAG)],
)
def test_ones_own_phone_is_rejected_when_both_proved_it_and_else_flagged(
    circle, sharer, proved_by_sharer, proved_by_friend, action
):
    friend = circle.friend(sharer)
    circle.phone(sharer, PHONE, proved=proved_by_sharer)
    circle.phone(friend, PHONE, proved=proved_by_friend)

    assert judged(friend) == Verdict(action, FraudRule.OWN_PHONE)
    assert found_on(friend) == {
        FraudRule.OWN_PHONE: {"member_id": sharer.member_id, "proved": proved_by_sharer and proved_by_friend}
    }


def test_another_phone_and_no_phone_are_not_ones_own(circle, sharer):
    circle.phone(sharer, PHONE)
    other, unknown = circle.friend(sharer), circle.friend(sharer)
    circle.phone(other, "+8613800000002")

    assert judged(other) is None
    assert judged(unknown) is None


def test_whoever_was_a_member_with_this_phone_is_no_new_friend(circle, sharer):
    before = circle.member(NOON - DAY)
    friend = circle.friend(sharer)
    circle.phone(before, PHONE)
    circle.phone(friend, PHONE)

    assert judged(friend) == Verdict(REJECT, FraudRule.EXISTING_MEMBER)
    assert found_on(friend) == {FraudRule.EXISTING_MEMBER: {"member_id": before.member_id, "proved": True}}


def test_an_earlier_member_who_did_not_prove_the_phone_is_a_question_for_a_person(circle, sharer):
    before = circle.member(NOON - DAY)
    friend = circle.friend(sharer)
    circle.phone(before, PHONE, proved=False)
    circle.phone(friend, PHONE)

    assert judged(friend) == Verdict(FLAG, FraudRule.EXISTING_MEMBER)


@pytest.mark.parametrize(("joined", "verdict"), [(-SECOND, REJECT), (timedelta(0), None), (SECOND, None)])
def test_only_who_joined_before_the_friend_is_an_existing_member(circle, sharer, joined, verdict):
    other = circle.member(NOON + joined)
    friend = circle.friend(sharer)
    circle.phone(other, PHONE)
    circle.phone(friend, PHONE)

    found = judged(friend)
    assert (found and found.action) == verdict


# --- devices --------------------------------------------------------------------------------------------------------


def test_joining_where_the_link_was_made_is_flagged(circle, sharer):
    link = circle.share(sharer, trace=trace("phone"))
    friend = circle.friend(link, trace=trace("phone"), now=NOON + 5 * MINUTE)

    assert judged(friend) == Verdict(FLAG, FraudRule.OWN_DEVICE)
    assert found_on(friend) == {FraudRule.OWN_DEVICE: {"share_link_id": link.id, "minutes": 5}}


def test_joining_where_another_link_of_the_same_card_was_made_is_flagged(circle, sharer):
    earlier = circle.share(sharer, trace=trace("phone"), now=NOON - HOUR)
    friend = circle.friend(circle.share(sharer, trace=trace("desk")), trace=trace("phone"))

    assert judged(friend) == Verdict(FLAG, FraudRule.OWN_DEVICE)
    assert found_on(friend)[FraudRule.OWN_DEVICE] == {"share_link_id": earlier.id, "minutes": 60}


def test_joining_where_the_referrer_joined_is_flagged(circle, sharer):
    referrer = circle.friend(sharer, trace=trace("phone"))
    friend = circle.friend(circle.share(referrer, trace=trace("desk")), trace=trace("phone"), now=NOON + HOUR)

    assert judged(friend) == Verdict(FLAG, FraudRule.OWN_DEVICE)
    assert found_on(friend)[FraudRule.OWN_DEVICE] == {"referral_id": referral_of(referrer)}


def test_a_device_that_nobody_knows_is_not_alike(circle, sharer):
    link = circle.share(sharer)
    friend = circle.friend(link)

    assert judged(friend) is None


def test_a_link_that_somebody_else_made_on_this_device_is_not_the_referrers(circle, sharer):
    circle.share(circle.member(), trace=trace("phone"))
    friend = circle.friend(circle.share(sharer, trace=trace("desk")), trace=trace("phone"))

    assert judged(friend) is None


# --- clusters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("joins", "is_found"), [(2, False), (3, True), (4, True)])
def test_a_device_on_which_three_joined_is_a_cluster(circle, joins, is_found):
    friends = [circle.friend(circle.member(), trace=trace("phone"), now=NOON + n * HOUR) for n in range(joins)]

    verdict = judged(friends[-1])
    assert verdict == (Verdict(FLAG, FraudRule.DEVICE_CLUSTER) if is_found else None)
    if is_found:
        seen = found_on(friends[-1])[FraudRule.DEVICE_CLUSTER]
        assert seen["referral_ids"] == [referral_of(friend) for friend in friends]
        assert (seen["joins"], seen["referrers"], seen["others"]) == (joins, joins, 0)


def test_the_first_of_a_cluster_is_found_when_it_is_judged_again(circle):
    first = circle.friend(circle.member(), trace=trace("phone"))
    assert judged(first) is None
    for n in (1, 2):
        circle.friend(circle.member(), trace=trace("phone"), now=NOON + n * DAY)

    assert judged(first, now=in_days(7)) == Verdict(FLAG, FraudRule.DEVICE_CLUSTER)


@pytest.mark.parametrize(("apart", "is_found"), [(-SECOND, True), (timedelta(0), False), (SECOND, False)])
def test_a_week_ends_the_window_of_a_device(circle, apart, is_found):
    ends = [NOON, NOON + 3 * DAY, NOON + 7 * DAY + apart]
    friends = [circle.friend(circle.member(), trace=trace("phone"), now=now) for now in ends]

    assert [judged(friend) is not None for friend in friends] == [is_found] * 3


@pytest.mark.parametrize(("others", "is_found"), [(5, True), (6, False)])
def test_phones_of_one_model_behind_a_public_address_are_no_cluster(circle, others, is_found):
    for n in range(others):
        circle.friend(circle.member(), trace=trace(f"other {n}", "café"), now=NOON + MINUTE)
    friends = [circle.friend(circle.member(), trace=trace("phone", "café"), now=NOON + n * HOUR) for n in range(3)]

    verdict = judged(friends[-1])
    assert (verdict is not None) is is_found
    if is_found:
        assert found_on(friends[-1])[FraudRule.DEVICE_CLUSTER]["others"] == others


def test_a_crowd_of_another_week_does_not_hide_a_device(circle):
    for n in range(20):
        circle.friend(circle.member(), trace=trace(f"other {n}", "café"), now=NOON - 8 * DAY)
    friends = [circle.friend(circle.member(), trace=trace("phone", "café"), now=NOON + n * HOUR) for n in range(3)]

    assert judged(friends[-1]) == Verdict(FLAG, FraudRule.DEVICE_CLUSTER)


@pytest.mark.parametrize(("joins", "is_found"), [(9, False), (10, True), (11, True)])
def test_ten_friends_of_one_referrer_from_one_network_are_a_cluster(circle, sharer, joins, is_found):
    friends = [circle.friend(sharer, trace=trace(f"phone {n}"), now=NOON + 2 * n * HOUR) for n in range(joins)]

    judged(friends[0])
    assert (FraudRule.NETWORK_CLUSTER in found_on(friends[0])) is is_found
    if is_found:
        assert found_on(friends[0])[FraudRule.NETWORK_CLUSTER]["joins"] == joins


@pytest.mark.parametrize(("apart", "is_found"), [(-SECOND, True), (timedelta(0), False)])
def test_a_day_ends_the_window_of_a_network(circle, sharer, apart, is_found):
    moments = [NOON + n * 2 * HOUR for n in range(9)] + [NOON + 24 * HOUR + apart]
    friends = [circle.friend(sharer, trace=trace(f"phone {n}"), now=now) for n, now in enumerate(moments)]

    assert (judged(friends[-1]) is not None) is is_found


def test_friends_of_several_referrers_may_share_a_network(circle):
    friends = [
        circle.friend(circle.member(), trace=trace(f"phone {n}", "office"), now=NOON + n * MINUTE) for n in range(12)
    ]

    assert judged(friends[-1]) is None


@pytest.mark.parametrize(("friends", "is_found"), [(10, False), (11, True), (12, True)])
def test_more_than_ten_friends_within_an_hour_are_too_fast(circle, sharer, friends, is_found):
    cards = [circle.friend(sharer, now=NOON + n * 5 * MINUTE) for n in range(friends)]

    assert judged(cards[5]) == (Verdict(FLAG, FraudRule.VELOCITY) if is_found else None)
    if is_found:
        seen = found_on(cards[5])[FraudRule.VELOCITY]
        assert (seen["joins"], seen["threshold"], seen["referrers"]) == (friends, 11, 1)


@pytest.mark.parametrize(("apart", "is_found"), [(-SECOND, True), (timedelta(0), False)])
def test_an_hour_ends_the_window_of_the_velocity(circle, sharer, apart, is_found):
    moments = [NOON + n * 5 * MINUTE for n in range(10)] + [NOON + HOUR + apart]
    cards = [circle.friend(sharer, now=now) for now in moments]

    assert [judged(card) is not None for card in (cards[0], cards[-1])] == [is_found] * 2


def test_a_cluster_is_that_in_which_the_friend_himself_stands(circle, sharer):
    """A burst yesterday says nothing of who came today."""
    for n in range(11):
        circle.friend(sharer, now=NOON - DAY + n * SECOND)

    assert judged(circle.friend(sharer)) is None


# --- loops and farms ------------------------------------------------------------------------------------------------


def line_of(circle, top, length, **first):
    """A line of friends below a member, each brought by the one before."""
    cards = [circle.friend(top, **first)]
    for _ in range(length - 1):
        cards.append(circle.friend(cards[-1]))
    return cards


@pytest.mark.parametrize("proved", [True, False])
def test_a_phone_that_stands_above_the_referrer_closes_a_loop(circle, sharer, proved):
    *_, last = line_of(circle, sharer, 3)
    circle.phone(sharer, PHONE, proved=proved)
    circle.phone(last, PHONE)

    verdict = judged(last)
    assert found_on(last)[FraudRule.CLOSED_LOOP] == {
        "by": "phone",
        "member_id": sharer.member_id,
        "generations": 3,
        "proved": proved,
    }
    assert verdict is not None


def test_a_device_that_stands_above_the_referrer_closes_a_loop(circle, sharer):
    middle, _, last = line_of(circle, sharer, 3, trace=trace("phone"))
    with transaction():
        db.session.execute(update(Referral).where(Referral.id == referral_of(last)).values(device="phone"))

    assert judged(last) == Verdict(FLAG, FraudRule.CLOSED_LOOP)
    assert found_on(last)[FraudRule.CLOSED_LOOP] == {"by": "device", "member_id": middle.member_id, "generations": 2}


def test_a_device_on_which_somebody_above_shared_closes_a_loop(circle, sharer):
    first = circle.friend(circle.share(sharer, trace=trace("phone")), trace=trace("other"))
    last = circle.friend(first, trace=trace("phone"))

    assert judged(last) == Verdict(FLAG, FraudRule.CLOSED_LOOP)
    assert found_on(last)[FraudRule.CLOSED_LOOP] == {"by": "device", "member_id": sharer.member_id, "generations": 2}


def test_the_referrers_own_device_is_not_a_loop(circle, sharer):
    first = circle.friend(sharer, trace=trace("phone"))
    last = circle.friend(first, trace=trace("phone"))

    assert judged(last) == Verdict(FLAG, FraudRule.OWN_DEVICE)
    assert FraudRule.CLOSED_LOOP not in found_on(last)


def test_whoever_stands_in_another_tree_is_not_above(circle, sharer):
    line_of(circle, circle.member(), 2, trace=trace("phone"))
    *_, last = line_of(circle, sharer, 2)
    with transaction():
        db.session.execute(update(Referral).where(Referral.id == referral_of(last)).values(device="phone"))

    assert judged(last) is None


@pytest.mark.parametrize(("friends", "is_found"), [(9, False), (10, True), (11, True)])
def test_ten_friends_who_never_bought_are_a_farm(circle, sharer, friends, is_found):
    cards = [circle.friend(sharer, now=NOON + n * DAY) for n in range(friends)]
    newest = circle.friend(sharer, now=in_days(30))

    assert (judged(newest, now=in_days(30)) is not None) is is_found
    if is_found:
        seen = found_on(newest)[FraudRule.FARM]
        assert seen["referral_ids"] == [referral_of(card) for card in reversed(cards)]
        assert {name: seen[name] for name in ("friends", "buyers", "days", "threshold")} == {
            "friends": friends,
            "buyers": 0,
            "days": 14,
            "threshold": 10,
        }


@pytest.mark.parametrize(("later", "is_found"), [(-SECOND, False), (timedelta(0), True)])
def test_a_friend_has_two_weeks_to_buy(circle, sharer, later, is_found):
    cards = [circle.friend(sharer, now=NOON - 3 * n * HOUR) for n in range(10)]

    assert (judged(cards[3], now=NOON + 14 * DAY + later) is not None) is is_found


@pytest.mark.parametrize(("buyers", "is_found"), [(1, True), (2, False)])
def test_one_buyer_in_ten_is_no_farm(circle, sharer, buyers, is_found):
    cards = [circle.friend(sharer, now=NOON + n * HOUR) for n in range(18 + buyers)]
    for card in cards[:buyers]:
        circle.buy(card, now=in_days(1))

    assert (judged(cards[-1], now=in_days(20)) is not None) is is_found


def test_a_friend_who_bought_is_not_of_the_farm(circle, sharer):
    cards = [circle.friend(sharer, now=NOON + n * HOUR) for n in range(12)]
    circle.buy(cards[0], now=in_days(1))

    assert judged(cards[0], now=in_days(20)) is None
    assert judged(cards[1], now=in_days(20)) == Verdict(FLAG, FraudRule.FARM)


@pytest.mark.parametrize(
    "undone",
    [{"state": "voided", "voided_at": NOON + 2 * DAY}, {"state": "refunded", "refunded_cents": 3000}],
    ids=["voided", "refunded"],
)
def test_a_purchase_that_was_undone_is_none(circle, sharer, undone):
    cards = [circle.friend(sharer, now=NOON + n * HOUR) for n in range(10)]
    for card in cards:
        circle.buy(card, now=in_days(1), **undone)

    assert judged(cards[0], now=in_days(20)) == Verdict(FLAG, FraudRule.FARM)


def test_a_purchase_refunded_in_part_is_one(circle, sharer):
    cards = [circle.friend(sharer, now=NOON + n * HOUR) for n in range(10)]
    for card in cards:
        circle.buy(card, now=in_days(1), refunded_cents=2999)

    assert judged(cards[0], now=in_days(20)) is None


# --- chains ---------------------------------------------------------------------------------------------------------


def test_nothing_of_other_chains_is_seen(circle, sharer):
    """One person, one phone, one network: in two chains he is two members, and neither knows of the other."""
    other = Circle("other")
    elsewhere = other.member(NOON - DAY)
    other.phone(elsewhere, PHONE)
    other.share(elsewhere, trace=trace("phone"))
    for n in range(12):
        other.friend(elsewhere, trace=trace("phone"), now=NOON + n * SECOND)
    friend = circle.friend(sharer, trace=trace("phone"))
    circle.phone(friend, PHONE)

    assert judged(friend, now=in_days(20)) is None
