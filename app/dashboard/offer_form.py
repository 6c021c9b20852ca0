"""The editor of an offer: what a person typed, as rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, DecimalException
from typing import Any

from flask_babel import gettext as _

from app.dashboard.offer_times import read_dates, read_hours
from core.clock import day_start
from core.money import parse_amount
from coupons.drafts import MOST_STOCK, Draft
from coupons.hours import EVERY_DAY
from coupons.models import MemberPrice, OfferKind, Stacking
from stores.models import Chain

LONGEST_NAME, LONGEST_NAME_EN = 60, 80
DAYS, DATES = "days", "dates"
WEEKDAYS = range(7)
FRESH = {
    "kind": OfferKind.CASH,
    "per_member_limit": "1",
    "validity": DAYS,
    "valid_days": "30",
    "is_public": "yes",
    "may_be_given": "yes",
    "stacking": Stacking.EXCLUSIVE,
    "member_price": MemberPrice.ON_TOP,
    "hq_share": "100",
} | {f"weekday_{day}": "yes" for day in WEEKDAYS}

FindStores = Callable[[Sequence[str]], Mapping[str, int]]  # codes to ids; what is not there is not in it


def _no_stores(_codes: Sequence[str]) -> Mapping[str, int]:
    return {}


@dataclass
class OfferForm:
    """What was typed, kept as it was typed, and what is wrong with it, field by field.

    Stores are typed by their codes, or ticked as ``store_7``; programs and tiers are ticked.
    """

    chain: Chain
    typed: Mapping[str, str]
    find_stores: FindStores = _no_stores
    errors: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.typed.get(name, "").strip()

    @property
    def kind(self) -> OfferKind:
        return OfferKind(self["kind"]) if self["kind"] in list(OfferKind) else OfferKind.CASH

    def draft(self) -> Draft:
        """The rules. Where ``errors`` is not empty afterwards, they are not to be used."""
        zh, en = self._names()
        stackable = self["stacking"] == Stacking.STACKABLE
        rules: dict[str, Any] = self._worth() | self._limits() | self._validity() | self._times()
        return Draft(
            name=zh,
            name_en=en,
            kind=self.kind,
            min_cents=(self._amount("minimum") if self["minimum"] else 0) or 0,
            program_id=self._whole("program_id", most=2**62) if self["program_id"] else None,
            is_public=bool(self["is_public"]),
            may_be_given=bool(self["may_be_given"]),
            claim_word=self["claim_word"] or None,
            stacking=Stacking.STACKABLE if stackable else Stacking.EXCLUSIVE,
            stack_group=(self["stack_group"] or None) if stackable else None,
            member_price=MemberPrice.INSTEAD if self["member_price"] == MemberPrice.INSTEAD else MemberPrice.ON_TOP,
            hq_share_bp=self._basis_points("hq_share", least=0) if self["hq_share"] else 10_000,
            store_ids=self._stores(),
            program_ids=self.ticked("program"),
            tier_ids=self.ticked("tier"),
            **rules,
        )

    def _names(self) -> tuple[str, str]:
        zh, en = self["name"], self["name_en"]
        if not zh:
            self.errors["name"] = _("Give it a name that customers will read.")
        elif len(zh) > LONGEST_NAME:
            self.errors["name"] = _("At most %(most)s characters.", most=LONGEST_NAME)
        if len(en) > LONGEST_NAME_EN:
            self.errors["name_en"] = _("At most %(most)s characters.", most=LONGEST_NAME_EN)
        return zh, en or zh

    def _worth(self) -> dict[str, Any]:
        if self.kind == OfferKind.CASH:
            return {"value_cents": self._amount("value")}
        if self.kind == OfferKind.PERCENT:
            return {
                "percent_bp": self._basis_points("percent"),
                "cap_cents": self._amount("cap") if self["cap"] else None,
            }
        return self._item()

    def _item(self) -> dict[str, Any]:
        name, name_en = self["item_name"], self["item_name_en"]
        if not name:
            self.errors["item_name"] = _("Say what the item is.")
        price, paid = self._amount("item_price"), None
        if self.kind == OfferKind.FIXED_PRICE:
            paid = self._amount("price")
            if price and paid and paid >= price:
                self.errors["price"] = _("It has to be below the usual price.")
        return {"item_name": name, "item_name_en": name_en or name, "item_cents": price, "price_cents": paid}

    def _limits(self) -> dict[str, Any]:
        most = {"stock": MOST_STOCK, "per_day_limit": MOST_STOCK, "per_phone_limit": 100, "staff_gift_limit": 1000}
        limits: dict[str, Any] = {
            name: self._whole(name, most=number) if self[name] else None for name, number in most.items()
        }
        limits["per_member_limit"] = self._whole("per_member_limit", most=100) or 1
        limits["budget_cents"] = self._amount("budget") if self["budget"] else None
        if limits["budget_cents"] and self.kind == OfferKind.PERCENT and not self["cap"]:
            self.errors["cap"] = _("With a budget, say how much one coupon takes off at most.")
        return limits

    def _validity(self) -> dict[str, Any]:
        if self["validity"] != DATES:
            delay = self._whole("valid_delay", most=365, least=0) if self["valid_delay"] else 0
            return {"valid_days": self._whole("valid_days", most=3650), "valid_delay_days": delay or 0}
        first, last = self._day("valid_from"), self._day("valid_to")
        if first is None or last is None:
            return {}
        if last < first:
            self.errors["valid_to"] = _("The last day cannot come before the first.")
            return {}
        zone, cutoff = self.chain.timezone, self.chain.cutoff_hour
        return {
            "valid_from": day_start(first, zone, cutoff),
            "valid_until": day_start(last + timedelta(days=1), zone, cutoff),
        }

    def _times(self) -> dict[str, Any]:
        weekdays = sum(1 << day for day in WEEKDAYS if self[f"weekday_{day}"])
        if not weekdays:
            self.errors["weekdays"] = _("Choose at least one day of the week.")
        hours, dates = read_hours(self["hours"]), read_dates(self["blackout_dates"])
        if hours is None:
            self.errors["hours"] = _("Write hours like 14:00-17:00, several with a comma between them.")
        if dates is None:
            self.errors["blackout_dates"] = _("Write days like 2026-10-01, or 2026-10-01..2026-10-07 for several.")
        return {
            "weekdays": None if weekdays in (0, EVERY_DAY) else weekdays,
            "hours": hours or None,
            "blackout_dates": dates or None,
        }

    def _stores(self) -> tuple[int, ...]:
        codes = [code for code in self["store_codes"].replace("，", ",").replace("\n", ",").split(",") if code.strip()]
        codes = list(dict.fromkeys(code.strip() for code in codes))
        found = self.find_stores(codes) if codes else {}
        unknown = [code for code in codes if code not in found]
        if unknown:
            self.errors["store_codes"] = _("There is no store %(codes)s.", codes=", ".join(unknown[:5]))
        return (*self.ticked("store"), *found.values())

    def ticked(self, what: str) -> tuple[int, ...]:
        """The numbers of boxes such as ``tier_3``."""
        numbers = (name.removeprefix(f"{what}_") for name in self.typed if name.startswith(f"{what}_"))
        readable = (number for number in numbers if number.isascii() and number.isdecimal() and len(number) < 19)
        return tuple(sorted(map(int, readable)))

    def _amount(self, name: str) -> int | None:
        cents = parse_amount(self[name], self.chain.currency)
        if cents is None or cents <= 0:
            self.errors[name] = _("Write an amount above zero, such as 5 or 5.50.")
            return None
        return cents

    def _basis_points(self, name: str, *, least: int = 1) -> int:
        try:
            points = Decimal(self[name].rstrip("%％")) * 100
        except DecimalException:
            points = Decimal(-1)
        if not points.is_finite() or points != points.to_integral_value() or not least <= points <= 10_000:
            self.errors[name] = (
                _("Write how many per cent come off, from 0.01 to 100.") if least else _("Write 0 to 100 per cent.")
            )
            return 0
        return int(points)

    def _whole(self, name: str, *, most: int, least: int = 1) -> int | None:
        text = self[name].replace(",", "").replace("，", "")
        if not (text.isascii() and text.isdecimal() and len(text) < 19 and least <= int(text) <= most):
            self.errors[name] = _("Write a whole number from %(least)s to %(most)s.", least=least, most=f"{most:,}")
            return None
        return int(text)

    def _day(self, name: str) -> date | None:
        try:
            day = date.fromisoformat(self[name])
        except ValueError:
            day = date.min
        if not 2000 <= day.year <= 2200:
            self.errors[name] = _("Choose a day.")
            return None
        return day


def says_what_comes_off(errors: Mapping[str, str]) -> bool:
    """Whether what was typed makes a coupon that can be shown."""
    return not {"value", "percent", "cap", "minimum", "item_name", "item_price", "price"} & set(errors)


def says_its_conditions(errors: Mapping[str, str]) -> bool:
    """Whether what was typed says when and how it can be used."""
    return not set(errors) - {"name", "name_en", "claim_word", "hq_share", "program_id", "staff_gift_limit"}
