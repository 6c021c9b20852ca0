"""Codes that open or pay something: from ``secrets``, at least 60 bits, stored hashed where they are keys."""

import hashlib
import secrets

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # no 0/o, 1/l/i: people read these aloud
CODE_LENGTH = 13
CODES = len(ALPHABET) ** CODE_LENGTH  # 64 bits
DOUBLED = {str(digit): sum(divmod(2 * digit, 10)) for digit in range(10)}  # Luhn: the digits of the double, added


def new_code() -> str:
    """A code for people and QR pictures: 13 letters and digits, 64 bits."""
    rest, letters = secrets.randbelow(CODES), ""
    for _ in range(CODE_LENGTH):
        rest, letter = divmod(rest, len(ALPHABET))
        letters += ALPHABET[letter]
    return letters


def new_secret() -> str:
    """A key for machines: 256 bits, URL-safe."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """What the database keeps of a key: SHA-256 in hex. Keys are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_number(prefix: str = "62", length: int = 16) -> str:
    """A card number: random digits after the prefix and a Luhn check digit at the end."""
    free = length - len(prefix) - 1
    body = f"{prefix}{secrets.randbelow(10**free):0{free}d}"
    return body + str(luhn_digit(body))


def luhn_digit(body: str) -> int:
    doubled, single = body[::-2], body[-2::-2]  # the last digit of the body is doubled, then every second one
    return -sum(map(DOUBLED.__getitem__, doubled), sum(map(int, single))) % 10


def is_luhn_valid(number: str) -> bool:
    return number.isdecimal() and number.isascii() and luhn_digit(number[:-1]) == int(number[-1])
