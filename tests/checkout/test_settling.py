"""Booking a purchase: all of it, once."""

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, update

from cards.models import Card, Member, PointEntry, Tier
from checkout import errors, quoting
from checkout.models import Checkout, Redemption
from checkout.settling import settle
from core.db import db, transaction
from core.errors import IdempotencyKeyReused
from core.events import Event
from core.hot import this_transaction
from coupons.errors import CouponAlreadyRedeemed, CouponMinimumNotMet
from coupons.models import Coupon
from tests.checkout.shop import Shop, book, book_in_transaction
from tests.factories import NOON, make_coupon, make_offer


def count(model):
    return db.session.scalar(select(func.count(model.id)))


def book_and_fail(sale):
    with transaction():
        settle(this_transaction(), sale, now=NOON)
        1 / 0  # noqa: B018


def points_of(card):
    return db.session.scalar(select(Card.points).where(Card.id == card.id))


def test_a_checkout_books_everything_together(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))

    settled = shop.settle(5800, coupon_ids=(coupon.id,), seen_payable_cents=5010)

    row = db.session.execute(select(Checkout)).scalar_one()
    used = db.session.execute(select(Redemption)).scalar_one()
    assert (row.id, row.card_id, row.member_id, row.store_id) == (
        settled.id,
        shop.card.id,
        shop.card.member_id,
        shop.store.id,
    )
    assert (row.amount_cents, row.member_discount_cents, row.coupon_discount_cents) == (5800, 290, 500)
    assert (row.payable_cents, row.points_earned, row.state, row.settled_by) == (5010, 50, "settled", "key:1")
    assert (row.settled_at, row.business_day) == (NOON, date(2026, 5, 20))
    assert (used.checkout_id, used.coupon_id, used.offer_id) == (row.id, coupon.id, coupon.offer_id)
    assert (used.store_id, used.discount_cents, used.redeemed_at) == (shop.store.id, 500, NOON)
    assert db.session.execute(select(Coupon.state, Coupon.redeemed_at)).one() == ("redeemed", NOON)
    assert db.session.scalar(select(Member.last_visit_at)) == NOON


def test_points_are_a_line_in_the_ledger(shop):
    first = shop.settle(5800)
    shop.settle(2000)

    lines = db.session.execute(select(PointEntry.delta, PointEntry.balance, PointEntry.cause).order_by(PointEntry.id))
    assert lines.all() == [(55, 55, f"checkout:{first.id}"), (19, 74, f"checkout:{first.id + 1}")]
    assert points_of(shop.card) == 74


def test_a_checkout_without_points_writes_no_line(shop):
    settled = shop.settle(90)

    assert (settled.points_earned, count(PointEntry), points_of(shop.card)) == (0, 0, 0)
    assert db.session.scalar(select(Member.last_visit_at)) == NOON


def test_a_checkout_is_told_to_whoever_listens(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))

    settled = shop.settle(5800, coupon_ids=(coupon.id,))

    told = db.session.scalars(select(Event).where(Event.kind == "checkout.settled")).one()
    assert told.payload == {
        "checkout_id": settled.id,
        "card_id": shop.card.id,
        "member_id": shop.card.member_id,
        "store_id": shop.store.id,
        "payable_cents": 5010,
        "coupon_ids": [coupon.id],
        "offer_ids": [coupon.offer_id],
    }
    assert (told.chain_id, told.at) == (shop.chain.id, NOON)


def test_no_coupon_is_used_unless_it_was_chosen(shop):
    make_coupon(shop.card, make_offer(shop.chain))

    settled = shop.settle(5800)

    assert (settled.payable_cents, settled.coupon_ids) == (5510, ())
    assert db.session.scalar(select(Coupon.state)) == "claimed"


def test_the_same_request_again_gets_the_first_checkout(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    sale = shop.sale(5800, coupon_ids=(coupon.id,))

    first = book(sale)
    again = book(sale, now=NOON + timedelta(minutes=10))

    assert (first.is_repeat, again.is_repeat) == (False, True)
    assert again._replace(is_repeat=False) == first
    assert (count(Checkout), count(Redemption), count(PointEntry)) == (1, 1, 1)


def test_a_repeat_without_a_coupon_books_nothing_either(shop):
    sale = shop.sale(5800)

    first, again = book(sale), book(sale)

    assert (again.id, again.is_repeat, points_of(shop.card)) == (first.id, True, 55)


def test_another_sale_under_the_same_request_is_refused(shop):
    sale = shop.sale(5800)
    book(sale)

    with pytest.raises(IdempotencyKeyReused):
        book(sale._replace(amount_cents=6800, fingerprint="e" * 64))

    assert count(Checkout) == 1


def test_a_used_coupon_is_refused(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    shop.settle(coupon_ids=(coupon.id,))

    with pytest.raises(CouponAlreadyRedeemed):
        shop.settle(coupon_ids=(coupon.id,))

    assert (count(Checkout), points_of(shop.card)) == (1, 50)


def test_a_chosen_coupon_that_does_not_fit_books_nothing(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))

    with pytest.raises(CouponMinimumNotMet):
        shop.settle(2900, coupon_ids=(coupon.id,))

    assert (count(Checkout), count(PointEntry)) == (0, 0)


def test_what_the_till_did_not_show_is_not_booked(shop):
    with transaction():
        db.session.execute(update(Tier).where(Tier.rank == 0).values(discount_bp=0))

    with pytest.raises(errors.QuoteChanged) as caught:
        shop.settle(5800, seen_payable_cents=5510)

    assert caught.value.say("zh") == "应收金额变了，现在是 ¥58.00。请核对后再收款。"
    assert count(Checkout) == 0


@pytest.mark.parametrize("change", [{"state": "frozen"}, {"tier_id": 2}], ids=["frozen", "another tier"])
def test_a_card_that_changes_after_it_was_priced_is_not_booked_as_it_was(shop, monkeypatch, change):
    """Between the reading and the writing somebody freezes the card, or moves it to another tier."""
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    sale = shop.sale(5800, coupon_ids=(coupon.id,), seen_payable_cents=5010)
    priced = shop.bill(5800, coupon_ids=[coupon.id])
    with transaction():
        db.session.execute(update(Card).values(**change))
    monkeypatch.setattr(quoting, "bill", lambda *_, **__: priced)

    with pytest.raises(errors.QuoteChanged):
        book(sale)

    assert (count(Checkout), points_of(shop.card)) == (0, 0)
    assert db.session.scalar(select(Coupon.state)) == "claimed"


def test_a_coupon_that_runs_out_after_it_was_priced_is_not_booked(shop, monkeypatch):
    coupon = make_coupon(shop.card, make_offer(shop.chain))
    priced = shop.bill(5800, coupon_ids=[coupon.id])
    monkeypatch.setattr(quoting, "bill", lambda *_, **__: priced)

    with pytest.raises(errors.QuoteChanged):
        book(shop.sale(5800, coupon_ids=(coupon.id,)), now=coupon.valid_until)

    assert (count(Checkout), points_of(shop.card)) == (0, 0)


def test_the_business_day_is_the_stores(app):
    shop = Shop(cutoff_hour=4)
    late = NOON + timedelta(hours=15)  # 03:00 in Shanghai, before the cut-off

    assert shop.settle(now=late).business_day == date(2026, 5, 20)
    assert shop.settle(now=late + timedelta(hours=1)).business_day == date(2026, 5, 21)


def test_inside_a_transaction_a_failure_takes_the_checkout_back(shop):
    sale = shop.sale()

    with pytest.raises(ZeroDivisionError):
        book_and_fail(sale)

    assert count(Checkout) == 0
    assert book_in_transaction(sale).is_repeat is False


def test_a_zero_bill_is_booked_and_earns_nothing(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain, value_cents=90_000, min_cents=0))

    settled = shop.settle(5800, coupon_ids=(coupon.id,))

    assert (settled.payable_cents, settled.coupon_discount_cents, settled.points_earned) == (0, 5510, 0)
