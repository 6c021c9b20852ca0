"""Where WeChat calls us: the address that is typed into the account's settings, together with WECHAT_TOKEN."""

import logging
import time
from typing import NoReturn

from flask import Blueprint, abort, current_app, request
from werkzeug import Response

from app.auth.guard import PUBLIC, access
from app.config import Settings
from app.factory import csrf
from core.clock import utc_now
from core.db import transaction
from core.idempotency import Answer, earlier_answer, keep_answer
from push.channels.wechat_encryption import Unreadable, decrypted, read_keys
from push.channels.wechat_events import is_signed, read_envelope, read_event, take_event

bp = Blueprint("wechat", __name__, url_prefix="/wechat")
log = logging.getLogger("kaquan.wechat_events")

SCOPE = "wechat"
WINDOW_SECONDS = 300
LARGEST = 64 * 1024  # bytes


@bp.get("/events")
@access(PUBLIC)
def prove() -> Response:
    """WeChat asks once whether this address is ours; it encrypts nothing then, however the account is set."""
    _check_signature(_settings(), "signature")
    return _text(request.args.get("echostr", "")[:200])


@bp.post("/events")
@access(PUBLIC)
@csrf.exempt  # type: ignore[untyped-decorator]  # signed by WeChat, who has no form
def take() -> Response:
    """WeChat tells of something, up to three times until it is answered."""
    settings = _settings()
    request.max_content_length = LARGEST
    event = read_event(_told(request.get_data(), settings))
    if event is not None:
        with transaction():
            if earlier_answer(SCOPE, event.key, fingerprint=event.key, now=utc_now()) is None:
                take_event(event, now=utc_now())
                keep_answer(SCOPE, event.key, Answer(200, {}))
    return _text("success")


def _told(raw: bytes, settings: Settings) -> bytes:
    """What WeChat says in a call. Where there is a key, only what is encrypted counts, whatever stands beside it."""
    envelope, keys = read_envelope(raw), read_keys(settings.wechat_encoding_aes_key)
    if keys and envelope.encrypted:
        _check_signature(settings, "msg_signature", envelope.encrypted)
        try:
            return decrypted(envelope.encrypted, keys, settings.wechat_appid)
        except Unreadable as problem:
            _refuse(str(problem))
    _check_signature(settings, "signature")
    if keys:
        _refuse("it is not encrypted, or not XML, though WECHAT_ENCODING_AES_KEY is set")
    if envelope.encrypted and not envelope.is_plain:
        _refuse("it is encrypted: set WECHAT_ENCODING_AES_KEY to the account's EncodingAESKey")
    return raw


def _settings() -> Settings:
    """404 where WeChat is not set up, and for calls that were made long ago."""
    settings: Settings = current_app.extensions["settings"]
    stamp = request.args.get("timestamp", "")
    is_fresh = stamp.isascii() and stamp.isdecimal() and abs(time.time() - int(stamp[:12])) <= WINDOW_SECONDS
    if not settings.wechat_token or not is_fresh:
        abort(404)
    return settings


def _check_signature(settings: Settings, name: str, *more: str) -> None:
    """404 for everybody who is not WeChat."""
    asked = request.args
    told = (asked.get("timestamp", ""), asked.get("nonce", ""), *more)
    if not is_signed(settings.wechat_token, asked.get(name, ""), *told):
        abort(404)


def _refuse(why: str) -> NoReturn:
    """404 for WeChat itself, which shows the account's owner that something is wrong; the log says what."""
    log.warning("WeChat told something that was not taken: %s", why)
    abort(404)


def _text(words: str) -> Response:
    return Response(words, content_type="text/plain; charset=utf-8")
