"""Correcting who brought a member: he, and everybody who came through him, stand in another place."""

from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import func, select, text, update

from app.verifying import verify_books
from cards.models import Card, Member
from core.audit import AuditEntry, Author
from core.db import db, transaction
from core.events import Event
from core.hot import this_transaction
from coupons.errors import ReasonNeeded
from sharing import attribution, errors, moving, propagation, visiting
from sharing.models import Referral, ShareLink
from sharing.reward_errors import RewardReferrerChanged
from sharing.reward_models import FraudFinding, Reward
from sharing.rewarding import reject
from tests.factories import NOON, in_days, make_card, make_chain, make_store, make_store_code, make_wallet
from tests.sharing.referring import Circle, referral_of
from tests.sharing.rewards import DAY, Rewarding, only_reward

pytestmark = pytest.mark.usefixtures("app")
HQ = Author("staff:1")
LATER = in_days(3)


@pytest.fixture
def circle():
    return Circle()


@pytest.fixture
def first(circle):
    return circle.member()


@pytest.fixture
def second(circle):
    return circle.member()


def move(card, referrer: Card | None, *, reason="told us at the till"):
    with transaction():
        referrer_id = referrer and referrer.member_id
        return moving.move_subtree(card.chain_id, card.member_id, referrer_id, reason=reason, by=HQ, now=LATER)


def edge(card) -> Referral | None:
    return db.session.scalar(select(Referral).filter_by(member_id=card.member_id))


def line(card) -> list[int]:
    """The members of the card's line of ancestors, the first one first."""
    path = edge(card).path
    return [int(path[at : at + 10], 16) for at in range(0, len(path), 10)]


def ids(*cards):
    return [card.member_id for card in cards]


def problems() -> set[str]:
    return {finding.check.name for finding in verify_books() if finding.problems}


def family(circle, top):
    """A friend of ``top`` with two friends, of whom the first has one."""
    friend = circle.friend(top)
    child, other = circle.friend(friend), circle.friend(friend)
    return friend, child, other, circle.friend(child)


def test_a_member_moves_with_everybody_who_came_through_him(circle, first, second):
    friend, child, other, grandchild = family(circle, first)
    stays = circle.friend(first)
    above = circle.friend(second)

    moved = move(friend, above)

    assert moved == (edge(friend).id, 4)
    assert edge(friend).referrer_id == above.member_id
    assert line(friend) == ids(second, above, friend)
    assert line(grandchild) == ids(second, above, friend, child, grandchild)
    assert {(each.root_id, each.depth) for each in map(edge, (child, other))} == {(second.member_id, 3)}
    assert line(stays) == ids(first, stays)
    assert (edge(child).referrer_id, edge(grandchild).referrer_id) == (friend.member_id, child.member_id)
    assert problems() == set()


def test_a_neighbour_whose_path_begins_alike_stays(circle, first, second):
    friend = circle.friend(first)
    neighbours = [circle.friend(first) for _ in range(3)]
    below = [circle.friend(each) for each in neighbours]

    move(friend, second)

    assert [line(each) for each in below] == [ids(first, *pair) for pair in zip(neighbours, below, strict=True)]


def test_whoever_came_by_himself_gets_a_referrer(circle, first, second):
    """His descendants had him at their root."""
    friend = circle.friend(second)
    child = circle.friend(friend)

    moved = move(second, first)

    made = edge(second)
    member = db.session.get_one(Member, second.member_id)
    assert moved == (made.id, 3)
    assert (made.referrer_id, made.root_id, made.depth) == (first.member_id, first.member_id, 1)
    assert (made.card_id, made.store_id, made.created_at) == (second.id, circle.store.id, member.joined_at)
    assert line(child) == ids(first, second, friend, child)
    told = select(Event.payload).where(Event.kind == "member.referred").order_by(Event.id.desc())
    assert db.session.scalar(told) == {
        "referral_id": made.id,
        "member_id": second.member_id,
        "referrer_id": first.member_id,
    }
    assert problems() == set()


def test_a_member_without_friends_moves_alone(first, second):
    assert move(second, first).members == 1
    assert line(second) == ids(first, second)


def test_taken_out_he_came_by_himself_and_is_the_root_of_his_own(circle, first):
    friend, child, other, grandchild = family(circle, first)

    moved = move(friend, None)

    assert moved == (None, 4)
    assert edge(friend) is None
    assert line(grandchild) == ids(friend, child, grandchild)
    assert {edge(each).root_id for each in (child, other, grandchild)} == {friend.member_id}
    assert problems() == set()


def test_there_and_back_again_everything_is_as_it_was(circle, first, second):
    friend, *below = family(circle, first)
    lines = [line(each) for each in (friend, *below)]

    for referrer in (second, None, first):
        move(friend, referrer)

    assert [line(each) for each in (friend, *below)] == lines


def test_the_link_that_his_phone_opened_before_is_the_one_credited(circle, first, second):
    shared = circle.share(second)
    wallet_id = make_wallet("his phone")
    key_hash = db.session.scalar(text("SELECT key_hash FROM wallets WHERE id = :id").bindparams(id=wallet_id))
    with transaction():
        visiting.count_visit(this_transaction(), shared.token, visitor=key_hash, now=NOON)
    member = make_card(circle.code, wallet_id=wallet_id, now=in_days(1))

    move(member, second)

    assert (edge(member).share_link_id, edge(member).channel) == (shared.id, "group")


def test_without_one_the_correction_has_a_link_of_its_own(circle, first, second):
    """So that no link is credited with somebody who did not open it."""
    before = circle.share(second)
    friend = circle.friend(first)

    move(friend, second)

    link = db.session.get_one(ShareLink, edge(friend).share_link_id)
    assert link.id != before.id
    assert (link.member_id, link.card_id, link.occasion, link.visits) == (second.member_id, second.id, "staff", 0)
    assert (link.channel, link.created_at) == ("friend", LATER)
    assert edge(friend).created_at == NOON


def test_the_link_of_a_correction_tells_nothing_of_the_time_to_convert(circle, first, second):
    friend, link = circle.member(now=in_days(1)), circle.share(first)
    joined = circle.friend(link, now=in_days(0.5))

    move(friend, second)

    assert edge(joined).share_link_id == link.id
    assert propagation.time_to_convert(circle.chain.id, NOON, LATER) == timedelta(days=0.5)


def test_the_correction_is_in_the_audit(circle, first, second):
    friend, *_ = family(circle, first)
    link_id = edge(friend).share_link_id

    move(friend, second, reason=" the cousin  told us ")

    entry = db.session.scalars(select(AuditEntry).filter_by(action="referrer corrected")).one()
    assert (entry.object_kind, entry.object_id, entry.actor) == ("member", friend.member_id, "staff:1")
    assert entry.before == {
        "referrer_id": first.member_id,
        "share_link_id": link_id,
        "channel": "group",
        "depth": 1,
    }
    assert entry.after["referrer_id"] == second.member_id
    assert (entry.after["reason"], entry.after["members"]) == ("the cousin told us", 4)
    told = db.session.scalar(select(Event.payload).filter_by(kind="member.referrer_changed"))
    assert (told["member_id"], told["referrer_id"]) == (friend.member_id, second.member_id)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 201])
def test_a_correction_says_why(first, second, reason):
    with pytest.raises(ReasonNeeded):
        move(second, first, reason=reason)


def test_nobody_comes_through_himself_or_through_whom_he_brought(circle, first):
    friend, child, _, grandchild = family(circle, first)

    for below in (friend, child, grandchild):
        with pytest.raises(errors.ReferralLoop):
            move(friend, below)
    with pytest.raises(errors.ReferralLoop):
        move(first, grandchild)


def test_nothing_is_done_where_nothing_changes(circle, first, second):
    friend = circle.friend(first)

    with pytest.raises(errors.ReferrerUnchanged):
        move(friend, first)
    with pytest.raises(errors.ReferrerUnchanged):
        move(second, None)


def test_only_members_of_the_chain_are_meant(circle, first):
    foreign = make_card(make_store_code(make_store(make_chain("other"))))

    with pytest.raises(errors.MemberNotFound):
        move(first, foreign)
    with pytest.raises(errors.MemberNotFound), transaction():
        moving.move_subtree(circle.chain.id, foreign.member_id, first.member_id, reason="x", by=HQ, now=LATER)


def test_whoever_joined_later_brought_nobody_who_was_there(circle, first):
    later = circle.member(now=in_days(1))

    with pytest.raises(errors.ReferrerJoinedLater):
        move(first, later)


def test_the_line_of_ancestors_stays_within_what_an_index_holds(circle, first, second, monkeypatch):
    friend, *_ = family(circle, first)
    top = circle.friend(second)
    monkeypatch.setattr(moving, "DEEPEST", 3)

    with pytest.raises(errors.ReferralTooDeep):
        move(friend, top)
    move(friend, second)

    assert attribution.DEEPEST == 250


def test_what_was_found_of_the_two_goes_into_the_audit(circle, first, second):
    friend = circle.friend(first)
    with transaction():
        finding = {"rule": "own_device", "action": "flag", "evidence": {}, "found_at": NOON}
        db.session.add(FraudFinding(chain_id=circle.chain.id, referral_id=referral_of(friend), **finding))

    move(friend, second)

    assert db.session.scalar(select(func.count(FraudFinding.id))) == 0
    assert db.session.scalar(select(AuditEntry.before).filter_by(action="referrer corrected"))["findings"] == [
        "own_device"
    ]


def test_the_cost_of_moving_does_not_grow_with_the_tree(circle, first, second, count_queries):
    small = circle.friend(first)
    large, *_ = family(circle, first)

    counts = []
    for friend in (small, large):
        before = len(count_queries)
        move(friend, second)
        counts.append(len(count_queries) - before)

    assert counts[0] == counts[1] < 30


@pytest.fixture
def rewarding():
    return Rewarding()


def reward_sides():
    return [(each.side, each.state, each.member_id) for each in db.session.scalars(select(Reward).order_by(Reward.id))]


def test_a_rewarded_referral_moves_only_after_the_referrers_reward_is_refused(rewarding):
    rewarding.rule(referrer_points=20, friend_points=10)
    other = rewarding.member(NOON - DAY)
    friend = rewarding.friend(rewarding.referrer)
    rewarding.earn()

    with pytest.raises(errors.ReferralHasRewards):
        move(friend, other)
    with transaction():
        reward_id = db.session.scalar(select(Reward.id).filter_by(side="referrer"))
        reject(rewarding.chain.id, reward_id, reason="another brought him", by=HQ, now=NOON)
    move(friend, other)
    rewarding.earn()

    assert edge(friend).referrer_id == other.member_id
    assert reward_sides() == [
        ("referrer", "rejected", rewarding.referrer.member_id),
        ("friend", "pending", friend.member_id),
    ]
    assert problems() == set()


def test_a_refused_reward_of_the_former_referrer_is_not_approved_any_more(rewarding):
    rewarding.rule()
    other, friend = rewarding.member(NOON - DAY), rewarding.friend(rewarding.referrer)
    rewarding.earn()
    reward = rewarding.reject(only_reward(), now=NOON)
    move(friend, other)

    with pytest.raises(RewardReferrerChanged):
        rewarding.approve(reward, now=NOON)

    assert reward_sides() == [("referrer", "rejected", rewarding.referrer.member_id)]
    assert problems() == set()


def test_a_referral_that_ever_had_a_reward_is_not_taken_out(rewarding):
    rewarding.rule()
    friend = rewarding.friend(rewarding.referrer)
    rewarding.earn()
    with transaction():
        reject(rewarding.chain.id, db.session.scalar(select(Reward.id)), reason="no", by=HQ, now=NOON)

    with pytest.raises(errors.ReferralHasRewards):
        move(friend, None)


def test_a_correction_may_earn_the_reward_that_was_missed(rewarding):
    """By the rules that ran when the friend joined."""
    rewarding.rule()
    friend = rewarding.member(NOON)
    rewarding.earn()

    move(friend, rewarding.referrer)
    rewarding.earn()

    assert reward_sides() == [("referrer", "pending", rewarding.referrer.member_id)]


def test_a_referrer_whose_card_is_no_longer_active_may_be_the_one(circle, first, second):
    with transaction():
        db.session.execute(update(Card).where(Card.id == second.id).values(state="frozen"))
    friend = circle.friend(first)

    move(friend, second)

    assert line(friend) == ids(second, friend)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_moves_where_everybody_stands_below_his_own_line(circle, seed):
    """Against a tree of parents alone, after many moves and joinings in a row."""
    random, cards, parent = Random(seed), [circle.member() for _ in range(4)], {}

    def above(member_id):
        line = [member_id]
        while (member_id := parent.get(member_id)) is not None:
            line.insert(0, member_id)
        return line

    refused = 0
    for _ in range(40):
        card, other = random.choice(cards), random.choice([None, *cards])
        if random.random() < 0.35:
            cards.append(circle.friend(card))
            parent[cards[-1].member_id] = card.member_id
            continue
        try:
            move(card, other)
        except (errors.ReferralLoop, errors.ReferrerUnchanged):
            refused += 1
            continue
        parent[card.member_id] = other and other.member_id

    referred = [card for card in cards if parent.get(card.member_id) is not None]
    assert {card.member_id: line(card) for card in referred} == {c.member_id: above(c.member_id) for c in referred}
    assert db.session.scalar(select(func.count(Referral.id))) == len(referred)
    assert 0 < refused < 40
    assert problems() == set()
