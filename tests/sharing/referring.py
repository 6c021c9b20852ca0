"""Members who bring members, with what their phones look like, at chosen times."""

from datetime import datetime
from itertools import count

from sqlalchemy import select, update

from cards.models import Card, Member
from checkout.models import Checkout
from core.db import db, transaction
from core.hot import one_action
from sharing import joining, linking
from sharing.models import Referral
from sharing.traces import NO_TRACE, Trace
from tests.factories import NOON, make_card, make_chain, make_store, make_store_code, make_wallet, save

_requests = count(1)


class Circle:
    """One chain with one store, and the people in it."""

    def __init__(self, slug: str = "circle") -> None:
        self.chain = make_chain(slug)
        self.store = make_store(self.chain)
        self.code = make_store_code(self.store)

    def member(self, now: datetime = NOON) -> Card:
        """Somebody who came by himself."""
        return make_card(self.code, now=now)

    def share(self, card: Card, *, trace: Trace = NO_TRACE, now: datetime = NOON) -> linking.NewLink:
        with one_action() as hot:
            return linking.create_link(hot, card.chain_id, card.id, "group", now=now, trace=trace)

    def friend(self, sharer: Card | linking.NewLink, *, trace: Trace = NO_TRACE, now: datetime = NOON) -> Card:
        """A new member who comes through a card, by a link of its own, or through a link."""
        link = sharer if isinstance(sharer, linking.NewLink) else self.share(sharer, now=now)
        wallet_id = make_wallet()
        with one_action() as hot:
            joined = joining.join_by_link(
                hot, link.token, wallet_id=wallet_id, visitor="v", language="zh", now=now, trace=trace
            )
        return db.session.get_one(Card, joined.card_id)

    def phone(self, card: Card, phone: str | None, *, proved: bool = True, now: datetime = NOON) -> None:
        with transaction():
            db.session.execute(
                update(Member)
                .where(Member.id == card.member_id)
                .values(phone=phone, phone_verified_at=now if proved and phone else None)
            )

    def buy(self, card: Card, *, now: datetime, **more: object) -> Checkout:
        values: dict[str, object] = {
            "settled_by": "staff:1",
            "request_id": f"request-{next(_requests)}",
            "fingerprint": "f" * 64,
            "amount_cents": 3000,
            "member_discount_cents": 0,
            "coupon_discount_cents": 0,
            "payable_cents": 3000,
            "points_earned": 0,
            "business_day": now.date(),
            "settled_at": now,
        } | more
        place = {"chain_id": card.chain_id, "store_id": self.store.id}
        return save(Checkout(card_id=card.id, member_id=card.member_id, **place, **values))


def referral_of(card: Card) -> int:
    return db.session.scalars(select(Referral.id).filter_by(chain_id=card.chain_id, member_id=card.member_id)).one()
