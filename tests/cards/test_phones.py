"""One-time codes: what proves a phone, how often it may be tried, and how many may be asked for."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from cards import holding, phones
from cards.contacts import PhoneInvalid
from cards.holding import Profile
from cards.models import Member, PhoneCode
from cards.phones import PhoneCodesTooMany
from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.events import Event
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code, make_wallet

pytestmark = pytest.mark.usefixtures("app")

SECRET = "the application's own"
PHONE = "13800000000"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def card(chain):
    return make_card(make_store_code(make_store(chain)))


def ask(chain, wallet_id, *, phone=PHONE, now=NOON, address="a"):
    with transaction():
        return phones.ask(chain, wallet_id, phone, address_hash=address, secret=SECRET, now=now)


def verify(card, code, *, now=NOON, secret=SECRET):
    """None when it was right, else the refusal's code."""
    with transaction():
        refusal = phones.verify(card.chain_id, card.wallet_id, code, secret=secret, by=SYSTEM, now=now)
    return refusal and refusal.code


def other_than(code):
    return f"{(int(code) + 1) % 1_000_000:06d}"


def member_of(card):
    return db.session.get_one(Member, card.member_id, populate_existing=True)


def test_the_right_code_proves_the_phone_once_and_for_the_book(chain, card):
    asked = ask(chain, card.wallet_id)

    assert verify(card, asked.code, now=NOON + MINUTE) is None

    member = member_of(card)
    assert (member.phone, member.phone_verified_at) == ("+8613800000000", NOON + MINUTE)
    kinds = db.session.scalars(select(Event.kind).where(Event.kind == "member.phone_verified")).all()
    actions = db.session.scalars(
        select(AuditEntry.action).where(AuditEntry.object_kind == "member").order_by(AuditEntry.id)
    ).all()
    assert (len(kinds), actions) == (1, ["member phone verified"])


def test_a_double_tap_is_right_twice_and_told_once(chain, card):
    asked = ask(chain, card.wallet_id)

    assert [verify(card, asked.code), verify(card, asked.code)] == [None, None]
    assert db.session.query(Event).filter_by(kind="member.phone_verified").count() == 1


def test_a_used_code_proves_nothing_with_other_digits(chain, card):
    asked = ask(chain, card.wallet_id)
    verify(card, asked.code)

    assert verify(card, other_than(asked.code)) == "phone_code_over"


def test_the_code_is_read_as_people_type_it(chain, card):
    asked = ask(chain, card.wallet_id)
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in asked.code)

    assert verify(card, f" {wide[:3]} {wide[3:]} ") is None


def test_five_wrong_tries_end_the_code(chain, card):
    asked = ask(chain, card.wallet_id)
    tries = [verify(card, other_than(asked.code)) for _ in range(5)]

    assert tries == ["phone_code_wrong"] * 4 + ["phone_code_over"]
    assert verify(card, asked.code) == "phone_code_over"
    assert member_of(card).phone_verified_at is None


def test_what_cannot_be_a_code_costs_no_try(chain, card):
    asked = ask(chain, card.wallet_id)

    assert [verify(card, text) for text in ("", "12345", "abcdef", "1234567", "１２٣٤٥٦")] == ["phone_code_wrong"] * 5
    assert verify(card, asked.code) is None


def test_after_five_minutes_the_code_is_over(chain, card):
    asked = ask(chain, card.wallet_id)

    assert verify(card, asked.code, now=NOON + 5 * MINUTE) == "phone_code_over"


def test_a_newer_code_ends_the_older(chain, card):
    first = ask(chain, card.wallet_id)
    second = ask(chain, card.wallet_id, now=NOON + MINUTE)

    if first.code != second.code:
        assert verify(card, first.code, now=NOON + MINUTE) == "phone_code_wrong"
    assert verify(card, second.code, now=NOON + MINUTE) is None


def test_a_code_belongs_to_its_wallet_and_its_chain(chain, card):
    asked = ask(chain, card.wallet_id)
    elsewhere = make_card(make_store_code(make_store(make_chain("other"))), wallet_id=card.wallet_id)
    neighbour = make_card(make_store_code(make_store(chain)))

    assert verify(elsewhere, asked.code) == "phone_code_over"
    assert verify(neighbour, asked.code) == "phone_code_over"
    assert verify(card, asked.code) is None


def test_the_database_holds_no_code_that_could_be_guessed(chain, card):
    asked = ask(chain, card.wallet_id)
    row = db.session.scalars(select(PhoneCode)).one()

    assert asked.code not in row.code_hash
    assert verify(card, asked.code, secret="another key") == "phone_code_wrong"


def test_two_members_may_prove_the_same_phone(chain, card):
    other = make_card(make_store_code(make_store(chain)))
    verify(card, ask(chain, card.wallet_id).code)
    later = NOON + MINUTE
    verify(other, ask(chain, other.wallet_id, now=later).code, now=later)

    assert member_of(card).phone == member_of(other).phone
    assert None not in (member_of(card).phone_verified_at, member_of(other).phone_verified_at)


@pytest.mark.parametrize(("asked", "window"), [(1, MINUTE), (5, HOUR), (10, 24 * HOUR)])
@pytest.mark.parametrize("same", ["phone", "wallet"])
def test_a_phone_and_a_wallet_get_so_many_codes(chain, asked, window, same):
    step = window / (2 * asked) if asked > 1 else MINUTE
    step = max(step, HOUR / 4 if asked == 10 else MINUTE)
    one_wallet = make_wallet()

    def again(number, now):
        wallet_id = make_wallet() if same == "phone" else one_wallet
        phone = PHONE if same == "phone" else f"138000{number:05d}"
        return ask(chain, wallet_id, phone=phone, now=now)

    for number in range(asked):
        again(number, NOON + number * step)
    last = NOON + (asked - 1) * step
    with pytest.raises(PhoneCodesTooMany) as refusal:
        again(asked, min(last + MINUTE, NOON + window) - timedelta(seconds=1) if asked == 1 else last + MINUTE)

    assert refusal.value.context["retry_after"] > 0
    again(asked, NOON + window)  # the first is out of sight again


def test_the_refusal_says_when_to_come_back(chain, card):
    ask(chain, card.wallet_id)

    with pytest.raises(PhoneCodesTooMany) as refusal:
        ask(chain, card.wallet_id, now=NOON + timedelta(seconds=20))

    assert refusal.value.context["retry_after"] == 40
    assert "40 秒" in refusal.value.say("zh")
    assert "40 seconds" in refusal.value.say("en")
    assert ask(chain, card.wallet_id, now=NOON + MINUTE)


def test_many_guests_of_one_store_ask_from_one_address(chain):
    for number in range(60):
        ask(chain, make_wallet(), phone=f"138000{number:05d}", address="the store's")

    with pytest.raises(PhoneCodesTooMany):
        ask(chain, make_wallet(), phone="13900000000", address="the store's")
    assert ask(chain, make_wallet(), phone="13900000000", address="elsewhere")


def test_a_refused_asking_counts_for_nothing(chain, card):
    ask(chain, card.wallet_id)
    for second in range(1, 60, 10):
        with pytest.raises(PhoneCodesTooMany):
            ask(chain, card.wallet_id, now=NOON + timedelta(seconds=second))

    assert db.session.query(PhoneCode).count() == 1


def test_a_code_that_was_not_sent_counts_for_nothing(chain, card):
    asked = ask(chain, card.wallet_id)
    with transaction():
        phones.take_back(asked.id)

    assert ask(chain, card.wallet_id)


@pytest.mark.parametrize("phone", ["", "  ", "12", "hello", "+8613"])
def test_what_cannot_be_called_gets_no_code(chain, card, phone):
    with pytest.raises(PhoneInvalid):
        ask(chain, card.wallet_id, phone=phone)


def test_the_page_knows_the_code_that_waits(chain, card):
    assert phones.find_live_code(chain.id, card.wallet_id, now=NOON) is None
    asked = ask(chain, card.wallet_id)

    live = phones.find_live_code(chain.id, card.wallet_id, now=NOON)
    assert live == ("+8613800000000", NOON + 5 * MINUTE, NOON + MINUTE)
    assert phones.find_live_code(chain.id, card.wallet_id, now=NOON + 5 * MINUTE) is None
    verify(card, asked.code)
    assert phones.find_live_code(chain.id, card.wallet_id, now=NOON) is None


def test_another_number_in_the_profile_is_not_verified(chain, card):
    verify(card, ask(chain, card.wallet_id).code)
    held = holding.card_of_wallet(card.wallet_id, card.id)
    with transaction():
        holding.update_profile(held, Profile(name="林", phone="138 0000 0000"), by=SYSTEM, now=NOON)
    assert member_of(card).phone_verified_at == NOON

    held = holding.card_of_wallet(card.wallet_id, card.id)
    with transaction():
        holding.update_profile(held, Profile(name="林", phone="13900000000"), by=SYSTEM, now=NOON)
    assert member_of(card).phone_verified_at is None


def test_a_phone_taken_out_of_the_profile_is_not_verified(chain, card):
    verify(card, ask(chain, card.wallet_id).code)
    held = holding.card_of_wallet(card.wallet_id, card.id)
    with transaction():
        holding.update_profile(held, Profile(name="林"), by=SYSTEM, now=NOON)

    assert (member_of(card).phone, member_of(card).phone_verified_at) == (None, None)


def test_after_a_day_codes_are_forgotten(chain, card):
    ask(chain, card.wallet_id)
    ask(chain, card.wallet_id, now=NOON + HOUR)
    with transaction():
        assert phones.forget_codes(chain.id, now=NOON + 24 * HOUR) == 1

    assert db.session.scalars(select(PhoneCode.made_at)).all() == [NOON + HOUR]
