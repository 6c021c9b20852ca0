"""Everything that is kept about one wallet, for the person who asks for it."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, select

from cards.models import Card, Member, PointEntry, Program, Tier, Wallet
from checkout.models import Checkout, Redemption
from core.db import db
from coupons.gift_models import CouponGift
from coupons.models import Coupon, Offer
from push.channels.models import WebPushSubscription
from push.models import Consent, Delivery, Run
from sharing.models import Referral, ShareLink, SharerName, ShareVisit
from sharing.reward_models import Reward
from stores.models import Chain, Scan, Store, StoreCode


def personal_data(wallet_id: int) -> dict[str, Any]:
    """Plain values, section by section; of other people only their number appears."""
    wallet = db.session.get_one(Wallet, wallet_id)
    members = select(Member.id).where(Member.wallet_id == wallet_id)
    cards = select(Card.id).where(Card.wallet_id == wallet_id)
    return {
        "wallet": {"language": wallet.language, "created_at": wallet.created_at.isoformat()},
        "memberships": _rows(
            select(
                Chain.name.label("chain"),
                Member.name,
                Member.phone,
                Member.phone_verified_at,
                Member.email,
                Member.birthday,
                Member.language,
                Store.name.label("store"),
                Member.joined_at,
                Member.last_visit_at,
            )
            .select_from(Member)
            .join(Chain, Chain.id == Member.chain_id)
            .outerjoin(Store, Store.id == Member.store_id)
            .where(Member.wallet_id == wallet_id)
        ),
        "cards": _rows(
            select(
                Card.number,
                Program.name.label("program"),
                Tier.name.label("tier"),
                Card.state,
                Card.points,
                Card.value_cents,
                Card.channel,
                Card.issued_at,
                Card.closed_at,
            )
            .join(Program, Program.id == Card.program_id)
            .join(Tier, Tier.id == Card.tier_id)
            .where(Card.wallet_id == wallet_id)
        ),
        "points": _rows(
            select(Card.number.label("card"), PointEntry.delta, PointEntry.balance, PointEntry.cause, PointEntry.at)
            .join(Card, Card.id == PointEntry.card_id)
            .where(PointEntry.card_id.in_(cards))
            .order_by(PointEntry.id)
        ),
        "coupons": _rows(
            select(
                Offer.name.label("offer"),
                Coupon.code,
                Coupon.state,
                Coupon.source,
                Coupon.claimed_at,
                Coupon.valid_from,
                Coupon.valid_until,
                Coupon.redeemed_at,
            )
            .join(Offer, Offer.id == Coupon.offer_id)
            .where(Coupon.card_id.in_(cards))
            .order_by(Coupon.id)
        ),
        "coupons_given": _rows(
            select(
                Offer.name.label("offer"),
                CouponGift.message,
                CouponGift.state,
                CouponGift.made_at,
                CouponGift.ended_at,
            )
            .join(Coupon, Coupon.id == CouponGift.coupon_id)
            .join(Offer, Offer.id == Coupon.offer_id)
            .where(CouponGift.giver_id.in_(members))
            .order_by(CouponGift.id)
        ),
        "purchases": _rows(
            select(
                Store.name.label("store"),
                Checkout.amount_cents,
                Checkout.member_discount_cents,
                Checkout.coupon_discount_cents,
                Checkout.payable_cents,
                Checkout.points_earned,
                Checkout.state,
                Checkout.settled_at,
                Checkout.voided_at,
            )
            .join(Store, Store.id == Checkout.store_id)
            .where(Checkout.card_id.in_(cards))
            .order_by(Checkout.id)
        ),
        "coupons_used": _rows(
            select(Offer.name.label("offer"), Redemption.discount_cents, Redemption.redeemed_at, Redemption.undone_at)
            .join(Checkout, Checkout.id == Redemption.checkout_id)
            .join(Offer, Offer.id == Redemption.offer_id)
            .where(Checkout.card_id.in_(cards))
            .order_by(Redemption.id)
        ),
        "shared_links": _rows(
            select(ShareLink.token, ShareLink.channel, ShareLink.occasion, ShareLink.visits, ShareLink.created_at)
            .where(ShareLink.member_id.in_(members))
            .order_by(ShareLink.id)
        ),
        "came_through": _rows(
            select(Referral.channel, Referral.depth, Referral.created_at).where(Referral.member_id.in_(members))
        ),
        "brought": _rows(
            select(Referral.channel, Referral.created_at).where(Referral.referrer_id.in_(members)).order_by(Referral.id)
        ),
        "named_for_friends": _rows(
            select(SharerName.shown_as, SharerName.nickname).where(SharerName.member_id.in_(members))
        ),
        "rewards": _rows(
            select(
                Offer.name.label("offer"),
                Reward.points,
                Reward.side,
                Reward.state,
                Reward.due_at,
                Reward.created_at,
            )
            .outerjoin(Offer, Offer.id == Reward.offer_id)
            .where(Reward.member_id.in_(members))
            .order_by(Reward.id)
        ),
        "messages": _rows(
            select(Run.title, Delivery.channel, Delivery.state, Delivery.reason, Delivery.sent_at, Delivery.read_at)
            .join(Run, Run.id == Delivery.run_id)
            .where(Delivery.member_id.in_(members))
            .order_by(Delivery.id)
        ),
        "consents": _rows(
            select(Consent.channel, Consent.purpose, Consent.is_granted, Consent.source, Consent.at)
            .where(Consent.member_id.in_(members))
            .order_by(Consent.id)
        ),
        "browsers": _rows(
            select(WebPushSubscription.endpoint, WebPushSubscription.created_at, WebPushSubscription.gone_at)
            .where(WebPushSubscription.wallet_id == wallet_id)
            .order_by(WebPushSubscription.id)
        ),
        "scans": _rows(
            select(Store.name.label("store"), StoreCode.label, Scan.at)
            .join(Store, Store.id == Scan.store_id)
            .join(StoreCode, StoreCode.id == Scan.store_code_id)
            .where(Scan.visitor == wallet.key_hash)
            .order_by(Scan.id)
        ),
        "visits": _rows(select(ShareVisit.at).where(ShareVisit.visitor == wallet.key_hash).order_by(ShareVisit.id)),
    }


def _rows(query: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [{name: _plain(value) for name, value in row._mapping.items()} for row in db.session.execute(query)]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value
