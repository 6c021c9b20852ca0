"""The next channel, where the first one that takes a message is enough and this one did not."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.orm import aliased

from core.db import db, insert
from push.models import Campaign, ChannelMode, Delivery, DeliveryState, Run, SkipReason

UNREACHED = (SkipReason.NO_ADDRESS, SkipReason.OPTED_OUT)


def fall_back(delivery_ids: Collection[int], *, now: datetime) -> int:
    """Write a delivery over the next channel for those that ended without reaching anybody; return how many.

    Needs the transaction in which they ended, so that a run is never over in between.
    """
    if not delivery_ids:
        return 0
    ended = db.session.execute(
        select(
            Delivery.chain_id, Delivery.campaign_id, Delivery.run_id, Delivery.member_id, Delivery.card_id,
            Delivery.variant, Delivery.coupon_id, Delivery.channel, Campaign.channels,
        )
        .join(Campaign, Campaign.id == Delivery.campaign_id)
        .where(
            Delivery.id.in_(delivery_ids),
            Campaign.channel_mode == ChannelMode.FIRST,
            or_(
                Delivery.state == DeliveryState.FAILED,
                and_(Delivery.state == DeliveryState.SKIPPED, Delivery.reason.in_(UNREACHED)),
            ),
        )
    ).all()  # fmt: skip
    added: dict[int, int] = {}
    for row in ended:
        following = row.channels[row.channels.index(row.channel) + 1 :] if row.channel in row.channels else []
        if not following:
            continue
        values = {name: getattr(row, name) for name in row._fields if name not in ("channel", "channels")}
        fresh = values | {"channel": following[0], "state": DeliveryState.PENDING, "due_at": now, "attempts": 0}
        is_new = db.session.scalar(
            insert(Delivery)
            .values(**fresh)
            .on_conflict_do_nothing(index_elements=["run_id", "member_id", "channel"])
            .returning(Delivery.id)
        )
        if is_new is not None:
            added[row.run_id] = added.get(row.run_id, 0) + 1
    for run_id, count in sorted(added.items()):  # in one order, so that two workers never wait for one another
        db.session.execute(update(Run).where(Run.id == run_id).values(audience_count=Run.audience_count + count))
    return sum(added.values())


def call_off(delivery_id: int) -> Sequence[int]:
    """It arrived after all: what waits to follow it over the next channel, and was not tried yet, does not go; which.

    Needs an open transaction.
    """
    arrived, its_run = aliased(Delivery), aliased(Run)
    first_run = func.coalesce(Run.continues_run_id, Run.id)
    follows = (
        select(Delivery.id)
        .join(Run, Run.id == Delivery.run_id)
        .join(arrived, and_(arrived.member_id == Delivery.member_id, arrived.id < Delivery.id))
        .join(its_run, its_run.id == arrived.run_id)
        .where(arrived.id == delivery_id, first_run == func.coalesce(its_run.continues_run_id, its_run.id))
        .where(exists().where(Campaign.id == Delivery.campaign_id, Campaign.channel_mode == ChannelMode.FIRST))
    )
    return db.session.scalars(
        update(Delivery)
        .where(Delivery.id.in_(follows), Delivery.state == DeliveryState.PENDING, Delivery.attempts == 0)
        .values(state=DeliveryState.SKIPPED, reason=SkipReason.DUPLICATE)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
