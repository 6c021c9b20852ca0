"""Any sequence of claims, gifts, purchases, refunds, undos, edits and days: the books agree after every step.

Limits are among what is compared (coupons/verifying.py). More and longer lives: ``KAQUAN_LIVES=200 KAQUAN_STEPS=60
pytest tests/properties``.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.verifying import verify_books
from coupons.models import CouponState
from tests.properties.life import KINDS, Life, maybe_refused

LIVES = int(os.environ.get("KAQUAN_LIVES", "12"))
STEPS = int(os.environ.get("KAQUAN_STEPS", "25"))
ANY = st.integers(0, 50)
AMOUNTS = st.integers(1000, 9000)
LIMITS = st.fixed_dictionaries(
    {"stacking": st.sampled_from(["stackable", "stackable", "exclusive"])},
    optional={
        "stock": st.integers(1, 4),
        "per_member_limit": st.integers(1, 3),
        "per_day_limit": st.integers(1, 3),
        "per_phone_limit": st.integers(1, 3),
        "budget_cents": st.integers(900, 3000),
        "member_price": st.sampled_from(["instead", "on_top"]),
    },
)
# Each makes an offer more generous, or is refused.
EDITS = st.sampled_from(
    [
        lambda draft: {"stock": draft.stock and draft.stock + 2},
        lambda draft: {"per_member_limit": draft.per_member_limit + 1},
        lambda draft: {"per_day_limit": draft.per_day_limit and draft.per_day_limit + 1},
        lambda draft: {"per_phone_limit": draft.per_phone_limit and draft.per_phone_limit + 1},
        lambda draft: {"budget_cents": draft.budget_cents and draft.budget_cents + 1000},
        lambda draft: {"value_cents": draft.value_cents and draft.value_cents + 100},
        lambda draft: {"cap_cents": draft.cap_cents and draft.cap_cents + 100},
        lambda draft: {"valid_days": draft.valid_days + 1},
        lambda draft: {"stacking": "stackable", "member_price": "on_top"},
        lambda draft: {"stock": None, "per_day_limit": None, "per_phone_limit": None, "budget_cents": None},
    ]
)


class AnyLife(RuleBasedStateMachine):
    """What may happen. The books are compared after each step."""

    @initialize(kind=st.sampled_from(list(KINDS)), limits=LIMITS)
    def begin(self, kind, limits):
        self.life = Life()
        self.life.make_offer("cash", stacking="stackable", per_member_limit=3)
        self.life.make_offer(kind, **limits)

    @invariant()
    def the_books_agree(self):
        findings = [each for each in verify_books(chain_id=self.life.chain.id) if each.problems]
        assert findings == []

    @rule(kind=st.sampled_from(list(KINDS)), limits=LIMITS)
    def another_offer(self, kind, limits):
        if len(self.life.offers) < 5:
            self.life.make_offer(kind, **limits)

    @rule(which=ANY, edit=EDITS)
    def more_generous(self, which, edit):
        with maybe_refused():
            self.life.edit_offer(which, edit)

    @rule(which=ANY, offer=ANY)
    def claim(self, which, offer):
        with maybe_refused():
            self.life.claim(which, offer)

    @rule(offer=ANY)
    def everybody_claims(self, offer):
        for which in range(3):
            with maybe_refused():
                self.life.claim(which, offer)

    @rule(which=ANY, coupon=ANY)
    def give(self, which, coupon):
        coupons = self.life.coupons_of(self.life.card(which).id)
        if coupons:
            with maybe_refused():
                self.life.give(coupons[coupon % len(coupons)])

    @precondition(lambda self: self.life.gifts)
    @rule(gift=ANY, which=ANY)
    def take_a_gift_and_ask_again(self, gift, which):
        token = self.life.gifts[gift % len(self.life.gifts)]
        with maybe_refused() as refused:
            taken = self.life.take(token, which)
        if not refused:
            before = self.life.snapshot()
            assert self.life.take(token, which).id == taken.id
            assert self.life.snapshot() == before

    @rule(which=ANY, coupon=ANY)
    def call_a_gift_back(self, which, coupon):
        coupons = self.life.coupons_of(self.life.card(which).id, CouponState.GIFTING)
        if coupons:
            with maybe_refused():
                self.life.call_back(coupons[coupon % len(coupons)])

    @rule(which=ANY, amount=AMOUNTS, steps=st.integers(0, 3), is_best=st.booleans(), chosen=st.sets(ANY, max_size=3))
    def buy_and_send_it_again(self, which, amount, steps, is_best, chosen):
        sale = self.sale(which, amount, steps, is_best, chosen)
        with maybe_refused() as refused:
            settled = self.life.settle(sale)
        if not refused:
            before = self.life.snapshot()
            again = self.life.settle(sale)
            assert (again.id, again.is_repeat) == (settled.id, True)
            assert self.life.snapshot() == before

    @rule(which=ANY, amount=AMOUNTS, steps=st.integers(0, 3), is_best=st.booleans(), chosen=st.sets(ANY, max_size=3))
    def buy_and_undo(self, which, amount, steps, is_best, chosen):
        """All is as it was before."""
        sale = self.sale(which, amount, steps, is_best, chosen)
        before = self.life.snapshot()
        with maybe_refused() as refused:
            settled = self.life.settle(sale)
        if not refused:
            self.life.void(settled.id)
        assert self.life.snapshot() == before

    @rule(which=ANY, amount=AMOUNTS, steps=st.integers(0, 3), is_best=st.booleans(), chosen=st.sets(ANY, max_size=3))
    def buy_and_refund_in_parts(self, which, amount, steps, is_best, chosen):
        """However many parts it takes, all is as it was before."""
        sale = self.sale(which, amount, steps, is_best, chosen)
        before = self.life.snapshot()
        with maybe_refused() as refused:
            settled = self.life.settle(sale)
        if refused or not settled.payable_cents:
            return
        for part in (settled.payable_cents // 3, settled.payable_cents // 7, None):
            left = self.life.left_of(settled.id)
            if part is None or part:
                self.life.refund(settled.id, left if part is None else part)
        assert self.life.snapshot() == before

    @rule(which=ANY, amount=AMOUNTS, steps=st.integers(0, 3), is_best=st.booleans(), chosen=st.sets(ANY, max_size=3))
    def reserve(self, which, amount, steps, is_best, chosen):
        with maybe_refused():
            self.life.reserve(self.sale(which, amount, steps, is_best, chosen))

    @rule(which=ANY, amount=AMOUNTS, steps=st.integers(0, 3), is_best=st.booleans(), chosen=st.sets(ANY, max_size=3))
    def reserve_and_release(self, which, amount, steps, is_best, chosen):
        sale = self.sale(which, amount, steps, is_best, chosen)
        before = self.life.snapshot()
        with maybe_refused() as refused:
            reserved = self.life.reserve(sale)
        if not refused:
            self.life.release(reserved.id)
        assert self.life.snapshot() == before

    @rule(checkout=ANY)
    def confirm(self, checkout):
        reserved = self.life.checkouts("reserved")
        if reserved:
            with maybe_refused():
                self.life.confirm(reserved[checkout % len(reserved)])

    @rule(checkout=ANY)
    def undo_twice(self, checkout):
        """The second undo is refused and changes nothing."""
        checkouts = self.life.checkouts("settled", "voided", "refunded", "reserved")
        if checkouts:
            checkout_id = checkouts[checkout % len(checkouts)]
            with maybe_refused():
                self.life.void(checkout_id)
            before = self.life.snapshot()
            with maybe_refused() as refused:
                self.life.void(checkout_id)
            assert refused
            assert self.life.snapshot() == before

    @rule(checkout=ANY, amount=st.integers(1, 9000))
    def refund_and_send_it_again(self, checkout, amount):
        checkouts = self.life.checkouts("settled", "refunded", "voided")
        if not checkouts:
            return
        checkout_id = checkouts[checkout % len(checkouts)]
        request_id = f"again-{checkout_id}-{amount}"
        with maybe_refused() as refused:
            refunded = self.life.refund(checkout_id, amount, request_id)
        if not refused:
            before = self.life.snapshot()
            assert self.life.refund(checkout_id, amount, request_id).id == refunded.id
            assert self.life.snapshot() == before

    @rule(hours=st.sampled_from([1, 5, 13, 25, 40]))
    def time_passes(self, hours):
        self.life.wait(hours)

    def sale(self, which, amount, steps, is_best, chosen):
        """A purchase with the best coupons, or with any that come to hand; with some points."""
        held = self.life.coupons_of(self.life.card(which).id)
        some = tuple(sorted({held[each % len(held)] for each in chosen})) if held else ()
        coupons = self.life.best_coupons(which, amount) if is_best else some
        return self.life.sale(which, amount, coupons, 10 * steps)


@pytest.mark.slow
def test_the_books_agree_whatever_happens(app):
    run_state_machine_as_test(
        AnyLife,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize="KAQUAN_LIVES" not in os.environ,
            phases=[Phase.generate, Phase.shrink] if "KAQUAN_LIVES" in os.environ else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
