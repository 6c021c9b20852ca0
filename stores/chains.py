"""Chains: the tenants."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol
from zoneinfo import available_timezones

from babel.numbers import is_currency
from sqlalchemy import select

from core import audit
from core.audit import Author
from core.db import db, insert
from core.errors import Conflict, Invalid, NotFound
from core.text import Text
from stores.models import DEFAULT_ACCENT, Chain
from stores.queries import get_chain

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,38}")
COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
LATEST_CUTOFF = 12
LONGEST_NAMES = 80, 80  # characters of a chain's names in Chinese and in English


class ChainNotFound(NotFound):
    """No chain has this slug."""

    code = "chain_not_found"
    sentence = Text("没有这个连锁品牌：{slug}", "There is no chain {slug}.")


class SlugTaken(Conflict):
    """Another chain has this slug."""

    code = "slug_taken"
    sentence = Text("这个代号已经有人用了。", "Another chain has this slug.")


class SlugInvalid(Invalid):
    """2 to 39 small letters, digits and hyphens."""

    code = "slug_invalid"
    sentence = Text("代号用 2 到 39 个小写字母、数字或连字符。", "A slug has 2 to 39 small letters, digits or hyphens.")


class TimezoneUnknown(Invalid):
    """No IANA time zone has this name."""

    code = "timezone_unknown"
    sentence = Text(
        "“{timezone}”不是已知的时区，请写成 Asia/Shanghai 这样的名称。",
        "“{timezone}” is not a time zone we know. Write a name such as Asia/Shanghai.",
    )


class CurrencyUnknown(Invalid):
    """No ISO 4217 currency has this code."""

    code = "currency_unknown"
    sentence = Text("没有这种货币：{currency}", "There is no currency {currency}; write CNY, for example.")


class NameMissing(Invalid):
    """It needs a name in both languages."""

    code = "name_missing"
    sentence = Text("请把中英文名称都写上。", "It needs a name in both languages.")


class NamesTooLong(Invalid):
    """No place to write it."""

    code = "names_too_long"
    sentence = Text(
        "名称太长：中文最多 {zh} 字，英文最多 {en} 字。",
        "The name is too long: at most {zh} characters in Chinese, {en} in English.",
    )


class ColourInvalid(Invalid):
    """A hash and six hex digits."""

    code = "colour_invalid"
    sentence = Text("颜色要写成 #C8402F 这样。", "A colour is written like #C8402F.")


class CutoffInvalid(Invalid):
    """The business day ends between midnight and noon."""

    code = "cutoff_invalid"
    sentence = Text("营业日要在 0 点到 12 点之间结束。", "A business day ends between midnight and 12 o'clock.")


@dataclass(frozen=True)
class ChainSettings:
    """What head office may change of its chain. The currency stays: amounts are written in it."""

    name: str
    name_en: str
    timezone: str
    cutoff_hour: int
    accent: str
    language: str


@dataclass(frozen=True)
class NewChain:
    """What a chain is called and where it lives."""

    slug: str
    name: str
    name_en: str
    timezone: str = "Asia/Shanghai"
    currency: str = "CNY"
    language: str = "zh"
    accent: str = DEFAULT_ACCENT
    cutoff_hour: int = 0


def create_chain(new: NewChain, *, by: Author, now: datetime) -> Chain:
    """Add a chain. Needs an open transaction; raises SlugTaken, SlugInvalid, TimezoneUnknown, CurrencyUnknown."""
    if not SLUG.fullmatch(new.slug):
        raise SlugInvalid()
    if new.timezone not in available_timezones():
        raise TimezoneUnknown(timezone=new.timezone)
    if not is_currency(new.currency):
        raise CurrencyUnknown(currency=new.currency)
    chain: Chain | None = db.session.scalar(
        insert(Chain)
        .values(created_at=now, **asdict(new))
        .on_conflict_do_nothing(index_elements=["slug"])
        .returning(Chain)
    )
    if chain is None:
        raise SlugTaken()
    audit.note(
        "chain created", chain_id=chain.id, object_kind="chain", object_id=chain.id, by=by, at=now, after=asdict(new)
    )
    return chain


def settings_of(chain: Chain) -> ChainSettings:
    return ChainSettings(**{name: getattr(chain, name) for name in ChainSettings.__dataclass_fields__})


def edit_chain(chain_id: int, settings: ChainSettings, *, by: Author, now: datetime) -> None:
    """Change a chain's own settings. Needs an open transaction; raises Invalid and its kinds."""
    _check(settings)
    chain = get_chain(chain_id)
    before = asdict(settings_of(chain))
    changed = {name: value for name, value in asdict(settings).items() if value != before[name]}
    if not changed:
        return
    for name, value in changed.items():
        setattr(chain, name, value)
    old = {name: before[name] for name in changed}
    audit.note(
        "chain changed",
        chain_id=chain_id,
        object_kind="chain",
        object_id=chain_id,
        by=by,
        at=now,
        before=old,
        after=changed,
    )


class Named(Protocol):
    """What has a name in both languages."""

    @property
    def name(self) -> str: ...
    @property
    def name_en(self) -> str: ...


def check_names(named: Named, zh: int, en: int) -> None:
    """Raises NameMissing, and NamesTooLong beyond so many characters."""
    if not named.name.strip() or not named.name_en.strip():
        raise NameMissing()
    if len(named.name) > zh or len(named.name_en) > en:
        raise NamesTooLong(zh=zh, en=en)


def _check(settings: ChainSettings) -> None:
    check_names(settings, *LONGEST_NAMES)
    if settings.timezone not in available_timezones():
        raise TimezoneUnknown(timezone=settings.timezone)
    if not 0 <= settings.cutoff_hour <= LATEST_CUTOFF:
        raise CutoffInvalid()
    if not COLOUR.fullmatch(settings.accent):
        raise ColourInvalid()
    if settings.language not in ("zh", "en"):
        raise Invalid()


def find_chain(slug: str | None = None) -> Chain:
    """The chain of a slug; without one, the only chain there is. Raises ChainNotFound."""
    query = select(Chain)
    if slug is not None:
        query = query.where(Chain.slug == slug)
    chains = db.session.scalars(query.limit(2)).all()
    if len(chains) != 1:
        raise ChainNotFound(slug=slug or "--chain")
    return chains[0]


def list_chains() -> Sequence[Chain]:
    return db.session.scalars(select(Chain).order_by(Chain.slug)).all()
