"""The control: a claim as it is often written, read first and write then. In the same storm it over-issues.

Served in place of the application by the same command, it adds one address to it.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from app.api.blueprint import api_blueprint
from app.auth.guard import WALLET, access, actor
from app.factory import create_app, csrf
from cards.models import Card
from core.clock import utc_now
from core.db import db, transaction
from core.tokens import new_code
from coupons.models import Coupon, Offer

bp = api_blueprint("naive", "A claim that reads first and writes then")


@bp.post("/naive/offers/<int:offer_id>/coupons")
@access(WALLET)
def claim_naively(offer_id: int) -> tuple[dict[str, Any], int]:
    """Look whether there is stock; if so, write a coupon."""
    offer = db.session.get_one(Offer, offer_id)
    claimed = db.session.scalar(select(func.count()).select_from(Coupon).where(Coupon.offer_id == offer_id)) or 0
    card = db.session.scalars(select(Card).where(Card.wallet_id == actor().id)).one()
    if claimed >= (offer.stock or 0):
        return {"code": "offer_sold_out"}, 409
    now = utc_now()
    coupon = Coupon(
        chain_id=offer.chain_id,
        offer_id=offer_id,
        card_id=card.id,
        member_id=card.member_id,
        ordinal=1,
        code=new_code(),
        source="api",
        claimed_at=now,
        valid_from=now,
        valid_until=now + timedelta(days=30),
    )
    with transaction():
        db.session.add(coupon)
    return {"id": coupon.id}, 201


app = create_app()
csrf.exempt(bp)
app.register_blueprint(bp)
