"""What the reader may undo or hand back by himself, as the pages show it. The decision is made where it is done."""

from dataclasses import dataclass

from app.auth.guard import actor
from checkout import policies
from checkout.models import CheckoutState
from checkout.policies import Policy
from checkout.queries import Till
from checkout.receipts import DayLine
from core.clock import utc_now
from stores.models import Role
from stores.pins import APPROVERS


@dataclass(frozen=True)
class Leave:
    """What may still be done with a sale: by the reader alone, and with a manager's PIN."""

    left_cents: int  # not handed back yet
    undo_alone: bool
    undo_with_pin: bool
    refund_alone_cents: int  # in this step
    refund_with_pin_cents: int

    @property
    def may_undo(self) -> bool:
        return self.undo_alone or self.undo_with_pin

    @property
    def may_refund(self) -> bool:
        return self.refund_alone_cents > 0 or self.refund_with_pin_cents > 0


def leave_for(line: DayLine, where: Till) -> Leave:
    """What the chain's rules leave to the reader's role, and to the roles whose PIN counts."""
    all_rules = policies.list_policies(actor().chain_id)
    own = all_rules.get(Role(actor().role))
    others = [all_rules[role] for role in APPROVERS if role in all_rules]
    left = line.payable_cents - line.refunded_cents if line.state == CheckoutState.SETTLED else 0
    is_whole = line.state == CheckoutState.SETTLED and line.refunded_cents == 0
    refundable = [_refundable(rules, line, where, left) for rules in others]
    return Leave(
        left,
        is_whole and own is not None and _is_open(own, line, where),
        is_whole and any(_is_open(rules, line, where) for rules in others),
        _refundable(own, line, where, left) if own else 0,
        max(refundable, default=0),
    )


def may_undo_alone(line: DayLine, where: Till) -> bool:
    return leave_for(line, where).undo_alone


def _is_open(rules: Policy, line: DayLine, where: Till) -> bool:
    return rules.is_open(line.settled_at, where.timezone, where.cutoff_hour, utc_now())


def _refundable(rules: Policy, line: DayLine, where: Till, left: int) -> int:
    if not _is_open(rules, line, where):
        return 0
    if rules.most_refund_cents is None:
        return left
    return max(0, min(left, rules.most_refund_cents - line.refunded_cents))
