"""What is done where a referral looks dishonest: each rule in plain words, and what it did lately."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.figures import number
from app.languages import language
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from sharing import fraud_settings, reward_review
from sharing.fraud_sentences import ACTIONS, MEANINGS, NAMES, THRESHOLDS
from sharing.fraud_settings import LARGEST_THRESHOLD, Setting
from sharing.reward_models import FraudAction, FraudRule
from sharing.reward_review import Done

bp = Blueprint("fraud_rules", __name__, url_prefix="/dashboard/rewards/fraud", template_folder="../templates")
bp.before_request(require_staff)

LATELY = timedelta(days=30)
ACTION, THRESHOLD = "{}_action", "{}_threshold"  # fields of a rule


@bp.get("")
@access(*HQ)
def index() -> str:
    """Each rule: what it means, what is done, what it did."""
    return _page(_kept(fraud_settings.get_settings(actor().chain_id)))


@bp.post("")
@access(*HQ_ADMIN)
def save() -> Response | tuple[str, int]:
    """Write all rules down."""
    settings, errors = _read(request.form)
    if errors:
        return _page(request.form, errors), 422
    try:
        with transaction():
            fraud_settings.set_settings(actor().chain_id, settings.items(), by=author(), now=utc_now())
    except DomainError as refusal:
        return _page(request.form, {"": refusal.say(language())}), 422
    flash(_("Saved. It holds for rewards that are decided from now on."), "good")
    return redirect(url_for("fraud_rules.index"), 303)


def _page(kept: Mapping[str, str], errors: Mapping[str, str] | None = None) -> str:
    done = reward_review.done_since(actor().chain_id, utc_now() - LATELY)
    rules: list[dict[str, Any]] = [
        {
            "rule": rule,
            "name": NAMES[rule],
            "meaning": MEANINGS[rule],
            "counts": THRESHOLDS.get(rule),
            "usual": usual,
            "did": done.get(rule, Done()),
        }
        for rule, usual in fraud_settings.DEFAULTS.items()
    ]
    return render_template(
        "dashboard/rewards/fraud.html",
        nav="rewards",
        rules=rules,
        actions=ACTIONS,
        kept=kept,
        errors=errors or {},
        may_edit=actor().role in HQ_ADMIN,
    )


def _kept(settings: Mapping[FraudRule, Setting]) -> dict[str, str]:
    kept = {}
    for rule, setting in settings.items():
        kept[ACTION.format(rule)] = str(setting.action)
        kept[THRESHOLD.format(rule)] = str(setting.threshold or "")
    return kept


def _read(form: Mapping[str, str]) -> tuple[dict[FraudRule, Setting], dict[str, str]]:
    """The settings that were typed, and what is wrong with which field."""
    settings, errors = {}, {}
    for rule, usual in fraud_settings.DEFAULTS.items():
        action = form.get(ACTION.format(rule), "")
        if action not in list(FraudAction):
            errors[ACTION.format(rule)] = _("Choose what is done.")
            continue
        threshold = None
        if usual.threshold is not None:
            threshold = _threshold(form.get(THRESHOLD.format(rule), ""))
            if threshold is None:
                words = _("A whole number from 2 to %(most)s.", most=f"{LARGEST_THRESHOLD:,}")
                errors[THRESHOLD.format(rule)] = words
        settings[rule] = Setting(FraudAction(action), threshold)
    return settings, errors


def _threshold(text: str) -> int | None:
    try:
        found = number(text)
    except DomainError:
        return None
    return found if 2 <= found <= LARGEST_THRESHOLD else None
