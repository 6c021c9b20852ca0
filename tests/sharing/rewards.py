"""A chain that rewards bringing friends: its people, rules and purchases, at chosen times."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import func, select, update

from app.verifying import verify_books
from cards.models import Card, Member, PointEntry, Program
from checkout import quoting, refunding, reserving, settling, voiding
from core.audit import Author
from core.db import db, transaction
from core.hot import one_action
from coupons.models import Coupon, Offer
from sharing import fraud_settings, joining, linking, reward_rules, rewarding
from sharing.fraud_settings import Setting
from sharing.models import Referral
from sharing.reward_models import FraudAction, Reward, RewardRule, RewardTrigger
from stores.models import Role
from tests.checkout.shop import book
from tests.factories import (
    NOON,
    code_of,
    make_card,
    make_chain,
    make_offer,
    make_store,
    make_store_code,
    make_wallet,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HQ = Author("staff:1")
_requests = count(1)


class Rewarding:
    """The referrer shares his card; each friend comes through a link of its own."""

    def __init__(self, slug: str = "rewards") -> None:
        self.chain = make_chain(slug)
        self.store = make_store(self.chain)
        self.code = make_store_code(self.store)
        self.thanks: Offer = make_offer(self.chain, name="谢礼", name_en="Thanks", per_member_limit=100)
        self.referrer = self.member(NOON - DAY)

    def member(self, now: datetime = NOON) -> Card:
        """Somebody who came by himself."""
        return make_card(self.code, now=now)

    def share(self, card: Card, *, now: datetime = NOON) -> str:
        """The token of a new link."""
        with one_action() as hot:
            return linking.create_link(hot, card.chain_id, card.id, "group", now=now).token

    def friend(self, sharer: Card | str, *, now: datetime = NOON) -> Card:
        """A new member who comes through a card, by a link of its own, or through a link."""
        token = sharer if isinstance(sharer, str) else self.share(sharer, now=now)
        wallet_id = make_wallet()
        with one_action() as hot:
            joined = joining.join_by_link(hot, token, wallet_id=wallet_id, visitor="v", language="zh", now=now)
        return db.session.get_one(Card, joined.card_id)

    def phone(self, card: Card, phone: str, *, proved_at: datetime | None) -> None:
        with transaction():
            db.session.execute(
                update(Member).where(Member.id == card.member_id).values(phone=phone, phone_verified_at=proved_at)
            )

    def rule(self, *, now: datetime = NOON, starts: bool = True, **more: Any) -> RewardRule:
        """For a card, after a day: a coupon of 5 for the referrer."""
        values: dict[str, Any] = {
            "name": "荐友有礼",
            "name_en": "Bring a friend",
            "trigger": RewardTrigger.CARD_ISSUED,
            "hold_days": 1,
        } | more
        if not {"referrer_offer_id", "referrer_points", "friend_offer_id", "friend_points"} & set(more):
            values["referrer_offer_id"] = self.thanks.id
        with transaction():
            rule = reward_rules.create_rule(self.chain.id, reward_rules.RuleDraft(**values), by=HQ, now=now)
            if starts:
                reward_rules.start_rule(self.chain.id, rule.id, by=HQ, now=now)
        return rule

    def purchase_rule(self, **more: Any) -> RewardRule:
        """For the first purchase of 30 within 30 days."""
        purchase = {"trigger": RewardTrigger.FIRST_PURCHASE, "min_cents": 3000, "within_days": 30}
        return self.rule(**(purchase | more))

    def points_are_worth_money(self) -> None:
        """100 points take 1 yuan off."""
        with transaction():
            db.session.execute(update(Program).values(spend_points=100, spend_cents=100))

    def no_fraud(self) -> None:
        """For tests of what is not about fraud, with many friends at once."""
        off = [(rule, Setting(FraudAction.OFF, setting.threshold)) for rule, setting in fraud_settings.DEFAULTS.items()]
        with transaction():
            fraud_settings.set_settings(self.chain.id, off, by=HQ, now=NOON)

    def spend(self, card: Card, points: int, *, now: datetime) -> int:
        """A purchase for which so many points pay, at 1 yuan for 100."""
        return self.settle(card, 5000, use_points=points, now=now)

    def settle(self, card: Card, cents: int = 5000, *, now: datetime, **more: Any) -> int:
        """A purchase at the till; 5 % go off for the tier."""
        return book(self._sale(card, cents, now=now, **more), now=now).id

    def reserve(self, card: Card, cents: int = 5000, *, now: datetime, **more: Any) -> int:
        """A purchase that a till prices and holds."""
        with one_action(durable=True) as hot:
            return settling.reserve(hot, self._sale(card, cents, now=now, **more), until=now + HOUR, now=now).id

    def release(self, checkout_id: int, *, now: datetime) -> None:
        with transaction():
            reserving.release(self.chain.id, checkout_id, store_ids=None, by=HQ, now=now)

    def _sale(self, card: Card, cents: int, *, now: datetime, **more: Any) -> settling.Sale:
        return settling.Sale(
            chain_id=self.chain.id,
            store_id=self.store.id,
            card=quoting.presented(code_of(card, now=now)),
            amount_cents=cents,
            request_id=f"key:1:purchase-{next(_requests)}",
            fingerprint="f" * 64,
            settled_by="key:1",
            **more,
        )

    def void(self, checkout_id: int, *, now: datetime) -> None:
        with transaction():
            voiding.void(self.chain.id, checkout_id, role=Role.HQ_ADMIN, store_ids=None, by=HQ, now=now)

    def refund(self, checkout_id: int, cents: int, *, now: datetime) -> None:
        with transaction():
            refunding.refund(
                self.chain.id,
                checkout_id,
                cents,
                request_id=f"refund-{checkout_id}-{cents}",
                fingerprint="f" * 64,
                role=Role.HQ_ADMIN,
                store_ids=None,
                by=HQ,
                now=now,
            )

    def earn(self, now: datetime = NOON) -> None:
        while rewarding.earn_batch(self.chain.id, now=now):
            pass

    def give(self, now: datetime) -> None:
        while rewarding.give_due_batch(self.chain.id, now=now):
            pass

    def tick(self, now: datetime) -> None:
        self.earn(now)
        self.give(now)

    def approve(self, reward: Reward, *, now: datetime, reason: str = "老顾客") -> Reward:
        with transaction():
            return rewarding.approve(self.chain.id, reward.id, reason=reason, by=HQ, now=now)

    def reject(self, reward: Reward, *, now: datetime, reason: str = "不像真的") -> Reward:
        with transaction():
            return rewarding.reject(self.chain.id, reward.id, reason=reason, by=HQ, now=now)

    def claw_back(self, reward: Reward, *, now: datetime, reason: str = "发错了") -> Reward:
        with transaction():
            return rewarding.claw_back(self.chain.id, reward.id, reason=reason, by=HQ, now=now)

    def flag(self, friend: Card) -> None:
        """Make a referral look odd: both have one phone, and none has proved it."""
        for card in (friend, self.referrer):
            self.phone(card, "+8613800000001", proved_at=None)


def rewards() -> Sequence[Reward]:
    db.session.rollback()
    return db.session.scalars(select(Reward).order_by(Reward.id).execution_options(populate_existing=True)).all()


def only_reward() -> Reward:
    (reward,) = rewards()
    return reward


def standings() -> Counter[tuple[str, str | None]]:
    return Counter((reward.state, reward.reason) for reward in rewards())


def committed() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.sum(RewardRule.committed_cents))) or 0


def coupons_of(card: Card) -> list[str]:
    """The states of the thank-you coupons on a card."""
    db.session.rollback()
    query = select(Coupon.state).where(Coupon.card_id == card.id, Coupon.source == "share_reward")
    return list(db.session.scalars(query.order_by(Coupon.id)))


def points_of(card: Card) -> int:
    db.session.rollback()
    return db.session.scalar(select(Card.points).where(Card.id == card.id)) or 0


def causes_of(card: Card) -> list[tuple[str, int]]:
    rows = db.session.execute(
        select(PointEntry.cause, PointEntry.delta).where(PointEntry.card_id == card.id).order_by(PointEntry.id)
    )
    return [(row.cause.partition(":")[0], row.delta) for row in rows]


def referral_of(card: Card) -> Referral:
    return db.session.scalars(select(Referral).where(Referral.member_id == card.member_id)).one()


def differences(chain_id: int | None = None) -> list[str]:
    """What ``ledger verify`` finds wrong."""
    return [finding.check.name for finding in verify_books(chain_id=chain_id) if finding.problems]
