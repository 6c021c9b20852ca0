"""Who may call which view. A view without ``@access`` is answered to nobody."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import current_app, g, redirect, request, url_for
from werkzeug import Response

from core.audit import Author
from core.errors import NotPermitted, NotSignedIn
from stores.models import Role

PUBLIC = "public"
WALLET = "wallet"
HQ_ADMIN = (Role.HQ_ADMIN,)
HQ = (Role.HQ_ADMIN, Role.HQ_ANALYST)
MANAGERS = (*HQ, Role.STORE_MANAGER)
EVERYBODY = (*MANAGERS, Role.CLERK)
TILL = (Role.HQ_ADMIN, Role.STORE_MANAGER, Role.CLERK)

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Actor:
    """Whoever sends this request: staff, an API key or a wallet."""

    kind: str  # staff, key, wallet
    id: int
    chain_id: int  # 0 for a wallet, which stands above chains
    role: str
    name: str = ""
    store_ids: frozenset[int] | None = None  # None: every store of the chain
    language: str = "zh"

    @property
    def author_name(self) -> str:
        return f"{self.kind}:{self.id}"

    def may_see_store(self, store_id: int | None) -> bool:
        return self.store_ids is None or store_id in self.store_ids


def access(*roles: str) -> Callable[[View], View]:
    """Say who may call a view: PUBLIC, WALLET, or roles of staff and keys."""

    def mark(view: View) -> View:
        view.allowed_roles = frozenset(roles)  # type: ignore[attr-defined]
        return view

    return mark


def allowed_roles(endpoint: str) -> frozenset[str]:
    """Who may call this endpoint; nobody when it does not say."""
    view = current_app.view_functions[endpoint]
    roles = getattr(view, "allowed_roles", None)
    if roles is None and hasattr(view, "view_class"):
        roles = getattr(view.view_class, "allowed_roles", None)
    return roles or frozenset()


def actor() -> Actor:
    """Whoever sent this request. Only in views that ``access`` guards by role."""
    return g.actor  # type: ignore[no-any-return]


def author() -> Author:
    """The same, as the audit writes it."""
    who = g.get("actor")
    name = who.author_name if who else "visitor"
    return Author(name, request.remote_addr, g.get("request_id"))


def require_staff() -> Response | None:
    """before_request of staff pages: a signed-in person with a fitting role, else the log-in page."""
    from app.auth.sessions import signed_in

    roles = allowed_roles(request.endpoint or "")
    if PUBLIC in roles:
        return None
    g.actor = signed_in()
    if g.actor is None:
        if request.method == "GET" and not request.headers.get("HX-Request"):
            return redirect(url_for("auth.login", next=request.full_path.rstrip("?")))
        raise NotSignedIn()
    if g.actor.role not in roles:
        raise NotPermitted()
    return None


def require_bearer() -> None:
    """before_request of the API: a wallet token or an API key with a fitting role."""
    from app.auth.bearers import bearer

    roles = allowed_roles(request.endpoint or "")
    if PUBLIC in roles:
        return
    who = bearer()
    if who is None:
        raise NotSignedIn()
    g.actor = who
    if who.role not in roles:
        raise NotPermitted()
