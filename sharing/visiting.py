"""Visits: an opening of a share link counts once per visitor in 30 minutes, and only when a person opened it.

``share_visitors`` decides by one conditional upsert; whoever it lets through is written down and counted on the link.
An opening that does not count is remembered all the same: attribution goes by the link that was opened last.
"""

from datetime import datetime, timedelta

from core.hot import Hot, Sql
from sharing.joining import CodeUnknown

QUIET = timedelta(minutes=30)  # in which further openings by the same visitor do not count

LINK = """
    SELECT l.id, l.chain_id, own.id IS NOT NULL AS is_own
    FROM share_links l
    JOIN cards sharer ON sharer.id = l.card_id AND sharer.state = 'active'
    LEFT JOIN wallets own ON own.id = sharer.wallet_id AND own.key_hash = :visitor
    WHERE l.token = :token"""
UPSERT = """
    ON CONFLICT (share_link_id, visitor) DO UPDATE
    SET last_visit_at = excluded.last_visit_at,
        opened_at = CASE WHEN share_visitors.opened_at > excluded.opened_at THEN share_visitors.opened_at
                         ELSE excluded.opened_at END
    WHERE share_visitors.last_visit_at <= :since
    RETURNING share_link_id"""

COUNT = Sql(f"""
WITH link AS ({LINK}),
counted AS (
    INSERT INTO share_visitors (share_link_id, visitor, last_visit_at, opened_at)
    SELECT id, :visitor, :now, :now FROM link WHERE NOT is_own{UPSERT}
),
opened AS (
    UPDATE share_visitors v SET opened_at = :now FROM link
    WHERE NOT EXISTS (SELECT 1 FROM counted) AND NOT link.is_own
      AND v.share_link_id = link.id AND v.visitor = :visitor AND v.opened_at < :now
),
visit AS (
    INSERT INTO share_visits (chain_id, share_link_id, visitor, at)
    SELECT link.chain_id, link.id, :visitor, :now FROM link JOIN counted ON counted.share_link_id = link.id
),
told AS (
    UPDATE share_links SET visits = visits + 1 WHERE id = (SELECT share_link_id FROM counted) RETURNING id
)
SELECT link.id, (SELECT id FROM told) FROM link""")

FIND = Sql(LINK)
COUNTED = Sql(f"""
    INSERT INTO share_visitors (share_link_id, visitor, last_visit_at, opened_at)
    VALUES (:link_id, :visitor, :now, :now){UPSERT}""")
OPENED = Sql("""
    UPDATE share_visitors SET opened_at = :now
    WHERE share_link_id = :link_id AND visitor = :visitor AND opened_at < :now
""")
VISIT = Sql(
    "INSERT INTO share_visits (chain_id, share_link_id, visitor, at) VALUES (:chain_id, :link_id, :visitor, :now)"
)
TOLD = Sql("UPDATE share_links SET visits = visits + 1 WHERE id = :link_id")


def count_visit(hot: Hot, token: str, *, visitor: str, now: datetime) -> bool:
    """Count this opening, unless the visitor was counted on the link in the last 30 minutes or shared it himself.

    ``visitor`` is a hash: of a phone's wallet secret, where it has one. Raises CodeUnknown.
    """
    values = {"token": token, "visitor": visitor, "now": now, "since": now - QUIET}
    if hot.is_postgresql:
        row = hot.row(COUNT, **values)
        if row is None:
            raise CodeUnknown()
        return row[1] is not None
    link = hot.row(FIND, token=token, visitor=visitor)
    if link is None:
        raise CodeUnknown()
    link_id, chain_id, is_own = link
    if is_own:
        return False
    if hot.row(COUNTED, link_id=link_id, visitor=visitor, now=now, since=values["since"]) is None:
        hot.run(OPENED, link_id=link_id, visitor=visitor, now=now)
        return False
    hot.run(VISIT, chain_id=chain_id, link_id=link_id, visitor=visitor, now=now)
    hot.run(TOLD, link_id=link_id)
    return True
