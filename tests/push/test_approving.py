"""A second person reads a push before it goes out."""

from datetime import timedelta

import pytest

from core.audit import Author
from core.db import db, transaction
from coupons import offers
from coupons.models import OfferState
from push import approving, campaigns, errors
from push.audiences.saved_segments import change_segment, create_segment, get_segment, only_segment
from push.campaigns import Draft
from push.models import Campaign, CampaignState
from push.timing.policies import Oversight, PolicyInvalid, get_oversight, set_oversight
from stores import keys
from stores.models import Role
from tests.factories import NOON, make_chain, make_offer
from tests.push.pushing import TEXT, start

pytestmark = pytest.mark.usefixtures("app")
ANN, BEN = Author("staff:1"), Author("staff:2")
NOW = {"kind": "now"}


@pytest.fixture
def chain():
    chain = make_chain()
    with transaction():
        set_oversight(chain.id, Oversight(needs_approval=True), by=ANN, now=NOON)
    return chain


@pytest.fixture
def campaign(chain):
    draft = Draft(name="周五", audience={}, channels=["inbox"], **TEXT)
    with transaction():
        return campaigns.create_campaign(chain.id, draft, by=ANN, now=NOON)


def do(verb, campaign, *, by=ANN, **more):
    with transaction():
        return verb(campaign.chain_id, campaign.id, by=by, now=NOON, **more)


def let_go(campaign, schedule=None, *, by=ANN):
    with transaction():
        return campaigns.schedule_campaign(campaign.chain_id, campaign.id, schedule, by=by, now=NOON)


def test_nothing_goes_out_that_nobody_else_has_read(campaign):
    with pytest.raises(errors.CampaignNeedsApproval):
        let_go(campaign)
    do(approving.submit_campaign, campaign)
    with pytest.raises(errors.CampaignNeedsApproval):
        let_go(campaign)

    do(approving.approve_campaign, campaign, by=BEN)

    assert let_go(campaign).state == CampaignState.SCHEDULED


def test_where_the_chain_wants_no_second_person_nobody_waits():
    chain = make_chain()
    draft = Draft(name="周五", audience={}, channels=["inbox"], **TEXT)
    with transaction():
        campaign = campaigns.create_campaign(chain.id, draft, by=ANN, now=NOON)

    assert let_go(campaign).state == CampaignState.SCHEDULED


def test_nobody_approves_what_he_submitted(campaign):
    do(approving.submit_campaign, campaign, by=BEN)

    with pytest.raises(errors.CampaignSecondPersonNeeded):
        do(approving.approve_campaign, campaign, by=BEN)


def test_nobody_approves_what_he_wrote_though_another_submitted_it(campaign):
    do(approving.submit_campaign, campaign, by=BEN)

    with pytest.raises(errors.CampaignSecondPersonNeeded):
        do(approving.approve_campaign, campaign, by=ANN)


def test_what_is_changed_after_the_approval_needs_it_anew(campaign):
    do(approving.submit_campaign, campaign)
    do(approving.approve_campaign, campaign, by=BEN)
    draft = Draft(name="周五", audience={}, channels=["inbox"], **TEXT | {"title": "别的"})

    do(campaigns.edit_campaign, campaign, draft=draft)

    with pytest.raises(errors.CampaignNeedsApproval):
        let_go(campaign)


def test_another_time_than_the_one_that_was_read_is_another_campaign(campaign):
    do(approving.submit_campaign, campaign)
    do(approving.approve_campaign, campaign, by=BEN)

    with pytest.raises(errors.CampaignNeedsApproval):
        let_go(campaign, {"kind": "at", "at": "2030-01-01T10:00"})


def test_taken_back_and_unchanged_it_stays_approved(campaign):
    do(approving.submit_campaign, campaign)
    do(approving.approve_campaign, campaign, by=BEN)
    let_go(campaign)
    do(campaigns.stop_campaign, campaign)

    assert let_go(campaign).state == CampaignState.SCHEDULED


def test_what_was_submitted_anew_has_not_been_read(campaign):
    read = do(approving.submit_campaign, campaign).submitted_at
    do(approving.send_back_campaign, campaign, by=BEN, reason="太长")
    with transaction():
        approving.submit_campaign(campaign.chain_id, campaign.id, by=ANN, now=NOON.replace(minute=1))

    with pytest.raises(errors.CampaignChanged):
        do(approving.approve_campaign, campaign, by=BEN, submitted_at=read)


def test_it_is_sent_back_with_a_word_that_stands_until_it_is_submitted_again(campaign):
    do(approving.submit_campaign, campaign)

    sent_back = do(approving.send_back_campaign, campaign, by=BEN, reason="  少一个价格 ")
    assert approving.find_reason(sent_back) == "少一个价格"
    assert sent_back.submitted_by is None

    again = do(approving.submit_campaign, campaign)
    assert approving.find_reason(again) is None


def test_sending_back_without_a_word_is_refused(campaign):
    do(approving.submit_campaign, campaign)

    with pytest.raises(errors.CampaignInvalid):
        do(approving.send_back_campaign, campaign, by=BEN, reason=" ")


def test_what_nobody_submitted_is_neither_approved_nor_sent_back(campaign):
    with pytest.raises(errors.CampaignNotSubmitted):
        do(approving.approve_campaign, campaign, by=BEN)
    with pytest.raises(errors.CampaignNotSubmitted):
        do(approving.send_back_campaign, campaign, by=BEN, reason="?")


def test_submitting_and_approving_twice_is_harmless(campaign):
    first = do(approving.submit_campaign, campaign).submitted_at
    assert do(approving.submit_campaign, campaign, by=BEN).submitted_by == ANN.name
    do(approving.approve_campaign, campaign, by=BEN)

    assert do(approving.approve_campaign, campaign, by=BEN, submitted_at=first).approved_by == BEN.name


def test_a_paused_campaign_resumes_only_with_approval(campaign):
    do(approving.submit_campaign, campaign)
    do(approving.approve_campaign, campaign, by=BEN)
    let_go(campaign)
    do(campaigns.pause_campaign, campaign)
    with transaction():
        db.session.execute(db.update(Campaign).values(approving.UNSUBMITTED))

    with pytest.raises(errors.CampaignNeedsApproval):
        do(campaigns.resume_campaign, campaign)
    do(approving.submit_campaign, campaign)
    do(approving.approve_campaign, campaign, by=BEN)

    assert do(campaigns.resume_campaign, campaign).state == CampaignState.SCHEDULED


def test_what_runs_is_not_submitted(chain):
    with transaction():
        set_oversight(chain.id, Oversight(), by=ANN, now=NOON)
    draft = Draft(name="周五", audience={}, channels=["inbox"], **TEXT)
    with transaction():
        campaign = campaigns.create_campaign(chain.id, draft, by=ANN, now=NOON)
    start(campaign)

    with pytest.raises(errors.CampaignStateConflict):
        do(approving.submit_campaign, campaign)


def test_those_who_could_approve_are_told_what_waits(chain, campaign):
    assert approving.waiting(chain.id, reader=BEN.name, limit=5) == []
    do(approving.submit_campaign, campaign)

    assert [each.id for each in approving.waiting(chain.id, reader=BEN.name, limit=5)] == [campaign.id]
    assert approving.waiting(chain.id, reader=ANN.name, limit=5) == []
    assert approving.may_approve(campaigns.get_campaign(chain.id, campaign.id), BEN.name)
    assert not approving.may_approve(campaigns.get_campaign(chain.id, campaign.id), ANN.name)


def test_another_chains_campaign_is_not_there(campaign):
    other = make_chain("other")

    for verb in (approving.submit_campaign, approving.approve_campaign):
        with pytest.raises(errors.CampaignNotFound), transaction():
            verb(other.id, campaign.id, by=BEN, now=NOON)
    with pytest.raises(errors.CampaignNotFound), transaction():
        approving.send_back_campaign(other.id, campaign.id, reason="x", by=BEN, now=NOON)


@pytest.mark.parametrize(
    "nonsense",
    [{"global_holdout_bp": 2001}, {"error_pause_bp": 0}, {"error_pause_after": 0}, {"error_pause_bp": 10001}],
)
def test_oversight_that_makes_no_sense_is_refused(chain, nonsense):
    with pytest.raises(PolicyInvalid), transaction():
        set_oversight(chain.id, Oversight(**nonsense), by=ANN, now=NOON)

    assert get_oversight(chain.id) == Oversight(needs_approval=True)


def test_nobody_approves_what_a_key_of_his_wrote_and_submitted(chain):
    with transaction():
        key = keys.create_key(chain.id, name="till", role=Role.HQ_ADMIN, store_id=None, by=ANN, now=NOON)
    by_key = Author(f"key:{key.id}")
    draft = Draft(name="周五", audience={}, channels=["inbox"], **TEXT)
    with transaction():
        campaign = campaigns.create_campaign(chain.id, draft, by=by_key, now=NOON)
    do(approving.submit_campaign, campaign, by=by_key)

    assert (approving.may_approve(campaign, ANN.name), approving.may_approve(campaign, BEN.name)) == (False, True)
    with pytest.raises(errors.CampaignSecondPersonNeeded):
        do(approving.approve_campaign, campaign, by=ANN)
    assert do(approving.approve_campaign, campaign, by=BEN).approved_by == BEN.name


def make_missed(campaign):
    do(approving.submit_campaign, campaign)
    do(approving.approve_campaign, campaign, by=BEN)
    with transaction():
        db.session.get_one(Campaign, campaign.id).state = CampaignState.MISSED


def test_what_was_approved_to_go_once_and_was_missed_does_not_go_every_week(campaign):
    make_missed(campaign)

    with pytest.raises(errors.CampaignNeedsApproval):
        let_go(campaign, {"kind": "recurring", "weekdays": ["fri"], "time": "12:00"})
    assert let_go(campaign, {"kind": "at", "at": "2030-01-01T10:00"}).state == CampaignState.SCHEDULED


FEW = {"all": [{"field": "points", "op": "at_least", "value": 10**6}]}


@pytest.fixture
def segment(chain):
    with transaction():
        return create_segment(chain.id, "少数", FEW, by=ANN, now=NOON)


@pytest.fixture
def for_few(chain, segment):
    """A campaign for a segment, by way of another, that was approved."""
    with transaction():
        outer = create_segment(chain.id, "外", only_segment(segment.id), by=ANN, now=NOON)
        draft = Draft(name="周五", audience=only_segment(outer.id), channels=["inbox"], **TEXT)
        campaign = campaigns.create_campaign(chain.id, draft, by=ANN, now=NOON)
    do(approving.submit_campaign, campaign)
    return do(approving.approve_campaign, campaign, by=BEN)


def change(segment, rules, name="少数"):
    with transaction():
        change_segment(segment.chain_id, segment.id, name, rules, by=ANN, now=NOON)


def test_whom_nobody_approved_is_not_written_to_by_changing_the_segment(segment, for_few):
    change(segment, FEW, name="只有名字")
    assert for_few.approved_at is not None

    change(segment, {"all": []})

    with pytest.raises(errors.CampaignNeedsApproval):
        let_go(for_few)


def test_the_segment_of_a_campaign_about_to_go_out_stays_as_it_was_approved(segment, for_few):
    let_go(for_few)

    with pytest.raises(errors.SegmentApproved) as refusal:
        change(segment, {"all": []})
    assert "“周五”" in refusal.value.say("zh")

    do(campaigns.stop_campaign, for_few)
    change(segment, {"all": []})


def test_where_nobody_approves_a_segment_is_changed_at_any_time():
    chain = make_chain()
    with transaction():
        segment = create_segment(chain.id, "少数", FEW, by=ANN, now=NOON)
        draft = Draft(name="周五", audience=only_segment(segment.id), channels=["inbox"], **TEXT)
        campaign = campaigns.create_campaign(chain.id, draft, by=ANN, now=NOON)
    let_go(campaign)

    change(segment, {"all": []})

    assert get_segment(chain.id, segment.id).rules == {"all": []}
    assert campaigns.get_campaign(chain.id, campaign.id).state == CampaignState.SCHEDULED


def test_what_a_draft_of_an_offer_gives_is_not_approved_before_it_is_published(chain):
    offer = make_offer(chain, state=OfferState.DRAFT)
    draft = Draft(name="周五", audience={}, channels=["inbox"], offer_id=offer.id, **TEXT)
    with transaction():
        campaign = campaigns.create_campaign(chain.id, draft, by=ANN, now=NOON)
    do(approving.submit_campaign, campaign)

    with pytest.raises(errors.CampaignOfferDraft):
        do(approving.approve_campaign, campaign, by=BEN)
    with pytest.raises(errors.CampaignChanged):  # he has read another one
        do(approving.approve_campaign, campaign, by=BEN, submitted_at=NOON - timedelta(hours=1))
    with transaction():
        offers.publish(chain.id, offer.id, by=ANN, now=NOON)

    assert do(approving.approve_campaign, campaign, by=BEN).approved_by == BEN.name
    assert let_go(campaign).state == CampaignState.SCHEDULED
