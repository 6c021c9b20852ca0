"""Wallets: a secret on a device, its hash here."""

from datetime import datetime

from core.hot import Hot, Sql, look_up

FIND = Sql("SELECT id FROM wallets WHERE key_hash = :key_hash")
OPEN = Sql(
    "INSERT INTO wallets (key_hash, language, created_at) VALUES (:key_hash, :language, :now)"
    " ON CONFLICT (key_hash) DO UPDATE SET key_hash = excluded.key_hash RETURNING id"
)


def find_wallet_id(key_hash: str) -> int | None:
    """The wallet of this secret; None when it has taken nothing yet."""
    row = look_up(FIND, key_hash=key_hash)
    return None if row is None else int(row[0])


def open_wallet(hot: Hot, key_hash: str, *, language: str, now: datetime) -> int:
    """The wallet of this secret, made if it is new. Any number of parallel calls give one."""
    row = hot.row(OPEN, key_hash=key_hash, language=language, now=now)
    assert row is not None
    return int(row[0])
