"""The demo's pushes: two that went out, of which one had an effect, what goes out by itself, segments and templates."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select

from app.demo.story import Story, come_back
from cards.models import Member
from core.audit import SYSTEM
from core.db import db, transaction
from core.hot import this_transaction
from push import campaigns, inbox, runs
from push.audiences import consents, rfm, saved_segments
from push.delivering import sending
from push.models import Campaign, Delivery, DeliveryState, PushChannel
from push.wording import links, message_templates
from push.wording.clicking import count_click

HELD_OUT = 2000  # basis points
READ = {"A": 0.42, "B": 0.55}  # of those who got a message, by variant
FOLLOWED = 0.3  # of those who read one with a link
CAME = 0.45  # of those who read that they get a coupon
SUMMER_PAGE = "https://snowpeak.example/summer"
SETTINGS = "wallet settings"  # where members said what may reach them
LAST = "周五晚上见"  # made at the very end: its presence says that the story is whole

SUMMER = campaigns.Draft(
    "夏日 8 折开场",
    audience={"all": [{"field": "last_visit", "op": "within_days", "value": 60}]},
    channels=["inbox"],
    title="夏天到了，全场 8 折",
    title_en="Summer is here: 20 % off",
    body=f"今天起，会员领券全场 8 折，最多减 20 元。新口味在这里：{SUMMER_PAGE}",
    body_en=f"From today members take 20 % off, up to ¥20. The new flavours: {SUMMER_PAGE}",
    holdout_bp=HELD_OUT,
    variants=[{"label": "A", "share_bp": 5000}, {"label": "B", "share_bp": 5000}],
    texts={
        "B": {
            "any": {
                "zh": {
                    "title": "{name}，夏天第一口，我们请 8 折",
                    "body": f"白桃、西瓜、海盐荔枝都到店了，会员领券 8 折。先看看：{SUMMER_PAGE}",
                },
                "en": {
                    "title": "{name}, the first taste of summer at 20 % off",
                    "body": f"White peach, watermelon and salted lychee are in, 20 % off for members: {SUMMER_PAGE}",
                },
            }
        }
    },
)
THANKS = campaigns.Draft(
    "好久不见",
    audience={"all": [{"field": "last_visit", "op": "before_days", "value": 21}]},
    channels=["inbox"],
    title="好久不见，送您 8 元",
    title_en="We miss you: ¥8 for you",
    body="三周没见了。送您一张立减 8 元的券，7 天内满 25 元可用。",
    body_en="It has been three weeks. Here is ¥8 off from ¥25, good for 7 days.",
    holdout_bp=HELD_OUT,
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
BIRTHDAY = campaigns.Draft(
    "生日快乐",
    audience={"all": []},
    channels=["inbox"],
    title="{name}，生日快乐",
    title_en="Happy birthday, {name}",
    body="今天到任意门店，告诉店员今天是您的生日，送一支甜筒。",
    body_en="Come to any store today, tell them it is your birthday, and have a cone on us.",
    schedule={"kind": "event", "event": "birthday", "days": 0, "time": "09:30"},
)
TEMPLATES = {
    "新品上市": {
        "zh": {"title": "{name}，新口味到店了", "body": "{store}这周有新口味，会员先尝。打开卡包：{link}"},
        "en": {"title": "{name}, there is a new flavour", "body": "It is at {store} this week: {link}"},
    },
    "券快到期": {
        "zh": {"title": "您的{coupon}快到期了", "body": "{coupon_until}前都可以用，别忘了。"},
        "en": {"title": "Your {coupon} expires soon", "body": "It is good until {coupon_until}."},
    },
}
REGULARS = {"all": [{"field": "purchases", "op": "at_least", "value": {"count": 4, "days": 30}}]}
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


class Reader(NamedTuple):
    """Somebody who got a message."""

    delivery_id: int
    variant: str
    member_id: int
    wallet_id: int


def send_summer(story: Story, *, at: datetime) -> None:
    """In two wordings, of which one is read more. People follow its link, and buy no more than those held out."""
    campaign, readers = _send(story, SUMMER, at=at)
    link_id = links.ids_of_campaigns([campaign.id])[campaign.id, SUMMER_PAGE]
    with transaction():
        for reader in readers:
            if story.random.random() < FOLLOWED:
                way = links.Way(reader.delivery_id, link_id)
                count_click(this_transaction(), way, now=at + timedelta(minutes=story.random.randrange(5, 900)))


def send_thanks(story: Story, *, at: datetime) -> None:
    """With a coupon for everybody it reaches, for which some come back."""
    _, readers = _send(story, THANKS, offer_id=story.demo.offers["thanks"].id, at=at)
    for reader in readers:
        if story.random.random() < CAME:
            come_back(story, reader.member_id, at + timedelta(hours=story.random.randrange(14, 6 * 24)))


def let_some_agree(chain_id: int, *, now: datetime) -> None:
    """Two of three who left an address want e-mails, one of three wants SMS."""
    members = db.session.execute(
        select(Member.id, Member.email, Member.phone).where(Member.chain_id == chain_id).order_by(Member.id)
    ).all()
    with transaction():
        for member_id, email, phone in members:
            if email and member_id % 3:
                consents.grant(member_id, PushChannel.EMAIL, SETTINGS, now)
            if phone and not member_id % 3:
                consents.grant(member_id, PushChannel.GATEWAY, SETTINGS, now)


def plan_ahead(story: Story, *, now: datetime) -> None:
    """What is still to come, and what makes it easy."""
    chain = story.demo.chain
    let_some_agree(chain.id, now=now)
    with transaction():
        rfm.make_ready(chain, by=SYSTEM, now=now)
        saved_segments.create_segment(chain.id, "常来的人", REGULARS, by=SYSTEM, now=now)
        for name, texts in TEMPLATES.items():
            message_templates.create_template(chain.id, name, {"any": texts}, by=SYSTEM, now=now)
        campaigns.create_campaign(chain.id, DRAFT, by=SYSTEM, now=now)
        for draft in (BIRTHDAY, FRIDAY):
            campaign = campaigns.create_campaign(chain.id, draft, by=SYSTEM, now=now)
            campaigns.schedule_campaign(chain.id, campaign.id, by=SYSTEM, now=now)


def _send(
    story: Story, draft: campaigns.Draft, *, at: datetime, offer_id: int | None = None
) -> tuple[Campaign, Sequence[Reader]]:
    """Send as head office would have then; return who reads it in the hours after."""
    chain_id = story.demo.chain.id
    values = {field: getattr(draft, field) for field in draft.__dataclass_fields__} | {"offer_id": offer_id}
    with transaction():
        campaign = campaigns.create_campaign(
            chain_id, campaigns.Draft(**values), by=SYSTEM, now=at - timedelta(hours=3)
        )
        campaigns.schedule_campaign(chain_id, campaign.id, {"kind": "now"}, by=SYSTEM, now=at - timedelta(minutes=10))
    runs.start_due_batch(now=at)
    while sending.deliver_inbox_batch(now=at):
        pass
    runs.finish_batch(now=at)
    with transaction():
        return campaign, _read(story, campaign.id, at)


def _read(story: Story, campaign_id: int, at: datetime) -> list[Reader]:
    arrived = db.session.execute(
        select(Delivery.id, Delivery.variant, Member.id, Member.wallet_id)
        .join(Member, Member.id == Delivery.member_id)
        .where(Delivery.campaign_id == campaign_id, Delivery.state.in_((DeliveryState.SENT, DeliveryState.DELIVERED)))
        .order_by(Delivery.id)
    )
    readers = [Reader(*row) for row in arrived.all() if story.random.random() < READ[row.variant]]
    for reader in readers:
        minutes = story.random.randrange(5, 700)
        inbox.mark_read(reader.wallet_id, [reader.delivery_id], now=at + timedelta(minutes=minutes))
    return readers
