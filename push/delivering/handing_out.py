"""The coupon that comes with a message: one for a member and run, whichever channel is first and whatever the words."""

import json
from datetime import datetime
from typing import NamedTuple

from psycopg.errors import InFailedSqlTransaction
from sqlalchemy import func, select, update

from core.db import db
from core.hot import AlreadyThere, Sql, this_transaction
from coupons.claiming import claim
from coupons.models import CouponSource
from push.models import Delivery, Run

ATTEMPTS = 3
FIRST_RUN = func.coalesce(Run.continues_run_id, Run.id)  # of one that went on with other words
_TURNS = """
    INSERT INTO push_turns (member_id, chain_id, turn)
    SELECT one.member_id, one.chain_id, 1 FROM {members} WHERE true ORDER BY 1
    ON CONFLICT (member_id) DO UPDATE SET turn = push_turns.turn + 1
"""
TURNS_ON_POSTGRESQL = Sql(
    _TURNS.format(members="unnest(:members ::bigint[], :chains ::bigint[]) AS one (member_id, chain_id)")
)
TURNS_ON_SQLITE = Sql(
    _TURNS.format(members="(SELECT value ->> 0 AS member_id, value ->> 1 AS chain_id FROM json_each(:rows)) AS one")
)


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
    if not chain_id_of:
        return
    members, hot = sorted(chain_id_of), this_transaction()
    if hot.is_postgresql:
        hot.run(TURNS_ON_POSTGRESQL, members=members, chains=[chain_id_of[member] for member in members])
    else:
        hot.run(TURNS_ON_SQLITE, rows=json.dumps([(member, chain_id_of[member]) for member in members]))


def hand_out(delivery: Carrier, offer_id: int, *, now: datetime) -> int:
    """Give the coupon that a delivery carries, or find the one the member has from this run. Needs an open transaction.

    Raises what claiming raises: OfferSoldOut, OfferLimitReached, OfferNotRunning, CardNeeded.
    """
    take_turns({delivery.member_id: delivery.chain_id})
    first_run_id = db.session.scalar(select(FIRST_RUN).where(Run.id == delivery.run_id))
    coupon_id = db.session.scalar(
        select(Delivery.coupon_id)
        .join(Run, Run.id == Delivery.run_id)
        .where(Delivery.member_id == delivery.member_id, Delivery.coupon_id.is_not(None), FIRST_RUN == first_run_id)
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
