"""Undoing a checkout: once, within the time its undoer has, exactly.

The coupons come back if they are still valid, else they are expired. The points it used come back; those it earned come
off by a ledger line. What of them is spent already stays spent, is borne by the chain and told to whoever undoes. The
progress to the next tier is taken back whole. The member's last visit stays: he was there.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from cards import ledger
from cards.tiering import recompute_tier
from checkout import errors
from checkout.models import Checkout, CheckoutState
from checkout.policies import Approval, Policy, find_policy
from checkout.undoing import Found, change_checkout, find_checkout, give_coupons_back
from core import audit, events
from core.audit import Author
from core.errors import DomainError
from core.text import Text
from stores.models import Role

ASK_MANAGER = Text("请店长输入 PIN。", "Ask the manager for the PIN.")
TOO_LATE_FOR_ALL = Text("这笔账不能再改。", "It stays as it is.")


class Voided(NamedTuple):
    """What an undo did."""

    id: int
    payable_cents: int  # to be handed back
    coupon_ids: tuple[int, ...]  # usable again
    expired_coupon_ids: tuple[int, ...]  # their time had passed meanwhile
    points_taken: int
    points_short: int  # spent meanwhile, borne by the chain
    points_returned: int  # of those it had used
    voided_at: datetime


def void(
    chain_id: int,
    checkout_id: int,
    *,
    role: str,
    store_ids: Collection[int] | None,
    by: Author,
    now: datetime,
    approval: Approval | None = None,
) -> Voided:
    """Undo a checkout of one of these stores (None: of every store). Needs an open transaction.

    Beyond the time of ``role`` the approval of a manager counts. Raises CheckoutNotFound, CheckoutAlreadyVoided,
    CheckoutRefunded, CheckoutNotSettled, VoidTooLate, VoidNotPermitted.
    """
    found = find_checkout(chain_id, checkout_id, store_ids)
    approved_by = _permission(found, role, approval, now)
    ledger.hold(found.card_id)
    _take(found, approved_by, by, now)
    voided = _give_back(found, now)
    _tell(found, voided, approved_by, by, now)
    return voided


def timely(found: Found, policy: Policy, now: datetime) -> bool:
    """Whether this policy still leaves time for undoing a settled checkout."""
    if found.settled_at is None:
        return False
    return policy.is_open(found.settled_at, found.timezone, found.cutoff_hour, now)


def advice(role: str) -> Text:
    """Whom to turn to when the time has passed."""
    return ASK_MANAGER if role == Role.CLERK else TOO_LATE_FOR_ALL


def _permission(found: Found, role: str, approval: Approval | None, now: datetime) -> str | None:
    """Who had to approve; None when nobody. Raises the refusal."""
    policy = find_policy(found.chain_id, role)
    if policy is None:
        raise errors.VoidNotPermitted()
    if refusal := _state_refusal(found):
        raise refusal
    if timely(found, policy, now):
        return None
    if approval is not None:
        policy = find_policy(found.chain_id, approval.role) or policy
        if timely(found, policy, now):
            return approval.by
        role = approval.role
    raise errors.VoidTooLate(window=policy.words, who=advice(role))


def _state_refusal(found: Found) -> DomainError | None:
    if found.state == CheckoutState.VOIDED:
        return errors.CheckoutAlreadyVoided()
    if found.refunded_cents:
        return errors.CheckoutRefunded()
    return None if found.state == CheckoutState.SETTLED else errors.CheckoutNotSettled()


def _take(found: Found, approved_by: str | None, by: Author, now: datetime) -> None:
    """The one who changes the state is the one who undoes."""
    is_mine = change_checkout(
        found.id,
        Checkout.state == CheckoutState.SETTLED,
        Checkout.refunded_cents == 0,
        state=CheckoutState.VOIDED,
        voided_at=now,
        voided_by=by.name,
        void_approved_by=approved_by,
    )
    if not is_mine:
        raise _state_refusal(find_checkout(found.chain_id, found.id, None)) or errors.CheckoutAlreadyVoided()


def _give_back(found: Found, now: datetime) -> Voided:
    cause = f"void:{found.id}"
    coupons = give_coupons_back(found.id, now)
    ledger.add(found.card_id, found.points_used, cause=cause, now=now)
    points = ledger.take_back(found.card_id, found.points_earned, cause=cause, now=now)
    ledger.add_progress(found.card_id, points=-found.points_earned, cents=-found.payable_cents)
    recompute_tier(found.card_id)
    return Voided(found.id, found.payable_cents, *coupons, points.points, points.short, found.points_used, now)


def _tell(found: Found, voided: Voided, approved_by: str | None, by: Author, now: datetime) -> None:
    effects = {
        "coupon_ids": list(voided.coupon_ids + voided.expired_coupon_ids),
        "points_taken": voided.points_taken,
        "points_short": voided.points_short,
        "points_returned": voided.points_returned,
    }
    audit.note(
        "checkout voided",
        chain_id=found.chain_id,
        object_kind="checkout",
        object_id=found.id,
        by=by,
        at=now,
        before={"state": CheckoutState.SETTLED},
        after={"state": CheckoutState.VOIDED, "approved_by": approved_by} | effects,
    )
    events.record(
        "checkout.voided",
        chain_id=found.chain_id,
        at=now,
        checkout_id=found.id,
        card_id=found.card_id,
        member_id=found.member_id,
        store_id=found.store_id,
        payable_cents=found.payable_cents,
        **effects,
    )
