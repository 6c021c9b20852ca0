"""Head office's settings: the brand, its card, tiers, manners; and who changed what."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response
from werkzeug.datastructures import MultiDict

from app.auth.guard import HQ_ADMIN, access, actor, author, require_staff
from app.dashboard import change_values, tier_form
from app.dashboard.change_words import action_word, author_word, object_word
from app.dashboard.figures import currency_sign, number
from app.dashboard.frame import chain_of
from app.dashboard.refusing import refused
from app.languages import language
from app.security import row_number
from cards import programs
from cards.models import CodeMode
from core import audit
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from push.timing import policies as push_policies
from sharing import policies as sharing_policies
from stores import chains, staffing
from stores.models import Role

bp = Blueprint("settings", __name__, url_prefix="/dashboard/settings", template_folder="templates")
bp.before_request(require_staff)
bp.record_once(lambda state: change_values.init_app(state.app))
PAGE = 50
COMMON_TIMEZONES = ("Asia/Shanghai", "Asia/Hong_Kong", "Asia/Taipei", "Asia/Singapore", "Asia/Tokyo", "Europe/London")


@bp.get("")
@access(Role.HQ_ADMIN, Role.STORE_MANAGER)
def index() -> str | Response:
    """The brand itself; a manager has staff to look after, and nothing else here."""
    if actor().role != Role.HQ_ADMIN:
        return redirect(url_for("staffing.index"))
    return _chain_page()


@bp.post("")
@access(*HQ_ADMIN)
def save_chain() -> Response | tuple[str, int]:
    form = request.form
    try:
        settings = chains.ChainSettings(
            name=form.get("name", "").strip(),
            name_en=form.get("name_en", "").strip(),
            timezone=form.get("timezone", "").strip(),
            cutoff_hour=number(form.get("cutoff_hour", "")),
            accent=form.get("accent", "").strip(),
            language=form.get("language", ""),
        )
        with transaction():
            chains.edit_chain(actor().chain_id, settings, by=author(), now=utc_now())
    except DomainError as refusal:
        return _chain_page(refusal), 422
    return _saved("settings.index")


def _chain_page(refusal: DomainError | None = None) -> str:
    chain = chain_of(actor())
    return render_template(
        "dashboard/settings/chain.html",
        chain=chain,
        kept=_kept(chain),
        timezones=_timezones(chain.timezone),
        error=_said(refusal),
    )


def _timezones(own: str) -> list[str]:
    """The usual zones first, then all that are named after a place, and the chain's own whatever its name."""
    places = {zone for zone in available_timezones() if "/" in zone} | {own}
    return [*COMMON_TIMEZONES, *sorted(places - set(COMMON_TIMEZONES))]


@bp.get("/card")
@access(*HQ_ADMIN)
def card() -> str:
    """The face of the card and the words on it."""
    return _card_page()


@bp.post("/card")
@access(*HQ_ADMIN)
def save_card() -> Response | tuple[str, int]:
    form = request.form
    program = programs.default_program(actor().chain_id)
    words = {
        name: form.get(name, "").replace("\r\n", "\n").strip() for name in programs.ProgramSettings.__annotations__
    }
    try:
        points = number(words.pop("points_per_unit"))
        settings = programs.ProgramSettings(points_per_unit=points, **words)  # type: ignore[arg-type]
        with transaction():
            programs.edit_program(actor().chain_id, program.id, settings, by=author(), now=utc_now())
    except DomainError as refusal:
        return _card_page(refusal), 422
    return _saved("settings.card")


def _card_page(refusal: DomainError | None = None) -> str:
    program = programs.default_program(actor().chain_id)
    return render_template(
        "dashboard/settings/card.html",
        chain=chain_of(actor()),
        program=program,
        first_tier=programs.tiers_of(program.id)[0],
        kept=_kept(program),
        patterns=programs.PATTERNS,
        modes=list(CodeMode),
        error=_said(refusal),
    )


@bp.get("/tiers")
@access(*HQ_ADMIN)
def tiers() -> str:
    """What carries a card up, what each level gives, and what points are worth."""
    program, currency = programs.default_program(actor().chain_id), chain_of(actor()).currency
    rows = [tier_form.row_of(tier, currency) for tier in programs.tiers_of(program.id)]
    return _tiers_page(rows, tier_form.kept_rules(programs.point_rules_of(program), currency))


@bp.post("/tiers")
@access(*HQ_ADMIN)
def save_tiers() -> Response | tuple[str, int]:
    program, currency = programs.default_program(actor().chain_id), chain_of(actor()).currency
    rows = tier_form.rows_typed(request.form)
    try:
        rules = tier_form.rules_of(request.form, currency, programs.point_rules_of(program))
        wanted = [tier_form.tier_of(row, currency) for row in rows]
        with transaction():
            changes: dict[str, Any] = {"by": author(), "now": utc_now()}
            programs.set_point_rules(actor().chain_id, program.id, rules, **changes)
            programs.set_tiers(actor().chain_id, program.id, wanted, **changes)
    except DomainError as refusal:
        return _tiers_page(rows, request.form, refusal), 422
    return _saved("settings.tiers")


@bp.get("/tiers/preview")
@access(*HQ_ADMIN)
def tier_preview() -> str:
    """What the form says so far, in plain words."""
    program, chain = programs.default_program(actor().chain_id), chain_of(actor())
    sentences = tier_form.preview(request.args, programs.point_rules_of(program), program.points_per_unit, chain)
    return render_template("dashboard/settings/_tier_preview.html", sentences=sentences)


def _tiers_page(rows: list[tier_form.Row], kept: Mapping[str, str], refusal: DomainError | None = None) -> str:
    program, chain = programs.default_program(actor().chain_id), chain_of(actor())
    shown = MultiDict({**kept})
    for name, cells in zip(tier_form.COLUMNS, zip(*rows, strict=True), strict=False):
        shown.setlist(name, list(cells))
    rules = programs.point_rules_of(program)
    return render_template(
        "dashboard/settings/tiers.html",
        rows=rows,
        kept=kept,
        sign=currency_sign(chain.currency, language()),
        sentences=tier_form.preview(shown, rules, program.points_per_unit, chain),
        most=programs.MOST_TIERS,
        error=_said(refusal),
    )


@bp.get("/sharing")
@access(*HQ_ADMIN)
def sharing() -> str:
    return _sharing_page()


@bp.post("/sharing")
@access(*HQ_ADMIN)
def save_sharing() -> Response | tuple[str, int]:
    form = request.form
    try:
        policy = sharing_policies.Policy(number(form.get("window_days", "")), form.get("store_code_wins") == "yes")
        with transaction():
            sharing_policies.set_policy(actor().chain_id, policy, by=author(), now=utc_now())
    except DomainError as refusal:
        return _sharing_page(refusal), 422
    return _saved("settings.sharing")


def _sharing_page(refusal: DomainError | None = None) -> str:
    policy = sharing_policies.get_policy(actor().chain_id)
    return render_template(
        "dashboard/settings/sharing.html",
        policy=policy,
        kept=_kept(policy),
        longest=sharing_policies.LONGEST_WINDOW,
        error=_said(refusal),
    )


@bp.get("/push")
@access(*HQ_ADMIN)
def push() -> str:
    return _push_page()


@bp.post("/push")
@access(*HQ_ADMIN)
def save_push() -> Response | tuple[str, int]:
    try:
        typed = {name: number(request.form.get(name, ""), field=name) for name in push_policies.Policy._fields}
        policy = push_policies.Policy(**typed)
        oversight = _oversight_typed()
        with transaction():
            push_policies.set_policy(actor().chain_id, policy, by=author(), now=utc_now())
            push_policies.set_oversight(actor().chain_id, oversight, by=author(), now=utc_now())
    except DomainError as refusal:
        return _push_page(refusal), 422
    return _saved("settings.push")


def _oversight_typed() -> push_policies.Oversight:
    """Who looks and what stops, as it was typed. Raises NumberUnreadable."""
    form = request.form
    return push_policies.Oversight(
        needs_approval=form.get("needs_approval") == "yes",
        global_holdout_bp=number(
            form.get("global_holdout_bp", "").strip() or "0", times=100, field="global_holdout_bp"
        ),
        error_pause_bp=number(form.get("error_pause_bp", "20"), times=100, field="error_pause_bp"),
        error_pause_after=number(form.get("error_pause_after", "50"), field="error_pause_after"),
    )


def _push_page(refusal: DomainError | None = None) -> str:
    policy = push_policies.get_policy(actor().chain_id)
    oversight = push_policies.get_oversight(actor().chain_id)
    shares = {name: f"{getattr(oversight, name) / 100:g}" for name in ("global_holdout_bp", "error_pause_bp")}
    readers = [
        each
        for each in staffing.list_staff(actor().chain_id)
        if each.role == Role.HQ_ADMIN and each.disabled_at is None
    ]
    return render_template(
        "dashboard/settings/push.html",
        kept=_kept(policy),
        oversight=_kept(oversight) if refusal else oversight._asdict() | shares,
        needs_approval=request.form.get("needs_approval") == "yes" if refusal else oversight.needs_approval,
        has_second=len(readers) > 1,
        **refused(refusal),
    )


@bp.get("/changes")
@access(*HQ_ADMIN)
def changes() -> str:
    """Who changed what, the newest first."""
    before = request.args.get("before", type=row_number)
    entries = audit.list_entries(actor().chain_id, before=before, limit=PAGE)
    people = {f"staff:{person.id}": person.name for person in staffing.list_staff(actor().chain_id)}
    return render_template(
        "dashboard/settings/changes.html",
        entries=entries,
        people=people,
        action_word=action_word,
        author_word=author_word,
        object_word=object_word,
        zone=chain_of(actor()).timezone,
        before=before,
        next_before=entries[-1].id if len(entries) == PAGE else None,
    )


def _saved(endpoint: str) -> Response:
    flash(_("Saved."), "good")
    return redirect(url_for(endpoint))


def _said(refusal: DomainError | None) -> str:
    return refusal.say(language()) if refusal else ""


def _kept(row: object) -> Any:
    """What a form shows: after a refusal what was typed, else what is in force."""
    if request.method == "POST":
        return request.form
    if isinstance(row, tuple):
        return row._asdict()  # type: ignore[attr-defined]
    return {name: value for name, value in vars(row).items() if not name.startswith("_")}
