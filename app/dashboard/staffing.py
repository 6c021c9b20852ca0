"""Staff and API keys: who may come in, where, and for how long."""

from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth.guard import HQ_ADMIN, access, actor, author, require_staff
from app.flashing import flash_with_undo
from app.languages import language
from app.security import row_number
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, NotFound
from core.tokens import new_code
from stores import keys, pins, queries, staffing
from stores.models import Role, Staff, Store

bp = Blueprint("staffing", __name__, url_prefix="/dashboard", template_folder="templates")
bp.before_request(require_staff)
KEEPERS = (Role.HQ_ADMIN, Role.STORE_MANAGER)  # a manager keeps the clerks of his own stores
STORE_ROLES = (Role.STORE_MANAGER, Role.CLERK)
PAGE = 50
MOST_TICKS = 30  # more stores than this are named by number


@bp.get("/staff")
@access(*KEEPERS)
def index() -> str:
    """The people the reader may see."""
    search, after = request.args.get("search", "")[:80], request.args.get("after", 0, type=row_number)
    people = staffing.find_people(actor().chain_id, search=search, store_ids=actor().store_ids, after=after, limit=PAGE)
    return render_template(
        "dashboard/staffing/index.html",
        people=people,
        stores=staffing.stores_of_staff([person.id for person in people]),
        search=search,
        after=after,
        next_after=people[-1].id if len(people) == PAGE else None,
        may_change={person.id for person in people if _may_change(person)},
    )


@bp.route("/staff/new", methods=["GET", "POST"])
@access(*KEEPERS)
def new() -> str | tuple[str, int]:
    """Add a person; the password is shown once."""
    if request.method == "GET":
        return _form(None)
    password = request.form.get("password", "") or new_code()
    try:
        with transaction():
            person = staffing.create_staff(
                actor().chain_id,
                login=request.form.get("login", ""),
                name=request.form.get("name", ""),
                role=_role(),
                password=password,
                store_ids=_chosen_stores(),
                language=_language(),
                by=author(),
                now=utc_now(),
            )
    except DomainError as refusal:
        return _form(None, refusal), 422
    return _shown_once(person, password), 201


@bp.route("/staff/<int:staff_id>", methods=["GET", "POST"])
@access(*KEEPERS)
def edit(staff_id: int) -> str | tuple[str, int] | Response:
    """Change a person's name, language and stores."""
    person = _person(staff_id)
    if request.method == "GET":
        return _form(person)
    try:
        with transaction():
            chain_id, by, now = actor().chain_id, author(), utc_now()
            staffing.rename_staff(
                chain_id, staff_id, name=request.form.get("name", ""), language=_language(), by=by, now=now
            )
            if person.role in STORE_ROLES:
                staffing.assign_stores(chain_id, staff_id, _chosen_stores(), by=by, now=now)
    except DomainError as refusal:
        return _form(person, refusal), 422
    flash(_("Saved."), "good")
    return redirect(url_for("staffing.index"))


@bp.post("/staff/<int:staff_id>/password")
@access(*KEEPERS)
def new_password(staff_id: int) -> str:
    """Give a person a new password, shown once; his earlier sessions end."""
    person, password = _person(staff_id), new_code()
    with transaction():
        staffing.set_password(actor().chain_id, staff_id, password, by=author(), now=utc_now())
    return _shown_once(person, password)


@bp.post("/staff/<int:staff_id>/pin/clear")
@access(*HQ_ADMIN)
def clear_pin(staff_id: int) -> Response:
    """Take a forgotten PIN away; its owner sets a new one in his account."""
    person = _person(staff_id)
    with transaction():
        pins.clear_pin(actor().chain_id, staff_id, by=author(), now=utc_now())
    flash(_("The PIN of %(name)s is gone. A new one is set under “My account”.", name=person.name), "good")
    return redirect(url_for("staffing.edit", staff_id=staff_id))


@bp.post("/staff/<int:staff_id>/disable")
@access(*KEEPERS)
def disable(staff_id: int) -> Response:
    person = _person(staff_id)
    with transaction():
        staffing.disable_staff(actor().chain_id, staff_id, by=author(), now=utc_now())
    undo = url_for("staffing.enable", staff_id=staff_id)
    flash_with_undo(_("%(name)s can log in no more.", name=person.name), undo)
    return redirect(url_for("staffing.index"))


@bp.post("/staff/<int:staff_id>/enable")
@access(*KEEPERS)
def enable(staff_id: int) -> Response:
    person = _person(staff_id)
    with transaction():
        staffing.enable_staff(actor().chain_id, staff_id, by=author(), now=utc_now())
    flash(_("%(name)s can log in again.", name=person.name), "good")
    return redirect(url_for("staffing.index"))


@bp.get("/keys")
@access(*HQ_ADMIN)
def key_list() -> str:
    """The keys of the chain, without the keys themselves."""
    return _keys_page()


@bp.post("/keys")
@access(*HQ_ADMIN)
def create_key() -> tuple[str, int]:
    """Make a key and show it, this once."""
    chain_id, role = actor().chain_id, _role()
    number = request.form.get("store_code", "").strip()
    try:
        with transaction():
            stores = staffing.stores_with_codes(chain_id, [number] if number else [])
            made = keys.create_key(
                chain_id,
                name=request.form.get("name", "").strip() or role,
                role=role,
                store_id=stores[0] if stores else None,
                by=author(),
                now=utc_now(),
            )
    except DomainError as refusal:
        return _keys_page(refusal=refusal), 422
    return _keys_page(made=made), 201


@bp.post("/keys/<int:key_id>/revoke")
@access(*HQ_ADMIN)
def revoke_key(key_id: int) -> Response:
    with transaction():
        keys.revoke_key(actor().chain_id, key_id, by=author(), now=utc_now())
    undo = url_for("staffing.restore_key", key_id=key_id)
    flash_with_undo(_("The key is revoked; requests with it are refused from now on."), undo)
    return redirect(url_for("staffing.key_list"))


@bp.post("/keys/<int:key_id>/restore")
@access(*HQ_ADMIN)
def restore_key(key_id: int) -> Response:
    """Undo a revocation of the last ten minutes."""
    with transaction():
        keys.restore_key(actor().chain_id, key_id, by=author(), now=utc_now())
    flash(_("The key works again."), "good")
    return redirect(url_for("staffing.key_list"))


def _person(staff_id: int) -> Staff:
    """Somebody whom the reader may change; anybody else is not there."""
    person = staffing.get_staff(actor().chain_id, staff_id)
    if not _may_change(person):
        raise NotFound()
    return person


def _may_change(person: Staff) -> bool:
    """Head office changes everybody, a manager the clerks who work in his stores and nowhere else."""
    own = actor().store_ids
    if own is None:
        return True
    stores = {store.id for store in staffing.stores_of_staff([person.id]).get(person.id, [])}
    return person.role == Role.CLERK and bool(stores) and stores <= own


def _role() -> Role:
    """The role asked for; a manager makes clerks only."""
    asked = request.form.get("role", Role.CLERK)
    if asked not in list(Role) or (actor().store_ids is not None and asked != Role.CLERK):
        raise NotFound()
    return Role(asked)


def _language() -> str:
    return request.form.get("language", "zh")


def _chosen_stores() -> list[int]:
    """The stores that the form ticks or names, of those that the reader has."""
    ticked = request.form.getlist("stores", type=row_number)
    numbers = request.form.get("store_codes", "").replace("，", ",").replace("、", ",").replace(",", " ").split()
    chosen = [*ticked, *staffing.stores_with_codes(actor().chain_id, numbers)]
    if not all(actor().may_see_store(store_id) for store_id in chosen):
        raise NotFound()
    return chosen


def _own_stores() -> list[Store]:
    """The stores to tick, when they are few enough to tick."""
    stores = queries.list_stores(actor().chain_id, store_ids=actor().store_ids, limit=MOST_TICKS + 1)
    return [] if len(stores) > MOST_TICKS else list(stores)


def _form(person: Staff | None, refusal: DomainError | None = None) -> str:
    stores = staffing.stores_of_staff([person.id]).get(person.id, []) if person else []
    kept: Any = request.form if request.method == "POST" else None
    return render_template(
        "dashboard/staffing/edit.html",
        person=person,
        own_stores=_own_stores(),
        ticked=set(map(str, kept.getlist("stores"))) if kept is not None else {str(store.id) for store in stores},
        numbers=kept.get("store_codes", "") if kept is not None else " ".join(store.code for store in stores),
        kept=kept or {},
        roles=[Role.CLERK] if actor().store_ids is not None else list(Role),
        may_clear_pin=actor().role == Role.HQ_ADMIN and person is not None and person.role in pins.APPROVERS,
        error=refusal.say(language()) if refusal else "",
    )


def _shown_once(person: Staff, password: str) -> str:
    address = current_app.extensions["settings"].public_url + url_for("auth.login")
    return render_template("dashboard/staffing/password.html", person=person, password=password, address=address)


def _keys_page(made: keys.NewKey | None = None, refusal: DomainError | None = None) -> str:
    return render_template(
        "dashboard/staffing/keys.html",
        keys=keys.list_keys_with_stores(actor().chain_id),
        restorable=utc_now() - keys.UNDO_WITHIN,
        made=made,
        roles=list(Role),
        kept=request.form if refusal else {},
        error=refusal.say(language()) if refusal else "",
    )
