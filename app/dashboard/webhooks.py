"""Webhooks: which partner systems are told what becomes of deliveries, and what they answered."""

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug import Response

from app.auth.guard import HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.frame import chain_of
from app.dashboard.refusing import refused
from app.flashing import flash_with_undo
from app.security import row_number
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from push.partners import endpoints as webhooks
from push.partners.models import WebhookEndpoint
from push.partners.telling import DELIVERY_KINDS

bp = Blueprint("webhooks", __name__, url_prefix="/dashboard/webhooks", template_folder="templates")
bp.before_request(require_staff)
PAGE = 30


@bp.get("")
@access(*HQ_ADMIN)
def index() -> str:
    """Who listens, and a form for one more."""
    return _index_page()


@bp.post("")
@access(*HQ_ADMIN)
def create() -> tuple[str, int]:
    """Let a partner listen, and show its secret, this once."""
    try:
        with transaction():
            made = webhooks.create_endpoint(
                actor().chain_id, _wanted(), is_private=_may_be_private(), by=author(), now=utc_now()
            )
    except DomainError as refusal:
        return _index_page(refusal), 422
    return _show_page(webhooks.get_endpoint(actor().chain_id, made.id), secret=made.secret), 201


@bp.get("/<int:endpoint_id>")
@access(*HQ_ADMIN)
def show(endpoint_id: int) -> str:
    """One endpoint: what it was told, and what it answered."""
    return _show_page(webhooks.get_endpoint(actor().chain_id, endpoint_id))


@bp.post("/<int:endpoint_id>")
@access(*HQ_ADMIN)
def edit(endpoint_id: int) -> Response | tuple[str, int]:
    try:
        with transaction():
            webhooks.edit_endpoint(
                actor().chain_id,
                endpoint_id,
                _wanted(),
                is_private=_may_be_private(),
                by=author(),
                now=utc_now(),
            )
    except webhooks.WebhookUnknown:
        raise
    except DomainError as refusal:
        return _show_page(webhooks.get_endpoint(actor().chain_id, endpoint_id), refusal), 422
    flash(_("Saved."), "good")
    return _back(endpoint_id)


@bp.post("/<int:endpoint_id>/secret")
@access(*HQ_ADMIN)
def new_secret(endpoint_id: int) -> str:
    """A new secret, shown this once; the last one signs for a day more."""
    with transaction():
        secret = webhooks.rotate_secret(actor().chain_id, endpoint_id, by=author(), now=utc_now())
    return _show_page(webhooks.get_endpoint(actor().chain_id, endpoint_id), secret=secret)


@bp.post("/<int:endpoint_id>/test")
@access(*HQ_ADMIN)
def test(endpoint_id: int) -> Response:
    with transaction():
        webhooks.send_test(actor().chain_id, endpoint_id, now=utc_now())
    flash(_("A test is on its way. Its answer stands below in a moment."), "good")
    return _back(endpoint_id)


@bp.post("/<int:endpoint_id>/again")
@access(*HQ_ADMIN)
def again(endpoint_id: int) -> Response:
    """Send what failed once more."""
    with transaction():
        count = webhooks.send_again(actor().chain_id, endpoint_id, now=utc_now())
    flash(ngettext("%(num)s message goes again.", "%(num)s messages go again.", count), "good")
    return _back(endpoint_id)


@bp.post("/<int:endpoint_id>/disable")
@access(*HQ_ADMIN)
def disable(endpoint_id: int) -> Response:
    with transaction():
        webhooks.disable(actor().chain_id, endpoint_id, by=author(), now=utc_now())
    undo = url_for("webhooks.enable", endpoint_id=endpoint_id)
    flash_with_undo(_("It is told nothing more."), undo)
    return _back(endpoint_id)


@bp.post("/<int:endpoint_id>/enable")
@access(*HQ_ADMIN)
def enable(endpoint_id: int) -> Response:
    with transaction():
        webhooks.enable(actor().chain_id, endpoint_id, by=author(), now=utc_now())
    flash(_("It is told again, with what failed meanwhile."), "good")
    return _back(endpoint_id)


@bp.post("/<int:endpoint_id>/remove")
@access(*HQ_ADMIN)
def remove(endpoint_id: int) -> Response:
    with transaction():
        webhooks.remove(actor().chain_id, endpoint_id, by=author(), now=utc_now())
    flash(_("It is gone, with all that it was told."), "good")
    return redirect(url_for("webhooks.index"))


def _wanted() -> webhooks.Wanted:
    form = request.form
    return webhooks.Wanted(form.get("name", ""), form.get("url", ""), form.getlist("kinds"))


def _may_be_private() -> bool:
    """Whether this installation may call addresses of its own network."""
    return bool(current_app.extensions["settings"].webhooks_in_own_network)


def _back(endpoint_id: int) -> Response:
    return redirect(url_for("webhooks.show", endpoint_id=endpoint_id))


def _index_page(refusal: DomainError | None = None) -> str:
    endpoints = webhooks.list_endpoints(actor().chain_id)
    return render_template(
        "dashboard/webhooks/index.html",
        endpoints=endpoints,
        counts=webhooks.count_messages([endpoint.id for endpoint in endpoints]),
        kinds=DELIVERY_KINDS,
        is_full=len(endpoints) >= webhooks.MOST,
        most=webhooks.MOST,
        kept=request.form if refusal else {},
        ticked=request.form.getlist("kinds") if refusal else DELIVERY_KINDS,
        **refused(refusal),
    )


def _show_page(endpoint: WebhookEndpoint, refusal: DomainError | None = None, *, secret: str = "") -> str:
    before = request.args.get("before", type=row_number)
    told = webhooks.list_messages(endpoint.chain_id, endpoint.id, before=before, limit=PAGE)
    return render_template(
        "dashboard/webhooks/show.html",
        endpoint=endpoint,
        secret=secret,
        messages=told,
        counts=webhooks.count_messages([endpoint.id])[endpoint.id],
        zone=chain_of(actor()).timezone,
        before=before,
        next_before=told[-1].id if len(told) == PAGE else None,
        kinds=DELIVERY_KINDS,
        kept=request.form if refusal else {"name": endpoint.name, "url": endpoint.url},
        ticked=request.form.getlist("kinds") if refusal else endpoint.kinds or DELIVERY_KINDS,
        kept_days=webhooks.KEPT.days,
        **refused(refusal),
    )
