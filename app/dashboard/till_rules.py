"""Head office's rules: what each role may undo and refund at a till, and whether offers need a second person."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth.guard import HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.figures import amount, currency_sign, number, plain_amount
from app.dashboard.frame import chain_of
from app.languages import language, say
from checkout import policies
from checkout.policies import Policy
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from core.text import Text
from coupons import approval, terms
from stores.models import Role

bp = Blueprint("till_rules", __name__, url_prefix="/dashboard/settings/till", template_folder="templates")
bp.before_request(require_staff)

UNITS = {"minutes": 1, "hours": 60, "days": 1440}
ROLES = tuple(policies.DEFAULTS)


@bp.get("")
@access(*HQ_ADMIN)
def index() -> str:
    """Who may undo and refund what by himself, and how offers begin."""
    return _page(_kept(policies.list_policies(actor().chain_id)))


@bp.post("")
@access(*HQ_ADMIN)
def save() -> Response | tuple[str, int]:
    chain_id = actor().chain_id
    try:
        wanted = {role: _policy_of(role, request.form) for role in ROLES}
        with transaction():
            for role, policy in wanted.items():
                policies.set_policy(chain_id, role, policy, by=author(), now=utc_now())
    except DomainError as refusal:
        return _page(request.form, refusal), 422
    flash(_("Saved."), "good")
    return redirect(url_for("till_rules.index"))


@bp.post("/offers")
@access(*HQ_ADMIN)
def save_offers() -> Response:
    """Whether a draft of an offer waits for a second person."""
    needed = request.form.get("needs_approval") == "yes"
    with transaction():
        if approval.needs_approval(actor().chain_id) != needed:
            approval.set_needs_approval(actor().chain_id, needed, by=author(), now=utc_now())
    flash(_("Saved."), "good")
    return redirect(url_for("till_rules.index"))


@bp.get("/preview")
@access(*HQ_ADMIN)
def preview() -> str:
    """What the form says so far, in plain words."""
    return render_template("dashboard/settings/_till_preview.html", sentences=_sentences(request.args))


def _page(kept: Mapping[str, str], refusal: DomainError | None = None) -> str:
    return render_template(
        "dashboard/settings/till.html",
        roles=ROLES,
        units=list(UNITS),
        kept=kept,
        sign=currency_sign(chain_of(actor()).currency, language()),
        sentences=_sentences(kept),
        needs_approval=approval.needs_approval(actor().chain_id),
        error=refusal.say(language()) if refusal else "",
    )


def _kept(present: Mapping[Role, Policy]) -> dict[str, str]:
    """The rules in force as the form shows them."""
    kept = {}
    for role, policy in present.items():
        unit = next(name for name in reversed(UNITS) if policy.window_minutes % UNITS[name] == 0)
        unit = unit if policy.window_minutes else "minutes"
        kept[f"{role}_window"] = str(policy.window_minutes // UNITS[unit])
        kept[f"{role}_unit"] = unit
        kept[f"{role}_same_day"] = "yes" if policy.is_same_day_only else ""
        most = policy.most_refund_cents
        kept[f"{role}_most"] = "" if most is None else plain_amount(most, chain_of(actor()).currency)
    return kept


def _policy_of(role: Role, form: Mapping[str, str]) -> Policy:
    """Raises NumberUnreadable."""
    most = form.get(f"{role}_most", "").strip()
    return Policy(
        number(form.get(f"{role}_window", "")) * UNITS.get(form.get(f"{role}_unit", ""), 1),
        form.get(f"{role}_same_day") == "yes",
        amount(most, chain_of(actor()).currency) if most else None,
    )


def _sentences(form: Mapping[str, str]) -> list[tuple[Role, str]]:
    """For each role, what it may do by itself; or what is wrong with its figures."""
    said = []
    for role in ROLES:
        try:
            said.append((role, _sentence(_policy_of(role, form))))
        except DomainError as refusal:
            said.append((role, refusal.say(language())))
    return said


def _sentence(policy: Policy) -> str:
    if policy.window_minutes <= 0:
        return _("undoes and refunds nothing without a PIN.")
    values: dict[str, Any] = {"window": say(_window(policy))}
    if policy.most_refund_cents is None:
        return _("undoes and refunds any amount %(window)s.", **values)
    if policy.most_refund_cents <= 0:
        return _("undoes %(window)s, and refunds nothing without a PIN.", **values)
    values["most"] = say(terms.amount(policy.most_refund_cents, chain_of(actor()).currency))
    return _("undoes %(window)s, and refunds up to %(most)s of a sale.", **values)


def _window(policy: Policy) -> Text:
    """30 分钟内（限当个营业日）, within 2 hours."""
    words = policy._replace(is_same_day_only=False).words
    same_day = Text("（限当个营业日）", " on the same business day") if policy.is_same_day_only else Text("", "")
    return Text(f"{words.zh}内{same_day.zh}", f"within {words.en}{same_day.en}")
