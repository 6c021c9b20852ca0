"""What was refunded counts no more, what is only reserved does not count yet: in files, on pages, everywhere alike."""

import pytest

from app.reports.board import read_board
from app.reports.control import control_totals
from app.reports.people import find_person
from app.reports.question import Reader
from app.reports.reading import by_day
from tests.reports import story
from tests.reports.test_files import NOW, question, rows_of

DAY = {"first": "2026-05-20", "last": "2026-05-20"}


@pytest.fixture(autouse=True)
def refunds(app):
    story.tell()
    story.tell_of_refunds()


def test_a_day_counts_what_was_paid_and_not_refunded():
    (row,) = rows_of(question("stores_daily", store_code="S001", **DAY))

    counted = {name: int(row[name]) for name in ("checkouts", "payable_cents", "refunded_cents", "net_cents")}
    assert counted == {"checkouts": 2, "payable_cents": 5200 + 3567, "refunded_cents": 567, "net_cents": 5200 + 3000}
    assert (row["voided_checkouts"], row["refunded_checkouts"], row["redemptions"]) == ("1", "1", "2")
    assert (row["points_used"], row["points_discount_cents"]) == ("100", "100")


def test_reserved_and_released_baskets_are_no_purchases():
    assert [row["checkout_id"] for row in rows_of(question("checkouts"))] == ["1", "2", "3", "4", "5"]
    assert [row["redemption_id"] for row in rows_of(question("redemptions"))] == ["1", "2", "4", "5"]


def test_the_net_of_a_purchase_is_what_is_left_of_it():
    net = {row["checkout_id"]: (row["state"], row["net_cents"]) for row in rows_of(question("checkouts"))}

    assert net["4"] == ("settled", "3000")
    assert net["5"] == ("refunded", "0")


def test_the_settlement_shares_what_coupons_took_off():
    rows = rows_of(question("settlement", **DAY))

    shares = ("store_code", "redemptions", "undone", "discount_cents", "hq_share_cents", "store_share_cents")
    assert [tuple(row[name] for name in shares) for row in rows] == [("S001", "2", "2", "833", "500", "333")]


def test_the_shares_of_a_settlement_add_up_to_the_redemptions():
    settled = control_totals(question("settlement"))["totals"]
    redeemed = control_totals(question("redemptions"))["totals"]

    assert settled["hq_share_cents"] + settled["store_share_cents"] == redeemed["net_discount_cents"]
    assert settled["redemptions"] == redeemed["in_force"]


def test_an_offers_days_add_up_to_its_coupons():
    totals = control_totals(question("offers_daily"))["totals"]

    assert (totals["claimed"], totals["redeemed"], totals["undone"]) == (7, 2, 2)
    assert totals["discount_cents"] == control_totals(question("redemptions"))["totals"]["net_discount_cents"]


def test_the_pages_say_what_the_files_say():
    totals = control_totals(question("stores_daily", **DAY))["totals"]
    board = read_board(Reader(1), now=story.hours(15))

    assert (board.this_day.checkouts, board.this_day.payable_cents) == (totals["checkouts"], totals["net_cents"])
    assert board.this_day.redemptions == totals["redemptions"]
    assert sum(store.payable_cents for store in board.stores) == totals["net_cents"]
    assert by_day(Reader(1), board.today, board.today)[0].payable_cents == totals["net_cents"]


def test_a_member_has_spent_what_he_paid_and_did_not_get_back():
    person = find_person(Reader(1), 1, now=NOW)

    assert (person.checkout_count, person.spent_cents) == (3, 5200 + 5700 + 3000)
    assert [bought.id for bought, _ in person.checkouts] == [6, 5, 4, 3, 2, 1]  # 6 is on hold: shown, not counted
