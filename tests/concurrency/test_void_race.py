"""An undo and a till that sends the same sale again: they want the same rows, and must want them in one order."""

from threading import Event

from sqlalchemy import func, select

from cards.models import Card, PointEntry
from checkout import voiding
from checkout.models import Checkout
from core.audit import Author
from core.db import db, transaction
from stores.models import Role
from tests.checkout.shop import Shop, book
from tests.concurrency.racing import race
from tests.factories import NOON

PAGEFUL = 60  # checkouts that leave no room beside the first: its new version gets index entries of its own


def test_an_undo_and_a_repeat_of_its_sale_do_not_wait_for_each_other(app, monkeypatch):
    shop = Shop()
    sale = shop.sale()
    first = book(sale)
    for _ in range(PAGEFUL):
        shop.settle(80)
    is_taken = Event()
    take = voiding._take

    def take_and_tell(*values):
        take(*values)
        is_taken.set()
        Event().wait(0.3)  # the till sends its sale again meanwhile

    monkeypatch.setattr(voiding, "_take", take_and_tell)

    def attempt(number):
        if number == 0:
            with transaction():
                return voiding.void(
                    shop.chain.id, first.id, role=Role.CLERK, store_ids=None, by=Author("staff:1"), now=NOON
                ).points_taken
        is_taken.wait()
        return book(sale).id

    assert race(app, attempt, racers=2) == [55, first.id]

    db.session.rollback()
    assert db.session.get_one(Checkout, first.id).state == "voided"
    assert db.session.scalar(select(Card.points)) == db.session.scalar(select(func.sum(PointEntry.delta))) == 0
