"""Providers that tell the same again, from several machines at once, in whatever order."""

from sqlalchemy import func, select

from core.db import db, transaction
from push.channels.receipts import Receipt, ReceiptStatus, take_receipts
from push.models import Delivery, PushChannel
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.memory import MemoryChannel
from tests.push.pushing import make_campaign, make_member, send, start

RACERS = 6
MEMBERS = 40
ROUNDS = 3


def test_receipts_that_cross_one_another_are_all_taken(app):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    for number in range(MEMBERS):
        make_member(code, phone=f"+86138{number:08}")
    start(make_campaign(chain, "gateway"))
    out = MemoryChannel()
    send("gateway", out)
    keys = [message.key for message in out.sent]
    assert len(keys) == MEMBERS

    def attempt(number):
        known = 0
        for turn in range(ROUNDS):
            status = ReceiptStatus.FAILED if turn == 0 else ReceiptStatus.DELIVERED
            told = [Receipt(status, message_key=key) for key in (keys if number % 2 else keys[::-1])]
            with transaction():
                known += take_receipts(PushChannel.GATEWAY, told, source="test", now=NOON)
        return known

    assert race(app, attempt, racers=RACERS) == [MEMBERS * ROUNDS] * RACERS
    db.session.rollback()
    states = db.session.execute(select(Delivery.state, func.count()).group_by(Delivery.state)).all()
    assert [tuple(row) for row in states] == [("delivered", MEMBERS)]
