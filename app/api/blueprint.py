"""How a part of the API is declared: under /api/v1, guarded, described."""

from flask_smorest import Blueprint

from app.auth.guard import require_bearer


def api_blueprint(name: str, description: str) -> Blueprint:
    """A blueprint whose views all need ``@access`` and answer to bearers."""
    blueprint = Blueprint(f"{name}_api", f"app.api.{name}", url_prefix="/api/v1", description=description)
    blueprint.before_request(require_bearer)
    return blueprint
