"""A shop to which anything may happen in any order: offers, coupons, gifts, purchases, points, undos, time.

Refusals are fine as long as they are ours; what must hold afterwards is in test_life.py.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import select, update

from cards import ledger
from cards.models import Card, Member, Program
from checkout import quoting, refunding, reserving, settling, voiding
from checkout.models import Checkout, CheckoutState
from core.audit import SYSTEM
from core.db import db, transaction
from core.errors import DomainError
from core.hot import one_action, reading
from coupons import claiming, editing, expiring, giving, offers
from coupons.drafts import version_of
from coupons.models import Coupon, CouponSource, CouponState
from stores.models import Role
from tests.factories import NOON, code_of, make_card, make_chain, make_offer, make_store, make_store_code

_numbers = count(1)
PEOPLE = 3
KINDS: dict[str, dict[str, Any]] = {
    "cash": {"kind": "cash", "value_cents": 500},
    "percent": {"kind": "percent", "percent_bp": 2000, "cap_cents": 700, "value_cents": None},
    "gift": {"kind": "gift", "value_cents": None, "item_cents": 800, "item_name": "甜筒", "item_name_en": "Cone"},
    "fixed_price": {
        "kind": "fixed_price",
        "value_cents": None,
        "item_cents": 900,
        "price_cents": 300,
        "item_name": "圣代",
        "item_name_en": "Sundae",
    },
}


@dataclass(frozen=True)
class Snapshot:
    """All that an undo must restore. Times of visits are not among it: the member was there."""

    cards: tuple[Any, ...]
    coupons: tuple[Any, ...]


class Life:
    """The shop, its clock, and every action."""

    def __init__(self) -> None:
        self.now: datetime = NOON
        self.chain = make_chain(f"life-{next(_numbers)}")
        self.store = make_store(self.chain)
        code = make_store_code(self.store)
        self.cards = [make_card(code).id for _ in range(PEOPLE)]
        self.offers: list[int] = []
        self.gifts: list[str] = []
        self.sales: list[settling.Sale] = []
        with transaction():
            db.session.execute(
                update(Program).where(Program.chain_id == self.chain.id).values(spend_points=10, spend_cents=100)
            )
            for number, card_id in enumerate(self.cards):
                ledger.add(card_id, 50, cause="import", now=self.now)
                ledger.add_progress(card_id, points=50, cents=0)
                member = select(Card.member_id).where(Card.id == card_id).scalar_subquery()
                proved = {"phone": f"+861390000000{number // 2}", "phone_verified_at": self.now}  # two share one
                db.session.execute(update(Member).where(Member.id == member).values(proved))

    def card(self, which: int) -> Card:
        return db.session.get_one(Card, self.cards[which % PEOPLE], populate_existing=True)

    def coupons_of(self, card_id: int, state: CouponState = CouponState.CLAIMED) -> list[int]:
        query = select(Coupon.id).filter_by(card_id=card_id, state=state).order_by(Coupon.id)
        return list(db.session.scalars(query))

    def checkouts(self, *states: str) -> list[int]:
        query = select(Checkout.id).where(Checkout.chain_id == self.chain.id, Checkout.state.in_(states))
        return list(db.session.scalars(query.order_by(Checkout.id)))

    def snapshot(self) -> Snapshot:
        db.session.rollback()
        card = (Card.id, Card.points, Card.earned_points, Card.spent_cents, Card.tier_id)
        coupon = (Coupon.id, Coupon.state, Coupon.redeemed_at, Coupon.committed_cents, Coupon.code)
        return Snapshot(
            tuple(db.session.execute(select(*card).filter_by(chain_id=self.chain.id).order_by(Card.id)).all()),
            tuple(db.session.execute(select(*coupon).filter_by(chain_id=self.chain.id).order_by(Coupon.id)).all()),
        )

    # --- offers -------------------------------------------------------------------------------------------------

    def make_offer(self, kind: str, **limits: Any) -> None:
        rules = {"min_cents": 0, "valid_days": 3} | KINDS[kind] | limits
        self.offers.append(make_offer(self.chain, **rules).id)

    def edit_offer(self, which: int, change: Callable[[Any], dict[str, Any]]) -> None:
        offer = offers.get_offer(self.chain.id, self.offers[which % len(self.offers)])
        before = offers.draft_of(offer)
        draft = replace(before, **change(before))
        with transaction():
            editing.edit_running(self.chain.id, offer.id, draft, seen=version_of(before), by=SYSTEM, now=self.now)

    # --- coupons ------------------------------------------------------------------------------------------------

    def claim(self, which: int, offer: int) -> None:
        offer_id = self.offers[offer % len(self.offers)]
        with one_action() as hot:
            claiming.claim(
                hot, offer_id, card_id=self.cards[which % PEOPLE], source=CouponSource.CLAIM_PAGE, now=self.now
            )

    def give(self, coupon_id: int) -> None:
        card_id = db.session.get_one(Coupon, coupon_id, populate_existing=True).card_id
        with transaction():
            self.gifts.append(giving.offer_gift(card_id, coupon_id, now=self.now).token)

    def take(self, token: str, which: int) -> giving.Accepted:
        wallet_id = self.card(which).wallet_id
        with transaction():
            return giving.accept(token, wallet_id=wallet_id, now=self.now)

    def call_back(self, coupon_id: int) -> None:
        card_id = db.session.get_one(Coupon, coupon_id, populate_existing=True).card_id
        with transaction():
            giving.cancel(card_id, coupon_id, now=self.now)

    # --- the till -----------------------------------------------------------------------------------------------

    def sale(self, which: int, amount_cents: int, coupon_ids: tuple[int, ...], use_points: int) -> settling.Sale:
        request_id = f"key:1:life-{next(_numbers)}"
        card = quoting.presented(code_of(self.card(which), now=self.now))
        return settling.Sale(
            self.chain.id, self.store.id, card, amount_cents, request_id, "f" * 64, "key:1", coupon_ids,
            use_points=use_points,
        )  # fmt: skip

    def best_coupons(self, which: int, amount_cents: int) -> tuple[int, ...]:
        card = quoting.presented(code_of(self.card(which), now=self.now))
        with reading() as hot:
            quote = quoting.quote(hot, self.chain.id, self.store.id, card, amount_cents, now=self.now)
        return tuple(quote.best.coupon_ids)

    def settle(self, sale: settling.Sale) -> settling.Settled:
        with one_action(durable=True) as hot:
            settled = settling.settle(hot, sale, now=self.now)
        self.sales.append(sale)
        return settled

    def reserve(self, sale: settling.Sale) -> settling.Settled:
        with one_action(durable=True) as hot:
            return settling.reserve(hot, sale, until=self.now + timedelta(minutes=10), now=self.now)

    def confirm(self, checkout_id: int) -> None:
        with transaction():
            reserving.confirm(self.chain.id, checkout_id, store_ids=None, by=SYSTEM, now=self.now)

    def release(self, checkout_id: int) -> None:
        with transaction():
            reserving.release(self.chain.id, checkout_id, store_ids=None, by=SYSTEM, now=self.now)

    def void(self, checkout_id: int) -> voiding.Voided:
        with transaction():
            return voiding.void(
                self.chain.id, checkout_id, role=Role.STORE_MANAGER, store_ids=None, by=SYSTEM, now=self.now
            )

    def refund(self, checkout_id: int, amount_cents: int, request_id: str | None = None) -> refunding.Refunded:
        with transaction():
            return refunding.refund(
                self.chain.id,
                checkout_id,
                amount_cents,
                request_id=request_id or f"life-{next(_numbers)}",
                fingerprint="f" * 64,
                role=Role.STORE_MANAGER,
                store_ids=None,
                by=SYSTEM,
                now=self.now,
            )

    def left_of(self, checkout_id: int) -> int:
        checkout = db.session.get_one(Checkout, checkout_id, populate_existing=True)
        return checkout.payable_cents - checkout.refunded_cents if checkout.state == CheckoutState.SETTLED else 0

    # --- time ---------------------------------------------------------------------------------------------------

    def wait(self, hours: int) -> None:
        """Time passes, and what runs by the clock runs."""
        self.now += timedelta(hours=hours)
        expiring.expire_batch(self.chain.id, now=self.now)
        giving.time_out_batch(now=self.now)
        reserving.release_batch(now=self.now)


@contextmanager
def maybe_refused() -> Iterator[list[str]]:
    """A refusal of ours is an answer too; its code is in the list."""
    codes: list[str] = []
    try:
        yield codes
    except DomainError as refusal:
        codes.append(refusal.code)
    finally:
        db.session.rollback()
