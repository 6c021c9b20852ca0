"""Examples for the readable page: values that fit a schema, and the curl that sends them."""

import json
from typing import Any

NAMED = {
    "token": "k7m2p9q4r6s8t",
    "number": "6210000000000005",
    "card": "6210000000000005",
    "card_code": "621000000000000512345678",
    "currency": "CNY",
    "channel": "friend",
    "name": "满30减5",
    "name_en": "5 off 30",
    "title": "周末双倍积分",
    "title_en": "Double points this weekend",
    "body": "周六周日到店消费，积分翻倍。",
    "body_en": "Twice the points on Saturday and Sunday.",
    "store_code": "SH001",
    "tier": "银卡",
    "amount_cents": 5800,
    "use_points": 0,
    "use_value_cents": 0,
    "minutes": 10,
    "sku": "CONE-01",
    "price_cents": 5800,
    "login": "manager@example.com",
    "pin": "274163",
    "reason": "少上一份",
    "payable_cents": 5300,
    "discount_cents": 500,
    "limit": 50,
    "path": "",
}
FORMATS = {
    "date-time": "2026-05-20T12:00:00+08:00",
    "date": "2026-05-20",
    "uri": "https://example.com/q/k7m2p9q4r6s8t",
    "email": "someone@example.com",
}
DEEPEST = 5


def example(schema: dict[str, Any], schemas: dict[str, Any], *, name: str = "", depth: int = 0) -> Any:
    """A value as the schema wants it."""
    if "example" in schema:
        return schema["example"]
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for way in ("anyOf", "oneOf", "allOf"):
        if way in schema:
            return example(schema[way][0], schemas, name=name, depth=depth)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        if depth > DEEPEST:
            return {}
        properties = schema.get("properties", {})
        return {key: example(part, schemas, name=key, depth=depth + 1) for key, part in properties.items()}
    if kind == "array":
        return [] if depth > DEEPEST else [example(schema.get("items", {}), schemas, name=name, depth=depth + 1)]
    return _plain(schema, kind, name)


def _plain(schema: dict[str, Any], kind: str | None, name: str) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    if name in NAMED and (kind == "string") == isinstance(NAMED[name], str):
        return NAMED[name]
    if name == "url":
        return FORMATS["uri"]
    return {"integer": 1, "number": 1.0, "boolean": True, "null": None}.get(kind or "", "…")


def pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def curl(method: str, url: str, *, needs: str, body: Any = None) -> str:
    """The command that asks for it; ``needs`` is walletToken, apiKey or nothing."""
    lines = [f"curl -X {method.upper()} {url}" if method != "get" else f"curl {url}"]
    if needs:
        secret = "$WALLET_TOKEN" if needs == "walletToken" else "$API_KEY"
        lines.append(f'  -H "Authorization: Bearer {secret}"')
    if method != "get":
        lines.append('  -H "Idempotency-Key: $(uuidgen)"')
    if body is not None:
        lines.append("  -H 'Content-Type: application/json'")
        lines.append(f"  -d '{pretty(body)}'")
    return " \\\n".join(lines)
