"""The code a card shows, and when it is believed."""

from datetime import timedelta

import pytest

from cards.rotating_code import CardCodeUnknown, is_shown, shown_code, split_code
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code


@pytest.fixture
def card(app):
    return make_card(make_store_code(make_store(make_chain())))


def shown(card, *, mode="rotating", now=NOON):
    return shown_code(card.number, card.code_secret, mode, now=now)


def is_believed(card, code, *, mode="rotating", now=NOON):
    number, password = split_code(code)
    return number == card.number and is_shown(card.code_secret, mode, password, now=now)


def test_the_shown_code_is_believed(card):
    code = shown(card)

    assert len(code.value) == 24
    assert code.expires_at == NOON + timedelta(seconds=30)
    assert is_believed(card, f"{code.value[:8]} {code.value[8:]}")


@pytest.mark.parametrize(("seconds", "works"), [(-30, True), (30, True), (59, True), (60, False), (-31, False)])
def test_a_screenshot_is_worthless_after_a_minute(card, seconds, works):
    assert is_believed(card, shown(card).value, now=NOON + timedelta(seconds=seconds)) is works


@pytest.mark.parametrize("code", ["", "1", "x" * 24, "6" * 24, "６" * 24])
def test_what_has_not_the_shape_of_a_code_is_refused(code):
    with pytest.raises(CardCodeUnknown):
        split_code(code)


def test_a_static_code_stays(card):
    code = shown(card, mode="static")

    assert code.expires_at is None
    assert is_believed(card, code.value, mode="static", now=NOON + timedelta(days=400))


def test_a_static_code_is_not_believed_of_a_card_whose_code_rotates(card):
    assert not is_believed(card, shown(card, mode="static").value)
