"""Which coupons go together, what a set of them comes to, and which set is best for the member. Pure.

A purchase is calculated in steps: coupons of items, the member price (unless a coupon stands instead of it),
percentages, amounts. Every step leaves no more when it begins with less. So of two ways that have come as far, one is
never the better if it has left more, used more coupons and closed more groups: it is dropped. What remains to be
looked at is bounded; beyond the bound the answer is a good one, and says that it may not be the best.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from core.errors import DomainError
from core.money import share_of
from coupons.applicability import Purchase, UsableCoupon, discount_of, fixed_discount, item_index, step_of
from coupons.errors import CouponNotCombinable, CouponNothingLeft, CouponNotNeeded
from coupons.models import MemberPrice, Stacking

MOST_WORK = 100_000  # ways looked at: half a second
MEMBER_STEP = 2


class Step(NamedTuple):
    """A line of the calculation: a coupon, or (None) the member price."""

    coupon: UsableCoupon | None
    discount_cents: int


class Combination(NamedTuple):
    """A set of coupons and what it comes to, before points."""

    steps: tuple[Step, ...]
    payable_cents: int
    is_exact: bool = True  # whether nothing better exists for certain

    @property
    def coupons(self) -> tuple[UsableCoupon, ...]:
        return tuple(step.coupon for step in self.steps if step.coupon)

    @property
    def coupon_ids(self) -> tuple[int, ...]:
        return tuple(coupon.id for coupon in self.coupons)

    @property
    def member_discount_cents(self) -> int:
        return sum(step.discount_cents for step in self.steps if step.coupon is None)

    @property
    def coupon_discount_cents(self) -> int:
        return sum(step.discount_cents for step in self.steps if step.coupon)

    @property
    def rank(self) -> tuple[object, ...]:
        """The lower the better: least to pay, fewest coupons, those that end first."""
        return self.payable_cents, len(self.coupons), sorted(coupon.order for coupon in self.coupons)


def priced(coupons: Iterable[UsableCoupon], purchase: Purchase) -> Combination:
    """What a set of coupons comes to, step by step. They must fit the purchase and go together."""
    chosen = sorted(coupons, key=_line_order)
    has_member_price = purchase.discount_bp and not any(_is_instead(coupon) for coupon in chosen)
    left, steps = purchase.amount_cents, list[Step]()
    for coupon in chosen:
        if has_member_price and step_of(coupon.kind) > MEMBER_STEP:
            left = _take(steps, None, share_of(left, purchase.discount_bp), left)
            has_member_price = False
        left = _take(steps, coupon, discount_of(coupon, left), left)
    if has_member_price:
        left = _take(steps, None, share_of(left, purchase.discount_bp), left)
    return Combination(tuple(steps), left)


def clash(coupons: Sequence[UsableCoupon], purchase: Purchase) -> tuple[UsableCoupon, UsableCoupon] | None:
    """Two of these coupons that do not go together; None when all do."""
    for first, second in combinations(coupons, 2):
        if Stacking.EXCLUSIVE in (first.stacking, second.stacking):
            return first, second
        if first.stack_group is not None and first.stack_group == second.stack_group:
            return first, second
    on_line: dict[int, list[UsableCoupon]] = {}
    for coupon in coupons:
        index = item_index(coupon, purchase)
        if index is not None and purchase.items is not None:
            on_line.setdefault(index, []).append(coupon)
            if len(on_line[index]) > purchase.items[index].quantity:
                return on_line[index][0], coupon
    return None


def explain(coupon: UsableCoupon, chosen: Combination, purchase: Purchase) -> DomainError | None:
    """Why a coupon that fits alone is not in the chosen set; None when it is, or when it could well be added."""
    if coupon.id in chosen.coupon_ids:
        return None
    if clash((*chosen.coupons, coupon), purchase):
        others = (other for other in chosen.coupons if clash((other, coupon), purchase))
        other = next(others, None) or next(iter(chosen.coupons))
        return CouponNotCombinable(other=other.name)
    with_it = priced((*chosen.coupons, coupon), purchase)
    if with_it.payable_cents >= chosen.payable_cents:
        return CouponNotNeeded() if priced((coupon,), purchase).coupon_discount_cents else CouponNothingLeft()
    return None


def best(coupons: Sequence[UsableCoupon], purchase: Purchase, *, most_work: int = MOST_WORK) -> Combination:
    """The set with the least to pay, of those the fewest coupons. All given coupons must fit the purchase."""
    found = priced((), purchase)
    useful = [coupon for coupon in coupons if discount_of(coupon, purchase.amount_cents)]
    for coupon in useful:
        found = min(found, priced((coupon,), purchase), key=_rank)
    stackable = [coupon for coupon in useful if coupon.stacking == Stacking.STACKABLE]
    if len(stackable) < 2:
        return found
    work, is_exact = most_work, True
    for is_instead in (False, True):
        among = [coupon for coupon in stackable if is_instead or not _is_instead(coupon)]
        if is_instead and len(among) == len([coupon for coupon in among if not _is_instead(coupon)]):
            continue
        search = _Search(among, purchase, 0 if is_instead else purchase.discount_bp, found, work)
        found, work = search.run(), search.work
        is_exact = is_exact and search.is_exact
    return found._replace(is_exact=is_exact)


def _rank(combination: Combination) -> tuple[object, ...]:
    return combination.rank


def _is_instead(coupon: UsableCoupon) -> bool:
    return coupon.member_price == MemberPrice.INSTEAD


def _line_order(coupon: UsableCoupon) -> tuple[object, ...]:
    return step_of(coupon.kind), *coupon.order


def _take(steps: list[Step], coupon: UsableCoupon | None, discount: int, left: int) -> int:
    if discount or coupon:
        steps.append(Step(coupon, discount))
    return left - discount


class _Way(NamedTuple):
    """How far a choice has come. ``used`` has a bit for each place that is taken in a group or on an item."""

    left: int
    size: int
    used: int
    chosen: tuple[int, ...]  # numbers of coupons


class _Search:
    """Branch and bound over stackable coupons, for one way to treat the member price."""

    def __init__(
        self, coupons: Sequence[UsableCoupon], purchase: Purchase, discount_bp: int, found: Combination, work: int
    ) -> None:
        self.purchase, self.discount_bp, self.found, self.work = purchase, discount_bp, found, work
        self.is_exact = True
        self.pools: dict[object, list[int]] = {}
        self.lines = {coupon.id: item_index(coupon, purchase) for coupon in coupons}
        ordered = sorted(coupons, key=_line_order)
        self.items = self._without_lesser([c for c in ordered if step_of(c.kind) < MEMBER_STEP])
        self.percents = [c for c in ordered if step_of(c.kind) == step_of("percent")]
        self.amounts = self._without_lesser([c for c in ordered if step_of(c.kind) == step_of("cash")])
        self.coupons = [*self.items, *self.percents, *self.amounts]
        self.first_percent, self.first_amount = len(self.items), len(self.items) + len(self.percents)
        self.places = [self._places_of(coupon) for coupon in self.coupons]

    def run(self) -> Combination:
        """The best of these coupons, or what was found before when that is better."""
        self._try(self._greedy())
        ways = [_Way(self.purchase.amount_cents, 0, 0, ())]
        for number in range(self.first_amount):
            if number == self.first_percent:
                ways = self._with_member_price(ways)
            ways = self._promising(number + 1, self._branched(number, ways))
        if self.first_amount == self.first_percent:
            ways = self._with_member_price(ways)
        for way in ways:
            self._try(self._completed(way))
        return self.found

    def _without_lesser(self, coupons: list[UsableCoupon]) -> list[UsableCoupon]:
        """Of a group's coupons with fixed discounts on the same thing only the largest can matter. Largest first."""
        coupons = sorted(coupons, key=lambda coupon: (-fixed_discount(coupon), coupon.order))
        seen: Counter[object] = Counter()
        kept = []
        for coupon in coupons:
            key = (coupon.stack_group, self.lines[coupon.id])
            seen[key] += 1
            if coupon.stack_group is None or seen[key] == 1:
                kept.append(coupon)
        return kept

    def _places_of(self, coupon: UsableCoupon) -> list[list[int]]:
        """The places a coupon needs: one in its group, one on its line of the basket. Each a list of bits."""
        pools = []
        if coupon.stack_group is not None:
            pools.append(self._pool(("group", coupon.stack_group), 1))
        index = self.lines[coupon.id]
        if index is not None and self.purchase.items is not None:
            rivals = sum(self.lines[other.id] == index for other in self.items)
            if rivals > self.purchase.items[index].quantity:
                pools.append(self._pool(("line", index), self.purchase.items[index].quantity))
        return pools

    def _pool(self, name: object, size: int) -> list[int]:
        if name not in self.pools:
            first = sum(len(bits) for bits in self.pools.values())
            self.pools[name] = [1 << (first + place) for place in range(size)]
        return self.pools[name]

    def _seated(self, number: int, used: int) -> int | None:
        """``used`` with the coupon's places taken; None when one of its groups is full."""
        for pool in self.places[number]:
            bit = next((bit for bit in pool if not used & bit), None)
            if bit is None:
                return None
            used |= bit
        return used

    def _branched(self, number: int, ways: list[_Way]) -> Iterator[_Way]:
        for way in ways:
            yield way
            used = self._seated(number, way.used)
            if used is None or not way.left:
                continue
            discount = discount_of(self.coupons[number], way.left)
            if discount:
                self.work -= 1
                yield _Way(way.left - discount, way.size + 1, used, (*way.chosen, number))

    def _with_member_price(self, ways: list[_Way]) -> list[_Way]:
        return [way._replace(left=way.left - share_of(way.left, self.discount_bp)) for way in ways]

    def _promising(self, number: int, ways: Iterable[_Way]) -> list[_Way]:
        """Without the ways that another outdoes, nor those that cannot reach what is found already."""
        still = self._still_needed(number)
        kept: list[_Way] = []
        for way in sorted((way._replace(used=way.used & still) for way in ways), key=lambda w: (w.left, w.size)):
            self.work -= 1 + len(kept) // 8
            if not any(other.size <= way.size and other.used & ~way.used == 0 for other in kept):
                kept.append(way)
        kept = [way for way in kept if self._may_be_best(number, way)]
        if self.work < 0 and len(kept) > 1:
            self.is_exact = False
            kept = kept[:8]
        return kept

    def _still_needed(self, number: int) -> int:
        """The bits that coupons from this number on may want."""
        return sum({bit for pools in self.places[number:] for pool in pools for bit in pool})

    def _may_be_best(self, number: int, way: _Way) -> bool:
        """Whether the rest, taken as if its groups were open, would come to what is found at least."""
        left = way.left
        if number <= self.first_percent:  # the member price is still to come
            for coming in range(number, self.first_percent):
                if self._seated(coming, way.used) is not None:
                    left -= discount_of(self.coupons[coming], left)
            left -= share_of(left, self.discount_bp)
        for coming in range(max(number, self.first_percent), self.first_amount):
            if self._seated(coming, way.used) is not None:
                left -= discount_of(self.coupons[coming], left)
        self.work -= 1
        left = max(0, left - self._most_amounts(way.used))
        goal = self.found.payable_cents
        return left < goal or (left == goal and way.size < len(self.found.coupons))

    def _most_amounts(self, used: int) -> int:
        return sum(fixed_discount(self.coupons[number]) for number in self._open_amounts(used))

    def _open_amounts(self, used: int) -> list[int]:
        """The amounts that can all be taken together: each of another group, and none of a closed one."""
        return [n for n in range(self.first_amount, len(self.coupons)) if self._seated(n, used) is not None]

    def _completed(self, way: _Way) -> list[UsableCoupon]:
        """A way with amounts, the largest first, until nothing is left: no other choice needs fewer."""
        left, chosen = way.left, list(way.chosen)
        for number in self._open_amounts(way.used):
            if left <= 0:
                break
            left -= fixed_discount(self.coupons[number])
            chosen.append(number)
        return [self.coupons[number] for number in chosen]

    def _greedy(self) -> list[UsableCoupon]:
        """A good set at once: of each group what takes most off by itself."""
        amount, used, chosen = self.purchase.amount_cents, 0, []
        for number in sorted(range(len(self.coupons)), key=lambda n: -discount_of(self.coupons[n], amount)):
            seated = self._seated(number, used)
            if seated is not None:
                used = seated
                chosen.append(self.coupons[number])
        return chosen

    def _try(self, coupons: Sequence[UsableCoupon]) -> None:
        """Keep a set when it is better, without those of its coupons that it does as well without."""
        candidate = priced(coupons, self.purchase)
        for coupon in sorted(coupons, key=fixed_discount):
            if candidate.payable_cents and all(step.discount_cents for step in candidate.steps):
                break
            without = priced([other for other in candidate.coupons if other != coupon], self.purchase)
            if without.payable_cents <= candidate.payable_cents:
                candidate = without
        self.found = min(self.found, candidate, key=_rank)
