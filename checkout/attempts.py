"""What tills were refused: every attempt that failed leaves a row, for whoever looks into a dispute or a theft."""

from datetime import datetime

from sqlalchemy import select

from cards.models import Card
from checkout.models import Checkout, RefusedAttempt, TillAction
from core.db import db
from core.errors import DomainError
from stores.models import Store

LARGEST = 2**53  # what a mistyped amount may come to and still be written down


def note_refusal(
    chain_id: int,
    action: TillAction,
    refusal: DomainError,
    *,
    made_by: str,
    now: datetime,
    store_id: int | None = None,
    card_number: str | None = None,
    checkout_id: int | None = None,
    amount_cents: int | None = None,
) -> bool:
    """Write a refused attempt down; whether it could be: it needs a store of the chain, its own or the checkout's.

    Needs an open transaction, not the one that was refused. A card or checkout of another chain is left out.
    """
    known = _known_checkout(chain_id, checkout_id)
    if store_id is None and known is not None:
        store_id = known.store_id
    if store_id is None or db.session.scalar(select(Store.id).filter_by(id=store_id, chain_id=chain_id)) is None:
        return False
    card_id = known.card_id if known else None
    if card_number:
        card_id = db.session.scalar(select(Card.id).filter_by(number=card_number[:16], chain_id=chain_id))
    db.session.add(
        RefusedAttempt(
            chain_id=chain_id,
            store_id=store_id,
            action=action,
            made_by=made_by,
            at=now,
            code=refusal.code,
            card_id=card_id,
            checkout_id=known.id if known else None,
            amount_cents=amount_cents if amount_cents is not None and abs(amount_cents) < LARGEST else None,
        )
    )
    return True


def _known_checkout(chain_id: int, checkout_id: int | None) -> Checkout | None:
    if checkout_id is None or not 0 < checkout_id < LARGEST:
        return None
    return db.session.scalar(select(Checkout).filter_by(id=checkout_id, chain_id=chain_id))
