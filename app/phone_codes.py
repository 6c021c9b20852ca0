"""One-time codes on their way to phones: asked for in one transaction, sent after it, typed back in another."""

import logging
import sys
from typing import NamedTuple, Protocol

from flask import Flask, current_app

from app.auth.guard import author
from app.config import Settings
from app.languages import language
from app.security import address
from cards import phones
from cards.phones import LASTS, Asked
from core.clock import utc_now
from core.db import transaction
from core.errors import Conflict
from core.idempotency import Answer, earlier_answer, forget_answer, keep_answer
from core.text import Text
from push.channels import ChannelError, CodeMessage, UnansweredError
from push.channels.gateway import GatewayCodes
from stores.models import Chain

SEND_SECONDS = 6.0  # so long a person looks at a page that does not come
BODY = Text(
    "【{chain}】验证码 {code}，{minutes} 分钟内有效。请不要告诉别人。",
    "{chain}: your code is {code}, good for {minutes} minutes. Do not tell it to anybody.",
)

log = logging.getLogger("kaquan.phone_codes")


class PhoneCodesUnavailable(Conflict):
    """No gateway is set up that could send them."""

    code = "phone_codes_unavailable"
    sentence = Text("这里暂时不能发送验证码，请到门店咨询。", "Codes cannot be sent here. Please ask at the store.")


class PhoneCodeNotSent(Conflict):
    """The gateway did not take it; nothing was counted."""

    code = "phone_code_not_sent"
    sentence = Text(
        "验证码没有发出去，请稍后再试一次。", "The code could not be sent. Please try again in a little while."
    )


class Sender(Protocol):
    """What brings a code to a phone."""

    def send_code(self, message: CodeMessage) -> None:
        """Hand it over, or raise ChannelError."""


class Terminal:
    """Prints codes, for looking: where no gateway is set up and SHOW_PHONE_CODES says so."""

    def send_code(self, message: CodeMessage) -> None:
        sys.stderr.write(f"[phone code] {message.key} {message.chain}: {message.code}\n")
        sys.stderr.flush()


class Once(NamedTuple):
    """The Idempotency-Key of a request."""

    scope: str
    key: str
    fingerprint: str


def is_shown() -> bool:
    """Whether the page itself shows the code, because it goes nowhere else."""
    return isinstance(_sender(), Terminal)


def ask(chain: Chain, wallet_id: int, phone: str, *, once: Once | None = None) -> Asked | Answer:
    """Make a code and send it; with a key that came before, the answer it had then.

    Raises PhoneCodesUnavailable, PhoneCodeNotSent, PhoneInvalid, PhoneCodesTooMany.
    """
    sender, now = _sender(), utc_now()
    if sender is None:
        raise PhoneCodesUnavailable()
    secret = current_app.config["SECRET_KEY"]
    address_hash = phones.hashed_address(address(), secret=secret)
    with transaction():
        earlier = earlier_answer(*once[:2], fingerprint=once.fingerprint, now=now) if once else None
        if earlier is not None:
            return earlier
        asked = phones.ask(chain, wallet_id, phone, address_hash=address_hash, secret=secret, now=now)
        if once:
            keep_answer(*once[:2], Answer(202, shown(asked)))
    _send(sender, asked, chain, once)
    return asked


def shown(asked: Asked) -> dict[str, object]:
    """What an app is told of a code that was sent."""
    next_at = asked.valid_until - LASTS + phones.PAUSE
    return {"phone": asked.phone, "valid_until": asked.valid_until.isoformat(), "next_at": next_at.isoformat()}


def verify(chain_id: int, wallet_id: int, code: str) -> None:
    """Prove the phone by the code. Raises PhoneCodeWrong, PhoneCodeOver; a wrong try stays counted."""
    secret = current_app.config["SECRET_KEY"]
    with transaction():
        refusal = phones.verify(chain_id, wallet_id, code, secret=secret, by=author(), now=utc_now())
    if refusal is not None:
        raise refusal


def _send(sender: Sender, asked: Asked, chain: Chain, once: Once | None) -> None:
    try:
        sender.send_code(_message(asked, chain))
    except UnansweredError as problem:  # it may be on its way; if not, the next one can be asked for in a minute
        log.warning("phone code %s: %s", asked.id, problem)
    except ChannelError as problem:
        log.warning("phone code %s was not sent: %s", asked.id, problem)
        with transaction():
            phones.take_back(asked.id)
            if once:
                forget_answer(*once[:2])
        raise PhoneCodeNotSent() from problem


def _message(asked: Asked, chain: Chain) -> CodeMessage:
    name = Text(chain.name, chain.name_en or chain.name).say(language())
    minutes = int(LASTS.total_seconds()) // 60
    body = BODY.say(language(), chain=name, code=asked.code, minutes=minutes)
    return CodeMessage(f"pc-{asked.id}", name, asked.phone, language(), asked.code, minutes, body)


def _sender() -> Sender | None:
    """The gateway where there is one; it keeps its connections."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    settings: Settings = app.extensions["settings"]
    if settings.gateway_url:
        if "phone_gateway" not in app.extensions:
            app.extensions["phone_gateway"] = GatewayCodes(
                settings.gateway_url, settings.gateway_secret, timeout=SEND_SECONDS
            )
        return app.extensions["phone_gateway"]  # type: ignore[no-any-return]
    return Terminal() if settings.show_phone_codes else None
