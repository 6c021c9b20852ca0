"""The chain's own channels of sharing: a table card, a courier slip; added, renamed, put away, used again."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, access, actor, author, require_staff
from app.flashing import flash_with_undo
from app.languages import language
from app.security import row_number
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, NotFound
from sharing import channels
from sharing.models import OwnChannel

bp = Blueprint("own_channels", __name__, url_prefix="/dashboard/rewards/channels", template_folder="../templates")
bp.before_request(require_staff)

CHANNEL = "/<int:channel_id>"


@bp.get("")
@access(*HQ)
def index() -> str:
    """The channels with what they made, and the form of a new one; or of one that is changed."""
    wanted = request.args.get("change", type=row_number)
    changing = channels.get_own(actor().chain_id, wanted) if wanted and actor().role in HQ_ADMIN else None
    return _page(changing=changing, typed=_kept(changing) if changing else None)


@bp.post("")
@access(*HQ_ADMIN)
def add() -> Response | tuple[str, int]:
    """A new channel; its code is for good."""
    code = request.form.get("code", "").strip().lower()
    try:
        with transaction():
            channels.add_channel(actor().chain_id, code, **_typed(), by=author(), now=utc_now())
    except DomainError as refusal:
        return _page(typed=request.form, problem=refusal.say(language())), 422
    flash(_("It can be used from now on."), "good")
    return redirect(url_for("own_channels.index"), 303)


@bp.post(CHANNEL)
@access(*HQ_ADMIN)
def change(channel_id: int) -> Response | tuple[str, int]:
    """Other names, or for members too."""
    try:
        with transaction():
            channels.change_channel(actor().chain_id, channel_id, **_typed(), by=author(), now=utc_now())
    except NotFound:
        raise
    except DomainError as refusal:
        changing = channels.get_own(actor().chain_id, channel_id)
        return _page(changing=changing, typed=request.form, problem=refusal.say(language())), 422
    flash(_("Saved."), "good")
    return redirect(url_for("own_channels.index"), 303)


@bp.post(f"{CHANNEL}/archive")
@access(*HQ_ADMIN)
def archive(channel_id: int) -> Response:
    """No new links by it."""
    with transaction():
        channels.archive_channel(actor().chain_id, channel_id, by=author(), now=utc_now())
    undo = url_for("own_channels.restore", channel_id=channel_id)
    flash_with_undo(_("It is put away. Links that were made by it still work."), undo)
    return redirect(url_for("own_channels.index"), 303)


@bp.post(f"{CHANNEL}/restore")
@access(*HQ_ADMIN)
def restore(channel_id: int) -> Response:
    """Use it again."""
    with transaction():
        channels.restore_channel(actor().chain_id, channel_id, by=author(), now=utc_now())
    flash(_("It can be used again."), "good")
    return redirect(url_for("own_channels.index"), 303)


def _typed() -> dict[str, Any]:
    form = request.form
    return {
        "name": form.get("name", ""),
        "name_en": form.get("name_en", ""),
        "is_for_members": form.get("is_for_members") == "yes",
    }


def _kept(channel: OwnChannel) -> dict[str, Any]:
    return {name: getattr(channel, name) for name in ("name", "name_en", "is_for_members")}


def _page(*, changing: OwnChannel | None = None, typed: Any = None, problem: str = "") -> str:
    """``changing`` is the channel whose form was wrong; without it, it was the form of a new one."""
    return render_template(
        "dashboard/rewards/channels.html",
        nav="rewards",
        channels=channels.list_own(actor().chain_id, with_archived=True),
        links=channels.count_links(actor().chain_id),
        changing=changing,
        typed=typed or {},
        problem=problem,
        may_edit=actor().role in HQ_ADMIN,
    )
