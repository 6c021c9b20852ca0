"""The coupon that a message reminds of: the occasion of a campaign that waits for coupons to expire.

No coupon comes with such a message, but its words may speak of one: ``{coupon}`` and ``{coupon_until}``.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import func, select

from core.db import db
from core.text import Text
from coupons.models import Coupon, Offer
from push.audiences.models import CampaignEntry
from push.models import Run
from push.wording.texts import TEMPLATE

OCCASION = "coupon:"
SIGNS = ("{coupon", f"'{TEMPLATE}'")  # a vendor's template may speak of it too


class Reminded(NamedTuple):
    """The coupon's name, and until when (exclusive) it is valid."""

    name: Text
    until: datetime


def speaks_of_one(run: Any) -> bool:
    """Whether a run may speak of a coupon that does not come along. It has titles, bodies, texts and offer_id."""
    said = f"{run.title}{run.title_en}{run.body}{run.body_en}{run.texts}"
    return run.offer_id is None and any(sign in said for sign in SIGNS)


def reminded_of(messages: Iterable[tuple[int, int, int]]) -> dict[tuple[int, int], Reminded]:
    """The coupons of messages (chain, run, member), by run and member; of several the one that was claimed first."""
    meant = set(messages)
    if not meant:
        return {}
    # Who came in stands with the run that took him along, also where its rest goes on with other words.
    took_along = func.coalesce(Run.continues_run_id, Run.id)
    rows = db.session.execute(
        select(Run.id, CampaignEntry.member_id, CampaignEntry.occasion)
        .join(Run, took_along == CampaignEntry.run_id)
        .where(
            CampaignEntry.chain_id.in_({chain_id for chain_id, _, _ in meant}),
            Run.id.in_({run_id for _, run_id, _ in meant}),
            CampaignEntry.member_id.in_({member_id for _, _, member_id in meant}),
            CampaignEntry.occasion.startswith(OCCASION),
        )
    )
    found: dict[tuple[int, int], int] = {}
    for run_id, member_id, occasion in rows:
        key, number = (run_id, member_id), int(occasion.removeprefix(OCCASION))
        found[key] = min(number, found.get(key, number))
    coupons = _coupons(set(found.values()))
    return {key: coupons[number] for key, number in found.items() if number in coupons}


def _coupons(ids: set[int]) -> dict[int, Reminded]:
    if not ids:
        return {}
    rows = db.session.execute(
        select(Coupon.id, Coupon.valid_until, Offer.name, Offer.name_en)
        .join(Offer, Offer.id == Coupon.offer_id)
        .where(Coupon.id.in_(ids))
    )
    return {row.id: Reminded(Text(row.name, row.name_en or row.name), row.valid_until) for row in rows}
