"""What an offer is for, by name: as its sentences say it."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select

from cards.models import Program, Tier
from core.db import db
from core.text import Text
from coupons.drafts import Draft
from coupons.models import Offer, OfferProgram, OfferStore, OfferTier
from coupons.terms import Scope
from stores.models import Store

Named = list[tuple[int, Text]]  # ids and names
NAMES: dict[Any, tuple[Any, ...]] = {  # what is named, and in which order
    Store: (Store.name, Store.name, Store.code),
    Program: (Program.name, Program.name_en, Program.id),
    Tier: (Tier.name, Tier.name_en, Tier.rank),
}


def scope_of(offer: Offer) -> Scope:
    """The stores, programs and tiers of one offer."""
    return scopes_of([offer])[offer.id]


def scopes_of(offers: Sequence[Offer]) -> dict[int, Scope]:
    """The same for the offers of a list, which are one chain's; as many queries as for one."""
    if not offers:
        return {}
    stores = _named([offer.id for offer in offers if not offer.is_for_all_stores], OfferStore.store_id, Store)
    programs = _named([offer.id for offer in offers if not offer.is_for_all_programs], OfferProgram.program_id, Program)
    tiers = _named([offer.id for offer in offers if not offer.is_for_all_tiers], OfferTier.tier_id, Tier)
    discounted = _discounted(offers[0].chain_id)
    return {
        offer.id: _scope(stores.get(offer.id, []), programs.get(offer.id, []), tiers.get(offer.id, []), discounted)
        for offer in offers
    }


def scope_of_draft(chain_id: int, draft: Draft) -> Scope:
    """What an offer would be for, if the draft were one; what is not the chain's is not named."""
    stores = _rows(Store, chain_id, draft.store_ids)
    programs, tiers = _rows(Program, chain_id, draft.program_ids), _rows(Tier, chain_id, draft.tier_ids)
    return _scope(stores, programs, tiers, _discounted(chain_id))


def _named(offer_ids: Collection[int], column: Any, owner: Any) -> dict[int, Named]:
    """Of each offer the stores, programs or tiers in a table of its scope."""
    found: dict[int, Named] = {}
    if not offer_ids:
        return found
    zh, en, order = NAMES[owner]
    offer_id = column.class_.offer_id
    query = select(offer_id, owner.id, zh, en.label("en")).join(owner, owner.id == column)
    for row in db.session.execute(query.where(offer_id.in_(offer_ids)).order_by(order, owner.id)):
        found.setdefault(row[0], []).append((row[1], Text(row[2], row[3])))
    return found


def _rows(owner: Any, chain_id: int, ids: Collection[int]) -> Named:
    if not ids:
        return []
    zh, en, order = NAMES[owner]
    query = select(owner.id, zh, en.label("en")).where(owner.chain_id == chain_id, owner.id.in_(ids))
    return [(row[0], Text(row[1], row[2])) for row in db.session.execute(query.order_by(order, owner.id))]


def _discounted(chain_id: int) -> list[tuple[int, int]]:
    """The tiers that have a member price: tier, program."""
    query = select(Tier.id, Tier.program_id).where(Tier.chain_id == chain_id, Tier.discount_bp > 0)
    return [(row[0], row[1]) for row in db.session.execute(query)]


def _scope(stores: Named, programs: Named, tiers: Named, discounted: list[tuple[int, int]]) -> Scope:
    of_programs, of_tiers = {row for row, _ in programs}, {row for row, _ in tiers}
    has_member_price = any(
        (not of_programs or program_id in of_programs) and (not of_tiers or tier_id in of_tiers)
        for tier_id, program_id in discounted
    )
    return Scope(_texts(stores), _texts(programs), _texts(tiers), has_member_price)


def _texts(named: Named) -> list[Text]:
    return [name for _, name in named]
