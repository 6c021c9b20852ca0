"""The OpenAPI document, completed: who may call what, how errors look, what makes a repeat harmless."""

from copy import deepcopy
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from app.auth.guard import PUBLIC, WALLET, allowed_roles
from app.config import Settings

METHODS = ("get", "post", "put", "patch", "delete")
PROBLEM = "application/problem+json"
ABOUT = (
    "Cards, coupons and pushes of a chain's stores. Wallet clients send their wallet token, tills and partners an API "
    "key, both as `Authorization: Bearer …`. Amounts are whole minor units of the chain's currency. Times are ISO 8601 "
    "with an offset. Lists page with `cursor` and `limit`. Every refusal is a problem (RFC 9457) with a stable `code` "
    "and a sentence in the language of `Accept-Language`."
)
SECURITY = {
    "walletToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token that `POST /wallets` gave: opens one customer's wallet.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "kq_…",
        "description": "A key of the chain, with a role and perhaps one store: `keys create`, or the settings.",
    },
}
PROBLEM_SCHEMA = {
    "type": "object",
    "description": "Why something was refused (RFC 9457).",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable, for programs"},
        "detail": {"type": "string", "description": "a sentence for people, in their language"},
        "errors": {"type": "object", "description": "what is wrong with each field"},
        "request_id": {"type": ["string", "null"], "description": "for support"},
    },
    "required": ["type", "title", "status", "code", "detail"],
}
REFUSALS = {
    "400": ("BadRequest", "The request cannot be read"),
    "401": ("NotSignedIn", "No token or key, or one that is not known"),
    "403": ("NotPermitted", "The key's role may not do this"),
    "404": ("NotFound", "There is no such thing, or not for whoever asks"),
    "409": ("Conflict", "Its present state does not allow this"),
    "422": ("Invalid", "What was sent is not valid"),
    "429": ("TooMany", "Too many attempts; wait a little"),
}
RETRY_AFTER = {"schema": {"type": "integer", "minimum": 1}, "description": "seconds until the next call is taken"}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{6,80}$"},
    "description": "The same key with the same body gets the first answer; with another body 409.",
}


def document(app: Flask) -> dict[str, Any]:
    """The whole description, made once per process."""
    if "openapi_document" not in app.extensions:
        with app.app_context():
            app.extensions["openapi_document"] = _completed(app)
    return app.extensions["openapi_document"]  # type: ignore[no-any-return]


def _completed(app: Flask) -> dict[str, Any]:
    settings: Settings = app.extensions["settings"]
    spec: dict[str, Any] = deepcopy(app.extensions["openapi"].spec.to_dict())
    spec["info"] |= {"description": ABOUT, "license": {"name": "proprietary", "identifier": "LicenseRef-Kaquan"}}
    spec["servers"] = [{"url": settings.public_url}]
    spec["tags"] = [{**tag, "name": _group(tag["name"])} for tag in spec["tags"]]
    components = spec["components"]
    components["securitySchemes"] = SECURITY
    components["parameters"] = {"IdempotencyKey": IDEMPOTENCY_KEY}
    components["responses"] = {name: _problem(words) for name, words in REFUSALS.values()}
    components["responses"]["TooMany"]["headers"] = {"Retry-After": RETRY_AFTER}
    for unused in ("Error", "PaginationMetadata"):
        components["schemas"].pop(unused, None)
    components["schemas"]["Problem"] = PROBLEM_SCHEMA
    endpoints = _endpoints(app)
    for path, item in spec["paths"].items():
        for method in METHODS:
            if method in item:
                _complete(item[method], method, endpoints[path, method])
    _say_what_answers_hold(spec)
    return spec


def _problem(words: str) -> dict[str, Any]:
    return {
        "description": words,
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _endpoints(app: Flask) -> dict[tuple[str, str], str]:
    """The endpoint of every path and method, with paths as OpenAPI writes them."""
    return {
        (_openapi_path(rule), method.lower()): rule.endpoint
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }


def _openapi_path(rule: Rule) -> str:
    parts = (f"{{{part}}}" if is_dynamic else part for is_dynamic, part in rule._trace)
    return "".join(parts).replace("|", "")


def _complete(operation: dict[str, Any], method: str, endpoint: str) -> None:
    roles = allowed_roles(endpoint)
    blueprint, _, view = endpoint.rpartition(".")
    operation["operationId"] = f"{blueprint.removesuffix('_api')}.{view}"
    operation["tags"] = [_group(blueprint)]
    operation["security"] = _security(roles)
    operation["x-roles"] = sorted(roles - {PUBLIC, WALLET})
    if method != "get":
        _take_idempotency_key(operation)
    answers = {code: answer for code, answer in operation["responses"].items() if code.isdecimal() and code < "300"}
    refusals = _refusals(method, is_public=PUBLIC in roles)
    named = {code: {"$ref": f"#/components/responses/{REFUSALS[code][0]}"} for code in refusals}
    operation["responses"] = {**answers, **named}


def _security(roles: frozenset[str]) -> list[dict[str, list[str]]]:
    """What opens it; an empty requirement where nothing is needed."""
    if PUBLIC in roles:
        return [{}]
    wallet = [{"walletToken": []}] if WALLET in roles else []
    key: list[dict[str, list[str]]] = [{"apiKey": []}] if roles - {WALLET} else []
    return [*wallet, *key]


def _take_idempotency_key(operation: dict[str, Any]) -> None:
    others = [p for p in operation.get("parameters", []) if p.get("name") != "Idempotency-Key"]
    operation["parameters"] = [*others, {"$ref": "#/components/parameters/IdempotencyKey"}]


def _refusals(method: str, *, is_public: bool) -> list[str]:
    codes = {"400", "401", "404", "422", "429"}  # a wrong bearer is refused also where none is needed
    codes |= set() if is_public else {"403"}
    codes |= {"409"} if method != "get" else set()
    return sorted(codes)


def _group(blueprint: str) -> str:
    return blueprint.removesuffix("_api").capitalize()


def _say_what_answers_hold(spec: dict[str, Any]) -> None:
    """Answers carry every field of their schema, so that a program need not ask whether it is there."""
    schemas = spec["components"]["schemas"]
    waiting = [name for item in spec["paths"].values() for name in _answered(item)]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        schema = schemas[name]
        if name != "Problem" and "properties" in schema:
            schema["required"] = sorted(schema["properties"])
        waiting += _references(schema)


def _answered(item: dict[str, Any]) -> list[str]:
    return [
        name
        for method in METHODS
        if method in item
        for answer in item[method]["responses"].values()
        for name in _references(answer.get("content", {}))
    ]


def _references(part: Any) -> list[str]:
    """The names of the schemas that a part of the document speaks of."""
    if isinstance(part, list):
        return [name for one in part for name in _references(one)]
    if not isinstance(part, dict):
        return []
    own = (
        [str(part["$ref"]).rpartition("/")[2]] if str(part.get("$ref", "")).startswith("#/components/schemas/") else []
    )
    return own + [name for one in part.values() for name in _references(one)]
