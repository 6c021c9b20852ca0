"""Offers: made as drafts, then running, paused, ended. What of them is scarce is laid out when they are made."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from cards.models import Program, Tier
from core import audit
from core.audit import Author
from core.db import db
from core.text import Text
from core.tokens import new_code
from coupons import errors
from coupons.drafts import MOST_STOCK as MOST_STOCK
from coupons.drafts import SCOPE, columns_of, invalid, normalised, plain, refuse_program
from coupons.drafts import Draft as Draft
from coupons.drafts import check as check
from coupons.models import (
    Offer,
    OfferBudget,
    OfferPolicy,
    OfferProgram,
    OfferSlot,
    OfferState,
    OfferStore,
    OfferTier,
)
from stores.models import Store
from stores.queries import get_chain

SLOTS = 16  # parts of a stock: as many claims as that can be let through at once

MOVES = {
    OfferState.RUNNING: (OfferState.DRAFT, OfferState.PAUSED),
    OfferState.PAUSED: (OfferState.RUNNING,),
    OfferState.ENDED: (OfferState.RUNNING, OfferState.PAUSED),
}
SCOPES: dict[str, tuple[Any, Any, Any, Text]] = {  # what a draft names, the table that holds it, whose rows they are
    "store_ids": (OfferStore, OfferStore.store_id, Store, Text("没有这家门店。", "there is no such store.")),
    "program_ids": (
        OfferProgram,
        OfferProgram.program_id,
        Program,
        Text("没有这种会员卡。", "there is no such card."),
    ),
    "tier_ids": (OfferTier, OfferTier.tier_id, Tier, Text("没有这个等级。", "there is no such tier.")),
}
IS_FOR_ALL = {name: f"is_for_all_{name.removesuffix('_ids')}s" for name in SCOPE}
UNSUBMITTED = {"submitted_at": None, "submitted_by": None, "approved_at": None, "approved_by": None}


def create_offer(chain_id: int, draft: Draft, *, by: Author, now: datetime) -> Offer:
    """Write a draft down. Needs an open transaction; raises OfferInvalid."""
    draft = checked(chain_id, draft)
    offer = Offer(chain_id=chain_id, token=new_code(), state=OfferState.DRAFT, created_at=now, **columns_of(draft))
    db.session.add(offer)
    db.session.flush()
    _lay_out(offer.id, draft)
    note("offer created", offer, by, now, after=plain(draft))
    return offer


def rewrite(chain_id: int, offer_id: int, draft: Draft, *, by: Author, now: datetime) -> Offer:
    """Change the rules of a draft; whoever approved it approved other rules, so that is taken back.

    Needs an open transaction; raises OfferNotFound, OfferNotDraft, OfferInvalid.
    """
    draft = checked(chain_id, draft)
    before = plain(draft_of(get_offer(chain_id, offer_id)))
    offer: Offer | None = db.session.scalar(
        update(Offer)
        .where(Offer.id == offer_id, Offer.chain_id == chain_id, Offer.state == OfferState.DRAFT)
        .values(**columns_of(draft), **UNSUBMITTED)
        .returning(Offer)
        .execution_options(populate_existing=True)
    )
    if offer is None:
        raise errors.OfferNotDraft()
    _lay_out(offer_id, draft)
    note("offer rewritten", offer, by, now, before=before, after=plain(draft))
    return offer


def checked(chain_id: int, draft: Draft) -> Draft:
    """The draft in its normal form, its rules and its places found to be good. Raises OfferInvalid."""
    chain = get_chain(chain_id)
    draft = normalised(draft, cutoff_hour=chain.cutoff_hour)
    check(draft, timezone=chain.timezone, cutoff_hour=chain.cutoff_hour)
    if draft.program_id is not None and _count(Program, chain_id, (draft.program_id,)) == 0:
        refuse_program()
    for name, (_, _, owner, problem) in SCOPES.items():
        ids: tuple[int, ...] = getattr(draft, name)
        if ids and _count(owner, chain_id, ids) < len(ids):
            raise invalid(problem)
    if draft.program_ids and draft.tier_ids and not _some_tier_is_of(draft.program_ids, draft.tier_ids):
        raise invalid(Text("所选等级不属于所选会员卡。", "the tiers belong to none of the cards."))
    return draft


def _count(owner: Any, chain_id: int, ids: Sequence[int]) -> int:
    query = select(func.count()).select_from(owner).where(owner.chain_id == chain_id, owner.id.in_(ids))
    return db.session.scalar(query) or 0


def _some_tier_is_of(program_ids: Sequence[int], tier_ids: Sequence[int]) -> bool:
    query = select(Tier.id).where(Tier.id.in_(tier_ids), Tier.program_id.in_(program_ids)).limit(1)
    return db.session.scalar(query) is not None


def draft_of(offer: Offer) -> Draft:
    """The rules of an offer, to be changed or copied."""
    return drafts_of([offer])[offer.id]


def drafts_of(offers: Sequence[Offer]) -> dict[int, Draft]:
    """The rules of the offers of a list; as many queries as for one."""
    named: dict[int, dict[str, list[int]]] = {offer.id: {name: [] for name in SCOPE} for offer in offers}
    for name, (table, column, _, _) in SCOPES.items():
        ids = [offer.id for offer in offers if not getattr(offer, IS_FOR_ALL[name])]
        query = select(table.offer_id, column).where(table.offer_id.in_(ids)).order_by(column)
        for offer_id, row_id in db.session.execute(query) if ids else ():
            named[offer_id][name].append(row_id)
    return {offer.id: _draft(offer, named[offer.id]) for offer in offers}


def _draft(offer: Offer, named: dict[str, list[int]]) -> Draft:
    rules = {field.name: getattr(offer, field.name) for field in fields(Draft) if field.name not in SCOPE}
    return Draft(**rules | {name: tuple(ids) for name, ids in named.items()})


def copy_of(offer: Offer) -> Draft:
    """The rules of an offer for another one: its claim word and its welcome stay with it."""
    return replace(draft_of(offer), claim_word=None, program_id=None)


def publish(chain_id: int, offer_id: int, *, by: Author, now: datetime) -> Offer:
    """Let a draft or a paused offer run. Needs an open transaction.

    Raises OfferNotFound, OfferNotRunning, OfferIsOver, OfferNeedsApproval, WelcomeGiftTaken, ClaimWordTaken.
    """
    offer = get_offer(chain_id, offer_id)
    if offer.valid_until is not None and offer.valid_until <= now:
        raise errors.OfferIsOver()
    return keeping_keys(
        lambda: _move(chain_id, offer_id, OfferState.RUNNING, by, now, _is_approved(chain_id)), offer.claim_word
    )


def keeping_keys(change: Callable[[], Offer], claim_word: str | None) -> Offer:
    """Do something that makes an offer run, or changes a running one. Raises WelcomeGiftTaken, ClaimWordTaken."""
    try:
        with db.session.begin_nested():
            return change()
    except IntegrityError as error:
        if "claim_word" in str(error.orig):
            raise errors.ClaimWordTaken(word=claim_word) from error
        raise errors.WelcomeGiftTaken() from error


def _is_approved(chain_id: int) -> ColumnElement[bool]:
    needs_approval = exists().where(OfferPolicy.chain_id == chain_id, OfferPolicy.needs_approval)
    return or_(Offer.state != OfferState.DRAFT, Offer.approved_at.is_not(None), ~needs_approval)


def pause(chain_id: int, offer_id: int, *, by: Author, now: datetime) -> Offer:
    """Stop claiming for now; coupons already out stay good. Needs an open transaction."""
    return _move(chain_id, offer_id, OfferState.PAUSED, by, now)


def end(chain_id: int, offer_id: int, *, by: Author, now: datetime) -> Offer:
    """Stop claiming for good; coupons already out stay good. Needs an open transaction."""
    return _move(chain_id, offer_id, OfferState.ENDED, by, now)


def _move(
    chain_id: int, offer_id: int, state: OfferState, by: Author, now: datetime, *conditions: ColumnElement[bool]
) -> Offer:
    moved: Offer | None = db.session.scalar(
        update(Offer)
        .where(Offer.id == offer_id, Offer.chain_id == chain_id, Offer.state.in_(MOVES[state]), *conditions)
        .values(state=state)
        .returning(Offer)
    )
    if moved is None:
        is_draft = get_offer(chain_id, offer_id).state == OfferState.DRAFT and state == OfferState.RUNNING
        raise errors.OfferNeedsApproval() if is_draft else errors.OfferNotRunning()
    note(f"offer {state}", moved, by, now, after={"state": state})
    return moved


def change_stock(chain_id: int, offer_id: int, *, stock: int, seen_stock: int, by: Author, now: datetime) -> None:
    """Set the stock anew if it still is what the editor saw. Needs an open transaction.

    Raises OfferNotFound, OfferChanged; OfferInvalid when fewer than are already claimed.
    """
    if not 0 <= stock <= MOST_STOCK:
        check(replace(draft_of(get_offer(chain_id, offer_id)), stock=stock))
    changed = db.session.scalar(
        update(Offer)
        .where(Offer.id == offer_id, Offer.chain_id == chain_id, Offer.stock == seen_stock)
        .values(stock=stock)
        .returning(Offer)
    )
    if changed is None:
        get_offer(chain_id, offer_id)
        raise errors.OfferChanged()
    _unsubmit_draft(offer_id)
    lay_stock_anew(offer_id, stock)
    note("offer stock", changed, by, now, before={"stock": seen_stock}, after={"stock": stock})


def lay_stock_anew(offer_id: int, stock: int | None) -> None:
    """Spread another stock over the slots, what is claimed kept. Raises OfferInvalid when more is claimed already."""
    slots = select(OfferSlot.claimed).filter_by(offer_id=offer_id).order_by(OfferSlot.slot).with_for_update()
    claimed = sum(db.session.scalars(slots))
    if stock is not None and stock < max(claimed, 1):
        raise invalid(
            Text(f"已经领出 {claimed} 张，库存不能更少。", f"{claimed} are claimed, the stock cannot be less.")
        )
    db.session.execute(delete(OfferSlot).where(OfferSlot.offer_id == offer_id))
    _lay_slots(offer_id, stock, claimed=claimed)


def change_budget(
    chain_id: int, offer_id: int, *, budget_cents: int, seen_budget_cents: int, by: Author, now: datetime
) -> None:
    """Set the budget anew if it still is what the editor saw. Needs an open transaction.

    Raises OfferNotFound, OfferChanged; OfferInvalid when coupons already out may take more than that.
    """
    checked(chain_id, replace(draft_of(get_offer(chain_id, offer_id)), budget_cents=budget_cents))
    changed = db.session.scalar(
        update(Offer)
        .where(Offer.id == offer_id, Offer.chain_id == chain_id, Offer.budget_cents == seen_budget_cents)
        .values(budget_cents=budget_cents)
        .returning(Offer)
    )
    if changed is None:
        raise errors.OfferChanged()
    _unsubmit_draft(offer_id)
    set_budget(offer_id, budget_cents)
    before, after = {"budget_cents": seen_budget_cents}, {"budget_cents": budget_cents}
    note("offer budget", changed, by, now, before=before, after=after)


def _unsubmit_draft(offer_id: int) -> None:
    """Whoever approved a draft approved other figures."""
    is_draft = (Offer.id == offer_id) & (Offer.state == OfferState.DRAFT)
    db.session.execute(update(Offer).where(is_draft).values(**UNSUBMITTED))


def set_budget(offer_id: int, budget_cents: int, *, more_cents: int = 0) -> None:
    """Write the budget, with ``more_cents`` that coupons already out may take. Raises OfferInvalid when it is short."""
    fits = db.session.scalar(
        update(OfferBudget)
        .where(OfferBudget.offer_id == offer_id, OfferBudget.committed_cents + more_cents <= budget_cents)
        .values(budget_cents=budget_cents, committed_cents=OfferBudget.committed_cents + more_cents)
        .returning(OfferBudget.offer_id)
    )
    if fits is None:
        problem = Text("已发出的券可能用掉的比这个预算多。", "the coupons already out may take more than this budget.")
        raise invalid(problem)


def _lay_out(offer_id: int, draft: Draft) -> None:
    """The rows around an offer that nobody claimed from yet: stock, budget, scope."""
    db.session.execute(delete(OfferSlot).where(OfferSlot.offer_id == offer_id))
    _lay_slots(offer_id, draft.stock)
    db.session.execute(delete(OfferBudget).where(OfferBudget.offer_id == offer_id))
    if draft.budget_cents is not None:
        db.session.add(OfferBudget(offer_id=offer_id, budget_cents=draft.budget_cents))
        db.session.flush()
    lay_scope(offer_id, draft)


def lay_scope(offer_id: int, draft: Draft) -> None:
    """The stores, programs and tiers an offer is for."""
    for name, (table, column, _, _) in SCOPES.items():
        db.session.execute(delete(table).where(table.offer_id == offer_id))
        rows = [{"offer_id": offer_id, column.key: named} for named in getattr(draft, name)]
        if rows:
            db.session.execute(insert(table), rows)


def _lay_slots(offer_id: int, stock: int | None, *, claimed: int = 0) -> None:
    """Spread a stock over slots; what is claimed already fills the first ones."""
    if stock is None:
        return
    count = min(SLOTS, stock)
    slots = []
    for slot in range(count):
        part = stock // count + (slot < stock % count)
        taken = min(part, claimed)
        claimed -= taken
        slots.append(OfferSlot(offer_id=offer_id, slot=slot, stock=part, claimed=taken))
    db.session.add_all(slots)
    db.session.flush()


def get_offer(chain_id: int, offer_id: int) -> Offer:
    """The offer, or OfferNotFound."""
    offer = db.session.scalar(select(Offer).filter_by(id=offer_id, chain_id=chain_id))
    if offer is None:
        raise errors.OfferNotFound()
    return offer


def find_public_offer(token: str) -> Offer | None:
    """The offer of a public claim page, whatever its state."""
    return db.session.scalar(select(Offer).filter_by(token=token, is_public=True))


def list_offers(
    chain_id: int, *, state: str | None = None, after: int | None = None, limit: int = 50
) -> Sequence[Offer]:
    """Newest first, perhaps of one state; ``after`` is the id of the last one seen."""
    query: Select[Offer] = select(Offer).filter_by(chain_id=chain_id)
    if state is not None:
        query = query.where(Offer.state == state)
    if after is not None:
        query = query.where(Offer.id < after)
    return db.session.scalars(query.order_by(Offer.id.desc()).limit(limit)).all()


def note(action: str, offer: Offer, by: Author, now: datetime, **change: dict[str, Any]) -> None:
    """The audit row of a change to an offer."""
    audit.note(action, chain_id=offer.chain_id, object_kind="offer", object_id=offer.id, by=by, at=now, **change)
