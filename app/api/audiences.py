"""Whom something means, as the API takes and gives it: a rule tree (push/audiences/segments.py)."""

from typing import Any

from marshmallow import fields

EXAMPLE = {
    "all": [
        {"field": "purchases", "op": "at_least", "value": {"count": 3, "days": 365}},
        {
            "any": [
                {"field": "birthday", "op": "in_month", "value": [5]},
                {"not": {"field": "tier", "op": "in", "value": [1]}},
            ]
        },
    ]
}


def audience_field(**more: Any) -> fields.Dict:
    """The field of a schema that holds a rule tree; the domain refuses what is none."""
    about = "a rule tree of all, any, not and conditions: see POST /segments/count"
    return fields.Dict(metadata={"description": about, "example": EXAMPLE}, **more)
