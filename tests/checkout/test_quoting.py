"""What a card makes of an amount."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from cards.models import Card, Tier
from cards.rotating_code import CardCodeUnknown
from checkout import errors, quoting
from checkout.quoting import Standing, member_price, price
from checkout.standing import STANDING as STANDING_READING
from core.db import db, transaction
from core.text import Text
from coupons.applicability import UsableCoupon
from stores.models import Store
from tests.factories import NOON, code_of, in_days, make_card, make_chain, make_coupon, make_offer, make_store


def write(statement):
    with transaction():
        db.session.execute(statement)


def why(quote):
    return [(refused.coupon_id, refused.refusal.code) for refused in quote.refused]


def test_the_member_price_comes_first_then_the_coupon(shop):
    coupon = make_coupon(shop.card, make_offer(shop.chain))

    quote = shop.quote(5800)

    assert [(line.kind, line.label.zh, line.discount_cents, line.coupon_id) for line in quote.lines] == [
        ("member_price", "会员价 95 折", 290, None),
        ("coupon", "满30减5", 500, coupon.id),
    ]
    assert (quote.payable_cents, quote.points) == (5010, 50)


def test_a_percent_coupon_counts_on_what_is_left_after_the_member_price(shop):
    make_coupon(shop.card, make_offer(shop.chain, kind="percent", percent_bp=1000, min_cents=0))

    quote = shop.quote(10_000)

    assert (quote.member_discount_cents, quote.coupon_discount_cents, quote.payable_cents) == (500, 950, 8550)


def test_the_coupon_that_takes_most_off_is_the_best(shop):
    small = make_coupon(shop.card, make_offer(shop.chain))
    large = make_coupon(shop.card, make_offer(shop.chain, value_cents=900))

    quote = shop.quote()

    assert [fit.coupon.id for fit in quote.fits] == [large.id, small.id]
    assert quote.coupon_ids == (large.id,)


def test_of_two_alike_the_one_that_ends_first_is_the_best(shop):
    make_coupon(shop.card, make_offer(shop.chain, valid_days=30))
    soon = make_coupon(shop.card, make_offer(shop.chain, valid_days=3))

    assert shop.quote().coupon_ids == (soon.id,)


def test_a_till_may_choose_another_coupon_or_none(shop):
    small = make_coupon(shop.card, make_offer(shop.chain))
    make_coupon(shop.card, make_offer(shop.chain, value_cents=900))

    assert shop.quote(coupon_ids=[small.id]).payable_cents == 5010
    assert shop.quote(coupon_ids=[]).payable_cents == 5510


def test_each_coupon_that_does_not_fit_says_why(shop):
    offer = make_offer(shop.chain, per_member_limit=10)
    dear = make_coupon(shop.card, make_offer(shop.chain, min_cents=9000))
    later = make_coupon(shop.card, offer, valid_from=in_days(2))
    over = make_coupon(shop.card, offer, valid_from=in_days(-3), valid_until=in_days(-1))
    make_coupon(shop.card, offer, valid_from=in_days(-30), valid_until=in_days(-8))

    quote = shop.quote()

    assert sorted(why(quote)) == [
        (dear.id, "coupon_minimum_not_met"),
        (later.id, "coupon_not_yet_valid"),
        (over.id, "coupon_expired"),
    ]
    assert quote.coupon_ids == ()


def test_a_wanted_coupon_that_is_used_or_not_there_is_refused(shop):
    used = make_coupon(shop.card, make_offer(shop.chain), state="redeemed", redeemed_at=NOON)
    theirs = make_coupon(make_card(shop.code), make_offer(shop.chain))

    assert why(shop.quote(coupon_ids=[used.id])) == [(used.id, "coupon_already_redeemed")]
    assert why(shop.quote(coupon_ids=[theirs.id])) == [(theirs.id, "coupon_not_found")]


def test_two_coupons_that_do_not_go_together_are_named(shop):
    held = [make_coupon(shop.card, make_offer(shop.chain, name=f"{n}元券", name_en=f"{n} off")) for n in (5, 6)]

    with pytest.raises(errors.CouponsNotStackable) as caught:
        shop.quote(coupon_ids=[coupon.id for coupon in held])

    assert caught.value.say("zh") == "“5元券”和“6元券”不能一起用。"
    assert caught.value.say("en") == "“5 off” and “6 off” do not go together."


@pytest.mark.parametrize("amount", [0, -1, quoting.MOST_CENTS + 1])
def test_an_amount_that_nobody_pays_is_refused(shop, amount):
    with pytest.raises(errors.AmountInvalid):
        shop.quote(amount)


def test_an_old_code_is_told_from_an_unknown_one(shop):
    old = quoting.presented(code_of(shop.card, now=NOON - timedelta(minutes=2)))
    strange = quoting.presented(code_of(make_card(shop.code))[:16] + "00000000")

    with pytest.raises(errors.CardCodeOutdated):
        shop.quote(card=old)
    with pytest.raises(CardCodeUnknown):
        quoting.presented("62" + "0" * 22)
    with pytest.raises(errors.CardCodeOutdated):
        shop.quote(card=strange)


def test_a_card_checked_a_moment_ago_needs_no_code(shop):
    assert shop.quote(card=quoting.Presented(shop.card.number, None)).payable_cents == 5510


def test_another_chain_does_not_know_the_card(shop):
    other = make_chain("other")
    theirs = make_store(other)

    with pytest.raises(CardCodeUnknown):
        shop.quote(card=quoting.Presented("6200000000000000", None))
    with pytest.raises(errors.StoreNotFound):
        shop.quote(store_id=theirs.id)


@pytest.mark.parametrize(
    ("state", "closed_at", "refusal"),
    [("frozen", None, errors.CardFrozen), ("closed", NOON, errors.CardClosed), ("erased", None, errors.CardClosed)],
)
def test_a_card_that_is_not_active_is_refused(shop, state, closed_at, refusal):
    write(update(Card).values(state=state, closed_at=closed_at))

    with pytest.raises(refusal):
        shop.quote()


def test_a_closed_store_takes_no_payments(shop):
    write(update(Store).values(closed_at=NOON))

    with pytest.raises(errors.StoreClosed):
        shop.quote()


def test_points_follow_whole_units_paid_and_the_tier(shop):
    write(update(Tier).where(Tier.rank == 0).values(points_multiplier_bp=15_000, discount_bp=0))

    assert shop.quote(3199).points == 46  # 31 yuan times 1.5, rounded down


def test_a_quote_is_one_reading(shop):
    make_coupon(shop.card, make_offer(shop.chain))
    sent = []

    class Counting:
        def rows(self, sql, **values):
            from core.hot import reading

            sent.append(sql)
            with reading() as hot:
                return hot.rows(sql, **values)

    card = quoting.Presented(shop.card.number, None)
    quoting.quote(Counting(), shop.chain.id, shop.store.id, card, 5800, now=NOON)

    assert sent == [STANDING_READING]


@pytest.mark.parametrize(
    ("discount_bp", "zh", "en"),
    [
        (500, "会员价 95 折", "Member price, 5% off"),
        (1000, "会员价 9 折", "Member price, 10% off"),
        (1250, "会员价 8.75 折", "Member price, 12.5% off"),
        (10_000, "会员免单", "Free for members"),
    ],
)
def test_the_member_price_in_words(discount_bp, zh, en):
    assert member_price(discount_bp) == Text(zh, en)


STANDING = Standing(
    card_id=1,
    number="6200000000000000",
    state="active",
    points=0,
    member_id=1,
    member_name="",
    member_phone=None,
    tier_id=1,
    tier_name=Text("银卡", "Silver"),
    discount_bp=500,
    points_multiplier_bp=10_000,
    points_per_unit=1,
    store_id=1,
    timezone="Asia/Shanghai",
    cutoff_hour=0,
    currency="CNY",
    coupons=(),
)
coupons = st.builds(
    UsableCoupon,
    id=st.integers(1, 10**6),
    offer_id=st.just(1),
    name=st.just(Text("券", "Coupon")),
    kind=st.sampled_from(["cash", "percent", "gift"]),
    value_cents=st.integers(1, 10**7),
    percent_bp=st.integers(1, 10_000),
    cap_cents=st.none() | st.integers(1, 10**6),
    min_cents=st.integers(0, 10**6),
    state=st.sampled_from(["claimed", "claimed", "gifting", "redeemed"]),
    valid_from=st.sampled_from([in_days(-1), in_days(-2), in_days(1)]),
    valid_until=st.sampled_from([in_days(2), in_days(3), in_days(0)]),
    item_name=st.just(Text("蛋筒", "Cone")),
    item_cents=st.integers(2, 10**6),
    price_cents=st.none(),
    weekdays=st.sampled_from([None, 4, 3]),
    hours=st.sampled_from([None, [[600, 780]], [[0, 60]]]),
    blackout_dates=st.sampled_from([None, ["2026-05-20"]]),
    is_for_this_store=st.sampled_from([True, True, False]),
    is_for_this_program=st.just(True),
    is_for_this_tier=st.just(True),
    stacking=st.sampled_from(["exclusive", "stackable"]),
    stack_group=st.none(),
    member_price=st.sampled_from(["on_top", "instead"]),
    stores=st.none(),
    programs=st.none(),
    tiers=st.none(),
)


@given(
    amount=st.integers(1, quoting.MOST_CENTS),
    discount_bp=st.integers(0, 10_000),
    multiplier_bp=st.integers(0, 50_000),
    held=st.lists(coupons, max_size=6, unique_by=lambda coupon: coupon.id),
)
def test_whatever_the_figures_a_quote_adds_up(amount, discount_bp, multiplier_bp, held):
    standing = replace(STANDING, discount_bp=discount_bp, points_multiplier_bp=multiplier_bp, coupons=tuple(held))

    quote = price(standing, amount, now=NOON)

    assert 0 <= quote.payable_cents <= amount
    assert quote.payable_cents == amount - sum(line.discount_cents for line in quote.lines)
    left_out = {fit.coupon.id for fit in quote.fits} - set(quote.coupon_ids)
    assert len(quote.fits) + len(quote.refused) - len(left_out) == len(held)
    assert left_out <= {refused.coupon_id for refused in quote.refused}
    assert all(line.discount_cents > 0 for line in quote.lines)
    assert quote.combination == quote.best
    assert 0 <= quote.points <= quote.payable_cents // 100 * multiplier_bp // 10_000


@given(held=st.lists(coupons, max_size=6, unique_by=lambda coupon: coupon.id), amount=st.integers(1, 10**6))
def test_no_choice_of_a_coupon_is_cheaper_than_the_best(held, amount):
    standing = replace(STANDING, coupons=tuple(held))

    best = price(standing, amount, now=NOON)

    for coupon in held:
        assert price(standing, amount, now=NOON, coupon_ids=[coupon.id]).payable_cents >= best.payable_cents
