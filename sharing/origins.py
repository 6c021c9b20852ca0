"""What a share link gives: a card of the sharer's program, credited to the sharer's store."""

from datetime import datetime

from cards.issuing import Origin, business_day_sql
from cards.models import CardChannel
from core.clock import business_day
from core.hot import Hot, Sql

ORIGIN_BY_LINK = f"""
origin AS (
    SELECT l.chain_id, l.program_id, t.id AS tier_id, l.store_id, NULL::bigint AS store_code_id,
           l.id AS share_link_id, 'share' AS channel,
           {business_day_sql("COALESCE(s.timezone, c.timezone)")} AS issued_on
    FROM share_links l
    JOIN cards sharer ON sharer.id = l.card_id AND sharer.state = 'active'
    JOIN chains c ON c.id = l.chain_id
    LEFT JOIN stores s ON s.id = l.store_id
    JOIN tiers t ON t.program_id = l.program_id AND t.rank = 0
    WHERE l.token = :token
)"""
LINK = Sql("""
    SELECT l.chain_id, l.program_id, t.id, l.store_id, l.id, COALESCE(s.timezone, c.timezone), c.cutoff_hour
    FROM share_links l
    JOIN cards sharer ON sharer.id = l.card_id AND sharer.state = 'active'
    JOIN chains c ON c.id = l.chain_id
    LEFT JOIN stores s ON s.id = l.store_id
    JOIN tiers t ON t.program_id = l.program_id AND t.rank = 0
    WHERE l.token = :token
""")


def find_origin_by_link(hot: Hot, token: str, *, now: datetime) -> Origin | None:
    """What a share link stands for; None when it is unknown or the sharer's card is not active."""
    row = hot.row(LINK, token=token)
    if row is None:
        return None
    chain_id, program_id, tier_id, store_id, link_id, timezone, cutoff_hour = row
    day = business_day(now, timezone, cutoff_hour)
    return Origin(chain_id, program_id, tier_id, store_id, None, link_id, CardChannel.SHARE, day)
