"""The editor of pushes, with its live count and its phones. What its other buttons do is in editor_actions.py."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.auth.guard import HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.figures import NumberUnreadable
from app.dashboard.pushes.audience_form import fill_audience
from app.dashboard.pushes.audience_showing import builder_parts, whom_refused
from app.dashboard.pushes.campaign_form import CampaignForm, form_of, fresh_form
from app.dashboard.pushes.editor_actions import act, mail_asked
from app.dashboard.pushes.message_form import blocks_of, use_template
from app.dashboard.pushes.message_preview import looks_of, reach_of
from app.dashboard.pushes.schedule_form import times_of
from app.dashboard.refusing import refused
from app.security import row_number
from app.wallet.showing import name_of
from app.worker import names_set_up
from core import idempotency
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from core.idempotency import Answer, earlier_answer, keep_answer
from core.tokens import new_code
from push import approving, campaigns, queries
from push.audiences.saved_segments import get_segment, only_segment
from push.errors import AudienceInvalid
from push.models import Campaign, ChannelMode, Purpose, PushChannel
from push.timing.policies import get_oversight, get_policy
from push.timing.zones import zones_of
from push.wording import testing
from push.wording.message_templates import get_template, list_templates
from push.wording.texts import VARIABLES
from stores.models import Chain
from stores.queries import get_chain

bp = Blueprint("campaign_editor", __name__, url_prefix="/dashboard/campaigns", template_folder="../templates")
bp.before_request(require_staff)

USUAL = (PushChannel.INBOX, PushChannel.EMAIL, PushChannel.GATEWAY)  # shown even where they are not set up
ID = "/<int:campaign_id>"
KEEPING = ("", "save", "schedule", "submit")  # what the buttons say that write the campaign down
MOST_HOLDOUT = campaigns.MOST_HOLDOUT_BP // 100


@bp.get("/new")
@access(*HQ_ADMIN)
def new() -> str:
    """An empty editor, or one filled with another campaign, with a template's words or for a segment."""
    chain, copied = _chain(), request.args.get("copy", type=row_number)
    template = request.args.get("template", type=row_number)
    segment = request.args.get("segment", type=row_number)
    if copied is None:
        form = fresh_form(chain)
        if segment is not None:
            fill_audience(chain, form.typed, only_segment(get_segment(chain.id, segment).id))
        if template is not None:
            use_template(form.typed, get_template(chain.id, template).texts)
        return _editor(form)
    form = form_of(chain, campaigns.get_campaign(chain.id, copied))
    form.typed["name"] = str(_("%(name)s (copy)", name=form["name"]))[:80]
    return _editor(form)


@bp.post("")
@access(*HQ_ADMIN)
def create() -> Response | tuple[str, int]:
    """Write the draft down, and schedule it when asked; the same form sent twice is one campaign."""
    form = _form()
    if form["do"] not in KEEPING or form.whom.is_building:
        return mail_asked(form) or (_editor(form, **act(form)), 200)
    try:
        campaign_id = _create_once(form)
    except DomainError as refusal:
        return _editor(form, **_wrong(form, refusal)), 422
    return _saved(form, campaign_id)


def _create_once(form: CampaignForm) -> int:
    key, scope, now = form["request_id"][:80] or new_code(), f"{actor().author_name}:campaign", utc_now()
    asked = {name: values for name, values in form.typed.lists() if name != "csrf_token"}
    draft = form.draft()
    with transaction():
        earlier = earlier_answer(scope, key, fingerprint=idempotency.fingerprint(asked), now=now)
        if earlier is not None:
            return int(earlier.body["campaign_id"])
        campaign = campaigns.create_campaign(form.chain.id, draft, by=author(), now=now)
        _go_on(form, campaign.id)
        keep_answer(scope, key, Answer(303, {"campaign_id": campaign.id}))
        return campaign.id


@bp.get(f"{ID}/edit")
@access(*HQ_ADMIN)
def edit(campaign_id: int) -> Response | str:
    """The editor with a draft, or with one that was missed."""
    campaign = _campaign(campaign_id)
    if campaign.state not in campaigns.EDITABLE:
        return redirect(_page_of(campaign_id))
    return _editor(form_of(_chain(), campaign), campaign)


@bp.post(f"{ID}/edit")
@access(*HQ_ADMIN)
def rewrite(campaign_id: int) -> Response | tuple[str, int]:
    """Change a draft, and schedule it when asked."""
    form, campaign, now = _form(), _campaign(campaign_id), utc_now()
    if form["do"] not in KEEPING or form.whom.is_building:
        return mail_asked(form) or (_editor(form, campaign, **act(form)), 200)
    try:
        with transaction():
            campaigns.edit_campaign(form.chain.id, campaign_id, form.draft(), by=author(), now=now)
            _go_on(form, campaign_id)
    except DomainError as refusal:
        return _editor(form, campaign, **_wrong(form, refusal)), 422
    return _saved(form, campaign_id)


def _go_on(form: CampaignForm, campaign_id: int) -> None:
    """Schedule it, or let a second person read it, when the button said so."""
    if form["do"] == "schedule":
        campaigns.schedule_campaign(form.chain.id, campaign_id, by=author(), now=utc_now())
    elif form["do"] == "submit":
        approving.submit_campaign(form.chain.id, campaign_id, by=author(), now=utc_now())


def _saved(form: CampaignForm, campaign_id: int) -> Response:
    if form["do"] not in ("schedule", "submit"):  # those say on its page where it stands
        flash(_("Saved as a draft."), "good")
    return redirect(_page_of(campaign_id), 303)


@bp.post("/whom")
@access(*HQ_ADMIN)
def whom() -> str:
    """Whom it reaches, for what has been chosen so far."""
    return render_template("dashboard/campaigns/_whom.html", **reach_of(_form()))


@bp.post("/preview")
@access(*HQ_ADMIN)
def preview() -> str:
    """How it looks, for what has been typed so far."""
    form = _form()
    said = act(form) if form["open"] else {}
    return render_template("dashboard/campaigns/_look_panel.html", **_looks(form), **said)


def _looks(form: CampaignForm) -> dict[str, Any]:
    looks = looks_of(form.chain, form.typed, form.channels(), form["offer_id"], imagines_coupon=form.reminds_of_coupon)
    return looks | {"preview_url": url_for("campaign_editor.preview")}


def _form() -> CampaignForm:
    typed: MultiDict[str, str] = MultiDict(
        (name, value.replace("\0", "")) for name, value in request.form.items(multi=True)
    )
    return CampaignForm(_chain(), typed)


def _wrong(form: CampaignForm, refusal: DomainError) -> dict[str, Any]:
    """The refusal at the field that it is about."""
    if isinstance(refusal, AudienceInvalid):
        return whom_refused(form.whom, refusal)
    return refused(refusal, None if isinstance(refusal, NumberUnreadable) else form.field_of(refusal.part))


def _editor(form: CampaignForm, campaign: Campaign | None = None, **said: Any) -> str:
    chain = form.chain
    set_up = names_set_up(current_app.extensions["settings"])
    channels = [str(name) for name in PushChannel if str(name) in set_up or name in USUAL]
    reach = reach_of(form)
    form.typed.setlist("readers", [":".join(each) for each in reach.get("readers", [])])
    return render_template(
        "dashboard/campaigns/edit.html",
        nav="pushes",
        form=form,
        campaign=campaign,
        action_url=url_for("campaign_editor.rewrite", campaign_id=campaign.id)
        if campaign
        else url_for("campaign_editor.create"),
        offers=[(offer.id, name_of(offer)) for offer in queries.offers_to_hand_out(chain.id)],
        channels=[(name, name in set_up) for name in channels],
        blocks=blocks_of(form.typed, chain.id, chain.language, channels),
        templates=[(each.id, each.name) for each in list_templates(chain.id)],
        variables=VARIABLES,
        purposes=list(Purpose),
        modes=list(ChannelMode),
        most_holdout=MOST_HOLDOUT,
        trial_ways=[str(name) for name in testing.WAYS if str(name) in set_up],
        trial_addresses=testing.addresses_of(actor().id),
        timezone=chain.timezone,
        chain_language=chain.language,
        policy=get_policy(chain.id),
        request_id=form["request_id"] or new_code(),
        name_of=name_of,
        times=times_of(form.typed, chain, now=utc_now()),
        has_zones=len(zones_of(chain)) > 1 or form["zone"] == "member",
        needs_approval=get_oversight(chain.id).needs_approval,
        **builder_parts(form.whom),
        **reach,
        **_looks(form),
        **said,
    )


def _page_of(campaign_id: int) -> str:
    return url_for("campaigns.show", campaign_id=campaign_id)


def _chain() -> Chain:
    return get_chain(actor().chain_id)


def _campaign(campaign_id: int) -> Campaign:
    return campaigns.get_campaign(actor().chain_id, campaign_id)
