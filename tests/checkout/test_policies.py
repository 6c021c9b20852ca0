"""What each role may do by itself, what needs a manager, and what is written down when it is refused."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from checkout import errors, policies
from checkout.attempts import note_refusal
from checkout.models import Checkout, RefusedAttempt, TillAction
from checkout.policies import Approval, Policy
from checkout.voiding import void
from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from coupons.errors import CouponAlreadyRedeemed
from stores.models import Role
from tests.checkout.shop import Shop
from tests.factories import NOON, in_days, make_store


def undo(shop, settled, *, now, role=Role.CLERK, approval=None):
    with transaction():
        return void(shop.chain.id, settled.id, role=role, store_ids=None, by=SYSTEM, now=now, approval=approval)


def change(shop, role, policy):
    with transaction():
        policies.set_policy(shop.chain.id, role, policy, by=SYSTEM, now=NOON)


def test_a_chain_begins_with_the_usual_rules(shop):
    assert policies.list_policies(shop.chain.id) == policies.DEFAULTS
    assert policies.find_policy(shop.chain.id, Role.HQ_ANALYST) is None


def test_a_chain_may_change_what_a_role_may_do(shop):
    change(shop, Role.CLERK, Policy(120, False, 500))

    assert policies.list_policies(shop.chain.id)[Role.CLERK] == Policy(120, False, 500)
    settled = shop.settle()
    assert undo(shop, settled, now=NOON + timedelta(minutes=119)).id == settled.id
    assert db.session.scalar(select(AuditEntry.after).where(AuditEntry.action == "till policy changed")) == {
        "role": "clerk",
        "window_minutes": 120,
        "is_same_day_only": False,
        "most_refund_cents": 500,
    }


@pytest.mark.parametrize(
    ("role", "policy"),
    [
        (Role.CLERK, Policy(-1, True, 0)),
        (Role.CLERK, Policy(525_601, True, 0)),
        (Role.CLERK, Policy(30, True, -1)),
        (Role.HQ_ANALYST, Policy(30, True, 0)),
    ],
)
def test_rules_that_make_no_sense_are_refused(shop, role, policy):
    with pytest.raises(policies.TillPolicyInvalid):
        change(shop, role, policy)


def test_another_chains_rules_are_its_own(shop):
    change(shop, Role.CLERK, Policy(0, True, 0))

    assert policies.list_policies(Shop(slug="other").chain.id) == policies.DEFAULTS


def test_a_managers_approval_lets_a_clerk_undo_later_and_is_kept(shop):
    settled, later = shop.settle(), in_days(1)

    with pytest.raises(errors.VoidTooLate):
        undo(shop, settled, now=later)
    undo(shop, settled, now=later, approval=Approval("staff:9", Role.STORE_MANAGER))

    assert db.session.execute(select(Checkout.voided_by, Checkout.void_approved_by)).one() == ("system", "staff:9")


def test_an_approval_that_was_not_needed_is_not_kept(shop):
    undo(shop, shop.settle(), now=NOON, approval=Approval("staff:9", Role.STORE_MANAGER))

    assert db.session.scalar(select(Checkout.void_approved_by)) is None


def test_a_managers_time_runs_out_too(shop):
    with pytest.raises(errors.VoidTooLate) as caught:
        undo(shop, shop.settle(), now=in_days(3), approval=Approval("staff:9", Role.STORE_MANAGER))

    assert caught.value.say("zh") == "已超过可撤销的时间（48 小时）。这笔账不能再改。"


@pytest.mark.parametrize(
    ("policy", "zh", "en"),
    [
        (Policy(30, True, 0), "30 分钟、当个营业日内", "30 minutes, the same business day"),
        (Policy(2880, False, 0), "48 小时", "48 hours"),
        (Policy(10_080, False, 0), "7 天", "7 days"),
        (Policy(90, False, 0), "90 分钟", "90 minutes"),
    ],
)
def test_a_window_in_words(policy, zh, en):
    assert policy.words == (zh, en)


def note(shop, **more):
    with transaction():
        return note_refusal(
            shop.chain.id, TillAction.SETTLE, CouponAlreadyRedeemed(), made_by="key:1", now=NOON, **more
        )


def test_a_refused_attempt_is_written_down(shop):
    assert note(shop, store_id=shop.store.id, card_number=shop.card.number, amount_cents=5800) is True

    row = db.session.scalars(select(RefusedAttempt)).one()
    assert (row.store_id, row.action, row.code, row.made_by) == (
        shop.store.id,
        "settle",
        "coupon_already_redeemed",
        "key:1",
    )
    assert (row.card_id, row.checkout_id, row.amount_cents, row.at) == (shop.card.id, None, 5800, NOON)


def test_an_attempt_on_a_checkout_is_of_its_store_and_card(shop):
    settled = shop.settle()

    assert note(shop, checkout_id=settled.id) is True

    row = db.session.scalars(select(RefusedAttempt)).one()
    assert (row.store_id, row.card_id, row.checkout_id) == (shop.store.id, shop.card.id, settled.id)


def test_what_belongs_to_another_chain_is_left_out(shop):
    other = Shop(slug="other")
    theirs = other.settle()

    assert note(shop, checkout_id=theirs.id) is False
    assert note(shop, store_id=make_store(other.chain).id) is False
    assert note(shop, store_id=shop.store.id, card_number=other.card.number, amount_cents=10**30) is True

    row = db.session.scalars(select(RefusedAttempt)).one()
    assert (row.card_id, row.amount_cents) == (None, None)
