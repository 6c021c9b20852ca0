"""Rows for tests: each maker needs only what the test is about. They write in transactions of their own."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from cards import wallets
from cards.models import Card, Program, Tier
from cards.rotating_code import shown_code
from core.audit import SYSTEM
from core.db import db, transaction
from core.hot import this_transaction
from core.tokens import hashed, new_code
from coupons import claiming, offers
from coupons.models import Coupon, Offer, OfferState
from sharing import joining
from stores import keys, staffing
from stores.models import Chain, Role, Staff, Store, StoreCode

NOON = datetime(2026, 5, 20, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai, a Wednesday
PASSWORD = "correct horse"
_numbers = count(1)


def save(*rows: Any) -> Any:
    with transaction():
        db.session.add_all(rows)
    return rows[0]


def make_chain(slug: str = "snowpeak", **more: Any) -> Chain:
    """A chain with its default program and two tiers."""
    values = {"name": "雪山冰品", "name_en": "Snow Peak", "timezone": "Asia/Shanghai", "currency": "CNY"}
    chain = save(Chain(slug=slug, created_at=NOON, **(values | more)))
    program = save(
        Program(
            chain_id=chain.id,
            is_default=True,
            name="雪山会员",
            name_en="Snow Peak Club",
            benefits="会员价 95 折\n生日礼",
            benefits_en="5 % off\nBirthday gift",
            created_at=NOON,
        )
    )
    save(
        Tier(chain_id=chain.id, program_id=program.id, rank=0, name="银卡", name_en="Silver", discount_bp=500),
        Tier(
            chain_id=chain.id,
            program_id=program.id,
            rank=1,
            name="金卡",
            name_en="Gold",
            discount_bp=1000,
            threshold_points=1000,
        ),
    )
    return chain


def program_of(chain: Chain) -> Program:
    return db.session.scalars(db.select(Program).filter_by(chain_id=chain.id, is_default=True)).one()


def make_store(chain: Chain, code: str | None = None, **more: Any) -> Store:
    code = code or f"S{next(_numbers):04d}"
    values = {"name": f"门店 {code}", "city": "上海", "timezone": "Asia/Shanghai"} | more
    return save(Store(chain_id=chain.id, code=code, created_at=NOON, **values))


def make_store_code(store: Store, **more: Any) -> StoreCode:
    values = {"token": new_code(), "label": "door"} | more
    return save(StoreCode(chain_id=store.chain_id, store_id=store.id, created_at=NOON, **values))


def make_offer(chain: Chain, **more: Any) -> Offer:
    """A running offer: 5 off from 30, valid for 30 days after the claim, unlimited unless ``stock`` is given.

    Of a gift and a fixed price: a sundae of 12, at 9.90 with the fixed price.
    """
    values: dict[str, Any] = {
        "name": "满30减5",
        "name_en": "5 off 30",
        "kind": "cash",
        "value_cents": 500,
        "min_cents": 3000,
        "valid_days": 30,
    } | more
    if values["kind"] == "percent":
        values.setdefault("percent_bp", 1000)
        values["value_cents"] = None
    if values["kind"] in ("gift", "fixed_price"):
        sundae = {"item_name": "香草圣代", "item_name_en": "Vanilla sundae", "item_cents": 1200}
        price = 990 if values["kind"] == "fixed_price" else None
        values = {**sundae, "price_cents": price, **values, "value_cents": None}
        values["min_cents"] = more.get("min_cents", 0)
    if "valid_until" in values:
        values["valid_days"] = None
    state = values.pop("state", OfferState.RUNNING)
    with transaction():
        offer = offers.create_offer(chain.id, offers.Draft(**values), by=SYSTEM, now=NOON)
        if state != OfferState.DRAFT:
            offers.publish(chain.id, offer.id, by=SYSTEM, now=NOON)
        if state in (OfferState.PAUSED, OfferState.ENDED):
            change = {OfferState.PAUSED: offers.pause, OfferState.ENDED: offers.end}[state]
            change(chain.id, offer.id, by=SYSTEM, now=NOON)
    return db.session.get_one(Offer, offer.id)


def make_wallet(secret: str | None = None) -> int:
    secret = secret or f"wallet-{next(_numbers)}"
    with transaction():
        return wallets.open_wallet(this_transaction(), hashed(secret), language="zh", now=NOON)


def make_card(code: StoreCode, *, wallet_id: int | None = None, now: datetime = NOON) -> Card:
    """A card taken from a store code, by a new wallet unless one is given."""
    wallet_id = wallet_id or make_wallet()
    with transaction():
        joined = joining.join_by_code(
            this_transaction(), code.token, wallet_id=wallet_id, visitor="nobody", language="zh", now=now
        )
    return db.session.get_one(Card, joined.card_id)


def make_staff(chain: Chain, role: Role = Role.HQ_ADMIN, stores: tuple[Store, ...] = (), **more: Any) -> Staff:
    values = {"login": f"{role}-{next(_numbers)}@example.com", "name": "王小雪", "password": PASSWORD} | more
    with transaction():
        return staffing.create_staff(
            chain.id, role=role, store_ids=[store.id for store in stores], by=SYSTEM, now=NOON, **values
        )


def make_key(chain: Chain, role: Role = Role.HQ_ADMIN, store: Store | None = None) -> str:
    """The key's secret, to be sent as a bearer."""
    with transaction():
        return keys.create_key(
            chain.id, name="test", role=role, store_id=store.id if store else None, by=SYSTEM, now=NOON
        ).secret


def in_days(days: float, moment: datetime = NOON) -> datetime:
    return moment + timedelta(days=days)


def make_coupon(card: Card, offer: Offer, *, now: datetime = NOON, **more: Any) -> Coupon:
    """A coupon claimed by this card; ``more`` overwrites its columns (state, valid_from, …)."""
    with transaction():
        claimed = claiming.claim(this_transaction(), offer.id, card_id=card.id, now=now)
        coupon = db.session.get_one(Coupon, claimed.id)
        for name, value in more.items():
            setattr(coupon, name, value)
    return coupon


def code_of(card: Card, *, now: datetime = NOON) -> str:
    """What the card shows at the till now."""
    program = db.session.get_one(Program, card.program_id)
    return shown_code(card.number, card.code_secret, program.code_mode, now=now).value
