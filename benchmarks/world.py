"""A chain large enough to measure on, written straight into the tables: members, wallets without a card, offers.

On empty tables the cached plans of foreign-key checks are sequential scans, so nothing is measured there.
"""

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import make_url

from cards.models import CodeMode
from cards.rotating_code import shown_code
from core.clock import utc_now
from core.hot import Sql
from core.tokens import hashed, luhn_digit
from tests.postgres_server import plain_url

MEMBERS = int(os.environ.get("BENCH_MEMBERS", "100000"))
FREE_WALLETS = 900_000  # each takes a card once
COUPONS = 400_000  # each is settled once
SPREAD_OFFERS = 100
HOT_OFFERS = 40  # a fresh one for each side and round
SETTLE_OFFER = 1
STORES = 100
STOCK = 10_000_000
SLOTS = 16
KEY = "kq_bench-till"
HQ_KEY = "kq_bench-head-office"


def store_token(store: int) -> str:
    return f"benchstore{store:06d}"


def link_token(link: int) -> str:
    return f"benchlink{link:08d}"


def wallet_token(wallet_id: int) -> str:
    return f"bench-wallet-{wallet_id}"


def card_number(card_id: int) -> str:
    body = f"61{card_id:013d}"
    return body + str(luhn_digit(body))


def card_code(card_id: int) -> str:
    """What the card shows now."""
    return shown_code(card_number(card_id), _secret_of(card_id), CodeMode.ROTATING, now=utc_now()).value


def coupon_code(number: int) -> str:
    return f"benchcoupon{number:08d}"


def spread_offer(number: int) -> int:
    return SETTLE_OFFER + 1 + number % SPREAD_OFFERS


def hot_offer(number: int) -> int:
    """Even ones have their stock in slots, odd ones in one row."""
    return SETTLE_OFFER + 1 + SPREAD_OFFERS + number


@dataclass(frozen=True)
class Dialect:
    numbers: str
    sha256: str
    secret: str
    ago: str


DIALECTS = {
    "postgresql": Dialect(
        numbers="generate_series(1, :n ::int) AS n(i)",
        sha256="encode(sha256(convert_to({0}, 'UTF8')), 'hex')",
        secret="substr(sha256(convert_to(n.i::text, 'UTF8')), 1, 20)",
        ago="timestamptz '2026-01-01 00:00:00+00' + n.i * interval '1 second'",
    ),
    "sqlite": Dialect(
        numbers="(WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < :n) SELECT i FROM r) AS n",
        sha256="sha256_hex({0})",
        secret="secret_of(n.i)",
        ago="strftime('%Y-%m-%d %H:%M:%S', 1767225600 + n.i, 'unixepoch') || '.000000'",
    ),
}

# The number of card i: 61, the thirteen digits of i, and the check digit of them all (61 itself adds 4).
CHECKED = "4 + " + " + ".join(
    f"(n.i / {10**place} % 10 * 2 / 10 + n.i / {10**place} % 10 * 2 % 10)"
    if place % 2 == 0
    else f"(n.i / {10**place} % 10)"
    for place in range(8)
)
LUHN_NUMBER = (
    f"'61' || substr('0000000000000' || n.i, length('0000000000000' || n.i) - 12) || ((10 - ({CHECKED}) % 10) % 10)"
)
NOW = "2026-06-01 00:00:00.000000"
FILL: list[tuple[int, str]] = [
    (
        1,
        f"INSERT INTO chains (slug, name, name_en, timezone, currency, language, cutoff_hour, accent, created_at)"
        f" SELECT 'bench', '基准', 'Bench', 'Asia/Shanghai', 'CNY', 'zh', 4, '#C8402F', '{NOW}' FROM {{numbers}}",
    ),
    (
        1,
        f"INSERT INTO programs (chain_id, is_default, name, name_en, benefits, benefits_en, terms, terms_en,"
        f" face_color, face_pattern, code_mode, points_per_unit, created_at)"
        f" SELECT 1, TRUE, '会员卡', 'Card', '', '', '', '', '#C8402F', 'waves', 'rotating', 1, '{NOW}'"
        f" FROM {{numbers}}",
    ),
    (
        3,
        "INSERT INTO tiers (chain_id, program_id, rank, name, name_en, discount_bp, points_multiplier_bp,"
        " threshold_points) SELECT 1, 1, n.i - 1, '等级', 'Tier', (n.i - 1) * 200, 10000, (n.i - 1) * 100000"
        " FROM {numbers}",
    ),
    (
        STORES,
        f"INSERT INTO stores (chain_id, code, name, address, city, region, country, postcode, phone, timezone,"
        f" created_at) SELECT 1, 'S' || n.i, '门店 ' || n.i, '', '', '', 'CN', '', '', 'Asia/Shanghai', '{NOW}'"
        f" FROM {{numbers}}",
    ),
    (
        STORES,
        f"INSERT INTO store_codes (chain_id, store_id, token, label, created_at)"
        f" SELECT 1, n.i, 'benchstore' || substr('000000' || n.i, length('000000' || n.i) - 5), '', '{NOW}'"
        f" FROM {{numbers}}",
    ),
    (
        MEMBERS + FREE_WALLETS,
        "INSERT INTO wallets (key_hash, language, created_at) SELECT {wallet_hash}, 'zh', {ago} FROM {numbers}",
    ),
    (
        MEMBERS,
        f"INSERT INTO members (chain_id, wallet_id, store_id, name, phone, language, joined_at)"
        f" SELECT 1, n.i, 1 + n.i % {STORES}, '会员 ' || n.i, '+86139' || substr('0000000' || n.i,"
        f" length('0000000' || n.i) - 7), 'zh', {{ago}} FROM {{numbers}}",
    ),
    (
        MEMBERS,
        f"INSERT INTO cards (chain_id, program_id, wallet_id, member_id, tier_id, number, code_secret, state, points,"
        f" value_cents, channel, store_id, store_code_id, issued_at, issued_on)"
        f" SELECT 1, 1, n.i, n.i, 1, {LUHN_NUMBER},"
        f" {{secret}}, 'active', n.i % 500, 0, 'scan', 1 + n.i % {STORES}, 1 + n.i % {STORES}, {{ago}}, '2026-01-02'"
        f" FROM {{numbers}}",
    ),
    (
        MEMBERS,
        f"INSERT INTO share_links (chain_id, program_id, card_id, member_id, store_id, token, channel, visits,"
        f" created_at) SELECT 1, 1, n.i, n.i, 1 + n.i % {STORES}, 'benchlink' || substr('00000000' || n.i,"
        f" length('00000000' || n.i) - 7), 'friend', 0, {{ago}} FROM {{numbers}}",
    ),
    (
        SETTLE_OFFER + SPREAD_OFFERS + HOT_OFFERS,
        f"INSERT INTO offers (chain_id, token, name, name_en, kind, value_cents, min_cents, stock, per_member_limit,"
        f" valid_from, valid_until, is_public, state, created_at)"
        f" SELECT 1, 'benchoffer' || n.i, '立减五元', '5 off', 'cash', 500, 1000, {STOCK * SLOTS},"
        f" CASE n.i WHEN {SETTLE_OFFER} THEN 100 ELSE 1 END, '2026-01-01 00:00:00.000000',"
        f" '2036-01-01 00:00:00.000000', TRUE, 'running', '{NOW}' FROM {{numbers}}",
    ),
    (
        (SETTLE_OFFER + SPREAD_OFFERS + HOT_OFFERS) * SLOTS,
        f"INSERT INTO offer_slots (offer_id, slot, stock, claimed)"
        f" SELECT (n.i - 1) / {SLOTS} + 1, (n.i - 1) % {SLOTS}, {STOCK}, 0 FROM {{numbers}}"
        f" WHERE (n.i - 1) / {SLOTS} + 1 <= {hot_offer(0) - 1} OR (n.i - 1) % {SLOTS} = 0"
        f" OR ((n.i - 1) / {SLOTS} + 1 - {hot_offer(0)}) % 2 = 0",
    ),
    (
        COUPONS,
        f"INSERT INTO coupons (chain_id, offer_id, card_id, member_id, ordinal, code, state, source, claimed_at,"
        f" valid_from, valid_until) SELECT 1, {SETTLE_OFFER}, 1 + (n.i - 1) % {MEMBERS}, 1 + (n.i - 1) % {MEMBERS},"
        f" 1 + (n.i - 1) / {MEMBERS}, 'benchcoupon' || substr('00000000' || n.i, length('00000000' || n.i) - 7),"
        f" 'claimed', 'claim_page', {{ago}}, '2026-01-01 00:00:00.000000', '2036-01-01 00:00:00.000000'"
        f" FROM {{numbers}}",
    ),
    (
        2,
        f"INSERT INTO api_keys (chain_id, store_id, name, role, key_hash, last_four, created_at)"
        f" SELECT 1, CASE n.i WHEN 1 THEN 1 END, 'bench', CASE n.i WHEN 1 THEN 'clerk' ELSE 'hq_admin' END,"
        f" CASE n.i WHEN 1 THEN '{hashed(KEY)}' ELSE '{hashed(HQ_KEY)}' END, 'nnch', '{NOW}' FROM {{numbers}}",
    ),
]


def fill(database_url: str) -> None:
    """Fill a migrated, empty database, and let it count its rows."""
    name = make_url(database_url).get_backend_name()
    dialect = DIALECTS[name]
    parts = {
        "numbers": dialect.numbers,
        "secret": dialect.secret,
        "ago": dialect.ago,
        "wallet_hash": dialect.sha256.format("'bench-wallet-' || n.i"),
    }
    with connected(database_url) as connection:
        for count, text in FILL:
            sql = Sql(text.format(**parts))
            if name == "sqlite":
                connection.execute(sql.sqlite, {"n": count})
            else:
                connection.execute(sql.postgresql, {"n": count})
        connection.commit()
        tidy(connection)


def tidy(connection: Any) -> None:
    """As autovacuum, or SQLite's own upkeep, leave a database after a while."""
    if isinstance(connection, psycopg.Connection):
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")
    else:
        connection.execute("ANALYZE")  # every row: SQL by hand depends on it more than ours
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def connected(database_url: str) -> Iterator[Any]:
    """A driver's connection of our own, beside the application's."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        connection: Any = sqlite3.connect(str(url.database), timeout=30)
        connection.create_function("sha256_hex", 1, hashed, deterministic=True)
        connection.create_function("secret_of", 1, _secret_of, deterministic=True)
        connection.execute("PRAGMA foreign_keys = ON")
    else:
        connection = psycopg.connect(plain_url(database_url))
    try:
        yield connection
    finally:
        connection.close()


def _secret_of(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()[:20]


def count(database_url: str, query: str) -> int:
    with connected(database_url) as connection:
        return int(connection.execute(query).fetchone()[0])
