"""The printed codes of an offer: batches made and taken in, downloaded and made void; and lists of phones."""

from collections import Counter
from datetime import datetime
from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request, stream_with_context, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.frame import chain_of, day_said
from app.languages import language
from app.reports.code_list import csv_lines
from app.wallet.showing import name_of
from core.clock import business_day, utc_now
from core.db import transaction
from core.errors import DomainError, Invalid
from core.idempotency import Answer, earlier_answer, fingerprint, keep_answer
from core.text import Text
from core.tokens import new_code
from coupons import code_import, handing_out, printing
from coupons.code_import import Problem
from coupons.code_models import BatchState, CodeBatch
from coupons.errors import BatchNotFound, BatchNotWhole, CodesInvalid
from coupons.handing_out import Handed, Outcome
from coupons.models import Offer
from coupons.offers import get_offer

bp = Blueprint("printed_codes", __name__, url_prefix="/dashboard/offers/<int:offer_id>", template_folder="templates")
bp.before_request(require_staff)

BATCH = "/codes/<int:batch_id>"
SHOWN = 200  # lines in the page
MOST_LINES = 5000  # phones of one page; the command takes any number
LONGEST_KEY = 80


class FileMissing(Invalid):
    """No file was chosen."""

    code = "file_missing"
    sentence = Text("请先选择文件。", "Choose the file first.")


class TooManyLines(Invalid):
    """A page takes a list of some thousands."""

    code = "too_many_lines"
    sentence = Text(
        "一次最多 {most} 行，更长的名单请用命令 coupons hand-out。",
        "At most {most} lines at a time; the command coupons hand-out takes longer lists.",
    )


@bp.get("/codes")
@access(*HQ)
def index(offer_id: int) -> str:
    """The batches with what became of their codes."""
    return _page(_offer(offer_id))


@bp.post("/codes")
@access(*HQ_ADMIN)
def make(offer_id: int) -> Response | tuple[str, int]:
    """Begin a batch; the page then writes it piece by piece. The same form sent twice is one batch."""
    offer, size = _offer(offer_id), _size(request.form.get("size", ""))
    key, now = request.form.get("request_id", "")[:LONGEST_KEY] or new_code(), utc_now()
    try:
        with transaction():
            if earlier_answer(f"{actor().author_name}:codes", key, fingerprint=fingerprint(offer_id), now=now) is None:
                name = request.form.get("name", "")
                batch = printing.make_batch(actor().chain_id, offer.id, size=size, name=name, by=author(), now=now)
                keep_answer(f"{actor().author_name}:codes", key, Answer(303, {"batch_id": batch.id}))
    except CodesInvalid as refusal:
        return _page(offer, problem=refusal.say(language()), size=request.form.get("size", "")), 422
    return redirect(url_for("printed_codes.index", offer_id=offer_id), 303)


@bp.post(f"{BATCH}/fill")
@access(*HQ_ADMIN)
def fill(offer_id: int, batch_id: int) -> Response | str:
    """Write the next piece of a batch. Asked for again and again by the page, or by a button without scripts."""
    batch = _batch(offer_id, batch_id)
    progress = printing.fill_batch(actor().chain_id, batch.id)
    if not request.headers.get("HX-Request"):
        return redirect(url_for("printed_codes.index", offer_id=offer_id), 303)
    if progress.is_whole:
        answer = make_response("")
        answer.headers["HX-Refresh"] = "true"
        return answer
    return render_template("dashboard/offers/_making.html", offer_id=offer_id, batch_id=batch_id, progress=progress)


@bp.post("/codes/import")
@access(*HQ_ADMIN)
def take_in(offer_id: int) -> str | tuple[str, int]:
    """Take a partner's list in, and tell line by line what was not accepted."""
    offer, chain_id, now = _offer(offer_id), actor().chain_id, utc_now()
    file = request.files.get("file")
    if file is None or not file.filename:
        return _page(offer, problem=FileMissing().say(language())), 422
    name = request.form.get("name", "").strip() or file.filename
    with transaction():
        batch_id = printing.take_in(chain_id, offer.id, name=name, by=author(), now=now).id
    told: list[code_import.Refused] = []
    counts = code_import.Counts()
    for so_far in code_import.import_codes(chain_id, batch_id, file.stream, tell=_first_of(told), now=now):  # type: ignore[arg-type]
        counts = so_far
    return _page(offer, report=counts, refused=[(line, _problem_words()[line.problem]) for line in told])


@bp.post(f"{BATCH}/void")
@access(*HQ_ADMIN)
def void(offer_id: int, batch_id: int) -> Response:
    """Let no unused code of a batch work any more."""
    batch = _batch(offer_id, batch_id)
    try:
        gone = printing.void_batch(actor().chain_id, batch.id, by=author(), now=utc_now())
    except DomainError as refusal:
        flash(refusal.say(language()), "bad")
    else:
        flash(ngettext("%(num)d code is void.", "%(num)d codes are void.", gone), "good")
    return redirect(url_for("printed_codes.index", offer_id=offer_id), 303)


@bp.get(f"{BATCH}.csv")
@access(*HQ)
def download(offer_id: int, batch_id: int) -> Response:
    """The codes, to be printed. The audit tells who took them."""
    batch = _batch(offer_id, batch_id)
    if batch.state == BatchState.MAKING:
        raise BatchNotWhole()
    with transaction():
        printing.note_export(batch, by=author(), now=utc_now())
    named = {"Content-Disposition": f'attachment; filename="codes-{batch.id}.csv"'}
    return Response(stream_with_context(csv_lines(batch)), content_type="text/csv; charset=utf-8", headers=named)


# --- a list of phones ---------------------------------------------------------------------------------------------


@bp.get("/hand-out")
@access(*HQ_ADMIN)
def hand_out_page(offer_id: int) -> str:
    """Choose the list."""
    return _hand_out_page(_offer(offer_id))


@bp.post("/hand-out")
@access(*HQ_ADMIN)
def hand_out(offer_id: int) -> str | tuple[str, int]:
    """Say what would become of each line (``look``), or give the coupons."""
    offer, is_dry = _offer(offer_id), request.form.get("do") != "yes"
    try:
        lines = _lines()
    except DomainError as refusal:
        return _hand_out_page(offer, problem=refusal.say(language())), 422
    key = request.form.get("request_id", "")[:LONGEST_KEY] or new_code()
    handed = [_hand(offer.id, line, key=key, is_dry=is_dry) for line in lines]
    counts = Counter(dict.fromkeys(Outcome, 0)) + Counter(each.outcome for each in handed)
    left_out = [(each, _outcome_words(each)) for each in handed if each.outcome != Outcome.ACCEPTED]
    return _hand_out_page(offer, counts=counts, left_out=left_out, is_dry=is_dry)


def _hand(offer_id: int, line: handing_out.Line, *, key: str, is_dry: bool) -> Handed:
    chain_id, now = actor().chain_id, utc_now()
    if is_dry:
        return handing_out.foresee(chain_id, offer_id, line, now=now)
    return handing_out.hand_out_batch(chain_id, offer_id, line, key=key, now=now)


def _lines() -> list[handing_out.Line]:
    file = request.files.get("file")
    if file is None or not file.filename:
        raise FileMissing()
    lines: list[handing_out.Line] = []
    for line in handing_out.read_phones(file.stream, currency=chain_of(actor()).currency):  # type: ignore[arg-type]
        if len(lines) == MOST_LINES:
            raise TooManyLines(most=f"{MOST_LINES:,}")
        lines.append(line)
    return lines


def _outcome_words(handed: Handed) -> str:
    if handed.refusal is not None:
        return handed.refusal.say(language())
    words: dict[Outcome, str] = {
        Outcome.UNKNOWN_PHONE: _("No member has this phone number."),
        Outcome.MALFORMED: _("This is not a phone number."),
        Outcome.ALREADY_HAS: _("Got the coupon from this list before."),
    }
    return words[handed.outcome]


def _hand_out_page(offer: Offer, **more: Any) -> str:
    around = {"problem": "", "counts": None, "left_out": [], "is_dry": True} | more
    is_part = bool(request.headers.get("HX-Request"))
    return render_template(
        "dashboard/offers/_handed.html" if is_part else "dashboard/offers/hand_out.html",
        nav="coupons",
        offer=offer,
        offer_name=name_of(offer),
        request_id=request.form.get("request_id") or new_code(),
        most=MOST_LINES,
        shown=SHOWN,
        **around,
    )


# --- parts --------------------------------------------------------------------------------------------------------


def _page(offer: Offer, **more: Any) -> str:
    around = {"problem": "", "size": "", "report": None, "refused": []} | more
    return render_template(
        "dashboard/offers/codes.html",
        nav="coupons",
        offer=offer,
        offer_name=name_of(offer),
        batches=printing.list_batches(actor().chain_id, offer.id),
        may_edit=actor().role in HQ_ADMIN,
        request_id=new_code(),
        most=f"{printing.MOST_CODES:,}",
        day_of=_day_of,
        shown=SHOWN,
        **around,
    )


def _day_of(moment: datetime) -> str:
    chain = chain_of(actor())
    return day_said(business_day(moment, chain.timezone, chain.cutoff_hour))


def _first_of(told: list[code_import.Refused]) -> Any:
    """Keeps as many lines as the page shows."""
    return lambda line: told.append(line) if len(told) < SHOWN else None


def _problem_words() -> dict[Problem, str]:
    return {
        Problem.MALFORMED: _("This is no code: 8 to 32 letters and digits."),
        Problem.DUPLICATE_IN_FILE: _("It stood in this file before."),
        Problem.DUPLICATE_IN_CHAIN: _("Another batch has this code."),
    }


def _offer(offer_id: int) -> Offer:
    return get_offer(actor().chain_id, offer_id)


def _batch(offer_id: int, batch_id: int) -> CodeBatch:
    batch = printing.get_batch(actor().chain_id, batch_id)
    if batch.offer_id != offer_id:
        raise BatchNotFound()
    return batch


def _size(text: str) -> int:
    """The number that was typed; 0 where it is none."""
    digits = text.strip().replace(",", "").replace("，", "")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 12 else 0
