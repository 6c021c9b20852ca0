"""The clerk's page: scan, quote, settle, undo."""

from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, current_app, flash, g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth.guard import TILL, access, actor, author, require_staff
from app.dashboard.frame import chain_of
from app.errors import status_of
from app.languages import language, say
from app.till import showing
from app.till.booking import book
from app.till.showing import Entered, Shown
from app.till.tickets import number_in
from cards.contacts import masked_name, masked_phone
from checkout import queries, voiding
from checkout.queries import Receipt, Till
from checkout.quoting import Standing, member_price
from core.clock import business_day, utc_now
from core.db import transaction
from core.errors import Conflict, DomainError, IdempotencyKeyReused
from core.idempotency import fingerprint
from core.money import money
from core.text import Text

bp = Blueprint("till", __name__, url_prefix="/till", template_folder="templates")
bp.before_request(require_staff)

STORE_COOKIE = "kq_till_store"
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


class TillNotChosen(Exception):
    """The clerk has several stores and has not said in which he stands."""


@bp.errorhandler(TillNotChosen)
def _choose_first(_error: TillNotChosen) -> Response:
    answer = redirect(url_for("till.choose_store"))
    if _is_htmx():
        answer = make_response("", 204)
        answer.headers["HX-Redirect"] = url_for("till.choose_store")
    return answer


@bp.get("/")
@access(*TILL)
def index() -> str:
    """Ready for a customer; after a sale without scripts, the green page first."""
    till = _till()
    shown = replace(showing.empty(till), count=_count(till))
    done = request.args.get("done", "")
    if done.isdecimal() and len(done) < 16:
        shown = _with_done(shown, int(done))
    return render_template("till/sale.html", shown=shown, **_words(till))


@bp.post("/quote")
@access(*TILL)
def quote() -> Response:
    """The card and the bill for what is entered so far."""
    till = _till()
    return _answer(showing.show(till, actor().chain_id, Entered.of(request.form)))


@bp.post("/settle")
@access(*TILL)
def settle() -> Response:
    """Book what the page showed; sent twice, it is booked once."""
    till, entered = _till(), Entered.of(request.form)
    if entered.seen_cents is None:  # nothing was shown yet: show it first
        return _answer(showing.show(till, actor().chain_id, entered))
    try:
        done = _book(till, entered)
    except IdempotencyKeyReused:
        shown = showing.show(till, actor().chain_id, replace(entered, key=showing.new_key()))
        return _answer(shown.refused(AlreadyBooked()))
    except DomainError as refusal:
        return _answer(showing.show(till, actor().chain_id, entered).refused(refusal))
    if not _is_htmx():
        return redirect(url_for("till.index", done=done))
    shown = _with_done(replace(showing.empty(till), count=_count(till)), done)
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
    till = _till()
    before = request.args.get("before", "")
    receipts = queries.receipts(
        actor().chain_id,
        till.store_id,
        _day(till),
        before=int(before) if before.isdecimal() and len(before) < 16 else None,
        limit=PAGE,
    )
    names = queries.names_of_staff(actor().chain_id, {receipt.settled_by for receipt in receipts})
    return render_template(
        "till/today.html",
        receipts=receipts,
        names=names,
        next_before=receipts[-1].id if len(receipts) == PAGE else None,
        count=_count(till),
        day=_day(till),
        **_words(till),
    )


@bp.post("/checkouts/<int:checkout_id>/void")
@access(*TILL)
def void(checkout_id: int) -> Response:
    """Undo a purchase of this store."""
    till = _till()
    try:
        with transaction():
            voided = voiding.void(
                actor().chain_id,
                checkout_id,
                role=actor().role,
                store_ids={till.store_id},
                by=author(),
                now=utc_now(),
            )
    except DomainError as refusal:
        return _undo_answer(till, say_refusal(refusal), "bad", status_of(refusal))
    return _undo_answer(till, _what_was_undone(voided, till), "good", 200)


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
    wanted = request.form.get("store_id", "")
    till = _find_till(int(wanted)) if wanted.isdecimal() and len(wanted) < 16 else None
    if till is None:
        return redirect(url_for("till.choose_store"))
    answer = redirect(url_for("till.index"))
    answer.set_cookie(
        STORE_COOKIE,
        str(till.store_id),
        max_age=A_YEAR,
        httponly=True,
        samesite="Lax",
        secure=current_app.extensions["settings"].is_https,
    )
    return answer


def _till() -> Till:
    """The store this clerk stands in: his only one, or the one he chose. Raises TillNotChosen."""
    if "till" not in g:
        g.till = _chosen_till()
    return g.till  # type: ignore[no-any-return]


def _chosen_till() -> Till:
    only = actor().store_ids
    kept = request.cookies.get(STORE_COOKIE, "")
    wanted = next(iter(only)) if only and len(only) == 1 else int(kept) if kept.isdecimal() and len(kept) < 16 else 0
    till = _find_till(wanted)
    if till is None:
        raise TillNotChosen()
    return till


def _find_till(store_id: int) -> Till | None:
    return queries.find_till(actor().chain_id, store_id) if actor().may_see_store(store_id) else None


def _book(till: Till, entered: Entered) -> int:
    amount = showing.amount_of(entered.amount, till.currency) or 0
    return book(
        entered.card,
        store_id=till.store_id,
        amount_cents=amount,
        coupon_ids=entered.coupon_ids,
        seen_payable_cents=entered.seen_cents,
        key=entered.key,
        fingerprint=fingerprint("till", number_in(entered.card), amount, entered.coupon_ids),
    ).id


def _with_done(shown: Shown, checkout_id: int) -> Shown:
    receipt = queries.find_receipt(actor().chain_id, shown.till.store_id, checkout_id)
    if receipt is None:
        return shown
    return replace(shown, done=receipt, last=receipt, is_last_undoable=_may_void(receipt, shown.till))


def _answer(shown: Shown, *, settled: bool = False) -> Response:
    """The changed parts for htmx, the whole page for a browser without scripts."""
    status = status_of(shown.refusal) if shown.refusal else 200
    if not _is_htmx():
        shown = replace(shown, count=_count(shown.till))
        return make_response(render_template("till/sale.html", shown=shown, **_words(shown.till)), status)
    answer = make_response(render_template("till/_answer.html", shown=shown, **_words(shown.till)), status)
    answer.headers["Till-Answer"] = "yes"  # swapped in whatever the status: see till.js
    if settled:
        answer.headers["HX-Trigger"] = "till:settled"
    return answer


def _undo_answer(till: Till, sentence: str, tone: str, status: int) -> Response:
    if not _is_htmx():
        flash(sentence, tone)
        return redirect(url_for("till.today"))
    page = render_template("till/_undone.html", sentence=sentence, tone=tone, count=_count(till), **_words(till))
    answer = make_response(page, status)
    answer.headers["Till-Answer"] = "yes"
    return answer


def _what_was_undone(voided: voiding.Voided, till: Till) -> str:
    parts = [_("Undone. Hand back %(amount)s.", amount=money(voided.payable_cents, till.currency, language()))]
    if voided.coupon_ids:
        parts.append(_("The coupon can be used again."))
    if voided.expired_coupon_ids:
        parts.append(_("The coupon had expired in the meantime."))
    if voided.points_taken:
        parts.append(_("%(points)s points were taken back.", points=voided.points_taken))
    if voided.points_short:
        parts.append(_("%(points)s points were already spent and stay so.", points=voided.points_short))
    return ("" if language() == "zh" else " ").join(parts)


def say_refusal(refusal: DomainError) -> str:
    return refusal.say(language())


def _count(till: Till) -> int:
    return queries.count_settled(actor().chain_id, till.store_id, _day(till))


def _day(till: Till) -> date:
    return business_day(utc_now(), till.timezone, till.cutoff_hour)


def _may_void(receipt: Receipt, till: Till) -> bool:
    return receipt.state == "settled" and voiding.may_void(
        receipt.settled_at, till.timezone, till.cutoff_hour, role=actor().role, now=utc_now()
    )


def _is_htmx() -> bool:
    return request.headers.get("HX-Request") == "true"


def _good_coupons(standing: Standing) -> int:
    """How many coupons are still good: those that ended lately are read too, to say why they do not fit."""
    now = utc_now()
    return sum(coupon.valid_until > now for coupon in standing.coupons)


def _words(till: Till) -> dict[str, Any]:
    """What the templates need to say figures, names and times."""
    chain = chain_of(actor())
    return {
        "store_name": till.name,
        "chain_accent": chain.accent,
        "may_change_store": actor().store_ids is None or len(actor().store_ids or ()) > 1,
        "sign": money(0, till.currency, language()).rstrip("0.,\u00a0"),
        "cash": lambda cents: money(cents, till.currency, language()),
        "who": lambda name, number: masked_name(name) or _("Member %(last_four)s", last_four=number[-4:]),
        "masked_phone": masked_phone,
        "good_coupons": _good_coupons,
        "refusal_text": say_refusal,
        "member_price": lambda discount_bp: say(member_price(discount_bp)),
        "may_void": lambda receipt: _may_void(receipt, till),
        "clock": lambda moment: f"{moment.astimezone(ZoneInfo(till.timezone)):%H:%M}",
        "text": lambda zh, en: Text(zh, en).say(language()),
    }
