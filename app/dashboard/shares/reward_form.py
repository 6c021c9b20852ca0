"""The form of a reward rule: what a person typed, as a draft, and what is wrong with it field by field."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _

from app.dashboard.figures import amount, number, plain_amount
from core.errors import DomainError
from sharing.reward_models import RewardSide, RewardTrigger
from sharing.reward_rules import (
    LONGEST_HOLD,
    LONGEST_NAME,
    LONGEST_NAME_EN,
    LONGEST_WITHIN,
    MOST_CAP,
    MOST_CENTS,
    MOST_POINTS,
    RuleDraft,
)

NOTHING, COUPON, POINTS = "nothing", "coupon", "points"
FRESH = {
    "trigger": RewardTrigger.FIRST_PURCHASE,
    "within_days": "30",
    "hold_days": "7",
    "referrer_gets": COUPON,
    "friend_gets": NOTHING,
}


@dataclass
class RuleForm:
    """What was typed, kept as it was typed."""

    currency: str
    typed: Mapping[str, str]
    offer_ids: frozenset[int]  # that may be chosen
    errors: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.typed.get(name, "").strip()

    @property
    def is_purchase(self) -> bool:
        return self["trigger"] != RewardTrigger.CARD_ISSUED

    def draft(self) -> RuleDraft:
        """The rule. Where ``errors`` is not empty afterwards, it is not to be used."""
        name, name_en = self["name"], self["name_en"] or self["name"]
        if not name:
            self.errors["name"] = _("Give it a name.")
        elif len(name) > LONGEST_NAME:
            self.errors["name"] = _("The name is too long.")
        elif len(name_en) > LONGEST_NAME_EN:
            self.errors["name_en"] = _("The name is too long.")
        values: dict[str, Any] = self._gift(RewardSide.REFERRER) | self._gift(RewardSide.FRIEND)
        if self.is_purchase:
            values["min_cents"] = self._amount("minimum", least=0) or 0
            values["within_days"] = self._whole("within_days", 1, LONGEST_WITHIN, is_needed=True)
        if {self["referrer_gets"], self["friend_gets"]} <= {NOTHING, ""}:
            self.errors["friend_gets"] = _("Give something to one side at least.")
        return RuleDraft(
            name=name,
            name_en=name_en,
            trigger=RewardTrigger.FIRST_PURCHASE if self.is_purchase else RewardTrigger.CARD_ISSUED,
            hold_days=self._whole("hold_days", 0, LONGEST_HOLD, is_needed=True) or 0,
            per_day_cap=self._whole("per_day_cap", 1, MOST_CAP),
            lifetime_cap=self._whole("lifetime_cap", 1, MOST_CAP),
            budget_cents=self._amount("budget", least=1),
            **values,
        )

    def _gift(self, side: RewardSide) -> dict[str, int | None]:
        gets = self[f"{side}_gets"]
        gift: dict[str, int | None] = {}
        if gets == COUPON:
            offer_id = self._whole(f"{side}_offer", 1, 2**53)
            if offer_id not in self.offer_ids:
                self.errors.setdefault(f"{side}_offer", _("Choose an offer."))
            gift[f"{side}_offer_id"] = offer_id
        elif gets == POINTS:
            gift[f"{side}_points"] = self._whole(f"{side}_points", 1, MOST_POINTS, is_needed=True)
        if gift:
            gift[f"{side}_cost_cents"] = self._amount(f"{side}_cost", least=0)
        return gift

    def _whole(self, name: str, least: int, most: int, *, is_needed: bool = False) -> int | None:
        text = self[name].replace(",", "").replace("，", "")
        if not text and not is_needed:
            return None
        try:
            found = number(text)
        except DomainError:
            found = None
        if found is None or not least <= found <= most:
            self.errors[name] = _("A whole number from %(least)s to %(most)s.", least=f"{least:,}", most=f"{most:,}")
            return None
        return found

    def _amount(self, name: str, *, least: int) -> int | None:
        if not self[name]:
            return None
        try:
            cents = amount(self[name], self.currency)
        except DomainError:
            cents = -1
        if not least <= cents <= MOST_CENTS:
            self.errors[name] = _("An amount such as 500 or 12.50.")
            return None
        return cents


def typed_of(draft: RuleDraft, currency: str) -> dict[str, str]:
    """A rule as the form shows it."""

    def cash(cents: int | None) -> str:
        return "" if not cents else plain_amount(cents, currency)

    typed = {
        "name": draft.name,
        "name_en": draft.name_en,
        "trigger": draft.trigger,
        "minimum": cash(draft.min_cents),
        "within_days": str(draft.within_days or FRESH["within_days"]),
        "hold_days": str(draft.hold_days),
        "per_day_cap": str(draft.per_day_cap or ""),
        "lifetime_cap": str(draft.lifetime_cap or ""),
        "budget": cash(draft.budget_cents),
    }
    for side in RewardSide:
        offer_id, points = getattr(draft, f"{side}_offer_id"), getattr(draft, f"{side}_points")
        typed |= {
            f"{side}_gets": COUPON if offer_id else POINTS if points else NOTHING,
            f"{side}_offer": str(offer_id or ""),
            f"{side}_points": str(points or ""),
            f"{side}_cost": cash(getattr(draft, f"{side}_cost_cents")),
        }
    return typed
