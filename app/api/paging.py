"""Lists page by key: ``?cursor=&limit=``; the answer names the next cursor."""

from collections.abc import Callable, Sequence
from typing import Any

from marshmallow import Schema, fields, validate


class PageQuery(Schema):
    """How much of a list, from where."""

    cursor = fields.Integer(
        load_default=None,
        allow_none=True,
        validate=validate.Range(0, 2**63 - 1),
        metadata={"description": "next_cursor of the last page"},
    )
    limit = fields.Integer(load_default=50, validate=validate.Range(1, 500))


def page(rows: Sequence[Any], *, limit: int, show: Callable[[Any], Any]) -> dict[str, Any]:
    """A page of rows that have an ``id``: items, and the cursor of the next page or null."""
    return {"items": [show(row) for row in rows], "next_cursor": rows[-1].id if len(rows) == limit else None}


def page_schema(item: type[Schema]) -> type[Schema]:
    """The schema of a page of items, for the description."""
    name = item.__name__.removesuffix("Schema") + "PageSchema"
    return type(
        name,
        (Schema,),
        {"items": fields.List(fields.Nested(item)), "next_cursor": fields.Integer(allow_none=True)},
    )
