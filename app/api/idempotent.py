"""``Idempotency-Key`` for writes that have no natural key of their own."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, g, json, request

from core import idempotency
from core.clock import utc_now
from core.db import transaction
from core.errors import Invalid
from core.text import Text

KEY = re.compile(r"[A-Za-z0-9_.:-]{6,80}")


class IdempotencyKeyInvalid(Invalid):
    """6 to 80 letters, digits, ``_ . : -``."""

    code = "idempotency_key_invalid"
    sentence = Text(
        "Idempotency-Key 要 6 到 80 个字母、数字或 _.:-。", "An Idempotency-Key has 6 to 80 letters, digits or _.:-."
    )


def idempotency_key() -> str | None:
    """The key of this request, checked; None when it has none."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not KEY.fullmatch(key):
        raise IdempotencyKeyInvalid()
    return key


def request_fingerprint() -> str:
    """What makes two requests the same. A manager's PIN is left out: it must not be guessed from what is kept."""
    body: Any = request.get_data(as_text=True)
    if '"approval"' in body and isinstance(said := request.get_json(silent=True), dict):
        body = {name: value for name, value in said.items() if name != "approval"}
    return idempotency.fingerprint(request.method, request.path, body)


def in_one_transaction(view: Callable[..., Any]) -> Callable[..., Any]:
    """Run a view in one transaction together with its Idempotency-Key.

    The view returns (body, status). A repeat gets the first answer with ``Idempotent-Replay: true``; a refusal is not
    kept, so it may be tried again. Goes below ``@access`` and the schemas.
    """

    @wraps(view)
    def once(*args: Any, **kwargs: Any) -> Response | tuple[Any, int]:
        key = idempotency_key()
        if key is None:
            with transaction():
                return view(*args, **kwargs)  # type: ignore[no-any-return]
        scope = g.actor.author_name
        with transaction():
            earlier = idempotency.earlier_answer(scope, key, fingerprint=request_fingerprint(), now=utc_now())
            if earlier is None:
                body, status = view(*args, **kwargs)
                body = json.loads(json.dumps(body))
                idempotency.keep_answer(scope, key, idempotency.Answer(status, body))
                return body, status
        return replayed(earlier)

    return once


def replayed(earlier: idempotency.Answer) -> Response:
    """The first answer once more, marked as such."""
    headers = {"Idempotent-Replay": "true"}
    return Response(json.dumps(earlier.body), earlier.status, headers, content_type="application/json")
