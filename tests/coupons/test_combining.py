"""Which coupons go together, and which set is best."""

from itertools import combinations
from random import Random
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.text import Text
from coupons import combining
from coupons.applicability import Item, Purchase, UsableCoupon
from coupons.combining import best, clash, explain, priced
from tests.factories import NOON, in_days

SLOW_SECONDS = 3  # on a machine that is busy with other tests


def coupon(number, kind, figure, **more):
    """A stackable coupon; ``figure`` is an amount, basis points, or the price of an item."""
    values = {
        "id": number,
        "offer_id": number,
        "name": Text(f"券{number}", f"Coupon {number}"),
        "kind": kind,
        "value_cents": figure if kind == "cash" else None,
        "percent_bp": figure if kind == "percent" else None,
        "cap_cents": None,
        "min_cents": 0,
        "state": "claimed",
        "valid_from": NOON,
        "valid_until": in_days(30),
        "stacking": "stackable",
    }
    if kind in ("gift", "fixed_price"):
        values |= {"item_name": Text("蛋筒", "Cone"), "item_cents": figure}
    if kind == "fixed_price":
        values |= {"price_cents": max(1, figure // 3)}
    return UsableCoupon(**(values | more))


def buying(amount_cents=10_000, discount_bp=0, items=None):
    return Purchase(amount_cents, "CNY", "Asia/Shanghai", 0, discount_bp, items)


def ids(combination):
    return set(combination.coupon_ids)


CASH, LARGE = coupon(1, "cash", 500), coupon(2, "cash", 900)
TENTH = coupon(3, "percent", 1000)
CONE = coupon(4, "gift", 1200)


def test_the_steps_are_items_member_price_percentages_amounts():
    combination = priced([CASH, TENTH, CONE], buying(11_200, discount_bp=500))

    assert [(step.coupon and step.coupon.id, step.discount_cents) for step in combination.steps] == [
        (4, 1200),
        (None, 500),
        (3, 950),
        (1, 500),
    ]
    assert combination.payable_cents == 8050
    assert (combination.member_discount_cents, combination.coupon_discount_cents) == (500, 2650)


def test_a_coupon_instead_of_the_member_price_takes_its_place():
    instead = TENTH._replace(member_price="instead")

    assert [step.coupon for step in priced([instead], buying(10_000, discount_bp=500)).steps] == [instead]


def test_the_member_price_stays_when_it_is_better_than_a_coupon_instead_of_it():
    instead = coupon(1, "cash", 300, member_price="instead")

    assert ids(best([instead], buying(10_000, discount_bp=500))) == set()


def test_everything_that_goes_together_is_used():
    assert ids(best([CASH, LARGE, TENTH, CONE], buying())) == {1, 2, 3, 4}


def test_an_exclusive_coupon_wins_alone_when_it_takes_more():
    alone = coupon(9, "cash", 5000, stacking="exclusive")

    assert ids(best([CASH, LARGE, alone], buying())) == {9}
    assert ids(best([CASH, LARGE, alone._replace(value_cents=1000)], buying())) == {1, 2}


def test_one_of_a_group_is_used_the_best_one():
    group = [each._replace(stack_group="drinks") for each in (CASH, LARGE)]

    assert ids(best([*group, TENTH], buying())) == {2, 3}


def test_no_coupon_is_wasted_when_fewer_pay_everything():
    assert ids(best([CASH, LARGE, TENTH], buying(900))) == {2}


def test_of_two_alike_the_one_that_ends_first_is_used():
    soon = coupon(9, "cash", 500, valid_until=in_days(2), stack_group="a")

    assert ids(best([CASH._replace(stack_group="a"), soon], buying())) == {9}


def test_two_coupons_of_one_item_need_two_pieces():
    another = CONE._replace(id=5)
    one, two = (buying(1200 * n, items=(Item("cone", n, 1200),)) for n in (1, 2))

    assert clash([CONE, another], one) == (CONE, another)
    assert clash([CONE, another], two) is None
    assert (len(best([CONE, another], one).coupons), len(best([CONE, another], two).coupons)) == (1, 2)


@pytest.mark.parametrize(
    ("chosen", "asked", "code"),
    [
        pytest.param(
            [LARGE._replace(stack_group="a")], CASH._replace(stack_group="a"), "coupon_not_combinable", id="group"
        ),
        pytest.param([LARGE], CASH._replace(stacking="exclusive"), "coupon_not_combinable", id="exclusive"),
        pytest.param([coupon(8, "cash", 10_000)], CASH, "coupon_not_needed", id="nothing left for it"),
        pytest.param([LARGE], CASH, None, id="could be added"),
        pytest.param([CASH], CASH, None, id="is in it"),
    ],
)
def test_each_coupon_left_out_says_why(chosen, asked, code):
    refusal = explain(asked, priced(chosen, buying()), buying())

    assert (refusal and refusal.code) == code


def test_a_clash_names_the_other_coupon():
    refusal = explain(CASH._replace(stacking="exclusive"), priced([LARGE, TENTH], buying()), buying())

    assert (refusal.say("zh"), refusal.say("en")) == (
        "不能和“券3”一起用。",
        "It does not go together with “Coupon 3”.",
    )


figures = {
    "cash": st.integers(1, 3000),
    "percent": st.integers(1, 10_000),
    "gift": st.integers(1, 3000),
    "fixed_price": st.integers(2, 3000),
}
coupons = st.sampled_from(list(figures)).flatmap(
    lambda kind: st.builds(
        coupon,
        st.integers(1, 10**6),
        st.just(kind),
        figures[kind],
        cap_cents=st.none() | st.integers(1, 2000) if kind == "percent" else st.none(),
        stacking=st.sampled_from(["stackable", "stackable", "stackable", "exclusive"]),
        stack_group=st.sampled_from([None, None, "a", "b", "c"]),
        member_price=st.sampled_from(["on_top", "on_top", "instead"]),
        valid_until=st.integers(1, 30).map(in_days),
    )
)
baskets = st.none() | st.integers(1, 3).map(
    lambda pieces: (Item("cone", pieces, 1000), Item("tea", 1, 7000 - 1000 * pieces))
)


def by_brute_force(held, purchase):
    sets = (set_ for size in range(len(held) + 1) for set_ in combinations(held, size))
    fitting = (priced(set_, purchase) for set_ in sets if clash(set_, purchase) is None)
    return min((found.payable_cents, len(found.coupons)) for found in fitting)


@settings(max_examples=150, deadline=None)
@given(
    held=st.lists(coupons, max_size=8, unique_by=lambda each: each.id),
    amount=st.integers(1, 12_000),
    discount_bp=st.sampled_from([0, 500, 3000]),
    items=baskets,
)
def test_the_best_set_is_that_of_trying_all(held, amount, discount_bp, items):
    purchase = buying(7000 if items else amount, discount_bp, items)

    found = best(held, purchase)

    assert found.is_exact
    assert clash(found.coupons, purchase) is None
    assert (found.payable_cents, len(found.coupons)) == by_brute_force(held, purchase)
    assert found == priced(found.coupons, purchase)


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_twelve_is_that_of_trying_all(seed):
    held, purchase = wallet(Random(seed), 12, groups=4), buying(9000, discount_bp=500)

    found = best(held, purchase)

    assert (found.payable_cents, len(found.coupons)) == by_brute_force(held, purchase)


def wallet(random, size, *, groups):
    """Coupons of all kinds, a third of them in groups, a few exclusive, a few instead of the member price."""
    return [
        coupon(
            number,
            (kind := random.choice(["cash", "percent", "gift", "fixed_price"])),
            random.randint(2, 2000) if kind != "percent" else random.randint(100, 3000),
            cap_cents=random.choice([None, random.randint(100, 3000)]) if kind == "percent" else None,
            stacking="stackable"
            if (group := random.choice([None, None, random.randrange(groups)])) is not None
            else random.choice(["stackable"] * 9 + ["exclusive"]),
            stack_group=None if group is None else f"group {group}",
            member_price=random.choice(["on_top"] * 4 + ["instead"]),
            valid_until=in_days(random.randint(1, 60)),
        )
        for number in range(1, size + 1)
    ]


@pytest.mark.parametrize("amount", [3000, 30_000, 300_000])
@pytest.mark.parametrize("size", [30, 45, 60])
def test_a_full_wallet_is_solved_exactly_and_soon(size, amount):
    for seed in range(5):
        held = wallet(Random(seed), size, groups=6)
        began = perf_counter()

        found = best(held, buying(amount, discount_bp=500))

        assert found.is_exact
        assert perf_counter() - began < SLOW_SECONDS


def test_beyond_the_bound_the_answer_is_good_and_says_that_it_may_not_be_the_best():
    held, purchase = wallet(Random(1), 60, groups=10), buying(30_000, discount_bp=500)

    rough = best(held, purchase, most_work=1)

    assert rough.is_exact is False
    assert clash(rough.coupons, purchase) is None
    assert rough.payable_cents < priced((), purchase).payable_cents
    assert combining.MOST_WORK > 1


def test_two_hundred_coupons_for_items_of_a_long_basket_take_no_time():
    items = tuple(Item(f"商品{number}", 1, 1000 + number, f"SKU-{number}") for number in range(500))
    purchase = buying(sum(item.price_cents for item in items), items=items)
    held = [coupon(n, "gift", 900 + n, item_name=Text(f"商品{n}", f"SKU-{n}")) for n in range(200)]

    begun_at = perf_counter()
    found = best(held, purchase)

    assert perf_counter() - begun_at < SLOW_SECONDS
    assert len(ids(found)) == 200
