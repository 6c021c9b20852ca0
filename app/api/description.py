"""The API described: OpenAPI 3.1 for machines, a page for people."""

from flask import Blueprint, Response, current_app, json

from app.auth.guard import PUBLIC, access

bp = Blueprint("api_description", __name__)


@bp.get("/api/v1/openapi.json")
@access(PUBLIC)
def openapi() -> Response:
    """OpenAPI 3.1 of everything under /api/v1."""
    spec = current_app.extensions["openapi"].spec
    return Response(json.dumps(spec.to_dict()), content_type="application/json")
