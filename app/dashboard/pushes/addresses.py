"""Addresses that messages do not go to any more, with the reason; head office may let them go there again."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.frame import chain_of
from app.security import row_number
from core.clock import utc_now
from core.db import transaction
from push.channels import suppressing
from push.models import PushChannel

bp = Blueprint("addresses", __name__, url_prefix="/dashboard/campaigns/addresses", template_folder="../templates")
bp.before_request(require_staff)

PAGE = 50


@bp.get("")
@access(*HQ)
def index() -> str:
    """The list, the newest first."""
    asked = _asked()
    before = request.args.get("before", type=row_number)
    rows = suppressing.list_suppressions(actor().chain_id, **asked, before=before, limit=PAGE + 1)
    more = rows[PAGE - 1].row.id if len(rows) > PAGE else None
    counts = suppressing.count_suppressions(actor().chain_id)
    return render_template(
        "dashboard/addresses/index.html",
        nav="pushes",
        rows=rows[:PAGE],
        counts=counts,
        total=sum(counts.values()),
        channels=[str(channel) for channel in PushChannel if str(channel) in counts or channel == asked["channel"]],
        asked=asked,
        before=before,
        next_url=url_for("addresses.index", **asked, before=more) if more else "",
        zone=chain_of(actor()).timezone,
        may_edit=actor().role in HQ_ADMIN,
    )


@bp.post("/<int:suppression_id>/lift")
@access(*HQ_ADMIN)
def lift(suppression_id: int) -> Response:
    """Let messages go there again."""
    with transaction():
        lifted = suppressing.lift(actor().chain_id, suppression_id, by=author(), now=utc_now())
    flash(_("Messages may go to %(address)s again, from the next one on.", address=lifted.address), "good")
    return redirect(url_for("addresses.index", **_asked()), 303)


def _asked() -> dict[str, Any]:
    channel = request.args.get("channel", "")
    search = request.args.get("search", "").strip()[:254]
    return {"channel": channel if channel in set(PushChannel) else "", "search": search}
