"""How tests walk through pages: signed in, and with the token that every form carries."""

import re
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from stores.models import Staff
from tests.factories import PASSWORD

TOKEN = re.compile(r'name="csrf[_-]token" (?:value|content)="([^"]+)"')


def csrf(client: FlaskClient, path: str = "/login") -> str:
    """The CSRF token of a page's form; for ``/login`` of any session, signed in or not."""
    if path == "/login":
        return _token_of_session(client)
    page = client.get(path)
    found = TOKEN.search(page.text)
    assert found, f"no CSRF token in {path} ({page.status})"
    return found[1]


def _token_of_session(client: FlaskClient) -> str:
    """What any form of this session would carry."""
    from flask import g, session
    from flask_wtf.csrf import generate_csrf

    with client.session_transaction() as kept, client.application.test_request_context():
        session.update(kept)
        g.pop("csrf_token", None)
        token = generate_csrf()
        kept.setdefault("csrf_token", session["csrf_token"])
    return token


def post(client: FlaskClient, path: str, data: dict[str, Any] | None = None, **options: Any) -> TestResponse:
    """Send a form as a browser does."""
    return client.post(path, data={"csrf_token": csrf(client)} | (data or {}), **options)


def sign_in(client: FlaskClient, staff: Staff, password: str = PASSWORD) -> FlaskClient:
    """Sign a person in by the log-in page; the same client is that person from then on."""
    answer = post(client, "/login", {"login": staff.login, "password": password})
    assert answer.status_code == 302, answer.text
    return client
