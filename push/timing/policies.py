"""A chain's manners: when it keeps quiet, and how often it speaks at most."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from core import audit
from core.audit import Author
from core.db import db, insert
from core.text import Text
from push.errors import WithProblem
from push.models import PushPolicy

MOST_HOLDOUT_BP = 2000


class PolicyInvalid(WithProblem):
    """Hours of the day, and caps of at least one."""

    code = "push_policy_invalid"
    sentence = Text("推送规则有误：{problem}", "The push rules are not valid: {problem}")


class Policy(NamedTuple):
    """Quiet from one full hour until another, in the member's zone; the same hour twice means never."""

    quiet_from: int = 21
    quiet_until: int = 9
    cap_per_day: int = 1
    cap_per_week: int = 3


DEFAULT = Policy()


class Oversight(NamedTuple):
    """Who looks before a push goes out, who gets none to compare with, and what stops a run that goes wrong."""

    needs_approval: bool = False  # by a second person
    global_holdout_bp: int = 0  # of the members, who get no promotion
    error_pause_bp: int = 2000  # of what was tried in a run …
    error_pause_after: int = 50  # … once so many were


def get_policy(chain_id: int) -> Policy:
    """The chain's own rules, or the ones every chain begins with."""
    row = db.session.get(PushPolicy, chain_id)
    return DEFAULT if row is None else Policy(*(getattr(row, name) for name in Policy._fields))


def get_oversight(chain_id: int) -> Oversight:
    """What the chain wants, or what every chain begins with."""
    row = db.session.get(PushPolicy, chain_id, populate_existing=True)
    return Oversight() if row is None else Oversight(*(getattr(row, name) for name in Oversight._fields))


def set_policy(chain_id: int, policy: Policy, *, by: Author, now: datetime) -> None:
    """Write the chain's rules down. Needs an open transaction; raises PolicyInvalid."""
    _check(policy)
    _set(chain_id, get_policy(chain_id)._asdict(), policy._asdict(), by=by, now=now)


def set_oversight(chain_id: int, oversight: Oversight, *, by: Author, now: datetime) -> None:
    """Write down who looks and what stops. Needs an open transaction; raises PolicyInvalid."""
    _check_oversight(oversight)
    _set(chain_id, get_oversight(chain_id)._asdict(), oversight._asdict(), by=by, now=now)


def _set(chain_id: int, before: dict[str, Any], values: dict[str, Any], *, by: Author, now: datetime) -> None:
    db.session.execute(
        insert(PushPolicy)
        .values(chain_id=chain_id, **values)
        .on_conflict_do_update(index_elements=["chain_id"], set_=values)
    )
    audit.note(
        "push policy changed",
        chain_id=chain_id,
        object_kind="push_policy",
        object_id=chain_id,
        by=by,
        at=now,
        before=before,
        after=values,
    )


def _check(policy: Policy) -> None:
    for part in ("quiet_from", "quiet_until"):
        if not 0 <= getattr(policy, part) <= 23:
            problem = Text("免打扰的时间是 0 到 23 点。", "quiet hours begin and end at 0 to 23 o'clock.")
            raise PolicyInvalid(problem, part)
    if not 1 <= policy.cap_per_day <= policy.cap_per_week <= 100:
        problem = Text("每天至少 1 条，每周不少于每天。", "at least one a day, and no fewer a week than a day.")
        raise PolicyInvalid(problem, "cap_per_week" if 1 <= policy.cap_per_day <= 100 else "cap_per_day")


def _check_oversight(oversight: Oversight) -> None:
    if not 0 <= oversight.global_holdout_bp <= MOST_HOLDOUT_BP:
        problem = Text("长期对照组最多 20%。", "at most 20 % of the members are held out for good.")
        raise PolicyInvalid(problem, "global_holdout_bp")
    for part, most in (("error_pause_bp", 10_000), ("error_pause_after", 1_000_000)):
        if not 1 <= getattr(oversight, part) <= most:
            problem = Text(
                "出错暂停：1% 到 100%，至少试过 1 条。",
                "it pauses at 1 to 100 % of at least one message that was tried.",
            )
            raise PolicyInvalid(problem, part)


def quiet_until(policy: Policy, timezone: str, *, now: datetime) -> datetime | None:
    """When the quiet hours end that ``now`` falls into, in the member's zone; None outside them."""
    local = now.astimezone(ZoneInfo(timezone))
    starts, ends = policy.quiet_from, policy.quiet_until
    over_midnight = starts > ends
    is_quiet = (local.hour >= starts or local.hour < ends) if over_midnight else starts <= local.hour < ends
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1) if over_midnight and local.hour >= starts else local.date()
    return datetime(day.year, day.month, day.day, ends, tzinfo=ZoneInfo(timezone)).astimezone(UTC)
