"""A chain of a million members who bought, hold coupons and agreed to be written to, straight into the tables."""

import os
from datetime import UTC, datetime, timedelta

from sqlalchemy import make_url

from benchmarks import world
from benchmarks.world import connected, tidy
from core.hot import Sql

MEMBERS = int(os.environ.get("BENCH_AUDIENCE_MEMBERS", "1000000"))
CHECKOUTS = 2 * MEMBERS
COUPONS = MEMBERS // 2
CONSENTS = MEMBERS // 2
YEAR = 30_000_000  # seconds, of joining and of buying
MEMBER_STEP, CHECKOUT_STEP = YEAR // MEMBERS, YEAR // CHECKOUTS
NOW = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=YEAR)
# Some come often and most seldom.
BUYER = f"1 + (n.i % 997) * (n.i % 991) * (n.i % 7 + 1) % {MEMBERS}"
CENTS = "1000 + n.i % 9000"

FILL = [part for part in world.FILL if part[1].split()[2] in ("chains", "programs", "tiers", "stores")]
FILL += [part for part in world.FILL if part[1].split()[2] == "offers"]
FILL += [
    (MEMBERS, "INSERT INTO wallets (key_hash, language, created_at) SELECT {wallet_hash}, 'zh', {ago} FROM {numbers}"),
    (
        MEMBERS,
        "INSERT INTO members (chain_id, wallet_id, store_id, name, phone, email, birthday, language, joined_at)"
        f" SELECT 1, n.i, 1 + n.i % {world.STORES}, '会员 ' || n.i, CASE WHEN n.i % 2 = 0 THEN '+86139' || n.i END,"
        " CASE WHEN n.i % 3 = 0 THEN 'm' || n.i || '@example.com' END,"
        " CASE WHEN n.i % 4 > 0 THEN substr('0' || (1 + n.i % 12), -2 + length('0' || (1 + n.i % 12)) + 1, 2)"
        " || '-' || substr('0' || (1 + n.i % 28), -2 + length('0' || (1 + n.i % 28)) + 1, 2) END,"
        " CASE n.i % 5 WHEN 0 THEN 'en' ELSE 'zh' END, {ago} FROM {numbers}",
    ),
    (
        MEMBERS,
        "INSERT INTO cards (chain_id, program_id, wallet_id, member_id, tier_id, number, code_secret, state, points,"
        " value_cents, channel, store_id, issued_at, issued_on, closed_at)"
        f" SELECT 1, 1, n.i, n.i, 1 + n.i % 3, {world.LUHN_NUMBER}, {{secret}},"
        " CASE n.i % 50 WHEN 0 THEN 'closed' ELSE 'active' END, n.i % 900, 0, 'scan',"
        f" 1 + n.i % {world.STORES}, {{ago}}, '2026-01-02', CASE n.i % 50 WHEN 0 THEN {{ago}} END FROM {{numbers}}",
    ),
    (
        CHECKOUTS,
        "INSERT INTO checkouts (chain_id, store_id, card_id, member_id, settled_by, request_id, fingerprint,"
        " amount_cents, member_discount_cents, coupon_discount_cents, payable_cents, refunded_cents, points_earned,"
        f" state, settled_at, business_day) SELECT 1, 1 + n.i % {world.STORES}, {BUYER}, {BUYER}, 'key:1',"
        f" 'bench' || n.i, 'f', {CENTS}, 0, 0, {CENTS}, CASE n.i % 100 WHEN 0 THEN 500 ELSE 0 END, 0, 'settled',"
        " {bought}, {bought_on} FROM {numbers}",
    ),
    (
        COUPONS,
        "INSERT INTO coupons (chain_id, offer_id, card_id, member_id, ordinal, code, state, source, claimed_at,"
        f" valid_from, valid_until) SELECT 1, 1 + n.i % 20, 1 + n.i * 7 % {MEMBERS}, 1 + n.i * 7 % {MEMBERS},"
        " 1, 'bench' || n.i, 'claimed', 'claim_page', {ago}, '2026-01-01 00:00:00.000000',"
        " '2036-01-01 00:00:00.000000' FROM {numbers}",
    ),
    (
        CONSENTS,
        "INSERT INTO consents (chain_id, member_id, channel, is_granted, source, at)"
        f" SELECT 1, 1 + n.i * 3 % {MEMBERS}, CASE n.i % 2 WHEN 0 THEN 'email' ELSE 'gateway' END, n.i % 9 > 0,"
        " 'bench', {ago} FROM {numbers}",
    ),
]


def fill(database_url: str) -> None:
    """Fill a migrated, empty database, and let it count its rows."""
    name = make_url(database_url).get_backend_name()
    dialect = world.DIALECTS[name]

    def every(seconds: int) -> str:
        return dialect.ago.replace("1 second", f"{seconds} second").replace("+ n.i,", f"+ n.i * {seconds},")

    parts = {
        "numbers": dialect.numbers,
        "secret": dialect.secret,
        "ago": every(MEMBER_STEP),
        "bought": every(CHECKOUT_STEP),
        "bought_on": f"({every(CHECKOUT_STEP)})::date" if name == "postgresql" else f"date({every(CHECKOUT_STEP)})",
        "wallet_hash": dialect.sha256.format("'bench-wallet-' || n.i"),
    }
    unchecked = "SET session_replication_role = replica" if name == "postgresql" else "PRAGMA foreign_keys = OFF"
    with connected(database_url) as connection:
        connection.execute(unchecked)
        for count, text in FILL:
            sql = Sql(text.format(**parts))
            connection.execute(sql.sqlite if name == "sqlite" else sql.postgresql, {"n": count})
        connection.commit()
        tidy(connection)
