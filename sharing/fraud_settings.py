"""What a chain does where a fraud rule is broken: nothing, ask a person, or refuse; and from how many on."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import bindparam, select

from core import audit
from core.audit import Author
from core.db import db, insert
from core.errors import Invalid
from core.text import Text
from sharing.reward_models import FraudAction, FraudRule, FraudSetting

LARGEST_THRESHOLD = 10_000


class FraudSettingInvalid(Invalid):
    """Not a rule that can be set, or a number that it does not take."""

    code = "fraud_setting_invalid"
    sentence = Text(
        f"规则只能设为关闭、待查或拒绝；有数量的规则要填 2 到 {LARGEST_THRESHOLD}。",
        f"A rule is off, flags or rejects; one that counts takes a number from 2 to {LARGEST_THRESHOLD}.",
    )


class Setting(NamedTuple):
    """What is done, and from how many on; None for a rule that counts nothing."""

    action: FraudAction
    threshold: int | None = None


# What every chain begins with. Rejected is only what is the same proven phone; everything else may be honest.
DEFAULTS = {
    FraudRule.OWN_PHONE: Setting(FraudAction.REJECT),
    FraudRule.EXISTING_MEMBER: Setting(FraudAction.REJECT),
    FraudRule.OWN_DEVICE: Setting(FraudAction.FLAG),
    FraudRule.DEVICE_CLUSTER: Setting(FraudAction.FLAG, 3),
    FraudRule.NETWORK_CLUSTER: Setting(FraudAction.FLAG, 10),
    FraudRule.VELOCITY: Setting(FraudAction.FLAG, 11),
    FraudRule.CLOSED_LOOP: Setting(FraudAction.FLAG),
    FraudRule.FARM: Setting(FraudAction.FLAG, 10),
}
OWN = select(FraudSetting.rule, FraudSetting.action, FraudSetting.threshold).where(
    FraudSetting.chain_id == bindparam("chain_id")
)


def get_settings(chain_id: int) -> dict[FraudRule, Setting]:
    """Every rule that a chain can set, in the order of FraudRule: its own setting, or the default."""
    rows = db.session.execute(OWN, {"chain_id": chain_id})
    own = {FraudRule(rule): Setting(FraudAction(action), threshold) for rule, action, threshold in rows}
    return {rule: own.get(rule, setting) for rule, setting in DEFAULTS.items()}


def set_settings(
    chain_id: int, settings: Iterable[tuple[FraudRule, Setting]], *, by: Author, now: datetime
) -> dict[FraudRule, Setting]:
    """Write rules down and what they were before; return all as they are now. Needs an open transaction.

    What was found stays on the record; a rule that is off no longer counts. Raises FraudSettingInvalid.
    """
    before = get_settings(chain_id)
    changed = {rule: setting for rule, setting in settings if _checked(rule, setting) != before[rule]}
    for rule, setting in changed.items():
        values = {"action": setting.action, "threshold": setting.threshold}
        db.session.execute(
            insert(FraudSetting)
            .values(chain_id=chain_id, rule=rule, **values)
            .on_conflict_do_update(index_elements=["chain_id", "rule"], set_=values)
        )
    if changed:
        audit.note(
            "fraud rules changed",
            chain_id=chain_id,
            object_kind="fraud_settings",
            object_id=chain_id,
            by=by,
            at=now,
            before={rule: _shown(before[rule]) for rule in changed},
            after={rule: _shown(setting) for rule, setting in changed.items()},
        )
    return before | changed


def _checked(rule: FraudRule, setting: Setting) -> Setting:
    usual = DEFAULTS.get(rule)
    if usual is None or setting.action not in list(FraudAction):
        raise FraudSettingInvalid()
    if (usual.threshold is None) != (setting.threshold is None):
        raise FraudSettingInvalid()
    if setting.threshold is not None and not 2 <= setting.threshold <= LARGEST_THRESHOLD:
        raise FraudSettingInvalid()
    return setting


def _shown(setting: Setting) -> dict[str, object]:
    return {"action": str(setting.action), "threshold": setting.threshold}
