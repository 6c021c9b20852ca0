"""``ledger verify``: what it compares is all there, and nothing that differs escapes it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from app.verifying import CHECKS, verify_books
from core.db import db, transaction
from tests.app.books import write_books

# What spoils the books so that this check must see it.
BREAKERS = {
    "points_balance": "UPDATE cards SET points = points + 1 WHERE id = 1",
    "points_lines": "UPDATE point_entries SET balance = balance + 1 WHERE id = 2",
    "stock_laid": "UPDATE offers SET stock = 11",
    "stock_claimed": "UPDATE offer_slots SET claimed = claimed + 1 WHERE slot = 0",
    "stock_within": "UPDATE offers SET stock = 3",
    "member_limit": "UPDATE offers SET per_member_limit = 1",
    "member_order": "UPDATE coupons SET ordinal = 7 WHERE id = 2",
    "day_counted": "UPDATE offer_days SET claimed = claimed - 1",
    "day_limit": "UPDATE offers SET per_day_limit = 3",
    "phone_counted": "DELETE FROM offer_phones WHERE claimed = 1",
    "phone_limit": "UPDATE offers SET per_phone_limit = 1",
    "budget_committed": "UPDATE offer_budgets SET committed_cents = committed_cents + 1",
    "budget_size": "UPDATE offers SET budget_cents = budget_cents + 1",
    "gifts_open": "UPDATE coupons SET state = 'claimed' WHERE id = 5",
    "gifts_accepted": "UPDATE coupons SET state = 'claimed' WHERE id = 3",
    "staff_gifts": "UPDATE coupons SET source = 'api' WHERE id = 3",
    "staff_gift_order": "UPDATE staff_gifts SET ordinal = 2",
    "printed_codes": "UPDATE coupons SET source = 'api' WHERE id = 2",
    "printed_batches": "UPDATE code_batches SET size = 3, made = 3",
    "coupons_used": "UPDATE coupons SET state = 'claimed', redeemed_at = NULL WHERE id = 1",
    "redemptions_in_force": "UPDATE redemptions SET undone_at = '2099-01-01 00:00:00.000000+00'",
    "redemptions_timed": "UPDATE redemptions SET redeemed_at = NULL",
    "redemptions_belong": "UPDATE checkouts SET card_id = 2 WHERE id = 1",
    "budget_discounts": "UPDATE coupons SET committed_cents = 499 WHERE id = 1",
    "checkouts_add_up": "UPDATE checkouts SET payable_cents = payable_cents + 1 WHERE id = 1",
    "checkouts_coupons": "UPDATE redemptions SET discount_cents = 400",
    "checkouts_refunded": "UPDATE refunds SET amount_cents = 999",
    "cards_spent": "UPDATE cards SET spent_cents = spent_cents + 1 WHERE id = 2",
    "cards_earned": "UPDATE cards SET earned_points = earned_points - 1 WHERE id = 1",
    "points_given": "UPDATE checkouts SET points_earned = 51 WHERE id = 1",
    "points_used": "UPDATE point_entries SET cause = 'reserve:2' WHERE cause = 'spend:1'",
    "points_refunded": "UPDATE refunds SET points_returned = 1",
    "points_released": "UPDATE point_entries SET cause = 'release:9' WHERE cause = 'release:3'",
    "points_voided": "UPDATE point_entries SET delta = 50 WHERE cause = 'void:4' AND delta = 10",
    "share_visits": "UPDATE share_links SET visits = 2",
    "referral_paths": "UPDATE referrals SET root_id = 3 WHERE member_id = 2",
    "referral_links": "UPDATE referrals SET channel = 'friend' WHERE member_id = 2",
    "reward_receivers": "UPDATE rewards SET member_id = 3, card_id = 3 WHERE id = 1",
    "reward_budget": "UPDATE reward_rules SET committed_cents = committed_cents + 1",
    "reward_commits": "UPDATE rewards SET committed_cents = committed_cents - 1 WHERE id = 3",
    "reward_points": "UPDATE rewards SET points_short = 4 WHERE id = 3",
    "reward_coupons": "UPDATE rewards SET coupon_id = 1 WHERE id = 1",
    "reward_coupons_owed": "UPDATE coupons SET source = 'share_reward' WHERE id = 2",
    "reward_caps": "UPDATE rewards SET state = 'pending', reason = NULL, decided_at = NULL, decided_by = NULL",
    "reward_lifetime_caps": "UPDATE rewards SET state = 'pending', reason = NULL, decided_at = NULL, decided_by = NULL",
}
ADDS_UP = "payable_cents = amount_cents - member_discount_cents - coupon_discount_cents - points_discount_cents"


@pytest.fixture
def books(app) -> Iterator[None]:
    write_books()
    return


@contextmanager
def without_the_databases_own_check() -> Iterator[None]:
    """What only a damaged or a foreign database can hold."""
    if db.engine.dialect.name == "sqlite":
        db.session.execute(text("PRAGMA ignore_check_constraints = ON"))
        yield
        db.session.execute(text("PRAGMA ignore_check_constraints = OFF"))
        return
    db.session.execute(text("ALTER TABLE checkouts DROP CONSTRAINT ck_checkouts_adds_up"))
    yield
    constraint = f"ADD CONSTRAINT ck_checkouts_adds_up CHECK ({ADDS_UP}) NOT VALID"
    db.session.execute(text(f"ALTER TABLE checkouts {constraint}"))


@pytest.fixture
def whole_again(app) -> Iterator[None]:
    yield
    if db.engine.dialect.name == "postgresql":
        with db.engine.begin() as connection:
            connection.execute(text("DELETE FROM refunds"))
            connection.execute(text("DELETE FROM redemptions"))
            connection.execute(text("DELETE FROM checkouts"))
            connection.execute(text("ALTER TABLE checkouts VALIDATE CONSTRAINT ck_checkouts_adds_up"))


def problems(chain_id: int | None = None) -> set[str]:
    return {finding.check.name for finding in verify_books(chain_id=chain_id) if finding.problems}


def test_books_that_agree_are_clean_and_every_check_had_something_to_compare(books):
    findings = list(verify_books())

    assert [finding for finding in findings if finding.problems] == []
    assert [finding.check.name for finding in findings if finding.rows == 0] == []


def test_books_agree_after_the_chain_has_moved_its_days(books):
    with transaction():
        db.session.execute(text("UPDATE chains SET timezone = 'America/New_York', cutoff_hour = 5"))

    assert problems() == set()


def test_every_check_has_something_that_breaks_it():
    assert [check.name for check in CHECKS] == sorted({check.name for check in CHECKS}, key=[*BREAKERS].index)


@pytest.mark.parametrize("check", BREAKERS)
def test_a_spoilt_row_is_found(books, whole_again, check):
    with transaction(), without_the_databases_own_check():
        db.session.execute(text(BREAKERS[check]))

    assert check in problems()
    assert check in problems(1)
    assert problems(2) == set()


def test_a_difference_says_what_should_be_and_what_is(books):
    with transaction():
        db.session.execute(text("UPDATE cards SET points = points + 5 WHERE id = 1"))

    (finding,) = (finding for finding in verify_books() if finding.problems)

    assert (finding.rows, finding.problems, finding.differences) == (3, 1, [("1", "142", "147")])


def test_no_more_differences_are_listed_than_asked_for(books):
    with transaction():
        db.session.execute(text("UPDATE cards SET points = points + 5"))

    (finding,) = (finding for finding in verify_books(most=2) if finding.problems)

    assert (finding.problems, len(finding.differences)) == (3, 2)


def test_the_command_ends_with_status_0_when_all_agrees(app, books):
    result = app.test_cli_runner().invoke(args=["ledger", "verify"])

    assert (result.exit_code, "All agree" in result.stdout) == (0, True)


def test_the_command_ends_with_status_1_and_names_the_row(app, books):
    with transaction():
        db.session.execute(text("UPDATE offer_slots SET claimed = claimed + 1 WHERE slot = 0"))

    result = app.test_cli_runner().invoke(args=["ledger", "verify", "--chain", "books"])

    assert result.exit_code == 1
    assert "offer 1: should be 4, is 5" in result.stdout


def test_the_command_prints_one_json_document(app, books):
    result = app.test_cli_runner().invoke(args=["ledger", "verify", "--json"])

    document = json.loads(result.stdout)
    assert document["problems"] == 0
    assert [check["check"] for check in document["checks"]] == [check.name for check in CHECKS]


def test_an_unknown_chain_is_refused(app, books):
    result = app.test_cli_runner().invoke(args=["ledger", "verify", "--chain", "nobody"])

    assert result.exit_code == 1
    assert "Traceback" not in result.output
