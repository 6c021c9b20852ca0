"""Handing a part of a payment back: by amount, as often as asked, never more than was paid.

With each part goes its share of the points: those the checkout earned are taken as far as they are still there, those
it used come back. Both are counted from the beginning, so that many small refunds end where one large one does. The
coupons come back when all is refunded.
"""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import case, select

from cards import ledger
from cards.tiering import recompute_tier
from checkout import errors
from checkout.models import Checkout, CheckoutState, Redemption, Refund
from checkout.policies import Approval, Policy, find_policy
from checkout.quoting import shown_money
from checkout.undoing import Found, GivenBack, change_checkout, find_checkout, give_coupons_back
from checkout.voiding import advice, timely
from core import audit, events
from core.audit import Author
from core.clock import business_day
from core.db import db, insert
from core.errors import DomainError, IdempotencyKeyReused
from core.money import whole_units
from coupons.models import Coupon, CouponState

LONGEST_REASON = 200  # characters


class Refunded(NamedTuple):
    """What a refund did."""

    id: int
    checkout_id: int
    amount_cents: int
    refunded_cents: int  # of the checkout in all
    left_cents: int  # what could still be refunded
    state: str  # of the checkout
    coupon_ids: tuple[int, ...]  # usable again
    expired_coupon_ids: tuple[int, ...]
    points_taken: int
    points_short: int  # spent meanwhile, borne by the chain
    points_returned: int
    refunded_at: datetime
    is_repeat: bool


class Shares(NamedTuple):
    """What of a checkout's points has gone with so much refunded."""

    taken: int  # of those it earned
    returned: int  # of those it used


def refund(
    chain_id: int,
    checkout_id: int,
    amount_cents: int,
    *,
    request_id: str,
    fingerprint: str,
    role: str,
    store_ids: Collection[int] | None,
    by: Author,
    now: datetime,
    reason: str = "",
    approval: Approval | None = None,
) -> Refunded:
    """Refund a part of a checkout of one of these stores (None: of every store). Needs an open transaction.

    The same request again gets the first refund. Beyond the time and limit of ``role`` the approval of a manager
    counts. Raises CheckoutNotFound, AmountInvalid, CheckoutAlreadyVoided, CheckoutNotSettled, RefundTooMuch,
    RefundTooLate, RefundNeedsApproval, RefundNotPermitted, IdempotencyKeyReused.
    """
    ledger.hold(find_checkout(chain_id, checkout_id, store_ids).card_id)
    found = find_checkout(chain_id, checkout_id, store_ids)  # as nobody can change it any more
    if earlier := _earlier(found, request_id, fingerprint):
        return earlier
    if amount_cents <= 0:
        raise errors.AmountInvalid()
    approved_by = _permission(found, amount_cents, role, approval, now)
    total = _take(found, amount_cents)
    before, after = shares(found, found.refunded_cents), shares(found, total)
    cause = f"refund:{found.id}:{total}"
    ledger.add(found.card_id, after.returned - before.returned, cause=cause, now=now)
    points = ledger.take_back(found.card_id, after.taken - before.taken, cause=cause, now=now)
    ledger.add_progress(found.card_id, points=before.taken - after.taken, cents=-amount_cents)
    recompute_tier(found.card_id)
    is_whole = total == found.payable_cents
    coupons = give_coupons_back(found.id, now) if is_whole else GivenBack((), ())
    refund_id = db.session.scalar(
        insert(Refund)
        .values(
            chain_id=chain_id,
            checkout_id=found.id,
            store_id=found.store_id,
            request_id=request_id,
            fingerprint=fingerprint,
            amount_cents=amount_cents,
            points_taken=points.points,
            points_short=points.short,
            points_returned=after.returned - before.returned,
            reason=reason[:LONGEST_REASON],
            refunded_by=by.name,
            approved_by=approved_by,
            refunded_at=now,
            business_day=business_day(now, found.timezone, found.cutoff_hour),
        )
        .on_conflict_do_nothing(index_elements=["chain_id", "store_id", "request_id"])
        .returning(Refund.id)
    )
    if refund_id is None:
        raise IdempotencyKeyReused()  # for another checkout of the store
    refunded = Refunded(
        refund_id,
        found.id,
        amount_cents,
        total,
        found.payable_cents - total,
        CheckoutState.REFUNDED if is_whole else CheckoutState.SETTLED,
        *coupons,
        points.points,
        points.short,
        after.returned - before.returned,
        now,
        is_repeat=False,
    )
    _tell(found, refunded, approved_by, by, now)
    return refunded


def shares(found: Found, refunded_cents: int) -> Shares:
    """The points that go with so much of the payment, rounded in the member's favour until all is refunded."""
    left = found.payable_cents - refunded_cents
    if left == 0:
        return Shares(found.points_earned, found.points_used)
    units = whole_units(found.payable_cents, found.currency)
    kept = -(-found.points_earned * whole_units(left, found.currency) // units) if units else 0
    return Shares(found.points_earned - kept, found.points_used * refunded_cents // found.payable_cents)


def _permission(found: Found, amount_cents: int, role: str, approval: Approval | None, now: datetime) -> str | None:
    """Who had to approve; None when nobody. Raises the refusal."""
    policy = find_policy(found.chain_id, role)
    if policy is None:
        raise errors.RefundNotPermitted()
    if refusal := _state_refusal(found, amount_cents):
        raise refusal
    total = found.refunded_cents + amount_cents
    refusal = _beyond(found, total, policy, role, now)
    if refusal is None:
        return None
    if approval is None:
        raise refusal
    approved = find_policy(found.chain_id, approval.role) or policy
    if refusal := _beyond(found, total, approved, approval.role, now):
        raise refusal
    return approval.by


def _state_refusal(found: Found, amount_cents: int) -> DomainError | None:
    if found.state == CheckoutState.VOIDED:
        return errors.CheckoutAlreadyVoided()
    if found.settled_at is None:
        return errors.CheckoutNotSettled()
    if found.refunded_cents + amount_cents > found.payable_cents:
        return _too_much(found)
    return None


def _beyond(found: Found, total: int, policy: Policy, role: str, now: datetime) -> DomainError | None:
    """Why this policy does not allow so much to be refunded now."""
    if not timely(found, policy, now):
        return errors.RefundTooLate(window=policy.words, who=advice(role))
    if not policy.allows_refund(total):
        alone = max((policy.most_refund_cents or 0) - found.refunded_cents, 0)
        return errors.RefundNeedsApproval(most=shown_money(alone, found.currency))
    return None


def _too_much(found: Found) -> DomainError:
    return errors.RefundTooMuch(left=shown_money(found.payable_cents - found.refunded_cents, found.currency))


def _take(found: Found, amount_cents: int) -> int:
    """Count the amount as refunded, if so much is left; what is refunded in all."""
    total = Checkout.refunded_cents + amount_cents
    is_mine = change_checkout(
        found.id,
        Checkout.state == CheckoutState.SETTLED,
        Checkout.refunded_cents == found.refunded_cents,
        total <= Checkout.payable_cents,
        refunded_cents=total,
        state=case((total == Checkout.payable_cents, CheckoutState.REFUNDED), else_=CheckoutState.SETTLED),
    )
    if not is_mine:
        raise _too_much(found)
    return found.refunded_cents + amount_cents


def _earlier(found: Found, request_id: str, fingerprint: str) -> Refunded | None:
    """What this very request refunded before. Raises IdempotencyKeyReused when it was another request."""
    first = db.session.scalar(
        select(Refund).filter_by(chain_id=found.chain_id, store_id=found.store_id, request_id=request_id)
    )
    if first is None:
        return None
    if first.fingerprint != fingerprint or first.checkout_id != found.id:
        raise IdempotencyKeyReused()
    undone = db.session.execute(
        select(Coupon.id, Coupon.state)
        .join(Redemption, Redemption.coupon_id == Coupon.id)
        .where(Redemption.checkout_id == found.id, Redemption.undone_at == first.refunded_at)
        .order_by(Coupon.id)
    ).all()
    return Refunded(
        first.id,
        found.id,
        first.amount_cents,
        found.refunded_cents,
        found.payable_cents - found.refunded_cents,
        found.state,
        tuple(coupon.id for coupon in undone if coupon.state != CouponState.EXPIRED),
        tuple(coupon.id for coupon in undone if coupon.state == CouponState.EXPIRED),
        first.points_taken,
        first.points_short,
        first.points_returned,
        first.refunded_at,
        is_repeat=True,
    )


def _tell(found: Found, refunded: Refunded, approved_by: str | None, by: Author, now: datetime) -> None:
    effects = {
        "refund_id": refunded.id,
        "amount_cents": refunded.amount_cents,
        "coupon_ids": list(refunded.coupon_ids + refunded.expired_coupon_ids),
        "points_taken": refunded.points_taken,
        "points_short": refunded.points_short,
        "points_returned": refunded.points_returned,
    }
    audit.note(
        "checkout refunded",
        chain_id=found.chain_id,
        object_kind="checkout",
        object_id=found.id,
        by=by,
        at=now,
        before={"refunded_cents": found.refunded_cents},
        after={"refunded_cents": refunded.refunded_cents, "approved_by": approved_by} | effects,
    )
    events.record(
        "checkout.refunded",
        chain_id=found.chain_id,
        at=now,
        checkout_id=found.id,
        card_id=found.card_id,
        member_id=found.member_id,
        store_id=found.store_id,
        refunded_cents=refunded.refunded_cents,
        **effects,
    )
