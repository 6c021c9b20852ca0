"""The account of one offer: what became of it by day, store and source, what it cost, and what is still out."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from flask import Blueprint, render_template, request, url_for

from app.auth.guard import MANAGERS, access, actor
from app.dashboard.frame import chain_of
from app.dashboard.period import Asked, periods, read_asked
from app.languages import language
from app.wallet.showing import name_of
from checkout.offer_account import Figures, account_of
from core.clock import utc_now
from core.money import money
from coupons.models import Offer
from coupons.offers import get_offer
from coupons.queries import has_many_coupons
from stores.queries import names_of_ids

AT_ONCE = 50_000  # coupons that are added up in no time


class Part(NamedTuple):
    """A line of a table: a store or a source with its figures. ``name`` is empty where something has none."""

    name: str
    figures: Figures


def add_routes(bp: Blueprint) -> None:
    """Its page stands among those of the offers."""
    bp.add_url_rule("/<int:offer_id>/account", "account", account, methods=["GET"])
    bp.add_url_rule("/<int:offer_id>/account/figures", "account_figures", figures, methods=["GET"])


@access(*MANAGERS)
def account(offer_id: int) -> str:
    """Seen, claimed, redeemed, undone; baskets with the coupon and without it. A manager's: of his own stores.

    Where there is much to add up, the page stands first and asks for its figures then; ``whole`` waits for them.
    """
    offer, asked = get_offer(actor().chain_id, offer_id), read_asked()
    is_whole = "whole" in request.args or not has_many_coupons(offer.id, more_than=AT_ONCE)
    return render_template(
        "dashboard/offers/account.html",
        nav="coupons",
        offer=offer,
        asked=asked,
        periods=periods(asked, "offers.account", offer_id=offer_id),
        name_of=name_of,
        figures_url=url_for("offers.account_figures", offer_id=offer_id, **asked.query),
        whole_url=url_for("offers.account", offer_id=offer_id, whole=1, **asked.query),
        **(_figures(offer, asked) if is_whole else {}),
    )


@access(*MANAGERS)
def figures(offer_id: int) -> str:
    """The part of the page that takes its time."""
    offer, asked = get_offer(actor().chain_id, offer_id), read_asked()
    return render_template("dashboard/offers/_account.html", offer=offer, asked=asked, **_figures(offer, asked))


def _figures(offer: Offer, asked: Asked) -> dict[str, Any]:
    who = actor()
    store_ids = frozenset([asked.store.store.id]) if asked.store.store else who.store_ids
    of = account_of(offer, first=asked.first, last=asked.last, now=utc_now(), store_ids=store_ids)
    return {
        "account": of,
        "stores": _by_store(who.chain_id, of.by_store.items()),
        "is_of_all": store_ids is None,
        "is_empty": of.total == Figures(),
        "share": _share,
        "cash": _cash,
    }


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
