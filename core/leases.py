"""A lease: one process does a thing, another takes over when it stops."""

from datetime import datetime

from sqlalchemy import String, or_
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Model, db, insert


class Lease(Model):
    """Who holds a duty, until when."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(80))
    leased_until: Mapped[datetime]


def take_lease(name: str, holder: str, *, now: datetime, until: datetime) -> bool:
    """Take or renew the lease; False while somebody else holds it. Needs an open transaction."""
    fresh = insert(Lease).values(name=name, holder=holder, leased_until=until)
    held = db.session.scalar(
        fresh.on_conflict_do_update(
            index_elements=["name"],
            set_={"holder": holder, "leased_until": until},
            where=or_(Lease.holder == holder, Lease.leased_until <= now),
        ).returning(Lease.holder)
    )
    return bool(held == holder)
