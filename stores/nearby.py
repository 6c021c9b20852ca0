"""The stores of a chain near a place, or of a name."""

from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import InstrumentedAttribute

from core.db import db
from stores.models import Store

EARTH_RADIUS_METRES = 6_371_000


class Place(NamedTuple):
    latitude: float
    longitude: float


class NearbyStore(NamedTuple):
    store: Store
    metres: int | None = None


def stores_nearby(chain_id: int, place: Place, *, limit: int = 20) -> list[NearbyStore]:
    """Open stores, nearest first; those whose place is not known are left out."""
    stretch = cos(radians(place.latitude))  # a degree of longitude is shorter away from the equator
    north, east = Store.latitude - place.latitude, (Store.longitude - place.longitude) * stretch
    query = (
        select(Store)
        .where(Store.chain_id == chain_id, Store.closed_at.is_(None), Store.latitude.is_not(None))
        .order_by(north * north + east * east, Store.id)
        .limit(limit)
    )
    return [NearbyStore(store, _metres(place, store)) for store in db.session.scalars(query)]


def stores_named(chain_id: int, words: str = "", *, home: Store | None = None, limit: int = 20) -> list[NearbyStore]:
    """Open stores whose name, city or address holds the words; ``home`` first, then its city."""
    query = select(Store).where(Store.chain_id == chain_id, Store.closed_at.is_(None))
    for word in words.split()[:5]:
        query = query.where(or_(*(part.icontains(word, autoescape=True) for part in _words())))
    near = (Store.id != home.id, Store.city != home.city) if home else ()
    query = query.order_by(*near, Store.city, Store.name, Store.id).limit(limit)
    return [NearbyStore(store) for store in db.session.scalars(query)]


def _words() -> tuple[InstrumentedAttribute[str], ...]:
    return (Store.name, Store.city, Store.address)


def _metres(place: Place, store: Store) -> int:
    """The great-circle distance."""
    assert store.latitude is not None
    assert store.longitude is not None
    here, there = radians(place.latitude), radians(store.latitude)
    north, east = there - here, radians(store.longitude - place.longitude)
    half = sin(north / 2) ** 2 + cos(here) * cos(there) * sin(east / 2) ** 2
    return round(2 * EARTH_RADIUS_METRES * asin(sqrt(half)))
