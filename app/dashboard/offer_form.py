"""The editor of an offer: what a person typed, as rules; and rules, as a person would type them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from babel.numbers import get_currency_precision
from flask_babel import gettext as _

from core.clock import business_day, day_start
from core.money import parse_amount
from coupons import terms
from coupons.models import OfferKind
from coupons.offers import MOST_STOCK, Draft
from stores.models import Chain

LONGEST_NAME, LONGEST_NAME_EN = 60, 80
DAYS, DATES = "days", "dates"
FRESH = {
    "kind": OfferKind.CASH,
    "per_member_limit": "1",
    "validity": DAYS,
    "valid_days": "30",
    "is_public": "yes",
}


@dataclass
class OfferForm:
    """What was typed, kept as it was typed, and what is wrong with it, field by field."""

    chain: Chain
    typed: Mapping[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.typed.get(name, "").strip()

    def draft(self) -> Draft:
        """The rules. Where ``errors`` is not empty afterwards, they are not to be used."""
        is_cash = self["kind"] == OfferKind.CASH
        minimum = self._amount("minimum") if self["minimum"] else 0
        worth = self._worth(is_cash)
        zh, en = self._names()
        period = self._validity()
        return Draft(
            name=zh,
            name_en=en,
            kind=OfferKind.CASH if is_cash else OfferKind.PERCENT,
            min_cents=minimum or 0,
            stock=self._whole("stock", most=MOST_STOCK) if self["stock"] else None,
            per_member_limit=self._whole("per_member_limit", most=100) or 1,
            program_id=self._whole("program_id", most=2**62) if self["program_id"] else None,
            is_public=bool(self["is_public"]),
            **worth,
            **period,
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

    def _worth(self, is_cash: bool) -> dict[str, int | None]:
        if is_cash:
            return {"value_cents": self._amount("value"), "percent_bp": None, "cap_cents": None}
        cap = self._amount("cap") if self["cap"] else None
        return {"value_cents": None, "percent_bp": self._basis_points("percent"), "cap_cents": cap}

    def _validity(self) -> dict[str, datetime | int | None]:
        if self["validity"] != DATES:
            return {"valid_days": self._whole("valid_days", most=3650)}
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

    def _amount(self, name: str) -> int | None:
        cents = parse_amount(self[name], self.chain.currency)
        if cents is None or cents <= 0:
            self.errors[name] = _("Write an amount above zero, such as 5 or 5.50.")
            return None
        return cents

    def _basis_points(self, name: str) -> int | None:
        try:
            points = Decimal(self[name].rstrip("%％")) * 100
        except InvalidOperation:
            points = Decimal(0)
        if not points.is_finite() or points != points.to_integral_value() or not 1 <= points <= 10_000:
            self.errors[name] = _("Write how many per cent come off, from 0.01 to 100.")
            return None
        return int(points)

    def _whole(self, name: str, *, most: int) -> int | None:
        text = self[name].replace(",", "").replace("，", "")
        if not (text.isascii() and text.isdecimal() and len(text) < 19 and 1 <= int(text) <= most):
            self.errors[name] = _("Write a whole number from 1 to %(most)s.", most=f"{most:,}")
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


def typed_of(draft: Draft, chain: Chain) -> dict[str, str]:
    """Rules as they would be typed into the editor."""
    typed = {
        "name": draft.name,
        "name_en": draft.name_en,
        "kind": draft.kind,
        "value": _typed_amount(draft.value_cents, chain.currency),
        "percent": _plain(Decimal(draft.percent_bp) / 100) if draft.percent_bp else "",
        "cap": _typed_amount(draft.cap_cents, chain.currency),
        "minimum": _typed_amount(draft.min_cents or None, chain.currency),
        "stock": str(draft.stock or ""),
        "per_member_limit": str(draft.per_member_limit),
        "program_id": str(draft.program_id or ""),
        "is_public": "yes" if draft.is_public else "",
        "validity": DAYS,
        "valid_days": str(draft.valid_days or 30),
    }
    if draft.valid_from is not None and draft.valid_until is not None:
        zone, cutoff = chain.timezone, chain.cutoff_hour
        typed |= {
            "validity": DATES,
            "valid_from": business_day(draft.valid_from, zone, cutoff).isoformat(),
            "valid_to": business_day(draft.valid_until - timedelta(microseconds=1), zone, cutoff).isoformat(),
        }
    return typed


def currency_sign(currency: str) -> str:
    """What stands before an amount: ¥."""
    return terms.short_money(0, currency, "en").rstrip("0")


def _typed_amount(cents: int | None, currency: str) -> str:
    return "" if cents is None else _plain(Decimal(cents).scaleb(-get_currency_precision(currency)))


def _plain(figure: Decimal) -> str:
    text = f"{figure:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
