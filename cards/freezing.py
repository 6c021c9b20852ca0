"""Freezing a card: it opens nothing and pays nothing until it is unfrozen. Done by staff, and reversible."""

from datetime import datetime

from sqlalchemy import select, update

from cards.models import Card, CardState
from core import audit, events
from core.audit import Author
from core.db import db
from core.errors import Conflict, NotFound
from core.text import Text


class CardNotFound(NotFound):
    """The chain has no such card."""

    code = "card_not_found"
    sentence = Text("没有这张会员卡。", "There is no such card.")


class CardStateForbids(Conflict):
    """Only an active card can be frozen, and only a frozen one unfrozen."""

    code = "card_state_forbids"
    sentence = Text("这张卡现在的状态不能这样做。", "The card's state does not allow this.")


def freeze(chain_id: int, card_id: int, *, by: Author, now: datetime) -> bool:
    """Freeze an active card; False when it is frozen already. Needs an open transaction.

    Raises CardNotFound, CardStateForbids.
    """
    return _move(chain_id, card_id, CardState.ACTIVE, CardState.FROZEN, "card frozen", by, now)


def unfreeze(chain_id: int, card_id: int, *, by: Author, now: datetime) -> bool:
    """Let a frozen card work again; False when it is active already. Needs an open transaction.

    Raises CardNotFound, CardStateForbids.
    """
    return _move(chain_id, card_id, CardState.FROZEN, CardState.ACTIVE, "card unfrozen", by, now)


def _move(
    chain_id: int, card_id: int, before: CardState, after: CardState, action: str, by: Author, now: datetime
) -> bool:
    member_id = db.session.scalar(
        update(Card)
        .where(Card.id == card_id, Card.chain_id == chain_id, Card.state == before)
        .values(state=after)
        .returning(Card.member_id)
    )
    if member_id is None:
        state = db.session.scalar(select(Card.state).filter_by(id=card_id, chain_id=chain_id))
        if state is None:
            raise CardNotFound()
        if state != after:
            raise CardStateForbids()
        return False
    audit.note(
        action,
        chain_id=chain_id,
        object_kind="card",
        object_id=card_id,
        by=by,
        at=now,
        before={"state": before},
        after={"state": after},
    )
    events.record(action.replace(" ", "."), chain_id=chain_id, at=now, card_id=card_id, member_id=member_id)
    return True
