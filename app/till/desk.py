"""Where a clerk stands: his store, its day, and the words in which its figures are said."""

from collections.abc import Callable
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flask import g, request
from flask_babel import gettext as _

from app.auth.guard import actor
from app.dashboard.figures import currency_sign
from app.dashboard.frame import chain_of
from app.languages import language, say
from app.security import row_number
from cards.contacts import masked_name, masked_phone
from checkout import queries
from checkout.errors import StoreNotFound
from checkout.queries import Till
from checkout.quoting import Standing, member_price
from core.clock import business_day, utc_now
from core.errors import DomainError
from core.money import money
from core.text import Text
from coupons import terms
from stores.models import Role

STORE_COOKIE = "kq_till_store"


class TillNotChosen(Exception):
    """The clerk has several stores and has not said in which he stands."""


def till() -> Till:
    """The store this clerk stands in: his only one, or the one he chose. Raises TillNotChosen."""
    if "till" not in g:
        g.till = _chosen_till()
    return g.till  # type: ignore[no-any-return]


def find_till(store_id: int) -> Till | None:
    """An open store of the reader, by its number."""
    return queries.find_till(actor().chain_id, store_id) if actor().may_see_store(store_id) else None


def till_asked() -> Till:
    """The store that the address names (``?store=7``), else the one where the reader stands. Raises StoreNotFound."""
    if "store" not in request.args:
        return till()
    named = find_till(request.args.get("store", 0, type=row_number))
    if named is None:
        raise StoreNotFound()
    return named


def today_at(where: Till) -> date:
    return business_day(utc_now(), where.timezone, where.cutoff_hour)


def count_sales(where: Till) -> int:
    return queries.count_settled(actor().chain_id, where.store_id, today_at(where))


def is_htmx() -> bool:
    return request.headers.get("HX-Request") == "true"


def say_refusal(refusal: DomainError) -> str:
    return refusal.say(language())


def is_manager() -> bool:
    """Whether the reader looks after others' sales too."""
    return actor().role != Role.CLERK


def words(where: Till) -> dict[str, Any]:
    """What the templates need to say figures, names and times."""
    chain = chain_of(actor())
    return {
        "store_name": where.name,
        "chain_accent": chain.accent,
        "may_change_store": actor().store_ids is None or len(actor().store_ids or ()) > 1,
        "sign": currency_sign(where.currency, language()),
        "cash": lambda cents: money(cents, where.currency, language()),
        "short_cash": lambda cents: terms.short_money(cents, where.currency, language()),
        "amount_words": lambda cents: say(terms.amount(cents, where.currency)),
        "who": lambda name, number: masked_name(name) or _("Member %(last_four)s", last_four=number[-4:]),
        "masked_phone": masked_phone,
        "good_coupons": _good_coupons,
        "refusal_text": say_refusal,
        "member_price": lambda discount_bp: say(member_price(discount_bp)),
        "clock": clock_of(where),
        "date_words": lambda day: say(_day_words(day)),
        "text": lambda zh, en: Text(zh, en).say(language()),
    }


def clock_of(where: Till) -> Callable[[Any], str]:
    """Moments as the clock on the wall of the store showed them."""
    return lambda moment: f"{moment.astimezone(ZoneInfo(where.timezone)):%H:%M}"


def _day_words(day: date) -> Text:
    return Text(f"{day.month}月{day.day}日", f"{day.day} {terms.MONTHS[day.month - 1]}")


def _chosen_till() -> Till:
    only = actor().store_ids
    kept = request.cookies.get(STORE_COOKIE, "")
    wanted = next(iter(only)) if only and len(only) == 1 else int(kept) if kept.isdecimal() and len(kept) < 16 else 0
    found = find_till(wanted)
    if found is None:
        raise TillNotChosen()
    return found


def _good_coupons(standing: Standing) -> int:
    """How many coupons are still good: those that ended lately are read too, to say why they do not fit."""
    now = utc_now()
    return sum(coupon.valid_until > now for coupon in standing.coupons)
