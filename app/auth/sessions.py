"""Signed-in staff: a row in the database, a random token in a cookie."""

from datetime import timedelta

from flask import current_app, g, request
from werkzeug import Response

from app.auth.guard import Actor
from core.clock import utc_now
from core.db import transaction
from core.tokens import hashed, new_secret
from stores import signing_in

COOKIE = "kq_staff"
LASTS = timedelta(days=14)


def signed_in() -> Actor | None:
    """The member of staff whose cookie this is, or None. One query a request."""
    token = request.cookies.get(COOKIE)
    if not token:
        return None
    if "signed_in" not in g:
        g.signed_in = _find(token)
    return g.signed_in  # type: ignore[no-any-return]


def _find(token: str) -> Actor | None:
    person = signing_in.find_signed_in(hashed(token), now=utc_now())
    if person is None:
        return None
    return Actor("staff", person.id, person.chain_id, person.role, person.name, person.store_ids, person.language)


def begin(response: Response, staff_id: int) -> None:
    """Sign a person in on this browser; whoever was signed in there is so no more."""
    token = new_secret()
    now = utc_now()
    with transaction():
        if earlier := request.cookies.get(COOKIE):
            signing_in.end_session(hashed(earlier), now=now)
        signing_in.begin_session(staff_id, token_hash=hashed(token), now=now, lasts=LASTS)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=current_app.extensions["settings"].is_https,
    )


def end(response: Response) -> None:
    """Sign this browser out."""
    if token := request.cookies.get(COOKIE):
        with transaction():
            signing_in.end_session(hashed(token), now=utc_now())
    response.delete_cookie(COOKIE)
