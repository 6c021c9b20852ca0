"""The demo's campaigns: two that went out, one that goes out every Friday, one still being written."""

from datetime import datetime, timedelta
from random import Random

from sqlalchemy import select

from app.demo.chain import DemoChain
from cards.models import Member
from core.audit import SYSTEM
from core.db import db, transaction
from push import campaigns, inbox, runs, sending
from push.models import Campaign, Delivery, DeliveryState

READ = 0.46  # of those who got a message
LAST = "周五晚上见"  # made at the very end: its presence says that the story is whole

SUMMER = campaigns.Draft(
    "夏日 8 折开场",
    audience={"all": [{"field": "last_visit", "op": "within_days", "value": 60}]},
    channels=["inbox"],
    title="夏天到了，全场 8 折",
    title_en="Summer is here: 20 % off",
    body="今天起，会员领券全场 8 折，最多减 20 元。把喜欢的口味都试一遍吧。",
    body_en="From today members take 20 % off, up to ¥20. Time to try them all.",
)
THANKS = campaigns.Draft(
    "好久不见",
    audience={"all": [{"field": "last_visit", "op": "before_days", "value": 21}]},
    channels=["inbox"],
    title="好久不见，送您 8 元",
    title_en="We miss you: ¥8 for you",
    body="三周没见了。送您一张立减 8 元的券，7 天内满 25 元可用。",
    body_en="It has been three weeks. Here is ¥8 off from ¥25, good for 7 days.",
)
FRIDAY = campaigns.Draft(
    LAST,
    audience={"all": [{"field": "last_visit", "op": "within_days", "value": 30}]},
    channels=["inbox"],
    title="周五晚上，冰品第二份半价",
    title_en="Friday night: second one half price",
    body="今晚 18 点到打烊，到店出示会员码即可。",
    body_en="Tonight from 6 pm, show your card at the till.",
    schedule={"kind": "recurring", "weekdays": ["fri"], "time": "17:30"},
)
DRAFT = campaigns.Draft(
    "冬季新品预告",
    audience={"all": []},
    channels=["inbox"],
    title="围炉冰品，下月上市",
    title_en="Fireside ices, next month",
    body="热腾腾的黑糖，配上海盐冰淇淋。会员抢先尝。",
    body_en="Hot brown sugar over sea-salt ice cream. Members first.",
)


def is_whole(chain_id: int) -> bool:
    """Whether the story was told to its end."""
    return db.session.scalar(select(Campaign.id).filter_by(chain_id=chain_id, name=LAST)) is not None


def send_summer(demo: DemoChain, *, at: datetime) -> None:
    _send(demo, SUMMER, at=at)


def send_thanks(demo: DemoChain, *, at: datetime) -> None:
    """With a coupon for everybody it reaches."""
    _send(demo, THANKS, offer_id=demo.offers["thanks"].id, at=at)


def plan_ahead(demo: DemoChain, *, now: datetime) -> None:
    """What is still to come."""
    with transaction():
        campaigns.create_campaign(demo.chain.id, DRAFT, by=SYSTEM, now=now)
        friday = campaigns.create_campaign(demo.chain.id, FRIDAY, by=SYSTEM, now=now)
        campaigns.schedule_campaign(demo.chain.id, friday.id, by=SYSTEM, now=now)


def _send(demo: DemoChain, draft: campaigns.Draft, *, at: datetime, offer_id: int | None = None) -> None:
    """Send as head office would have then, and let people read it in the hours after."""
    values = {field: getattr(draft, field) for field in draft.__dataclass_fields__} | {"offer_id": offer_id}
    written_at = at - timedelta(hours=3)
    with transaction():
        campaign = campaigns.create_campaign(demo.chain.id, campaigns.Draft(**values), by=SYSTEM, now=written_at)
        campaigns.schedule_campaign(
            demo.chain.id, campaign.id, {"kind": "now"}, by=SYSTEM, now=at - timedelta(minutes=10)
        )
    runs.start_due_batch(now=at)
    while sending.deliver_inbox_batch(now=at):
        pass
    runs.finish_batch(now=at)
    with transaction():
        _read(campaign.id, at)


def _read(campaign_id: int, at: datetime) -> None:
    random = Random(campaign_id)
    arrived = db.session.execute(
        select(Delivery.id, Member.wallet_id)
        .join(Member, Member.id == Delivery.member_id)
        .where(Delivery.campaign_id == campaign_id, Delivery.state.in_((DeliveryState.SENT, DeliveryState.DELIVERED)))
        .order_by(Delivery.id)
    )
    for delivery_id, wallet_id in arrived.all():
        if random.random() < READ:
            inbox.mark_read(wallet_id, [delivery_id], now=at + timedelta(minutes=random.randrange(5, 700)))
