"""Issuing a card: one per wallet and program, however many taps arrive at once.

On PostgreSQL the parts below stand in one statement, to which coupons and sharing add theirs (sharing/joining.py);
on SQLite the same steps follow one another in one transaction.
"""

from datetime import date, datetime
from typing import NamedTuple

from cards.models import CardChannel
from core.clock import business_day
from core.hot import Hot, Sql
from core.tokens import new_number

SECRET_BYTES = 20  # of the rotating code, as RFC 4226 advises


class Origin(NamedTuple):
    """Where a card comes from: what a store code or a share link stands for."""

    chain_id: int
    program_id: int
    tier_id: int
    store_id: int | None
    store_code_id: int | None
    share_link_id: int | None
    channel: str
    issued_on: date


class NewCard(NamedTuple):
    card_id: int
    member_id: int


def business_day_sql(timezone: str) -> str:
    """The business day of ``:now`` in PostgreSQL; the same as core.clock.business_day. ``c`` is the chain."""
    return f"((:now ::timestamptz AT TIME ZONE {timezone}) - make_interval(hours => c.cutoff_hour::int))::date"


# --- PostgreSQL: parts of one statement ---------------------------------------------------------------------------

ORIGIN_BY_CODE = f"""
origin AS (
    SELECT sc.chain_id, p.id AS program_id, t.id AS tier_id, sc.store_id, sc.id AS store_code_id,
           NULL::bigint AS share_link_id, 'scan' AS channel, {business_day_sql("s.timezone")} AS issued_on
    FROM store_codes sc
    JOIN stores s ON s.id = sc.store_id AND s.closed_at IS NULL
    JOIN chains c ON c.id = sc.chain_id
    JOIN programs p ON p.chain_id = sc.chain_id AND p.is_default
    JOIN tiers t ON t.program_id = p.id AND t.rank = 0
    WHERE sc.token = :token AND sc.revoked_at IS NULL
)"""
ISSUE = """
member AS (
    INSERT INTO members (chain_id, wallet_id, store_id, name, language, joined_at)
    SELECT chain_id, :wallet_id, store_id, '', :language, :now FROM origin
    ON CONFLICT (chain_id, wallet_id) DO UPDATE SET wallet_id = excluded.wallet_id
    RETURNING id, joined_at = :now AS is_new
),
card AS (
    INSERT INTO cards (chain_id, program_id, wallet_id, member_id, tier_id, number, code_secret, state, points,
                       value_cents, channel, store_id, store_code_id, share_link_id, issued_at, issued_on)
    SELECT o.chain_id, o.program_id, :wallet_id, m.id, o.tier_id, :number, :code_secret, 'active', 0,
           0, o.channel, o.store_id, o.store_code_id, o.share_link_id, :now, o.issued_on
    FROM origin o CROSS JOIN member m
    ON CONFLICT (chain_id, program_id, wallet_id) DO NOTHING
    RETURNING id, chain_id, program_id, member_id, store_id
),
issued AS (
    INSERT INTO events (chain_id, kind, payload, at)
    SELECT chain_id, 'card.issued',
           jsonb_build_object('card_id', id, 'member_id', member_id, 'store_id', store_id), :now
    FROM card
)"""

# --- SQLite: the same, step by step -------------------------------------------------------------------------------

CODE = Sql("""
    SELECT sc.chain_id, p.id, t.id, sc.store_id, sc.id, s.timezone, c.cutoff_hour
    FROM store_codes sc
    JOIN stores s ON s.id = sc.store_id AND s.closed_at IS NULL
    JOIN chains c ON c.id = sc.chain_id
    JOIN programs p ON p.chain_id = sc.chain_id AND p.is_default
    JOIN tiers t ON t.program_id = p.id AND t.rank = 0
    WHERE sc.token = :token AND sc.revoked_at IS NULL
""")
NUMBER_TAKEN = Sql("SELECT 1 FROM cards WHERE number = :number")
MEMBER = Sql("""
    INSERT INTO members (chain_id, wallet_id, store_id, name, language, joined_at)
    VALUES (:chain_id, :wallet_id, :store_id, '', :language, :now)
    ON CONFLICT (chain_id, wallet_id) DO UPDATE SET wallet_id = excluded.wallet_id
    RETURNING id
""")
CARD = Sql("""
    INSERT INTO cards (chain_id, program_id, wallet_id, member_id, tier_id, number, code_secret, state, points,
                       value_cents, channel, store_id, store_code_id, share_link_id, issued_at, issued_on)
    VALUES (:chain_id, :program_id, :wallet_id, :member_id, :tier_id, :number, :code_secret, 'active', 0,
            0, :channel, :store_id, :store_code_id, :share_link_id, :now, :issued_on)
    ON CONFLICT (chain_id, program_id, wallet_id) DO NOTHING
    RETURNING id
""")
ISSUED = Sql("""
    INSERT INTO events (chain_id, kind, payload, at)
    VALUES (:chain_id, 'card.issued',
            json_object('card_id', :card_id, 'member_id', :member_id, 'store_id', :store_id), :now)
""")


def is_taken(hot: Hot, number: str) -> bool:
    """Whether a card has this number. Decides only in an open SQLite transaction, which keeps other writers out."""
    return hot.row(NUMBER_TAKEN, number=number) is not None


def find_origin_by_code(hot: Hot, token: str, *, now: datetime) -> Origin | None:
    """What a store code stands for; None when it is unknown or revoked."""
    row = hot.row(CODE, token=token)
    if row is None:
        return None
    chain_id, program_id, tier_id, store_id, store_code_id, timezone, cutoff_hour = row
    day = business_day(now, timezone, cutoff_hour)
    return Origin(chain_id, program_id, tier_id, store_id, store_code_id, None, CardChannel.SCAN, day)


def issue_stepwise(
    hot: Hot, origin: Origin, *, wallet_id: int, number: str, code_secret: bytes, language: str, now: datetime
) -> NewCard | None:
    """Issue in an open SQLite transaction; None when the wallet holds the card already."""
    place = origin._asdict() | {"issued_on": origin.issued_on.isoformat()}
    member = hot.row(
        MEMBER, chain_id=origin.chain_id, wallet_id=wallet_id, store_id=origin.store_id, language=language, now=now
    )
    assert member is not None
    card = hot.row(
        CARD, **place, wallet_id=wallet_id, member_id=member[0], number=number, code_secret=code_secret, now=now
    )
    if card is None:
        return None
    new = NewCard(card[0], member[0])
    hot.run(ISSUED, chain_id=origin.chain_id, store_id=origin.store_id, now=now, **new._asdict())
    return new


def fresh_number() -> str:
    """A new card number. Two alike are refused by the database and drawn again."""
    return new_number()
