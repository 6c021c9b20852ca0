"""Who saw an offer: a visitor counts once a business day, wherever it was shown to him first."""

from collections.abc import Iterable
from datetime import datetime

from core.clock import business_day
from core.hot import Hot, Sql
from coupons.models import CouponSource

SHOWN = Sql("SELECT c.id, c.timezone, c.cutoff_hour FROM offers f JOIN chains c ON c.id = f.chain_id WHERE f.id = :id")
SEE = Sql("""
    INSERT INTO offer_sightings (offer_id, day, visitor, chain_id, source, store_id)
    VALUES (:offer_id, :day, :visitor, :chain_id, :source, :store_id)
    ON CONFLICT (offer_id, day, visitor) DO NOTHING
""")


def see(
    hot: Hot,
    offer_ids: Iterable[int],
    *,
    visitor: str,
    now: datetime,
    source: CouponSource = CouponSource.CLAIM_PAGE,
    store_id: int | None = None,
) -> int:
    """Count a visitor for each of these offers, once a business day of its chain; return how many were new."""
    new = 0
    for offer_id in sorted(offer_ids):
        chain = hot.row(SHOWN, id=offer_id)
        if chain is None:
            continue
        day = business_day(now, chain[1], chain[2])
        new += hot.run(
            SEE,
            offer_id=offer_id,
            day=day if hot.is_postgresql else day.isoformat(),
            visitor=visitor,
            chain_id=chain[0],
            source=source,
            store_id=store_id,
        )
    return new
