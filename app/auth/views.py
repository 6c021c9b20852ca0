"""Log-in, log-out, one's own account, the reader's language, and the address without a path."""

from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth import sessions
from app.auth.guard import EVERYBODY, PUBLIC, Actor, access, actor, author, require_staff
from app.languages import LANGUAGES, keep_language, say
from app.security import count_login
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from stores import pins, signing_in, staffing
from stores.models import Role

bp = Blueprint("auth", __name__, template_folder="templates")
bp.before_request(require_staff)


@bp.get("/")
@access(PUBLIC)
def start() -> Response:
    """Staff to their page, everybody else to the log-in."""
    person = sessions.signed_in()
    return redirect(_home_of(person.role) if person else url_for("auth.login"))


@bp.get("/login")
@access(PUBLIC)
def login() -> Response | str:
    person = sessions.signed_in()
    if person is not None:
        return redirect(_onward(local_path(request.args.get("next")), person.role))
    return render_template("auth/login.html", next=local_path(request.args.get("next")) or "")


@bp.post("/login")
@access(PUBLIC)
def log_in() -> Response | tuple[str, int]:
    """One answer for unknown names, wrong passwords and locked accounts."""
    count_login()
    name, password = request.form.get("login", ""), request.form.get("password", "")
    wanted = local_path(request.form.get("next"))
    with transaction():
        attempt = signing_in.take_try(name, now=utc_now())
    if not signing_in.is_password_of(attempt, password):
        page = render_template(
            "auth/login.html", next=wanted or "", login=name, error=say(signing_in.WrongLogin.sentence)
        )
        return page, 401
    assert attempt is not None
    answer = redirect(_onward(wanted, attempt.role))
    sessions.begin(answer, attempt.staff_id)
    return answer


@bp.post("/logout")
@access(PUBLIC)
def logout() -> Response:
    answer = redirect(url_for("auth.login"))
    sessions.end(answer)
    flash(_("You are signed out."), "good")
    return answer


@bp.get("/account")
@access(*EVERYBODY)
def account() -> str:
    """One's own name, role and password."""
    return _account_page()


@bp.post("/account")
@access(*EVERYBODY)
def change_password() -> Response | tuple[str, int]:
    """A new password for oneself; every other browser is signed out."""
    with transaction():
        attempt = signing_in.take_try(_login_of(actor()), now=utc_now())
    if not signing_in.is_password_of(attempt, request.form.get("password", "")):
        return _account_page(signing_in.WrongLogin()), 401
    try:
        with transaction():
            new = request.form.get("new_password", "")
            staffing.set_password(actor().chain_id, actor().id, new, by=author(), now=utc_now())
    except DomainError as refusal:
        return _account_page(refusal), 422
    answer = redirect(_home_of(actor().role))
    sessions.begin(answer, actor().id)
    flash(_("You have a new password. Every other browser is signed out."), "good")
    return answer


@bp.post("/account/pin")
@access(*pins.APPROVERS)
def set_pin() -> Response | tuple[str, int]:
    """A PIN for oneself, typed at a till to allow more; the password says that it is oneself."""
    with transaction():
        attempt = signing_in.take_try(_login_of(actor()), now=utc_now())
    if not signing_in.is_password_of(attempt, request.form.get("password", "")):
        return _account_page(signing_in.WrongLogin(), about="pin"), 401
    with transaction():
        signing_in.forget_tries(actor().id)
    try:
        _keep_pin(request.form.get("pin", ""), request.form.get("pin_again", ""))
    except DomainError as refusal:
        return _account_page(refusal, about="pin"), 422
    flash(_("Your PIN is set. It counts at every till of your stores."), "good")
    return redirect(url_for("auth.account"))


def _keep_pin(pin: str, again: str) -> None:
    if pin != again:
        raise pins.PinNotAlike()
    with transaction():
        pins.set_pin(actor().chain_id, actor().id, pin, by=author(), now=utc_now())


def _login_of(person: Actor) -> str:
    return staffing.get_staff(person.chain_id, person.id).login


def _account_page(refusal: DomainError | None = None, *, about: str = "password") -> str:
    person = staffing.get_staff(actor().chain_id, actor().id)
    return render_template(
        "auth/account.html",
        login=person.login,
        may_have_pin=person.role in pins.APPROVERS,
        has_pin=person.pin_hash is not None,
        about=about,
        shortest=staffing.SHORTEST_PASSWORD,
        home=_home_of(actor().role),
        error=say(refusal.sentence) if refusal else "",
    )


@bp.post("/language")
@access(PUBLIC)
def choose_language() -> Response:
    """Keep the language this reader chose, and go back to where he was."""
    answer = redirect(local_path(request.form.get("next")) or url_for("auth.start"))
    chosen = request.form.get("language", "")
    if chosen in LANGUAGES:
        keep_language(answer, chosen)
    return answer


def local_path(target: str | None) -> str | None:
    """A path of this site that a log-in may go on to, or None: never another host."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    if "\\" in target or any(ord(character) < 32 for character in target):
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc else target


def _onward(wanted: str | None, role: str) -> str:
    """Where a log-in leads: to the page asked for, unless it is the dashboard and a clerk, whose place is the till."""
    is_closed = role == Role.CLERK and wanted is not None and wanted.startswith("/dashboard")
    return _home_of(role) if wanted is None or is_closed else wanted


def _home_of(role: str) -> str:
    return "/till/" if role == Role.CLERK else "/dashboard/"
