"""Claiming: what a refused draw leaves behind, and where the last day of a coupon ends."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from core.clock import business_day, day_start
from core.db import db
from core.hot import one_action
from coupons import claiming
from coupons.models import Coupon, OfferSlot
from tests.factories import NOON, make_card, make_chain, make_coupon, make_offer, make_store, make_store_code

pytestmark = pytest.mark.usefixtures("app")


def test_a_coupon_code_drawn_twice_takes_no_stock(monkeypatch):
    chain = make_chain()
    code = make_store_code(make_store(chain))
    offer = make_offer(chain, stock=10)
    first = make_coupon(make_card(code), offer)
    second = make_card(code)
    codes = iter([first.code, "anotherc0de22"])
    monkeypatch.setattr(claiming, "new_code", lambda: next(codes))

    with one_action() as hot:
        claiming.claim(hot, offer.id, card_id=second.id, now=NOON)

    assert db.session.scalar(select(func.count(Coupon.id))) == 2
    assert db.session.scalar(select(func.sum(OfferSlot.claimed))) == 2


PUT_BACK = {  # the day before, and the day on which, clocks are put back
    "America/New_York": ["2026-10-31T16:00", "2026-11-01T16:00"],
    "Europe/London": ["2026-10-24T12:00", "2026-10-25T12:00"],
    "America/Havana": ["2026-10-31T16:00", "2026-11-01T16:00"],
    "Australia/Lord_Howe": ["2026-04-04T02:00", "2026-04-05T02:00"],
}
PUT_ON = {
    "America/New_York": ["2026-03-07T16:00", "2026-03-08T16:00"],
    "Europe/London": ["2026-03-28T12:00", "2026-03-29T12:00"],
    "America/Santiago": ["2026-09-05T16:00", "2026-09-06T16:00"],
    "Australia/Lord_Howe": ["2026-10-03T02:00", "2026-10-04T02:00"],
}


@pytest.mark.parametrize("cutoff_hour", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("zone", "when"), [(zone, when) for days in (PUT_BACK, PUT_ON) for zone, whens in days.items() for when in whens]
)
def test_a_coupon_ends_where_the_next_business_day_begins(zone, when, cutoff_hour):
    chain = make_chain(timezone=zone, cutoff_hour=cutoff_hour)
    card = make_card(make_store_code(make_store(chain)))
    now = datetime.fromisoformat(when).replace(tzinfo=UTC)
    today = business_day(now, zone, cutoff_hour)

    coupon = make_coupon(card, make_offer(chain, valid_days=1), now=now)

    assert coupon.valid_until == day_start(today.fromordinal(today.toordinal() + 1), zone, cutoff_hour)
