"""Purchases to be looked at. Nothing here decides."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select

from cards.models import Card, CardState, Member, Program, Tier
from checkout.models import Checkout, CheckoutState
from core.db import db
from stores.models import Chain, Store


class Till(NamedTuple):
    """A store as its till sees it."""

    store_id: int
    code: str
    name: str
    timezone: str
    cutoff_hour: int
    currency: str


def find_till(chain_id: int, store_id: int) -> Till | None:
    """An open store of the chain, to work in."""
    return _till(chain_id, Store.id == store_id)


def find_till_by_code(chain_id: int, code: str) -> Till | None:
    """The same by head office's own number for the store."""
    return _till(chain_id, Store.code == code)


def list_tills(
    chain_id: int, *, store_ids: Collection[int] | None, search: str = "", limit: int = 60
) -> Sequence[Row[int, str, str, str]]:
    """Open stores (id, code, name, city) by their code; those given, or all of the chain."""
    query = select(Store.id, Store.code, Store.name, Store.city).where(
        Store.chain_id == chain_id, Store.closed_at.is_(None)
    )
    if store_ids is not None:
        query = query.where(Store.id.in_(store_ids))
    if search:
        query = query.where(Store.name.icontains(search, autoescape=True) | (Store.code == search))
    return db.session.execute(query.order_by(Store.code).limit(limit)).all()


def count_settled(chain_id: int, store_id: int, day: date) -> int:
    """How many purchases of a business day stand."""
    count = db.session.scalar(
        select(func.count(Checkout.id)).where(
            Checkout.chain_id == chain_id,
            Checkout.business_day == day,
            Checkout.store_id == store_id,
            Checkout.state == CheckoutState.SETTLED,
        )
    )
    return int(count or 0)


class CardView(NamedTuple):
    """A card with the chain, tier and secret that its answers need."""

    card: Card
    tier: Tier
    program: Program
    chain: Chain
    member_store_id: int | None


def find_card(number: str, *, chain_id: int | None = None, wallet_id: int | None = None) -> CardView | None:
    """A card of a chain or of a wallet, by its number. Erased and merged cards are not found."""
    query = (
        select(Card, Tier, Program, Chain, Member.store_id)
        .join(Tier, Tier.id == Card.tier_id)
        .join(Program, Program.id == Card.program_id)
        .join(Chain, Chain.id == Card.chain_id)
        .join(Member, Member.id == Card.member_id)
        .where(Card.number == number, Card.state.not_in((CardState.ERASED, CardState.MERGED)))
    )
    if chain_id is not None:
        query = query.where(Card.chain_id == chain_id)
    if wallet_id is not None:
        query = query.where(Card.wallet_id == wallet_id)
    row = db.session.execute(query).one_or_none()
    return None if row is None else CardView(*row)


def _till(chain_id: int, which: Any) -> Till | None:
    row = db.session.execute(
        select(Store.id, Store.code, Store.name, Store.timezone, Chain.cutoff_hour, Chain.currency)
        .join(Chain, Chain.id == Store.chain_id)
        .where(Store.chain_id == chain_id, Store.closed_at.is_(None), which)
    ).one_or_none()
    return None if row is None else Till(*row)
