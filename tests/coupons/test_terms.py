"""The sentences that the rules generate."""

from datetime import UTC, datetime

import pytest

from core.clock import day_start
from coupons import terms
from coupons.models import Coupon
from coupons.offers import Draft

SHANGHAI = "Asia/Shanghai"


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


def at(day: str) -> datetime:
    return day_start(datetime.fromisoformat(day), SHANGHAI)
