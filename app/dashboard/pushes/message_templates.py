"""Saved messages to begin pushes with: the list, and the editor with its phones."""

from typing import Any, NamedTuple

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.pushes.campaign_form import CampaignForm
from app.dashboard.pushes.editor_actions import act, mail_asked
from app.dashboard.pushes.message_form import blocks_of, texts_of, use_template
from app.dashboard.pushes.message_preview import looks_of
from app.dashboard.refusing import refused, short
from app.flashing import flash_with_undo
from app.languages import language
from app.security import row_number
from app.worker import names_set_up
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from push.models import PushChannel
from push.wording import message_templates as saved
from push.wording import testing
from push.wording.models import MessageTemplate
from push.wording.texts import ANY, VARIABLES
from push.wording.variants import LABELS
from stores.models import Chain
from stores.queries import get_chain

bp = Blueprint("message_templates", __name__, url_prefix="/dashboard/templates", template_folder="../templates")
bp.before_request(require_staff)

PAGE = 50
ID = "/<int:message_template_id>"
KEEPING = ("", "save")


class Line(NamedTuple):
    """A template in the list: what it says first, in which languages, and for which channels otherwise."""

    template: MessageTemplate
    title: str
    body: str
    languages: list[str]
    channels: list[str]


@bp.get("")
@access(*HQ)
def index() -> str:
    """Those in use; or those that were put away."""
    archived, after = bool(request.args.get("archived")), request.args.get("after", type=row_number)
    chain = _chain()
    found = saved.list_templates(chain.id, archived=archived, after=after, limit=PAGE)
    return render_template(
        "dashboard/templates/index.html",
        nav="pushes",
        lines=[_line(chain, each) for each in found],
        archived=archived,
        has_archived=bool(saved.list_templates(chain.id, archived=True, limit=1)),
        after=after,
        next_after=found[-1].id if len(found) == PAGE else None,
        may_edit=actor().role in HQ_ADMIN,
    )


def _line(chain: Chain, template: MessageTemplate) -> Line:
    said = template.texts.get(ANY, {})
    words = said.get(language()) or said.get(chain.language) or {}
    languages = {code for by_language in template.texts.values() for code in by_language}
    return Line(
        template,
        words.get("title", ""),
        words.get("body", ""),
        [code for code in ("zh", "en") if code in languages],
        [str(name) for name in PushChannel if str(name) in template.texts],
    )


@bp.get("/new")
@access(*HQ_ADMIN)
def new() -> str:
    """An empty editor, or one filled with another template."""
    chain, copied = _chain(), request.args.get("copy", type=row_number)
    if copied is None:
        return _editor(CampaignForm(chain, MultiDict()))
    form = _form_of(chain, saved.get_template(chain.id, copied))
    form.typed["name"] = saved.free_name(chain.id, form["name"])
    return _editor(form)


@bp.post("")
@access(*HQ_ADMIN)
def create() -> Response | tuple[str, int]:
    """Keep it."""
    form = _form()
    if form["do"] not in KEEPING:
        return mail_asked(form) or (_editor(form, **act(form)), 200)
    try:
        with transaction():
            saved.create_template(form.chain.id, form["name"], _texts(form), by=author(), now=utc_now())
    except DomainError as refusal:
        return _editor(form, **_wrong(form, refusal)), 422
    return _kept()


@bp.get(f"{ID}/edit")
@access(*HQ_ADMIN)
def edit(message_template_id: int) -> str:
    """The editor with a template."""
    chain, template = _chain(), _template(message_template_id)
    return _editor(_form_of(chain, template), template)


@bp.post(f"{ID}/edit")
@access(*HQ_ADMIN)
def rewrite(message_template_id: int) -> Response | tuple[str, int]:
    """Write it anew; pushes that began with it keep their words."""
    form, template = _form(), _template(message_template_id)
    if form["do"] not in KEEPING:
        return mail_asked(form) or (_editor(form, template, **act(form)), 200)
    try:
        with transaction():
            saved.edit_template(form.chain.id, template.id, form["name"], _texts(form), by=author(), now=utc_now())
    except DomainError as refusal:
        return _editor(form, template, **_wrong(form, refusal)), 422
    return _kept()


@bp.post(f"{ID}/archive")
@access(*HQ_ADMIN)
def archive(message_template_id: int) -> Response:
    """Put it away; it can be taken out again."""
    with transaction():
        saved.archive_template(actor().chain_id, message_template_id, by=author(), now=utc_now())
    undo = url_for("message_templates.restore", message_template_id=message_template_id)
    flash_with_undo(_("Put away."), undo)
    return redirect(url_for("message_templates.index"), 303)


@bp.post(f"{ID}/restore")
@access(*HQ_ADMIN)
def restore(message_template_id: int) -> Response:
    """Take it out again."""
    with transaction():
        saved.restore_template(actor().chain_id, message_template_id, by=author(), now=utc_now())
    flash(_("It is back."), "good")
    return redirect(url_for("message_templates.index"), 303)


@bp.post("/preview")
@access(*HQ_ADMIN)
def preview() -> str:
    """How it looks, for what has been typed so far."""
    form = _form()
    said = act(form) if form["open"] else {}
    return render_template("dashboard/campaigns/_look_panel.html", **_looks(form), **said)


def _wrong(form: CampaignForm, refusal: DomainError) -> dict[str, Any]:
    """The refusal at its field; it speaks of a campaign otherwise, which this is none."""
    return refused(refusal, form.field_of(refusal.part)) | {"problem": short(refusal)}


def _editor(form: CampaignForm, template: MessageTemplate | None = None, **said: Any) -> str:
    chain, channels = form.chain, _channels()
    return render_template(
        "dashboard/templates/edit.html",
        nav="pushes",
        form=form,
        template=template,
        action_url=url_for("message_templates.rewrite", message_template_id=template.id)
        if template
        else url_for("message_templates.create"),
        blocks=blocks_of(form.typed, chain.id, chain.language, channels),
        variables=VARIABLES,
        trial_ways=[str(name) for name in testing.WAYS if str(name) in channels],
        trial_addresses=testing.addresses_of(actor().id),
        **_looks(form),
        **said,
    )


def _looks(form: CampaignForm) -> dict[str, Any]:
    looks = looks_of(form.chain, form.typed, _channels(), imagines_coupon=True)
    return looks | {"preview_url": url_for("message_templates.preview")}


def _channels() -> list[str]:
    set_up = names_set_up(current_app.extensions["settings"])
    return [str(name) for name in PushChannel if str(name) in set_up]


def _form() -> CampaignForm:
    return CampaignForm(_chain(), MultiDict(request.form.items(multi=True)))


def _form_of(chain: Chain, template: MessageTemplate) -> CampaignForm:
    form = CampaignForm(chain, MultiDict({"name": template.name}))
    use_template(form.typed, template.texts)
    return form


def _texts(form: CampaignForm) -> dict[str, Any]:
    return dict(texts_of(form.typed, with_own=True).get(LABELS[0], {}))


def _kept() -> Response:
    flash(_("The template is kept."), "good")
    return redirect(url_for("message_templates.index"), 303)


def _template(template_id: int) -> MessageTemplate:
    return saved.get_template(actor().chain_id, template_id)


def _chain() -> Chain:
    return get_chain(actor().chain_id)
