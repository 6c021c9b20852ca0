"""The values of conditions as they are typed and ticked: read from inputs, and written back into them."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from babel.numbers import get_currency_precision
from sqlalchemy import select

from cards.models import Program
from cards.programs import default_program, tiers_of
from core.db import db
from core.money import parse_amount
from core.text import Text
from coupons.models import Offer, OfferState
from push.audiences.conditions.cards import STATES
from push.audiences.conditions.messages import CHANNELS
from push.audiences.conditions.who import ADDRESSES, LANGUAGES
from push.audiences.saved_segments import called, list_segments
from push.errors import AudienceInvalid
from push.models import Campaign, CampaignState, Purpose
from stores.models import Chain, Store

MOST_TICKED = 100  # stores to tick; with more, their numbers are typed
MOST_LISTED = 100  # offers and campaigns, the newest
UNREADABLE = -1  # what the domain refuses, in its own words
MONTHS_EN = "January February March April May June July August September October November December".split()
MONTHS = {str(number): Text(f"{number} 月", name) for number, name in enumerate(MONTHS_EN, 1)}
PURPOSES = {Purpose.PROMOTION: Text("促销", "Promotion"), Purpose.SERVICE: Text("服务通知", "Service")}


class Option(NamedTuple):
    """Something that can be ticked or chosen: its value in the form, and its words."""

    value: str
    words: Text


class Options:
    """What a chain's people can choose from; each list is read when a condition asks for it."""

    def __init__(self, chain: Chain, *, without_segment: int | None = None) -> None:
        self.chain = chain
        self.without_segment = without_segment

    @cached_property
    def stores(self) -> list[Option]:
        """All of them; none when there are too many to tick."""
        query = select(Store.id, Store.name).where(Store.chain_id == self.chain.id)
        rows = db.session.execute(query.order_by(Store.id).limit(MOST_TICKED + 1)).all()
        return [_same(row.id, row.name) for row in rows] if len(rows) <= MOST_TICKED else []

    @cached_property
    def tiers(self) -> list[Option]:
        return [_either(tier) for tier in tiers_of(default_program(self.chain.id).id)]

    @cached_property
    def programs(self) -> list[Option]:
        query = select(Program).where(Program.chain_id == self.chain.id).order_by(Program.id)
        return [_either(program) for program in db.session.scalars(query)]

    @cached_property
    def segments(self) -> list[Option]:
        found = [each for each in list_segments(self.chain.id, limit=500) if each.id != self.without_segment]
        return [Option(str(each.id), called(each)) for each in found]

    def listed(self, kind: str, chosen: Sequence[str]) -> list[Option]:
        """The options of a kind of input, with those that are chosen already."""
        if kind in FIXED:
            return [Option(str(value), _begun(words)) for value, words in FIXED[kind].items()]
        if kind in ("offers", "campaigns"):
            return self._newest(kind, chosen)
        options: list[Option] = getattr(self, {"store": "stores", "segment": "segments"}.get(kind, kind))
        return options

    def _newest(self, kind: str, chosen: Sequence[str]) -> list[Option]:
        model: Any = Offer if kind == "offers" else Campaign
        draft = OfferState.DRAFT if kind == "offers" else CampaignState.DRAFT
        ids = [whole(each) for each in chosen]
        query = select(model).where(model.chain_id == self.chain.id)
        newest = db.session.scalars(
            query.where(model.state != draft).order_by(model.id.desc()).limit(MOST_LISTED)
        ).all()
        known = {each.id for each in newest}
        others = [each for each in ids if each not in known and each > 0]
        more = db.session.scalars(query.where(model.id.in_(others))).all() if others else []
        return [_either(each) for each in [*newest, *more]]


FIXED: dict[str, Mapping[Any, Text]] = {
    "months": MONTHS,
    "languages": LANGUAGES,
    "address": ADDRESSES,
    "states": STATES,
    "channel": CHANNELS,
    "purpose": PURPOSES,
}


def _same(number: int, name: str) -> Option:
    return Option(str(number), Text(name, name))


def _either(thing: Any) -> Option:
    return Option(str(thing.id), Text(thing.name, getattr(thing, "name_en", "") or thing.name))


def _begun(words: Text) -> Text:
    """Beginning as a line does."""
    return Text(words.zh, words.en[:1].upper() + words.en[1:])


# --- reading --------------------------------------------------------------------------------------------------------


WHOLES = ("tiers", "programs", "offers", "campaigns", "months")
WORDS = ("languages", "states")
LISTS = ("stores", *WHOLES, *WORDS)


def whole(text: str) -> int:
    text = text.strip().replace(",", "").replace("，", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else UNREADABLE


def _wholes(typed: Sequence[str], _options: Options) -> list[int]:
    return [whole(each) for each in typed]


def _cents(typed: Sequence[str], options: Options) -> int:
    currency = options.chain.currency
    cents = parse_amount(typed[0], currency)
    if cents is None and typed[0].strip():
        such_as = "50.50" if get_currency_precision(currency) else "50"
        raise AudienceInvalid(
            Text(f"金额要写成数字，如 {such_as}。", f"write the amount as a number such as {such_as}.")
        )
    return UNREADABLE if cents is None else cents


def _degrees(typed: Sequence[str], _options: Options) -> float:
    try:
        return float(typed[0].replace("，", "."))
    except ValueError:
        return 1000.0  # nowhere


def _stores(typed: Sequence[str], options: Options) -> list[int]:
    """Ticked by their ids, or typed by their numbers."""
    if options.stores:
        return _wholes(typed, options)
    codes = [code.strip() for line in typed for code in line.replace("，", ",").replace("\n", ",").split(",")]
    codes = list(dict.fromkeys(code for code in codes if code))
    rows = db.session.execute(
        select(Store.code, Store.id).where(Store.chain_id == options.chain.id, Store.code.in_(codes))
    )
    known = {row.code: row.id for row in rows}
    unknown = [code for code in codes if code not in known]
    if unknown:
        few = ", ".join(unknown[:5])
        raise AudienceInvalid(Text(f"没有编号为 {few} 的门店。", f"there is no store with the number {few}."))
    return [known[code] for code in codes]


def _store(typed: Sequence[str], options: Options) -> int:
    found = _stores(typed, options)
    return found[0] if found else UNREADABLE


READERS: dict[str, Callable[[Sequence[str], Options], Any]] = {
    "whole": lambda typed, _: whole(typed[0]),
    "lately": lambda typed, _: whole(typed[0]) if typed[0].strip() else None,
    "money": _cents,
    "day": lambda typed, _: typed[0].strip(),
    "degrees": _degrees,
    "stores": _stores,
    "store": _store,
    "segment": lambda typed, _: whole(typed[0]) if typed[0].strip() else None,
    **dict.fromkeys(WHOLES, _wholes),
    **dict.fromkeys(WORDS, lambda typed, _: list(typed)),
    **dict.fromkeys(("address", "channel", "purpose"), lambda typed, _: typed[0]),
}


def read(kind: str, typed: Sequence[str], options: Options) -> Any:
    """What was typed, as the domain takes it. Nonsense is passed on, for the domain to refuse with its reason."""
    return READERS[kind](typed if kind in LISTS else typed or [""], options)


# --- writing --------------------------------------------------------------------------------------------------------


def write(kind: str, value: Any, options: Options) -> list[str]:
    """A value of the domain, as it could have been typed."""
    if value is None:
        return []
    if kind == "money":
        places = get_currency_precision(options.chain.currency)
        return [f"{value / 10**places:.{places}f}".removesuffix("." + "0" * places)]
    if kind in ("store", "stores") and not options.stores:
        ids = value if isinstance(value, list) else [value]
        query = select(Store.code).where(Store.chain_id == options.chain.id, Store.id.in_(ids)).order_by(Store.id)
        return [", ".join(db.session.scalars(query))]
    if isinstance(value, float):
        return [f"{value:g}"]
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]
