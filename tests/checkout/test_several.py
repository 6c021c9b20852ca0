"""Several coupons, points and a basket in one purchase."""

import pytest
from sqlalchemy import func, select, update

from cards.models import Card, PointEntry, Program, Tier
from checkout import errors, quoting
from checkout.models import Checkout, Redemption
from core.db import db, transaction
from coupons import errors as coupon_errors
from coupons.applicability import Item
from coupons.models import Coupon, OfferStore, OfferTier
from tests.factories import make_coupon, make_offer, make_store


def write(statement):
    with transaction():
        db.session.execute(statement)


def stackable(shop, **more):
    return make_coupon(shop.card, make_offer(shop.chain, stacking="stackable", **({"min_cents": 0} | more)))


@pytest.fixture
def spending(shop):
    """100 points take 1 yuan off; the card has 1000."""
    write(update(Program).values(spend_points=100, spend_cents=100))
    write(update(Card).values(points=1000))
    return shop


def lines_of(quote):
    return [(line.kind, line.discount_cents, line.coupon_id) for line in quote.lines]


def test_a_quote_takes_all_that_goes_together_in_its_order(shop):
    cash = stackable(shop)
    tenth = stackable(shop, kind="percent", percent_bp=1000)
    cone = stackable(shop, kind="gift", item_name="蛋筒", item_name_en="Cone", item_cents=1200, value_cents=None)

    quote = shop.quote(11_200)

    assert lines_of(quote) == [
        ("coupon", 1200, cone.id),
        ("member_price", 500, None),
        ("coupon", 950, tenth.id),
        ("coupon", 500, cash.id),
    ]
    assert quote.payable_cents == 8050
    assert quote.coupon_ids == quote.best.coupon_ids == (cone.id, tenth.id, cash.id)


def test_several_coupons_are_booked_each_with_its_own_discount(shop):
    held = [stackable(shop, value_cents=cents) for cents in (500, 700)]

    settled = shop.settle(5800, coupon_ids=tuple(coupon.id for coupon in held), seen_payable_cents=4310)

    used = db.session.execute(select(Redemption.coupon_id, Redemption.offer_id, Redemption.discount_cents))
    assert sorted(used.all()) == [(held[0].id, held[0].offer_id, 500), (held[1].id, held[1].offer_id, 700)]
    assert (settled.coupon_discount_cents, settled.coupon_ids) == (1200, tuple(coupon.id for coupon in held))
    assert db.session.scalars(select(Coupon.state)).all() == ["redeemed", "redeemed"]


def test_when_one_of_them_cannot_be_used_none_is(shop):
    good, used = stackable(shop), stackable(shop)
    shop.settle(coupon_ids=(used.id,))

    with pytest.raises(coupon_errors.CouponAlreadyRedeemed):
        shop.settle(coupon_ids=(good.id, used.id))

    assert db.session.scalar(select(Coupon.state).where(Coupon.id == good.id)) == "claimed"
    assert db.session.scalar(select(func.count(Checkout.id))) == 1


def test_one_that_runs_out_after_it_was_priced_leaves_the_others_alone(shop, monkeypatch):
    good, gone = stackable(shop), stackable(shop)
    priced = shop.bill(5800, coupon_ids=[good.id, gone.id])
    write(update(Coupon).where(Coupon.id == gone.id).values(state="void"))
    monkeypatch.setattr(quoting, "bill", lambda *_, **__: priced)

    with pytest.raises(errors.QuoteChanged):
        shop.settle(coupon_ids=(good.id, gone.id))

    assert db.session.scalar(select(Coupon.state).where(Coupon.id == good.id)) == "claimed"


def test_a_coupon_for_which_nothing_is_left_is_not_wasted(shop):
    large, small = stackable(shop, value_cents=9000), stackable(shop)

    quote = shop.quote(5800, coupon_ids=[large.id, small.id])

    assert quote.payable_cents == 0
    with pytest.raises(coupon_errors.CouponNothingLeft):
        shop.settle(800, coupon_ids=(stackable(shop, value_cents=9001).id, large.id))


def test_a_coupon_instead_of_the_member_price_takes_its_place(shop):
    instead = make_coupon(shop.card, make_offer(shop.chain, value_cents=900, member_price="instead"))

    assert lines_of(shop.quote(5800)) == [("coupon", 900, instead.id)]


def test_what_does_not_go_with_the_best_set_says_so(shop):
    best = make_coupon(shop.card, make_offer(shop.chain, value_cents=900, name="满30减9"))
    other = make_coupon(shop.card, make_offer(shop.chain))

    quote = shop.quote()

    assert quote.coupon_ids == (best.id,)
    assert [(refused.coupon_id, refused.refusal.say("zh")) for refused in quote.refused] == [
        (other.id, "不能和“满30减9”一起用。")
    ]


def test_another_store_is_told_by_name(shop):
    offer = make_offer(shop.chain)
    coupon = make_coupon(shop.card, offer)
    others = [
        make_store(shop.chain, f"N{n}", name=name) for n, name in enumerate(["静安店", "徐汇店", "虹口店", "长宁店"])
    ]
    with transaction():
        offer.is_for_all_stores = False
        db.session.merge(offer)
        db.session.add_all(OfferStore(offer_id=offer.id, store_id=store.id) for store in others)

    refused = shop.quote().refused
    at_home = shop.quote(store_id=others[1].id)

    assert [(each.coupon_id, each.refusal.code, each.refusal.say("zh")) for each in refused] == [
        (coupon.id, "coupon_wrong_store", "这张券只限静安店、徐汇店、虹口店等 4 家门店使用。")
    ]
    assert refused[0].refusal.say("en") == "This coupon is for 静安店, 徐汇店, 虹口店 and 1 other stores only."
    assert at_home.coupon_ids == (coupon.id,)


def test_another_tier_is_told_by_name_and_refused_when_booked(shop):
    offer = make_offer(shop.chain)
    coupon = make_coupon(shop.card, offer)
    gold = db.session.scalar(select(Tier.id).where(Tier.rank == 1))
    with transaction():
        offer.is_for_all_tiers = False
        db.session.merge(offer)
        db.session.add(OfferTier(offer_id=offer.id, tier_id=gold))

    with pytest.raises(coupon_errors.CouponWrongTier) as caught:
        shop.settle(coupon_ids=(coupon.id,))

    assert caught.value.say("zh") == "这张券只限金卡使用。"
    write(update(Card).values(tier_id=gold, earned_points=1000))
    assert shop.settle(coupon_ids=(coupon.id,)).coupon_discount_cents == 500


# --- points -------------------------------------------------------------------------------------------------------


def test_a_quote_says_how_many_points_can_be_used(spending):
    assert spending.quote(5800).spendable == (1000, 1000, 100, 100)
    assert spending.quote(500).spendable == (400, 400, 100, 100)  # 4.75 to pay


def test_without_a_rule_points_cannot_be_spent(shop):
    assert shop.quote().spendable is None
    with pytest.raises(errors.PointsNotAccepted):
        shop.quote(use_points=100)


def test_points_come_last_and_are_booked_by_a_line_of_their_own(spending):
    coupon = stackable(spending)

    quote = spending.quote(5800, use_points=300)
    settled = spending.settle(5800, coupon_ids=(coupon.id,), use_points=300, seen_payable_cents=4710)

    assert lines_of(quote) == [("member_price", 290, None), ("coupon", 500, coupon.id), ("points", 300, None)]
    assert (quote.lines[-1].label.zh, quote.lines[-1].label.en) == ("300 积分抵扣", "300 points")
    lines = db.session.execute(select(PointEntry.delta, PointEntry.balance, PointEntry.cause).order_by(PointEntry.id))
    assert lines.all() == [(-300, 700, f"spend:{settled.id}"), (47, 747, f"checkout:{settled.id}")]
    booked = db.session.execute(select(Checkout.points_used, Checkout.points_discount_cents, Checkout.payable_cents))
    assert booked.one() == (300, 300, 4710)
    assert db.session.scalar(select(Card.points)) == 747


@pytest.mark.parametrize(
    ("amount", "points", "refusal", "zh"),
    [
        (5800, 150, errors.PointsNotMultiple, "积分要按 100 的倍数使用。"),
        (5800, 1100, errors.PointsNotEnough, "积分不够，卡里有 1000 分。"),
        (500, 500, errors.PointsTooMany, "这一单最多可用 400 积分。"),
    ],
)
def test_points_that_cannot_be_used_say_why(spending, amount, points, refusal, zh):
    with pytest.raises(refusal) as caught:
        spending.settle(amount, use_points=points)

    assert caught.value.say("zh") == zh
    assert db.session.scalar(select(func.count(Checkout.id))) == 0


def test_a_purchase_counts_towards_the_next_tier_and_lifts_the_card(shop):
    shop.settle(110_000)

    card = db.session.execute(select(Card.earned_points, Card.spent_cents, Card.tier_id)).one()
    gold = db.session.scalar(select(Tier.id).where(Tier.rank == 1))
    assert card == (1045, 104_500, gold)
    assert shop.quote(10_000).member_discount_cents == 1000


def test_where_tiers_go_by_spend_points_do_not_lift(shop):
    write(update(Program).values(tier_by="spend"))
    write(update(Tier).where(Tier.rank == 1).values(threshold_cents=200_000))
    silver, gold = db.session.scalars(select(Tier.id).order_by(Tier.rank)).all()

    shop.settle(110_000)
    assert db.session.scalar(select(Card.tier_id)) == silver

    shop.settle(110_000)
    assert db.session.scalar(select(Card.tier_id)) == gold


# --- the basket ---------------------------------------------------------------------------------------------------

CONE, TEA = Item("Cone", 1, 1000), Item("Tea", 2, 2400)


@pytest.fixture
def cone(shop):
    gift = {"kind": "gift", "item_name": "蛋筒", "item_name_en": "Cone", "item_cents": 1200, "value_cents": None}
    return make_coupon(shop.card, make_offer(shop.chain, min_cents=0, **gift))


def test_an_item_in_the_basket_is_given_at_the_price_it_has_there(shop, cone):
    assert shop.settle(5800, coupon_ids=(cone.id,), items=(CONE, TEA)).coupon_discount_cents == 1000


def test_without_a_basket_the_price_of_the_terms_counts(shop, cone):
    assert shop.settle(5800, coupon_ids=(cone.id,)).coupon_discount_cents == 1200


def test_an_item_that_is_not_in_the_basket_is_refused(shop, cone):
    with pytest.raises(coupon_errors.CouponItemMissing):
        shop.settle(4800, coupon_ids=(cone.id,), items=(TEA,))


def test_a_basket_that_does_not_add_up_is_refused(shop):
    with pytest.raises(errors.ItemsDoNotAddUp) as caught:
        shop.quote(5900, items=(CONE, TEA))

    assert caught.value.say("zh") == "商品合计 ¥58.00，和金额不一致。"
