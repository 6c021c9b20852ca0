"""Deliveries a second over HTTP, from taking a batch to noting the results, next to the same client alone.

The client is the gateway's channel with its signatures and kept connections. Alone it is handed messages that lie
ready, by as many tasks; through the engine it also takes batches, decides about each member, writes the message and
notes what became of it.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from statistics import median
from typing import Any

from sqlalchemy import func, select

from benchmarks import push_world
from benchmarks.figures import Figure, ratio
from benchmarks.push_world import NOON, Place
from benchmarks.rounds import NoEffect, say
from benchmarks.sink import Sink, sink
from benchmarks.tree import in_ms
from core.audit import SYSTEM
from core.db import db, transaction
from push import campaigns, runs
from push.audiences.unsubscribing import Links
from push.channels import Message
from push.channels.gateway import GatewayChannel
from push.delivering.looping import close_here, run_here
from push.delivering.sending import send_batch
from push.models import Delivery, PushChannel

SECRET = "benchmarks" * 5
LINKS = Links("https://cards.example", SECRET)
STORES = 2  # of a hundred: so large a part of the members is written to in a round
FLOOR, GOAL = 0.3, 0.5
TITLE, BODY = "周五冰淇淋半价", "{name}，今天到 {store}，第二份半价。您有 {points} 积分。"


def start(audience: dict[str, Any]) -> int:
    """Freeze the audience of a new campaign; return how many there are."""
    draft = campaigns.Draft(
        name="周五", audience=audience, channels=["gateway"], title=TITLE, body=BODY, title_en=TITLE, body_en=BODY
    )
    with transaction():
        campaign = campaigns.create_campaign(1, draft, by=SYSTEM, now=NOON)
        campaigns.schedule_campaign(1, campaign.id, {"kind": "now"}, by=SYSTEM, now=NOON - timedelta(minutes=10))
    runs.start_due_batch(now=NOON)
    (run,) = runs.list_runs(1, campaign.id)
    return run.audience_count


def through_the_engine(channel: GatewayChannel) -> float:
    """Send all that is due; the seconds that it took."""
    begin = time.perf_counter()
    while send_batch(PushChannel.GATEWAY, channel, LINKS, now=NOON):
        pass
    return time.perf_counter() - begin


def by_the_client_alone(channel: GatewayChannel, count: int) -> float:
    messages = [written(number) for number in range(count)]
    begin = time.perf_counter()
    run_here(hand_all(channel, messages))
    return time.perf_counter() - begin


async def hand_all(channel: GatewayChannel, messages: Sequence[Message]) -> None:
    waiting = iter(messages)

    async def carry() -> None:
        for message in waiting:
            await channel.send(message)

    await asyncio.gather(*(carry() for _ in range(channel.parallel)))


def written(number: int) -> Message:
    """As the engine writes it."""
    words = BODY.format(name=f"会员 {number}", store="门店 1", points=120)
    return Message(
        key=f"kq-6a1d2c40-{number}",
        chain="基准",
        to=f"+86139{number:08d}",
        language="zh",
        title=TITLE,
        body=words,
        coupon=None,
        url="https://cards.example/wallet/",
        unsubscribe_url=LINKS.unsubscribe(number + 1, PushChannel.GATEWAY),
    )


def measure(place: Place, url: str, sink: Sink) -> Figure:
    audience = {"all": [{"field": "store", "op": "in", "value": list(range(1, STORES + 1))}]}
    channel = GatewayChannel(sink.url, SECRET)
    ours: list[float] = []
    alone: list[float] = []
    for number in range(place.rounds + 1):
        push_world.forget_deliveries(url)
        count, before = start(audience), sink.count()
        seconds = through_the_engine(channel)
        sent = db.session.scalars(select(func.count(Delivery.id)).where(Delivery.state == "sent")).one()
        if not sent == sink.count() - before == count:
            raise NoEffect(f"{count} were to go, {sent} are noted as sent, {sink.count() - before} arrived")
        bare = by_the_client_alone(channel, count)
        if number:  # the first round warms both
            ours.append(count / seconds)
            alone.append(count / bare)
    run_here(channel.close())
    close_here()
    what = f"fan-out of {count:,} over HTTP"
    value = ratio(ours, alone)
    taken, by_client = in_ms([count / rate for rate in ours]), in_ms([count / rate for rate in alone])
    place.samples.append({"what": what, "database": place.name, "ms": taken, "other_ms": by_client})
    detail = f"{median(ours):.0f} deliveries/s, the client alone {median(alone):.0f}/s"
    say(f"  {place.name}: {what}: {detail}")
    return Figure(f"{what}, {place.name}", value, "the same client alone", FLOOR, GOAL, detail=detail)


def figures(place: Place, url: str) -> Iterator[Figure]:
    with sink() as there:
        yield measure(place, url, there)
