"""JSON bodies: what is none, and what no database can hold, is refused before anybody works with it."""

from typing import Any

from flask import abort
from marshmallow import Schema
from webargs.flaskparser import FlaskParser
from werkzeug import Request

ESCAPE = b"\\u"  # a NUL or half a character can only come as an escape


class BodyParser(FlaskParser):
    """Refuses with 400 what Python cannot read (too deep, too long a number) and texts that cannot be written down."""

    def load_json(self, req: Request, schema: Schema) -> Any:
        try:
            said = super().load_json(req, schema)
            is_good = ESCAPE not in req.get_data() or _can_be_written(said)
        except (ValueError, RecursionError):
            is_good = False
        if not is_good:
            abort(400)
        return said


def _can_be_written(said: Any) -> bool:
    if isinstance(said, str):
        return "\0" not in said and not any("\ud800" <= letter <= "\udfff" for letter in said)
    if isinstance(said, dict):
        return all(_can_be_written(part) for pair in said.items() for part in pair)
    return not isinstance(said, list) or all(_can_be_written(part) for part in said)
