"""The coupon that comes with a message: one for a member and run, whichever channel is first and whatever the words."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from psycopg.errors import InFailedSqlTransaction
from sqlalchemy import func, select

from core.db import among, db
from core.hot import AlreadyThere, Sql, this_transaction
from coupons.claiming import claim
from coupons.claiming_many import claim_many
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
_GOT = "UPDATE deliveries SET coupon_id = got.coupon_id FROM {got} WHERE deliveries.id = got.id"
GOT_ON_POSTGRESQL = Sql(_GOT.format(got="unnest(:ids ::bigint[], :coupons ::bigint[]) AS got (id, coupon_id)"))
GOT_ON_SQLITE = Sql(
    _GOT.format(got="(SELECT value ->> 0 AS id, value ->> 1 AS coupon_id FROM json_each(:rows)) AS got")
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


def hand_out_many(deliveries: Collection[Carrier], offer_id: int, *, now: datetime) -> set[int]:
    """Give many their coupons at once; return the deliveries that have theirs now. Needs an open transaction.

    For any other ``hand_out`` decides, in a transaction of its own.
    """
    of_member = {delivery.member_id: delivery for delivery in deliveries}  # a second one of his comes later
    take_turns({delivery.member_id: delivery.chain_id for delivery in of_member.values()})
    got = _coupons_had(list(of_member.values()))
    without = {delivery.card_id: delivery.id for delivery in of_member.values() if delivery.id not in got}
    claimed = claim_many(this_transaction(), offer_id, without, source=CouponSource.CAMPAIGN, now=now)
    got |= {without[card_id]: coupon_id for card_id, coupon_id in claimed.items()}
    _note_coupons(got)
    return set(got)


def hand_out(delivery: Carrier, offer_id: int, *, now: datetime) -> int:
    """Give the coupon that a delivery carries, or find the one the member has from this run. Needs an open transaction.

    Raises what claiming raises: OfferSoldOut, OfferLimitReached, OfferNotRunning, CardNeeded.
    """
    take_turns({delivery.member_id: delivery.chain_id})
    coupon_id = _coupons_had([delivery]).get(delivery.id)
    if coupon_id is None:
        coupon_id = _claim(delivery.card_id, offer_id, now=now)
    _note_coupons({delivery.id: coupon_id})
    return coupon_id


def _coupons_had(deliveries: Sequence[Carrier]) -> dict[int, int]:
    """By delivery, the coupon that its member has from this run already."""
    run_ids = {delivery.run_id for delivery in deliveries}
    first = {row[0]: row[1] for row in db.session.execute(select(Run.id, FIRST_RUN).where(Run.id.in_(run_ids)))}
    rows = db.session.execute(
        select(FIRST_RUN, Delivery.member_id, Delivery.coupon_id)
        .join(Run, Run.id == Delivery.run_id)
        .where(
            among(Delivery.member_id, [delivery.member_id for delivery in deliveries]),
            Delivery.coupon_id.is_not(None),
            FIRST_RUN.in_(set(first.values())),
        )
    )
    had: dict[tuple[int | None, int], int] = {(row[0], row[1]): row[2] for row in rows if row[2] is not None}
    places = {delivery.id: (first.get(delivery.run_id), delivery.member_id) for delivery in deliveries}
    return {delivery_id: had[place] for delivery_id, place in places.items() if place in had}


def _note_coupons(coupon_of: dict[int, int]) -> None:
    """Write down which coupon each delivery brings."""
    if not coupon_of:
        return
    hot, rows = this_transaction(), sorted(coupon_of.items())
    if hot.is_postgresql:
        hot.run(GOT_ON_POSTGRESQL, ids=[row[0] for row in rows], coupons=[row[1] for row in rows])
    else:
        hot.run(GOT_ON_SQLITE, rows=json.dumps(rows))


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
