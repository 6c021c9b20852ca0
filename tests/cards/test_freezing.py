"""Freezing a card, and letting it go."""

import pytest
from sqlalchemy import select

from cards.freezing import CardNotFound, CardStateForbids, freeze, unfreeze
from cards.models import Card, CardState
from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from tests.concurrency.racing import race
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code, save

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def card() -> Card:
    return make_card(make_store_code(make_store(make_chain())))


def do(change, card: Card, chain_id: int | None = None) -> bool:
    with transaction():
        return change(chain_id or card.chain_id, card.id, by=SYSTEM, now=NOON)


def state_of(card: Card) -> str:
    return db.session.scalar(select(Card.state).filter_by(id=card.id))


def test_a_frozen_card_can_be_let_go(card):
    assert do(freeze, card) is True
    assert state_of(card) == CardState.FROZEN
    assert do(unfreeze, card) is True
    assert state_of(card) == CardState.ACTIVE


def test_freezing_twice_is_harmless(card):
    do(freeze, card)

    assert do(freeze, card) is False
    assert len(db.session.scalars(select(AuditEntry).filter_by(action="card frozen")).all()) == 1


def test_a_closed_card_cannot_be_frozen(card):
    card.state, card.closed_at = CardState.CLOSED, NOON
    save(card)

    with pytest.raises(CardStateForbids):
        do(freeze, card)


def test_the_card_of_another_chain_is_not_there(card):
    with pytest.raises(CardNotFound):
        do(freeze, card, chain_id=card.chain_id + 1)


def test_only_one_of_many_freezes_it(app, card):
    card_id, chain_id = card.id, card.chain_id

    def attempt(_number):
        with transaction():
            return freeze(chain_id, card_id, by=SYSTEM, now=NOON)

    assert race(app, attempt, racers=8).count(True) == 1
