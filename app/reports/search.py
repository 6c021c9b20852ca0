"""Search everything: members, stores, offers, campaigns."""

from typing import NamedTuple

from sqlalchemy import or_, select

from app.reports.people import Filters, Listed, list_people
from app.reports.question import Reader
from core.db import db
from coupons.models import Offer
from push.models import Campaign
from stores.models import Chain, Store

MOST = 8  # of each kind


class Found(NamedTuple):
    """Something with a page of its own."""

    id: int
    name: str
    name_en: str
    note: str


class Findings(NamedTuple):
    members: list[Listed]
    stores: list[Found]
    offers: list[Found]
    campaigns: list[Found]

    def __bool__(self) -> bool:
        return any(self)


def search_everything(reader: Reader, text: str, *, chain: Chain) -> Findings:
    """What somebody may have meant, of what he may see. Offers are everybody's, campaigns head office's."""
    if not text:
        return Findings([], [], [], [])
    return Findings(
        members=list_people(reader, Filters(search=text), chain=chain, limit=MOST),
        stores=_stores(reader, text),
        offers=_offers(reader, text),
        campaigns=_campaigns(reader, text) if reader.store_ids is None else [],
    )


def _stores(reader: Reader, text: str) -> list[Found]:
    query = select(Store.id, Store.name, Store.name, Store.code).where(
        Store.chain_id == reader.chain_id,
        or_(
            Store.name.icontains(text, autoescape=True),
            Store.code.istartswith(text, autoescape=True),
            Store.address.icontains(text, autoescape=True),
        ),
    )
    if reader.store_ids is not None:
        query = query.where(Store.id.in_(reader.store_ids))
    return [Found(*row) for row in db.session.execute(query.order_by(Store.code).limit(MOST))]


def _offers(reader: Reader, text: str) -> list[Found]:
    query = select(Offer.id, Offer.name, Offer.name_en, Offer.state).where(
        Offer.chain_id == reader.chain_id,
        or_(Offer.name.icontains(text, autoescape=True), Offer.name_en.icontains(text, autoescape=True)),
    )
    return [Found(*row) for row in db.session.execute(query.order_by(Offer.id.desc()).limit(MOST))]


def _campaigns(reader: Reader, text: str) -> list[Found]:
    query = select(Campaign.id, Campaign.name, Campaign.name, Campaign.state).where(
        Campaign.chain_id == reader.chain_id,
        or_(
            Campaign.name.icontains(text, autoescape=True),
            Campaign.title.icontains(text, autoescape=True),
            Campaign.title_en.icontains(text, autoescape=True),
        ),
    )
    return [Found(*row) for row in db.session.execute(query.order_by(Campaign.id.desc()).limit(MOST))]
