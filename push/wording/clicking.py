"""A member follows a short link: where it leads, and that it was followed. A click also says that he opened it."""

from datetime import datetime
from typing import NamedTuple

from core.hot import Hot, Sql, look_up
from push.wording.links import Way

LINK = """
    FROM deliveries d
    JOIN campaign_links l ON l.id = :link_id AND l.campaign_id = d.campaign_id
    WHERE d.id = :delivery_id"""
MEASURED = """COALESCE((
        SELECT c.is_granted FROM consents c
        WHERE c.member_id = d.member_id AND c.purpose = 'measurement' ORDER BY c.id DESC LIMIT 1
    ), TRUE)"""
UPSERT = """
    ON CONFLICT (delivery_id, link_id) DO UPDATE
    SET count = clicks.count + 1,
        last_at = CASE WHEN clicks.last_at > excluded.last_at THEN clicks.last_at ELSE excluded.last_at END"""
CLICK = f"""
    INSERT INTO clicks (delivery_id, link_id, chain_id, campaign_id, first_at, last_at, count)
    SELECT id, link_id, chain_id, campaign_id, :now, :now, 1 FROM followed WHERE TRUE{UPSERT}"""
FOLLOWED = f"SELECT d.id, l.id AS link_id, d.chain_id, d.campaign_id {LINK} AND {MEASURED}"

TARGET = Sql(f"SELECT l.url, d.chain_id {LINK}")
COUNT = Sql(f"""
WITH followed AS ({FOLLOWED}),
clicked AS ({CLICK}),
opened AS (
    UPDATE deliveries SET read_at = :now FROM followed WHERE deliveries.id = followed.id AND deliveries.read_at IS NULL
)
SELECT id FROM followed""")
COUNTED = Sql(f"WITH followed AS ({FOLLOWED}) {CLICK} RETURNING delivery_id")
OPENED = Sql("UPDATE deliveries SET read_at = :now WHERE id = :delivery_id AND read_at IS NULL")


class Target(NamedTuple):
    """Where a short link leads, and whose it is."""

    url: str
    chain_id: int


def find_target(way: Way) -> Target | None:
    """The address behind a short link; None when its delivery or address is gone."""
    row = look_up(TARGET, delivery_id=way.delivery_id, link_id=way.link_id)
    return Target(str(row[0]), int(row[1])) if row else None


def count_click(hot: Hot, way: Way, *, now: datetime) -> bool:
    """Note that a person followed the link; False, and nothing noted, when the member wants no measurement."""
    values = {"delivery_id": way.delivery_id, "link_id": way.link_id, "now": now}
    if hot.is_postgresql:
        return hot.row(COUNT, **values) is not None
    if hot.row(COUNTED, **values) is None:
        return False
    hot.run(OPENED, delivery_id=way.delivery_id, now=now)
    return True
