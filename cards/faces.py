"""What a person is shown before he holds a card: the chain, its program, where everybody begins."""

from typing import Any, NamedTuple

from sqlalchemy import Select, select

from cards.models import Program, Tier
from core.db import db
from stores.models import Chain, Store, StoreCode


class Face(NamedTuple):
    """A card that can be taken."""

    chain: Chain
    program: Program
    tier: Tier
    store: Store | None = None


def find_face_of_code(token: str) -> Face | None:
    """The card of a store code; None when the code is unknown, revoked, or its store has closed."""
    row = db.session.execute(
        _faces(Store)
        .join(StoreCode, StoreCode.chain_id == Chain.id)
        .join(Store, Store.id == StoreCode.store_id)
        .where(StoreCode.token == token, StoreCode.revoked_at.is_(None), Store.closed_at.is_(None))
    ).one_or_none()
    return None if row is None else Face(*row)


def find_face_of_chain(chain_id: int) -> Face | None:
    """The default card of a chain."""
    row = db.session.execute(_faces().where(Chain.id == chain_id)).one_or_none()
    return None if row is None else Face(*row)


def find_face_of_slug(slug: str) -> Face | None:
    """The default card of a chain that is named in an address."""
    row = db.session.execute(_faces().where(Chain.slug == slug)).one_or_none()
    return None if row is None else Face(*row)


def _faces(*more: Any) -> Select[Any]:
    return (
        select(Chain, Program, Tier, *more)
        .select_from(Chain)
        .join(Program, (Program.chain_id == Chain.id) & Program.is_default)
        .join(Tier, (Tier.program_id == Program.id) & (Tier.rank == 0))
    )
