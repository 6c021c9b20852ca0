"""Request ids, structured logs without personal data, metrics, and the addresses machines ask."""

import logging
import re
import sys
import time
from functools import cache
from random import getrandbits
from typing import Any, TextIO

import structlog
from flask import Blueprint, Flask, Response, current_app, g, has_request_context, request
from flask_migrate import Migrate
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from sqlalchemy import inspect, text

from app.auth.guard import PUBLIC, access
from core.db import db

bp = Blueprint("observing", __name__)
REQUESTS = Counter("kaquan_requests", "Answered requests", ["endpoint", "method", "status"])
SECONDS = Histogram("kaquan_request_seconds", "Time to answer", ["endpoint"])
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}  # others would be a series each
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{6,64}")
DIGITS = re.compile(r"(?<!\d)(\d{3})\d{4,17}(\d{4})(?!\d)")  # phones, card numbers, shown codes
EMAIL = re.compile(r"[\w.+-]+@([\w-]+\.[\w.-]+)")
log = structlog.get_logger("kaquan.request")


def init_app(app: Flask) -> None:
    _configure_logging(app.extensions["settings"].log_level)
    app.log_exception = _log_exception  # type: ignore[method-assign]
    app.before_request(_begin)
    app.after_request(_end)
    app.register_blueprint(bp)


class ToStderr(logging.StreamHandler[TextIO]):
    """One JSON line per entry, wherever standard error is at that moment."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def _configure_logging(level: str) -> None:
    """Our own entries and those of other packages, all as JSON lines without personal data."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_request_id,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            mask_people,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ],
    )
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, ToStderr)]
    root.addHandler(ToStderr(formatter))
    root.setLevel(level.upper())


def add_request_id(_logger: object, _name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """So that an entry finds its way back to the answer that somebody complains about."""
    if has_request_context() and "request_id" in g:
        entry.setdefault("request_id", g.request_id)
    return entry


def mask_people(_logger: object, _name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """No phone, card number, code or e-mail address reaches a log whole."""
    return {name: _masked(value) if name != "request_id" else value for name, value in entry.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return EMAIL.sub(r"***@\1", DIGITS.sub(r"\1****\2", value))
    if isinstance(value, dict):
        return {name: _masked(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_masked(one) for one in value]
    return _masked(str(value)) if isinstance(value, int) and abs(value) >= 10**10 else value


def _log_exception(exc_info: Any) -> None:
    """What broke, by endpoint: paths of customers carry tokens."""
    log.error("broken", endpoint=request.endpoint, method=request.method, exc_info=exc_info)


def request_id(offered: str) -> str:
    """The one that a request brings, if it is one; else a new one."""
    return offered if REQUEST_ID.fullmatch(offered) else f"{getrandbits(128):032x}"


def count(endpoint: str, method: str, status: int, seconds: float) -> None:
    """Count an answered request."""
    _counter(endpoint, method if method in METHODS else "other", status).inc()
    _timer(endpoint).observe(seconds)


def _begin() -> None:
    g.request_id = request_id(request.headers.get("X-Request-Id", ""))
    g.begun_at = time.perf_counter()


def _end(response: Response) -> Response:
    endpoint, said, status = request.endpoint or "none", request.method, response.status_code
    seconds = time.perf_counter() - g.get("begun_at", time.perf_counter())
    count(endpoint, said, status, seconds)
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if status >= 500 or current_app.extensions["settings"].log_level.upper() == "DEBUG":
        # The endpoint, not the path: paths of customers carry tokens.
        log.info(
            "answered",
            endpoint=endpoint,
            method=said,
            status=status,
            milliseconds=round(seconds * 1000, 1),
            request_id=g.get("request_id"),
        )
    return response


@cache
def _counter(endpoint: str, method: str, status: int) -> Counter:
    return REQUESTS.labels(endpoint, method, status)


@cache
def _timer(endpoint: str) -> Histogram:
    return SECONDS.labels(endpoint)


@bp.get("/healthz")
@access(PUBLIC)
def healthz() -> tuple[dict[str, str], int]:
    """Alive: this process answers."""
    return {"status": "ok"}, 200


@bp.get("/readyz")
@access(PUBLIC)
def readyz() -> tuple[dict[str, str], int]:
    """Ready: the database answers and its migrations are the ones this code knows."""
    wanted = newest_migration()
    try:
        has_any = inspect(db.session.connection()).has_table("alembic_version")
        at = db.session.execute(text("SELECT version_num FROM alembic_version")).scalar() if has_any else None
    except Exception:  # whatever the driver raises: the database is not there
        log.exception("not ready")
        return {"status": "no database"}, 503
    if at != wanted:
        return {"status": "migrations", "at": str(at), "wanted": wanted}, 503
    return {"status": "ok"}, 200


def newest_migration() -> str:
    """The revision this code was written for."""
    from alembic.script import ScriptDirectory

    migrate: Migrate = current_app.extensions["migrate"].migrate
    return str(ScriptDirectory.from_config(migrate.get_config()).get_current_head())


@bp.get("/metrics")
@access(PUBLIC)
def metrics() -> Response:
    """Prometheus text of this process."""
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)
