"""Puts the application together."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from flask import Flask
from flask_migrate import Migrate
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from app import errors, languages, observing, security, share_channels
from app.answering import COMPRESSED_FROM, Answer, AnswerJson, CompressLarge
from app.config import ROOT, Settings, load_settings
from app.dashboard import frame
from core import db as database

PAGES = [
    "app.assets",
    "app.auth.views",
    "app.wallet.scanning",
    "app.wallet.views",
    "app.wallet.sharing",
    "app.wallet.naming",
    "app.wallet.friends",
    "app.wallet.receipts",
    "app.wallet.offers",
    "app.wallet.entering",
    "app.wallet.phone_proof",
    "app.wallet.giving",
    "app.wallet.receiving",
    "app.wallet.inbox",
    "app.wallet.settings",
    "app.wallet.preferences",
    "app.wallet.browsers",
    "app.wallet.unsubscribing",
    "app.wallet.short_links",
    "app.wechat_events",
    "app.till.views",
    "app.till.receipts",
    "app.till.day",
    "app.till.gifts",
    "app.dashboard.home",
    "app.dashboard.stores",
    "app.dashboard.members",
    "app.dashboard.offers",
    "app.dashboard.printed_codes",
    "app.dashboard.pushes.campaigns",
    "app.dashboard.pushes.campaign_decisions",
    "app.dashboard.pushes.calendar",
    "app.dashboard.pushes.segments",
    "app.dashboard.pushes.campaign_editor",
    "app.dashboard.pushes.effect",
    "app.dashboard.pushes.message_templates",
    "app.dashboard.pushes.addresses",
    "app.dashboard.pushes.vendor_templates",
    "app.dashboard.shares.sharing",
    "app.dashboard.shares.tree",
    "app.dashboard.shares.rewards",
    "app.dashboard.shares.fraud_rules",
    "app.dashboard.shares.own_channels",
    "app.dashboard.shares.bringing",
    "app.dashboard.reports",
    "app.dashboard.staffing",
    "app.dashboard.settings",
    "app.dashboard.till_rules",
    "app.dashboard.webhooks",
    "app.reports.views",
]
COMMANDS = [
    "app.cli.chains",
    "app.cli.stores",
    "app.cli.codes",
    "app.cli.coupons",
    "app.cli.staff",
    "app.cli.keys",
    "app.cli.members",
    "app.cli.reports",
    "app.cli.ledger",
    "app.cli.serving",
    "app.cli.clock",
    "app.cli.worker",
    "app.cli.bounces",
    "app.cli.demo",
    "app.cli.config",
]
csrf = CSRFProtect()
migrate = Migrate()


class Application(Flask):
    """Flask without coroutines: nothing of ours is async, so no hook of any request needs to be asked."""

    response_class = Answer
    json_provider_class = AnswerJson

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def create_app(**overrides: object) -> Flask:
    """The application, from settings (see app/config.py); overrides are for tests."""
    settings = load_settings(**overrides)
    app = Application("app", root_path=str(ROOT / "app"))
    app.url_map.strict_slashes = False  # people type addresses with and without a last slash
    app.config.from_mapping(_flask_config(settings))
    app.extensions["settings"] = settings
    database.db.init_app(app)
    with app.app_context():
        database.prepare(database.db.engine)
    migrate.init_app(app, database.db, directory=str(ROOT / "migrations"), render_as_batch=True)
    csrf.init_app(app)
    CompressLarge(app)
    languages.init_app(app)
    share_channels.init_app(app)
    observing.init_app(app)
    security.init_app(app)
    errors.register_error_handlers(app)
    frame.init_app(app)
    for module in PAGES:
        _each(module, "bp", app.register_blueprint)
    from app.api import express
    from app.api import init_app as init_api

    init_api(app, csrf)
    app.wsgi_app = express.Express(app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, *[settings.trusted_proxies] * 4)  # type: ignore[method-assign]
    for module in COMMANDS:
        _each(module, "group", app.cli.add_command)
    return app


def _each(module: str, name: str, use: Callable[[Any], object]) -> None:
    """Hand what a module calls ``name`` to ``use``."""
    use(getattr(import_module(module), name))


def _flask_config(settings: Settings) -> dict[str, object]:
    engine_options: dict[str, object] = {"pool_pre_ping": False, "hide_parameters": True}
    if settings.is_sqlite:
        engine_options["connect_args"] = {"check_same_thread": False}
    else:
        engine_options |= {"pool_size": 10, "max_overflow": 20, "pool_recycle": 1800}
    return {
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": engine_options,
        "SECRET_KEY": settings.secret_key,
        "TESTING": settings.testing,
        "MAX_CONTENT_LENGTH": 32 * 1024 * 1024,
        "MAX_FORM_MEMORY_SIZE": 1024 * 1024,
        "SESSION_COOKIE_NAME": "kq_session",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.is_https,
        "COMPRESS_MIN_SIZE": COMPRESSED_FROM,
        "COMPRESS_ALGORITHM": ["br", "gzip"],
        "COMPRESS_ALGORITHM_STREAMING": ["br", "gzip"],
        "COMPRESS_MIMETYPES": [  # not CSV: a million rows leave as they are written
            "text/html",
            "text/css",
            "text/javascript",
            "application/json",
            "application/problem+json",
            "image/svg+xml",
        ],
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_SSL_STRICT": False,
        "SEND_FILE_MAX_AGE_DEFAULT": 86400,
    }
