"""Freezing the audience of a run: a row for each member, next to a bare INSERT … SELECT of as many rows.

The bare one writes the same columns into the same table with its keys and indexes, and asks nobody for consent.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from benchmarks import push_world, world
from benchmarks.fanout import BODY, TITLE
from benchmarks.figures import Figure, ratio
from benchmarks.push_world import NOON, Place
from benchmarks.rounds import NoEffect, say
from benchmarks.tree import in_ms
from core.audit import SYSTEM
from core.db import CACHE_KIB, CHECKPOINT_PAGES, db, transaction
from core.hot import STORED_MOMENT
from push import campaigns, runs
from push.models import Run

FLOOR, GOAL = 0.5, 0.8
AS_SERVED = ("synchronous = NORMAL", f"cache_size = -{CACHE_KIB}", f"wal_autocheckpoint = {CHECKPOINT_PAGES}")
BARE = """
    INSERT INTO deliveries
        (chain_id, campaign_id, run_id, member_id, card_id, channel, variant, state, due_at, attempts)
    SELECT 1, {campaign}, {run}, m.id, c.id, 'gateway', 'A', 'pending', '{now}', 0
    FROM members m JOIN cards c ON c.member_id = m.id WHERE m.chain_id = 1
"""


def campaign_over(channels: list[str], **more: Any) -> int:
    """A campaign to everybody that is due; its id."""
    draft = campaigns.Draft(
        name="周五", audience={}, channels=channels, title=TITLE, body=BODY, title_en=TITLE, body_en=BODY, **more
    )
    with transaction():
        campaign = campaigns.create_campaign(1, draft, by=SYSTEM, now=NOON)
        campaigns.schedule_campaign(1, campaign.id, {"kind": "now"}, by=SYSTEM, now=NOON - timedelta(minutes=10))
    return campaign.id


def ours(url: str, **more: Any) -> tuple[float, int, int]:
    """Start a run; the seconds that it took, how many rows, and its number."""
    push_world.forget_deliveries(url)
    campaign_id = campaign_over(["gateway"], **more)
    begin = time.perf_counter()
    runs.start_due_batch(now=NOON)
    seconds = time.perf_counter() - begin
    (run,) = runs.list_runs(1, campaign_id)
    return seconds, run.audience_count, run.id


def bare(url: str, run_id: int) -> tuple[float, int]:
    push_world.forget_deliveries(url)
    campaign_id = db.session.get_one(Run, run_id).campaign_id
    db.session.remove()
    with world.connected(url) as connection:
        for pragma in AS_SERVED if url.startswith("sqlite") else ():
            connection.execute(f"PRAGMA {pragma}")
        begin = time.perf_counter()
        connection.execute(BARE.format(campaign=campaign_id, run=run_id, now=NOON.strftime(STORED_MOMENT)))
        connection.commit()
        seconds = time.perf_counter() - begin
        (count,) = connection.execute("SELECT count(*) FROM deliveries").fetchone()
    return seconds, count


def figures(place: Place, url: str) -> Iterator[Figure]:
    own: list[float] = []
    other: list[float] = []
    for _ in range(place.rounds):
        seconds, rows, run_id = ours(url, holdout_bp=500)
        bare_seconds, bare_rows = bare(url, run_id)
        if rows != bare_rows:
            raise NoEffect(f"{rows} rows frozen, {bare_rows} by the bare statement")
        own.append(seconds)
        other.append(bare_seconds)
    what = f"freezing {rows:,} members"
    place.samples.append({"what": what, "database": place.name, "ms": in_ms(own), "other_ms": in_ms(other)})
    say(f"  {place.name}: {what}: {in_ms(own)} ms, the bare statement {in_ms(other)} ms")
    yield Figure(f"{what}, {place.name}", ratio(other, own), "a bare INSERT … SELECT", FLOOR, GOAL)
