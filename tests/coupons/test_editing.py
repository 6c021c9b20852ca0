"""Offers whose coupons are out become more generous, and nothing else."""

from dataclasses import fields, replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.audit import SYSTEM, AuditEntry
from core.clock import day_start
from core.db import db, transaction
from coupons import editing, errors, offers
from coupons.drafts import Draft, version_of
from coupons.models import Coupon, Offer, OfferBudget, OfferDay, OfferPhone, OfferSlot, OfferStore
from tests.factories import (
    NOON,
    in_days,
    make_card,
    make_chain,
    make_coupon,
    make_offer,
    make_store,
    make_store_code,
    program_of,
    save,
)

SHANGHAI = "Asia/Shanghai"
FIXED_DATES = {"valid_from": in_days(-1), "valid_until": day_start(in_days(5), SHANGHAI)}


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def card(chain):
    return make_card(make_store_code(make_store(chain)))


def edit(offer, *, now=NOON, seen=None, **rules):
    before = offers.draft_of(db.session.get_one(Offer, offer.id, populate_existing=True))
    with transaction():
        return editing.edit_running(
            offer.chain_id, offer.id, replace(before, **rules), seen=seen or version_of(before), by=SYSTEM, now=now
        )


def test_every_rule_of_an_offer_is_compared_or_free():
    beside = {"valid_days", "stack_group"}  # compared together with another rule

    assert {name for name, _, _ in editing.RULES} | beside | set(editing.FREE) == {each.name for each in fields(Draft)}


def coupon_of(coupon):
    return db.session.get_one(Coupon, coupon.id, populate_existing=True)


def draft(**rules):
    return Draft(**({"name": "券", "name_en": "Coupon", "kind": "cash", "value_cents": 500, "valid_days": 30} | rules))


PERCENT = {"kind": "percent", "value_cents": None, "percent_bp": 1000}
FIXED_PRICE = {
    "kind": "fixed_price",
    "value_cents": None,
    "item_name": "圣代",
    "item_name_en": "Sundae",
    "item_cents": 1200,
    "price_cents": 900,
}
DATES = {"valid_days": None, "valid_from": in_days(1), "valid_until": in_days(9)}


@pytest.mark.parametrize(
    ("before", "better", "rule"),
    [
        ({}, {"value_cents": 501}, "减免金额"),
        ({"min_cents": 100}, {"min_cents": 99}, "门槛"),
        (PERCENT, {"percent_bp": 1001}, "折扣"),
        (PERCENT | {"cap_cents": 10}, {"cap_cents": 11}, "封顶"),
        (PERCENT | {"cap_cents": 10}, {"cap_cents": None}, "封顶"),
        (FIXED_PRICE, {"price_cents": 899}, "券后价"),
        ({"stock": 5}, {"stock": 6}, "库存"),
        ({"stock": 5}, {"stock": None}, "库存"),
        ({}, {"per_member_limit": 2}, "每人限领"),
        ({"per_day_limit": 1}, {"per_day_limit": 2}, "每天限量"),
        ({"per_day_limit": 1}, {"per_day_limit": None}, "每天限量"),
        ({"per_phone_limit": 1}, {"per_phone_limit": None}, "每个手机号限领"),
        ({"budget_cents": 1000}, {"budget_cents": 2000}, "预算"),
        ({"budget_cents": 1000}, {"budget_cents": None}, "预算"),
        (DATES, {"valid_from": in_days(0)}, "开始日期"),
        (DATES, {"valid_until": in_days(10)}, "结束日期"),
        ({}, {"valid_days": 31}, "有效天数"),
        ({"valid_delay_days": 2}, {"valid_delay_days": 1, "valid_days": 31}, "延后生效"),
        ({"weekdays": 0b11111}, {"weekdays": 0b111111}, "星期"),
        ({"weekdays": 0b11111}, {"weekdays": None}, "星期"),
        ({"hours": [[600, 660]]}, {"hours": [[540, 700]]}, "时段"),
        ({"hours": [[600, 660]]}, {"hours": None}, "时段"),
        ({"blackout_dates": ["2026-10-01", "2026-10-02"]}, {"blackout_dates": ["2026-10-02"]}, "不可用日期"),
        ({}, {"stacking": "stackable"}, "叠加"),
        ({}, {"stacking": "stackable", "stack_group": "饮品"}, "叠加"),
        ({"stacking": "stackable", "stack_group": "饮品"}, {"stack_group": None}, "叠加组"),
        ({"member_price": "instead"}, {"member_price": "on_top"}, "会员价"),
        ({"may_be_given": False}, {"may_be_given": True}, "转赠"),
        ({"store_ids": (1,)}, {"store_ids": (1, 2)}, "适用门店"),
        ({"store_ids": (1,)}, {"store_ids": ()}, "适用门店"),
        ({"program_ids": (1,)}, {"program_ids": ()}, "适用会员卡"),
        ({"tier_ids": (1,)}, {"tier_ids": (1, 3)}, "适用等级"),
    ],
    ids=str,
)
def test_what_is_better_one_way_is_worse_the_other_way(before, better, rule):
    before = draft(**before)
    after = replace(before, **better)

    assert editing.worse_rules(before, after) == []
    assert rule in [text.zh for text in editing.worse_rules(after, before)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"value_cents": None, **PERCENT}),
        ({}, DATES),
        (FIXED_PRICE, {"item_name": "奶茶"}),
        (FIXED_PRICE, {"item_cents": 1300}),
        ({}, {"program_id": 1}),
        ({}, {"hq_share_bp": 5000}),
        ({"hours": [[600, 660]]}, {"hours": [[601, 900]]}),
        ({"weekdays": 0b1}, {"weekdays": 0b10}),
        ({"store_ids": (1,)}, {"store_ids": (2, 3)}),
        ({"stacking": "stackable", "stack_group": "饮品"}, {"stack_group": "冰品"}),
        ({"valid_delay_days": 5, "valid_days": 5}, {"valid_delay_days": 0}),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_not_more_generous(before, after):
    assert editing.worse_rules(draft(**before), replace(draft(**before), **after))


def test_hours_past_midnight_are_compared_by_the_minute():
    before, after = draft(hours=[[1320, 60]]), draft(hours=[[1200, 120]])

    assert editing.worse_rules(before, after) == []
    assert editing.worse_rules(after, before)


def test_a_better_offer_is_written_and_noted(chain):
    offer = make_offer(chain, min_cents=3000)

    edited = edit(offer, min_cents=2000, name="满20减5")

    assert (edited.min_cents, edited.name, edited.state) == (2000, "满20减5", "running")
    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (entry.action, entry.before["min_cents"], entry.after["min_cents"]) == ("offer edited", 3000, 2000)
    assert set(entry.after) == {"min_cents", "name"}


def test_the_refusal_names_every_rule_that_got_worse(chain):
    offer = make_offer(chain, state="paused")

    with pytest.raises(errors.OfferNotMoreGenerous) as refused:
        edit(offer, min_cents=4000, value_cents=400, per_member_limit=2)

    assert "减免金额、门槛" in refused.value.say("zh")
    assert "the amount off, the minimum" in refused.value.say("en")
    assert db.session.get_one(Offer, offer.id, populate_existing=True).min_cents == 3000


def test_of_two_editors_the_second_is_told(chain):
    offer = make_offer(chain)
    seen = version_of(offers.draft_of(offer))
    edit(offer, min_cents=2000, seen=seen)

    with pytest.raises(errors.OfferChanged):
        edit(offer, min_cents=1000, seen=seen)


def test_drafts_and_ended_offers_are_not_edited_so(chain):
    with pytest.raises(errors.OfferEnded):
        edit(make_offer(chain, state="ended"), min_cents=0)
    with pytest.raises(errors.OfferNotRunning):
        edit(make_offer(chain, state="draft"), min_cents=0)


def test_a_claim_word_of_another_running_offer_is_refused(chain):
    make_offer(chain, claim_word="Ice")
    offer, draft = make_offer(chain), make_offer(chain, state="draft", claim_word="ICE ")

    with pytest.raises(errors.ClaimWordTaken, match="ice"):
        edit(offer, claim_word="ice")
    with pytest.raises(errors.ClaimWordTaken), transaction():
        offers.publish(chain.id, draft.id, by=SYSTEM, now=NOON)
    assert edit(offer, claim_word="snow").claim_word == "snow"


def test_coupons_out_end_later_with_a_fixed_end(chain, card):
    offer = make_offer(chain, per_member_limit=4, **FIXED_DATES)
    open_one, gone, given = (make_coupon(card, offer) for _ in range(3))
    with transaction():
        coupon_of(gone).state = "expired"
        coupon_of(given).state = "gifting"
    end = day_start(in_days(20), SHANGHAI)

    edit(offer, valid_until=end)

    assert coupon_of(open_one).valid_until == coupon_of(given).valid_until == end
    assert coupon_of(gone).valid_until == FIXED_DATES["valid_until"]


def test_a_coupon_whose_time_is_over_stays_over(chain, card):
    offer = make_offer(chain, **FIXED_DATES)
    coupon = make_coupon(card, offer)

    edit(offer, valid_until=day_start(in_days(20), SHANGHAI), now=in_days(6))

    assert coupon_of(coupon).valid_until == FIXED_DATES["valid_until"]


def test_a_used_coupon_comes_back_with_the_later_end(chain, card):
    offer = make_offer(chain, **FIXED_DATES)
    coupon = make_coupon(card, offer, state="redeemed", redeemed_at=NOON)
    end = day_start(in_days(20), SHANGHAI)

    edit(offer, valid_until=end)

    assert coupon_of(coupon).valid_until == end


def test_coupons_out_begin_sooner_with_a_fixed_start(chain, card):
    offer = make_offer(chain, valid_from=in_days(2), valid_until=in_days(9))
    coupon = make_coupon(card, offer)

    edit(offer, valid_from=in_days(1))

    assert coupon_of(coupon).valid_from == in_days(1)


def test_coupons_of_every_day_last_as_much_longer(chain, card):
    offer = make_offer(chain, valid_days=10, per_member_limit=3)
    claimed = [make_coupon(card, offer, now=in_days(day)) for day in (0, 0.1, 10)]

    edit(offer, valid_days=20, now=in_days(0.5))  # what is claimed on day 10 would be claimed by another clock

    ends = [day_start(in_days(day + 20), SHANGHAI) for day in (0, 0, 10)]
    assert [coupon_of(coupon).valid_until for coupon in claimed] == ends


def test_a_shorter_delay_lets_coupons_begin_sooner(chain, card):
    offer = make_offer(chain, valid_days=10, valid_delay_days=3)
    coupon = make_coupon(card, offer)

    edit(offer, valid_days=12, valid_delay_days=1)

    changed = coupon_of(coupon)
    assert (changed.valid_from, changed.valid_until) == (
        day_start(in_days(1), SHANGHAI),
        day_start(in_days(13), SHANGHAI),
    )


def test_days_move_by_the_calendar_where_clocks_change(app):
    chain = make_chain(timezone="Europe/Berlin")
    card = make_card(make_store_code(make_store(chain)))
    before_winter = NOON.replace(month=10, day=20)
    offer = make_offer(chain, valid_days=3)
    coupon = make_coupon(card, offer, now=before_winter)

    edit(offer, valid_days=10, now=before_winter)

    assert coupon_of(coupon).valid_until == day_start(before_winter + timedelta(days=10), "Europe/Berlin")


def test_more_worth_is_committed_of_the_budget_or_refused(chain, card):
    offer = make_offer(chain, value_cents=500, budget_cents=2000, per_member_limit=3)
    claimed = [make_coupon(card, offer) for _ in range(2)]

    with pytest.raises(errors.OfferInvalid, match="already out may take more"):
        edit(offer, value_cents=1001)
    edit(offer, value_cents=1000)

    budget = db.session.get_one(OfferBudget, offer.id, populate_existing=True)
    assert (budget.budget_cents, budget.committed_cents) == (2000, 2000)
    assert [coupon_of(coupon).committed_cents for coupon in claimed] == [1000, 1000]


def test_a_budget_is_lifted_with_what_was_committed_of_it(chain, card):
    offer = make_offer(chain, value_cents=500, budget_cents=2000)
    coupon = make_coupon(card, offer)

    edit(offer, budget_cents=None)

    assert db.session.scalar(select(func.count()).select_from(OfferBudget)) == 0
    assert coupon_of(coupon).committed_cents == 0


def test_a_budget_changes_only_by_who_saw_it_and_never_below_what_is_committed(chain, card):
    offer = make_offer(chain, value_cents=500, budget_cents=2000, per_member_limit=2)
    for _ in range(2):
        make_coupon(card, offer)

    def change(budget, seen):
        with transaction():
            offers.change_budget(chain.id, offer.id, budget_cents=budget, seen_budget_cents=seen, by=SYSTEM, now=NOON)

    with pytest.raises(errors.OfferInvalid, match="already out may take more"):
        change(999, 2000)
    change(1000, 2000)
    with pytest.raises(errors.OfferChanged):
        change(3000, 2000)
    assert db.session.get_one(OfferBudget, offer.id, populate_existing=True).budget_cents == 1000


def test_higher_limits_hold_for_the_counts_that_are_open(chain):
    offer = make_offer(chain, per_day_limit=1, per_phone_limit=1)
    day, phone = {"offer_id": offer.id, "day": NOON.date()}, {"offer_id": offer.id, "phone_hash": "a" * 64}
    save(OfferDay(**day, claimed=1, most=1), OfferPhone(**phone, claimed=1, most=1))

    edit(offer, per_day_limit=5, per_phone_limit=2)

    assert db.session.get_one(OfferDay, tuple(day.values()), populate_existing=True).most == 5
    assert db.session.get_one(OfferPhone, tuple(phone.values()), populate_existing=True).most == 2
    edit(offer, per_day_limit=None, per_phone_limit=None)
    assert db.session.scalar(select(func.count()).select_from(OfferDay)) == 0
    assert db.session.scalar(select(func.count()).select_from(OfferPhone)) == 0


def test_more_stock_keeps_what_is_claimed(chain, card):
    offer = make_offer(chain, stock=2)
    make_coupon(card, offer)

    edit(offer, stock=50)

    assert db.session.scalar(select(func.sum(OfferSlot.stock - OfferSlot.claimed))) == 49
    edit(offer, stock=None)
    assert db.session.scalar(select(func.count()).select_from(OfferSlot)) == 0


def test_an_offer_opens_to_more_stores_tiers_and_cards(chain):
    one, two, three = (make_store(chain) for _ in range(3))
    offer = make_offer(chain, store_ids=(one.id, two.id), program_ids=(program_of(chain).id,))

    with pytest.raises(errors.OfferNotMoreGenerous, match="the stores"):
        edit(offer, store_ids=(two.id, three.id))
    edit(offer, store_ids=(three.id, two.id, one.id), program_ids=())

    changed = db.session.get_one(Offer, offer.id, populate_existing=True)
    assert (changed.is_for_all_stores, changed.is_for_all_programs) == (False, True)
    assert offers.draft_of(changed).store_ids == (one.id, two.id, three.id)
    assert edit(offer, store_ids=()).is_for_all_stores is True
    assert db.session.scalar(select(func.count()).select_from(OfferStore)) == 0


def test_nothing_changed_is_nothing_noted(chain):
    offer = make_offer(chain)
    before = db.session.scalar(select(func.count(AuditEntry.id)))

    edit(offer)

    assert db.session.scalar(select(func.count(AuditEntry.id))) == before


@pytest.mark.parametrize("scope", ["store_ids", "program_ids", "tier_ids", "program_id"])
def test_places_of_another_chain_are_refused(chain, scope):
    other = make_chain("other")
    program = program_of(other)
    theirs = {"store_ids": (make_store(other).id,), "program_ids": (program.id,), "program_id": program.id}
    theirs["tier_ids"] = tuple(db.session.scalars(db.text("SELECT id FROM tiers WHERE chain_id = :c"), {"c": other.id}))

    with pytest.raises(errors.OfferInvalid, match="there is no such"):
        edit(make_offer(chain), **{scope: theirs[scope]})
