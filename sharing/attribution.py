"""Who brought a new member: the edge of the propagation tree, written once, with the card.

A card taken on a friend's page is the friend's. A card taken from a store code is credited to the last share link the
same device opened within the chain's window, as the chain's rules are at that moment, unless they say that the store
code wins. A day of the window has 24 hours; a link opened exactly that long ago is forgotten. Whoever was a member
before came through nobody. So does whoever would stand more than ``DEEPEST`` generations below the first: no index of
PostgreSQL holds a longer path, and only scripts make one.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from cards.issuing import NewCard, Origin
from core.hot import Hot, Sql
from sharing.models import DEFAULT_WINDOW_DAYS
from sharing.traces import Trace

DEEPEST = 250

# Parts of the statement of sharing/joining.py: they read ``origin``, ``member`` and ``card``.
VIA_THIS_LINK = """
via AS (
    SELECT l.id, l.member_id, l.channel FROM share_links l JOIN origin o ON o.share_link_id = l.id
    WHERE :visitor ::text IS NOT NULL
)"""
VIA_LAST_VISIT = f"""
via AS (
    SELECT l.id, l.member_id, l.channel
    FROM share_visitors v
    JOIN share_links l ON l.id = v.share_link_id
    JOIN origin o ON o.chain_id = l.chain_id
    JOIN cards sharer ON sharer.id = l.card_id AND sharer.state = 'active'
    LEFT JOIN sharing_policies y ON y.chain_id = o.chain_id
    WHERE v.visitor = :visitor AND NOT COALESCE(y.store_code_wins, FALSE)
      AND v.opened_at
          > :now ::timestamptz - make_interval(hours => 24 * COALESCE(y.window_days, {DEFAULT_WINDOW_DAYS})::int)
    ORDER BY v.opened_at DESC, l.id DESC LIMIT 1
)"""
REFERRAL = f"""
referral AS (
    INSERT INTO referrals (chain_id, member_id, referrer_id, root_id, card_id, share_link_id, channel, store_id, depth,
                           path, device, network, created_at)
    SELECT k.chain_id, k.member_id, v.member_id, COALESCE(up.root_id, v.member_id), k.id, v.id, v.channel, k.store_id,
           COALESCE(up.depth, 0) + 1,
           COALESCE(up.path, lpad(to_hex(v.member_id), 10, '0')) || lpad(to_hex(k.member_id), 10, '0'),
           :device, :network, :now
    FROM card k
    JOIN member m ON m.id = k.member_id AND m.is_new
    CROSS JOIN via v
    LEFT JOIN referrals up ON up.chain_id = k.chain_id AND up.member_id = v.member_id
    WHERE v.member_id <> k.member_id AND COALESCE(up.depth, 0) < {DEEPEST}
    ON CONFLICT (chain_id, member_id) DO NOTHING
    RETURNING id, chain_id, member_id, referrer_id, share_link_id, channel, depth
),
referral_told AS (
    INSERT INTO events (chain_id, kind, payload, at)
    SELECT chain_id, 'member.referred',
           jsonb_build_object('referral_id', id, 'member_id', member_id, 'referrer_id', referrer_id), :now
    FROM referral
)"""


class Edge(NamedTuple):
    """Through whom a member came."""

    id: int
    referrer_id: int
    share_link_id: int
    channel: str
    depth: int
    created_at: datetime


IS_MEMBER = Sql("SELECT 1 FROM members WHERE chain_id = :chain_id AND wallet_id = :wallet_id")
LINK_BY_ID = Sql("SELECT id, member_id, channel FROM share_links WHERE id = :link_id")
LAST_VISIT = Sql("""
    SELECT l.id, l.member_id, l.channel
    FROM share_visitors v
    JOIN share_links l ON l.id = v.share_link_id AND l.chain_id = :chain_id
    JOIN cards sharer ON sharer.id = l.card_id AND sharer.state = 'active'
    WHERE v.visitor = :visitor AND v.opened_at > :since
    ORDER BY v.opened_at DESC, l.id DESC LIMIT 1
""")
POLICY = Sql("SELECT window_days, store_code_wins FROM sharing_policies WHERE chain_id = :chain_id")
UP = Sql("SELECT root_id, depth, path FROM referrals WHERE chain_id = :chain_id AND member_id = :member_id")
EDGE = Sql("""
    INSERT INTO referrals (chain_id, member_id, referrer_id, root_id, card_id, share_link_id, channel, store_id, depth,
                           path, device, network, created_at)
    VALUES (:chain_id, :member_id, :referrer_id, :root_id, :card_id, :link_id, :channel, :store_id, :depth, :path,
            :device, :network, :now)
    ON CONFLICT (chain_id, member_id) DO NOTHING
    RETURNING id
""")
TOLD = Sql("""
    INSERT INTO events (chain_id, kind, payload, at)
    VALUES (:chain_id, 'member.referred',
            json_object('referral_id', :referral_id, 'member_id', :member_id, 'referrer_id', :referrer_id), :now)
""")


def path_step(member_id: int) -> str:
    """A member's ten hex digits in a path."""
    return f"{member_id:010x}"


def is_member(hot: Hot, chain_id: int, wallet_id: int) -> bool:
    return hot.row(IS_MEMBER, chain_id=chain_id, wallet_id=wallet_id) is not None


def refer_stepwise(
    hot: Hot, origin: Origin, card: NewCard, *, visitor: str | None, trace: Trace, now: datetime
) -> Edge | None:
    """Write the edge of a new member in an open SQLite transaction; None when nobody brought him."""
    via = _via(hot, origin, visitor, now)
    if via is None or via[1] == card.member_id:
        return None
    link_id, referrer_id, channel = via
    up = hot.row(UP, chain_id=origin.chain_id, member_id=referrer_id)
    root_id, depth, path = up or (referrer_id, 0, path_step(referrer_id))
    if depth >= DEEPEST:
        return None
    edge = hot.row(
        EDGE,
        chain_id=origin.chain_id,
        member_id=card.member_id,
        referrer_id=referrer_id,
        root_id=root_id,
        card_id=card.card_id,
        link_id=link_id,
        channel=channel,
        store_id=origin.store_id,
        depth=depth + 1,
        path=path + path_step(card.member_id),
        device=trace.device,
        network=trace.network,
        now=now,
    )
    if edge is None:
        return None
    who = {"member_id": card.member_id, "referrer_id": referrer_id}
    hot.run(TOLD, chain_id=origin.chain_id, referral_id=edge[0], now=now, **who)
    return Edge(edge[0], referrer_id, link_id, channel, depth + 1, now)


def _via(hot: Hot, origin: Origin, visitor: str | None, now: datetime) -> tuple[int, int, str] | None:
    """The share link to be credited: its id, its member, its channel."""
    if origin.share_link_id is not None:
        found = hot.row(LINK_BY_ID, link_id=origin.share_link_id)
    else:
        window, store_code_wins = hot.row(POLICY, chain_id=origin.chain_id) or (DEFAULT_WINDOW_DAYS, False)
        if store_code_wins:
            return None
        since = now - timedelta(days=int(window))
        found = hot.row(LAST_VISIT, chain_id=origin.chain_id, visitor=visitor, since=since)
    return None if found is None else (found[0], found[1], found[2])
