"""Chains: the tenants."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from zoneinfo import available_timezones

from babel.numbers import is_currency
from sqlalchemy import select

from core import audit
from core.audit import Author
from core.db import db, insert
from core.errors import Conflict, Invalid, NotFound
from core.text import Text
from stores.models import Chain

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,38}")


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
    sentence = Text("没有这个时区：{timezone}", "There is no time zone {timezone}; write Asia/Shanghai, for example.")


class CurrencyUnknown(Invalid):
    """No ISO 4217 currency has this code."""

    code = "currency_unknown"
    sentence = Text("没有这种货币：{currency}", "There is no currency {currency}; write CNY, for example.")


@dataclass(frozen=True)
class NewChain:
    """What a chain is called and where it lives."""

    slug: str
    name: str
    name_en: str
    timezone: str = "Asia/Shanghai"
    currency: str = "CNY"
    language: str = "zh"
    accent: str = "#C8402F"
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


def find_chain(slug: str | None = None) -> Chain:
    """The chain of a slug; without one, the only chain there is. Raises ChainNotFound."""
    query = select(Chain)
    if slug is not None:
        query = query.where(Chain.slug == slug)
    chains = db.session.scalars(query.limit(2)).all()
    if len(chains) != 1:
        raise ChainNotFound(slug=slug or "--chain")
    return chains[0]


def get_chain(chain_id: int) -> Chain:
    return db.session.get_one(Chain, chain_id)


def list_chains() -> Sequence[Chain]:
    return db.session.scalars(select(Chain).order_by(Chain.slug)).all()
