"""A second person approves what a vendor's template makes of a push, too."""

from threading import Event, Thread

import pytest

from core.audit import Author, list_entries
from core.db import db, transaction
from push import approving, campaigns, errors, runs
from push.models import CampaignState
from push.timing.policies import Oversight, set_oversight
from push.wording import vendor_templates
from push.wording.vendor_templates import NewTemplate
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member

pytestmark = pytest.mark.usefixtures("app")
ANN, BEN = Author("staff:1"), Author("staff:2")
NOW = {"kind": "now"}
AS_IT_WAS = NewTemplate("gateway", "SMS_1", "周五", "zh", {"thing1": "{title}"})
OTHER_WORDS = AS_IT_WAS._replace(fields={"thing1": "全场一折"})
NAMED = {"A": {"gateway": {"zh": {"template": "SMS_1"}}}}


@pytest.fixture
def chain():
    chain = make_chain()
    with transaction():
        set_oversight(chain.id, Oversight(needs_approval=True), by=ANN, now=NOON)
    return chain


@pytest.fixture
def template(chain):
    return add(chain, AS_IT_WAS)


@pytest.fixture
def campaign(chain, template):
    return approved(make_campaign(chain, "inbox", "gateway", texts=NAMED))


def do(verb, campaign, *values, by=ANN):
    with transaction():
        return verb(campaign.chain_id, campaign.id, *values, by=by, now=NOON)


def approved(campaign):
    do(approving.submit_campaign, campaign)
    return do(approving.approve_campaign, campaign, by=BEN)


def add(chain, draft):
    with transaction():
        return vendor_templates.create_template(chain.id, draft, by=ANN, now=NOON)


def change(template, draft=OTHER_WORDS):
    return do(vendor_templates.change_template, template, draft)


def let_go(campaign):
    return do(campaigns.schedule_campaign, campaign, NOW)


def is_approved(campaign):
    db.session.expire_all()
    return campaigns.get_campaign(campaign.chain_id, campaign.id).approved_at is not None


def fields_of(template):
    db.session.expire_all()
    return vendor_templates.get_template(template.chain_id, template.id).fields


@pytest.mark.parametrize(
    "draft",
    [
        pytest.param(OTHER_WORDS, id="other words"),
        pytest.param(AS_IT_WAS._replace(code="SMS_2"), id="its code is another's"),
        pytest.param(AS_IT_WAS._replace(channel="wechat_template"), id="for another channel"),
        pytest.param(AS_IT_WAS._replace(language="en"), id="in another language"),
    ],
)
def test_what_nobody_approved_is_not_said_by_changing_the_template(campaign, template, draft):
    change(template, draft)

    assert (campaign.submitted_by, campaign.approved_by) == (None, None)
    with pytest.raises(errors.CampaignNeedsApproval):
        do(campaigns.schedule_campaign, campaign)
    assert list_entries(campaign.chain_id)[0].action == "vendor template changed"
    assert list_entries(campaign.chain_id)[1].action == "campaign to be read anew"


def test_what_does_not_change_the_words_leaves_the_approval(campaign, template):
    change(template, AS_IT_WAS._replace(name="另一个名字"))
    do(vendor_templates.archive_template, template)
    do(vendor_templates.restore_template, template)

    assert is_approved(campaign)


def test_a_submission_is_taken_back_and_a_draft_stays_as_it_is(chain, template):
    waiting, draft = (make_campaign(chain, "gateway", texts=NAMED) for _ in range(2))
    do(approving.submit_campaign, waiting)

    change(template)

    assert (waiting.submitted_at, draft.submitted_at) == (None, None)
    noted = [entry.object_id for entry in list_entries(chain.id) if entry.action == "campaign to be read anew"]
    assert noted == [waiting.id]


def test_pushes_that_do_not_say_it_keep_their_approval(chain, template):
    add(chain, AS_IT_WAS._replace(code="SMS_2"))
    others = [
        make_campaign(chain, "gateway", texts={"A": {"gateway": {"zh": {"template": "SMS_2"}}}}),
        make_campaign(chain, "inbox", texts=NAMED),  # kept for a channel that it does not go by
        make_campaign(chain, "inbox"),
    ]
    for each in others:
        approved(each)

    change(template)

    assert [is_approved(each) for each in others] == [True, True, True]


def test_another_version_may_be_the_one_that_says_it(chain, template):
    add(chain, AS_IT_WAS._replace(code="SMS_2"))
    two = [{"label": "A", "share_bp": 5000}, {"label": "B", "share_bp": 5000}]
    texts = {
        "A": {"gateway": {"zh": {"template": "SMS_2"}}},
        "B": NAMED["A"] | {"any": {"zh": {"title": "周末见", "body": "来吧"}}},
    }
    campaign = approved(make_campaign(chain, "gateway", variants=two, texts=texts))

    change(template)

    assert not is_approved(campaign)


def test_the_template_of_a_push_about_to_go_out_stays_as_it_was_approved(campaign, template):
    let_go(campaign)

    with pytest.raises(errors.VendorTemplateApproved) as refusal:
        change(template)

    assert "“周五”" in refusal.value.say("zh")
    assert "“周五”" in refusal.value.say("en")
    assert fields_of(template) == AS_IT_WAS.fields
    assert is_approved(campaign)
    do(campaigns.stop_campaign, campaign)
    change(template)
    assert not is_approved(campaign)


def test_what_is_going_out_once_is_paused_first_and_then_read_anew(chain, campaign, template):
    """Each message asks the template when it goes, so that a run under way would say something else."""
    make_member(make_store_code(make_store(chain)), phone="+8613800000001")
    let_go(campaign)
    runs.start_due_batch(now=campaign.next_run_at)
    db.session.refresh(campaign)
    assert campaign.state == CampaignState.RUNNING
    with pytest.raises(errors.VendorTemplateApproved):
        change(template)

    do(campaigns.pause_campaign, campaign)
    change(template)

    with pytest.raises(errors.CampaignNeedsApproval):
        do(campaigns.resume_campaign, campaign)
    approved(campaign)
    assert do(campaigns.resume_campaign, campaign).state == CampaignState.RUNNING


def test_words_in_another_language_are_approved_too(chain, campaign, template):
    add(chain, OTHER_WORDS._replace(language="en"))
    assert not is_approved(campaign)

    approved(campaign)
    let_go(campaign)
    add(chain, OTHER_WORDS._replace(code="SMS_2"))  # nobody's words
    english = next(each for each in vendor_templates.list_templates(chain.id) if each.language == "en")
    with pytest.raises(errors.VendorTemplateApproved):
        change(english)


def test_a_language_is_not_added_to_what_is_about_to_go_out(chain, campaign, template):
    let_go(campaign)

    with pytest.raises(errors.VendorTemplateApproved):
        add(chain, OTHER_WORDS._replace(language="en"))

    db.session.expire_all()
    assert len(vendor_templates.list_templates(chain.id)) == 1


def test_where_nobody_approves_a_template_is_changed_at_any_time():
    chain = make_chain()
    template = add(chain, AS_IT_WAS)
    let_go(make_campaign(chain, "gateway", texts=NAMED))

    assert change(template).fields == OTHER_WORDS.fields


def test_another_chain_has_templates_of_its_own(campaign, template):
    stranger = make_chain("other")
    change(add(stranger, AS_IT_WAS))

    assert is_approved(campaign)


def test_a_push_that_is_being_scheduled_and_its_template_do_not_pass_each_other(app, campaign, template):
    """Whoever changes the template waits for whoever schedules, and sees what he did."""
    got, is_waiting = [], Event()

    def change_meanwhile():
        with app.app_context():
            is_waiting.set()
            try:
                got.append(change(template).fields)
            except errors.VendorTemplateApproved as refusal:
                got.append(refusal.code)
            finally:
                db.session.remove()

    changing = Thread(target=change_meanwhile)
    with transaction():
        campaigns.schedule_campaign(campaign.chain_id, campaign.id, NOW, by=ANN, now=NOON)
        changing.start()
        is_waiting.wait()
        changing.join(0.5)
    changing.join()

    assert got == ["vendor_template_approved"]
