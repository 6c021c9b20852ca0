"""What else can run out than the stock: a business day's share, a phone's, the budget.

Each is a row that counts, with a CHECK that it never counts further than it may. A claim adds to all of them in its one
statement; where one CHECK says no, nothing of the claim happened.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from sqlalchemy import update

from core.db import db
from core.errors import DomainError
from core.hot import Hot, Sql
from core.tokens import hashed
from coupons import errors
from coupons.models import OfferBudget
from coupons.validity import TODAY

# The most that a coupon of offer ``f`` can take off; what a claim commits of the budget.
MOST_CENTS = """CASE f.kind WHEN 'cash' THEN f.value_cents WHEN 'percent' THEN f.cap_cents
         WHEN 'gift' THEN f.item_cents ELSE f.item_cents - f.price_cents END"""
# Whether offer ``f`` has none of these limits and is for every card: its claim is the short statement.
IS_PLAIN = (
    "f.per_day_limit IS NULL AND f.per_phone_limit IS NULL AND f.budget_cents IS NULL"
    " AND f.is_for_all_programs AND f.is_for_all_tiers"
)
# Whether card ``k`` is of a program and a tier that offer ``f`` is for.
IS_IN_SCOPE = """(f.is_for_all_programs
         OR EXISTS (SELECT 1 FROM offer_programs s WHERE s.offer_id = f.id AND s.program_id = k.program_id))
    AND (f.is_for_all_tiers
         OR EXISTS (SELECT 1 FROM offer_tiers s WHERE s.offer_id = f.id AND s.tier_id = k.tier_id))"""

# --- PostgreSQL: parts of the statement that claims; they read ``offer``, ``holder`` and the new ``coupon`` -------

SCOPE_COLUMNS = "f.is_for_all_programs, f.is_for_all_tiers, f.per_phone_limit"
OFFER_COLUMNS = f"""f.per_day_limit, f.per_phone_limit, f.budget_cents,
           {MOST_CENTS} AS most_cents, {TODAY} AS day"""
PHONE_HASH = "encode(sha256(m.phone::bytea), 'hex') AS phone_hash"  # of member ``m``; as core.tokens.hashed
HAS_PHONE = "(f.per_phone_limit IS NULL OR m.phone_verified_at IS NOT NULL)"


# Adds the coupon to whatever its offer counts.
COUNTED = """
counted_day AS (
    INSERT INTO offer_days AS n (offer_id, day, claimed, most)
    SELECT f.id, f.day, 1, f.per_day_limit FROM coupon CROSS JOIN offer f WHERE f.per_day_limit IS NOT NULL
    ON CONFLICT (offer_id, day) DO UPDATE SET claimed = n.claimed + 1, most = excluded.most
),
counted_phone AS (
    INSERT INTO offer_phones AS n (offer_id, phone_hash, claimed, most)
    SELECT f.id, h.phone_hash, 1, f.per_phone_limit FROM coupon CROSS JOIN offer f CROSS JOIN holder h
    WHERE f.per_phone_limit IS NOT NULL
    ON CONFLICT (offer_id, phone_hash) DO UPDATE SET claimed = n.claimed + 1, most = excluded.most
),
committed AS (
    INSERT INTO offer_budgets AS n (offer_id, budget_cents, committed_cents)
    SELECT f.id, f.budget_cents, f.most_cents FROM coupon CROSS JOIN offer f WHERE f.budget_cents IS NOT NULL
    ON CONFLICT (offer_id) DO UPDATE SET committed_cents = n.committed_cents + excluded.committed_cents
),"""
COMMITTED_CENTS = "CASE WHEN f.budget_cents IS NULL THEN 0 ELSE f.most_cents END"
REFUSALS: dict[str, type[DomainError]] = {
    "ck_offer_days_claimed_within_day": errors.OfferDayLimitReached,
    "ck_offer_phones_claimed_within_phone": errors.OfferPhoneLimitReached,
    "ck_offer_budgets_committed_within_budget": errors.OfferBudgetSpent,
}

# --- SQLite: the same, step by step -------------------------------------------------------------------------------

DAY = Sql("SELECT claimed FROM offer_days WHERE offer_id = :offer_id AND day = :day")
COUNT_DAY = Sql("""
    INSERT INTO offer_days (offer_id, day, claimed, most) VALUES (:offer_id, :day, 1, :most)
    ON CONFLICT (offer_id, day) DO UPDATE SET claimed = claimed + 1, most = excluded.most
""")
PHONE = Sql("SELECT claimed FROM offer_phones WHERE offer_id = :offer_id AND phone_hash = :phone_hash")
COUNT_PHONE = Sql("""
    INSERT INTO offer_phones (offer_id, phone_hash, claimed, most) VALUES (:offer_id, :phone_hash, 1, :most)
    ON CONFLICT (offer_id, phone_hash) DO UPDATE SET claimed = claimed + 1, most = excluded.most
""")
BUDGET = Sql("SELECT budget_cents - committed_cents FROM offer_budgets WHERE offer_id = :offer_id")
COMMIT = Sql("""
    INSERT INTO offer_budgets (offer_id, budget_cents, committed_cents) VALUES (:offer_id, :budget_cents, :cents)
    ON CONFLICT (offer_id) DO UPDATE SET committed_cents = committed_cents + excluded.committed_cents
""")
# Of the holder's cards the first that the offer is for, else the first.
SCOPED_CARD = f"""
    SELECT k.id, k.member_id, ({IS_IN_SCOPE}) AS fits, m.phone, m.phone_verified_at
    FROM cards k JOIN members m ON m.id = k.member_id JOIN offers f ON f.id = :offer_id
    WHERE {{holder}} AND k.chain_id = :chain_id AND k.state = 'active' ORDER BY fits DESC, k.id LIMIT 1
"""


class Limits(NamedTuple):
    """What an offer limits beside its stock. ``day`` is today's, ``most_cents`` what a coupon can take off."""

    per_day: int | None
    per_phone: int | None
    budget_cents: int | None
    most_cents: int | None
    day: date

    @property
    def committed_cents(self) -> int:
        """What one coupon commits of the budget."""
        return 0 if self.budget_cents is None else int(self.most_cents or 0)


def reached(hot: Hot, offer_id: int, limits: Limits, *, phone: str | None) -> DomainError | None:
    """Which limit leaves no room for one more. Decides only in an open SQLite transaction; else it finds the words."""
    if limits.per_day is not None:
        row = hot.row(DAY, offer_id=offer_id, day=limits.day if hot.is_postgresql else limits.day.isoformat())
        if row is not None and row[0] >= limits.per_day:
            return errors.OfferDayLimitReached(limit=limits.per_day)
    if limits.per_phone is not None and phone is not None:
        row = hot.row(PHONE, offer_id=offer_id, phone_hash=hashed(phone))
        if row is not None and row[0] >= limits.per_phone:
            return errors.OfferPhoneLimitReached(limit=limits.per_phone)
    if limits.budget_cents is not None:
        row = hot.row(BUDGET, offer_id=offer_id)
        if (limits.budget_cents if row is None else row[0]) < limits.committed_cents:
            return errors.OfferBudgetSpent()
    return None


def count_stepwise(hot: Hot, offer_id: int, limits: Limits, *, phone: str | None) -> None:
    """Add a coupon to whatever its offer counts, in an open SQLite transaction."""
    if limits.per_day is not None:
        hot.run(COUNT_DAY, offer_id=offer_id, day=limits.day.isoformat(), most=limits.per_day)
    if limits.per_phone is not None and phone is not None:
        hot.run(COUNT_PHONE, offer_id=offer_id, phone_hash=hashed(phone), most=limits.per_phone)
    if limits.budget_cents is not None:
        hot.run(COMMIT, offer_id=offer_id, budget_cents=limits.budget_cents, cents=limits.committed_cents)


def refusal_of(constraint: str, limits: Limits) -> DomainError:
    """What a CHECK said no to. Raises KeyError for one that is none of these limits."""
    kind = REFUSALS[constraint]
    if kind is errors.OfferDayLimitReached:
        return kind(limit=limits.per_day)
    return kind(limit=limits.per_phone) if kind is errors.OfferPhoneLimitReached else kind()


def free_budget(cents: Mapping[int, int]) -> None:
    """Give back what ended coupons had committed (offer -> cents). Needs an open transaction.

    In one order, so that two who free the budgets of several offers never wait for one another.
    """
    for offer_id in sorted(cents):
        if cents[offer_id]:
            db.session.execute(
                update(OfferBudget)
                .where(OfferBudget.offer_id == offer_id)
                .values(committed_cents=OfferBudget.committed_cents - cents[offer_id])
                .execution_options(synchronize_session=False)
            )
