"""What the clerk's page shows: whatever was entered, and what it comes to."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from werkzeug.datastructures import MultiDict

from app.till.overdue import was_let_go
from app.till.tickets import card_at_till, give_ticket, wrong_codes_counted
from checkout import quoting
from checkout.errors import AmountInvalid
from checkout.queries import Till
from checkout.quoting import Fit, Quote, Standing
from checkout.receipts import DayLine
from core.clock import utc_now
from core.errors import DomainError
from core.hot import reading
from core.money import parse_amount
from coupons import combining
from coupons.applicability import Purchase, UsableCoupon

KEY = re.compile(r"[0-9a-f]{32}")
LONGEST_AMOUNT = 20  # characters
LONGEST_NUMBER = 15  # digits


@dataclass(frozen=True)
class Entered:
    """The form as it came. Any of it may be empty."""

    card: str  # a code just read, else the ticket of the card read before
    amount: str
    marked: frozenset[int]  # the coupons marked
    shown: frozenset[int]  # those that were marked when the page was shown
    is_own: bool  # the clerk has chosen, and is no longer led by what is best
    uses_points: bool  # the member pays with points as far as they go
    shown_points: int  # those that stood in the bill
    seen: str  # what the page showed as payable, in minor units
    key: str  # of this sale: however often it is sent, it is booked once

    @classmethod
    def of(cls, form: MultiDict[str, str]) -> "Entered":
        key = form.get("key", "")
        marked, shown = _numbers(form.getlist("coupon")), _numbers(form.get("shown", "").split(","))
        wants_best = form.get("again") == "yes"
        return cls(
            card=form.get("code", "").strip() or form.get("ticket", ""),
            amount=form.get("amount", "").strip()[:LONGEST_AMOUNT],
            marked=marked,
            shown=shown,
            is_own=not wants_best and (form.get("own") == "yes" or marked != shown),
            uses_points=form.get("points") == "yes",
            shown_points=next(iter(_numbers([form.get("shown_points", "")])), 0),
            seen=form.get("seen", ""),
            key=key if KEY.fullmatch(key) else new_key(),
        )

    @property
    def is_as_shown(self) -> bool:
        """Whether nothing was marked since the bill was shown."""
        return self.marked == self.shown and self.uses_points == bool(self.shown_points)

    @property
    def seen_cents(self) -> int | None:
        return int(self.seen) if _is_number(self.seen) else None


@dataclass(frozen=True)
class Shown:
    """The page: the card and the bill if there are any, what went wrong, what was done last."""

    till: Till
    key: str
    amount: str = ""
    ticket: str = ""
    standing: Standing | None = None
    quote: Quote | None = None
    is_own: bool = False
    refusal: DomainError | None = None
    done: DayLine | None = None
    last: DayLine | None = None
    is_last_undoable: bool = False
    count: int | None = None  # None: not looked up, so not shown anew

    @property
    def lines(self) -> list["ShownLine"]:
        """The discounts in the order of their calculation, each coupon with its rules."""
        if self.quote is None:
            return []
        coupons = {coupon.id: coupon for coupon in self.quote.coupons}
        return [ShownLine(line, coupons.get(line.coupon_id or 0)) for line in self.quote.lines]

    @property
    def others(self) -> list["Other"]:
        """Coupons that fit by themselves and are not in the bill, with the reason where there is one."""
        if self.quote is None:
            return []
        reasons = {refused.coupon_id: refused.refusal for refused in self.quote.refused}
        chosen = set(self.quote.coupon_ids)
        return [Other(fit, reasons.get(fit.coupon.id)) for fit in self.quote.fits if fit.coupon.id not in chosen]

    @property
    def unusable(self) -> list[quoting.Refused]:
        """Coupons that do not fit, with the reason."""
        if self.quote is None:
            return []
        fitting = {fit.coupon.id for fit in self.quote.fits}
        return [refused for refused in self.quote.refused if refused.coupon_id not in fitting]

    @property
    def marks(self) -> str:
        """The coupons in the bill, for the form."""
        return ",".join(map(str, sorted(self.quote.coupon_ids))) if self.quote else ""

    @property
    def saving_cents(self) -> int:
        """What a better choice would save; 0 when the bill is the best."""
        if self.quote is None or self.quote.points_used:
            return 0
        return self.quote.payable_cents - self.quote.best.payable_cents

    def refused(self, refusal: DomainError) -> "Shown":
        return replace(self, refusal=refusal)


@dataclass(frozen=True)
class ShownLine:
    line: quoting.Line
    coupon: UsableCoupon | None


@dataclass(frozen=True)
class Other:
    fit: Fit
    refusal: DomainError | None


def new_key() -> str:
    return uuid4().hex


def empty(till: Till) -> Shown:
    """Ready for the next customer."""
    return Shown(till, new_key())


def show(till: Till, chain_id: int, entered: Entered) -> Shown:
    """Whose card it is and what is to be paid. What is wrong with it is in the answer, and the amount stays."""
    shown = Shown(till, entered.key, amount=entered.amount)
    if not entered.card:
        return shown
    try:
        with wrong_codes_counted():
            return _with_card(shown, chain_id, entered)
    except DomainError as refusal:
        return shown.refused(refusal)


def amount_of(text: str, currency: str) -> int | None:
    """The amount typed, in minor units; None when nothing or zero is typed. Raises AmountInvalid."""
    cents = parse_amount(text, currency) if text.strip(".") else 0
    if cents is None or not 0 <= cents <= quoting.MOST_CENTS:
        raise AmountInvalid()
    return cents or None


def _with_card(shown: Shown, chain_id: int, entered: Entered) -> Shown:
    now, till = utc_now(), shown.till
    card = card_at_till(entered.card)
    with reading() as hot:
        standing = quoting.find_standing(hot, chain_id, till.store_id, card, now=now)
    if was_let_go(standing):
        with reading() as hot:
            standing = quoting.find_standing(hot, chain_id, till.store_id, card, now=now)
    shown = replace(shown, standing=standing, ticket=give_ticket(standing.number))
    try:
        cents = amount_of(entered.amount, till.currency)
    except AmountInvalid as refusal:
        return shown.refused(refusal)
    if cents is None:
        return shown
    best = quoting.price(standing, cents, now=now)
    quote = _as_marked(best, entered, now)
    if entered.uses_points and quote.spendable and quote.spendable.most_points:
        quote = quoting.price(
            standing, cents, now=now, coupon_ids=quote.coupon_ids, use_points=quote.spendable.most_points
        )
    return replace(shown, quote=quote, is_own=set(quote.coupon_ids) != set(best.coupon_ids))


def _as_marked(best: Quote, entered: Entered, now: datetime) -> Quote:
    """The bill with the coupons that the clerk wants; the best one while he has not chosen."""
    usable = {fit.coupon.id: fit.coupon for fit in best.fits}
    wanted = entered.marked & usable.keys()
    if not entered.is_own or (entered.marked and not wanted):
        return best  # what he marked does not fit any more: its reason stands among the refused
    fresh = wanted - entered.shown
    purchase = Purchase(best.amount_cents, best.standing.currency, best.standing.timezone, best.standing.cutoff_hour)
    coupon_ids = [coupon.id for coupon in _going_together([usable[i] for i in wanted], fresh, purchase)]
    return quoting.price(best.standing, best.amount_cents, now=now, coupon_ids=coupon_ids)


def _going_together(
    coupons: Collection[UsableCoupon], fresh: Collection[int], purchase: Purchase
) -> list[UsableCoupon]:
    """What was marked last stays; of the others, those that go with it."""
    kept: list[UsableCoupon] = []
    for coupon in sorted(coupons, key=lambda each: (each.id not in fresh, each.order)):
        if combining.clash([*kept, coupon], purchase) is None:
            kept.append(coupon)
    return kept


def _numbers(texts: Collection[str]) -> frozenset[int]:
    return frozenset(int(text) for text in texts if _is_number(text))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER
