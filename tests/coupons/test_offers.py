"""Offers: written, published, paused, ended; their stock changed."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.hot import one_action
from coupons import errors, offers
from coupons.claiming import claim
from coupons.models import Offer, OfferSlot, OfferState
from tests.factories import NOON, in_days, make_card, make_chain, make_offer, make_store, make_store_code, program_of

pytestmark = pytest.mark.usefixtures("app")

GOOD = {"name": "满30减5", "name_en": "5 off 30", "kind": "cash", "value_cents": 500, "valid_days": 30}


@pytest.fixture
def chain():
    return make_chain()


def draft(**rules):
    return offers.Draft(**(GOOD | rules))


def act(action, offer, **more):
    with transaction():
        return action(offer.chain_id, offer.id, by=SYSTEM, now=NOON, **more)


def left(offer):
    return db.session.scalar(select(func.sum(OfferSlot.stock - OfferSlot.claimed)).filter_by(offer_id=offer.id))


@pytest.mark.parametrize(
    "rules",
    [
        {"name": " "},
        {"name_en": ""},
        {"kind": "gift"},
        {"value_cents": 0},
        {"kind": "percent", "value_cents": None, "percent_bp": None},
        {"kind": "percent", "value_cents": None, "percent_bp": 10_001},
        {"kind": "percent", "percent_bp": 1000},
        {"cap_cents": 100},
        {"kind": "percent", "value_cents": None, "percent_bp": 1000, "cap_cents": 0},
        {"min_cents": -1},
        {"stock": 0},
        {"per_member_limit": 0},
        {"per_member_limit": 101},
        {"valid_days": None},
        {"valid_days": 0},
        {"valid_from": NOON, "valid_until": in_days(1)},
        {"valid_days": None, "valid_from": NOON},
        {"valid_days": None, "valid_from": NOON, "valid_until": NOON},
    ],
    ids=str,
)
def test_figures_that_contradict_one_another_are_refused(chain, rules):
    with pytest.raises(errors.OfferInvalid), transaction():
        offers.create_offer(chain.id, draft(**rules), by=SYSTEM, now=NOON)

    assert db.session.scalar(select(func.count(Offer.id))) == 0


def test_the_refusal_says_what_is_wrong_in_both_languages(chain):
    with pytest.raises(errors.OfferInvalid) as refused:
        offers.check(draft(valid_days=None, valid_from=NOON, valid_until=NOON))

    assert refused.value.say("zh") == "活动设置有误：结束要晚于开始。"
    assert refused.value.say("en") == "The offer is not valid: the end must come after the start."


def test_an_offer_goes_through_its_states(chain):
    offer = make_offer(chain, state="draft")

    states = [act(action, offer).state for action in (offers.publish, offers.pause, offers.publish, offers.end)]

    assert states == ["running", "paused", "running", "ended"]
    with pytest.raises(errors.OfferNotRunning):
        act(offers.publish, offer)


def test_every_change_is_noted(chain):
    offer = make_offer(chain, stock=10, state="draft")
    act(offers.rewrite, offer, draft=draft(stock=20))
    act(offers.publish, offer)
    act(offers.change_stock, offer, stock=30, seen_stock=20)

    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == [
        "offer created",
        "offer rewritten",
        "offer running",
        "offer stock",
    ]
    assert (entries[1].before["stock"], entries[1].after["stock"]) == (10, 20)


def test_a_draft_is_rewritten_with_its_stock(chain):
    offer = make_offer(chain, stock=5, state="draft")

    act(offers.rewrite, offer, draft=draft(value_cents=800, stock=40, per_member_limit=2))

    changed = db.session.get_one(Offer, offer.id)
    assert (changed.value_cents, changed.stock, changed.per_member_limit, left(offer)) == (800, 40, 2, 40)
    assert changed.token == offer.token


@pytest.mark.parametrize("state", ["running", "paused", "ended"])
def test_what_was_published_keeps_its_rules(chain, state):
    offer = make_offer(chain, state=state)

    with pytest.raises(errors.OfferNotDraft):
        act(offers.rewrite, offer, draft=draft(value_cents=1))


def test_a_copy_has_the_same_rules(chain):
    offer = make_offer(chain, stock=7, kind="percent", percent_bp=1500, cap_cents=2000)

    with transaction():
        copy = offers.create_offer(chain.id, offers.draft_of(offer), by=SYSTEM, now=NOON)

    assert offers.draft_of(copy) == offers.draft_of(offer)
    assert (copy.state, copy.token == offer.token, left(copy)) == (OfferState.DRAFT, False, 7)


def test_an_offer_that_is_over_is_not_published(chain):
    offer = make_offer(chain, state="draft", valid_from=in_days(-9), valid_until=NOON)

    with pytest.raises(errors.OfferIsOver):
        act(offers.publish, offer)


def test_a_program_has_one_welcome_gift_at_a_time(chain):
    program_id = program_of(chain).id
    first = make_offer(chain, program_id=program_id)
    second = make_offer(chain, program_id=program_id, state="draft")

    with pytest.raises(errors.WelcomeGiftTaken):
        act(offers.publish, second)
    act(offers.pause, first)

    assert act(offers.publish, second).state == "running"


def test_stock_is_changed_only_by_who_saw_what_it_is(chain):
    offer = make_offer(chain, stock=10)
    card = make_card(make_store_code(make_store(chain)))
    with one_action() as hot:
        claim(hot, offer.id, card_id=card.id, now=NOON)

    act(offers.change_stock, offer, stock=100, seen_stock=10)

    assert left(offer) == 99
    with pytest.raises(errors.OfferChanged):
        act(offers.change_stock, offer, stock=50, seen_stock=10)
    with pytest.raises(errors.OfferInvalid, match="1 are claimed"):
        act(offers.change_stock, offer, stock=0, seen_stock=100)
    assert left(offer) == 99


def test_a_stock_is_counted_anew_whatever_was_read_before(chain):
    offer = make_offer(chain, stock=1)
    card = make_card(make_store_code(make_store(chain)))
    read_before = db.session.scalars(select(OfferSlot)).all()
    with one_action() as hot:
        claim(hot, offer.id, card_id=card.id, now=NOON)

    act(offers.change_stock, offer, stock=5, seen_stock=1)

    assert [slot.claimed for slot in read_before] == [0]
    assert left(offer) == 4


@pytest.mark.parametrize("stock", [-1, 0, offers.MOST_STOCK + 1, 10**30])
def test_a_stock_that_cannot_be_is_refused(chain, stock):
    with pytest.raises(errors.OfferInvalid):
        act(offers.change_stock, make_offer(chain, stock=10), stock=stock, seen_stock=10)


def test_an_offer_of_another_chain_is_not_found(chain):
    offer = make_offer(make_chain("other"))

    with pytest.raises(errors.OfferNotFound), transaction():
        offers.pause(chain.id, offer.id, by=SYSTEM, now=NOON + timedelta(days=1))


def test_offers_are_listed_newest_first_by_state_and_page(chain):
    made = [make_offer(chain).id for _ in range(3)]
    paused = make_offer(chain, state="paused").id

    assert [offer.id for offer in offers.list_offers(chain.id)] == [paused, *made[::-1]]
    assert [offer.id for offer in offers.list_offers(chain.id, state="running", after=made[2])] == made[1::-1]
