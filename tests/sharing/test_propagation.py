"""How a chain's cards spread: generations, reach, K-factor, channels, stores, spreaders, and the tree."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from cards.models import Card, Member
from core.db import db, transaction
from core.hot import one_action, this_transaction
from sharing import branching, joining, linking, propagation, queries, visiting
from sharing.spreaders import top_spreaders
from tests.factories import NOON, in_days, make_card, make_chain, make_store, make_store_code, make_wallet

pytestmark = pytest.mark.usefixtures("app")

START, END = in_days(-1), in_days(30)


def share(card, channel="friend", now=NOON):
    with transaction():
        return linking.create_link(this_transaction(), card.chain_id, card.id, channel, now=now)


def accept(link, now=NOON):
    wallet_id = make_wallet()
    with one_action() as hot:
        joined = joining.join_by_link(hot, link.token, wallet_id=wallet_id, visitor="v", language="zh", now=now)
    return db.session.get_one(Card, joined.card_id)


def open_link(link, *visitors, now=NOON):
    with transaction():
        for visitor in visitors:
            visiting.count_visit(this_transaction(), link.token, visitor=visitor, now=now)


def name(card, words):
    with transaction():
        db.session.execute(update(Member).where(Member.id == card.member_id).values(name=words))


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


@pytest.fixture
def family(code):
    """root brought a and b, a brought c; c brought d later. Another member came alone."""
    root = make_card(code)
    make_card(code)
    first, second = share(root, "group"), share(root, "friend")
    a, b = accept(first), accept(second)
    c = accept(share(a, "moments"))
    d = accept(share(c, "moments", now=in_days(40)), now=in_days(40))
    open_link(first, "v1", "v2", "v3")
    open_link(second, "v1")
    return {"root": root, "a": a, "b": b, "c": c, "d": d}


def root_of(card):
    return queries.find_root(card.chain_id, member_id=card.member_id)


def test_the_numbers_of_a_period_leave_out_what_came_later(chain, family):
    found = propagation.numbers(chain.id, START, END)

    assert found == propagation.Numbers(new_members=5, referred=3, links=3, sharers=2, visits=4, visitors=3, reached=6)
    assert found.conversion == 0.5
    assert found.referred_share == 0.6


def test_generations_count_members_by_their_distance_from_whoever_came_alone(chain, family):
    assert propagation.generations(chain.id, START, END) == [(0, 2), (1, 2), (2, 1)]
    assert propagation.generations(chain.id, START, in_days(50)) == [(0, 2), (1, 2), (2, 1), (3, 1)]


def test_the_k_factor_is_links_per_member_times_conversion(chain, family):
    found = propagation.k_factor(chain.id, START, END)

    assert found == (5, 3, 3, 5)
    assert found.value == pytest.approx(found.links_per_member * found.conversion)
    assert found.value == pytest.approx(0.6)


def test_a_period_in_which_nothing_happened_divides_by_nothing(chain):
    assert propagation.k_factor(chain.id, START, END).value == 0
    assert propagation.numbers(chain.id, START, END).conversion == 0
    assert propagation.time_to_convert(chain.id, START, END) is None
    assert propagation.generations(chain.id, START, END) == [(0, 0)]


def test_the_time_to_convert_is_the_median(chain, code):
    link = share(make_card(code))
    for minutes in (1, 10, 500):
        accept(link, now=NOON + timedelta(minutes=minutes))

    assert propagation.time_to_convert(chain.id, START, END) == timedelta(minutes=10)


def test_channels_show_links_visits_and_members(chain, family):
    rows = {row.channel: row.figures for row in branching.by_channel(chain.id, START, END)}

    assert rows == {
        "group": (1, 1, 3, 1),
        "friend": (1, 1, 1, 1),
        "moments": (1, 1, 0, 1),
        "poster": (0, 0, 0, 0),
        "copy": (0, 0, 0, 0),
    }


def test_stores_show_the_same(chain, code, family):
    other = make_card(make_store_code(make_store(chain)))
    share(other)

    assert [row[2:] for row in branching.by_store(chain.id, START, END)] == [((2, 3, 4, 3), 3), ((1, 1, 0, 0), 0)]


def test_top_spreaders_are_those_who_brought_most_themselves(chain, family):
    rows = top_spreaders(chain.id, START, END)

    assert [(row.member_id, row.direct, row.reach, row.links, row.visits) for row in rows] == [
        (family["root"].member_id, 2, 4, 2, 4),
        (family["a"].member_id, 1, 2, 1, 0),
    ]


def test_top_spreaders_page_by_key(chain, family):
    first = top_spreaders(chain.id, START, in_days(50), limit=2)
    last = first[-1]

    second = top_spreaders(chain.id, START, in_days(50), limit=2, after=(last.direct, last.member_id))

    assert [row.member_id for row in first + second] == [family[who].member_id for who in ("root", "a", "c")]


def test_a_store_sees_its_own_members_only(chain, family):
    other = make_store(chain)
    stranger = make_card(make_store_code(other))
    accept(share(stranger))

    numbers = propagation.numbers(chain.id, START, END, store_ids=[other.id])
    spreaders = top_spreaders(chain.id, START, END, store_ids=[other.id])

    assert (numbers.new_members, numbers.referred, numbers.links) == (2, 1, 1)
    assert [row.member_id for row in spreaders] == [stranger.member_id]
    assert propagation.k_factor(chain.id, START, END, store_ids=[other.id]) == (2, 1, 1, 1)
    assert propagation.generations(chain.id, START, END, store_ids=[other.id]) == [(0, 1), (1, 1)]


def test_another_chain_is_not_counted(family):
    other = make_chain("other")

    assert propagation.numbers(other.id, START, END) == (0,) * 7
    assert top_spreaders(other.id, START, END) == []


def test_the_tree_below_lists_each_member_after_whoever_brought_him(chain, family):
    nodes = queries.tree_below(chain.id, root_of(family["root"]))

    assert [(n.member_id, n.generation, n.children) for n in nodes] == [
        (family["a"].member_id, 1, 1),
        (family["c"].member_id, 2, 1),
        (family["d"].member_id, 3, 0),
        (family["b"].member_id, 1, 0),
    ]
    assert queries.count_below(chain.id, root_of(family["root"])) == [(1, 2), (2, 1), (3, 1)]


def test_the_tree_below_starts_anywhere_and_pages_by_path(chain, family):
    root = root_of(family["a"])

    first = queries.tree_below(chain.id, root, limit=1)
    second = queries.tree_below(chain.id, root, after=first[-1].path, limit=5)

    assert [n.member_id for n in first + second] == [family["c"].member_id, family["d"].member_id]
    assert [n.generation for n in first + second] == [1, 2]
    assert [n.member_id for n in queries.tree_below(chain.id, root, deepest=1)] == [family["c"].member_id]


def test_a_member_whose_number_begins_like_anothers_is_not_below_him(chain, code):
    roots = [make_card(code) for _ in range(20)]
    child = accept(share(roots[0]))

    assert [n.member_id for n in queries.tree_below(chain.id, root_of(roots[0]))] == [child.member_id]
    assert all(queries.tree_below(chain.id, root_of(card)) == [] for card in roots[1:])


def test_a_subtree_is_a_range_of_an_index(chain, family):
    """Without it a tree of a hundred thousand members is walked edge by edge."""
    root = root_of(family["root"])
    count = db.select(db.func.count()).where(queries.is_below(chain.id, root.path))
    sql = str(count.compile(db.engine, compile_kwargs={"literal_binds": True}))

    if db.engine.dialect.name == "postgresql":
        # Of three rows any plan is as good: leave the planner this index or no index.
        db.session.execute(db.text("SET LOCAL enable_seqscan = off"))
        others = (
            db.select(db.column("indexname"))
            .select_from(db.table("pg_indexes"))
            .where(
                db.text(
                    "tablename = 'referrals' AND indexname LIKE 'ix%' AND indexname <> 'ix_referrals_chain_id_path'"
                )
            )
        )
        for name in db.session.scalars(others).all():
            db.session.execute(db.text(f"DROP INDEX {name}"))
        db.session.execute(db.text("ALTER TABLE referrals DROP CONSTRAINT uq_referrals_chain_id_member_id"))
        plan = db.session.execute(db.text(f"EXPLAIN {sql}")).scalars().all()
    else:
        plan = [row[3] for row in db.session.execute(db.text(f"EXPLAIN QUERY PLAN {sql}"))]

    db.session.rollback()
    assert "ix_referrals_chain_id_path" in " ".join(plan)
    assert "path" in " ".join(plan).split("ix_referrals_chain_id_path", 1)[1]
