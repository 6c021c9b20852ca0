"""One sale: its receipt, and what may still be done with it, alone or with a manager's PIN."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth.guard import TILL, access, actor, author, require_staff
from app.dashboard.frame import chain_of
from app.errors import status_of
from app.languages import language
from app.security import row_number
from app.till import desk, showing
from app.till.approving import approval_of
from app.till.booking import request_id_of
from app.till.policing import Leave, leave_for
from app.till.refusing import refusals_noted
from cards.contacts import spoken
from checkout import day_report, receipts, refunding, voiding
from checkout.errors import CheckoutNotFound
from checkout.models import TillAction
from checkout.policies import Approval
from checkout.queries import Till
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, Invalid
from core.idempotency import fingerprint
from core.money import money, parse_amount
from core.text import Text
from stores import pins

bp = Blueprint("till_receipts", __name__, url_prefix="/till/checkouts", template_folder="templates")
bp.before_request(require_staff)


class ReasonMissing(Invalid):
    """Money is handed back for a reason."""

    code = "reason_missing"
    sentence = Text("请写退款原因。", "Say why the money is handed back.")


@bp.get("/<int:checkout_id>")
@access(*TILL)
def show(checkout_id: int) -> str:
    """The receipt, to be printed; beside it what may still be done."""
    return _page(desk.till(), checkout_id)


@bp.post("/<int:checkout_id>/void")
@access(*TILL)
def void(checkout_id: int) -> Response:
    """Undo a purchase of this store."""
    till = desk.till()
    try:
        with refusals_noted(TillAction.VOID, store_id=till.store_id, checkout_id=checkout_id):
            voided = _void(till, checkout_id)
    except DomainError as refusal:
        return _refused(till, checkout_id, refusal, "void")
    return _done(till, checkout_id, _what_was_undone(voided, till))


@bp.post("/<int:checkout_id>/refunds")
@access(*TILL)
def refund(checkout_id: int) -> Response:
    """Hand a part of the payment back; sent twice, it is handed back once."""
    till = desk.till()
    amount = parse_amount(request.form.get("amount", ""), till.currency) or 0
    noted = {"store_id": till.store_id, "checkout_id": checkout_id, "amount_cents": amount}
    try:
        with refusals_noted(TillAction.REFUND, **noted):
            refunded = _refund(till, checkout_id, amount, request.form)
    except DomainError as refusal:
        return _refused(till, checkout_id, refusal, "refund")
    return _done(till, checkout_id, _what_was_refunded(refunded, till))


@bp.get("/<int:checkout_id>/void")
@bp.get("/<int:checkout_id>/refunds")
@access(*TILL)
def start_again(checkout_id: int) -> Response:
    """A reloaded refusal, or its other language: the receipt."""
    if receipts.find_day_line(actor().chain_id, desk.till().store_id, checkout_id) is None:
        raise CheckoutNotFound()
    return redirect(url_for("till_receipts.show", checkout_id=checkout_id, lang=request.args.get("lang")))


def _void(till: Till, checkout_id: int) -> voiding.Voided:
    approval = _approval(till)
    with transaction():
        return voiding.void(
            actor().chain_id,
            checkout_id,
            role=actor().role,
            store_ids={till.store_id},
            by=author(),
            now=utc_now(),
            approval=approval,
        )


def _refund(till: Till, checkout_id: int, amount: int, form: Mapping[str, str]) -> refunding.Refunded:
    key, reason = form.get("key", ""), form.get("reason", "").strip()
    if not reason:
        raise ReasonMissing()
    approval = _approval(till)
    with transaction():
        return refunding.refund(
            actor().chain_id,
            checkout_id,
            amount,
            request_id=request_id_of(actor().author_name, key if showing.KEY.fullmatch(key) else showing.new_key()),
            fingerprint=fingerprint("till refund", checkout_id, amount),
            role=actor().role,
            store_ids={till.store_id},
            by=author(),
            now=utc_now(),
            reason=reason,
            approval=approval,
        )


def _approval(till: Till) -> Approval | None:
    """The manager whose PIN came with the form, if one did. Raises PinWrong."""
    pin = request.form.get("pin", "")
    if not pin:
        return None
    return approval_of(till.store_id, staff_id=request.form.get("approver", 0, type=row_number), pin=pin)


def _page(
    till: Till, checkout_id: int, *, refusal: DomainError | None = None, doing: str = "", kept: Any = None
) -> str:
    found = receipts.find_printed(actor().chain_id, till.store_id, checkout_id)
    line = receipts.find_day_line(actor().chain_id, till.store_id, checkout_id)
    if found is None or line is None:
        raise CheckoutNotFound()
    leave = leave_for(line, till)
    refunds, zone = found.refunds, ZoneInfo(till.timezone)
    return render_template(
        "till/receipt.html",
        receipt=found,
        day_line=line,
        chain=chain_of(actor()),
        store_phone=spoken(found.store.phone, currency=till.currency),
        names=day_report.names_of_authors(actor().chain_id, {line.settled_by}),
        earned_points=line.points_earned - sum(each.points_taken + each.points_short for each in refunds),
        used_points=line.points_used - sum(each.points_returned for each in refunds),
        moment_words=lambda moment: f"{moment.astimezone(zone):%Y-%m-%d %H:%M}",
        approvers=pins.list_approvers(actor().chain_id, till.store_id),
        approver=request.form.get("approver", 0, type=row_number),
        leave=leave,
        refund_hint=_refund_hint(leave, till),
        refusal=refusal,
        doing=doing,
        kept=kept,
        key=kept.get("key") if kept else showing.new_key(),
        count=desk.count_sales(till),
        **desk.words(till),
    )


def _refund_hint(leave: Leave, till: Till) -> str:
    alone = money(leave.refund_alone_cents, till.currency, language())
    if leave.refund_alone_cents >= leave.left_cents:
        return _("up to %(amount)s", amount=alone)
    if leave.refund_alone_cents > 0:
        return _("up to %(amount)s alone, more with a manager's PIN", amount=alone)
    return _("with a manager's PIN")


def _refused(till: Till, checkout_id: int, refusal: DomainError, doing: str) -> Response:
    status = status_of(refusal)
    if desk.is_htmx():
        return _in_place(till, checkout_id, desk.say_refusal(refusal), "bad", status)
    if isinstance(refusal, CheckoutNotFound):
        raise refusal
    return make_response(_page(till, checkout_id, refusal=refusal, doing=doing, kept=request.form), status)


def _done(till: Till, checkout_id: int, sentence: str) -> Response:
    if desk.is_htmx():
        return _in_place(till, checkout_id, sentence, "good", 200)
    flash(sentence, "good")
    return redirect(url_for("till_receipts.show", checkout_id=checkout_id))


def _in_place(till: Till, checkout_id: int, sentence: str, tone: str, status: int) -> Response:
    """The answer on the sale page, where the last sale stood."""
    page = render_template(
        "till/_undone.html",
        sentence=sentence,
        tone=tone,
        receipt_url=url_for("till_receipts.show", checkout_id=checkout_id),
        count=desk.count_sales(till),
        **desk.words(till),
    )
    answer = make_response(page, status)
    answer.headers["Till-Answer"] = "yes"
    return answer


def _what_was_undone(voided: voiding.Voided, till: Till) -> str:
    amount = money(voided.payable_cents, till.currency, language())
    return _joined([_("Undone. Hand back %(amount)s.", amount=amount), *_effects(voided)])


def _what_was_refunded(refunded: refunding.Refunded, till: Till) -> str:
    amount = money(refunded.amount_cents, till.currency, language())
    return _joined([_("Booked. Hand back %(amount)s.", amount=amount), *_effects(refunded)])


def _effects(done: voiding.Voided | refunding.Refunded) -> list[str]:
    """What became of coupons and points."""
    parts = []
    if done.coupon_ids:
        parts.append(_("The coupon can be used again."))
    if done.expired_coupon_ids:
        parts.append(_("The coupon had expired in the meantime."))
    if done.points_returned:
        parts.append(_("%(points)s points went back to the member.", points=done.points_returned))
    if done.points_taken:
        parts.append(_("%(points)s points were taken back.", points=done.points_taken))
    if done.points_short:
        parts.append(_("%(points)s points were already spent and stay so.", points=done.points_short))
    return parts


def _joined(sentences: list[str]) -> str:
    return ("" if language() == "zh" else " ").join(sentences)
