"""Stores and their codes, for partner systems and tills."""

from typing import Any

from flask import current_app
from marshmallow import Schema, fields, validate

from app.api.blueprint import api_blueprint
from app.api.paging import PageQuery, page, page_schema
from app.auth.guard import EVERYBODY, access, actor
from stores import queries
from stores.codes import code_url

bp = api_blueprint("stores", "Stores and their codes")
text = validate.And(validate.Length(max=120), validate.ContainsNoneOf("\0"))


class StoreQuery(PageQuery):
    """Which stores."""

    q = fields.String(load_default="", validate=text, metadata={"description": "words in name, code, city, address"})
    city = fields.String(load_default="", validate=text)


class StoreCodeQuery(PageQuery):
    """Which codes."""

    store = fields.String(load_default="", validate=text, metadata={"description": "the store's code"})


class StoreSchema(Schema):
    """One shop. ``code`` is head office's own number for it."""

    id = fields.Integer()
    code = fields.String()
    name = fields.String()
    address = fields.String()
    city = fields.String()
    region = fields.String()
    country = fields.String(metadata={"description": "two letters, or empty"})
    postcode = fields.String()
    phone = fields.String(metadata={"description": "E.164 where it is a valid number"})
    timezone = fields.String()
    longitude = fields.Float(allow_none=True)
    latitude = fields.Float(allow_none=True)
    closed_at = fields.AwareDateTime(format="iso", allow_none=True)


class StoreCodeSchema(Schema):
    """One printed or shown QR of a store."""

    id = fields.Integer()
    store_code = fields.String(metadata={"description": "the code of its store"})
    label = fields.String()
    token = fields.String()
    url = fields.String()
    state = fields.String(metadata={"description": "active, revoked, or closed with its store"})


@bp.get("/stores")
@access(*EVERYBODY)
@bp.arguments(StoreQuery, location="query")
@bp.response(200, page_schema(StoreSchema))
def list_stores(question: dict[str, Any]) -> dict[str, Any]:
    """The stores of the chain, or those of a store's key."""
    rows = queries.list_stores(
        actor().chain_id,
        store_ids=actor().store_ids,
        search=question["q"],
        city=question["city"],
        after=question["cursor"] or 0,
        limit=question["limit"],
    )
    return page(rows, limit=question["limit"], show=lambda store: store)


@bp.get("/store-codes")
@access(*EVERYBODY)
@bp.arguments(StoreCodeQuery, location="query")
@bp.response(200, page_schema(StoreCodeSchema))
def list_store_codes(question: dict[str, Any]) -> dict[str, Any]:
    """The store codes of the chain, or those of a store's key; revoked ones too."""
    rows = queries.list_codes(
        actor().chain_id,
        store_ids=actor().store_ids,
        store_code=question["store"],
        after=question["cursor"] or 0,
        limit=question["limit"],
    )
    return page(rows, limit=question["limit"], show=described)


def described(code: Any) -> dict[str, Any]:
    """A store code as the API and the commands tell it."""
    return {
        "id": code.id,
        "store_code": code.store_code,
        "label": code.label,
        "token": code.token,
        "url": code_url(current_app.extensions["settings"].public_url, code.token),
        "state": "revoked" if code.revoked_at else "closed" if code.closed_at else "active",
    }
