"""Offers: the list with stock and funnel, one offer and what can be done to it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response as AnyResponse

from app.auth.guard import HQ_ADMIN, MANAGERS, access, actor, author, require_staff
from app.dashboard import offer_account, offer_editor
from app.dashboard.offer_editor import OFFER, program_names, shown_on_phone
from app.flashing import flash_with_undo
from app.languages import language, say
from app.reports.cells import cell
from app.reports.small import csv_response
from app.security import row_number
from app.wallet.showing import name_of, picture, public_url
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, Invalid
from core.money import money
from core.text import Text
from coupons import approval, errors, offers, queries, terms
from coupons.drafts import most_cents
from coupons.models import Offer, OfferState
from coupons.queries import Funnel
from stores.models import Chain
from stores.pictures import png, svg
from stores.queries import get_chain
from stores.staffing import list_staff

bp = Blueprint("offers", __name__, url_prefix="/dashboard/offers", template_folder="templates")
bp.before_request(require_staff)
offer_editor.add_routes(bp)
offer_account.add_routes(bp)

PAGE = 50
CSV_COLUMNS = (
    "id",
    "state",
    "name",
    "name_en",
    "sentence",
    "stock",
    "left",
    "per_member_limit",
    "claimed",
    "redeemed",
    "open",
    "created_at",
)


class StockUnreadable(Invalid):
    """The stock is a whole number."""

    code = "stock_unreadable"
    sentence = Text("库存请填一个大于零的整数。", "The stock is a whole number above zero.")


class Line(NamedTuple):
    """An offer in the list."""

    offer: Offer
    sentence: Text
    validity: Text
    left: int | None
    funnel: Funnel
    is_over: bool  # its last day has passed


@bp.get("")
@access(*MANAGERS)
def index() -> str:
    """Every offer with its stock and what became of its coupons."""
    chain, state = _chain(), _state_asked()
    after = request.args.get("after", type=row_number)
    found = offers.list_offers(chain.id, state=state, after=after, limit=PAGE)
    return render_template(
        "dashboard/offers/index.html",
        nav="coupons",
        lines=_lines(chain, found),
        states=list(OfferState),
        state=state or "",
        after=after,
        next_after=found[-1].id if len(found) == PAGE else None,
        may_edit=_may_edit(),
        name_of=name_of,
    )


@bp.get("/list.csv")
@access(*MANAGERS)
def index_csv() -> Response:
    """The same rows, all of them."""
    chain, state = _chain(), _state_asked()
    return csv_response("offers.csv", CSV_COLUMNS, (_csv_row(line) for line in _each(chain, state)))


def _each(chain: Chain, state: str | None) -> Any:
    after = None
    while found := offers.list_offers(chain.id, state=state, after=after, limit=PAGE):
        yield from _lines(chain, found)
        after = found[-1].id


def _csv_row(line: Line) -> list[object]:
    offer, funnel = line.offer, line.funnel
    row = [offer.id, offer.state, offer.name, offer.name_en, say(line.sentence), offer.stock, line.left]
    row += [offer.per_member_limit, funnel.claimed, funnel.redeemed, funnel.open, offer.created_at.isoformat()]
    return [cell(value) for value in row]


def _lines(chain: Chain, found: Sequence[Offer]) -> list[Line]:
    ids = [offer.id for offer in found]
    now = utc_now()
    left, funnels = queries.count_left(ids), queries.funnels(ids, now=now)
    return [
        Line(
            offer,
            terms.sentence(offer, chain.currency),
            terms.offer_validity(offer, chain.timezone, cutoff_hour=chain.cutoff_hour),
            left.get(offer.id),
            funnels[offer.id],
            offer.valid_until is not None and offer.valid_until <= now,
        )
        for offer in found
    ]


# --- One offer -----------------------------------------------------------------------------------------------------


@bp.get(OFFER)
@access(*MANAGERS)
def show(offer_id: int) -> str:
    """One offer: its numbers, its rules, its claim link, and what can be done to it."""
    return _page(offer_id)


def _page(offer_id: int, *, stock: str | None = None, problem: str = "") -> str:
    chain, offer = _chain(), _offer(offer_id)
    line = _lines(chain, [offer])[0]
    url = public_url(url_for("wallet_offers.look", token=offer.token))
    return render_template(
        "dashboard/offers/show.html",
        nav="coupons",
        offer=offer,
        line=line,
        shown=shown_on_phone(offer, chain),
        sources=queries.count_by_source(offer.id),
        used_share=_per_cent(line.funnel.redeemed, line.funnel.claimed),
        program=dict(program_names()).get(offer.program_id) if offer.program_id else None,
        url=url,
        qr=picture(url),
        stock=stock,
        problem=problem,
        consequences=_consequences(chain, line),
        approval=_approval_of(offer),
        budget=_budget(chain, offer),
        may_edit=_may_edit(),
        name_of=name_of,
    )


class Approval(NamedTuple):
    """Where a draft stands on its way past the second person, and what its reader may do."""

    is_needed: bool
    submitted_by: str
    approved_by: str
    sent_back: str | None  # why
    may_approve: bool

    @property
    def may_publish(self) -> bool:
        return bool(self.approved_by) or not self.is_needed


def _approval_of(offer: Offer) -> Approval:
    is_needed = offer.state == OfferState.DRAFT and approval.needs_approval(offer.chain_id)
    people = {f"staff:{person.id}": person.name for person in list_staff(offer.chain_id)} if is_needed else {}
    submitted, approved = (people.get(who or "", who or "") for who in (offer.submitted_by, offer.approved_by))
    waits = is_needed and bool(submitted) and not approved
    may_approve = waits and _may_edit() and offer.submitted_by != author().name
    return Approval(is_needed, submitted, approved, approval.find_reason(offer), may_approve)


def _budget(chain: Chain, offer: Offer) -> dict[str, str] | None:
    """How much of the budget its coupons may still take."""
    committed = queries.committed_of(offer.id)
    if offer.budget_cents is None or committed is None:
        return None
    amounts = {"all": offer.budget_cents, "committed": committed, "left": offer.budget_cents - committed}
    return {name: money(cents, chain.currency, language()) for name, cents in amounts.items()}


@bp.post(f"{OFFER}/submit")
@access(*HQ_ADMIN)
def submit(offer_id: int) -> AnyResponse:
    """Let a second person read the draft."""
    return _move(offer_id, approval.submit, _("It waits for a second person now."))


@bp.post(f"{OFFER}/approve")
@access(*HQ_ADMIN)
def approve(offer_id: int) -> AnyResponse:
    """Approve what somebody else wrote, as it was read; it still has to be published."""
    read = partial(approval.approve, submitted_at=_moment(request.form.get("submitted_at", "")))
    return _move(offer_id, read, _("It is approved and can be published."))


@bp.post(f"{OFFER}/send-back")
@access(*HQ_ADMIN)
def send_back(offer_id: int) -> AnyResponse:
    """Give the draft back to whoever wrote it, with the reason."""
    reason = request.form.get("reason", "").replace("\0", "")
    return _move(offer_id, partial(approval.send_back, reason=reason), _("It is a draft again."))


@bp.post(f"{OFFER}/publish")
@access(*HQ_ADMIN)
def publish(offer_id: int) -> AnyResponse:
    """Let members claim it."""
    return _move(offer_id, offers.publish, _("It is running."), undo="offers.pause")


@bp.post(f"{OFFER}/pause")
@access(*HQ_ADMIN)
def pause(offer_id: int) -> AnyResponse:
    """Stop claiming for now."""
    return _move(offer_id, offers.pause, _("It is paused. Coupons already out stay good."), undo="offers.publish")


@bp.post(f"{OFFER}/end")
@access(*HQ_ADMIN)
def end(offer_id: int) -> AnyResponse:
    """Stop claiming for good."""
    return _move(offer_id, offers.end, _("It has ended. Coupons already out stay good."))


def _move(offer_id: int, change: Callable[..., Offer], done: str, *, undo: str = "") -> AnyResponse:
    try:
        with transaction():
            change(actor().chain_id, offer_id, by=author(), now=utc_now())
    except DomainError as refusal:
        if isinstance(refusal, errors.OfferNotFound):
            raise
        flash(_state_refusal(refusal), "bad")
    else:
        undo_url = url_for(undo, offer_id=offer_id) if undo else None
        flash_with_undo(done, undo_url)
    return redirect(url_for("offers.show", offer_id=offer_id), 303)


def _state_refusal(refusal: DomainError) -> str:
    if isinstance(refusal, errors.OfferNotRunning):
        return _("Somebody changed its state meanwhile. This is how it stands now.")
    return refusal.say(language())


@bp.post(f"{OFFER}/stock")
@access(*HQ_ADMIN)
def change_stock(offer_id: int) -> AnyResponse | tuple[str, int]:
    """Set the stock anew, if it still is what this page showed."""
    _offer(offer_id)
    try:
        stock, seen = (_whole(request.form.get(name, "")) for name in ("stock", "seen_stock"))
        with transaction():
            offers.change_stock(actor().chain_id, offer_id, stock=stock, seen_stock=seen, by=author(), now=utc_now())
    except DomainError as refusal:
        typed = request.form.get("stock", "")
        return _page(offer_id, stock=typed, problem=refusal.say(language())), 409
    flash_with_undo(
        _("The stock is now %(stock)s.", stock=f"{stock:,}"),
        url_for("offers.change_stock", offer_id=offer_id),
        fields={"stock": seen, "seen_stock": stock},
    )
    return redirect(url_for("offers.show", offer_id=offer_id), 303)


@bp.get(f"{OFFER}/code.<any(png, svg):kind>")
@access(*MANAGERS)
def code_picture(offer_id: int, kind: str) -> Response:
    """The QR of the claim page, to be printed."""
    offer = _offer(offer_id)
    url = public_url(url_for("wallet_offers.look", token=offer.token))
    data: bytes | str = png(url) if kind == "png" else svg(url)
    named = {"Content-Disposition": f'attachment; filename="offer-{offer.id}.{kind}"'}
    return Response(data, mimetype="image/png" if kind == "png" else "image/svg+xml", headers=named)


def _consequences(chain: Chain, line: Line) -> dict[str, str]:
    """What each button would do, in numbers."""
    offer, out = line.offer, line.funnel.open
    kept = ngettext("%(num)d coupon that is out stays good.", "%(num)d coupons that are out stay good.", out)
    left = _("%(left)s of %(stock)s are left.", left=f"{line.left:,}", stock=f"{offer.stock:,}") if offer.stock else ""
    stops = _("Nobody can claim it from then on.")
    joint = "" if language() == "zh" else " "
    return {
        "publish": joint.join(filter(None, [_can_claim(offer, line.left), _costs(chain, line)])),
        "pause": joint.join(filter(None, [stops, kept, left, _("You can let it run again.")])),
        "end": joint.join(filter(None, [stops, kept, left, _("An offer that has ended cannot run again.")])),
    }


def _can_claim(offer: Offer, left: int | None) -> str:
    each = offer.per_member_limit
    if left is None:
        return _("Every member can claim up to %(each)s; there is no limit in all.", each=each)
    return _("Members can claim %(left)s coupons, up to %(each)s each.", left=f"{left:,}", each=each)


def _costs(chain: Chain, line: Line) -> str:
    """The most it can cost, where that is known."""
    offer = line.offer
    most = most_cents(offer)
    if offer.budget_cents is not None:
        budget = terms.short_money(offer.budget_cents, chain.currency, language())
        return _("Together they take off %(total)s at most.", total=budget)
    if most is None:
        return _("Without a cap a coupon takes its share of any amount.")
    if line.left is None:
        return _("Each takes off %(most)s at most.", most=terms.short_money(most, chain.currency, language()))
    total = terms.short_money(most * line.left, chain.currency, language())
    return _("Together they take off %(total)s at most.", total=total)


def _chain() -> Chain:
    return get_chain(actor().chain_id)


def _offer(offer_id: int) -> Offer:
    return offers.get_offer(actor().chain_id, offer_id)


def _state_asked() -> str | None:
    state = request.args.get("state", "")
    return state if state in list(OfferState) else None


def _may_edit() -> bool:
    return actor().role in HQ_ADMIN


def _whole(text: str) -> int:
    digits = text.strip().replace(",", "").replace("，", "")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 19 and int(digits) > 0):
        raise StockUnreadable()
    return int(digits)


def _moment(text: str) -> datetime:
    """A moment that a page of ours has sent along."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def _per_cent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "–"
