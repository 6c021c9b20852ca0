"""Whether a coupon fits a purchase, and what it takes off."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import Text
from coupons import errors, hours
from coupons.applicability import Item, Purchase, UsableCoupon, as_rung_up, check, discount_of
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


def buying(amount_cents, **more):
    return Purchase(
        **({"currency": "CNY", "timezone": "Asia/Shanghai", "cutoff_hour": 0} | more), amount_cents=amount_cents
    )


def refusal_of(coupon, purchase, *, now=NOON):
    refusal = check(coupon, purchase, now)
    assert refusal is not None
    return refusal


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
    assert check(coupon, buying(amount), NOON) is None
    assert discount_of(coupon, amount) == discount


def test_the_minimum_is_compared_with_the_amount_before_the_member_price():
    assert check(CASH, buying(3000, discount_bp=500), NOON) is None


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        pytest.param({"state": "redeemed"}, errors.CouponAlreadyRedeemed, id="used before"),
        pytest.param({"state": "expired"}, errors.CouponExpired, id="swept as expired"),
        pytest.param({"valid_until": NOON}, errors.CouponExpired, id="the moment it ends"),
        pytest.param({"valid_from": in_days(1)}, errors.CouponNotYetValid, id="before it begins"),
        pytest.param({"state": "gifting"}, errors.CouponWaitsForFriend, id="being given away"),
        pytest.param({"state": "void"}, errors.CouponNotUsable, id="void"),
        pytest.param({"min_cents": 5801}, errors.CouponMinimumNotMet, id="one fen short"),
    ],
)
def test_a_coupon_is_refused(change, refusal):
    assert type(refusal_of(CASH._replace(**change), buying(5800))) is refusal


def test_a_coupon_is_good_to_its_last_moment():
    last = CASH.valid_until - timedelta(microseconds=1)

    assert check(CASH, buying(5800), last) is None


@pytest.mark.parametrize(
    ("change", "zh", "en"),
    [
        ({"min_cents": 8000}, "还差 22元 可用。", "¥22 more to use it."),
        ({"valid_from": in_days(11.5)}, "这张券 2026年6月1日起可用。", "This coupon starts on 1 June 2026."),
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


@given(coupon=coupons, left=st.integers(0, 10**9))
def test_a_discount_lies_between_zero_and_what_is_left(coupon, left):
    discount = discount_of(coupon, left)

    assert 0 <= discount <= left
    assert coupon.cap_cents is None or coupon.kind == "cash" or discount <= coupon.cap_cents


@given(coupon=coupons, left=st.integers(0, 10**6), more=st.integers(0, 1000))
def test_less_to_pay_never_leaves_more(coupon, left, more):
    assert left - discount_of(coupon, left) <= left + more - discount_of(coupon, left + more)


WEDNESDAY, SUNDAY = 1 << 2, 1 << 6


@pytest.mark.parametrize(
    ("change", "refusal", "zh"),
    [
        pytest.param({"weekdays": SUNDAY}, errors.CouponNotToday, "今天不能用，这张券周日可用。", id="another weekday"),
        pytest.param(
            {"weekdays": 31, "hours": [[840, 1020]]},
            errors.CouponNotNow,
            "现在不能用，这张券周一至周五 14:00–17:00 可用。",
            id="another hour",
        ),
        pytest.param(
            {"hours": [[600, 720]]},
            errors.CouponNotNow,
            "现在不能用，这张券每天 10:00–12:00 可用。",
            id="the hour's end",
        ),
        pytest.param(
            {"blackout_dates": ["2026-05-20"]},
            errors.CouponBlackedOut,
            "2026年5月20日不能用这张券，请改天再用。",
            id="an exception",
        ),
        pytest.param(
            {"is_for_this_store": False, "stores": Text("静安店、徐汇店", "Jing'an, Xuhui")},
            errors.CouponWrongStore,
            "这张券只限静安店、徐汇店使用。",
            id="other stores",
        ),
        pytest.param(
            {"is_for_this_program": False}, errors.CouponWrongProgram, "这张券只限其他会员卡使用。", id="other cards"
        ),
        pytest.param(
            {"is_for_this_tier": False, "tiers": Text("金卡", "Gold")},
            errors.CouponWrongTier,
            "这张券只限金卡使用。",
            id="other tiers",
        ),
    ],
)
def test_a_refusal_says_where_and_when_it_can_be_used(change, refusal, zh):
    refused = refusal_of(CASH._replace(**change), buying(5800))

    assert (type(refused), refused.say("zh")) == (refusal, zh)


@pytest.mark.parametrize(
    "change",
    [
        {"weekdays": WEDNESDAY},
        {"hours": [[720, 721]]},
        {"hours": [[1320, 60], [600, 780]]},
        {"blackout_dates": ["2026-05-21"]},
    ],
)
def test_within_its_days_and_hours_a_coupon_fits(change):
    assert check(CASH._replace(**change), buying(5800), NOON) is None


@pytest.mark.parametrize(
    ("hours_after_noon", "is_wednesday"),
    [
        pytest.param(15.9, True, id="before the cut-off it is still the day before"),
        pytest.param(16.1, False, id="after it is not"),
    ],
)
def test_weekdays_and_exceptions_are_of_the_business_day(hours_after_noon, is_wednesday):
    now, purchase = NOON + timedelta(hours=hours_after_noon), buying(5800, cutoff_hour=4)
    only, never = CASH._replace(weekdays=WEDNESDAY), CASH._replace(blackout_dates=["2026-05-20"])

    assert (check(only, purchase, now) is None) == is_wednesday
    assert (check(never, purchase, now) is None) != is_wednesday


def test_hours_that_pass_midnight_belong_to_the_evening_before():
    night = CASH._replace(weekdays=WEDNESDAY, hours=[[1320, 120]])
    late = NOON + timedelta(hours=13)  # 01:00 on Thursday, in the business day of Wednesday

    assert check(night, buying(5800, cutoff_hour=4), late) is None
    assert type(refusal_of(night, buying(5800, cutoff_hour=4), now=late + timedelta(hours=1))) is errors.CouponNotNow


@pytest.mark.parametrize(
    ("utc", "fits"),
    [
        pytest.param(datetime(2026, 3, 29, 0, 30, tzinfo=UTC), False, id="01:30 in winter time"),
        pytest.param(datetime(2026, 3, 29, 1, 30, tzinfo=UTC), True, id="03:30 in summer time, an hour later"),
        pytest.param(datetime(2026, 10, 25, 0, 45, tzinfo=UTC), True, id="02:45 the first time"),
        pytest.param(datetime(2026, 10, 25, 1, 45, tzinfo=UTC), True, id="02:45 the second time"),
        pytest.param(datetime(2026, 10, 25, 3, 0, tzinfo=UTC), False, id="04:00"),
    ],
)
def test_hours_are_those_of_the_clock_on_the_wall(utc, fits):
    coupon = CASH._replace(hours=[[120, 240]], valid_from=in_days(-300), valid_until=in_days(300))

    assert (check(coupon, buying(5800, timezone="Europe/Berlin"), utc) is None) == fits


GIFT = CASH._replace(kind="gift", value_cents=None, item_name=Text("蛋筒", "Cone"), item_cents=1200, min_cents=0)
FIXED = GIFT._replace(kind="fixed_price", price_cents=500)


def basket(*items):
    return buying(sum(item.price_cents * item.quantity for item in items), items=items)


@pytest.mark.parametrize(
    ("coupon", "amount", "refusal"),
    [
        (GIFT, 1200, None),
        (GIFT, 1199, errors.CouponItemMissing),
        (GIFT._replace(min_cents=3000), 4200, None),
        (GIFT._replace(min_cents=3000), 4199, errors.CouponMinimumNotMet),
    ],
)
def test_the_item_itself_does_not_count_towards_the_minimum(coupon, amount, refusal):
    refused = check(coupon, buying(amount), NOON)

    assert (refused and type(refused)) == refusal


def test_a_gift_takes_its_price_off_and_a_fixed_price_the_rest():
    assert (discount_of(GIFT, 5800), discount_of(FIXED, 5800), discount_of(GIFT, 900)) == (1200, 700, 900)


@pytest.mark.parametrize("item", [Item("CONE", 1, 1000), Item("蛋筒", 2, 1000), Item("脆皮", 1, 1000, sku="cone")])
def test_an_item_is_found_by_name_or_sku_whatever_the_capitals(item):
    purchase = basket(Item("Tea", 1, 2000), item)

    assert check(GIFT, purchase, NOON) is None
    assert discount_of(as_rung_up(GIFT, purchase), 5000) == 1000


def test_without_its_item_in_the_basket_a_coupon_waits():
    refused = refusal_of(GIFT, basket(Item("Tea", 1, 5800)))

    assert (type(refused), refused.say("zh")) == (errors.CouponItemMissing, "先加上蛋筒，这张券才能用。")


def test_a_dearer_item_takes_no_more_than_the_terms_name():
    assert as_rung_up(GIFT, basket(Item("Cone", 1, 2000))).item_cents == 1200


@pytest.mark.parametrize(
    ("weekdays", "hours_", "zh", "en"),
    [
        (31, [[840, 1440]], "周一至周五 14:00–24:00", "Monday to Friday, 14:00–24:00"),
        (0b0001010, None, "周二、周四", "Tuesday and Thursday"),
        (0b1100000, None, "周六、周日", "Saturday and Sunday"),
        (None, [[600, 660], [840, 900]], "每天 10:00–11:00、14:00–15:00", "daily, 10:00–11:00 and 14:00–15:00"),
        (127, None, "每天", "every day"),
    ],
)
def test_days_and_hours_in_words(weekdays, hours_, zh, en):
    assert hours.when_text(weekdays, hours_) == Text(zh, en)
