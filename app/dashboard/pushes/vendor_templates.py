"""Templates that vendors of SMS and WeChat approved: added, changed, put away, used again."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.refusing import refused
from app.flashing import flash_with_undo
from app.security import row_number
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, NotFound
from core.text import Text
from push.errors import VendorTemplateInvalid
from push.wording import vendor_templates
from push.wording.models import VendorTemplate
from push.wording.texts import WITH_TEMPLATES
from push.wording.vendor_templates import MOST_FIELDS, NewTemplate

bp = Blueprint(
    "vendor_templates", __name__, url_prefix="/dashboard/campaigns/vendor-templates", template_folder="../templates"
)
bp.before_request(require_staff)

TEMPLATE = "/<int:template_id>"
FEWEST_ROWS, SPARE_ROWS = 4, 2
VARIABLES = {
    "title": Text("推送的标题", "the push's title"),
    "body": Text("推送的内容", "the push's text"),
    "name": Text("会员称呼", "the member's name"),
    "chain": Text("品牌", "the brand"),
    "store": Text("会员的门店", "the member's store"),
    "tier": Text("等级", "the tier"),
    "points": Text("积分", "points"),
    "coupon": Text("附带的券", "the coupon with it"),
    "coupon_until": Text("券的最后一天", "the coupon's last day"),
    "link": Text("卡包地址", "the wallet's address"),
}


@bp.get("")
@access(*HQ)
def index() -> str:
    """The templates, and the form of a new one; or of one that is changed."""
    wanted = request.args.get("change", type=row_number)
    changing = None
    if wanted and actor().role in HQ_ADMIN:
        changing = vendor_templates.get_template(actor().chain_id, wanted)
    return _page(changing=changing, typed=_kept(changing) if changing else MultiDict())


@bp.post("")
@access(*HQ_ADMIN)
def add() -> Response | tuple[str, int]:
    """A new template."""
    try:
        with transaction():
            vendor_templates.create_template(actor().chain_id, _typed(), by=author(), now=utc_now())
    except DomainError as refusal:
        return _page(typed=request.form, refusal=refusal), 422
    flash(_("It can be chosen in pushes from now on."), "good")
    return redirect(url_for("vendor_templates.index"), 303)


@bp.post(TEMPLATE)
@access(*HQ_ADMIN)
def change(template_id: int) -> Response | tuple[str, int]:
    """Other fields or another name, for messages that go from now on."""
    try:
        with transaction():
            vendor_templates.change_template(actor().chain_id, template_id, _typed(), by=author(), now=utc_now())
    except NotFound:
        raise
    except DomainError as refusal:
        changing = vendor_templates.get_template(actor().chain_id, template_id)
        return _page(changing=changing, typed=request.form, refusal=refusal), 422
    flash(_("Saved."), "good")
    return redirect(url_for("vendor_templates.index"), 303)


@bp.post(f"{TEMPLATE}/archive")
@access(*HQ_ADMIN)
def archive(template_id: int) -> Response:
    """No new push uses it."""
    with transaction():
        vendor_templates.archive_template(actor().chain_id, template_id, by=author(), now=utc_now())
    undo = url_for("vendor_templates.restore", template_id=template_id)
    flash_with_undo(_("It is put away. Pushes that use it already go on."), undo)
    return redirect(url_for("vendor_templates.index"), 303)


@bp.post(f"{TEMPLATE}/restore")
@access(*HQ_ADMIN)
def restore(template_id: int) -> Response:
    """Use it again."""
    with transaction():
        vendor_templates.restore_template(actor().chain_id, template_id, by=author(), now=utc_now())
    flash(_("It can be chosen in pushes again."), "good")
    return redirect(url_for("vendor_templates.index"), 303)


def _typed() -> NewTemplate:
    form = request.form
    fields: dict[str, str] = {}
    for name, text in zip(map(str.strip, form.getlist("field")), form.getlist("text"), strict=False):
        if name and name in fields:
            raise VendorTemplateInvalid(Text("这个字段写了两次。", "this field stands here twice."), f"field.{name}")
        if name or text.strip():  # rows that are left empty are none
            fields[name] = text
    return NewTemplate(
        form.get("channel", ""), form.get("code", ""), form.get("name", ""), form.get("language", ""), fields
    )


def _kept(template: VendorTemplate) -> MultiDict[str, str]:
    kept = MultiDict({name: getattr(template, name) for name in ("channel", "code", "name", "language")})
    kept.setlist("field", list(template.fields))
    kept.setlist("text", list(template.fields.values()))
    return kept


def _rows(typed: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """The fields as they were typed, and some empty ones below."""
    assert isinstance(typed, MultiDict)
    rows = [row for row in zip(typed.getlist("field"), typed.getlist("text"), strict=False) if any(map(str.strip, row))]
    count = min(max(FEWEST_ROWS, len(rows) + SPARE_ROWS), MOST_FIELDS)
    return [*rows[:MOST_FIELDS], *[("", "")] * (count - len(rows))]


def _field_of(part: str, rows: Sequence[tuple[str, str]]) -> str:
    """``field.thing1`` and ``text.thing1`` by the numbers of their rows: ``field.1``."""
    kind, dot, name = part.partition(".")
    if not dot:
        return part
    numbers = [number for number, row in enumerate(rows, 1) if any(row) and row[0].strip() == name]
    return f"{kind}.{numbers[-1]}" if numbers else ""


def _page(
    *, typed: Mapping[str, Any], changing: VendorTemplate | None = None, refusal: DomainError | None = None
) -> str:
    """``changing`` is the template whose form was wrong; without it, it was the form of a new one."""
    rows = _rows(typed)
    return render_template(
        "dashboard/addresses/vendor_templates.html",
        nav="pushes",
        templates=vendor_templates.list_templates(actor().chain_id, with_archived=True),
        channels=[str(channel) for channel in WITH_TEMPLATES],
        variables=VARIABLES,
        changing=changing,
        typed=typed,
        rows=rows,
        may_edit=actor().role in HQ_ADMIN,
        **refused(refusal, _field_of(refusal.part, rows) if refusal else None),
    )
