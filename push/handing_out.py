"""The coupon that comes with a message: one for a member and run, whichever channel is first."""

from datetime import datetime
from typing import NamedTuple

from psycopg.errors import InFailedSqlTransaction
from sqlalchemy import select, update

from core.db import db, insert
from core.hot import AlreadyThere, this_transaction
from coupons.claiming import claim
from coupons.models import CouponSource
from push.models import Delivery, PushTurn

ATTEMPTS = 3


class Carrier(NamedTuple):
    """A delivery that a coupon comes with."""

    id: int
    chain_id: int
    run_id: int
    member_id: int
    card_id: int


def take_turns(chain_id_of: dict[int, int]) -> None:
    """Queue for members (id -> chain) until the transaction ends, so that no other worker decides about them meanwhile.

    Written in one order, so that two workers never wait for one another.
    """
    for start in range(0, len(chain_id_of), 100):
        members = sorted(chain_id_of)[start : start + 100]
        rows = [{"member_id": member, "chain_id": chain_id_of[member], "turn": 1} for member in members]
        db.session.execute(
            insert(PushTurn)
            .values(rows)
            .on_conflict_do_update(index_elements=["member_id"], set_={"turn": PushTurn.turn + 1})
        )


def hand_out(delivery: Carrier, offer_id: int, *, now: datetime) -> int:
    """Give the coupon that a delivery carries, or find the one the member has from this run. Needs an open transaction.

    Raises what claiming raises: OfferSoldOut, OfferLimitReached, OfferNotRunning, CardNeeded.
    """
    take_turns({delivery.member_id: delivery.chain_id})
    coupon_id = db.session.scalar(
        select(Delivery.coupon_id)
        .where(
            Delivery.run_id == delivery.run_id,
            Delivery.member_id == delivery.member_id,
            Delivery.coupon_id.is_not(None),
        )
        .limit(1)
    )
    if coupon_id is None:
        coupon_id = _claim(delivery.card_id, offer_id, now=now)
    db.session.execute(
        update(Delivery)
        .where(Delivery.id == delivery.id)
        .values(coupon_id=coupon_id)
        .execution_options(synchronize_session=False)
    )
    return coupon_id


def _claim(card_id: int, offer_id: int, *, now: datetime) -> int:
    """Claim behind a savepoint: PostgreSQL ends a transaction in which a unique key said no."""
    for _ in range(ATTEMPTS):
        try:
            with db.session.begin_nested():
                hot = this_transaction()
                return claim(hot, offer_id, card_id=card_id, source=CouponSource.CAMPAIGN, now=now).id
        except (InFailedSqlTransaction, AlreadyThere):
            continue  # the member claimed at this very moment; look again
    raise RuntimeError("the coupon could not be claimed")
