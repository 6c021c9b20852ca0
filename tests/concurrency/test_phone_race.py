"""Codes asked for and typed by many at once, and the proof that the race is real."""

from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import func, select

from cards import phones
from cards.models import PhoneCode
from core.audit import SYSTEM
from core.db import db, transaction
from core.events import Event
from tests.concurrency.racing import race
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code, make_wallet

RACERS = 64
SECRET = "the application's own"


def ask(chain, wallet_id, phone, *, address="a"):
    with transaction():
        return phones.ask(chain, wallet_id, phone, address_hash=address, secret=SECRET, now=NOON)


def sent():
    return db.session.scalar(select(func.count(PhoneCode.id)))


@pytest.mark.parametrize("same", ["phone", "wallet"])
def test_one_code_is_sent_however_many_ask(app, same):
    chain = make_chain()
    wallets = [make_wallet() for _ in range(RACERS)]

    def attempt(number):
        wallet_id = wallets[0] if same == "wallet" else wallets[number]
        phone = "13800000000" if same == "phone" else f"138000{number:05d}"
        return ask(chain, wallet_id, phone, address=str(number)) and "sent"

    results = race(app, attempt, racers=RACERS)

    assert sorted(results) == ["phone_codes_too_many"] * (RACERS - 1) + ["sent"]
    assert sent() == 1


def test_an_address_gets_its_limit_and_no_more(app, monkeypatch):
    monkeypatch.setattr(phones, "AN_ADDRESS", ((5, timedelta(hours=1)),))
    chain = make_chain()
    wallets = [make_wallet() for _ in range(RACERS)]

    results = race(app, lambda n: ask(chain, wallets[n], f"138000{n:05d}") and "sent", racers=RACERS)

    assert (results.count("sent"), sent()) == (5, 5)


def test_a_code_takes_five_tries_however_fast_they_come(app):
    chain = make_chain()
    card = make_card(make_store_code(make_store(chain)))
    asked = ask(chain, card.wallet_id, "13800000000")
    wrong = f"{(int(asked.code) + 1) % 1_000_000:06d}"

    def attempt(_number):
        with transaction():
            refusal = phones.verify(chain.id, card.wallet_id, wrong, secret=SECRET, by=SYSTEM, now=NOON)
        return refusal.code

    results = race(app, attempt, racers=RACERS)

    assert results.count("phone_code_wrong") == 4
    assert db.session.scalars(select(PhoneCode.tries)).one() == 5


def test_the_right_code_proves_once_however_often_it_is_tapped(app):
    chain = make_chain()
    card = make_card(make_store_code(make_store(chain)))
    asked = ask(chain, card.wallet_id, "13800000000")

    def attempt(_number):
        with transaction():
            return phones.verify(chain.id, card.wallet_id, asked.code, secret=SECRET, by=SYSTEM, now=NOON)

    assert race(app, attempt, racers=8) == [None] * 8
    assert db.session.query(Event).filter_by(kind="member.phone_verified").count() == 1


def test_control_the_race_is_real(app):
    """Look-then-write sends too many. If this fails, the tests above prove nothing."""
    chain = make_chain()
    wallet_id = make_wallet()
    looked = Barrier(8)

    def look_then_write(_number):
        is_free = db.session.scalar(select(func.count(PhoneCode.id)).where(PhoneCode.phone == "+8613800000000")) == 0
        db.session.rollback()
        looked.wait()
        if is_free:
            with transaction():
                db.session.add(
                    PhoneCode(
                        chain_id=chain.id,
                        wallet_id=wallet_id,
                        phone="+8613800000000",
                        address="a",
                        code_hash="x",
                        made_at=NOON,
                        valid_until=NOON + timedelta(minutes=5),
                    )
                )
        return "sent" if is_free else "refused"

    assert race(app, look_then_write, racers=8).count("sent") > 1
