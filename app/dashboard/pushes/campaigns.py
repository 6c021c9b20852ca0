"""Pushes: the list, and what became of every message. They are written in campaign_editor.py."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.personal import called_masked
from app.dashboard.pushes.campaign_form import form_of
from app.dashboard.pushes.campaign_progress import newest_runs, progress_parts, run_lines
from app.dashboard.pushes.campaign_showing import (
    WAITING,
    approval_of,
    moment_of,
    planned,
    seconds_left,
    share,
    stale_sentence,
)
from app.dashboard.pushes.message_preview import looks_of
from app.dashboard.pushes.schedule_form import shown_times, times_of
from app.flashing import flash_with_undo
from app.languages import language
from app.security import row_number
from app.wallet.showing import moment_shown, name_of
from cards.contacts import masked_phone
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, NotFound
from core.text import Text
from coupons.offers import get_offer
from push import campaigns, queries, runs, sentences
from push.models import Campaign, CampaignState, DeliveryState, PushChannel, Run, SkipReason
from push.progress import explain
from push.runs import States
from push.timing.scheduling import REPEATING
from stores.models import Chain
from stores.queries import get_chain

bp = Blueprint("campaigns", __name__, url_prefix="/dashboard/campaigns", template_folder="../templates")
bp.before_request(require_staff)

PAGE = 30
ROWS = 50
ID = "/<int:campaign_id>"
LIVE = (CampaignState.SCHEDULED, CampaignState.RUNNING)


class Line(NamedTuple):
    """A campaign in the list."""

    campaign: Campaign
    schedule: Text
    run: Run | None
    sums: States
    when: str
    approval: str  # waiting, approved, or nothing


# --- The list ------------------------------------------------------------------------------------------------------


@bp.get("")
@access(*HQ)
def index() -> str:
    """Every campaign, where it stands and how far its newest run came."""
    chain, after = _chain(), request.args.get("after", type=row_number)
    found = campaigns.list_campaigns(chain.id, after=after, limit=PAGE)
    return render_template(
        "dashboard/campaigns/index.html",
        nav="pushes",
        lines=_lines(chain, found),
        after=after,
        next_after=found[-1].id if len(found) == PAGE else None,
        may_edit=_may_edit(),
        share=share,
    )


def _lines(chain: Chain, found: Sequence[Campaign]) -> list[Line]:
    newest = queries.newest_runs([campaign.id for campaign in found])
    states = runs.count_states([run.id for run in newest.values()])
    lines = []
    for campaign in found:
        run = newest.get(campaign.id)
        schedule = sentences.schedule_sentence(campaign.schedule, chain.timezone)
        of_run = states[run.id] if run else States()
        lines.append(Line(campaign, schedule, run, of_run, _when(chain, campaign, run), _approval(campaign)))
    return lines


def _approval(campaign: Campaign) -> str:
    if campaign.state != CampaignState.DRAFT or campaign.submitted_at is None:
        return ""
    return "approved" if campaign.approved_at else "waiting"


def _when(chain: Chain, campaign: Campaign, run: Run | None) -> str:
    """What is next, else what was last."""
    if campaign.state == CampaignState.MISSED and campaign.send_at:
        return str(_("should have gone out %(moment)s", moment=planned(campaign.send_at, chain)))
    if campaign.state == CampaignState.SCHEDULED and campaign.next_run_at:
        moment = planned(campaign.next_run_at, chain)
        is_event = campaign.schedule["kind"] == "event"
        return str(_("begins %(moment)s", moment=moment) if is_event else _("goes out %(moment)s", moment=moment))
    if run is not None:
        moment = moment_shown(run.started_at, chain.timezone, now=utc_now())
        return str(_("went out %(moment)s", moment=moment))
    return ""


# --- One campaign --------------------------------------------------------------------------------------------------


@bp.get(ID)
@access(*HQ)
def show(campaign_id: int) -> str:
    """Where it stands: every message is counted in exactly one place."""
    chain, campaign = _chain(), _campaign(campaign_id)
    found, run = newest_runs(chain, campaign)
    return render_template(
        "dashboard/campaigns/show.html",
        nav="pushes",
        offer=get_offer(chain.id, campaign.offer_id) if campaign.offer_id else None,
        audience=sentences.audience_sentence(chain, campaign.audience),
        schedule=sentences.schedule_sentence(campaign.schedule, chain.timezone),
        times=shown_times(campaign.schedule, chain, now=utc_now()) if _has_times(campaign, run) else None,
        stale=stale_sentence(campaign),
        missed_at=planned(campaign.send_at, chain) if campaign.send_at else "",
        seconds_left=seconds_left(campaign),
        repeats=campaign.schedule["kind"] in REPEATING,
        approval=approval_of(campaign, author().name, may_edit=_may_edit()),
        may_edit=_may_edit(),
        run_lines=run_lines(chain, found) if len(found) > 1 else [],
        variant_words=_variants(campaign),
        name_of=name_of,
        **_looks(chain, campaign),
        **progress_parts(chain, campaign, run),
        **_consequences(campaign),
    )


def _has_times(campaign: Campaign, run: Run | None) -> bool:
    """Whether it has times to come: what goes once has none any more after it went."""
    if campaign.schedule["kind"] == "now":
        return campaign.state == CampaignState.DRAFT
    is_over = campaign.schedule["kind"] == "at" and run is not None
    return not is_over and campaign.state in (CampaignState.DRAFT, *LIVE, CampaignState.PAUSED, CampaignState.MISSED)


def _variants(campaign: Campaign) -> str:
    """The versions with their shares: A 50%, B 50%."""
    return ", ".join(f"{each['label']} {each['share_bp'] / 100:g}%" for each in campaign.variants)


def _looks(chain: Chain, campaign: Campaign) -> dict[str, Any]:
    """The message as it is read, on the channel and in the version that were chosen to look at."""
    form = form_of(chain, campaign)
    for name in ("shown_channel", "shown_label"):
        form.typed[name] = request.args.get(name, "").replace("\0", "")
    offer_id = str(campaign.offer_id or "")
    return looks_of(chain, form.typed, campaign.channels, offer_id, imagines_coupon=form.reminds_of_coupon)


@bp.get(f"{ID}/progress")
@access(*HQ)
def progress(campaign_id: int) -> str | Response:
    """The part of the page that moves; the whole page anew when the campaign has come into another state."""
    chain, campaign = _chain(), _campaign(campaign_id)
    if request.args.get("seen", campaign.state) != campaign.state:
        return Response(status=204, headers={"HX-Refresh": "true"})
    _found, run = newest_runs(chain, campaign)
    parts = progress_parts(chain, campaign, run)
    return render_template("dashboard/campaigns/_progress.html", may_edit=_may_edit(), **parts)


@bp.post("/times")
@access(*HQ_ADMIN)
def times() -> str:
    """What the schedule that was typed so far means, and its next times."""
    typed: MultiDict[str, str] = MultiDict(
        (name, value.replace("\0", "")) for name, value in request.form.items(multi=True)
    )
    return render_template("dashboard/campaigns/_times.html", times=times_of(typed, _chain(), now=utc_now()))


def _consequences(campaign: Campaign) -> dict[str, Any]:
    """What each button would do, in numbers."""
    open_runs = [run for run in runs.list_runs(campaign.chain_id, campaign.id) if run.state in ("running", "paused")]
    sums = runs.count_states([run.id for run in open_runs])
    waiting = sum(each.states[state] for each in sums.values() for state in WAITING)
    return {
        "cancel_says": str(
            ngettext(
                "%(num)d message that has not gone will never go. What has gone stays.",
                "%(num)d messages that have not gone will never go. What has gone stays.",
                waiting,
            )
            if waiting
            else _("It will never go out. The text stays here to be copied.")
        ),
        "pause_says": str(
            ngettext("%(num)d message waits until you resume.", "%(num)d messages wait until you resume.", waiting)
            if waiting
            else _("It waits until you resume.")
        ),
    }


@bp.get(f"{ID}/deliveries")
@access(*HQ)
def deliveries(campaign_id: int) -> str:
    """The rows behind a number."""
    chain, campaign = _chain(), _campaign(campaign_id)
    found = runs.list_runs(chain.id, campaign_id)
    asked = request.args.get("run", type=int)
    run = next((each for each in found if each.id == asked), found[0] if found else None)
    if run is None:
        raise NotFound()
    chosen = {name: request.args.get(name, "").replace("\0", "") for name in ("channel", "state", "reason", "error")}
    after = request.args.get("after", 0, type=row_number)
    rows = queries.list_deliveries(chain.id, run.id, **chosen, after=after, limit=ROWS)
    now = utc_now()
    return render_template(
        "dashboard/campaigns/deliveries.html",
        nav="pushes",
        campaign=campaign,
        run=run,
        rows=[
            (row, called_masked(name, number), masked_phone(phone), moment_of(row, chain, now))
            for row, name, phone, number in rows
        ],
        chosen=chosen,
        channels=list(PushChannel),
        states=list(DeliveryState),
        reasons=list(SkipReason),
        explain=explain,
        after=after,
        next_after=rows[-1][0].id if len(rows) == ROWS else None,
    )


# --- What can be done to it ----------------------------------------------------------------------------------------


@bp.post(f"{ID}/schedule")
@access(*HQ_ADMIN)
def schedule(campaign_id: int) -> Response:
    """Let it go out as it was written."""
    try:
        with transaction():
            campaigns.schedule_campaign(actor().chain_id, campaign_id, by=author(), now=utc_now())
    except DomainError as refusal:
        _refuse(refusal)
    return redirect(_page_of(campaign_id), 303)


@bp.post(f"{ID}/stop")
@access(*HQ_ADMIN)
def stop(campaign_id: int) -> Response:
    """Take it back before it goes out."""
    return _move(campaign_id, campaigns.stop_campaign, _("Taken back. It is a draft again; nobody was told."))


@bp.post(f"{ID}/pause")
@access(*HQ_ADMIN)
def pause(campaign_id: int) -> Response:
    """Hold everything that has not gone."""
    return _move(campaign_id, campaigns.pause_campaign, "")  # its page says that it waits, with the way back


@bp.post(f"{ID}/resume")
@access(*HQ_ADMIN)
def resume(campaign_id: int) -> Response:
    """Go on."""
    return _move(campaign_id, campaigns.resume_campaign, _("It goes on."), undo="campaigns.pause")


@bp.post(f"{ID}/cancel")
@access(*HQ_ADMIN)
def cancel(campaign_id: int) -> Response:
    """End it for good."""
    return _move(campaign_id, campaigns.cancel_campaign, _("Cancelled. Nothing more of it goes out."))


def _move(campaign_id: int, change: Callable[..., Campaign], done: str, *, undo: str = "") -> Response:
    try:
        with transaction():
            campaign = change(actor().chain_id, campaign_id, by=author(), now=utc_now())
    except DomainError as refusal:
        _refuse(refusal)
    else:
        can_undo = undo and campaign.state in (*LIVE, CampaignState.PAUSED)
        if done:
            flash_with_undo(done, url_for(undo, campaign_id=campaign_id) if can_undo else None)
    return redirect(_page_of(campaign_id), 303)


def _refuse(refusal: DomainError) -> None:
    if isinstance(refusal, NotFound):
        raise refusal
    flash(refusal.say(language()), "bad")


def _page_of(campaign_id: int) -> str:
    return url_for("campaigns.show", campaign_id=campaign_id)


def _chain() -> Chain:
    return get_chain(actor().chain_id)


def _campaign(campaign_id: int) -> Campaign:
    return campaigns.get_campaign(actor().chain_id, campaign_id)


def _may_edit() -> bool:
    return actor().role in HQ_ADMIN
