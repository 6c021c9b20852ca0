"""Where WeChat calls us: the address that is typed into the account's settings, together with WECHAT_TOKEN."""

import time

from flask import Blueprint, abort, current_app, request
from werkzeug import Response

from app.auth.guard import PUBLIC, access
from app.factory import csrf
from core.clock import utc_now
from core.db import transaction
from core.idempotency import Answer, earlier_answer, keep_answer
from push.channels.wechat_events import is_signed, read_event, take_event

bp = Blueprint("wechat", __name__, url_prefix="/wechat")

SCOPE = "wechat"
WINDOW_SECONDS = 300
LARGEST = 64 * 1024  # bytes


@bp.get("/events")
@access(PUBLIC)
def prove() -> Response:
    """WeChat asks once whether this address is ours."""
    _check()
    return _text(request.args.get("echostr", "")[:200])


@bp.post("/events")
@access(PUBLIC)
@csrf.exempt  # type: ignore[untyped-decorator]  # signed by WeChat, who has no form
def take() -> Response:
    """WeChat tells of something, up to three times until it is answered."""
    _check()
    if (request.content_length or 0) > LARGEST:
        abort(413)
    event = read_event(request.get_data())
    if event is not None:
        with transaction():
            if earlier_answer(SCOPE, event.key, fingerprint=event.key, now=utc_now()) is None:
                take_event(event, now=utc_now())
                keep_answer(SCOPE, event.key, Answer(200, {}))
    return _text("success")


def _check() -> None:
    """404 for everybody who is not WeChat, and where WeChat is not set up."""
    token, asked = current_app.extensions["settings"].wechat_token, request.args
    stamp = asked.get("timestamp", "")
    is_fresh = stamp.isascii() and stamp.isdecimal() and abs(time.time() - int(stamp[:12])) <= WINDOW_SECONDS
    if not token or not is_fresh or not is_signed(token, asked.get("signature", ""), stamp, asked.get("nonce", "")):
        abort(404)


def _text(words: str) -> Response:
    return Response(words, content_type="text/plain; charset=utf-8")
