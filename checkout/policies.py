"""How long, and up to which amount, each role undoes and refunds by itself; beyond that a manager's PIN is needed.

A clerk mends a slip while the customer is still there; yesterday's books are the manager's, older ones nobody's.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select

from checkout.models import TillPolicy
from core import audit
from core.audit import Author
from core.clock import business_day
from core.db import db, insert
from core.errors import Invalid
from core.text import Text
from stores.models import Role

LONGEST_WINDOW = 525_600  # minutes: a year
MOST_REFUND_CENTS = 1_000_000_000
HOUR, DAY = 60, 1440  # minutes


class TillPolicyInvalid(Invalid):
    """Figures that no till could follow."""

    code = "till_policy_invalid"
    sentence = Text(
        "时限为 0 到 525600 分钟，退款上限不能小于零。",
        "A window has 0 to 525,600 minutes, and a refund limit is not below zero.",
    )


class Policy(NamedTuple):
    """What a role may do by itself."""

    window_minutes: int
    is_same_day_only: bool  # the same business day of the store
    most_refund_cents: int | None  # of one checkout in all; None: no limit

    def is_open(self, settled_at: datetime, timezone: str, cutoff_hour: int, now: datetime) -> bool:
        """Whether there still is time to undo or refund a checkout of then."""
        if now - settled_at > timedelta(minutes=self.window_minutes):
            return False
        days = {business_day(moment, timezone, cutoff_hour) for moment in (settled_at, now)}
        return not self.is_same_day_only or len(days) == 1

    def allows_refund(self, refunded_cents: int) -> bool:
        """Whether so much may be handed back of one checkout, earlier refunds counted."""
        return self.most_refund_cents is None or refunded_cents <= self.most_refund_cents

    @property
    def words(self) -> Text:
        """30 分钟、当个营业日内, 48 hours."""
        figure, zh, en = self.window_minutes, "分钟", "minutes"
        for unit, zh_unit, en_unit in ((DAY, "天", "days"), (HOUR, "小时", "hours")):
            if figure and figure % unit == 0 and (unit == HOUR or figure > 3 * DAY):
                figure, zh, en = figure // unit, zh_unit, en_unit
                break
        same_day = Text("、当个营业日内", ", the same business day") if self.is_same_day_only else Text("", "")
        return Text(f"{figure} {zh}{same_day.zh}", f"{figure} {en}{same_day.en}")


DEFAULTS = {
    Role.CLERK: Policy(30, is_same_day_only=True, most_refund_cents=0),
    Role.STORE_MANAGER: Policy(48 * HOUR, is_same_day_only=False, most_refund_cents=None),
    Role.HQ_ADMIN: Policy(48 * HOUR, is_same_day_only=False, most_refund_cents=None),
}


class Approval(NamedTuple):
    """A manager has given his PIN: what his role may do, is allowed."""

    by: str  # "staff:9"
    role: str


def find_policy(chain_id: int, role: str) -> Policy | None:
    """What the role may do in this chain; None for a role that undoes nothing."""
    default = DEFAULTS.get(Role(role))
    if default is None:
        return None
    row = db.session.execute(_columns().where(TillPolicy.chain_id == chain_id, TillPolicy.role == role)).one_or_none()
    return default if row is None else Policy(*row)


def list_policies(chain_id: int) -> dict[Role, Policy]:
    """What each role may do, those that the chain has not changed included."""
    rows = db.session.execute(_columns().add_columns(TillPolicy.role).where(TillPolicy.chain_id == chain_id))
    return DEFAULTS | {Role(role): Policy(*figures) for *figures, role in rows}


def set_policy(chain_id: int, role: Role, policy: Policy, *, by: Author, now: datetime) -> None:
    """Say anew what a role may do. Needs an open transaction; raises TillPolicyInvalid."""
    most = policy.most_refund_cents
    is_good = role in DEFAULTS and 0 <= policy.window_minutes <= LONGEST_WINDOW
    if not is_good or (most is not None and not 0 <= most <= MOST_REFUND_CENTS):
        raise TillPolicyInvalid()
    before, values = find_policy(chain_id, role), policy._asdict()
    if before == policy:
        return
    db.session.execute(
        insert(TillPolicy)
        .values(chain_id=chain_id, role=role, **values)
        .on_conflict_do_update(index_elements=["chain_id", "role"], set_=values)
    )
    audit.note(
        "till policy changed",
        chain_id=chain_id,
        object_kind="till_policy",
        object_id=None,
        by=by,
        at=now,
        before={"role": role} | (before._asdict() if before else {}),
        after={"role": role} | values,
    )


def _columns() -> Any:
    return select(TillPolicy.window_minutes, TillPolicy.is_same_day_only, TillPolicy.most_refund_cents)
