"""The code a card shows, and who it lets in."""

from datetime import timedelta

import pytest

from cards.rotating_code import CardCodeUnknown, find_card_by_code, shown_code
from core.db import db, transaction
from core.hot import this_transaction
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code, program_of


@pytest.fixture
def card(app):
    return make_card(make_store_code(make_store(make_chain())))


def find(code, *, chain_id=1, now=NOON):
    with transaction():
        return find_card_by_code(this_transaction(), chain_id, code, now=now)


def shown(card, *, mode="rotating", now=NOON):
    return shown_code(card.number, card.code_secret, mode, now=now)


def test_the_shown_code_finds_its_card(card):
    code = shown(card)

    assert len(code.value) == 24
    assert code.expires_at == NOON + timedelta(seconds=30)
    assert find(f"{code.value[:8]} {code.value[8:]}").id == card.id


@pytest.mark.parametrize(("seconds", "works"), [(-30, True), (30, True), (59, True), (60, False), (-31, False)])
def test_a_screenshot_is_worthless_after_a_minute(card, seconds, works):
    value = shown(card).value

    if works:
        assert find(value, now=NOON + timedelta(seconds=seconds)).id == card.id
    else:
        with pytest.raises(CardCodeUnknown):
            find(value, now=NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize("code", ["", "1", "x" * 24, "6" * 24, "６" * 24])
def test_what_is_no_code_finds_nothing(card, code):
    with pytest.raises(CardCodeUnknown):
        find(code)


def test_another_chain_does_not_know_the_code(card):
    with pytest.raises(CardCodeUnknown):
        find(shown(card).value, chain_id=2)


def test_a_static_code_stays(card):
    program = program_of(db.session.get_one(type(make_chain("other")), 1))
    with transaction():
        program.code_mode = "static"
    code = shown(card, mode="static")

    assert code.expires_at is None
    assert find(code.value, now=NOON + timedelta(days=400)).id == card.id
