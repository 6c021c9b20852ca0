"""Offers as they travel: the rules that are sent, and what is answered."""

from datetime import UTC, date, datetime
from typing import Any

from marshmallow import Schema, fields, validate

from app.security import LARGEST
from coupons import terms
from coupons.drafts import MOST_STOCK, Draft
from coupons.models import MemberPrice, Offer, OfferKind, Stacking
from coupons.terms import Scope
from push.timing.scheduling import WEEKDAYS
from stores.models import Chain

plain_text = validate.ContainsNoneOf("\0")
CENTS = validate.Range(0, LARGEST)
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
CLOCK = validate.Regexp(r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", error="Write a time such as 14:00.")


def _number(description: str = "", *, most: int = LARGEST, needs: int | None = None) -> fields.Integer:
    """A rule that may be left out: null is without."""
    least = 0 if needs is None else needs
    metadata = {"description": description} if description else {}
    return fields.Integer(strict=True, allow_none=True, validate=validate.Range(least, most), metadata=metadata)


def _ids(what: str) -> fields.List:
    number = fields.Integer(strict=True, validate=validate.Range(1, LARGEST))
    return fields.List(
        number, metadata={"description": f"{what}; none means all"}, validate=validate.Length(max=10_000)
    )


def _moment(description: str) -> fields.AwareDateTime:
    in_range = validate.Range(EARLIEST, LATEST)
    metadata = {"description": description}
    return fields.AwareDateTime(format="iso", allow_none=True, validate=in_range, metadata=metadata)


class HoursSchema(Schema):
    """A span of the clock in the store."""

    since = fields.String(required=True, data_key="from", validate=CLOCK)
    until = fields.String(required=True, data_key="to", validate=CLOCK, metadata={"description": "exclusive"})


class OfferDraftSchema(Schema):
    """The rules of an offer. Money in minor units, percentages in basis points; null is without a limit."""

    name = fields.String(required=True, validate=plain_text)
    name_en = fields.String(required=True, validate=plain_text)
    kind = fields.String(required=True, validate=validate.OneOf(list(OfferKind)))
    value_cents = _number("of cash")
    percent_bp = _number("of percent, taken off: 1000 is 10 %")
    cap_cents = _number("of percent")
    item_name = fields.String(allow_none=True, validate=plain_text, metadata={"description": "of gift and fixed_price"})
    item_name_en = fields.String(allow_none=True, validate=plain_text)
    item_cents = _number("what the item costs without the coupon")
    price_cents = _number("of fixed_price: what it costs with the coupon")
    min_cents = fields.Integer(
        strict=True, validate=CENTS, metadata={"description": "of the amount before discounts, without the item"}
    )
    stock = _number(most=MOST_STOCK)
    per_member_limit = fields.Integer(strict=True, validate=validate.Range(1, 100))
    per_day_limit = _number("claims in one business day", most=MOST_STOCK)
    per_phone_limit = _number("with it, a verified phone is needed to claim", most=100)
    budget_cents = _number("the most that its coupons may take off together")
    valid_from = _moment("with valid_until: fixed dates")
    valid_until = _moment("exclusive")
    valid_days = _number("instead of fixed dates; the day of the claim included", most=3650)
    valid_delay_days = fields.Integer(strict=True, validate=validate.Range(0, 365))
    weekdays = fields.List(
        fields.String(validate=validate.OneOf(WEEKDAYS)), allow_none=True, metadata={"description": "null: every day"}
    )
    hours = fields.List(fields.Nested(HoursSchema), allow_none=True, metadata={"description": "null: all day"})
    blackout_dates = fields.List(fields.Date(validate=validate.Range(EARLIEST.date(), LATEST.date())), allow_none=True)
    stacking = fields.String(validate=validate.OneOf(list(Stacking)))
    stack_group = fields.String(
        allow_none=True, validate=plain_text, metadata={"description": "at most one of a group in a purchase"}
    )
    member_price = fields.String(validate=validate.OneOf(list(MemberPrice)))
    welcome_program_id = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, LARGEST),
        metadata={"description": "the welcome gift of this program"},
    )
    is_public = fields.Boolean()
    claim_word = fields.String(allow_none=True, validate=plain_text)
    staff_gift_limit = _number("how many one member of staff may give in a business day; null: none", most=1000)
    may_be_given = fields.Boolean(metadata={"description": "by a member to a friend"})
    hq_share_bp = fields.Integer(strict=True, validate=validate.Range(0, 10_000))
    store_ids = _ids("stores in which it can be used")
    program_ids = _ids("cards that can claim and use it")
    tier_ids = _ids("tiers that can claim and use it")


class OfferChangeSchema(OfferDraftSchema):
    """The rules that change; the others stay."""

    name = fields.String(validate=plain_text)
    name_en = fields.String(validate=plain_text)
    kind = fields.String(validate=validate.OneOf(list(OfferKind)))
    version = fields.String(
        validate=plain_text, metadata={"description": "of the rules you saw: refused when they are others by now"}
    )


class StockChangeSchema(Schema):
    """Another stock, if it still is what you saw."""

    stock = fields.Integer(required=True, strict=True, validate=validate.Range(1, MOST_STOCK))
    seen_stock = fields.Integer(required=True, strict=True, validate=validate.Range(0, MOST_STOCK))


class BudgetChangeSchema(Schema):
    """Another budget, if it still is what you saw."""

    budget_cents = fields.Integer(required=True, strict=True, validate=validate.Range(1, LARGEST))
    seen_budget_cents = fields.Integer(required=True, strict=True, validate=validate.Range(1, LARGEST))


class SentenceSchema(Schema):
    """One sentence in both languages."""

    zh = fields.String()
    en = fields.String()


class OfferSchema(OfferDraftSchema):
    """What a coupon gives and when. Money in minor units, percentages in basis points."""

    id = fields.Integer()
    state = fields.String()
    version = fields.String(metadata={"description": "of its rules"})
    sentence = fields.Nested(SentenceSchema, metadata={"description": "what the customer reads"})
    conditions = fields.List(fields.Nested(SentenceSchema), metadata={"description": "and what else he reads"})
    left = fields.Integer(allow_none=True, metadata={"description": "null where there is no limit"})
    claimed = fields.Integer()
    redeemed = fields.Integer()
    url = fields.String(allow_none=True, metadata={"description": "the public claim page"})
    submitted_at = fields.AwareDateTime(format="iso", allow_none=True)
    submitted_by = fields.String(allow_none=True)
    approved_at = fields.AwareDateTime(format="iso", allow_none=True)
    approved_by = fields.String(allow_none=True)
    created_at = fields.AwareDateTime(format="iso")


def rules_of(body: dict[str, Any]) -> dict[str, Any]:
    """What was sent, by the names and in the forms of a draft."""
    rules = dict(body)
    if "welcome_program_id" in rules:
        rules["program_id"] = rules.pop("welcome_program_id")
    if rules.get("weekdays") is not None:
        rules["weekdays"] = sum(1 << WEEKDAYS.index(day) for day in set(rules["weekdays"]))
    if rules.get("hours") is not None:
        rules["hours"] = [[_minute(span["since"]), _minute(span["until"])] for span in rules["hours"]]
    if rules.get("blackout_dates") is not None:
        rules["blackout_dates"] = [day.isoformat() for day in rules["blackout_dates"]]
    return rules | {name: tuple(rules[name]) for name in ("store_ids", "program_ids", "tier_ids") if name in rules}


def draft_shown(draft: Draft) -> dict[str, Any]:
    """A draft in the forms in which it is sent."""
    shown = dict(vars(draft))
    shown["welcome_program_id"] = shown.pop("program_id")
    if draft.weekdays is not None:
        shown["weekdays"] = [day for bit, day in enumerate(WEEKDAYS) if draft.weekdays >> bit & 1]
    if draft.hours is not None:
        shown["hours"] = [{"since": _clock(begin), "until": _clock(end)} for begin, end in draft.hours]
    if draft.blackout_dates is not None:
        shown["blackout_dates"] = [date.fromisoformat(day) for day in draft.blackout_dates]
    return shown


def said_of(offer: Offer, chain: Chain, scope: Scope) -> dict[str, Any]:
    """What the customer reads of an offer."""
    conditions = terms.conditions(offer, chain.timezone, cutoff_hour=chain.cutoff_hour, scope=scope)
    return {
        "sentence": terms.sentence(offer, chain.currency)._asdict(),
        "conditions": [text._asdict() for text in conditions],
    }


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
