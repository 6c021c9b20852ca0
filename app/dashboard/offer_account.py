"""The account of one offer: what became of it by day, store and source, what it cost, and what is still out."""

from collections.abc import Iterable
from typing import NamedTuple

from flask import Blueprint, render_template

from app.auth.guard import MANAGERS, access, actor
from app.dashboard.frame import chain_of
from app.dashboard.period import periods, read_asked
from app.languages import language
from app.wallet.showing import name_of
from checkout.offer_account import Figures, account_of
from core.clock import utc_now
from core.money import money
from coupons.offers import get_offer
from stores.queries import names_of_ids


class Part(NamedTuple):
    """A line of a table: a store or a source with its figures. ``name`` is empty where something has none."""

    name: str
    figures: Figures


def add_routes(bp: Blueprint) -> None:
    """Its page stands among those of the offers."""
    bp.add_url_rule("/<int:offer_id>/account", "account", account, methods=["GET"])


@access(*MANAGERS)
def account(offer_id: int) -> str:
    """Seen, claimed, redeemed, undone; baskets with the coupon and without it. A manager's: of his own stores."""
    who = actor()
    offer, asked = get_offer(who.chain_id, offer_id), read_asked()
    store_ids = frozenset([asked.store.store.id]) if asked.store.store else who.store_ids
    of = account_of(offer, first=asked.first, last=asked.last, now=utc_now(), store_ids=store_ids)
    return render_template(
        "dashboard/offers/account.html",
        nav="coupons",
        offer=offer,
        asked=asked,
        periods=periods(asked, "offers.account", offer_id=offer_id),
        account=of,
        stores=_by_store(who.chain_id, of.by_store.items()),
        is_of_all=store_ids is None,
        is_empty=of.total == Figures(),
        share=_share,
        cash=_cash,
        name_of=name_of,
    )


def _by_store(chain_id: int, parts: Iterable[tuple[int | None, Figures]]) -> list[Part]:
    """The stores where most was redeemed first."""
    listed = list(parts)
    names = names_of_ids(chain_id, [store_id for store_id, _ in listed if store_id is not None])
    named = [Part(names.get(store_id, "") if store_id else "", figures) for store_id, figures in listed]
    return sorted(named, key=lambda part: (-part.figures.redeemed, -part.figures.claimed, part.name))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"


def _cash(cents: int | None) -> str:
    return "–" if cents is None else money(cents, chain_of(actor()).currency, language())
