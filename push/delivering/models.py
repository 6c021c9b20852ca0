"""How a channel fares, shared by all workers: its pace, and whether its provider is down."""

from datetime import datetime

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, one_of
from push.models import PushChannel


class ChannelState(Model):
    """One row a channel. ``open_until``: the circuit is open, nothing is tried before. ``next_slot_at``: the pace."""

    __tablename__ = "channel_states"
    __table_args__ = (one_of("channel", PushChannel), CheckConstraint("failures >= 0", name="failures_not_negative"))

    channel: Mapped[str] = mapped_column(String(20), primary_key=True)
    failures: Mapped[int]  # in a row
    open_until: Mapped[datetime | None]
    next_slot_at: Mapped[datetime | None]  # when the next message may go, where a rate is set
