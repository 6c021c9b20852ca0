# ruff: noqa: E501 (rows of tables, read across)
"""A chain whose books hold something of everything that ``ledger verify`` compares, written as rows, and all agree."""

from datetime import date

from cards.models import Card, Member, PointEntry, Program, Tier, Wallet
from checkout.models import Checkout, Redemption, Refund
from core.db import db, transaction
from core.tokens import hashed
from coupons.code_models import CodeBatch, PrintedCode
from coupons.gift_models import CouponGift, StaffGift
from coupons.models import (
    Coupon,
    Offer,
    OfferBudget,
    OfferDay,
    OfferPhone,
    OfferSlot,
)
from sharing.models import Referral, ShareLink, ShareVisit
from sharing.reward_models import Reward, RewardRule
from stores.models import Chain, Staff, Store
from tests.factories import NOON, in_days

TODAY = date(2026, 5, 20)
PEOPLE = (1, 2, 3)
COUPON = {"chain_id": 1, "offer_id": 1, "claimed_at": NOON, "valid_from": NOON, "valid_until": in_days(30)}


def write_books() -> None:
    with transaction():
        for chapter in (_chain, _people, _cards, _offer, _coupons, _friends, _ways, _buying, _after, _rewards):
            db.session.add_all(chapter())
            db.session.flush()


def _chain() -> list[object]:
    chain = Chain(
        id=1, slug="books", name="账", name_en="Books", timezone="Asia/Shanghai", currency="CNY", created_at=NOON
    )
    db.session.add(chain)
    db.session.flush()
    return [
        Store(id=1, chain_id=1, code="S1", name="店", timezone="Asia/Shanghai", created_at=NOON),
        Program(id=1, chain_id=1, is_default=True, name="卡", name_en="Card", created_at=NOON),
        Staff(id=1, chain_id=1, login="a@b.c", name="王", role="clerk", password_hash="x", created_at=NOON),
        *(Wallet(id=each, key_hash=f"{each:064d}", created_at=NOON) for each in PEOPLE),
    ]


def _people() -> list[object]:
    verified = {"phone_verified_at": NOON, "joined_at": NOON, "chain_id": 1}
    return [
        Tier(id=1, chain_id=1, program_id=1, rank=0, name="银", name_en="Silver"),
        *(Member(id=each, wallet_id=each, phone=f"+861380000000{each}", **verified) for each in PEOPLE),
    ]


def _cards() -> list[object]:
    card = {"chain_id": 1, "program_id": 1, "tier_id": 1, "code_secret": b"x" * 20, "channel": "import"}
    progress = {
        1: {"points": 142, "earned_points": 240, "spent_cents": 4100},
        2: {"points": 3},
        3: {"points": 50, "earned_points": 50},
    }
    return [
        Card(id=each, wallet_id=each, member_id=each, number=f"{each:016d}", issued_at=NOON, issued_on=TODAY, **card,
             **progress.get(each, {}))
        for each in PEOPLE
    ]  # fmt: skip


def _offer() -> list[object]:
    limits = {"stock": 10, "per_member_limit": 2, "per_day_limit": 5, "per_phone_limit": 3, "budget_cents": 10_000}
    offer = Offer(
        id=1, chain_id=1, token="o" * 13, name="减5", name_en="5 off", kind="cash", value_cents=500, valid_days=30,
        staff_gift_limit=3, state="running", created_at=NOON, **limits,
    )  # fmt: skip
    db.session.add(offer)
    db.session.flush()
    phones = ((1, 2), (2, 2), (3, 1))
    return [
        OfferSlot(offer_id=1, slot=0, stock=5, claimed=2),
        OfferSlot(offer_id=1, slot=1, stock=5, claimed=2),
        OfferDay(offer_id=1, day=TODAY, claimed=4, most=5),
        OfferBudget(offer_id=1, budget_cents=10_000, committed_cents=2000),
        *(
            OfferPhone(offer_id=1, phone_hash=hashed(f"+861380000000{each}"), claimed=claimed, most=3)
            for each, claimed in phones
        ),
    ]


def _coupons() -> list[object]:
    used = {"state": "redeemed", "redeemed_at": NOON, "committed_cents": 500}
    claimed = {"state": "claimed", "committed_cents": 500}
    return [
        Coupon(id=1, card_id=1, member_id=1, ordinal=1, slot=0, code="a" * 13, source="claim_page", **COUPON, **used),
        Coupon(id=2, card_id=1, member_id=1, ordinal=2, slot=0, code="b" * 13, source="printed_code", **COUPON, **claimed),
        Coupon(id=3, card_id=2, member_id=2, ordinal=1, slot=1, code="c" * 13, source="staff_gift", state="void", **COUPON),
        Coupon(id=5, card_id=2, member_id=2, ordinal=2, slot=1, code="e" * 13, source="api",
               **COUPON, **(claimed | {"state": "gifting"})),
    ]  # fmt: skip


def _friends() -> list[object]:
    friend = {"source": "friend", "given_coupon_id": 3, "committed_cents": 500}
    return [Coupon(id=4, card_id=3, member_id=3, ordinal=1, code="d" * 13, **COUPON, **friend)]


def _ways() -> list[object]:
    db.session.add(
        CodeBatch(
            id=1, chain_id=1, offer_id=1, kind="generated", name="传单", size=2, made=2, made_by="staff:1", made_at=NOON
        )
    )
    db.session.flush()
    gift = {"chain_id": 1, "giver_id": 2, "made_at": NOON, "valid_until": in_days(1)}
    return [
        CouponGift(id=1, coupon_id=3, receiver_id=3, new_coupon_id=4, token="g" * 13, state="accepted", ended_at=NOON, **gift),
        CouponGift(id=2, coupon_id=5, token="h" * 13, **gift),
        StaffGift(coupon_id=3, chain_id=1, offer_id=1, staff_id=1, store_id=1, day=TODAY, ordinal=1, most=3, reason="久等",
                  given_at=NOON),
        PrintedCode(batch_id=1, code="A" * 12, chain_id=1, coupon_id=2, used_at=NOON),
        PrintedCode(batch_id=1, code="B" * 12, chain_id=1),
    ]  # fmt: skip


def _buying() -> list[object]:
    till = {"chain_id": 1, "store_id": 1, "settled_by": "staff:1", "fingerprint": "f" * 64}
    return [
        Checkout(
            id=1, card_id=1, member_id=1, request_id="1", amount_cents=6000, member_discount_cents=300,
            coupon_discount_cents=500, points_used=100, points_discount_cents=100, payable_cents=5100,
            refunded_cents=1000, points_earned=50, settled_at=NOON, business_day=TODAY, **till,
        ),
        Checkout(
            id=2, card_id=2, member_id=2, request_id="2", amount_cents=6000, member_discount_cents=0,
            coupon_discount_cents=0, payable_cents=6000, points_earned=60, state="reserved", reserved_until=in_days(1),
            **till,
        ),
        Checkout(
            id=3, card_id=3, member_id=3, request_id="3", amount_cents=6000, member_discount_cents=0,
            coupon_discount_cents=0, points_used=20, points_discount_cents=20, payable_cents=5980, points_earned=60,
            state="released", reserved_until=in_days(1), **till,
        ),
        Checkout(
            id=4, card_id=3, member_id=3, request_id="4", amount_cents=3000, member_discount_cents=0,
            coupon_discount_cents=0, points_used=10, points_discount_cents=10, payable_cents=2990, points_earned=30,
            state="voided", settled_at=NOON, business_day=TODAY, voided_at=NOON, voided_by="staff:1", **till,
        ),
    ]  # fmt: skip


def _after() -> list[object]:
    db.session.add(
        ShareLink(id=1, chain_id=1, program_id=1, card_id=1, member_id=1, token="s" * 13, channel="group", visits=1,
                  created_at=NOON)
    )  # fmt: skip
    db.session.flush()
    lines = [
        (1, 200, 200, "import"), (1, -100, 100, "spend:1"), (1, 50, 150, "checkout:1"), (1, -8, 142, "refund:1:1000"),
        (3, 50, 50, "import"), (3, -20, 30, "reserve:3"), (3, 20, 50, "release:3"),
        (2, 10, 10, "reward:3"), (2, -7, 3, "clawback:3"),
        (3, -10, 40, "spend:4"), (3, 30, 70, "checkout:4"), (3, 10, 80, "void:4"), (3, -30, 50, "void:4"),
    ]  # fmt: skip
    return [
        Redemption(id=1, chain_id=1, checkout_id=1, coupon_id=1, offer_id=1, store_id=1, discount_cents=500, redeemed_at=NOON),
        Refund(id=1, chain_id=1, checkout_id=1, store_id=1, request_id="r", fingerprint="f" * 64, amount_cents=1000,
               points_taken=8, points_short=2, points_returned=0, refunded_by="staff:1", refunded_at=NOON, business_day=TODAY),
        *(PointEntry(id=each, chain_id=1, card_id=card_id, delta=delta, balance=balance, cause=cause, at=NOON)
          for each, (card_id, delta, balance, cause) in enumerate(lines, 1)),
        ShareVisit(id=1, chain_id=1, share_link_id=1, visitor="v" * 64, at=NOON),
    ]  # fmt: skip


def _rewards() -> list[object]:
    common = {"chain_id": 1, "created_at": NOON}
    db.session.add(
        Offer(id=2, token="p" * 13, name="谢", name_en="Thanks", kind="cash", value_cents=500, valid_days=30, state="running",
              **common)
    )  # fmt: skip
    edge = {"referrer_id": 1, "root_id": 1, "share_link_id": 1, "channel": "group", "depth": 1, **common}
    db.session.add_all(
        Referral(id=each - 1, member_id=each, card_id=each, path=f"{1:010x}{each:010x}", **edge) for each in (2, 3)
    )
    db.session.flush()
    thanks = COUPON | {"offer_id": 2}
    db.session.add(Coupon(id=6, card_id=1, member_id=1, ordinal=1, code="f" * 13, source="share_reward", **thanks))
    db.session.add(
        RewardRule(id=1, name="荐友", name_en="Bring a friend", state="running", trigger="card_issued", hold_days=0,
                   referrer_offer_id=2, referrer_cost_cents=500, friend_points=10, friend_cost_cents=10, per_day_cap=1,
                   lifetime_cap=1, budget_cents=10_000, committed_cents=503, started_at=NOON, **common)
    )  # fmt: skip
    db.session.flush()
    decided = {"rule_id": 1, "earned_on": TODAY, "due_at": NOON, "decided_at": NOON, "decided_by": "system", **common}
    thanked = {"side": "referrer", "member_id": 1, "card_id": 1, "offer_id": 2, "cost_cents": 500, **decided}
    return [
        Reward(id=1, referral_id=1, state="approved", committed_cents=500, coupon_id=6, **thanked),
        Reward(id=2, referral_id=2, state="rejected", reason="cap", committed_cents=0, **thanked),
        Reward(id=3, referral_id=1, side="friend", member_id=2, card_id=2, points=10, cost_cents=10, state="clawed_back",
               reason="person", committed_cents=3, points_short=3, **decided),
    ]  # fmt: skip
