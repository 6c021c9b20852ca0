"""A coupon goes from a member to a friend: held out, taken, called back, or returned by time."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from cards import freezing, holding
from cards.models import Card, Member, Tier
from core.audit import SYSTEM
from core.db import db, transaction
from core.errors import DomainError
from core.events import Event
from core.hot import one_action
from coupons import gift_views, giving
from coupons.claiming import claim
from coupons.gift_models import CouponGift
from coupons.models import Coupon, CouponState, Offer, OfferBudget, OfferPhone
from tests.factories import NOON, in_days, make_card, make_chain, make_coupon, make_offer, make_store, make_store_code

pytestmark = pytest.mark.usefixtures("app")

HOUR = timedelta(hours=1)


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


@pytest.fixture
def giver(code):
    return make_card(code)


@pytest.fixture
def friend(code):
    return make_card(code)


@pytest.fixture
def coupon(chain, giver):
    return make_coupon(giver, make_offer(chain, stock=10))


def hold_out(coupon, *, now=NOON, **more):
    with transaction():
        return giving.offer_gift(coupon.card_id, coupon.id, now=now, **more)


def accept(gift, card, *, now=NOON + HOUR):
    with transaction():
        return giving.accept(gift.token, wallet_id=card.wallet_id, now=now)


def cancel(coupon, *, now=NOON + HOUR):
    with transaction():
        giving.cancel(coupon.card_id, coupon.id, now=now)


def refusal(act, *args, **more):
    with pytest.raises(DomainError) as raised:
        act(*args, **more)
    return raised.value.code


def fresh(model, row_id):
    return db.session.get_one(model, row_id, populate_existing=True)


def states(*coupons):
    return [fresh(Coupon, coupon.id).state for coupon in coupons]


def told():
    kinds = select(Event.kind).where(Event.kind.in_(("coupon.gifted", "coupon.accepted", "coupon.returned")))
    return db.session.scalars(kinds.order_by(Event.id)).all()


def set_offer(offer_id, **values):
    with transaction():
        for name, value in values.items():
            setattr(db.session.get_one(Offer, offer_id), name, value)


def test_the_friend_gets_a_new_coupon_and_the_old_code_dies(coupon, friend):
    gift = hold_out(coupon, message="  生日 快乐 ")
    assert states(coupon) == ["gifting"]
    accepted = accept(gift, friend)

    new = fresh(Coupon, accepted.id)
    old = fresh(Coupon, coupon.id)
    assert (old.state, new.state, new.source) == ("void", "claimed", "friend")
    assert new.code not in ("", old.code)
    assert (new.card_id, new.member_id, new.given_coupon_id) == (friend.id, friend.member_id, old.id)
    assert (new.valid_from, new.valid_until) == (old.valid_from, old.valid_until)
    assert (new.slot, new.ordinal) == (None, 1)
    kept = fresh(CouponGift, gift.id)
    assert (kept.state, kept.message, kept.receiver_id, kept.new_coupon_id, kept.ended_at) == (
        "accepted",
        "生日 快乐",
        friend.member_id,
        new.id,
        NOON + HOUR,
    )
    assert told() == ["coupon.gifted", "coupon.accepted"]


def test_called_back_it_is_the_givers_again_and_the_link_is_dead(coupon, friend):
    gift = hold_out(coupon)
    cancel(coupon)

    assert states(coupon) == ["claimed"]
    assert refusal(accept, gift, friend) == "gift_gone"
    assert told() == ["coupon.gifted", "coupon.returned"]


def test_calling_back_twice_does_nothing_more(coupon):
    hold_out(coupon)
    cancel(coupon)
    cancel(coupon)

    assert told() == ["coupon.gifted", "coupon.returned"]


def test_what_a_friend_has_taken_cannot_be_called_back(coupon, friend):
    accept(hold_out(coupon), friend)

    assert refusal(cancel, coupon) == "coupon_not_usable"


def test_after_a_day_it_comes_back(coupon, friend):
    gift = hold_out(coupon)
    day = NOON + 24 * HOUR

    assert gift.valid_until == day
    assert refusal(accept, gift, friend, now=day) == "gift_gone"
    assert giving.time_out_batch(now=day - HOUR) == 0
    assert states(coupon) == ["gifting"]
    assert giving.time_out_batch(now=day) == 1
    assert giving.time_out_batch(now=day) == 0
    assert states(coupon) == ["claimed"]
    assert fresh(CouponGift, gift.id).state == "timed_out"
    assert told() == ["coupon.gifted", "coupon.returned"]


def test_it_can_be_given_again_and_only_the_new_link_holds(coupon, friend):
    first = hold_out(coupon)
    cancel(coupon)
    second = hold_out(coupon, now=NOON + HOUR)

    assert refusal(accept, first, friend) == "gift_gone"
    assert accept(second, friend)


def test_a_gift_ends_with_its_coupon_which_has_then_expired(chain, giver):
    offer = make_offer(chain, valid_from=NOON, valid_until=NOON + 3 * HOUR, budget_cents=10_000)
    coupon = make_coupon(giver, offer)
    gift = hold_out(coupon)
    committed = select(OfferBudget.committed_cents).where(OfferBudget.offer_id == offer.id)

    assert gift.valid_until == NOON + 3 * HOUR
    assert db.session.scalar(committed) == 500
    giving.time_out_batch(now=NOON + 3 * HOUR)

    assert states(coupon) == ["expired"]
    assert db.session.scalar(committed) == 0
    assert db.session.query(Event).filter_by(kind="coupon.expired").count() == 1


def test_the_friends_coupon_takes_the_commitment_of_the_budget_over(chain, giver, friend):
    offer = make_offer(chain, budget_cents=10_000)
    coupon = make_coupon(giver, offer)
    accepted = accept(hold_out(coupon), friend)

    assert fresh(Coupon, coupon.id).committed_cents == 0
    assert fresh(Coupon, accepted.id).committed_cents == 500
    assert db.session.scalar(select(OfferBudget.committed_cents)) == 500


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": "redeemed", "redeemed_at": NOON}, "coupon_already_redeemed"),
        ({"state": "void"}, "coupon_not_usable"),
        ({"state": "expired"}, "coupon_expired"),
        ({"valid_until": NOON + HOUR / 2, "valid_from": NOON}, "coupon_expired"),
    ],
)
def test_only_a_coupon_that_is_still_good_can_be_given(chain, giver, change, reason):
    coupon = make_coupon(giver, make_offer(chain), **change)

    assert refusal(hold_out, coupon, now=NOON + HOUR) == reason


def test_the_chain_may_keep_an_offer_from_being_given(chain, coupon):
    set_offer(coupon.offer_id, may_be_given=False)

    assert refusal(hold_out, coupon) == "coupon_not_givable"
    assert states(coupon) == ["claimed"]


def test_a_coupon_is_held_out_to_one_link_at_a_time(coupon):
    hold_out(coupon)

    assert refusal(hold_out, coupon) == "coupon_being_given"


def test_nobody_gives_the_coupon_of_another(coupon, friend):
    with pytest.raises(DomainError) as raised, transaction():
        giving.offer_gift(friend.id, coupon.id, now=NOON)

    assert raised.value.code == "coupon_not_found"


def test_a_long_message_is_refused(coupon):
    assert refusal(hold_out, coupon, message="x" * 101) == "gift_message_too_long"
    assert hold_out(coupon, message="字" * 100)


def test_nobody_takes_his_own_gift(coupon, giver):
    assert refusal(accept, hold_out(coupon), giver) == "gift_to_oneself"


def test_unknown_and_ended_links_are_answered_alike(coupon, friend, code):
    gift = hold_out(coupon)
    accept(gift, friend)
    with pytest.raises(DomainError) as unknown, transaction():
        giving.accept("zzzzzzzzzzzzz", wallet_id=friend.wallet_id, now=NOON)

    assert unknown.value.code == refusal(accept, gift, make_card(code)) == "gift_gone"


def test_taking_it_twice_is_taking_it_once(coupon, friend):
    gift = hold_out(coupon)

    assert accept(gift, friend) == accept(gift, friend)
    assert told().count("coupon.accepted") == 1


def test_a_friend_without_an_active_card_takes_it_first(coupon, friend):
    gift = hold_out(coupon)
    with transaction():
        holding.close_card(friend.wallet_id, friend.id, by=SYSTEM, now=NOON)

    assert refusal(accept, gift, friend) == "card_needed"


def test_the_gift_of_a_frozen_card_cannot_be_taken(chain, coupon, giver, friend):
    gift = hold_out(coupon)
    with transaction():
        freezing.freeze(chain.id, giver.id, by=SYSTEM, now=NOON)

    assert refusal(accept, gift, friend) == "gift_gone"


def test_members_of_another_chain_need_a_card_of_this_one(coupon):
    stranger = make_card(make_store_code(make_store(make_chain("other"))))

    assert refusal(accept, hold_out(coupon), stranger) == "card_needed"


def test_the_friend_keeps_to_his_own_limit(chain, giver, friend):
    offer = make_offer(chain, per_member_limit=2)
    make_coupon(friend, offer)
    given = [make_coupon(giver, offer) for _ in range(2)]

    accepted = accept(hold_out(given[0]), friend)
    assert fresh(Coupon, accepted.id).ordinal == 2
    second = hold_out(given[1])
    assert refusal(accept, second, friend) == "offer_limit_reached"
    assert states(given[1]) == ["gifting"]  # somebody else may take it


def test_giving_does_not_make_room_for_another_claim(coupon, giver, friend):
    accept(hold_out(coupon), friend)

    with pytest.raises(DomainError) as raised, one_action() as hot:
        claim(hot, coupon.offer_id, card_id=giver.id, now=NOON)
    assert raised.value.code == "offer_limit_reached"


def test_the_friends_card_must_be_one_that_the_offer_is_for(chain, giver, friend):
    gold = db.session.scalars(select(Tier).where(Tier.chain_id == chain.id, Tier.rank == 1)).one()
    with transaction():
        db.session.get_one(Card, giver.id).tier_id = gold.id
    offer = make_offer(chain, tier_ids=(gold.id,))
    coupon = make_coupon(giver, offer)
    gift = hold_out(coupon)

    assert refusal(accept, gift, friend) == "card_not_in_scope"
    with transaction():
        db.session.get_one(Card, friend.id).tier_id = gold.id
    assert accept(gift, friend)


def prove(card, phone):
    with transaction():
        member = db.session.get_one(Member, card.member_id)
        member.phone, member.phone_verified_at = phone, NOON


def test_where_phones_are_counted_the_friends_counts_too(chain, code, giver, friend):
    offer = make_offer(chain, per_member_limit=5, per_phone_limit=1)
    prove(giver, "+8613800000000")
    gift = hold_out(make_coupon(giver, offer))

    assert refusal(accept, gift, friend) == "phone_needed"
    prove(friend, "+8613900000000")
    accept(gift, friend)
    counted = db.session.execute(select(OfferPhone.claimed, OfferPhone.most)).all()
    assert [tuple(row) for row in counted] == [(1, 1), (1, 1)]

    other = make_card(code)
    prove(other, "+8613700000000")
    second = hold_out(make_coupon(other, offer))
    assert refusal(accept, second, friend) == "offer_phone_limit_reached"
    assert db.session.scalar(select(func.count(Coupon.id)).where(Coupon.source == "friend")) == 1


def test_a_coupon_may_go_from_hand_to_hand_and_its_way_is_kept(chain, code, coupon, giver, friend):
    third = make_card(code)
    second = fresh(Coupon, accept(hold_out(coupon), friend).id)
    last = fresh(Coupon, accept(hold_out(second, now=NOON + HOUR), third, now=NOON + 2 * HOUR).id)

    way = db.session.execute(select(Coupon.member_id, Coupon.state, Coupon.given_coupon_id).order_by(Coupon.id)).all()
    assert [tuple(step) for step in way] == [
        (giver.member_id, "void", None),
        (friend.member_id, "void", coupon.id),
        (third.member_id, "claimed", second.id),
    ]
    assert last.given_coupon_id == second.id


def test_both_sides_see_how_it_stands(coupon, giver, friend):
    with transaction():
        db.session.get_one(Member, giver.member_id).name = "小林"
        db.session.get_one(Member, friend.member_id).name = "周大海"
    assert gift_views.gifts_of_coupons([coupon.id]) == {}
    hold_out(coupon)
    cancel(coupon)
    gift = hold_out(coupon, message="给你")

    waiting = gift_views.gifts_of_coupons([coupon.id])[coupon.id]
    assert (waiting.state, waiting.token, waiting.receiver_name) == ("open", gift.token, "")
    accepted = accept(gift, friend)
    given = gift_views.gifts_of_coupons([coupon.id])[coupon.id]
    assert (given.state, given.receiver_name, given.ended_at) == ("accepted", "周大海", NOON + HOUR)
    assert gift_views.find_giver(accepted.id)[1:] == ("小林", "给你")
    assert gift_views.find_giver(coupon.id) is None


def test_the_usable_coupon_of_tomorrow_can_be_given_today(chain, giver, friend):
    coupon = make_coupon(giver, make_offer(chain), valid_from=in_days(2))
    accepted = accept(hold_out(coupon), friend)

    assert accepted.valid_from == in_days(2)
    assert states(coupon) == [CouponState.VOID]
