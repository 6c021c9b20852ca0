"""Every refusal, as an answer: problem+json for machines, a page for people, the same sentence in both."""

import sqlite3
from http import HTTPStatus
from typing import Any

from flask import Flask, g, json, render_template, request
from flask_babel import gettext
from marshmallow import ValidationError
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import OperationalError
from werkzeug import Response
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from app.field_errors import said
from app.languages import language
from core import errors

STATUS_OF = {
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.NotPermitted: HTTPStatus.FORBIDDEN,
    errors.NotSignedIn: HTTPStatus.UNAUTHORIZED,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooMany: HTTPStatus.TOO_MANY_REQUESTS,
}


def register_error_handlers(app: Flask) -> None:
    app.register_error_handler(errors.DomainError, _domain_error)
    app.register_error_handler(ValidationError, _validation_error)
    app.register_error_handler(HTTPException, http_error)
    for kind in (OperationalError, sqlite3.OperationalError, DeadlockDetected):
        app.register_error_handler(kind, _database_error)


def status_of(error: errors.DomainError) -> HTTPStatus:
    return next((s for kind, s in STATUS_OF.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)


def wants_json() -> bool:
    """Whether a machine asks: of the API, with a key, for JSON, or for a file without being a browser."""
    is_api = request.path.startswith("/api/") or "Authorization" in request.headers
    is_script = request.path.startswith("/reports/") and not is_browser()
    return is_api or is_script or request.accept_mimetypes.best == "application/json"


def is_browser() -> bool:
    """Browsers say that they take HTML; ``Accept: */*`` says nothing."""
    return "text/html" in request.headers.get("Accept", "")


def _domain_error(error: errors.DomainError) -> Response:
    reply = answer(status_of(error), error.code, error.say(language()))
    if "retry_after" in error.context:
        reply.headers["Retry-After"] = str(error.context["retry_after"])
    return reply


def _validation_error(error: ValidationError) -> Response:
    messages: Any = error.messages
    if isinstance(messages, dict) and set(messages) <= {"json", "query", "form", "files"}:
        messages = {field: text for part in messages.values() for field, text in part.items()}
    invalid = errors.Invalid()
    return answer(
        HTTPStatus.UNPROCESSABLE_ENTITY, invalid.code, invalid.say(language()), errors=said(messages, language())
    )


def _database_error(error: Exception) -> Response:
    """Two who waited for one another, or a queue that was too long: nothing was done, and it may be tried again."""
    cause = getattr(error, "orig", error)
    if not isinstance(cause, DeadlockDetected) and "database is locked" not in str(cause):
        raise error
    return http_error(ServiceUnavailable(retry_after=1))


def http_error(error: HTTPException) -> Response:
    """404, 405, 413 and their kin; and 500, without the text of what broke."""
    status = HTTPStatus(error.code or 500)
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and isinstance(getattr(error, "exc", None), ValidationError):
        return _validation_error(error.exc)  # type: ignore[attr-defined]
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    reply = answer(status, code, _sentence(status))
    for name, value in error.get_headers():  # keeps Allow, Retry-After, WWW-Authenticate
        if name not in ("Content-Type", "Location"):
            reply.headers.setdefault(name, value)
    return reply


def _sentence(status: HTTPStatus) -> str:
    sentences = {
        HTTPStatus.NOT_FOUND: gettext("There is nothing at this address."),
        HTTPStatus.METHOD_NOT_ALLOWED: gettext("This address does not take this kind of request."),
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: gettext("That is too large to take in one go."),
        HTTPStatus.BAD_REQUEST: gettext("The request could not be read: check its syntax, encoding and Content-Type.")
        if wants_json()
        else gettext("The request could not be read. Go back, reload the page and try again."),
        HTTPStatus.TOO_MANY_REQUESTS: gettext("Too many attempts. Please wait a little."),
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: gettext("Send it as application/json."),
        HTTPStatus.SERVICE_UNAVAILABLE: gettext("We are not ready yet. Please try again in a moment."),
        HTTPStatus.INTERNAL_SERVER_ERROR: gettext("Something broke on our side. It has been noted; please try again."),
    }
    own = next((kind for kind, its_status in STATUS_OF.items() if its_status == status), errors.DomainError)
    return sentences.get(status) or own.sentence.say(language())


def answer(status: HTTPStatus, code: str, detail: str, **more: object) -> Response:
    """One refusal in the shape its reader can use."""
    if wants_json():
        body = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status,
            "code": code,
            "detail": detail,
        }
        body |= {"request_id": g.get("request_id"), **more}
        return Response(json.dumps(body), status, content_type="application/problem+json")
    page = render_template(
        "problem.html", status=int(status), code=code, detail=detail, request_id=g.get("request_id"), **more
    )
    return Response(page, status, content_type="text/html; charset=utf-8")
