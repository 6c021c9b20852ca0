"""Head office's list of stores, taken in by page: choose the file, see what it would do, do it.

The file stays in the browser between the two steps; the server keeps nothing.
"""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from werkzeug.wrappers import Response

from app.auth.guard import HQ_ADMIN, access, actor, author
from app.dashboard.store_words import field_labels
from app.languages import language
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from stores.importing import ImportPlan, counts, import_stores, lock_stores, plan_import
from stores.store_files import FIELDS, FileColumnsMissing, FileColumnUnknown, FileEmpty, StoreFile, read_store_file

SHOWN = 200  # refused lines in the page; the file has them all
NONE = "-"  # what a select sends for "this field is not in the file"


def add_routes(bp: Blueprint) -> None:
    """Its pages stand among those of the stores."""
    bp.add_url_rule("/import", "import_page", import_page, methods=["GET"])
    bp.add_url_rule("/import/check", "check_import", check_import, methods=["POST"])
    bp.add_url_rule("/import", "do_import", do_import, methods=["POST"])


@access(*HQ_ADMIN)
def import_page() -> str:
    """Choose the file."""
    return _page({})


@access(*HQ_ADMIN)
def check_import() -> str | tuple[str, int]:
    """Say what the file would do, and change nothing."""
    try:
        file = _sent_file()
        report = _report(file, plan_import(actor().chain_id, file))
    except DomainError as refusal:
        report = _refusal(refusal)
    if request.headers.get("HX-Request"):
        return render_template("dashboard/stores/_report.html", **report)
    return _page(report)


@access(*HQ_ADMIN)
def do_import() -> str | Response | tuple[str, int]:
    """Take the file in."""
    try:
        file = _sent_file()
        with transaction():
            lock_stores(actor().chain_id)
            plan = plan_import(actor().chain_id, file)
            import_stores(plan, by=author(), now=utc_now())
    except DomainError as refusal:
        return _page(_refusal(refusal)), 422
    flash(_done(plan), "warn" if plan.refused else "good")
    return redirect(url_for("stores.index"))


def _sent_file() -> StoreFile:
    upload = request.files.get("file")
    data = upload.read() if upload else b""
    if not data:
        raise FileEmpty
    try:
        return read_store_file(data, _mapping())
    except FileColumnUnknown:  # another file was chosen since: the selects are about the one before
        return read_store_file(data)


def _mapping() -> dict[str, str]:
    """The columns as the page's selects name them; none before the first check."""
    given = {field: request.form.get(f"map-{field}", "") for field in FIELDS}
    return {field: "" if column == NONE else column for field, column in given.items() if column}


def _page(report: dict[str, Any]) -> str:
    return render_template("dashboard/stores/import.html", nav="stores", **report)


def _report(file: StoreFile, plan: ImportPlan) -> dict[str, Any]:
    return {
        "plan": plan,
        "totals": counts(plan),
        "refused": [(line, line.reason.say(language())) for line in plan.refused[:SHOWN]],
        "shown": SHOWN,
        "headers": _named(file.headers),
        "columns": plan.columns,
        "labels": field_labels(),
        "none": NONE,
    }


def _refusal(refusal: DomainError) -> dict[str, Any]:
    """The refusal of a whole file; where columns are missing, with the ones it has, to choose from."""
    return {
        "problem": _sentence(refusal),
        "code": refusal.code,
        "headers": _named(refusal.context.get("headers", [])),
        "columns": {},
        "labels": field_labels(),
        "none": NONE,
    }


def _sentence(refusal: DomainError) -> str:
    """What to tell the reader; fields by the names that they have on the page."""
    if not isinstance(refusal, FileColumnsMissing):
        return refusal.say(language())
    labels = field_labels()
    missing = gettext(", ").join(labels[field] for field in str(refusal.context["missing"]).split(", "))
    return refusal.sentence.say(language(), **refusal.context | {"missing": missing})


def _named(headers: object) -> list[str]:
    """Headers that can be chosen: each once, none without a name."""
    return list(dict.fromkeys(header for header in headers if header)) if isinstance(headers, list) else []


def _done(plan: ImportPlan) -> str:
    totals = counts(plan)
    parts = [
        ngettext("%(num)d store added", "%(num)d stores added", totals["created"]),
        ngettext("%(num)d changed", "%(num)d changed", totals["updated"]),
        ngettext("%(num)d unchanged", "%(num)d unchanged", totals["unchanged"]),
    ]
    if totals["refused"]:
        parts.append(ngettext("%(num)d line left out", "%(num)d lines left out", totals["refused"]))
    return str(gettext(", ").join(parts) + gettext("."))
