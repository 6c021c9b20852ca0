"""The editor of pushes, with its live count and its phones."""

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.auth.guard import HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.campaign_form import CampaignForm, form_of, fresh_form, stores_to_tick, tiers_to_tick
from app.dashboard.campaign_showing import preview_of
from app.languages import language
from app.security import row_number
from app.wallet.showing import name_of
from app.worker import names_set_up
from core import idempotency
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from core.idempotency import Answer, earlier_answer, keep_answer
from core.tokens import new_code
from push import campaigns, queries
from push.models import Campaign, PushChannel
from push.policies import get_policy
from push.scheduling import WEEKDAYS
from stores.models import Chain
from stores.queries import get_chain

bp = Blueprint("campaign_editor", __name__, url_prefix="/dashboard/campaigns", template_folder="templates")
bp.before_request(require_staff)

USUAL = (PushChannel.INBOX, PushChannel.EMAIL, PushChannel.GATEWAY)  # shown even where they are not set up
ID = "/<int:campaign_id>"


@bp.get("/new")
@access(*HQ_ADMIN)
def new() -> str:
    """An empty editor, or one filled with another campaign."""
    chain, copied = _chain(), request.args.get("copy", type=row_number)
    if copied is None:
        return _editor(fresh_form(chain))
    form = form_of(chain, campaigns.get_campaign(chain.id, copied))
    form.typed["name"] = str(_("%(name)s (copy)", name=form["name"]))[:80]
    return _editor(form)


@bp.post("")
@access(*HQ_ADMIN)
def create() -> Response | tuple[str, int]:
    """Write the draft down, and schedule it when asked; the same form sent twice is one campaign."""
    form = _form()
    try:
        campaign_id = _create_once(form)
    except DomainError as refusal:
        return _editor(form, problem=refusal.say(language())), 422
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
        if form["do"] == "schedule":
            campaigns.schedule_campaign(form.chain.id, campaign.id, by=author(), now=now)
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
    try:
        with transaction():
            campaigns.edit_campaign(form.chain.id, campaign_id, form.draft(), by=author(), now=now)
            if form["do"] == "schedule":
                campaigns.schedule_campaign(form.chain.id, campaign_id, by=author(), now=now)
    except DomainError as refusal:
        return _editor(form, campaign, problem=refusal.say(language())), 422
    return _saved(form, campaign_id)


def _saved(form: CampaignForm, campaign_id: int) -> Response:
    if form["do"] != "schedule":  # what is scheduled says so on its page, with the way back
        flash(_("Saved as a draft."), "good")
    return redirect(_page_of(campaign_id), 303)


@bp.post("/preview")
@access(*HQ_ADMIN)
def preview() -> str:
    """For what has been typed so far: whom it reaches, and how it looks on the phone."""
    return render_template("dashboard/campaigns/_preview.html", **preview_of(_form()))


def _form() -> CampaignForm:
    typed: MultiDict[str, str] = MultiDict(
        (name, value.replace("\0", "")) for name, value in request.form.items(multi=True)
    )
    return CampaignForm(_chain(), typed)


def _editor(form: CampaignForm, campaign: Campaign | None = None, *, problem: str = "") -> str:
    chain = form.chain
    set_up = names_set_up(current_app.extensions["settings"])
    return render_template(
        "dashboard/campaigns/edit.html",
        nav="pushes",
        form=form,
        campaign=campaign,
        problem=problem,
        stores=stores_to_tick(chain.id),
        tiers=tiers_to_tick(chain.id),
        offers=[(offer.id, name_of(offer)) for offer in queries.offers_to_hand_out(chain.id)],
        channels=[(str(name), str(name) in set_up) for name in PushChannel if str(name) in set_up or name in USUAL],
        weekdays=WEEKDAYS,
        timezone=chain.timezone,
        chain_language=chain.language,
        policy=get_policy(chain.id),
        request_id=form["request_id"] or new_code(),
        name_of=name_of,
        **preview_of(form),
    )


def _page_of(campaign_id: int) -> str:
    return url_for("campaigns.show", campaign_id=campaign_id)


def _chain() -> Chain:
    return get_chain(actor().chain_id)


def _campaign(campaign_id: int) -> Campaign:
    return campaigns.get_campaign(actor().chain_id, campaign_id)
