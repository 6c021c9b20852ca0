"""New words for what has not gone of a paused campaign."""

from datetime import timedelta

import pytest

from cards.models import Member
from core.audit import SYSTEM
from core.db import db, transaction
from push import campaigns, errors, runs
from push.campaigns import get_campaign
from push.delivering.sending import deliver_inbox_batch
from push.effects import effect
from push.inbox import inbox_of
from push.models import CampaignState, DeliveryState, RunState
from push.rewording import Wording, count_waiting, reword_campaign
from push.wording.writing import message_key
from stores.models import Chain
from tests.factories import NOON, make_chain, make_store, make_store_code
from tests.push.memory import MemoryChannel
from tests.push.pushing import TEXT, deliveries, make_campaign, make_member, newest_run, send, start, state_of

pytestmark = pytest.mark.usefixtures("app")
NEW = {"title": "改好了", "title_en": "Put right", "body": "今天第三份半价。", "body_en": "The third half price."}
LATER = NOON + timedelta(minutes=5)


def do(verb, campaign, *, now=NOON):
    with transaction():
        return verb(campaign.chain_id, campaign.id, by=SYSTEM, now=now)


def reword(campaign, **words):
    with transaction():
        return reword_campaign(campaign.chain_id, campaign.id, Wording(**NEW | words), by=SYSTEM, now=LATER)


@pytest.fixture
def paused():
    """Two of five are gone by e-mail, then it is paused."""
    code = make_store_code(make_store(make_chain()))
    cards = [make_member(code, email=f"m{n}@example.com", language="zh") for n in range(5)]
    campaign = make_campaign(db.session.get_one(Chain, cards[0].chain_id), "email")
    start(campaign)
    rows = deliveries(campaign)
    with transaction():
        for row in rows[2:]:
            db.session.merge(row).due_at = LATER
    send("email", MemoryChannel())
    do(campaigns.pause_campaign, campaign)
    return campaign


def test_what_has_not_gone_says_the_new_words_and_keeps_its_keys(paused):
    before = newest_run(paused)
    keys = {row.id: message_key(before.due_at, row.id) for row in deliveries(paused)}
    assert count_waiting(paused) == 3

    assert reword(paused) == 3
    do(campaigns.resume_campaign, paused, now=LATER)
    out = MemoryChannel()
    send("email", out, now=LATER)

    assert [message.title for message in out.sent] == ["改好了"] * 3
    assert {message.key for message in out.sent} <= set(keys.values())


def test_the_sums_of_both_runs_are_those_of_the_one(paused):
    reword(paused)
    found = runs.list_runs(paused.chain_id, paused.id)
    sums = runs.count_sums([run.id for run in found])

    assert [(run.audience_count, sums[run.id].audience) for run in found] == [(3, 3), (2, 2)]
    assert found[0].continues_run_id == found[1].id
    assert found[0].send_until == found[1].send_until


def test_what_has_gone_keeps_what_it_said(paused):
    reword(paused)
    (old,) = [run for run in runs.list_runs(paused.chain_id, paused.id) if run.continues_run_id is None]

    assert (old.title, old.body_en) == (TEXT["title"], TEXT["body_en"])


def test_both_runs_come_to_their_end(paused):
    reword(paused)
    do(campaigns.resume_campaign, paused, now=LATER)
    send("email", MemoryChannel(), now=LATER)
    runs.finish_batch(now=LATER)

    assert {run.state for run in runs.list_runs(paused.chain_id, paused.id)} == {RunState.FINISHED}
    assert state_of(paused) == CampaignState.FINISHED
    assert {row.state for row in deliveries(paused)} == {DeliveryState.SENT}


def test_it_can_be_reworded_again_and_again(paused):
    for n in range(3):
        assert reword(paused, title=f"第{n}次") == 3
    do(campaigns.resume_campaign, paused, now=LATER)
    out = MemoryChannel()
    send("email", out, now=LATER)

    assert {message.title for message in out.sent} == {"第2次"}
    found = runs.list_runs(paused.chain_id, paused.id)
    first = found[-1]
    assert {run.continues_run_id for run in found[:-1]} == {first.id}
    assert {tuple(runs.whole_run(run)) for run in found} == {tuple(sorted(run.id for run in found))}
    assert {run.started_at for run in found} == {first.started_at}


def test_later_runs_of_a_recurring_campaign_say_the_new_words():
    code = make_store_code(make_store(make_chain()))
    card = make_member(code)
    chain = db.session.get_one(Chain, card.chain_id)
    schedule = {"kind": "recurring", "weekdays": ["fri"], "time": "17:30"}
    campaign = make_campaign(chain, schedule=schedule)
    with transaction():
        campaigns.schedule_campaign(chain.id, campaign.id, by=SYSTEM, now=NOON)
    do(campaigns.pause_campaign, campaign)
    assert reword(campaign) == 0
    due = do(campaigns.resume_campaign, campaign, now=LATER).next_run_at

    runs.start_due_batch(now=due)
    deliver_inbox_batch(now=due)

    (message,) = inbox_of(_wallet(card))
    assert message.title.zh == "改好了"


def _wallet(card):
    return db.session.get_one(Member, card.member_id).wallet_id


def test_only_what_is_paused_is_reworded(paused):
    do(campaigns.resume_campaign, paused, now=LATER)

    with pytest.raises(errors.CampaignStateConflict):
        reword(paused)


def test_words_that_lack_something_are_refused(paused):
    with pytest.raises(errors.CampaignInvalid):
        reword(paused, title="")

    assert newest_run(paused).title == TEXT["title"]


def test_another_chains_campaign_is_not_there(paused):
    other = make_chain("other")

    with pytest.raises(errors.CampaignNotFound), transaction():
        reword_campaign(other.id, paused.id, Wording(**NEW), by=SYSTEM, now=LATER)


def test_the_effect_of_either_run_is_that_of_the_whole():
    code = make_store_code(make_store(make_chain()))
    card = [make_member(code, email=f"m{n}@example.com") for n in range(30)][-1]
    chain = db.session.get_one(Chain, card.chain_id)
    campaign = make_campaign(chain, "email", holdout_bp=4000)
    start(campaign)
    do(campaigns.pause_campaign, campaign)
    moved = reword(campaign)
    after = NOON + timedelta(days=3)

    found = runs.list_runs(chain.id, campaign.id)
    measured = [effect.measure(get_campaign(chain.id, campaign.id), now=after, run_id=run.id) for run in found]

    groups = [(sum(group.members for group in each.told[1].values()), each.held[1].members) for each in measured]
    assert groups == [(moved, 30 - moved)] * 2
    assert 0 < moved < 30
