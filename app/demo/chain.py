"""The demo's chain as head office set it up: card, tiers, stores, people, offers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from cards.models import Program, Tier
from cards.programs import NewTier, PointRules, create_program, default_program, set_point_rules
from core.audit import SYSTEM
from core.clock import business_day, day_start
from core.db import db
from coupons import offers
from coupons.models import MemberPrice, Offer, Stacking
from stores import codes, staffing
from stores.chains import NewChain, create_chain, find_chain
from stores.importing import import_stores, plan_import
from stores.models import Chain, Role, Store, StoreCode
from stores.store_files import read_store_file

SLUG = "snowpeak"
PASSWORD = "snowpeak-demo"  # printed by the command; the demo's people are nobody's secret
STORES_FILE = Path(__file__).parent / "stores.csv"
STAFF = [
    ("hq@snowpeak.example", "沈雪", Role.HQ_ADMIN, []),
    ("analyst@snowpeak.example", "顾衡", Role.HQ_ANALYST, []),
    ("manager@snowpeak.example", "陆晴", Role.STORE_MANAGER, ["SH001", "SH002"]),
    ("clerk@snowpeak.example", "王小满", Role.CLERK, ["SH001"]),
]
TIERS = [
    NewTier("雪花", "Snowflake", discount_bp=0),
    NewTier("银峰", "Silver Peak", discount_bp=500, threshold_points=300),
    NewTier("金峰", "Gold Peak", discount_bp=1000, threshold_points=1200, points_multiplier_bp=15_000),
]
BENEFITS = "消费 1 元积 1 分\n银峰 95 折，金峰 9 折\n好友领卡，一起有礼"
BENEFITS_EN = "1 point for every ¥1\nSilver 5 % off, Gold 10 % off\nBring a friend"
TERMS = "会员卡免费领取，一人一张，仅限本人在雪山冰品门店使用。积分不可兑换现金。您可以随时退会，30 天内可恢复。"
TERMS_EN = (
    "The card is free, one per person, for use in Snow Peak stores. Points are not cash. "
    "You may leave at any time and come back within 30 days."
)


@dataclass(frozen=True)
class DemoChain:
    """What the story needs to know of the chain."""

    chain: Chain
    program: Program
    stores: list[Store]
    codes: list[list[StoreCode]]  # of each store, in the same order
    offers: dict[str, Offer]


def set_up(*, opened_at: datetime, now: datetime) -> DemoChain:
    """Write the chain down as of the day it opened. Needs an open transaction."""
    chain = create_chain(NewChain(SLUG, "雪山冰品", "Snow Peak Ices", accent="#B23A48"), by=SYSTEM, now=opened_at)
    program = create_program(
        chain.id,
        name="雪山会员卡",
        name_en="Snow Peak Card",
        benefits=BENEFITS,
        benefits_en=BENEFITS_EN,
        terms=TERMS,
        terms_en=TERMS_EN,
        face_color="#B23A48",
        face_pattern="peaks",
        tiers=TIERS,
        by=SYSTEM,
        now=opened_at,
    )
    worth = PointRules(spend_points=100, spend_cents=100)
    set_point_rules(chain.id, program.id, worth, by=SYSTEM, now=opened_at)
    import_stores(plan_import(chain.id, read_store_file(STORES_FILE.read_bytes())), by=SYSTEM, now=opened_at)
    stores = list(db.session.scalars(select(Store).filter_by(chain_id=chain.id).order_by(Store.code)))
    for store in stores[:4]:
        codes.add_code(chain.id, store.id, label="收银台", by=SYSTEM, now=opened_at)
    by_code = {store.code: store.id for store in stores}
    for login, name, role, places in STAFF:
        staffing.create_staff(
            chain.id,
            login=login,
            name=name,
            role=role,
            password=PASSWORD,
            store_ids=[by_code[place] for place in places],
            by=SYSTEM,
            now=opened_at,
        )
    made = _make_offers(chain, program, opened_at=opened_at, now=now)
    return DemoChain(chain, program, stores, [_codes_of(store) for store in stores], made)


def find() -> DemoChain:
    """The demo as it is in the database. Raises ChainNotFound."""
    chain = find_chain(SLUG)
    program = default_program(chain.id)
    stores = list(db.session.scalars(select(Store).filter_by(chain_id=chain.id).order_by(Store.code)))
    return DemoChain(chain, program, stores, [_codes_of(store) for store in stores], {})


def _codes_of(store: Store) -> list[StoreCode]:
    return list(db.session.scalars(select(StoreCode).filter_by(store_id=store.id).order_by(StoreCode.id)))


def _make_offers(chain: Chain, program: Program, *, opened_at: datetime, now: datetime) -> dict[str, Offer]:
    today = business_day(now, chain.timezone, chain.cutoff_hour)
    upper = db.session.scalars(select(Tier.id).where(Tier.program_id == program.id, Tier.rank > 0)).all()

    def day(offset: int) -> datetime:
        return day_start(today + timedelta(days=offset), chain.timezone, chain.cutoff_hour)

    drafts = {
        "welcome": offers.Draft(
            "新会员礼 满30减5",
            "Welcome: ¥5 off ¥30",
            "cash",
            value_cents=500,
            min_cents=3000,
            valid_days=30,
            program_id=program.id,
            is_public=False,
        ),
        "big": offers.Draft(
            "满60减12",
            "¥12 off ¥60",
            "cash",
            value_cents=1200,
            min_cents=6000,
            stock=300,
            per_member_limit=1,
            valid_from=day(-60),
            valid_until=day(20),
        ),
        "summer": offers.Draft(
            "夏日 8 折",
            "Summer 20 % off",
            "percent",
            percent_bp=2000,
            cap_cents=2000,
            stock=2000,
            per_member_limit=2,
            valid_from=day(-45),
            valid_until=day(30),
        ),
        "thanks": offers.Draft(
            "好久不见 立减 8 元",
            "We miss you: ¥8 off",
            "cash",
            value_cents=800,
            min_cents=2500,
            stock=1000,
            valid_days=7,
            is_public=False,
        ),
        "spring": offers.Draft(
            "春日尝鲜 满25减3",
            "Spring taste: ¥3 off ¥25",
            "cash",
            value_cents=300,
            min_cents=2500,
            stock=300,
            valid_from=day(-90),
            valid_until=day(-30),
        ),
        "cone": offers.Draft(
            "消费满40 送甜筒",
            "A cone on us from ¥40",
            "gift",
            item_name="香草甜筒",
            item_name_en="vanilla cone",
            item_cents=1200,
            min_cents=4000,
            stock=300,
            valid_days=14,
            valid_delay_days=1,
            blackout_dates=[(today + timedelta(days=ahead)).isoformat() for ahead in (9, 10)],
        ),
        "second": offers.Draft(
            "第二份半价",
            "Second one half price",
            "fixed_price",
            item_name="第二份海盐冰淇淋",
            item_name_en="second sea-salt ice cream",
            item_cents=1800,
            price_cents=900,
            min_cents=1800,
            per_member_limit=2,
            valid_from=day(-40),
            valid_until=day(40),
            stacking=Stacking.STACKABLE,
            stack_group="甜品",
        ),
        "happy": offers.Draft(
            "工作日下午茶 7 折",
            "Weekday happy hour, 30 % off",
            "percent",
            percent_bp=3000,
            cap_cents=1500,
            budget_cents=600_000,
            per_day_limit=40,
            per_member_limit=3,
            valid_days=21,
            weekdays=0b11111,
            hours=[[14 * 60, 17 * 60]],
            member_price=MemberPrice.INSTEAD,
        ),
        "drink": offers.Draft(
            "饮品满20减3",
            "¥3 off drinks from ¥20",
            "cash",
            value_cents=300,
            min_cents=2000,
            valid_days=30,
            stacking=Stacking.STACKABLE,
            stack_group="饮品",
            staff_gift_limit=5,
        ),
        "topping": offers.Draft(
            "加料立减2元",
            "¥2 off toppings",
            "cash",
            value_cents=200,
            min_cents=1500,
            per_member_limit=3,
            valid_days=30,
            stacking=Stacking.STACKABLE,
            claim_word="冰爽一夏",
            hq_share_bp=5000,
        ),
        "gold": offers.Draft(
            "银峰金峰专享 满50减10",
            "¥10 off ¥50 for Silver and Gold",
            "cash",
            value_cents=1000,
            min_cents=5000,
            stock=500,
            valid_days=20,
            tier_ids=tuple(upper),
            may_be_given=False,
        ),
        "winter": offers.Draft(
            "围炉冰品 7 折", "Fireside 30 % off", "percent", percent_bp=3000, cap_cents=3000, stock=800, valid_days=14
        ),
        "friends": offers.Draft(
            "荐友礼 满20减10",
            "Thank you: ¥10 off ¥20",
            "cash",
            value_cents=1000,
            min_cents=2000,
            stock=2000,
            per_member_limit=50,
            valid_days=30,
            is_public=False,
        ),
    }
    made = {name: offers.create_offer(chain.id, draft, by=SYSTEM, now=opened_at) for name, draft in drafts.items()}
    for name in sorted(made.keys() - {"winter"}):
        offers.publish(chain.id, made[name].id, by=SYSTEM, now=opened_at)
    return made
