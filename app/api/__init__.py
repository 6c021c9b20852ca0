"""The JSON API under /api/v1, and its description."""

from importlib import import_module

from flask import Flask
from flask_smorest import Api
from flask_wtf.csrf import CSRFProtect

from app.errors import http_error

MODULES = [
    "app.api.wallets",
    "app.api.cards",
    "app.api.phones",
    "app.api.offers",
    "app.api.offer_changes",
    "app.api.gifts",
    "app.api.entering",
    "app.api.checkouts",
    "app.api.campaigns",
    "app.api.effect",
    "app.api.segments",
    "app.api.message_templates",
    "app.api.receipts",
    "app.api.wechat",
    "app.api.sharing",
    "app.api.propagation",
    "app.api.rewards",
    "app.api.webhooks",
    "app.api.stores",
    "app.api.members",
    "app.api.events",
]
CONFIG = {
    "API_TITLE": "Kaquan 卡券",
    "API_VERSION": "1",
    "OPENAPI_VERSION": "3.1.0",
    "OPENAPI_URL_PREFIX": None,  # served by app/api/description.py
}


class ProblemApi(Api):
    """flask-smorest, with errors in our one shape."""

    def _register_error_handlers(self) -> None:
        """Ours are registered already: see app/errors.py."""

    handle_http_exception = staticmethod(http_error)


def init_app(app: Flask, csrf: CSRFProtect) -> None:
    app.config.update(CONFIG)
    api = ProblemApi(app)
    app.extensions["openapi"] = api
    for name in MODULES:
        blueprint = import_module(name).bp
        csrf.exempt(blueprint)
        api.register_blueprint(blueprint)
    from app.api import description

    app.register_blueprint(description.bp)
