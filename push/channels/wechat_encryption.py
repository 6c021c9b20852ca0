"""What WeChat tells so that only the account can read it (安全模式): AES-256-CBC with a key of the account's own.

Behind 16 random bytes stand the message's length, the message, and the account that it is for.
"""

import base64
import hmac
from collections.abc import Sequence

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES = 32
BLOCK_BITS = 8 * KEY_BYTES  # filled up to the key's length, not to the 16 bytes of AES
NOISE, HEAD = 16, 20  # bytes: the random ones, and with the length


class KeyInvalid(ValueError):
    """Not the 43 characters of an EncodingAESKey."""


class Unreadable(ValueError):
    """It cannot be read, or is for another account; the text says which setting to look at."""


def read_keys(text: str) -> tuple[bytes, ...]:
    """The keys of an account: its own and, while that is being changed, the one before. Raises KeyInvalid."""
    if text and not text.strip():
        raise KeyInvalid()
    return tuple(_key(word) for word in text.split())


def decrypted(encrypted: str, keys: Sequence[bytes], appid: str) -> bytes:
    """What WeChat said to this account; check first that WeChat signed it. Raises Unreadable."""
    opened = [parts for key in keys if (parts := _opened(encrypted, key))]
    for message, addressee in opened:
        if hmac.compare_digest(addressee, appid.encode()):
            return message
    if opened:
        raise Unreadable("it is for another account than WECHAT_APPID")
    raise Unreadable("WECHAT_ENCODING_AES_KEY does not open it")


def _key(word: str) -> bytes:
    try:
        key = base64.b64decode(word + "=", validate=True)
    except ValueError:
        raise KeyInvalid() from None
    if len(key) != KEY_BYTES:
        raise KeyInvalid()
    return key


def _opened(encrypted: str, key: bytes) -> tuple[bytes, bytes] | None:
    """The message and whom it is for; None where this key does not fit, or nothing was encrypted with any."""
    cipher = Cipher(algorithms.AES256(key), modes.CBC(key[:16])).decryptor()
    unpadder = padding.PKCS7(BLOCK_BITS).unpadder()
    try:
        filled = cipher.update(base64.b64decode(encrypted)) + cipher.finalize()
        plain = unpadder.update(filled) + unpadder.finalize()
    except ValueError:
        return None
    end = HEAD + int.from_bytes(plain[NOISE:HEAD])
    return (plain[HEAD:end], plain[end:]) if HEAD < end <= len(plain) else None
