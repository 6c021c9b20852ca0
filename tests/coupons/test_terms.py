"""The sentences that the rules generate."""

from datetime import UTC, datetime

import pytest

from core.clock import day_start
from core.text import Text
from coupons import terms
from coupons.models import Coupon
from coupons.offers import Draft

SHANGHAI = "Asia/Shanghai"


GIFT = {"kind": "gift", "item_name": "香草圣代", "item_name_en": "vanilla sundae", "item_cents": 1200}
FIXED_PRICE = GIFT | {"kind": "fixed_price", "price_cents": 990}
NAMES = [Text("静安店", "Jing'an"), Text("徐汇店", "Xuhui"), Text("浦东店", "Pudong"), Text("虹桥店", "Hongqiao")]


def draft(**rules):
    values = {"name": "券", "name_en": "Coupon", "kind": "cash", "valid_days": 30} | rules
    return Draft(**values)


@pytest.mark.parametrize(
    ("rules", "zh", "en"),
    [
        ({"value_cents": 500, "min_cents": 3000}, "满30元减5元", "¥5 off from ¥30"),
        ({"value_cents": 550}, "立减5.5元", "¥5.5 off"),
        ({"value_cents": 555}, "立减5.55元", "¥5.55 off"),
        ({"value_cents": 120_000, "min_cents": 1_000_000}, "满10,000元减1,200元", "¥1,200 off from ¥10,000"),
        ({"kind": "percent", "percent_bp": 1000}, "打9折", "10% off"),
        ({"kind": "percent", "percent_bp": 1200, "min_cents": 2000}, "满20元打88折", "12% off from ¥20"),
        ({"kind": "percent", "percent_bp": 950}, "打9.05折", "9.5% off"),
        ({"kind": "percent", "percent_bp": 9500}, "打0.5折", "95% off"),
        ({"kind": "percent", "percent_bp": 9900}, "打0.1折", "99% off"),
        ({"kind": "percent", "percent_bp": 10_000}, "免单", "Free"),
        (
            {"kind": "percent", "percent_bp": 2000, "cap_cents": 2000, "min_cents": 3000},
            "满30元打8折，最多减20元",
            "20% off from ¥30, at most ¥20 off",
        ),
        ({"kind": "percent", "percent_bp": 10_000, "cap_cents": 1800}, "免单，最多减18元", "Free, at most ¥18 off"),
        (GIFT, "免费送香草圣代1份（价值12元）", "1 vanilla sundae free (worth ¥12)"),
        (
            GIFT | {"min_cents": 3000},
            "另购满30元，免费送香草圣代1份（价值12元）",
            "Spend ¥30 on other things: 1 vanilla sundae free (worth ¥12)",
        ),
        (FIXED_PRICE, "香草圣代原价12元，凭券9.9元", "vanilla sundae at ¥9.9 instead of ¥12"),
        (
            FIXED_PRICE | {"min_cents": 1200},
            "另购满12元，香草圣代原价12元，凭券9.9元",
            "Spend ¥12 on other things: vanilla sundae at ¥9.9 instead of ¥12",
        ),
    ],
)
def test_the_sentence_says_what_the_rules_do(rules, zh, en):
    assert terms.sentence(draft(**rules), "CNY") == (zh, en)


@pytest.mark.parametrize(
    ("currency", "zh", "en"),
    [("USD", "满US$30减US$5", "$5 off from $30"), ("JPY", "满JP¥3,000减JP¥500", "¥500 off from ¥3,000")],
)
def test_other_currencies_keep_their_sign(currency, zh, en):
    assert terms.sentence(draft(value_cents=500, min_cents=3000), currency) == (zh, en)


@pytest.mark.parametrize(
    ("rules", "zh", "en"),
    [
        ({"value_cents": 500}, "¥5", "¥5"),
        ({"kind": "percent", "percent_bp": 1500}, "85折", "15% off"),
        ({"kind": "percent", "percent_bp": 10_000}, "免单", "Free"),
        (GIFT, "免费", "Free"),
        (FIXED_PRICE, "¥9.9", "¥9.9"),
    ],
)
def test_the_face_shows_one_figure(rules, zh, en):
    assert terms.worth(draft(**rules), "CNY") == (zh, en)


def test_valid_to_a_day_means_through_its_last_moment():
    offer = draft(valid_days=None, valid_from=at("2026-05-01"), valid_until=at("2026-06-01"))

    assert terms.offer_validity(offer, SHANGHAI) == (
        "2026年5月1日至5月31日有效",
        "Valid from 1 May to 31 May 2026",
    )


def test_an_end_within_a_day_is_said_with_its_hour():
    offer = draft(valid_days=None, valid_from=at("2026-05-01"), valid_until=datetime(2026, 5, 31, 10, tzinfo=UTC))

    assert terms.offer_validity(offer, SHANGHAI).en == "Valid from 1 May to 31 May 2026, 18:00"


def test_two_years_are_both_said():
    offer = draft(valid_days=None, valid_from=at("2026-12-20"), valid_until=at("2027-01-11"))

    assert terms.offer_validity(offer, SHANGHAI) == (
        "2026年12月20日至2027年1月10日有效",
        "Valid from 20 December 2026 to 10 January 2027",
    )


def test_one_single_day_is_named_once():
    offer = draft(valid_days=None, valid_from=at("2026-05-01"), valid_until=at("2026-05-02"))

    assert terms.offer_validity(offer, SHANGHAI) == ("仅 2026年5月1日当天有效", "Valid on 1 May 2026 only")


def test_days_of_a_night_shop_end_at_its_cut_off_hour():
    until = day_start(datetime(2026, 6, 1), SHANGHAI, 4)
    offer = draft(valid_days=None, valid_from=day_start(datetime(2026, 5, 1), SHANGHAI, 4), valid_until=until)

    assert terms.offer_validity(offer, SHANGHAI, cutoff_hour=4).en == "Valid from 1 May to 31 May 2026"


def test_days_after_the_claim_count_the_first():
    assert terms.offer_validity(draft(valid_days=30), SHANGHAI) == (
        "领取后 30 天内有效",
        "Valid for 30 days, the first included",
    )
    assert terms.offer_validity(draft(valid_days=1), SHANGHAI).en == "Valid on the day you take it"


def test_a_day_of_23_hours_ends_when_it_ends():
    zone = "Europe/Berlin"  # the clocks go forward on 29 March 2026
    until = day_start(datetime(2026, 3, 30), zone)

    assert terms.end_text(until, zone).en == "29 March 2026"


@pytest.mark.parametrize(
    ("starts", "sentence"),
    [
        ("2026-05-20", ("有效至 2026年5月31日", "Valid to 31 May 2026")),
        ("2026-05-25", ("2026年5月25日至5月31日有效", "Valid from 25 May to 31 May 2026")),
    ],
    ids=["from the claim on", "later"],
)
def test_a_coupon_says_when_it_is_valid(starts, sentence):
    coupon = Coupon(claimed_at=at("2026-05-20"), valid_from=at(starts), valid_until=at("2026-06-01"))

    assert terms.validity_sentence(coupon, SHANGHAI) == sentence


def test_the_conditions_name_the_limit_of_each_member():
    assert [text.en for text in terms.conditions(draft(per_member_limit=2), SHANGHAI)] == [
        "Valid for 30 days, the first included",
        "2 per member",
        "Not together with other coupons",
        "On top of the member price",
    ]


@pytest.mark.parametrize(
    ("rules", "zh", "en"),
    [
        (
            {"valid_days": 7, "valid_delay_days": 1},
            "领取次日起 7 天内有效",
            "Valid for 7 days from the day after you take it",
        ),
        (
            {"valid_days": 7, "valid_delay_days": 2},
            "领取后第 2 天起 7 天内有效",
            "Valid for 7 days from the 2nd day after you take it",
        ),
        ({"valid_days": 1, "valid_delay_days": 1}, "仅领取次日有效", "Valid only on the day after you take it"),
        (
            {"valid_days": 1, "valid_delay_days": 11},
            "仅领取后第 11 天有效",
            "Valid only on the 11th day after you take it",
        ),
    ],
)
def test_a_validity_that_begins_later_says_so(rules, zh, en):
    assert terms.offer_validity(draft(**rules), SHANGHAI) == (zh, en)


def test_a_start_within_a_day_is_said_with_its_hour():
    starts = datetime(2026, 5, 1, 2, 30, tzinfo=UTC)
    offer = draft(valid_days=None, valid_from=starts, valid_until=at("2026-06-01"))

    assert terms.offer_validity(offer, SHANGHAI).zh == "2026年5月1日 10:30至5月31日有效"


@pytest.mark.parametrize(
    ("rules", "zh", "en"),
    [
        (
            {"weekdays": 0b11111, "hours": [[840, 1020]]},
            "周一至周五 14:00–17:00 可用",
            "Usable Monday to Friday, 14:00–17:00",
        ),
        ({"weekdays": 0b1100000}, "周六、周日可用", "Usable Saturday and Sunday"),
        ({"hours": [[660, 780], [1320, 60]]}, "每天 11:00–13:00、22:00–次日 01:00 可用", None),
        (
            {"blackout_dates": ["2026-10-01", "2026-10-02"]},
            "2026年10月1日、10月2日不可用",
            "Not on 1 October and 2 October 2026",
        ),
        (
            {"blackout_dates": ["2026-12-31", "2027-01-01", "2027-01-02", "2027-05-01"]},
            "2026年12月31日至2027年1月2日、5月1日不可用",
            "Not on 31 December 2026 to 2 January and 1 May 2027",
        ),
        ({"may_be_given": False}, "不可转赠", "Cannot be given to a friend"),
    ],
)
def test_the_times_and_places_of_use_are_said(rules, zh, en):
    said = terms.use_conditions(draft(**rules))

    assert zh in [text.zh for text in said]
    assert en is None or en in [text.en for text in said]


def test_a_closed_day_that_is_no_weekday_of_the_coupon_is_not_said():
    friday, saturday = "2026-10-02", "2026-10-03"
    offer = draft(weekdays=0b11111, blackout_dates=[friday, saturday])

    assert "2026年10月2日不可用" in [text.zh for text in terms.use_conditions(offer)]


@pytest.mark.parametrize(
    ("rules", "scope", "zh", "en"),
    [
        ({"store_ids": (1, 2)}, {"stores": NAMES[:2]}, "限静安店、徐汇店使用", "Only at Jing'an and Xuhui"),
        ({"store_ids": (1, 2, 3, 4)}, {"stores": NAMES}, "限 4 家门店使用", "Only at 4 stores"),
        ({"store_ids": (1,)}, {}, "限部分门店使用", "Only at some stores"),
        (
            {"tier_ids": (1, 2)},
            {"tiers": [Text("银卡", "Silver"), Text("金卡", "Gold")]},
            "限银卡、金卡会员领取和使用",
            "For Silver and Gold members only",
        ),
        ({"program_ids": (1,)}, {"programs": [Text("黑卡", "Black")]}, "限“黑卡”领取和使用", "Only with “Black”"),
    ],
)
def test_whom_and_where_it_is_for_is_said_by_name(rules, scope, zh, en):
    said = terms.conditions(draft(**rules), SHANGHAI, scope=terms.Scope(**scope))

    assert Text(zh, en) in said


@pytest.mark.parametrize(
    ("rules", "zh", "en"),
    [
        (
            {"per_phone_limit": 1},
            "每个手机号限领 1 张，领取前需验证手机",
            "One per phone number, verified before you take it",
        ),
        ({"per_day_limit": 1000}, "每天限量 1,000 张", "1,000 a day for everybody together"),
        ({"stock": 5}, "数量有限，领完即止", "While they last"),
        ({"budget_cents": 5000}, "数量有限，领完即止", "While they last"),
    ],
)
def test_the_limits_on_claiming_are_said(rules, zh, en):
    assert Text(zh, en) in terms.conditions(draft(**rules), SHANGHAI)


def test_a_daily_limit_beyond_the_stock_is_not_said():
    assert not [text for text in terms.conditions(draft(stock=5, per_day_limit=5), SHANGHAI) if "每天" in text.zh]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({}, ["不与其他券同用", "可与会员价同享"]),
        ({"stacking": "stackable"}, ["可与其他可叠加的券同用", "可与会员价同享"]),
        (
            {"stacking": "stackable", "stack_group": "饮品", "member_price": "instead"},
            ["可与其他可叠加的券同用，“饮品”类限用 1 张", "不与会员价同享"],
        ),
    ],
)
def test_what_it_goes_with_is_said(rules, said):
    assert [text.zh for text in terms.use_conditions(draft(**rules))] == said


def test_where_there_is_no_member_price_nothing_is_said_of_it():
    said = terms.use_conditions(draft(), scope=terms.Scope(has_member_price=False))

    assert said == [Text("不与其他券同用", "Not together with other coupons")]


def test_a_night_shop_says_when_its_days_begin():
    said = terms.use_conditions(draft(), cutoff_hour=4)

    assert Text("日期按营业日算：每天从 4:00 到次日 4:00", "Each day runs from 4:00 to 4:00 the next morning") in said


def at(day: str) -> datetime:
    return day_start(datetime.fromisoformat(day), SHANGHAI)
