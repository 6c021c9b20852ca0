"""Judging a referral: which fraud rules it breaks, what is done about each, and what a person says to that.

A finding is written down once for each rule and stays open until a person dismisses it; what a person dismissed, no
rule brings up again.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, select, update

from core import audit
from core.audit import Author
from core.db import db, insert
from core.errors import NotFound
from core.text import Text
from sharing.fraud_facts import get_subject
from sharing.fraud_rules import RULES, Found
from sharing.fraud_settings import get_settings
from sharing.models import Referral
from sharing.reward_models import FraudAction, FraudFinding, FraudRule

LONGEST_REASON = 200
SEVERITY = [FraudAction.REJECT, FraudAction.FLAG]
KNOWN = select(FraudFinding.rule, FraudFinding.action, FraudFinding.dismissed_at).where(
    FraudFinding.referral_id == bindparam("referral_id")
)


class FindingNotFound(NotFound):
    """No open finding of this chain."""

    code = "fraud_finding_not_found"
    sentence = Text("没有这条待处理的风险记录。", "There is no such open finding.")


class ReferralNotFound(NotFound):
    code = "referral_not_found"
    sentence = Text("没有这条推荐关系。", "There is no such referral.")


class Verdict(NamedTuple):
    """The strictest that stands against a referral: what is done, by which rule."""

    action: FraudAction  # flag or reject
    rule: FraudRule


def judge(chain_id: int, referral_id: int, *, now: datetime) -> Verdict | None:
    """Look at a referral by every rule of its chain; write down what is found, and say the strictest of what stands.

    What was found before stands until a person dismisses it, also when it is no longer seen; None: nothing does. May
    be called any number of times. Needs an open transaction; raises ReferralNotFound.
    """
    seen = get_subject(chain_id, referral_id)
    if seen is None:
        raise ReferralNotFound()
    settings = get_settings(chain_id)
    standing, dismissed = _known(referral_id)
    for rule, setting in settings.items():
        if setting.action == FraudAction.OFF or rule in dismissed:
            standing.pop(rule, None)
            continue
        found = RULES[rule](seen, setting.threshold or 0, now)
        if found is None:
            continue
        action = setting.action if found.is_sure else FraudAction.FLAG
        if _write_down(chain_id, referral_id, rule, action, found, now):
            standing[rule] = action
    return _strictest(standing)


def find_wrong(chain_id: int, referral_id: int, *, reason: str, by: Author, now: datetime) -> Verdict:
    """A person says that a referral is wrong, in his own words. Needs an open transaction; raises ReferralNotFound."""
    if db.session.scalar(select(Referral.id).filter_by(id=referral_id, chain_id=chain_id)) is None:
        raise ReferralNotFound()
    values = {"action": FraudAction.REJECT, "evidence": {"by": by.name, "reason": reason[:LONGEST_REASON]}}
    open_again = {"found_at": now, "dismissed_at": None, "dismissed_by": None, "dismiss_reason": None}
    db.session.execute(
        insert(FraudFinding)
        .values(chain_id=chain_id, referral_id=referral_id, rule=FraudRule.PERSON, **values, found_at=now)
        .on_conflict_do_update(index_elements=["referral_id", "rule"], set_=values | open_again)
    )
    _note("referral found wrong", chain_id, referral_id, by, now, {"reason": reason[:LONGEST_REASON]})
    return Verdict(FraudAction.REJECT, FraudRule.PERSON)


def dismiss(chain_id: int, finding_id: int, *, reason: str, by: Author, now: datetime) -> int:
    """A person says that a finding is nothing; no rule brings it up again. Return its referral.

    Needs an open transaction; raises FindingNotFound, also when somebody was first.
    """
    return _dismiss(chain_id, FraudFinding.id == finding_id, reason, by, now)[0]


def dismiss_all(chain_id: int, referral_id: int, *, reason: str, by: Author, now: datetime) -> int:
    """Dismiss whatever stands against a referral; return how many findings. Needs an open transaction."""
    try:
        return len(_dismiss(chain_id, FraudFinding.referral_id == referral_id, reason, by, now))
    except FindingNotFound:
        return 0


def _dismiss(chain_id: int, which: object, reason: str, by: Author, now: datetime) -> list[int]:
    gone = db.session.execute(
        update(FraudFinding)
        .where(FraudFinding.chain_id == chain_id, which, FraudFinding.dismissed_at.is_(None))  # type: ignore[arg-type]
        .values(dismissed_at=now, dismissed_by=by.name, dismiss_reason=reason[:LONGEST_REASON])
        .returning(FraudFinding.referral_id, FraudFinding.rule)
        .execution_options(synchronize_session=False)
    ).all()
    if not gone:
        raise FindingNotFound()
    rules = sorted(rule for _, rule in gone)
    _note("fraud finding dismissed", chain_id, gone[0][0], by, now, {"rules": rules, "reason": reason[:LONGEST_REASON]})
    return [referral_id for referral_id, _ in gone]


def _known(referral_id: int) -> tuple[dict[FraudRule, FraudAction], set[FraudRule]]:
    """What stands against a referral already, and what a person has dismissed."""
    standing, dismissed = {}, set()
    for rule, action, dismissed_at in db.session.execute(KNOWN, {"referral_id": referral_id}):
        if dismissed_at is None:
            standing[FraudRule(rule)] = FraudAction(action)
        else:
            dismissed.add(FraudRule(rule))
    return standing, dismissed


def _write_down(
    chain_id: int, referral_id: int, rule: FraudRule, action: FraudAction, found: Found, now: datetime
) -> bool:
    """A new finding, or the open one with what is seen now; False when a person has just dismissed it."""
    values = {"action": action, "evidence": found.evidence}
    written = db.session.scalar(
        insert(FraudFinding)
        .values(chain_id=chain_id, referral_id=referral_id, rule=rule, found_at=now, **values)
        .on_conflict_do_update(
            index_elements=["referral_id", "rule"], set_=values, where=FraudFinding.dismissed_at.is_(None)
        )
        .returning(FraudFinding.id)
    )
    return written is not None


def _strictest(standing: dict[FraudRule, FraudAction]) -> Verdict | None:
    order = list(FraudRule)
    verdicts = [Verdict(action, rule) for rule, action in standing.items()]
    return min(verdicts, key=lambda each: (SEVERITY.index(each.action), order.index(each.rule)), default=None)


def _note(action: str, chain_id: int, referral_id: int, by: Author, now: datetime, after: dict[str, object]) -> None:
    audit.note(action, chain_id=chain_id, object_kind="referral", object_id=referral_id, by=by, at=now, after=after)
