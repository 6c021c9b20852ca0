"""A shop with a till, for the tests of purchases."""

from datetime import datetime
from itertools import count
from typing import Any

from cards.models import Card
from checkout import quoting, settling
from core.db import transaction
from core.hot import one_action, reading, this_transaction
from stores.models import Chain, Store
from tests.factories import NOON, code_of, make_card, make_chain, make_store, make_store_code

_requests = count(1)


class Shop:
    """A chain, one store and one card: silver, 5 % off, 1 point for each yuan."""

    def __init__(self, **chain: Any) -> None:
        self.chain: Chain = make_chain(**chain)
        self.store: Store = make_store(self.chain)
        self.code = make_store_code(self.store)
        self.card: Card = make_card(self.code)

    def quote(self, amount_cents: int = 5800, *, now: datetime = NOON, **more: Any) -> quoting.Quote:
        card = more.pop("card", None) or quoting.presented(code_of(self.card, now=now))
        store_id = more.pop("store_id", self.store.id)
        with reading() as hot:
            return quoting.quote(hot, self.chain.id, store_id, card, amount_cents, now=now, **more)

    def bill(self, amount_cents: int = 5800, *, now: datetime = NOON, **more: Any) -> quoting.Bill:
        order = quoting.Order(amount_cents, **({"coupon_ids": ()} | more))
        card = quoting.presented(code_of(self.card, now=now))
        with reading() as hot:
            return quoting.bill(hot, self.chain.id, self.store.id, card, order, now=now)

    def sale(self, amount_cents: int = 5800, *, now: datetime = NOON, **more: Any) -> settling.Sale:
        values: dict[str, Any] = {
            "chain_id": self.chain.id,
            "store_id": self.store.id,
            "card": quoting.presented(code_of(self.card, now=now)),
            "amount_cents": amount_cents,
            "request_id": f"key:1:sale-{next(_requests)}",
            "fingerprint": "f" * 64,
            "settled_by": "key:1",
        }
        return settling.Sale(**(values | more))

    def settle(self, amount_cents: int = 5800, *, now: datetime = NOON, **more: Any) -> settling.Settled:
        return book(self.sale(amount_cents, now=now, **more), now=now)


def book(sale: settling.Sale, *, now: datetime = NOON) -> settling.Settled:
    with one_action(durable=True) as hot:
        return settling.settle(hot, sale, now=now)


def book_in_transaction(sale: settling.Sale, *, now: datetime = NOON) -> settling.Settled:
    with transaction():
        return settling.settle(this_transaction(), sale, now=now)
