"""Request ids, structured logs without personal data, metrics, and the addresses machines ask."""

import logging
import re
import sys
import time
from functools import cache
from random import getrandbits
from typing import Any

import structlog
from flask import Blueprint, Flask, Response, current_app, g, request
from flask_migrate import Migrate
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from sqlalchemy import text

from app.auth.guard import PUBLIC, access
from core.db import db

bp = Blueprint("observing", __name__)
REQUESTS = Counter("kaquan_requests", "Answered requests", ["endpoint", "method", "status"])
SECONDS = Histogram("kaquan_request_seconds", "Time to answer", ["endpoint"])
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}  # others would be a series each
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{6,64}")
PHONE = re.compile(r"(?<!\d)(\+?\d{0,3}1\d{2})\d{4}(\d{4})(?!\d)")
log = structlog.get_logger("kaquan.request")


def init_app(app: Flask) -> None:
    _configure_logging(app.extensions["settings"].log_level)
    app.before_request(_begin)
    app.after_request(_end)
    app.register_blueprint(bp)


def _configure_logging(level: str) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_phones,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=level.upper(), format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)


def mask_phones(_logger: object, _name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """No phone number reaches a log whole."""
    return {k: PHONE.sub(r"\1****\2", v) if isinstance(v, str) else v for k, v in entry.items()}


def _begin() -> None:
    offered = request.headers.get("X-Request-Id", "")
    g.request_id = offered if REQUEST_ID.fullmatch(offered) else f"{getrandbits(128):032x}"
    g.begun_at = time.perf_counter()


def _end(response: Response) -> Response:
    endpoint = request.endpoint or "none"
    seconds = time.perf_counter() - g.get("begun_at", time.perf_counter())
    method = request.method if request.method in METHODS else "other"
    _counter(endpoint, method, response.status_code).inc()
    _timer(endpoint).observe(seconds)
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if response.status_code >= 500 or current_app.extensions["settings"].log_level.upper() == "DEBUG":
        # The endpoint, not the path: paths of customers carry tokens.
        log.info(
            "answered",
            endpoint=endpoint,
            method=request.method,
            status=response.status_code,
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
    try:
        at = db.session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except Exception:  # whatever the driver raises: the database is not there
        log.exception("not ready")
        return {"status": "no database"}, 503
    wanted = newest_migration()
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
