"""Counting scans: one opening of a store code by one visitor.

``scan_visitors`` decides by one conditional upsert; whoever it lets through is written down.
"""

from datetime import datetime, timedelta

from core.hot import Hot, Sql

ONE_OPENING = timedelta(minutes=30)  # reloading the page is not another scan
IN_USE = Sql("""
    SELECT 1 FROM store_codes c
    JOIN stores s ON s.id = c.store_id AND s.closed_at IS NULL
    WHERE c.token = :token AND c.revoked_at IS NULL
""")

CODE = "SELECT id, chain_id, store_id FROM store_codes WHERE token = :token AND revoked_at IS NULL"
UPSERT = """
    ON CONFLICT (store_code_id, visitor) DO UPDATE SET last_scan_at = excluded.last_scan_at
    WHERE scan_visitors.last_scan_at <= :since
    RETURNING store_code_id"""

COUNT = Sql(f"""
WITH code AS ({CODE}),
counted AS (
    INSERT INTO scan_visitors (store_code_id, visitor, last_scan_at) SELECT id, :visitor, :now FROM code{UPSERT}
)
INSERT INTO scans (chain_id, store_id, store_code_id, visitor, at)
SELECT code.chain_id, code.store_id, code.id, :visitor, :now FROM code JOIN counted ON counted.store_code_id = code.id
RETURNING id""")

FIND = Sql(CODE)
COUNTED = Sql(f"""
    INSERT INTO scan_visitors (store_code_id, visitor, last_scan_at) VALUES (:code_id, :visitor, :now){UPSERT}""")
SCAN = Sql("""
    INSERT INTO scans (chain_id, store_id, store_code_id, visitor, at)
    VALUES (:chain_id, :store_id, :code_id, :visitor, :now)
""")


def is_in_use(hot: Hot, token: str) -> bool:
    """Whether a store code gives cards: it is known and not revoked, and its store is open."""
    return hot.row(IN_USE, token=token) is not None


def count_scan(hot: Hot, token: str, *, visitor: str, now: datetime) -> bool:
    """Count an opening of a store code; False when it counted already or there is no such code."""
    since = now - ONE_OPENING
    if hot.is_postgresql:
        return hot.row(COUNT, token=token, visitor=visitor, now=now, since=since) is not None
    code = hot.row(FIND, token=token)
    if code is None or hot.row(COUNTED, code_id=code[0], visitor=visitor, now=now, since=since) is None:
        return False
    hot.run(SCAN, chain_id=code[1], store_id=code[2], code_id=code[0], visitor=visitor, now=now)
    return True
