"""What the clerk's page shows: whatever was entered, and what it comes to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import uuid4

from app.till.tickets import card_at_till, give_ticket, wrong_codes_counted
from checkout import quoting
from checkout.errors import AmountInvalid
from checkout.queries import Receipt, Till
from checkout.quoting import Fit, Quote, Standing
from core.clock import utc_now
from core.errors import DomainError
from core.hot import reading
from core.money import parse_amount

KEY = re.compile(r"[0-9a-f]{32}")
LONGEST_AMOUNT = 20  # characters


@dataclass(frozen=True)
class Entered:
    """The form as it came. Any of it may be empty."""

    card: str  # a code just read, else the ticket of the card read before
    amount: str
    coupon: str | None  # the coupon marked; "" is none; None: nothing could be marked yet
    suggested: str  # the coupon that was marked when the page was shown
    seen: str  # what the page showed as payable, in minor units
    key: str  # of this sale: however often it is sent, it is booked once

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "Entered":
        key = form.get("key", "")
        return cls(
            card=form.get("code", "").strip() or form.get("ticket", ""),
            amount=form.get("amount", "").strip()[:LONGEST_AMOUNT],
            coupon=form.get("coupon"),
            suggested=form.get("suggested", ""),
            seen=form.get("seen", ""),
            key=key if KEY.fullmatch(key) else new_key(),
        )

    @property
    def coupon_ids(self) -> list[int]:
        """The coupon marked, as a list of one or none."""
        return [int(self.coupon)] if self.coupon and self.coupon.isdecimal() and len(self.coupon) < 16 else []

    @property
    def is_own_choice(self) -> bool:
        """Whether the clerk marked something else than the page had marked."""
        return self.coupon is not None and self.coupon != self.suggested

    @property
    def seen_cents(self) -> int | None:
        return int(self.seen) if self.seen.isdecimal() and len(self.seen) < 16 else None


@dataclass(frozen=True)
class Shown:
    """The page: the card and the bill if there are any, what went wrong, what was done last."""

    till: Till
    key: str
    amount: str = ""
    ticket: str = ""
    standing: Standing | None = None
    quote: Quote | None = None
    refusal: DomainError | None = None
    done: Receipt | None = None
    last: Receipt | None = None
    is_last_undoable: bool = False
    count: int | None = None  # None: not looked up, so not shown anew

    @property
    def marked(self) -> Fit | None:
        return self.quote.chosen if self.quote else None

    def refused(self, refusal: DomainError) -> "Shown":
        return replace(self, refusal=refusal)


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
    with reading() as hot:
        standing = quoting.find_standing(hot, chain_id, till.store_id, card_at_till(entered.card), now=now)
    shown = replace(shown, standing=standing, ticket=give_ticket(standing.number))
    try:
        cents = amount_of(entered.amount, till.currency)
    except AmountInvalid as refusal:
        return shown.refused(refusal)
    if cents is None:
        return shown
    best = quoting.price(standing, cents, now=now)
    if not entered.is_own_choice:
        return replace(shown, quote=best)
    wanted = set(entered.coupon_ids) & {fit.coupon.id for fit in best.fits}
    if entered.coupon and not wanted:  # it does not fit any more: its reason stands among the refused
        return replace(shown, quote=best)
    return replace(shown, quote=quoting.price(standing, cents, now=now, coupon_ids=wanted))
