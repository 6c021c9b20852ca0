"""What is decided about a push: a second person's word, what was missed, new words, another try."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.auth.guard import HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.pushes.campaign_form import CampaignForm, form_of
from app.dashboard.pushes.message_form import blocks_of, texts_of
from app.dashboard.refusing import refused
from app.languages import language
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, NotFound
from push import approving, campaigns, rewording, runs, watching
from push.errors import RunNotFound
from push.models import Campaign, CampaignState, PushChannel
from push.rewording import Wording
from push.wording.texts import VARIABLES
from stores.queries import get_chain

bp = Blueprint("campaign_decisions", __name__, url_prefix="/dashboard/campaigns", template_folder="../templates")
bp.before_request(require_staff)

ID = "/<int:campaign_id>"
Change = Callable[..., Campaign]


@bp.post(f"{ID}/submit")
@access(*HQ_ADMIN)
def submit(campaign_id: int) -> Response:
    """Let a second person read it."""
    return _move(campaign_id, approving.submit_campaign)


@bp.post(f"{ID}/approve")
@access(*HQ_ADMIN)
def approve(campaign_id: int) -> Response:
    """Approve what somebody else wrote, as it was read; and let it go by its schedule when asked."""
    read: Change = partial(approving.approve_campaign, submitted_at=_moment(request.form.get("submitted_at", "")))
    if not request.form.get("schedule"):
        return _move(campaign_id, read)

    def approve_and_schedule(*args: Any, **kwargs: Any) -> Campaign:
        read(*args, **kwargs)
        return campaigns.schedule_campaign(*args, **kwargs)

    return _move(campaign_id, approve_and_schedule)


@bp.post(f"{ID}/send-back")
@access(*HQ_ADMIN)
def send_back(campaign_id: int) -> Response:
    """Give it back to whoever wrote it, with a word."""
    reason = request.form.get("reason", "").replace("\0", "")
    return _move(campaign_id, partial(approving.send_back_campaign, reason=reason))


@bp.post(f"{ID}/missed")
@access(*HQ_ADMIN)
def missed(campaign_id: int) -> Response:
    """Decide about one whose time passed while nothing was running: send it now, wait for its next time, drop it."""
    change, done = {
        "now": (campaigns.send_missed, ""),
        "next": (campaigns.resume_campaign, _("It waits for its next time.")),
        "drop": (campaigns.cancel_campaign, _("Dropped. Nothing of it goes out.")),
    }.get(request.form.get("do", ""), (None, ""))
    if change is None:
        raise NotFound()
    return _move(campaign_id, change, done)


@bp.post(f"{ID}/runs/<int:run_id>/retry")
@access(*HQ_ADMIN)
def retry(campaign_id: int, run_id: int) -> Response:
    """Try again what failed in a run: one kind of error, or all of it."""
    error = request.form.get("error", "").replace("\0", "") or None
    campaign = campaigns.get_campaign(actor().chain_id, campaign_id)
    if runs.find_run(actor().chain_id, campaign_id, run_id) is None:
        raise RunNotFound()
    try:
        with transaction():
            again = watching.retry_failed(campaign.chain_id, run_id, error=error, by=author(), now=utc_now())
    except DomainError as refusal:
        _refuse(refusal)
    else:
        words = ngettext("%(num)d message is tried again.", "%(num)d messages are tried again.", again)
        still = _(" It goes when you resume.") if campaign.state == CampaignState.PAUSED and again else ""
        flash(words + still, "good" if again else "warn")
    return redirect(url_for("campaigns.show", campaign_id=campaign_id, run=run_id), 303)


@bp.get(f"{ID}/words")
@access(*HQ_ADMIN)
def words(campaign_id: int) -> Response | str:
    """New words for what has not gone of a paused campaign."""
    campaign = campaigns.get_campaign(actor().chain_id, campaign_id)
    if campaign.state != CampaignState.PAUSED:
        return redirect(_page_of(campaign_id))
    return _words_page(campaign, form_of(get_chain(campaign.chain_id), campaign).typed)


@bp.post(f"{ID}/words")
@access(*HQ_ADMIN)
def reword(campaign_id: int) -> Response | tuple[str, int]:
    """Let what has not gone say the new words."""
    chain_id, typed = actor().chain_id, _typed()
    own = {name: typed.get(name, "").replace("\r\n", "\n") for name in ("title", "title_en", "body", "body_en")}
    try:
        with transaction():
            wording = Wording(**own, texts=texts_of(typed))
            moved = rewording.reword_campaign(chain_id, campaign_id, wording, by=author(), now=utc_now())
    except DomainError as refusal:
        if isinstance(refusal, NotFound):
            raise
        campaign = campaigns.get_campaign(chain_id, campaign_id)
        return _words_page(campaign, typed, refusal), 422
    text = ngettext(
        "%(num)d message will say the new words once you resume.",
        "%(num)d messages will say the new words once you resume.",
        moved,
    )
    flash(text if moved else _("What goes out from now on says the new words."), "good")
    return redirect(_page_of(campaign_id), 303)


def _words_page(campaign: Campaign, typed: "MultiDict[str, str]", refusal: DomainError | None = None) -> str:
    chain = get_chain(campaign.chain_id)
    typed["variants"] = str(max(1, len(campaign.variants)))
    part = refusal.part if refusal else ""
    is_word = "." in part or part in rewording.WORDS
    return render_template(
        "dashboard/campaigns/words.html",
        nav="pushes",
        campaign=campaign,
        form=_Fields(typed),
        blocks=blocks_of(typed, chain.id, chain.language, _channels(campaign)),
        variables=VARIABLES,
        chain_language=chain.language,
        waiting=rewording.count_waiting(campaign),
        **refused(refusal, CampaignForm(chain, typed).field_of(part) if is_word else ""),
    )


def _channels(campaign: Campaign) -> list[str]:
    """Those it goes by, and others that it has words for."""
    written = {channel for by_channel in campaign.texts.values() for channel in by_channel}
    return [str(name) for name in PushChannel if name in campaign.channels or name in written]


class _Fields:
    """The fields of the form by their names, as the editor's macros want them."""

    def __init__(self, typed: "MultiDict[str, str]") -> None:
        self._typed = typed

    def __getitem__(self, name: str) -> str:
        return self._typed.get(name, "")


def _typed() -> "MultiDict[str, str]":
    return MultiDict((name, value.replace("\0", "")) for name, value in request.form.items(multi=True))


def _move(campaign_id: int, change: Change, done: str = "") -> Response:
    """``done`` is what the campaign's page does not say by itself: where it stands now, why, and the way back."""
    try:
        with transaction():
            change(actor().chain_id, campaign_id, by=author(), now=utc_now())
    except DomainError as refusal:
        _refuse(refusal)
    else:
        if done:
            flash(done, "good")
    return redirect(_page_of(campaign_id), 303)


def _refuse(refusal: DomainError) -> None:
    if isinstance(refusal, NotFound):
        raise refusal
    flash(refusal.say(language()), "bad")


def _moment(text: str) -> datetime:
    """A moment that a page of ours has sent along."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def _page_of(campaign_id: int) -> str:
    return url_for("campaigns.show", campaign_id=campaign_id)
