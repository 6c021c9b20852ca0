"""Segments: the saved ones, the ready-made ones, the builder with its live count."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.pushes.audience_form import AudienceForm, fill_audience
from app.dashboard.pushes.audience_showing import builder_parts, usual_channels, whom, whom_of
from app.dashboard.refusing import refused, refused_at
from app.flashing import flash_with_undo
from app.languages import language
from app.security import row_number
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from core.money import money
from push import sentences
from push.audiences import rfm, saved_segments, segments
from push.audiences.models import ReadyMade, Segment
from push.audiences.segments import Node
from push.errors import AudienceInvalid
from stores.models import Chain
from stores.queries import get_chain

bp = Blueprint("segments", __name__, url_prefix="/dashboard/segments", template_folder="../templates")
bp.before_request(require_staff)

PAGE = 50
ID = "/<int:segment_id>"


# --- The list -------------------------------------------------------------------------------------------------------


@bp.get("")
@access(*HQ)
def index() -> str:
    """Every segment in a sentence; how many are meant comes in while one reads."""
    chain, after = _chain(), request.args.get("after", type=row_number)
    found = saved_segments.list_segments(chain.id, after=after, limit=PAGE)
    ready = saved_segments.ready_made_of(chain.id)
    return render_template(
        "dashboard/segments/index.html",
        nav="pushes",
        lines=[_line(chain, segment) for segment in found if not segment.ready_made],
        ready=[(_line(chain, ready[kind]), rfm.ADVICE[kind]) for kind in ReadyMade if kind in ready],
        kinds=[(saved_segments.READY_NAMES[kind], rfm.ADVICE[kind]) for kind in ReadyMade],
        after=after,
        next_after=found[-1].id if len(found) == PAGE else None,
        may_edit=_may_edit(),
    )


@bp.post("/ready-made")
@access(*HQ_ADMIN)
def make_ready() -> Response:
    """Work the ready-made segments out, by what this chain's members buy."""
    chain, now = _chain(), utc_now()
    try:
        with transaction():
            made = rfm.make_ready(chain, by=author(), now=now)
    except DomainError as refusal:
        return _refused(refusal, url_for("segments.index"))
    habits = rfm.habits_of(chain.id, now=now)
    flash(_habits_said(habits, chain), "good")
    if len(made) < len(ReadyMade):
        flash(_("Some names are taken by segments of your own. Those stay as they are."), "warn")
    return redirect(url_for("segments.index"), 303)


def _habits_said(habits: rfm.Habits, chain: Chain) -> str:
    if not habits.are_own or habits.much_cents is None:
        return str(_("Made with usual figures: too few members have bought so far. Work them out again later."))
    return str(
        _(
            "Worked out from %(buyers)s members who bought in the last year: lately is %(days)s days,"
            " often is %(often)s times a year, much is %(much)s a year.",
            buyers=f"{habits.buyers:,}",
            days=habits.soon_days,
            often=habits.often,
            much=money(habits.much_cents, chain.currency, language()),
        )
    )


# --- One segment ----------------------------------------------------------------------------------------------------


@bp.get(ID)
@access(*HQ)
def show(segment_id: int) -> str:
    """Whom it means now, and what is made of it."""
    chain, segment = _chain(), saved_segments.get_segment(actor().chain_id, segment_id)
    kind = ReadyMade(segment.ready_made) if segment.ready_made else None
    return render_template(
        "dashboard/segments/show.html",
        nav="pushes",
        segment=segment,
        called=saved_segments.called(segment),
        advice=rfm.ADVICE[kind] if kind else None,
        campaigns=saved_segments.campaigns_of(chain.id, segment_id),
        others=saved_segments.segments_of(chain.id, segment_id),
        may_edit=_may_edit(),
        **_whom_now(chain, segment.rules),
    )


def _whom_now(chain: Chain, rules: Node) -> dict[str, Any]:
    """As it was kept; a part of it may be gone since."""
    try:
        return whom_of(chain, rules)
    except DomainError as refusal:
        return {"audience_problem": refusal.say(language())}


@bp.get(f"{ID}/count-preview")
@access(*HQ)
def count_preview(segment_id: int) -> str:
    """How many it means now, for the list."""
    chain, segment = _chain(), saved_segments.get_segment(actor().chain_id, segment_id)
    reach = segments.count_reach(chain, segment.rules, [], now=utc_now())
    return f"{reach.members:,}"


@bp.post(f"{ID}/archive")
@access(*HQ_ADMIN)
def archive(segment_id: int) -> Response:
    """Put it away."""
    try:
        with transaction():
            saved_segments.archive_segment(actor().chain_id, segment_id, by=author(), now=utc_now())
    except DomainError as refusal:
        return _refused(refusal, url_for("segments.show", segment_id=segment_id))
    undo = url_for("segments.restore", segment_id=segment_id)
    flash_with_undo(_("Put away. No campaign can use it any more."), undo)
    return redirect(url_for("segments.index"), 303)


@bp.post(f"{ID}/restore")
@access(*HQ_ADMIN)
def restore(segment_id: int) -> Response:
    """Take it out again."""
    page = url_for("segments.show", segment_id=segment_id)
    try:
        with transaction():
            saved_segments.restore_segment(actor().chain_id, segment_id, by=author(), now=utc_now())
    except DomainError as refusal:
        return _refused(refusal, page)
    flash(_("The segment is back."), "good")
    return redirect(page, 303)


def _refused(refusal: DomainError, page: str) -> Response:
    if refusal.code == "segment_not_found":
        raise refusal
    flash(refusal.say(language()), "bad")
    return redirect(page, 303)


# --- The builder ----------------------------------------------------------------------------------------------------


@bp.get("/new")
@access(*HQ_ADMIN)
def new() -> str:
    """An empty builder, or one filled with another segment."""
    chain, copied = _chain(), request.args.get("copy", type=row_number)
    typed: MultiDict[str, str] = MultiDict()
    if copied is not None:
        segment = saved_segments.get_segment(chain.id, copied)
        typed["name"] = str(_("%(name)s (copy)", name=saved_segments.called(segment).say(language())))[:60]
        _fill(typed, chain, segment.rules)
    return _editor(AudienceForm(chain, typed))


@bp.post("")
@access(*HQ_ADMIN)
def create() -> Response | tuple[str, int] | str:
    """Keep it; or show the builder again, for a button of its own."""
    form = _form()
    if form.is_building:
        return _editor(form)
    try:
        with transaction():
            segment = saved_segments.create_segment(
                form.chain.id, form.typed.get("name", ""), form.builder.rules(), by=author(), now=utc_now()
            )
    except DomainError as refusal:
        return _wrong(form, refusal), 422
    return _saved(segment)


@bp.get(f"{ID}/edit")
@access(*HQ_ADMIN)
def edit(segment_id: int) -> Response | str:
    """The builder with a segment."""
    chain, segment = _chain(), saved_segments.get_segment(actor().chain_id, segment_id)
    if segment.archived_at is not None:
        return redirect(url_for("segments.show", segment_id=segment_id))
    typed: MultiDict[str, str] = MultiDict({"name": saved_segments.called(segment).say(language())})
    _fill(typed, chain, segment.rules)
    return _editor(AudienceForm(chain, typed, segment_id=segment_id), segment)


@bp.post(f"{ID}/edit")
@access(*HQ_ADMIN)
def rewrite(segment_id: int) -> Response | tuple[str, int] | str:
    """Change it, for every campaign that is made of it."""
    segment = saved_segments.get_segment(actor().chain_id, segment_id)
    form = _form(segment_id)
    if form.is_building:
        return _editor(form, segment)
    name, words = form.typed.get("name", ""), saved_segments.called(segment)
    try:
        with transaction():
            changed = saved_segments.change_segment(
                form.chain.id,
                segment_id,
                segment.name if name in words else name,  # as it was shown, it stays as it is kept
                form.builder.rules(),
                by=author(),
                now=utc_now(),
            )
    except DomainError as refusal:
        if refusal.code == "segment_not_found":
            raise
        return _wrong(form, refusal, segment), 422
    return _saved(changed)


@bp.post("/builder")
@access(*HQ_ADMIN)
def builder() -> Response:
    """The builder anew, after one of its buttons; the page then counts again."""
    form = _form(request.form.get("segment_id", type=row_number))
    answer = Response(render_template("dashboard/segments/_builder.html", **builder_parts(form)), mimetype="text/html")
    answer.headers["HX-Trigger-After-Settle"] = "rules-changed"
    return answer


@bp.post("/preview")
@access(*HQ_ADMIN)
def preview() -> str:
    """Whom the conditions mean that have been filled in so far."""
    form = _form(request.form.get("segment_id", type=row_number))
    return render_template("dashboard/segments/_whom.html", **whom(form))


def _form(segment_id: int | None = None) -> AudienceForm:
    typed: MultiDict[str, str] = MultiDict(
        (name, value.replace("\0", "")) for name, value in request.form.items(multi=True)
    )
    return AudienceForm(_chain(), typed, segment_id=segment_id)


def _fill(typed: "MultiDict[str, str]", chain: Chain, rules: Node) -> None:
    fill_audience(chain, typed, rules, may_be_saved=False)


def _editor(form: AudienceForm, segment: Segment | None = None, **wrong: Any) -> str:
    return render_template(
        "dashboard/segments/edit.html",
        nav="pushes",
        segment=segment,
        called=saved_segments.called(segment) if segment else None,
        name=form.typed.get("name", ""),
        campaigns=saved_segments.campaigns_of(form.chain.id, segment.id) if segment else [],
        **builder_parts(form),
        **whom(form, usual_channels()),
        **wrong,
    )


def _wrong(form: AudienceForm, refusal: DomainError, segment: Segment | None = None) -> str:
    """The builder with what is wrong at the name or at each row, else in a sentence above it."""
    if not isinstance(refusal, AudienceInvalid):
        return _editor(form, segment, **refused(refusal))
    errors = form.builder.find_problems()
    problem = str(_("Some conditions need another look.")) if errors else refusal.say(language())
    return _editor(form, segment, **refused_at(errors, problem))


def _saved(segment: Segment) -> Response:
    flash(_("Saved."), "good")
    return redirect(url_for("segments.show", segment_id=segment.id), 303)


def _line(chain: Chain, segment: Segment) -> tuple[Segment, Any, Any]:
    return segment, saved_segments.called(segment), sentences.audience_sentence(chain, segment.rules)


def _chain() -> Chain:
    return get_chain(actor().chain_id)


def _may_edit() -> bool:
    return actor().role in HQ_ADMIN
