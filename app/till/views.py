"""The clerk's page: scan, quote, settle; and the list of the day."""

from dataclasses import replace
from typing import Any

from flask import Blueprint, current_app, make_response, redirect, render_template, request, url_for
from werkzeug import Response

from app.auth.guard import TILL, access, actor, require_staff
from app.errors import status_of
from app.security import row_number
from app.till import desk, showing
from app.till.booking import book
from app.till.policing import may_undo_alone
from app.till.refusing import refusals_noted
from app.till.showing import Entered, Shown
from app.till.tickets import number_in
from checkout import day_report, queries, receipts
from checkout.errors import QuoteChanged
from checkout.models import TillAction
from checkout.queries import Till
from checkout.quoting import shown_money
from core.errors import Conflict, DomainError, IdempotencyKeyReused
from core.idempotency import fingerprint
from core.money import parse_amount
from core.text import Text

bp = Blueprint("till", __name__, url_prefix="/till", template_folder="templates")
bp.before_request(require_staff)

A_YEAR = 365 * 24 * 3600  # seconds
PAGE = 50
MOST_STORES = 60  # on the page where one is chosen


class AlreadyBooked(Conflict):
    """The page was sent again with other figures after its sale had been booked."""

    code = "sale_already_booked"
    sentence = Text(
        "刚才那笔已经入账。请先看“今日”，需要改就撤销那笔，再收这一笔。",
        "Your last sale is booked already. Look under Today, undo it there if it was wrong, then take this one.",
    )


@bp.app_errorhandler(desk.TillNotChosen)
def _choose_first(_error: desk.TillNotChosen) -> Response:
    answer = redirect(url_for("till.choose_store"))
    if desk.is_htmx():
        answer = make_response("", 204)
        answer.headers["HX-Redirect"] = url_for("till.choose_store")
    return answer


@bp.get("/")
@access(*TILL)
def index() -> str:
    """Ready for a customer; after a sale without scripts, the green page first."""
    till = desk.till()
    shown = replace(showing.empty(till), count=desk.count_sales(till))
    done = request.args.get("done", type=row_number)
    if done is not None:
        shown = _with_done(shown, done)
    return render_template("till/sale.html", shown=shown, **desk.words(till))


@bp.post("/quote")
@access(*TILL)
def quote() -> Response:
    """The card and the bill for what is entered so far."""
    till = desk.till()
    return _answer(showing.show(till, actor().chain_id, Entered.of(request.form)))


@bp.post("/settle")
@access(*TILL)
def settle() -> Response:
    """Book what the page showed; sent twice, it is booked once."""
    till, entered = desk.till(), Entered.of(request.form)
    if entered.seen_cents is None:  # nothing was shown yet: show it first
        return _answer(showing.show(till, actor().chain_id, entered))
    if not entered.is_as_shown:
        return _answer(_shown_anew(till, entered))
    try:
        with refusals_noted(TillAction.SETTLE, **_attempted(till, entered)):
            done = _book(till, entered)
    except IdempotencyKeyReused:
        shown = showing.show(till, actor().chain_id, replace(entered, key=showing.new_key()))
        return _answer(shown.refused(AlreadyBooked()))
    except DomainError as refusal:
        return _answer(showing.show(till, actor().chain_id, entered).refused(refusal))
    if not desk.is_htmx():
        return redirect(url_for("till.index", done=done))
    shown = _with_done(replace(showing.empty(till), count=desk.count_sales(till)), done)
    return _answer(shown, settled=True)


@bp.get("/quote")
@bp.get("/settle")
@access(*TILL)
def start_again() -> Response:
    """A reloaded answer, or its other language: an empty till."""
    return redirect(url_for("till.index", lang=request.args.get("lang")))


@bp.get("/today")
@access(*TILL)
def today() -> str:
    """The day's purchases of this store, newest first."""
    till = desk.till()
    day = desk.today_at(till)
    before = request.args.get("before", type=row_number)
    lines = receipts.list_of_day(actor().chain_id, till.store_id, day, before=before, limit=PAGE)
    return render_template(
        "till/today.html",
        receipts=lines,
        names=day_report.names_of_authors(actor().chain_id, {line.settled_by for line in lines}),
        next_before=lines[-1].id if len(lines) == PAGE else None,
        count=desk.count_sales(till),
        day=day,
        **desk.words(till),
    )


@bp.get("/store")
@access(*TILL)
def choose_store() -> str:
    """In which store the clerk stands."""
    search = request.args.get("q", "").strip()[:60]
    stores = queries.list_tills(actor().chain_id, store_ids=actor().store_ids, search=search, limit=MOST_STORES)
    return render_template(
        "till/stores.html",
        stores=stores,
        search=search,
        has_more=len(stores) == MOST_STORES,
        may_search=actor().store_ids is None or len(actor().store_ids or ()) > 12,
    )


@bp.post("/store")
@access(*TILL)
def keep_store() -> Response:
    """Remember the store on this device."""
    till = desk.find_till(request.form.get("store_id", 0, type=row_number))
    if till is None:
        return redirect(url_for("till.choose_store"))
    answer = redirect(url_for("till.index"))
    answer.set_cookie(
        desk.STORE_COOKIE,
        str(till.store_id),
        max_age=A_YEAR,
        httponly=True,
        samesite="Lax",
        secure=current_app.extensions["settings"].is_https,
    )
    return answer


def _book(till: Till, entered: Entered) -> int:
    amount, coupon_ids = showing.amount_of(entered.amount, till.currency) or 0, sorted(entered.marked)
    points = entered.shown_points
    return book(
        entered.card,
        store_id=till.store_id,
        amount_cents=amount,
        coupon_ids=coupon_ids,
        use_points=points,
        seen_payable_cents=entered.seen_cents,
        key=entered.key,
        fingerprint=fingerprint("till", number_in(entered.card), amount, coupon_ids, points),
    ).id


def _attempted(till: Till, entered: Entered) -> dict[str, Any]:
    """What is known of a sale that may be refused."""
    return {
        "store_id": till.store_id,
        "card_number": number_in(entered.card),
        "amount_cents": parse_amount(entered.amount, till.currency),
    }


def _shown_anew(till: Till, entered: Entered) -> Shown:
    """Something was marked after the bill was shown: what it comes to now is shown before it is booked."""
    shown = showing.show(till, actor().chain_id, entered)
    if shown.refusal or shown.quote is None or shown.quote.payable_cents == entered.seen_cents:
        return shown
    return shown.refused(QuoteChanged(payable=shown_money(shown.quote.payable_cents, till.currency)))


def _with_done(shown: Shown, checkout_id: int) -> Shown:
    line = receipts.find_day_line(actor().chain_id, shown.till.store_id, checkout_id)
    if line is None:
        return shown
    return replace(shown, done=line, last=line, is_last_undoable=may_undo_alone(line, shown.till))


def _answer(shown: Shown, *, settled: bool = False) -> Response:
    """The changed parts for htmx, the whole page for a browser without scripts."""
    status = status_of(shown.refusal) if shown.refusal else 200
    if not desk.is_htmx():
        shown = replace(shown, count=desk.count_sales(shown.till))
        return make_response(render_template("till/sale.html", shown=shown, **desk.words(shown.till)), status)
    answer = make_response(render_template("till/_answer.html", shown=shown, **desk.words(shown.till)), status)
    answer.headers["Till-Answer"] = "yes"  # swapped in whatever the status: see till.js
    if settled:
        answer.headers["HX-Trigger"] = "till:settled"
    return answer
