"""Counting scans: one opening of a store code by one visitor."""

from datetime import datetime, timedelta

from core.hot import Hot, Sql

ONE_OPENING = timedelta(minutes=30)  # reloading the page is not another scan
IN_USE = Sql("""
    SELECT 1 FROM store_codes c
    JOIN stores s ON s.id = c.store_id AND s.closed_at IS NULL
    WHERE c.token = :token AND c.revoked_at IS NULL
""")
COUNT = Sql("""
    INSERT INTO scans (chain_id, store_id, store_code_id, visitor, at)
    SELECT c.chain_id, c.store_id, c.id, CAST(:visitor AS VARCHAR(64)), :now
    FROM store_codes c
    WHERE c.token = :token AND c.revoked_at IS NULL
      AND NOT EXISTS (
          SELECT 1 FROM scans s
          WHERE s.store_code_id = c.id AND s.visitor = CAST(:visitor AS VARCHAR(64)) AND s.at > :since
      )
""")


def is_in_use(hot: Hot, token: str) -> bool:
    """Whether a store code gives cards: it is known and not revoked, and its store is open."""
    return hot.row(IN_USE, token=token) is not None


def count_scan(hot: Hot, token: str, *, visitor: str, now: datetime) -> bool:
    """Count an opening of a store code; False when it counted already or there is no such code."""
    return hot.run(COUNT, token=token, visitor=visitor, now=now, since=now - ONE_OPENING) > 0
