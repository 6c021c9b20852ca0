"""Changing an offer whose coupons are out: only so that whoever holds one is no worse off, and has the better at once.

The offer's row is locked against claims for the while: a claim reads it under the lock that its foreign key takes
anyway. So no coupon comes out by the old rules beside the new ones.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, literal, select, update

from core.audit import Author
from core.clock import business_day, day_start
from core.db import UtcDateTime, db
from core.text import Text
from coupons import errors
from coupons.drafts import Draft, columns_of, most_cents, plain, version_of
from coupons.models import (
    Coupon,
    CouponState,
    MemberPrice,
    Offer,
    OfferBudget,
    OfferDay,
    OfferPhone,
    OfferState,
    Stacking,
)
from coupons.offers import checked, draft_of, get_offer, keeping_keys, lay_scope, lay_stock_anew, note, set_budget
from stores.models import Chain
from stores.queries import get_chain

OUT = (CouponState.CLAIMED, CouponState.GIFTING, CouponState.REDEEMED)  # used ones may come back
CARRIED = (  # what is written in coupons already out, too
    *("value_cents", "cap_cents", "price_cents", "budget_cents"),
    *("valid_from", "valid_until", "valid_days", "valid_delay_days"),
)
FREE = ("name", "name_en", "is_public", "claim_word", "staff_gift_limit")  # nothing that a coupon promises


def edit_running(chain_id: int, offer_id: int, draft: Draft, *, seen: str, by: Author, now: datetime) -> Offer:
    """Give a running or paused offer better rules, if it still is what the editor saw: ``version_of`` its draft.

    Coupons already out follow. Needs an open transaction; raises OfferNotFound, OfferEnded, OfferNotRunning,
    OfferChanged, OfferInvalid, OfferNotMoreGenerous, ClaimWordTaken.
    """
    draft = checked(chain_id, draft)
    if _reaches_coupons(draft_of(get_offer(chain_id, offer_id)), draft):
        _hold_coupons(offer_id)
    offer = _locked(chain_id, offer_id)
    before = draft_of(offer)
    if version_of(before) != seen:
        raise errors.OfferChanged()
    worse = worse_rules(before, draft)
    if worse:
        rules = Text("、".join(text.zh for text in worse), ", ".join(text.en for text in worse))
        raise errors.OfferNotMoreGenerous(rules=rules)
    if draft == before:
        return offer
    offer = keeping_keys(lambda: _written(offer_id, draft), draft.claim_word)
    _lay_out_anew(offer_id, before, draft)
    _follow_worth(offer_id, before, draft)
    _follow_validity(offer_id, before, draft, get_chain(chain_id), now)
    old, new = plain(before), plain(draft)
    changed = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    change = {"before": {n: old.get(n) for n in changed}, "after": {n: new.get(n) for n in changed}}
    note("offer edited", offer, by, now, **change)
    return offer


def _reaches_coupons(before: Draft, after: Draft) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in CARRIED)


def _hold_coupons(offer_id: int) -> None:
    """Lock the coupons that are out before the offer, in one order, as tills and friends do.

    Those lock a coupon and then, by the foreign key of what they write, its offer. The other way round, the two would
    wait for one another.
    """
    out = select(Coupon.id).where(Coupon.offer_id == offer_id, Coupon.state.in_(OUT)).order_by(Coupon.id)
    db.session.scalar(select(func.count()).select_from(out.with_for_update(key_share=True).subquery()))


def _locked(chain_id: int, offer_id: int) -> Offer:
    """The offer, kept from claims and other editors until the transaction ends."""
    offer = db.session.scalar(
        select(Offer)
        .where(Offer.id == offer_id, Offer.chain_id == chain_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if offer is None:
        raise errors.OfferNotFound()
    if offer.state == OfferState.ENDED:
        raise errors.OfferEnded()
    if offer.state == OfferState.DRAFT:
        raise errors.OfferNotRunning()
    return offer


def _written(offer_id: int, draft: Draft) -> Offer:
    return db.session.scalars(
        update(Offer)
        .where(Offer.id == offer_id)
        .values(**columns_of(draft))
        .returning(Offer)
        .execution_options(populate_existing=True)
    ).one()


# --- What is more generous ----------------------------------------------------------------------------------------


def _same(before: Any, after: Any) -> bool:
    return bool(before == after)


def _no_less(before: Any, after: Any) -> bool:
    """As much or more; None is without a limit."""
    return after is None or (before is not None and after >= before)


def _no_more(before: Any, after: Any) -> bool:
    return before == after or (before is not None and after is not None and after <= before)


def _no_fewer_days(before: int | None, after: int | None) -> bool:
    return after is None or (before is not None and before & ~after == 0)


def _no_fewer_hours(before: list[list[int]] | None, after: list[list[int]] | None) -> bool:
    return after is None or (before is not None and minutes_of(before) <= minutes_of(after))


def minutes_of(hours: list[list[int]]) -> set[int]:
    """The minutes of the clock in which some spans let a coupon be used."""
    return {minute % 1440 for begin, end in hours for minute in range(begin, end if begin < end else end + 1440)}


def _no_more_dates(before: list[str] | None, after: list[str] | None) -> bool:
    return set(after or ()) <= set(before or ())


def _no_fewer_places(before: Sequence[int], after: Sequence[int]) -> bool:
    return not after or (bool(before) and set(before) <= set(after))


def _no_new_group(before: str | None, after: str | None) -> bool:
    return after is None or after == before


Rule = tuple[str, Callable[[Any, Any], bool], Text]
RULES: list[Rule] = [
    ("kind", _same, Text("类型", "the kind")),
    ("value_cents", _no_less, Text("减免金额", "the amount off")),
    ("percent_bp", _no_less, Text("折扣", "the percentage")),
    ("cap_cents", _no_less, Text("封顶", "the cap")),
    ("item_name", _same, Text("商品", "the item")),
    ("item_name_en", _same, Text("商品英文名", "the item's English name")),
    ("item_cents", _same, Text("商品原价", "the item's price")),
    ("price_cents", _no_more, Text("券后价", "the fixed price")),
    ("min_cents", _no_more, Text("门槛", "the minimum")),
    ("stock", _no_less, Text("库存", "the stock")),
    ("per_member_limit", _no_less, Text("每人限领", "the limit per member")),
    ("per_day_limit", _no_less, Text("每天限量", "the limit per day")),
    ("per_phone_limit", _no_less, Text("每个手机号限领", "the limit per phone")),
    ("budget_cents", _no_less, Text("预算", "the budget")),
    ("valid_from", _no_more, Text("开始日期", "the first day")),
    ("valid_until", lambda b, a: (b is None) == (a is None) and _no_less(b, a), Text("结束日期", "the last day")),
    ("valid_delay_days", _no_more, Text("延后生效", "the delay after the claim")),
    ("weekdays", _no_fewer_days, Text("星期", "the days of the week")),
    ("hours", _no_fewer_hours, Text("时段", "the hours")),
    ("blackout_dates", _no_more_dates, Text("不可用日期", "the blackout dates")),
    ("stacking", lambda b, a: a in (b, Stacking.STACKABLE), Text("叠加", "stacking")),
    ("member_price", lambda b, a: a in (b, MemberPrice.ON_TOP), Text("会员价", "the member price")),
    ("program_id", _same, Text("入会礼", "the welcome gift")),
    ("may_be_given", lambda b, a: bool(a or not b), Text("转赠", "giving to a friend")),
    ("hq_share_bp", _same, Text("总部承担比例", "head office's share")),
    ("store_ids", _no_fewer_places, Text("适用门店", "the stores")),
    ("program_ids", _no_fewer_places, Text("适用会员卡", "the cards")),
    ("tier_ids", _no_fewer_places, Text("适用等级", "the tiers")),
]


def worse_rules(before: Draft, after: Draft) -> list[Text]:
    """The rules by which somebody would be worse off than before, or that are too different to compare."""
    worse = [name for name, is_fine, label in RULES if not is_fine(getattr(before, name), getattr(after, name))]
    texts = {name: label for name, _, label in RULES}
    found = [texts[name] for name in worse]
    if _last_valid_day(after) < _last_valid_day(before):
        found.append(Text("有效天数", "the days of validity"))
    if before.stacking == after.stacking and not _no_new_group(before.stack_group, after.stack_group):
        found.append(Text("叠加组", "the stack group"))
    return found


def _last_valid_day(draft: Draft) -> int:
    """How many days after the claim a coupon can still be used; 0 with fixed dates, which have a rule of their own."""
    return draft.valid_delay_days + draft.valid_days if draft.valid_days is not None else 0


# --- What follows -------------------------------------------------------------------------------------------------


def _lay_out_anew(offer_id: int, before: Draft, after: Draft) -> None:
    """The rows around the offer: stock, scope, and how far the day's and the phones' counts may go."""
    if after.stock != before.stock:
        lay_stock_anew(offer_id, after.stock)
    lay_scope(offer_id, after)
    for table, most, changed in (
        (OfferDay, after.per_day_limit, after.per_day_limit != before.per_day_limit),
        (OfferPhone, after.per_phone_limit, after.per_phone_limit != before.per_phone_limit),
    ):
        if changed and most is None:
            db.session.execute(delete(table).where(table.offer_id == offer_id))
        elif changed:
            db.session.execute(update(table).where(table.offer_id == offer_id).values(most=most))


def _follow_worth(offer_id: int, before: Draft, after: Draft) -> None:
    """What coupons already out may take is committed of the budget, or the edit is refused."""
    if before.budget_cents is None:
        return
    if after.budget_cents is None:
        db.session.execute(delete(OfferBudget).where(OfferBudget.offer_id == offer_id))
        _commit(offer_id, 0, Coupon.committed_cents > 0)
        return
    old, new = most_cents(before) or 0, most_cents(after) or 0
    is_committed = (Coupon.committed_cents == old) & Coupon.state.in_(OUT)
    more = (new - old) * _commit(offer_id, new, is_committed) if new > old else 0
    if more or after.budget_cents != before.budget_cents:
        set_budget(offer_id, after.budget_cents, more_cents=more)


def _commit(offer_id: int, cents: int, which: ColumnElement[bool]) -> int:
    done = db.session.execute(
        update(Coupon)
        .where(Coupon.offer_id == offer_id, which)
        .values(committed_cents=cents)
        .execution_options(synchronize_session=False)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def _follow_validity(offer_id: int, before: Draft, after: Draft, chain: Chain, now: datetime) -> None:
    """Coupons already out end later and begin sooner with their offer; what is over stays over."""
    if after.valid_days is None:
        _move_fixed(offer_id, before, after, now)
        return
    later = _last_valid_day(after) - _last_valid_day(before)
    sooner = before.valid_delay_days - after.valid_delay_days
    if later:
        _move_days(Coupon.valid_until, offer_id, later, chain, now)
    if sooner:
        _move_days(Coupon.valid_from, offer_id, -sooner, chain, now)


def _move_fixed(offer_id: int, before: Draft, after: Draft, now: datetime) -> None:
    is_out = _is_out(offer_id, now)
    if after.valid_until != before.valid_until:
        _move(Coupon.valid_until, after.valid_until, is_out & (Coupon.valid_until < after.valid_until))
    if after.valid_from != before.valid_from:
        _move(Coupon.valid_from, after.valid_from, is_out & (Coupon.valid_from > after.valid_from))


def _move_days(column: Any, offer_id: int, days: int, chain: Chain, now: datetime) -> None:
    """Move the edge of coupons by business days: those claimed on one day have it in common."""
    is_out = _is_out(offer_id, now)
    edges = db.session.scalars(select(column).where(is_out).distinct()).all()
    moved = {edge: literal(_moved(edge, days, chain), UtcDateTime()) for edge in edges}
    if moved:
        _move(column, case(moved, value=column, else_=column), is_out)


def _moved(edge: datetime, days: int, chain: Chain) -> datetime:
    day = business_day(edge, chain.timezone, chain.cutoff_hour) + timedelta(days=days)
    return day_start(day, chain.timezone, chain.cutoff_hour)


def _is_out(offer_id: int, now: datetime) -> ColumnElement[bool]:
    return (Coupon.offer_id == offer_id) & Coupon.state.in_(OUT) & (Coupon.valid_until > now)


def _move(column: Any, edge: Any, which: ColumnElement[bool]) -> None:
    statement = update(Coupon).where(which).values({column: edge})
    db.session.execute(statement.execution_options(synchronize_session=False))
