"""How a part of the API is declared: under /api/v1, guarded, described."""

from flask_smorest import Blueprint

from app.api.bodies import BodyParser
from app.auth.guard import require_bearer


class ApiBlueprint(Blueprint):
    """flask-smorest's, with bodies read our way."""

    ARGUMENTS_PARSER = BodyParser()


def api_blueprint(name: str, description: str) -> Blueprint:
    """A blueprint whose views all need ``@access`` and answer to bearers."""
    blueprint = ApiBlueprint(f"{name}_api", f"app.api.{name}", url_prefix="/api/v1", description=description)
    blueprint.before_request(require_bearer)
    return blueprint
