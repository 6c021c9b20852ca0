"""Offers for head office's own systems: write, change, submit, publish, pause, end.

Approving is not among it: that is for a person, on the offer's page, and a key is nobody.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.api.blueprint import api_blueprint
from app.api.idempotent import in_one_transaction
from app.api.offer_schemas import (
    BudgetChangeSchema,
    OfferChangeSchema,
    OfferDraftSchema,
    OfferSchema,
    StockChangeSchema,
    rules_of,
)
from app.api.offers import offers_shown
from app.auth.guard import HQ_ADMIN, access, actor, author
from core.clock import utc_now
from coupons import approval, errors, offers
from coupons.drafts import Draft, version_of
from coupons.editing import edit_running
from coupons.models import Offer, OfferState

bp = api_blueprint("drafting", "Offers written, changed, published")

ID = "<int:offer_id>"
Answered = tuple[dict[str, Any], int]


@bp.post("/offers")
@access(*HQ_ADMIN)
@bp.arguments(OfferDraftSchema)
@bp.alt_response(201, schema=OfferSchema)
@in_one_transaction
def create(body: dict[str, Any]) -> Answered:
    """Write an offer down as a draft. Nobody can claim it before it is published."""
    offer = offers.create_offer(actor().chain_id, Draft(**rules_of(body)), by=author(), now=utc_now())
    return _json(offer), 201


@bp.patch(f"/offers/{ID}")
@access(*HQ_ADMIN)
@bp.arguments(OfferChangeSchema)
@bp.alt_response(200, schema=OfferSchema)
@in_one_transaction
def change(body: dict[str, Any], offer_id: int) -> Answered:
    """Change some rules. A draft takes any; what was published only becomes more generous, and coupons out follow."""
    offer = offers.get_offer(actor().chain_id, offer_id)
    before = offers.draft_of(offer)
    seen = body.pop("version", version_of(before))
    if seen != version_of(before):
        raise errors.OfferChanged()
    draft, who = replace(before, **rules_of(body)), {"by": author(), "now": utc_now()}
    if offer.state == OfferState.DRAFT:
        return _json(offers.rewrite(offer.chain_id, offer_id, draft, **who)), 200
    return _json(edit_running(offer.chain_id, offer_id, draft, seen=seen, **who)), 200


@bp.post(f"/offers/{ID}/stock")
@access(*HQ_ADMIN)
@bp.arguments(StockChangeSchema)
@bp.alt_response(200, schema=OfferSchema)
@in_one_transaction
def change_stock(body: dict[str, Any], offer_id: int) -> Answered:
    """Set the stock anew, not below what is claimed."""
    offers.change_stock(actor().chain_id, offer_id, **body, by=author(), now=utc_now())
    return _json(offers.get_offer(actor().chain_id, offer_id)), 200


@bp.post(f"/offers/{ID}/budget")
@access(*HQ_ADMIN)
@bp.arguments(BudgetChangeSchema)
@bp.alt_response(200, schema=OfferSchema)
@in_one_transaction
def change_budget(body: dict[str, Any], offer_id: int) -> Answered:
    """Set the budget anew, not below what coupons already out may take."""
    offers.change_budget(actor().chain_id, offer_id, **body, by=author(), now=utc_now())
    return _json(offers.get_offer(actor().chain_id, offer_id)), 200


@bp.post(f"/offers/{ID}/submit")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=OfferSchema)
@in_one_transaction
def submit(offer_id: int) -> Answered:
    """Let a draft wait for a person to approve it, where the chain wants that."""
    return _move(approval.submit, offer_id)


@bp.post(f"/offers/{ID}/publish")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=OfferSchema)
@in_one_transaction
def publish(offer_id: int) -> Answered:
    """Let a draft or a paused offer run."""
    return _move(offers.publish, offer_id)


@bp.post(f"/offers/{ID}/pause")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=OfferSchema)
@in_one_transaction
def pause(offer_id: int) -> Answered:
    """Stop claiming for now; coupons already out stay good."""
    return _move(offers.pause, offer_id)


@bp.post(f"/offers/{ID}/end")
@access(*HQ_ADMIN)
@bp.alt_response(200, schema=OfferSchema)
@in_one_transaction
def end(offer_id: int) -> Answered:
    """Stop claiming for good; coupons already out stay good."""
    return _move(offers.end, offer_id)


def _move(move: Callable[..., Offer], offer_id: int) -> Answered:
    return _json(move(actor().chain_id, offer_id, by=author(), now=utc_now())), 200


def _json(offer: Offer) -> dict[str, Any]:
    return dict(OfferSchema().dump(offers_shown([offer])[offer.id]))
