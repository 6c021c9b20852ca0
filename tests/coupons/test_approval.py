"""A second person approves a draft before it runs."""

from datetime import timedelta

import pytest

from core.audit import Author
from core.db import db, transaction
from coupons import approval, errors, offers
from coupons.models import Offer
from tests.factories import NOON, make_chain, make_offer

pytestmark = pytest.mark.usefixtures("app")
WRITER, SECOND = Author("staff:1"), Author("staff:2")


@pytest.fixture
def chain():
    chain = make_chain()
    with transaction():
        approval.set_needs_approval(chain.id, True, by=SECOND, now=NOON)
    return chain


def act(action, offer, by=WRITER, **more):
    with transaction():
        return action(offer.chain_id, offer.id, by=by, now=NOON, **more)


def test_a_chain_says_whether_it_wants_a_second_person(chain):
    assert approval.needs_approval(chain.id) is True
    assert approval.needs_approval(make_chain("other").id) is False
    with transaction():
        approval.set_needs_approval(chain.id, False, by=SECOND, now=NOON)
    assert approval.needs_approval(chain.id) is False


def test_without_approval_nothing_runs(chain):
    offer = make_offer(chain, state="draft")

    with pytest.raises(errors.OfferNeedsApproval):
        act(offers.publish, offer)
    act(approval.submit, offer)
    with pytest.raises(errors.OfferNeedsApproval):
        act(offers.publish, offer)
    act(approval.approve, offer, SECOND)

    assert act(offers.publish, offer).state == "running"


def test_a_chain_that_wants_no_approval_publishes_drafts():
    offer = make_offer(make_chain(), state="draft")

    assert act(offers.publish, offer).state == "running"


def test_a_paused_offer_goes_on_without_asking_again(chain):
    offer = make_offer(chain, state="draft")
    act(approval.submit, offer)
    act(approval.approve, offer, SECOND)
    act(offers.publish, offer)
    act(offers.pause, offer)

    assert act(offers.publish, offer).state == "running"


def test_what_waits_is_told_to_everybody_but_its_writer(chain):
    def waiting(reader):
        return [offer.id for offer in approval.waiting(chain.id, reader=reader, limit=10)]

    offer = make_offer(chain, state="draft")
    before = waiting("staff:2")
    act(approval.submit, offer)
    submitted = waiting("staff:1"), waiting("staff:2")
    act(approval.approve, offer, SECOND)

    assert (before, submitted, waiting("staff:3")) == ([], ([], [offer.id]), [])


def test_a_chain_that_wants_no_approval_has_nothing_waiting():
    chain = make_chain()
    offer = make_offer(chain, state="draft")
    act(approval.submit, offer)

    assert approval.waiting(chain.id, reader="staff:2", limit=10) == []


def test_nobody_approves_what_he_submitted(chain):
    offer = make_offer(chain, state="draft")
    act(approval.submit, offer)

    with pytest.raises(errors.OfferSecondPersonNeeded):
        act(approval.approve, offer, WRITER)


def test_only_what_was_submitted_is_approved_or_sent_back(chain):
    offer = make_offer(chain, state="draft")

    with pytest.raises(errors.OfferNotSubmitted):
        act(approval.approve, offer, SECOND)
    with pytest.raises(errors.OfferNotSubmitted):
        act(approval.send_back, offer, SECOND, reason="no")


def test_a_draft_rewritten_after_its_approval_is_approved_anew(chain):
    offer = make_offer(chain, state="draft")
    act(approval.submit, offer)
    act(approval.approve, offer, SECOND)

    act(offers.rewrite, offer, draft=offers.draft_of(offer))

    changed = db.session.get_one(Offer, offer.id)
    assert (changed.submitted_at, changed.submitted_by, changed.approved_at, changed.approved_by) == (None,) * 4
    with pytest.raises(errors.OfferNeedsApproval):
        act(offers.publish, offer)


def test_an_approval_is_of_the_submission_that_was_read(chain):
    offer = make_offer(chain, state="draft")
    act(approval.submit, offer)

    with pytest.raises(errors.OfferChanged):
        act(approval.approve, offer, SECOND, submitted_at=NOON - timedelta(seconds=1))

    assert act(approval.approve, offer, SECOND, submitted_at=NOON).approved_by == "staff:2"


def test_repeats_are_harmless(chain):
    offer = make_offer(chain, state="draft")
    act(approval.submit, offer)

    assert act(approval.submit, offer, SECOND).submitted_by == "staff:1"
    act(approval.approve, offer, SECOND)
    assert act(approval.approve, offer, Author("staff:3")).approved_by == "staff:2"


def test_what_is_sent_back_says_why_until_it_is_submitted_again(chain):
    offer = make_offer(chain, state="draft")
    act(approval.submit, offer)

    sent_back = act(approval.send_back, offer, SECOND, reason=" 门槛太低 ")

    assert (sent_back.submitted_at, approval.find_reason(sent_back)) == (None, "门槛太低")
    with pytest.raises(errors.OfferNeedsApproval):
        act(offers.publish, offer)
    assert approval.find_reason(act(approval.submit, offer)) is None


@pytest.mark.parametrize("reason", ["", "  ", "长" * 201])
def test_sending_back_needs_a_reason(chain, reason):
    offer = make_offer(chain, state="draft")
    act(approval.submit, offer)

    with pytest.raises(errors.OfferInvalid):
        act(approval.send_back, offer, SECOND, reason=reason)


def test_what_runs_is_not_submitted(chain):
    running = make_offer(make_chain("other"))

    with pytest.raises(errors.OfferNotDraft):
        act(approval.submit, running)


def test_nobody_approves_what_he_wrote_though_a_key_submitted_it(chain):
    offer = make_offer(chain, state="draft")
    act(offers.rewrite, offer, draft=offers.draft_of(offer))
    act(approval.submit, offer, Author("key:1"))

    with pytest.raises(errors.OfferSecondPersonNeeded):
        act(approval.approve, offer)
    assert act(approval.approve, offer, SECOND).approved_by == "staff:2"


@pytest.mark.parametrize(
    ("change", "figures"),
    [
        (offers.change_stock, {"stock": 1_000_000, "seen_stock": 10}),
        (offers.change_budget, {"budget_cents": 100_000_000, "seen_budget_cents": 5000}),
    ],
)
def test_other_figures_take_the_approval_of_a_draft_back(chain, change, figures):
    offer = make_offer(chain, state="draft", stock=10, budget_cents=5000)
    act(approval.submit, offer)
    act(approval.approve, offer, SECOND)

    act(change, offer, **figures)

    with pytest.raises(errors.OfferNeedsApproval):
        act(offers.publish, offer)
