"""Offers: made as drafts, then running, paused, ended. Their stock is laid into slots when they are made."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from core import audit
from core.audit import Author
from core.db import db
from core.text import Text
from core.tokens import new_code
from coupons import errors
from coupons.models import Offer, OfferKind, OfferSlot, OfferState

MOST_STOCK = 1_000_000_000
SLOTS = 16  # parts of a stock: as many claims as that can be let through at once

MOVES = {
    OfferState.RUNNING: (OfferState.DRAFT, OfferState.PAUSED),
    OfferState.PAUSED: (OfferState.RUNNING,),
    OfferState.ENDED: (OfferState.RUNNING, OfferState.PAUSED),
}


@dataclass(frozen=True)
class Draft:
    """What head office writes down for an offer. Money in minor units, percentages in basis points."""

    name: str
    name_en: str
    kind: str
    value_cents: int | None = None
    percent_bp: int | None = None
    cap_cents: int | None = None
    min_cents: int = 0
    stock: int | None = None
    per_member_limit: int = 1
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    valid_days: int | None = None
    program_id: int | None = None  # the welcome gift of this program
    is_public: bool = True


def create_offer(chain_id: int, draft: Draft, *, by: Author, now: datetime) -> Offer:
    """Write a draft down. Needs an open transaction; raises OfferInvalid."""
    check(draft)
    offer = Offer(chain_id=chain_id, token=new_code(), state=OfferState.DRAFT, created_at=now, **asdict(draft))
    db.session.add(offer)
    db.session.flush()
    _lay_slots(offer.id, draft.stock)
    _note("offer created", offer, by, now, after=_plain(draft))
    return offer


def check(draft: Draft) -> None:
    """Raise OfferInvalid, naming what contradicts what."""
    problem = next((text for holds, text in _rules(draft) if not holds), None)
    if problem is not None:
        raise _invalid(problem)


def refuse_program() -> None:
    """Raise OfferInvalid for a program that is not the chain's."""
    raise _invalid(Text("没有这种会员卡。", "there is no such card."))


def _invalid(problem: Text) -> errors.OfferInvalid:
    refusal = errors.OfferInvalid(problem=problem.en)
    refusal.sentence = Text(errors.OfferInvalid.sentence.zh.format(problem=problem.zh), errors.OfferInvalid.sentence.en)
    return refusal


def _rules(draft: Draft) -> list[tuple[bool, Text]]:
    is_cash, is_percent = draft.kind == OfferKind.CASH, draft.kind == OfferKind.PERCENT
    fixed = draft.valid_from is not None and draft.valid_until is not None
    return [
        (bool(draft.name.strip() and draft.name_en.strip()), Text("名称要有中文和英文。", "it needs both names.")),
        (is_cash or is_percent, Text("没有这种类型。", "there is no such kind.")),
        (not is_cash or (draft.value_cents or 0) > 0, Text("减多少要大于零。", "the amount off must be above zero.")),
        (
            not is_percent or 1 <= (draft.percent_bp or 0) <= 10_000,
            Text("折扣要在 0.01% 到 100% 之间。", "the percentage must lie between 0.01 and 100."),
        ),
        (
            not is_cash or (draft.percent_bp is None and draft.cap_cents is None),
            Text("满减券不设折扣和封顶。", "money off has no percentage and no cap."),
        ),
        (
            not is_percent or draft.value_cents is None,
            Text("折扣券不设减免金额。", "a percentage has no fixed amount."),
        ),
        (draft.cap_cents is None or draft.cap_cents > 0, Text("封顶要大于零。", "the cap must be above zero.")),
        (draft.min_cents >= 0, Text("门槛不能为负。", "the minimum cannot be negative.")),
        (
            draft.stock is None or 0 < draft.stock <= MOST_STOCK,
            Text("库存要在 1 到 10 亿之间。", "the stock must lie between 1 and 1,000,000,000."),
        ),
        (1 <= draft.per_member_limit <= 100, Text("每人限领 1 到 100 张。", "the limit per member is 1 to 100.")),
        (
            fixed != (draft.valid_days is not None),
            Text("有效期要么是固定日期，要么是领取后几天。", "give either fixed dates or days after the claim."),
        ),
        (
            not fixed or draft.valid_from < draft.valid_until,  # type: ignore[operator]
            Text("结束要晚于开始。", "the end must come after the start."),
        ),
        (
            draft.valid_days is None or 1 <= draft.valid_days <= 3650,
            Text("有效天数要在 1 到 3650 之间。", "the days of validity are 1 to 3650."),
        ),
    ]


def rewrite(chain_id: int, offer_id: int, draft: Draft, *, by: Author, now: datetime) -> Offer:
    """Change the rules of a draft. Needs an open transaction; raises OfferNotFound, OfferNotDraft, OfferInvalid."""
    check(draft)
    before = _plain(draft_of(get_offer(chain_id, offer_id)))
    offer: Offer | None = db.session.scalar(
        update(Offer)
        .where(Offer.id == offer_id, Offer.chain_id == chain_id, Offer.state == OfferState.DRAFT)
        .values(**asdict(draft))
        .returning(Offer)
        .execution_options(populate_existing=True)
    )
    if offer is None:
        raise errors.OfferNotDraft()
    db.session.execute(delete(OfferSlot).where(OfferSlot.offer_id == offer_id))
    _lay_slots(offer_id, draft.stock)
    _note("offer rewritten", offer, by, now, before=before, after=_plain(draft))
    return offer


def draft_of(offer: Offer) -> Draft:
    """The rules of an offer, to be changed or copied."""
    return Draft(**{field.name: getattr(offer, field.name) for field in fields(Draft)})


def publish(chain_id: int, offer_id: int, *, by: Author, now: datetime) -> Offer:
    """Let a draft or a paused offer run. Needs an open transaction.

    Raises OfferNotFound, OfferNotRunning, OfferIsOver, WelcomeGiftTaken.
    """
    offer = get_offer(chain_id, offer_id)
    if offer.valid_until is not None and offer.valid_until <= now:
        raise errors.OfferIsOver()
    try:
        with db.session.begin_nested():
            return _move(chain_id, offer_id, OfferState.RUNNING, by, now)
    except IntegrityError as error:  # the only key that a state is part of
        raise errors.WelcomeGiftTaken() from error


def pause(chain_id: int, offer_id: int, *, by: Author, now: datetime) -> Offer:
    """Stop claiming for now; coupons already out stay good. Needs an open transaction."""
    return _move(chain_id, offer_id, OfferState.PAUSED, by, now)


def end(chain_id: int, offer_id: int, *, by: Author, now: datetime) -> Offer:
    """Stop claiming for good; coupons already out stay good. Needs an open transaction."""
    return _move(chain_id, offer_id, OfferState.ENDED, by, now)


def _move(chain_id: int, offer_id: int, state: OfferState, by: Author, now: datetime) -> Offer:
    moved: Offer | None = db.session.scalar(
        update(Offer)
        .where(Offer.id == offer_id, Offer.chain_id == chain_id, Offer.state.in_(MOVES[state]))
        .values(state=state)
        .returning(Offer)
    )
    if moved is None:
        get_offer(chain_id, offer_id)
        raise errors.OfferNotRunning()
    _note(f"offer {state}", moved, by, now, after={"state": state})
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
    slots = select(OfferSlot.claimed).filter_by(offer_id=offer_id).order_by(OfferSlot.slot).with_for_update()
    claimed = sum(db.session.scalars(slots))
    if stock < max(claimed, 1):
        raise _invalid(
            Text(f"已经领出 {claimed} 张，库存不能更少。", f"{claimed} are claimed, the stock cannot be less.")
        )
    db.session.execute(delete(OfferSlot).where(OfferSlot.offer_id == offer_id))
    _lay_slots(offer_id, stock, claimed=claimed)
    _note("offer stock", changed, by, now, before={"stock": seen_stock}, after={"stock": stock})


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
    query = select(Offer).filter_by(chain_id=chain_id)
    if state is not None:
        query = query.where(Offer.state == state)
    if after is not None:
        query = query.where(Offer.id < after)
    return db.session.scalars(query.order_by(Offer.id.desc()).limit(limit)).all()


def _plain(draft: Draft) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in asdict(draft).items() if v is not None}


def _note(action: str, offer: Offer, by: Author, now: datetime, **change: dict[str, Any]) -> None:
    audit.note(action, chain_id=offer.chain_id, object_kind="offer", object_id=offer.id, by=by, at=now, **change)
