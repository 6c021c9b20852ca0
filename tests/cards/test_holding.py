"""A wallet and its cards."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from cards import holding
from cards.models import Card, CardState
from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.events import Event
from tests.concurrency.racing import race
from tests.factories import NOON, in_days, make_card, make_chain, make_store, make_store_code, make_wallet

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def card():
    return make_card(make_store_code(make_store(make_chain())))


def state_of(card: Card) -> str:
    return db.session.get_one(Card, card.id, populate_existing=True).state


def set_state(card: Card, state: str) -> None:
    with transaction():
        db.session.execute(update(Card).where(Card.id == card.id).values(state=state))


def close(card: Card, now=NOON) -> None:
    with transaction():
        holding.close_card(card.wallet_id, card.id, by=SYSTEM, now=now)


def restore(card: Card, now=NOON) -> None:
    with transaction():
        holding.restore_card(card.wallet_id, card.id, by=SYSTEM, now=now)


def test_a_wallet_lists_its_own_cards(card):
    make_card(make_store_code(make_store(make_chain("other"))))

    held = holding.cards_of_wallet(card.wallet_id, now=NOON)

    assert [h.card.id for h in held] == [card.id]
    assert (held[0].chain.slug, held[0].tier.name) == ("snowpeak", "银卡")


def test_a_card_of_another_wallet_is_not_held(card):
    with pytest.raises(holding.CardNotHeld):
        holding.card_of_wallet(make_wallet(), card.id)


def test_a_closed_card_is_listed_as_long_as_it_can_come_back(card):
    close(card)

    assert len(holding.cards_of_wallet(card.wallet_id, now=in_days(29))) == 1
    assert holding.cards_of_wallet(card.wallet_id, now=in_days(31)) == []


def test_restoring_in_time_brings_the_card_back(card):
    close(card)
    restore(card, in_days(29))

    assert state_of(card) == CardState.ACTIVE


def test_restoring_too_late_is_refused(card):
    close(card)
    with pytest.raises(holding.CardNotRestorable):
        restore(card, in_days(30))


def test_a_frozen_card_can_neither_be_closed_nor_restored(card):
    set_state(card, CardState.FROZEN)

    for change in (close, restore):
        with pytest.raises(holding.CardFrozen):
            change(card)
    assert state_of(card) == CardState.FROZEN


def test_parallel_closings_are_told_once(app, card):
    wallet_id, card_id = card.wallet_id, card.id

    def attempt(_: int) -> None:
        with transaction():
            holding.close_card(wallet_id, card_id, by=SYSTEM, now=NOON)

    assert race(app, attempt, racers=8) == [None] * 8
    db.session.rollback()
    assert db.session.query(Event).filter_by(kind="card.closed").count() == 1


def test_the_audit_names_the_changed_fields_but_not_what_stands_in_them(card):
    held = holding.card_of_wallet(card.wallet_id, card.id)
    profile = holding.Profile(name="小林", phone="13800000000")

    with transaction():
        holding.update_profile(held, profile, by=SYSTEM, now=NOON)

    entry = db.session.query(AuditEntry).filter_by(action="member profile").one()
    assert entry.after == {"fields": ["name", "phone"]}


def test_a_name_that_is_too_long_is_refused(card):
    held = holding.card_of_wallet(card.wallet_id, card.id)
    profile = replace(holding.Profile(), name="长" * 61)

    with pytest.raises(holding.NameTooLong), transaction():
        holding.update_profile(held, profile, by=SYSTEM, now=NOON)
