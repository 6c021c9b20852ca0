"""How push services know us (RFC 8292): a key of this installation, and short tokens signed with it."""

import base64
import time
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from py_vapid import Vapid02, VapidException

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the curve P-256
SEED_BYTES = 48  # 16 more than the order, so that every key is as likely as every other
PURPOSE = b"kaquan web push"
THIS_MACHINE = ("localhost", "127.0.0.1")  # browsers trust it without a certificate, so push services may be there too
TOKEN_SECONDS = 12 * 3600  # push services take at most a day
RENEWED_AFTER = 6 * 3600


class KeyInvalid(ValueError):
    """Not the 32 bytes of a private key in base64url."""


def private_key(secret_key: str, given: str = "") -> ec.EllipticCurvePrivateKey:
    """The key that was given, else one derived from the installation's secret: always the same. Raises KeyInvalid."""
    if given:
        return _given(given)
    seed = HKDF(algorithm=hashes.SHA256(), length=SEED_BYTES, salt=None, info=PURPOSE).derive(secret_key.encode())
    return ec.derive_private_key(int.from_bytes(seed) % (ORDER - 1) + 1, ec.SECP256R1())


def public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """What a browser asks for when it subscribes, in base64url."""
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


class _Token(NamedTuple):
    header: str
    made_at: float


class Tokens:
    """The Authorization header for each push service, signed anew every six hours."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str) -> None:
        self._vapid: Any = Vapid02(key)
        self._subject = subject  # mailto: or https:, where a push service can complain
        self._made: dict[str, _Token] = {}

    def header(self, audience: str) -> str:
        """For the push service at ``audience``, such as https://push.example."""
        now = time.time()
        known = self._made.get(audience)
        if known is None or now - known.made_at > RENEWED_AFTER:
            claims = {"aud": audience, "exp": int(now) + TOKEN_SECONDS, "sub": self._subject}
            known = self._made[audience] = _Token(self._vapid.sign(claims)["Authorization"], now)
        return known.header


def _given(text: str) -> ec.EllipticCurvePrivateKey:
    try:
        scalar = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(scalar) != 32:
            raise KeyInvalid()
        key: ec.EllipticCurvePrivateKey = Vapid02.from_raw(text.rstrip("=").encode()).private_key
    except (ValueError, VapidException):
        raise KeyInvalid() from None
    return key
