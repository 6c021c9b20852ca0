"""Wallets: a secret on a device, its hash here."""

from datetime import datetime

from sqlalchemy import select

from cards.models import Wallet
from core.db import db
from core.hot import Hot, Sql

FIND = Sql("SELECT id FROM wallets WHERE key_hash = :key_hash")
OPEN = Sql(
    "INSERT INTO wallets (key_hash, language, created_at) VALUES (:key_hash, :language, :now)"
    " ON CONFLICT (key_hash) DO UPDATE SET key_hash = excluded.key_hash RETURNING id"
)


def find_wallet_id(key_hash: str) -> int | None:
    return db.session.scalar(select(Wallet.id).where(Wallet.key_hash == key_hash))


def open_wallet(hot: Hot, key_hash: str, *, language: str, now: datetime) -> int:
    """The wallet of this secret, made if it is new. Any number of parallel calls give one."""
    row = hot.row(OPEN, key_hash=key_hash, language=language, now=now)
    assert row is not None
    return int(row[0])
