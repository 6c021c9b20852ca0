# ruff: noqa: E501 (rows of a table, read across)
"""A small chain with fixed ids and codes, in two time zones, with everything a report has to get right."""

from datetime import UTC, date, datetime, timedelta

from cards.models import Card, Member, PointEntry, Program, Tier, Wallet
from checkout.models import Checkout, Redemption
from core.db import db, transaction
from coupons.models import Coupon, Offer
from push.models import Campaign, Delivery, Run
from push.wording.models import CampaignLink, Click
from sharing.models import OwnChannel, Referral, ShareLink, ShareVisit
from sharing.reward_models import FraudFinding, Reward, RewardRule
from stores.models import Chain, Scan, Store, StoreCode

MAY_20 = datetime(2026, 5, 20, 4, 0, tzinfo=UTC)  # noon in Shanghai, midnight in New York
EVIL = '=HYPERLINK("http://x","点我")'


def hours(count: float) -> datetime:
    return MAY_20 + timedelta(hours=count)


def tell() -> Chain:
    """Write the story; the chain's day begins at 4 in the morning."""
    with transaction():
        for chapter in (_places, _people, _buying, _sharing, _pushing):
            db.session.add_all(chapter())
            db.session.flush()
    return db.session.get_one(Chain, 1)


def _places() -> list[object]:
    early = hours(-24 * 30)
    chains = [
        Chain(id=1, slug="snowpeak", name="雪山冰品", name_en="Snow Peak", timezone="Asia/Shanghai", currency="CNY",
              cutoff_hour=4, created_at=hours(-72)),
        Chain(id=2, slug="other", name="别家", name_en="Other", timezone="Asia/Tokyo", currency="JPY", created_at=early),
    ]  # fmt: skip
    db.session.add_all(chains)
    db.session.flush()
    return [
        Store(id=1, chain_id=1, code="S001", name="南京东路店", city="上海", timezone="Asia/Shanghai", created_at=hours(-72)),
        Store(id=2, chain_id=1, code="-S002", name=EVIL, city="纽约, NY", timezone="America/New_York", created_at=hours(-72)),
        Store(id=3, chain_id=2, code="S001", name="别家的店", timezone="Asia/Tokyo", created_at=early),
        Program(id=1, chain_id=1, is_default=True, name="雪山会员", name_en="Club", created_at=early),
        Program(id=2, chain_id=2, is_default=True, name="别家会员", name_en="Other", created_at=early),
    ]  # fmt: skip


def _people() -> list[object]:
    db.session.add_all(
        [
            Tier(id=1, chain_id=1, program_id=1, rank=0, name="银卡", name_en="Silver"),
            Tier(id=2, chain_id=1, program_id=1, rank=1, name="@金卡", name_en="Gold"),
            Tier(id=3, chain_id=2, program_id=2, rank=0, name="卡", name_en="Card"),
            StoreCode(id=1, chain_id=1, store_id=1, token="a" * 13, label="door", created_at=MAY_20),
            StoreCode(id=2, chain_id=1, store_id=2, token="b" * 13, label="＝table", created_at=MAY_20),
            *(Wallet(id=each, key_hash=f"{each:064d}", created_at=MAY_20) for each in range(1, 6)),
        ]
    )
    db.session.flush()
    db.session.add_all(
        [
            Member(id=1, chain_id=1, wallet_id=1, store_id=1, name="林小雪", phone="+8613800000000", email="lin@example.com",
                   joined_at=hours(0), last_visit_at=hours(2)),
            Member(id=2, chain_id=1, wallet_id=2, store_id=2, name=EVIL, phone="+12025550123", email="-x@example.com",
                   language="en", joined_at=hours(3)),
            Member(id=3, chain_id=1, wallet_id=3, store_id=None, name='说 "你好", 再见\n第二行', joined_at=hours(15.5)),
            Member(id=4, chain_id=2, wallet_id=4, store_id=3, name="别家的人", phone="+819012345678", joined_at=hours(1)),
            Member(id=5, chain_id=1, wallet_id=5, store_id=1, name="", joined_at=hours(16.5)),
        ]
    )  # fmt: skip
    db.session.flush()
    card = {"chain_id": 1, "program_id": 1, "code_secret": b"x" * 20}
    may_19, may_20, may_21 = date(2026, 5, 19), date(2026, 5, 20), date(2026, 5, 21)
    return [
        Card(id=1, wallet_id=1, member_id=1, tier_id=2, number="6200000000000016", channel="scan", store_id=1, points=70,
             store_code_id=1, issued_at=hours(0), issued_on=may_20, **card),
        Card(id=2, wallet_id=2, member_id=2, tier_id=1, number="6200000000000024", channel="share", store_id=2, state="closed",
             share_link_id=1, issued_at=hours(3), issued_on=may_19, closed_at=hours(9), **card),
        Card(id=3, wallet_id=3, member_id=3, tier_id=1, number="6200000000000032", channel="import", issued_at=hours(15.5),
             issued_on=may_20, **card),
        Card(id=4, wallet_id=4, member_id=4, tier_id=3, number="6200000000000040", channel="scan", store_id=3,
             issued_at=hours(1), issued_on=may_20, **(card | {"chain_id": 2, "program_id": 2})),
        Card(id=5, wallet_id=5, member_id=5, tier_id=1, number="6200000000000057", channel="share", store_id=1, points=0,
             issued_at=hours(16.5), issued_on=may_21, **card),
        *(Scan(id=each, chain_id=1, store_id=1, store_code_id=1, visitor=f"{visitor:064x}", at=hours(after))
          for each, visitor, after in ((1, 1, -0.1), (2, 1, 0.5), (3, 2, 15.9), (4, 2, 16.1))),
        Scan(id=5, chain_id=1, store_id=2, store_code_id=2, visitor="f" * 64, at=hours(4.9)),
        PointEntry(id=1, chain_id=1, card_id=1, delta=100, balance=100, cause="checkout:1", at=hours(2)),
        PointEntry(id=2, chain_id=1, card_id=1, delta=-30, balance=70, cause="void:2", at=hours(3)),
    ]  # fmt: skip


def _buying() -> list[object]:
    db.session.add_all(
        [
            Offer(id=1, chain_id=1, token="o" * 13, name="满30减5", name_en="5 off 30", kind="cash", value_cents=500,
                  min_cents=3000, valid_days=30, state="running", created_at=MAY_20),
            Offer(id=2, chain_id=1, token="p" * 13, name="+95 折", name_en="5 % off", kind="percent", percent_bp=500,
                  valid_days=1, state="running", created_at=MAY_20),
        ]
    )  # fmt: skip
    db.session.flush()
    coupon = {
        "chain_id": 1,
        "offer_id": 1,
        "card_id": 1,
        "member_id": 1,
        "valid_from": hours(0),
        "valid_until": hours(700),
    }
    db.session.add_all(
        [
            Coupon(id=1, ordinal=1, code="c" * 9 + "aaaa", source="welcome", state="redeemed", claimed_at=hours(0),
                   redeemed_at=hours(2), **coupon),
            Coupon(id=2, ordinal=2, code="d" * 9 + "bbbb", source="claim_page", claimed_at=hours(1), **coupon),
            Coupon(id=3, ordinal=1, code="e" * 9 + "cccc", source="campaign", claimed_at=hours(6),
                   **(coupon | {"offer_id": 2, "card_id": 2, "member_id": 2, "valid_until": hours(7)})),
        ]
    )  # fmt: skip
    sums = {"member_discount_cents": 300, "coupon_discount_cents": 500, "payable_cents": 5200, "amount_cents": 6000}
    till = {"chain_id": 1, "fingerprint": "f" * 64, "settled_by": "staff:1", "business_day": date(2026, 5, 20)}
    db.session.add_all(
        [
            Checkout(id=1, store_id=1, card_id=1, member_id=1, request_id="till-1", points_earned=100,
                     settled_at=hours(2), **sums, **till),
            Checkout(id=2, store_id=1, card_id=1, member_id=1, request_id="=till-2", points_earned=30, state="voided",
                     settled_at=hours(2.5), voided_at=hours(3), voided_by="staff:1", **sums, **till),
            Checkout(id=3, store_id=2, card_id=1, member_id=1, request_id="till-3", points_earned=0, settled_at=hours(20),
                     **(sums | {"coupon_discount_cents": 0, "payable_cents": 5700}), **till),
        ]
    )  # fmt: skip
    db.session.flush()
    redemption = {"chain_id": 1, "offer_id": 1, "store_id": 1, "discount_cents": 500}
    return [
        Redemption(id=1, checkout_id=1, coupon_id=1, redeemed_at=hours(2), **redemption),
        Redemption(id=2, checkout_id=2, coupon_id=2, redeemed_at=hours(2.5), undone_at=hours(3), **redemption),
    ]


def tell_of_refunds() -> None:
    """More of the same day, store 1: a part refunded, the whole refunded, a basket reserved, and one let go again.

    Of the coupon's discount head office bears 60 per cent.
    """
    coupon = {
        "chain_id": 1,
        "offer_id": 1,
        "card_id": 1,
        "member_id": 1,
        "valid_from": hours(0),
        "valid_until": hours(700),
    }
    till = {
        "chain_id": 1,
        "store_id": 1,
        "card_id": 1,
        "member_id": 1,
        "fingerprint": "f" * 64,
        "settled_by": "staff:1",
    }
    sums = {"amount_cents": 4000, "member_discount_cents": 0, "coupon_discount_cents": 333, "points_earned": 36}
    paid = {"payable_cents": 3567, "points_used": 100, "points_discount_cents": 100}
    done = {"settled_at": hours(4), "business_day": date(2026, 5, 20)}
    with transaction():
        db.session.get_one(Offer, 1).hq_share_bp = 6000
        db.session.add_all(
            Coupon(id=each, ordinal=each, code=f"{each}" * 13, source="api", claimed_at=hours(1), state=state,
                   redeemed_at=hours(4) if state == "redeemed" else None, **coupon)
            for each, state in ((4, "redeemed"), (5, "claimed"), (6, "redeemed"), (7, "claimed"))
        )  # fmt: skip
        db.session.add_all(
            [
                Checkout(id=4, request_id="till-4", refunded_cents=567, **sums, **paid, **done, **till),
                Checkout(
                    id=5, request_id="till-5", refunded_cents=3567, state="refunded", **sums, **paid, **done, **till
                ),
                Checkout(id=6, request_id="till-6", state="reserved", reserved_until=hours(90), **sums, **paid, **till),
                Checkout(id=7, request_id="till-7", state="released", reserved_until=hours(5), **sums, **paid, **till),
            ]
        )
        db.session.flush()
        used = {"chain_id": 1, "offer_id": 1, "store_id": 1, "discount_cents": 333}
        db.session.add_all(
            [
                Redemption(id=4, checkout_id=4, coupon_id=4, redeemed_at=hours(4), **used),
                Redemption(id=5, checkout_id=5, coupon_id=5, redeemed_at=hours(4), undone_at=hours(5), **used),
                Redemption(id=6, checkout_id=6, coupon_id=6, **used),
                Redemption(id=7, checkout_id=7, coupon_id=7, undone_at=hours(5), **used),
            ]
        )


def _sharing() -> list[object]:
    link = {"chain_id": 1, "program_id": 1}
    db.session.add_all(
        [
            ShareLink(id=1, card_id=1, member_id=1, store_id=1, token="s" * 13, channel="group", visits=2,
                      created_at=hours(1), **link),
            ShareLink(id=2, card_id=2, member_id=2, store_id=2, parent_id=1, token="t" * 13, channel="moments",
                      created_at=hours(8), **link),
        ]
    )  # fmt: skip
    db.session.flush()
    edge = {"chain_id": 1, "root_id": 1}
    return [
        ShareVisit(id=1, chain_id=1, share_link_id=1, visitor="1" * 64, at=hours(3)),
        ShareVisit(id=2, chain_id=1, share_link_id=1, visitor="2" * 64, at=hours(4)),
        Referral(id=1, member_id=2, referrer_id=1, card_id=2, share_link_id=1, channel="group", store_id=2, depth=1,
                 path=f"{1:010x}{2:010x}", created_at=hours(3), **edge),
        Referral(id=2, member_id=5, referrer_id=2, card_id=5, share_link_id=2, channel="moments", store_id=1, depth=2,
                 path=f"{1:010x}{2:010x}{5:010x}", created_at=hours(16.5), **edge),
    ]  # fmt: skip


def tell_of_rewards() -> None:
    """What the first referral gave both sides, what was refused, and a courier slip that a member sent with a coupon."""
    rule = {"chain_id": 1, "state": "running", "hold_days": 1, "created_at": hours(0), "started_at": hours(0)}
    reward = {"chain_id": 1, "rule_id": 1, "created_at": hours(3), "earned_on": date(2026, 5, 20), "due_at": hours(27)}
    decided = {"decided_at": hours(27), "decided_by": "system"}
    with transaction():
        db.session.add_all(
            [
                OwnChannel(id=1, chain_id=1, code="slip", name="=快递单", name_en="Courier slip", is_for_members=False,
                           created_at=hours(0)),
                RewardRule(id=1, name="带朋友", name_en="Bring a friend", trigger="card_issued", referrer_points=50,
                           referrer_cost_cents=500, friend_offer_id=1, friend_cost_cents=400, **rule),
                RewardRule(id=2, name="首次消费", name_en="First purchase", trigger="first_purchase", within_days=30,
                           referrer_points=80, referrer_cost_cents=800, **rule),
            ]
        )  # fmt: skip
        db.session.flush()
        db.session.add_all(
            [
                ShareLink(id=3, chain_id=1, program_id=1, card_id=1, member_id=1, store_id=1, token="u" * 13,
                          channel="slip", own_channel_id=1, occasion="staff", offer_id=1, created_at=hours(9)),
                Checkout(id=8, chain_id=1, store_id=2, card_id=2, member_id=2, request_id="till-8", fingerprint="f" * 64,
                         settled_by="staff:1", points_earned=0, settled_at=hours(5), business_day=date(2026, 5, 20),
                         amount_cents=3000, member_discount_cents=0, coupon_discount_cents=0, payable_cents=3000,
                         refunded_cents=1000),
                Reward(id=1, referral_id=1, side="referrer", member_id=1, card_id=1, points=50, cost_cents=500,
                       committed_cents=500, state="approved", **decided, **reward),
                Reward(id=2, referral_id=1, side="friend", member_id=2, card_id=2, offer_id=1, cost_cents=400,
                       committed_cents=100, state="clawed_back", reason="refunded", coupon_id=3, is_coupon_lost=True,
                       **decided, **reward),
                Reward(id=3, referral_id=1, side="referrer", member_id=1, card_id=1, points=80, cost_cents=800,
                       committed_cents=800, state="flagged", reason="velocity", checkout_id=8,
                       **(reward | {"rule_id": 2})),
                Reward(id=4, referral_id=2, side="referrer", member_id=2, card_id=2, points=50, cost_cents=500,
                       committed_cents=0, state="rejected", reason="own_device", **decided,
                       **(reward | {"earned_on": date(2026, 5, 21), "created_at": hours(16.5)})),
                FraudFinding(id=1, chain_id=1, referral_id=1, rule="velocity", action="flag", evidence={}, found_at=hours(3)),
                FraudFinding(id=2, chain_id=1, referral_id=2, rule="own_device", action="reject", evidence={},
                             found_at=hours(17)),
                FraudFinding(id=3, chain_id=1, referral_id=2, rule="farm", action="flag", evidence={}, found_at=hours(17),
                             dismissed_at=hours(18), dismissed_by="staff:1", dismiss_reason="认识他"),
            ]
        )  # fmt: skip


def _pushing() -> list[object]:
    said = {"title": "周末", "title_en": "Weekend", "body": "来吧", "body_en": "Come"}
    db.session.add(
        Campaign(id=1, chain_id=1, offer_id=2, name="@周末", audience={}, channels=["inbox"], schedule={"kind": "now"},
                 state="finished", created_by="staff:1", created_at=MAY_20, **said)
    )  # fmt: skip
    db.session.flush()
    db.session.add(
        Run(id=1, chain_id=1, campaign_id=1, offer_id=2, due_at=hours(6), send_until=hours(30), state="finished",
            audience_count=3, started_at=hours(6), finished_at=hours(6.5), **said)
    )  # fmt: skip
    db.session.flush()
    told = {"chain_id": 1, "campaign_id": 1, "run_id": 1, "due_at": hours(6)}
    link = {"chain_id": 1, "campaign_id": 1}
    db.session.add_all(
        [
            CampaignLink(id=1, url="https://shop.example/ice?a=1,2&b=-3", **link),
            CampaignLink(id=2, url="https://cards.example/wallet/inbox", **link),
        ]
    )
    deliveries = [
        Delivery(id=1, member_id=1, card_id=1, channel="inbox", state="delivered", sent_at=hours(6.1), read_at=hours(7),
                 attempts=1, **told),
        Delivery(id=2, member_id=2, card_id=2, channel="inbox", state="skipped", reason="card_inactive", **told),
        Delivery(id=3, member_id=3, card_id=3, channel="email", state="failed", attempts=5, error="=550 no such box", **told),
        Delivery(id=4, member_id=2, card_id=2, channel="gateway", state="delivered", sent_at=hours(6.2), coupon_id=3, attempts=1,
                 variant="B", delivered_at=hours(6.3), read_at=hours(8), **told),
    ]  # fmt: skip
    db.session.add_all(deliveries)
    db.session.flush()
    return [
        Click(delivery_id=1, link_id=2, first_at=hours(7), last_at=hours(7), count=1, **link),
        Click(delivery_id=4, link_id=1, first_at=hours(8), last_at=hours(9), count=3, **link),
        Click(delivery_id=4, link_id=2, first_at=hours(15.9), last_at=hours(30), count=2, **link),
    ]  # fmt: skip
