"""The next channel, where the first one that takes a message is enough and this one did not."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import and_, or_, select, update

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
