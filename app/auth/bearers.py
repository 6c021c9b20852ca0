"""``Authorization: Bearer …``: wallet tokens and API keys."""

from flask import g, request

from app.auth.guard import WALLET, Actor
from app.security import note_wrong_code, slow_down_guessing
from cards import wallets
from core.tokens import hashed
from stores import keys

KEY_PREFIX = keys.PREFIX


def bearer() -> Actor | None:
    """Whose token this is, or None. Wrong ones count as guesses."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not secret:
        return None
    is_key = secret.startswith(KEY_PREFIX)
    if is_key and (who := _key(secret)):
        return who  # a till goes on selling while somebody beside it guesses
    slow_down_guessing()
    who = None if is_key else _wallet(secret)
    if who is None:
        note_wrong_code()
    return who


def _key(secret: str) -> Actor | None:
    key = keys.find_key(hashed(secret))
    if key is None:
        return None
    stores = None if key.store_id is None else frozenset([key.store_id])
    return Actor("key", key.id, key.chain_id, key.role, key.name, stores)


def _wallet(secret: str) -> Actor | None:
    g.wallet_key_hash = hashed(secret)
    wallet_id = wallets.find_wallet_id(g.wallet_key_hash)
    return None if wallet_id is None else Actor("wallet", wallet_id, 0, WALLET)
