"""What a member bought: the list, and one receipt with all that it saved and earned."""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.auth.guard import WALLET, access
from app.languages import language, say
from app.security import row_number
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import moment_shown
from cards.contacts import spoken
from cards.holding import HeldCard
from cards.models import CardState
from checkout import receipts
from checkout.errors import CheckoutNotFound
from checkout.models import Checkout, CheckoutState
from checkout.receipts import CardLine, CouponLine, PrintedReceipt
from core.clock import utc_now
from core.money import money

bp = Blueprint(
    "wallet_receipts", __name__, url_prefix="/wallet/cards/<int:card_id>/receipts", template_folder="templates"
)
bp.before_request(require_wallet)

PAGE = 20


@bp.get("")
@access(WALLET)
def index(card_id: int) -> str:
    """What was bought with the card, newest first."""
    held = held_card(card_id)
    found = receipts.list_of_card(card_id, before=request.args.get("before", type=row_number), limit=PAGE + 1)
    return render_template(
        "wallet/receipts.html",
        held=held,
        purchases=[purchase_shown(held, line) for line in found[:PAGE]],
        next_before=found[PAGE - 1].id if len(found) > PAGE else None,
        chain_accent=held.chain.accent,
    )


@bp.get("/<int:checkout_id>")
@access(WALLET)
def show(card_id: int, checkout_id: int) -> str:
    """One receipt. After a good purchase it is a moment to think of a friend."""
    held = held_card(card_id)
    found = receipts.find_of_card(card_id, checkout_id)
    if found is None:
        raise CheckoutNotFound()
    sale, store = found.checkout, found.store
    assert sale.settled_at is not None
    return render_template(
        "wallet/receipt.html",
        held=held,
        sale=sale,
        store=store,
        store_phone=spoken(store.phone, currency=held.chain.currency),
        when=moment_shown(sale.settled_at, store.timezone, now=utc_now()),
        lines=_lines(held, found),
        paid=_amount(held, sale.payable_cents),
        refunds=_refunds(held, found),
        remains=_amount(held, sale.payable_cents - sale.refunded_cents) if found.refunds else "",
        saved=_amount(held, sale.amount_cents - sale.payable_cents) if sale.amount_cents > sale.payable_cents else "",
        earned=sale.points_earned - sum(each.points_taken + each.points_short for each in found.refunds),
        can_share=held.card.state == CardState.ACTIVE and was_good(sale),
        chain_accent=held.chain.accent,
    )


def was_good(sale: Checkout) -> bool:
    """Whether a purchase is one to tell friends about: it stands as it was made, and saved or earned something."""
    gained = sale.amount_cents > sale.payable_cents or sale.points_earned > 0
    return sale.state == CheckoutState.SETTLED and sale.refunded_cents == 0 and gained


def latest_of(held: HeldCard) -> dict[str, Any] | None:
    """The last purchase, for the card's page."""
    found = receipts.list_of_card(held.card.id, limit=1)
    return purchase_shown(held, found[0]) if found else None


def purchase_shown(held: HeldCard, line: CardLine) -> dict[str, Any]:
    """A purchase in a list: where, when, how much, and what it gave."""
    return {
        "url": url_for("wallet_receipts.show", card_id=held.card.id, checkout_id=line.id),
        "store": line.store_name,
        "when": moment_shown(line.settled_at, line.store_timezone, now=utc_now()),
        "gave": _gave(held, line),
        "paid": _amount(held, line.payable_cents - line.refunded_cents),
        "is_over": line.state != CheckoutState.SETTLED,
    }


def _gave(held: HeldCard, line: CardLine) -> str:
    """What came of it, in a few words."""
    if line.state == CheckoutState.VOIDED:
        return str(_("undone"))
    if line.state == CheckoutState.REFUNDED:
        return str(_("refunded"))
    if line.refunded_cents:
        return str(_("%(amount)s refunded", amount=_amount(held, line.refunded_cents)))
    said = []
    if line.amount_cents > line.payable_cents:
        said.append(_("saved %(amount)s", amount=_amount(held, line.amount_cents - line.payable_cents)))
    if line.points_earned:
        said.append(ngettext("%(num)d point", "%(num)d points", line.points_earned))
    return " · ".join(map(str, said))


def _lines(held: HeldCard, found: PrintedReceipt) -> list[tuple[str, str]]:
    """How the amount became what was paid, in the order of its calculation."""
    sale = found.checkout
    rows = [(str(_("Amount")), _amount(held, sale.amount_cents))]
    rows += [_coupon(held, line) for line in found.before_member_price]
    if sale.member_discount_cents:
        rows.append((str(_("Member price")), _off(held, sale.member_discount_cents)))
    rows += [_coupon(held, line) for line in found.after_member_price]
    if sale.points_used:
        words = _("%(points)s points used", points=f"{sale.points_used:,}")
        rows.append((str(words), _off(held, sale.points_discount_cents)))
    return rows


def _coupon(held: HeldCard, line: CouponLine) -> tuple[str, str]:
    return say(line.name), _off(held, line.discount_cents)


def _refunds(held: HeldCard, found: PrintedReceipt) -> list[tuple[str, str]]:
    zone, now = found.store.timezone, utc_now()
    return [
        (
            str(_("Refunded %(time)s", time=moment_shown(each.refunded_at, zone, now=now))),
            _off(held, each.amount_cents),
        )
        for each in found.refunds
    ]


def _amount(held: HeldCard, cents: int) -> str:
    return money(cents, held.chain.currency, language())


def _off(held: HeldCard, cents: int) -> str:
    return "−" + _amount(held, cents)
