"""Members who can be reached, campaigns that go out, and what became of them."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from cards.models import Card, Member
from core.audit import SYSTEM
from core.db import db, transaction
from push import campaigns, runs
from push.audiences import consents
from push.audiences.unsubscribing import Links
from push.delivering.sending import deliver_inbox_batch, send_batch
from push.models import Campaign, Delivery, PushChannel, Run
from stores.models import Chain, StoreCode
from tests.factories import NOON, make_card
from tests.push.memory import MemoryChannel

LINKS = Links("https://cards.example", "s" * 40)
TEXT = {
    "title": "周五冰淇淋",
    "title_en": "Ice cream Friday",
    "body": "今天第二份半价。",
    "body_en": "Half price today.",
}


def make_member(
    code: StoreCode,
    *,
    email: str | None = None,
    phone: str | None = None,
    agrees_to: tuple[str, ...] | None = None,
    now: datetime = NOON - timedelta(days=90),
    **more: Any,
) -> Card:
    """A member with addresses; he agrees to the channels he gave an address for, unless told otherwise."""
    card = make_card(code, now=now)
    given = tuple(name for name, address in (("email", email), ("gateway", phone)) if address)
    with transaction():
        member = db.session.get_one(Member, card.member_id)
        for name, value in ({"email": email, "phone": phone} | more).items():
            setattr(member, name, value)
        for channel in given if agrees_to is None else agrees_to:
            consents.grant(card.member_id, channel, "test", now)
    return card


def make_campaign(chain: Chain, *channels: str, audience: dict[str, Any] | None = None, **more: Any) -> Campaign:
    draft = campaigns.Draft(name="周五", audience=audience or {}, channels=channels or ("inbox",), **(TEXT | more))
    with transaction():
        return campaigns.create_campaign(chain.id, draft, by=SYSTEM, now=NOON)


def schedule(campaign: Campaign, schedule: dict[str, Any] | None = None, *, now: datetime = NOON) -> Campaign:
    with transaction():
        return campaigns.schedule_campaign(campaign.chain_id, campaign.id, schedule, by=SYSTEM, now=now)


def start(campaign: Campaign, *, now: datetime = NOON) -> Run:
    """Let a draft go out at this very moment."""
    schedule(campaign, {"kind": "now"}, now=now - timedelta(minutes=10))
    runs.start_due_batch(now=now)
    return newest_run(campaign)


def newest_run(campaign: Campaign) -> Run:
    return runs.list_runs(campaign.chain_id, campaign.id)[0]


def send(name: str, channel: Any, *, now: datetime = NOON, **more: Any) -> int:
    return send_batch(PushChannel(name), channel, LINKS, now=now, **more)


def send_all(*, now: datetime = NOON) -> dict[str, MemoryChannel]:
    """Let workers send everything that is due, over channels that take everything."""
    outs = {name: MemoryChannel() for name in ("email", "gateway")}
    while deliver_inbox_batch(now=now) + sum(send(name, out, now=now) for name, out in outs.items()):
        pass
    return outs


def deliveries(campaign: Campaign | None = None) -> list[Delivery]:
    db.session.commit()  # what other threads wrote is not in a reading begun before
    query = db.select(Delivery).order_by(Delivery.id).execution_options(populate_existing=True)
    return list(db.session.scalars(query if campaign is None else query.filter_by(campaign_id=campaign.id)))


def outcomes(campaign: Campaign | None = None) -> Counter[tuple[str, str, str | None]]:
    """How many deliveries are where: (channel, state, reason)."""
    return Counter((row.channel, row.state, row.reason) for row in deliveries(campaign))


def state_of(campaign: Campaign) -> str:
    return campaigns.get_campaign(campaign.chain_id, campaign.id).state
