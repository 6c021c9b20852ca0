"""The chain that the storms come over, made by the application's own functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text, update

from cards import wallets
from cards.models import Card, Member, Program
from cards.rotating_code import shown_code
from core.clock import utc_now
from core.db import db, transaction
from core.hot import this_transaction
from core.tokens import hashed, new_secret
from coupons import claiming
from coupons.models import CouponSource, Offer
from sharing import joining
from stores.models import Chain, Role, Store, StoreCode
from tests.factories import make_chain, make_key, make_offer, make_store, make_store_code

IN_ONE_GO = 100  # wallets opened in one transaction


@dataclass
class Person:
    """A member with a wallet and a card."""

    wallet_id: int
    token: str
    card_id: int
    member_id: int


class Shop:
    """One chain, one store, tills with a manager's key, and as many members as are asked for."""

    def __init__(self) -> None:
        self.chain: Chain = make_chain("proof")
        self.store: Store = make_store(self.chain)
        self.code: StoreCode = make_store_code(self.store)
        self.till = make_key(self.chain, Role.STORE_MANAGER, self.store)
        with transaction():
            db.session.execute(update(Program).values(spend_points=10, spend_cents=10))

    def people(self, count: int) -> list[Person]:
        """So many members whom nobody has met yet."""
        found: list[Person] = []
        while len(found) < count:
            size = min(IN_ONE_GO, count - len(found))
            with transaction():
                found += [self._join() for _ in range(size)]
        return found

    def _join(self) -> Person:
        token, now = new_secret(), utc_now()
        hot = this_transaction()
        wallet_id = wallets.open_wallet(hot, hashed(token), language="en", now=now)
        joined = joining.join_by_code(
            hot, self.code.token, wallet_id=wallet_id, visitor="nobody", language="en", now=now
        )
        row = db.session.execute(select(Card.id, Card.member_id).where(Card.id == joined.card_id)).one()
        return Person(wallet_id, token, row.id, row.member_id)

    def offer(self, **rules: Any) -> Offer:
        """A running offer: 5 off, without limits beyond those given."""
        return make_offer(self.chain, **({"min_cents": 0, "per_member_limit": 1} | rules))

    def coupon(self, person: Person, offer: Offer) -> int:
        with transaction():
            claimed = claiming.claim(
                this_transaction(), offer.id, card_id=person.card_id, source=CouponSource.CAMPAIGN, now=utc_now()
            )
        return claimed.id

    def verify_phone(self, people: Sequence[Person], phone: str) -> None:
        """As if all of them had proved this phone."""
        with transaction():
            db.session.execute(
                update(Member)
                .where(Member.id.in_([person.member_id for person in people]))
                .values(phone=phone, phone_verified_at=utc_now())
            )

    def code_of(self, person: Person, *, now: datetime | None = None) -> str:
        """What the person's phone shows at the till."""
        db.session.rollback()
        card = db.session.get_one(Card, person.card_id)
        program = db.session.get_one(Program, card.program_id)
        return shown_code(card.number, card.code_secret, program.code_mode, now=now or utc_now()).value


def count(sql: str, **values: object) -> int:
    """One number from the database, as it is now."""
    db.session.rollback()
    return int(db.session.scalar(text(sql), values) or 0)
