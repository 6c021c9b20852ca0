"""How answers leave: most are small and whole, and need nothing of what streams, files and redirects need."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Response
from flask.json.provider import DefaultJSONProvider
from flask_compress import Compress

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

NO_BODY = (204, 304)
COMPRESSED_FROM = 500  # bytes


class Answer(Response):
    """One that is whole already is handed to the server as it stands: a list, which is sent at once."""

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if not self._is_whole() or environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return self.response  # type: ignore[return-value]

    def _is_whole(self) -> bool:
        body, headers = self.response, self.headers
        return (
            body.__class__ is list
            and [part.__class__ for part in body] == [bytes]
            and self.status_code >= 200
            and self.status_code not in NO_BODY
            and not self._on_close
            and "Content-Length" in headers
            and "Location" not in headers  # Werkzeug spells it for the wire
        )


class AnswerJson(DefaultJSONProvider):
    """JSON as it was, by an encoder made once."""

    ensure_ascii = False
    compact = True

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        encoder = json.JSONEncoder(
            ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=DefaultJSONProvider.default
        )
        self._encode = encoder.encode

    def line(self, answer: Any) -> str:
        """The body of an answer."""
        return f"{self._encode(answer)}\n"

    def response(self, *args: Any, **kwargs: Any) -> Response:
        if len(args) != 1 or kwargs:
            return super().response(*args, **kwargs)
        return Answer(self.line(args[0]), content_type=self.mimetype)


class CompressLarge(Compress):
    """Flask-Compress, which looks no closer at an answer that is too small for it."""

    def after_request(self, response: Response | None) -> Response:
        if (
            response is not None
            and _is_small(response.headers.get("Content-Length"))
            and "Vary" not in response.headers
        ):
            response.headers.add("Vary", "Accept-Encoding")
            return response
        return super().after_request(response)


def _is_small(length: str | None) -> bool:
    return length is not None and int(length) < COMPRESSED_FROM
