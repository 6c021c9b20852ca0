"""The API described: OpenAPI 3.1 for machines, a page for people."""

from typing import Any, NamedTuple

from flask import Blueprint, Response, current_app, json, render_template, request

from app.api.document import METHODS, document
from app.api.examples import curl, example, pretty
from app.auth.guard import PUBLIC, access

bp = Blueprint("api_description", __name__, template_folder="templates")


class Field(NamedTuple):
    """One line of a table of fields."""

    name: str
    kind: str
    is_required: bool
    about: str
    place: str = ""


class Operation(NamedTuple):
    """One call, ready to be read."""

    id: str
    method: str
    path: str
    summary: str
    about: str
    needs: str
    roles: list[str]
    asked: list[Field]
    body: list[Field]
    answers: list[tuple[str, str, str]]  # status, description, example
    refusals: list[tuple[str, str]]
    curl: str


@bp.get("/api/v1/openapi.json")
@access(PUBLIC)
def openapi() -> Response:
    """OpenAPI 3.1 of everything under /api/v1."""
    return Response(json.dumps(document(current_app)), content_type="application/json")


@bp.get("/api/docs")
@access(PUBLIC)
def docs() -> str:
    """The same for people: grouped, searched by the server, with a curl for each call."""
    spec = document(current_app)
    words = request.args.get("q", "").strip()[:80]
    groups = _groups(spec, words.lower())
    return render_template(
        "api/docs.html",
        info=spec["info"],
        server=spec["servers"][0]["url"],
        schemes=spec["components"]["securitySchemes"],
        problem=pretty(_problem_example()),
        groups=groups,
        q=words,
    )


def readable(spec: dict[str, Any]) -> set[str]:
    """Every sentence of the description that the page shows, for its translation."""
    texts = {tag["name"] for tag in spec["tags"]}
    for path, item in spec["paths"].items():
        for method in METHODS:
            if method in item:
                call = _operation(spec, path, item, method)
                texts |= {call.summary, call.about, *(field.about for field in (*call.asked, *call.body))}
    return texts - {""}


def _groups(spec: dict[str, Any], words: str) -> list[tuple[str, str, list[Operation]]]:
    """Tag, description, operations that hold the words."""
    calls: dict[str, list[Operation]] = {tag["name"]: [] for tag in spec["tags"]}
    for path, item in spec["paths"].items():
        for method in METHODS:
            if method in item and words in f"{method} {path} {json.dumps(item[method], ensure_ascii=False)}".lower():
                calls[item[method]["tags"][0]].append(_operation(spec, path, item, method))
    return [(tag["name"], tag.get("description", ""), calls[tag["name"]]) for tag in spec["tags"] if calls[tag["name"]]]


def _operation(spec: dict[str, Any], path: str, item: dict[str, Any], method: str) -> Operation:
    operation = item[method]
    schemas = spec["components"]["schemas"]
    asked = [*item.get("parameters", []), *operation.get("parameters", [])]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    needs = next((name for requirement in operation["security"] for name in requirement), "")
    sent = example(body, schemas) if body else None
    good = {code: answer for code, answer in operation["responses"].items() if code < "300"}
    return Operation(
        id=operation["operationId"],
        method=method,
        path=path,
        summary=operation.get("summary", ""),
        about=operation.get("description", "").replace("``", ""),
        needs=needs,
        roles=operation["x-roles"],
        asked=[_parameter(spec, one) for one in asked],
        body=_fields(body, schemas) if body else [],
        answers=[(code, answer["description"], _answer_example(answer, schemas)) for code, answer in good.items()],
        refusals=[
            (code, spec["components"]["responses"][answer["$ref"].rpartition("/")[2]]["description"])
            for code, answer in operation["responses"].items()
            if code >= "300"
        ],
        curl=curl(method, spec["servers"][0]["url"] + _filled(path, operation), needs=needs, body=sent),
    )


def _filled(path: str, operation: dict[str, Any]) -> str:
    """The path with sample arguments, and the questions that must be asked."""
    for name, value in {"number": "6210000000000005", "token": "k7m2p9q4r6s8t"}.items():
        path = path.replace(f"{{{name}}}", value)
    needed = [p for p in operation.get("parameters", []) if p.get("in") == "query" and p.get("required")]
    query = "&".join(f"{p['name']}={example(p['schema'], {}, name=p['name'])}" for p in needed)
    filled = "".join("1" if part.endswith("_id") else part for part in path.replace("{", "}").split("}"))
    return f"'{filled}?{query}'" if query else filled


def _parameter(spec: dict[str, Any], parameter: dict[str, Any]) -> Field:
    if "$ref" in parameter:
        parameter = spec["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
    kind = _kind(parameter.get("schema", {}), {})
    needed = parameter.get("required", False)
    return Field(parameter["name"], kind, needed, parameter.get("description", ""), parameter["in"])


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> list[Field]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    needed = schema.get("required", [])
    return [
        Field(name, _kind(part, schemas), name in needed, part.get("description", ""))
        for name, part in schema.get("properties", {}).items()
    ]


def _kind(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """A type in a few words: ``integer ≥ 1``, ``list of string``, ``one of a, b``."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join("null" if value is None else str(value) for value in schema["enum"])
    kinds = schema.get("type", "")
    kind = " | ".join(kinds) if isinstance(kinds, list) else str(kinds)
    if kind == "array":
        return f"[{_kind(schema.get('items', {}), schemas)}]"
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and high < 10**6:
        return f"{kind} {low}-{high}"
    return schema.get("format", kind) if kind == "string" else kind


def _answer_example(answer: dict[str, Any], schemas: dict[str, Any]) -> str:
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return pretty(example(schema, schemas)) if schema else ""


def _problem_example() -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "offer_sold_out",
        "detail": "The coupons are gone.",
        "request_id": "0f3c…",
    }
