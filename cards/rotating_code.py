"""The code a card shows at the till: its number and a one-time password of 30 seconds (RFC 6238).

24 digits, so that a QR picture is small and a USB scanner can type it. A screenshot is worthless after a minute.
A program for printed cards shows a static code: the same shape, with the password of counter 0 (RFC 4226).
"""

from base64 import b32encode
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pyotp import HOTP, TOTP

from cards.models import CodeMode
from core.errors import NotFound
from core.text import Text
from core.tokens import is_luhn_valid

NUMBER_DIGITS, PASSWORD_DIGITS = 16, 8
STEP = timedelta(seconds=30)
DRIFT_STEPS = 1  # one step early or late still counts


class CardCodeUnknown(NotFound):
    """No card of this chain shows such a code now."""

    code = "card_code_unknown"
    sentence = Text(
        "这个会员码不对或已过期。请顾客刷新手机上的会员码再扫。",
        "This card code is wrong or out of date. Ask the customer to refresh it and scan again.",
    )


class ShownCode(NamedTuple):
    value: str  # 24 digits
    expires_at: datetime | None  # None: a static code


def shown_code(number: str, secret: bytes, mode: str, *, now: datetime) -> ShownCode:
    """What the card shows now."""
    if mode == CodeMode.STATIC:
        return ShownCode(number + _static(secret), None)
    step = int(STEP.total_seconds())
    counter = int(now.timestamp()) // step
    expires_at = datetime.fromtimestamp((counter + 1) * step, UTC)
    return ShownCode(number + _rotating(secret).at(now), expires_at)


def split_code(code: str) -> tuple[str, str]:
    """The card number and the password in a shown code. Raises CardCodeUnknown when it has not the shape of one."""
    digits = "".join(code.split())
    number, password = digits[:NUMBER_DIGITS], digits[NUMBER_DIGITS:]
    is_password = len(password) == PASSWORD_DIGITS and password.isascii() and password.isdecimal()
    if not is_password or not is_luhn_valid(number):
        raise CardCodeUnknown()
    return number, password


def is_shown(secret: bytes, mode: str, password: str, *, now: datetime) -> bool:
    """Whether a card with this secret shows this password now."""
    if mode == CodeMode.STATIC:
        return HOTP(_base32(secret), digits=PASSWORD_DIGITS).verify(password, 0)
    return _rotating(secret).verify(password, for_time=now, valid_window=DRIFT_STEPS)


def _rotating(secret: bytes) -> TOTP:
    return TOTP(_base32(secret), digits=PASSWORD_DIGITS, interval=int(STEP.total_seconds()))


def _static(secret: bytes) -> str:
    return str(HOTP(_base32(secret), digits=PASSWORD_DIGITS).at(0))


def _base32(secret: bytes) -> str:
    return b32encode(secret).decode()
