"""Whether a coupon fits a purchase, and what it takes off."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DomainError
from core.text import Text
from coupons import errors
from coupons.applicability import Purchase, UsableCoupon, discount_of, fits
from tests.factories import NOON, in_days

CASH = UsableCoupon(
    id=1,
    offer_id=1,
    name=Text("满30减5", "5 off 30"),
    kind="cash",
    value_cents=500,
    percent_bp=None,
    cap_cents=None,
    min_cents=3000,
    state="claimed",
    valid_from=NOON,
    valid_until=in_days(30),
)
PERCENT = CASH._replace(kind="percent", value_cents=None, percent_bp=2000, min_cents=0)


def buying(amount_cents, payable_cents=None):
    return Purchase(amount_cents, amount_cents if payable_cents is None else payable_cents, "CNY", "Asia/Shanghai", 0)


def refusal_of(coupon, purchase, *, now=NOON):
    with pytest.raises(DomainError) as caught:
        fits(coupon, purchase, now=now)
    return caught.value


@pytest.mark.parametrize(
    ("coupon", "amount", "discount"),
    [
        pytest.param(CASH, 3000, 500, id="at the minimum"),
        pytest.param(CASH._replace(min_cents=0), 300, 300, id="never more than is payable"),
        pytest.param(PERCENT, 5810, 1162, id="a share of the amount"),
        pytest.param(PERCENT, 5813, 1163, id="a share rounded half up"),
        pytest.param(PERCENT._replace(cap_cents=800), 5800, 800, id="a share up to its cap"),
        pytest.param(PERCENT._replace(percent_bp=10_000), 5800, 5800, id="everything"),
    ],
)
def test_what_a_coupon_takes_off(coupon, amount, discount):
    assert fits(coupon, buying(amount), now=NOON) == discount


def test_the_minimum_is_compared_with_the_amount_before_the_member_price():
    assert fits(CASH, buying(3000, payable_cents=2850), now=NOON) == 500


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        pytest.param({"state": "redeemed"}, errors.CouponAlreadyRedeemed, id="used before"),
        pytest.param({"state": "expired"}, errors.CouponExpired, id="swept as expired"),
        pytest.param({"valid_until": NOON}, errors.CouponExpired, id="the moment it ends"),
        pytest.param({"valid_from": in_days(1)}, errors.CouponNotYetValid, id="before it begins"),
        pytest.param({"state": "gifting"}, errors.CouponNotUsable, id="being given away"),
        pytest.param({"state": "void"}, errors.CouponNotUsable, id="void"),
        pytest.param({"min_cents": 5801}, errors.CouponMinimumNotMet, id="one fen short"),
    ],
)
def test_a_coupon_is_refused(change, refusal):
    assert type(refusal_of(CASH._replace(**change), buying(5800))) is refusal


def test_a_coupon_is_good_to_its_last_moment():
    last = CASH.valid_until - timedelta(microseconds=1)

    assert fits(CASH, buying(5800), now=last) == 500


def test_nothing_left_to_pay_keeps_the_coupon():
    assert type(refusal_of(CASH, buying(5800, payable_cents=0))) is errors.CouponNothingLeft


@pytest.mark.parametrize(
    ("change", "zh", "en"),
    [
        ({"min_cents": 8000}, "还差 22元 可用。", "¥22 more to use it."),
        ({"valid_from": in_days(12)}, "这张券 2026年6月1日起可用。", "This coupon starts on 1 June 2026."),
        (
            {"valid_until": in_days(-1) + timedelta(hours=12)},
            "这张券 2026年5月19日已过期。",
            "This coupon ended on 19 May 2026.",
        ),
    ],
)
def test_a_refusal_says_why_in_both_languages(change, zh, en):
    refusal = refusal_of(CASH._replace(**change), buying(5800))

    assert (refusal.say("zh"), refusal.say("en")) == (zh, en)


coupons = st.builds(
    CASH._replace,
    kind=st.sampled_from(["cash", "percent"]),
    value_cents=st.integers(1, 10**7),
    percent_bp=st.integers(1, 10_000),
    cap_cents=st.none() | st.integers(1, 10**6),
    min_cents=st.integers(0, 10**6),
)


@given(coupon=coupons, amount=st.integers(1, 10**9), paid_share=st.integers(0, 10_000))
def test_a_discount_lies_between_zero_and_what_is_payable(coupon, amount, paid_share):
    purchase = buying(amount, amount * paid_share // 10_000)

    discount = discount_of(coupon, purchase.payable_cents)

    assert 0 <= discount <= purchase.payable_cents
    assert coupon.cap_cents is None or discount <= coupon.cap_cents
    if amount >= coupon.min_cents and discount:
        assert fits(coupon, purchase, now=NOON) == discount
    else:
        assert refusal_of(coupon, purchase).code in ("coupon_minimum_not_met", "coupon_nothing_left")
