"""The rules of an offer: what contradicts what, and how they are written in one way."""

import pytest

from core.clock import day_start
from coupons import drafts, errors
from coupons.drafts import Draft
from tests.factories import NOON, in_days

SHANGHAI = "Asia/Shanghai"
CASH = {"kind": "cash", "value_cents": 500}
PERCENT = {"kind": "percent", "percent_bp": 1000}
ITEM = {"item_name": "圣代", "item_name_en": "Sundae", "item_cents": 1200}
GIFT = {"kind": "gift", **ITEM}
FIXED_PRICE = {"kind": "fixed_price", "price_cents": 990, **ITEM}
FIXED_DATES = {"valid_days": None, "valid_from": NOON, "valid_until": in_days(10)}


def draft(**rules):
    return Draft(**({"name": "券", "name_en": "Coupon", "valid_days": 30} | rules))


def check(rules, **place):
    drafts.check(drafts.normalised(draft(**rules), cutoff_hour=place.get("cutoff_hour", 0)), **place)


@pytest.mark.parametrize(
    "rules",
    [
        GIFT,
        FIXED_PRICE,
        GIFT | {"min_cents": 3000, "budget_cents": 1200},
        FIXED_PRICE | {"budget_cents": 210},
        PERCENT | {"cap_cents": 500, "budget_cents": 500},
        CASH | {"weekdays": 0b11111, "hours": [[840, 1020]], "valid_delay_days": 365},
        CASH | {"hours": [[1320, 1440]]},
        CASH | FIXED_DATES | {"blackout_dates": ["2026-05-20", "2026-05-30"]},
        CASH | {"blackout_dates": ["2030-01-01"]},
        CASH | {"stacking": "stackable", "stack_group": "饮品", "member_price": "instead"},
        CASH | {"per_day_limit": 100, "per_phone_limit": 1, "staff_gift_limit": 5, "hq_share_bp": 0},
        CASH | {"claim_word": "冰" * 40},
        CASH | {"program_id": 1, "per_day_limit": 100, "budget_cents": 500, "stock": 10},
    ],
    ids=str,
)
def test_rules_that_agree_are_taken(rules):
    check(rules)


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (CASH | {"name": "长" * 61}, "at most 60"),
        (CASH | {"value_cents": 10**13}, "too large"),
        (CASH | ITEM, "only a gift or a fixed price"),
        (CASH | {"price_cents": 100}, "only a gift or a fixed price"),
        (GIFT | {"value_cents": 100}, "only money off"),
        (GIFT | {"percent_bp": 100}, "no percentage"),
        (GIFT | {"cap_cents": 100}, "no percentage"),
        (GIFT | {"item_name": " "}, "both names"),
        (GIFT | {"item_name_en": None}, "both names"),
        (GIFT | {"item_cents": 0}, "price of the item"),
        (GIFT | {"price_cents": 100}, "no price with the coupon"),
        (FIXED_PRICE | {"price_cents": None}, "between zero and the item's price"),
        (FIXED_PRICE | {"price_cents": 1200}, "between zero and the item's price"),
        (FIXED_PRICE | {"price_cents": 0}, "between zero and the item's price"),
        (PERCENT | {"budget_cents": 5000}, "needs a cap"),
        (CASH | {"budget_cents": 0}, "above zero"),
        (CASH | {"budget_cents": 499}, "at least one coupon"),
        (CASH | {"per_day_limit": 0}, "limit per day"),
        (CASH | {"per_phone_limit": 101}, "limit per phone"),
        (CASH | {"per_phone_limit": 1, "program_id": 1}, "has not verified one yet"),
        (CASH | {"staff_gift_limit": 1001}, "1 to 1000"),
        (CASH | {"hq_share_bp": 10_001}, "head office"),
        (CASH | {"valid_delay_days": 366}, "365 days"),
        (CASH | FIXED_DATES | {"valid_delay_days": 1}, "no delay"),
        (CASH | {"valid_from": NOON}, "fixed dates or days"),
        (CASH | {"weekdays": 0}, "day of the week"),
        (CASH | {"weekdays": 128}, "day of the week"),
        (CASH | {"hours": [[1320, 120]]}, "split them"),
        (CASH | {"hours": [[600, 600]]}, "split them"),
        (CASH | {"hours": [[1440, 60]]}, "14:00 to 17:00"),
        (CASH | {"hours": [[60]]}, "14:00 to 17:00"),
        (CASH | {"hours": [[n * 60, n * 60 + 1] for n in range(13)]}, "more than 12"),
        (CASH | {"blackout_dates": ["1 May"]}, "2026-10-01"),
        (CASH | {"blackout_dates": ["2026-02-30"]}, "2026-10-01"),
        (CASH | {"blackout_dates": [f"2026-{m:02d}-{d:02d}" for m in range(1, 6) for d in range(1, 22)]}, "100"),
        (CASH | FIXED_DATES | {"blackout_dates": ["2026-05-31"]}, "within the validity"),
        (CASH | FIXED_DATES | {"blackout_dates": ["2026-05-19"]}, "within the validity"),
        (CASH | {"stack_group": "饮品"}, "only stackable"),
        (CASH | {"stacking": "sometimes"}, "no such way"),
        (CASH | {"member_price": "never"}, "no such rule"),
        (CASH | {"claim_word": "冰"}, "2 to 40"),
        (CASH | {"claim_word": "冰" * 41}, "2 to 40"),
    ],
    ids=str,
)
def test_rules_that_contradict_one_another_are_refused(rules, problem):
    with pytest.raises(errors.OfferInvalid, match=problem):
        check(rules, timezone=SHANGHAI)


def test_an_offer_that_could_never_be_used_is_refused():
    saturday = day_start(NOON.replace(day=23), SHANGHAI)
    weekend = {"valid_days": None, "valid_from": saturday, "valid_until": in_days(2, saturday)}

    check(CASH | weekend | {"weekdays": 0b1100000, "blackout_dates": ["2026-05-24"]}, timezone=SHANGHAI)
    with pytest.raises(errors.OfferInvalid, match="no day is left"):
        check(CASH | weekend | {"weekdays": 0b11111}, timezone=SHANGHAI)
    with pytest.raises(errors.OfferInvalid, match="no day is left"):
        check(CASH | weekend | {"blackout_dates": ["2026-05-23", "2026-05-24"]}, timezone=SHANGHAI)


def test_hours_pass_midnight_as_far_as_the_business_day_goes():
    check(CASH | {"hours": [[1320, 120]]}, cutoff_hour=2)
    for hours in ([[1320, 121]], [[60, 180]]):
        with pytest.raises(errors.OfferInvalid, match="2:00"):
            check(CASH | {"hours": hours}, cutoff_hour=2)


@pytest.mark.parametrize(
    ("hours", "cutoff_hour", "normal"),
    [
        ([[1020, 1080], [600, 660]], 0, [[600, 660], [1020, 1080]]),
        ([[600, 660], [660, 700], [650, 720]], 0, [[600, 720]]),
        ([[0, 60], [1320, 1440]], 2, [[1320, 60]]),
        ([[0, 720], [720, 1440]], 0, None),
        ([[120, 1440], [0, 120]], 2, None),
        ([], 0, None),
    ],
)
def test_hours_stand_in_the_order_of_the_business_day(hours, cutoff_hour, normal):
    assert drafts.normalised(draft(**CASH, hours=hours), cutoff_hour=cutoff_hour).hours == normal


def test_what_limits_nothing_is_left_out():
    given = draft(**CASH, weekdays=127, blackout_dates=[], claim_word="  ", stack_group=" ", store_ids=(3, 1, 3))

    normal = drafts.normalised(given)

    assert (normal.weekdays, normal.blackout_dates, normal.claim_word, normal.stack_group) == (None,) * 4
    assert normal.store_ids == (1, 3)


@pytest.mark.parametrize("word", ["冰爽 Summer", " 冰爽 SUMMER ", "冰爽　ｓｕｍｍｅｒ　"])
def test_a_claim_word_is_one_word_however_it_is_typed(word):
    assert drafts.normal_word(word) == "冰爽 summer"


@pytest.mark.parametrize(
    ("rules", "most"),
    [(CASH, 500), (PERCENT, None), (PERCENT | {"cap_cents": 700}, 700), (GIFT, 1200), (FIXED_PRICE, 210)],
)
def test_the_most_that_a_coupon_takes_off_is_known(rules, most):
    assert drafts.most_cents(draft(**rules)) == most


def test_a_version_is_of_exactly_these_rules():
    one, same, other = draft(**CASH), draft(**CASH), draft(**CASH, min_cents=1)

    assert drafts.version_of(one) == drafts.version_of(same) != drafts.version_of(other)
