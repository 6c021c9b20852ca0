"""The tree as it is drawn: the largest branches first, a part at a time, by few queries."""

from datetime import date, timedelta

import pytest
from sqlalchemy import update

from cards.models import Card, Member
from core.db import db, transaction
from sharing import drawing
from sharing.drawing import CHAIN, GenerationChannel, Joined
from sharing.models import Referral
from tests.factories import NOON, in_days, make_store
from tests.sharing.referring import Circle

pytestmark = pytest.mark.usefixtures("app")

SHANGHAI = {"timezone": "Asia/Shanghai", "offset": timedelta(hours=8)}


@pytest.fixture
def circle():
    return Circle()


@pytest.fixture
def tree(circle):
    """root brought one, two and three, two brought four, and four brought five and six; each a day after the other."""
    root = circle.member()
    one, two, three = (circle.friend(root, now=in_days(day)) for day in (1, 2, 3))
    four = circle.friend(two, now=in_days(4))
    five, six = (circle.friend(four, now=in_days(day)) for day in (5, 6))
    return {"root": root, "one": one, "two": two, "three": three, "four": four, "five": five, "six": six}


def spot_of(card):
    return drawn(card).spot


def drawn(card):
    return drawing.find_drawn(card.chain_id, card.member_id)


def ids(members):
    return [each.member_id for each in members]


def of(tree, *names):
    return [tree[name].member_id for name in names]


def spend(card, cents):
    with transaction():
        db.session.execute(update(Card).where(Card.id == card.id).values(spent_cents=cents))


def move_to(store, *cards):
    with transaction():
        members = [card.member_id for card in cards]
        db.session.execute(update(Member).where(Member.id.in_(members)).values(store_id=store.id))


def test_a_small_tree_is_drawn_whole_with_what_stands_below_each(circle, tree):
    found = drawing.whole_tree(circle.chain.id, spot_of(tree["root"]), most=6)

    assert ids(found) == of(tree, "two", "one", "three", "four", "five", "six")
    assert [(each.below, each.brought) for each in found] == [(3, 1), (0, 0), (0, 0), (2, 2), (0, 0), (0, 0)]


def test_a_larger_tree_is_not_drawn_whole(circle, tree):
    assert drawing.whole_tree(circle.chain.id, spot_of(tree["root"]), most=5) is None


def test_the_crown_holds_the_largest_branches_of_each_generation(circle, tree):
    found = drawing.crown(circle.chain.id, [spot_of(tree["root"])], [2, 5, 1])

    assert ids(found) == of(tree, "two", "one", "four", "five")
    assert [each.below for each in found] == [3, 0, 2, 0]


def test_branches_come_in_pages(circle, tree):
    paths = [drawn(tree["root"]).path]

    first = drawing.largest_branches(circle.chain.id, paths, most=2)
    second = drawing.largest_branches(circle.chain.id, paths, most=2, after=(first[-1].below, first[-1].member_id))

    assert [(each.member_id, each.below) for each in first] == [
        (tree["two"].member_id, 3),
        (tree["one"].member_id, 0),
    ]
    assert [each.member_id for each in second] == of(tree, "three")


def test_trees_of_the_chain_come_largest_first_and_in_pages(circle, tree):
    other = circle.member()
    circle.friend(other)
    circle.member()  # alone: no tree

    first = drawing.largest_trees(circle.chain.id, most=1)
    second = drawing.largest_trees(circle.chain.id, most=5, after=(first[0].below, first[0].member_id))

    assert [(each.member_id, each.below) for each in first] == [(tree["root"].member_id, 6)]
    assert [(each.member_id, each.below) for each in second] == [(other.member_id, 1)]
    assert drawing.count_trees(circle.chain.id) == 2


def test_in_a_store_a_tree_begins_where_nobody_of_the_store_brought_him(circle, tree):
    elsewhere = make_store(circle.chain)
    move_to(elsewhere, tree["two"], tree["six"])

    here = drawing.largest_trees(circle.chain.id, most=5, store_ids={circle.store.id})
    there = drawing.largest_trees(circle.chain.id, most=5, store_ids={elsewhere.id})

    assert [(each.member_id, each.below) for each in here] == [
        (tree["root"].member_id, 6),
        (tree["four"].member_id, 2),
    ]
    assert [(each.member_id, each.below) for each in there] == [(tree["two"].member_id, 3)]
    assert drawing.count_trees(circle.chain.id, store_ids={circle.store.id}) == 2


def test_the_way_to_a_member_leads_through_everybody_above_him(circle, tree):
    way = drawing.way_to(circle.chain.id, drawn(tree["six"]).path, is_counted=True)

    assert ids(way) == of(tree, "root", "two", "four", "six")
    assert [each.below for each in way] == [6, 3, 2, 0]


def test_ways_to_several_members_are_found_together(circle, tree):
    ways = drawing.ways_to(circle.chain.id, of(tree, "four", "one"))

    assert sorted(map(ids, ways)) == [of(tree, "root", "one"), of(tree, "root", "two", "four")]


def test_generations_are_counted_by_channel(circle, tree):
    with transaction():
        db.session.execute(update(Referral).filter_by(member_id=tree["one"].member_id).values(channel="poster"))

    below = drawing.generations(circle.chain.id, spot_of(tree["root"]))

    assert below == [
        GenerationChannel(1, "group", 2),
        GenerationChannel(1, "poster", 1),
        GenerationChannel(2, "group", 1),
        GenerationChannel(3, "group", 2),
    ]
    assert drawing.generations(circle.chain.id, CHAIN) == below
    assert drawing.generations(circle.chain.id, spot_of(tree["four"])) == [GenerationChannel(1, "group", 2)]


def test_the_largest_branches_of_a_generation(circle, tree):
    root = spot_of(tree["root"])

    assert ids(drawing.largest_of_generation(circle.chain.id, root, 1, most=2)) == of(tree, "two", "one")
    assert ids(drawing.largest_of_generation(circle.chain.id, CHAIN, 3, most=9)) == of(tree, "five", "six")
    assert ids(drawing.largest_of_generation(circle.chain.id, spot_of(tree["two"]), 1, most=9)) == of(tree, "four")
    assert drawing.largest_of_generation(circle.chain.id, root, 4, most=9) == []


def test_the_largest_branches_of_a_store_are_its_own(circle, tree):
    elsewhere = make_store(circle.chain)
    move_to(elsewhere, tree["six"])

    found = drawing.largest_of_generation(circle.chain.id, CHAIN, 3, most=9, store_ids={elsewhere.id})

    assert ids(found) == of(tree, "six")


def test_growth_says_who_came_on_which_local_day(circle, tree):
    late = in_days(6) + timedelta(hours=13)  # 01:00 of the next day in Shanghai
    circle.friend(tree["six"], now=late)

    growth = drawing.growth(circle.chain.id, spot_of(tree["four"]), **SHANGHAI)

    assert growth == [
        Joined(date(2026, 5, 25), 1, "group", 1),
        Joined(date(2026, 5, 26), 1, "group", 1),
        Joined(date(2026, 5, 27), 2, "group", 1),
    ]


def test_what_was_spent_below_each_is_added_up_once(circle, tree):
    for cents, card in enumerate(tree.values(), start=1):
        spend(card, 10**cents)
    paths = {name: drawn(tree[name]).path for name in ("root", "two", "four", "six")}

    spent = drawing.spent_below(circle.chain.id, list(paths.values()))

    assert [spent[path] for path in paths.values()] == [11_111_100, 11_100_000, 11_000_000, 0]
    assert drawn(tree["two"]).spent_cents == 1000


def test_those_whom_a_member_brought_come_newest_first_and_in_pages(circle, tree):
    root = drawn(tree["root"])

    first = drawing.children(circle.chain.id, root, most=2)

    assert ids(first) == of(tree, "three", "two")
    assert ids(drawing.children(circle.chain.id, root, most=2, after=first[-1].member_id)) == of(tree, "one")


def test_another_chain_has_nothing_of_it(circle, tree):
    other = Circle("other")
    path, member_id = drawn(tree["root"]).path, tree["root"].member_id

    assert drawing.find_drawn(other.chain.id, member_id) is None
    assert drawing.largest_branches(other.chain.id, [path], most=9) == []
    assert drawing.way_to(other.chain.id, path) == []
    assert drawing.largest_trees(other.chain.id, most=9) == []
    assert drawing.generations(other.chain.id, CHAIN) == []


@pytest.mark.parametrize("friends", [3, 30])
def test_the_number_of_queries_does_not_grow_with_the_tree(circle, count_queries, friends):
    root = circle.member()
    branches = [circle.friend(root, now=NOON) for _ in range(friends)]
    for branch in branches:
        circle.friend(branch, now=NOON)
    place = drawn(root)
    before = len(count_queries)

    drawing.crown(circle.chain.id, [place.spot], [40, 3, 3])
    drawing.largest_trees(circle.chain.id, most=9)
    drawing.spent_below(circle.chain.id, [place.path, drawn(branches[0]).path])
    drawing.ways_to(circle.chain.id, [branch.member_id for branch in branches])

    assert len(count_queries) - before == 9


def test_who_came_alone_and_brought_nobody_stands_at_the_beginning_of_nothing(circle):
    alone = circle.member()

    assert drawn(alone).spot == (drawn(alone).path, 0)
    assert drawing.whole_tree(circle.chain.id, spot_of(alone), most=9) == []
