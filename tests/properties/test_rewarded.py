"""Any sequence of friends, purchases, undos, pauses, days and decisions: rewards stand as plain reasoning says.

More and longer lives: ``KAQUAN_LIVES=200 KAQUAN_STEPS=90 pytest tests/properties``.
"""

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, select

from cards.models import Card, PointEntry
from checkout.models import Checkout
from core.db import db, transaction
from core.errors import DomainError
from coupons.models import Coupon
from sharing import reward_rules
from sharing.models import Referral
from sharing.reward_models import Reward, RewardRule
from tests.factories import NOON
from tests.properties.rewarded import LIVE, Books, Bought, Due, Edge, Promise
from tests.sharing.rewards import DAY, HQ, Rewarding, differences

LIVES = int(os.environ.get("KAQUAN_LIVES", "6"))
STEPS = int(os.environ.get("KAQUAN_STEPS", "60"))
ACTIONS = {"buy": 28, "undo": 20, "wait": 15, "join": 10, "decide": 14, "use": 7, "pause": 5, "end": 1}
_slugs = count(1)

Standing = dict[tuple[str, int, str], tuple[Any, ...]]  # of rewards, by trigger, friend and side


class Life:
    """The chain on one side, the plain books on the other. After most actions the clock ticks."""

    def __init__(self, seed: int) -> None:
        self.any = random.Random(seed)
        self.said: list[str] = []
        self.shop, self.now = Rewarding(f"rewarded-{next(_slugs)}"), NOON
        self.shop.no_fraud()
        self.shop.points_are_worth_money()
        per_day, lifetime, budget = self.any.randint(1, 4), self.any.randint(3, 9), 100 * self.any.randint(8, 60)
        caps = {"per_day_cap": per_day, "lifetime_cap": lifetime, "budget_cents": budget}
        limits = {"per_day": per_day, "lifetime": lifetime, "budget": budget}
        card = self.shop.rule(referrer_offer_id=self.shop.thanks.id, friend_points=200, **caps)
        gifts = {"referrer_points": 300, "friend_points": 100}
        purchase = self.shop.purchase_rule(within_days=5, hold_days=0, **gifts, **caps)
        self.rules = {"card_issued": card.id, "first_purchase": purchase.id}
        when = {"min_cents": 3000, "within": 5 * DAY}
        self.books = Books(
            [
                Promise("card_issued", {"referrer": (None, 500), "friend": (200, 200)}, DAY, **limits),
                Promise(
                    "first_purchase", {"referrer": (300, 300), "friend": (100, 100)}, timedelta(), **limits, **when
                ),
            ]
        )
        self.people = [self.shop.referrer.id]
        for _ in range(2):
            self.join(self.shop.referrer.id)

    def live(self) -> Iterator[tuple[Standing, Standing]]:
        """After each step: how the rewards stand, and how they should."""
        for _ in range(STEPS):
            action = self.any.choices(list(ACTIONS), list(ACTIONS.values()))[0]
            self.said.append(action)
            getattr(self, action)()
            if self.any.random() < 0.8:
                self.said.append("tick")
                self.tell_the_books()
                self.shop.tick(self.now)
                self.books.tick(self.now)
            yield self.found(), self.expected()

    # --- what may happen --------------------------------------------------------------------------------------------

    def join(self, referrer: int | None = None) -> None:
        referrer = referrer or self.any.choice(self.people)
        friend = self.shop.friend(db.session.get_one(Card, referrer), now=self.now)
        self.people.append(friend.id)
        self.books.edges.append(Edge(friend.id, referrer, self.now))
        self.books.unread.append(("joined", len(self.books.edges) - 1))

    def buy(self) -> None:
        card = db.session.get_one(Card, self.any.choice(self.people[1:]), populate_existing=True)
        points = min(100 * self.any.randint(0, 4), card.points // 100 * 100)
        self._settle(card, self.any.choice([3000, 3200, 5000]), use_points=points)

    def use(self) -> None:
        """A coupon that a reward gave."""
        query = select(Coupon).where(Coupon.source == "share_reward", Coupon.state == "claimed")
        coupons = db.session.scalars(query.where(Coupon.chain_id == self.shop.chain.id).order_by(Coupon.id)).all()
        if coupons:
            coupon = self.any.choice(coupons)
            self._settle(db.session.get_one(Card, coupon.card_id), 5000, coupon_ids=(coupon.id,))

    def _settle(self, card: Card, cents: int, **more: Any) -> None:
        number = self.shop.settle(card, cents, now=self.now, **more)
        payable = db.session.get_one(Checkout, number).payable_cents
        self.books.purchases[number] = Bought(card.id, self.now, payable)
        self.books.unread.append(("settled", number))

    def undo(self) -> None:
        """Mostly of a purchase that was rewarded."""
        rewarded = {due.checkout for due in self.books.rewards.values() if due.state in LIVE and due.checkout}
        numbers = sorted(rewarded) if rewarded and self.any.random() < 0.7 else list(self.books.purchases)[-5:]
        if not numbers:
            return
        number, part = self.any.choice(numbers), self.any.choice([100, 900, None, None])
        bought, last = self.books.purchases[number], db.session.scalar(select(func.max(PointEntry.id))) or 0
        try:
            if part is None:
                self.shop.void(number, now=self.now)
                bought.is_voided = True
            else:
                self.shop.refund(number, part, now=self.now)  # asked again, it is the same refund
                bought.refunded = db.session.get_one(Checkout, number, populate_existing=True).refunded_cents
        except DomainError:
            db.session.rollback()
            return
        back = select(func.sum(PointEntry.delta)).where(PointEntry.id > last, PointEntry.delta > 0)
        returned = int(db.session.scalar(back.where(PointEntry.card_id == bought.card)) or 0)
        self.books.returned[number] = self.books.returned.get(number, 0) + returned
        self.books.unread.append(("undone", number))

    def wait(self) -> None:
        self.now += timedelta(hours=self.any.choice([1, 7, 24]))

    def pause(self) -> None:
        """Or go on."""
        promise = self.any.choice(self.books.promises)
        if promise.state != "ended":
            promise.state = "paused" if promise.state == "running" else "running"
            self._change(promise, reward_rules.pause_rule if promise.state == "paused" else reward_rules.resume_rule)

    def end(self) -> None:
        promise = self.any.choice(self.books.promises)
        if promise.state != "ended":
            promise.state, promise.ended_at = "ended", self.now
            self._change(promise, reward_rules.end_rule)

    def _change(self, promise: Promise, how: Any) -> None:
        with transaction():
            how(self.shop.chain.id, self.rules[promise.trigger], by=HQ, now=self.now)

    def decide(self) -> None:
        if not self.books.rewards:
            return
        self.tell_the_books()
        due, how = (
            self.any.choice(list(self.books.rewards.values())),
            self.any.choice(["approve", "reject", "claw_back"]),
        )
        self.said.append(how)
        reward, refusal = self.reward_of(due), ""
        try:
            getattr(self.shop, how)(reward, now=self.now)
        except DomainError as error:
            refusal = error.code
            db.session.rollback()
        decided = getattr(self.books, how)
        assert refusal == (decided(due, self.now) if how == "approve" else decided(due)), self.said

    # --- what must hold ---------------------------------------------------------------------------------------------

    def found(self) -> Standing:
        db.session.rollback()
        rows = db.session.execute(
            select(Reward, RewardRule.trigger, Referral.card_id)
            .join(RewardRule, RewardRule.id == Reward.rule_id)
            .join(Referral, Referral.id == Reward.referral_id)
            .where(Reward.chain_id == self.shop.chain.id)
            .execution_options(populate_existing=True)
        )
        return {
            (trigger, friend, r.side): (
                r.state, r.reason, r.committed_cents, r.checkout_id, r.points_short, r.is_coupon_lost, r.due_at,
            )
            for r, trigger, friend in rows
        }  # fmt: skip

    def expected(self) -> Standing:
        return {
            key: (due.state, due.reason, due.committed, due.checkout, due.short, due.is_lost, due.due_at)
            for key, due in self.books.rewards.items()
        }

    def reward_of(self, due: Due) -> Reward:
        return db.session.scalars(
            select(Reward)
            .join(Referral, Referral.id == Reward.referral_id)
            .where(
                Reward.rule_id == self.rules[due.promise.trigger],
                Referral.card_id == due.edge.friend,
                Reward.side == due.side,
            )
        ).one()

    def tell_the_books(self) -> None:
        """What is others' work: points on cards, and which reward's coupon is used."""
        db.session.rollback()
        cards = db.session.execute(select(Card.id, Card.points).where(Card.chain_id == self.shop.chain.id))
        self.books.balance = {row.id: row.points for row in cards}
        self.books.used = {
            key
            for key, due in self.books.rewards.items()
            if due.points is None and due.state == "approved" and self._is_used(due)
        }

    def _is_used(self, due: Due) -> bool:
        coupon_id = self.reward_of(due).coupon_id
        return db.session.scalar(select(Coupon.state).where(Coupon.id == coupon_id)) == "redeemed"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(LIVES))
def test_rewards_stand_as_plain_reasoning_says(app, seed):
    life = Life(seed)
    for found, expected in life.live():
        assert found == expected, life.said
        assert differences(life.shop.chain.id) == [], life.said
