"""Drafts, schedules, undo, pause, resume, cancel, and what was missed."""

from datetime import timedelta

import pytest

from core.audit import SYSTEM, AuditEntry
from core.db import db, transaction
from core.events import Event
from push import campaigns, errors, runs
from push.models import Run
from push.sweeping import sweep_batch
from tests.factories import NOON, make_chain, make_offer, make_store, make_store_code
from tests.push.pushing import (
    TEXT,
    deliveries,
    make_campaign,
    make_member,
    newest_run,
    outcomes,
    schedule,
    send_all,
    start,
    state_of,
)

pytestmark = pytest.mark.usefixtures("app")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FRIDAYS = {"kind": "recurring", "weekdays": ["fri"], "time": "17:30"}  # by Shanghai's clock
FIRST_FRIDAY = NOON + 2 * DAY + timedelta(hours=5, minutes=30)


def make_code(chain):
    return make_store_code(make_store(chain))


def do(verb, campaign, *, now=NOON):
    with transaction():
        return verb(campaign.chain_id, campaign.id, by=SYSTEM, now=now)


def tick(now):
    """What the clock does."""
    runs.start_due_batch(now=now)
    sweep_batch(now=now)
    runs.finish_batch(now=now)


# --- drafts


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ({"name": " "}, errors.CampaignInvalid),
        ({"channels": ()}, errors.CampaignInvalid),
        ({"channels": ("pigeon",)}, errors.CampaignInvalid),
        ({"title": ""}, errors.CampaignInvalid),
        ({"title_en": ""}, errors.CampaignInvalid),
        ({"body": "长" * 1001}, errors.CampaignInvalid),
        ({"offer_id": 999}, errors.CampaignInvalid),
        ({"audience": {"all": [{"field": "x", "op": "in", "value": [1]}]}}, errors.AudienceInvalid),
        ({"schedule": {"kind": "whenever"}}, errors.ScheduleInvalid),
    ],
)
def test_a_draft_that_lacks_something_is_refused(broken, error):
    chain = make_chain()
    values = {"name": "n", "audience": {}, "channels": ("inbox",), **TEXT} | broken

    with pytest.raises(error), transaction():
        campaigns.create_campaign(chain.id, campaigns.Draft(**values), by=SYSTEM, now=NOON)


def test_the_other_language_may_be_left_out():
    campaign = make_campaign(make_chain(), title_en="", body_en="")

    assert (campaign.title, campaign.title_en) == (TEXT["title"], "")


def test_another_chains_offer_is_refused():
    foreign = make_offer(make_chain("other"))

    with pytest.raises(errors.CampaignInvalid):
        make_campaign(make_chain(), offer_id=foreign.id)


def test_a_title_has_one_line():
    campaign = make_campaign(make_chain(), title="一\nBcc: all@example.com")

    assert campaign.title == "一 Bcc: all@example.com"


def test_another_chains_campaign_is_not_there():
    campaign, other = make_campaign(make_chain()), make_chain("other")

    with pytest.raises(errors.CampaignNotFound):
        campaigns.get_campaign(other.id, campaign.id)
    for verb in (campaigns.schedule_campaign, campaigns.stop_campaign, campaigns.pause_campaign,
                 campaigns.resume_campaign, campaigns.cancel_campaign):  # fmt: skip
        with pytest.raises(errors.CampaignNotFound), transaction():
            verb(other.id, campaign.id, by=SYSTEM, now=NOON)


def test_each_change_is_in_the_books():
    campaign = make_campaign(make_chain())
    schedule(campaign)
    do(campaigns.pause_campaign, campaign)
    do(campaigns.resume_campaign, campaign)
    do(campaigns.stop_campaign, campaign)
    do(campaigns.cancel_campaign, campaign)

    actions = db.session.scalars(db.select(AuditEntry.action).order_by(AuditEntry.id)).all()

    assert actions == [f"campaign {done}" for done in
                       ("created", "scheduled", "paused", "resumed", "stopped", "cancelled")]  # fmt: skip


# --- now, and the ten minutes


def test_a_manual_send_waits_ten_minutes():
    campaign = schedule(make_campaign(make_chain()))

    assert (campaign.state, campaign.next_run_at) == ("scheduled", NOON + 10 * MINUTE)
    tick(NOON + 9 * MINUTE)
    assert state_of(campaign) == "scheduled"
    tick(NOON + 10 * MINUTE)
    assert newest_run(campaign).due_at == NOON + 10 * MINUTE


def test_within_them_it_can_be_stopped_and_edited():
    chain = make_chain()
    make_member(make_code(chain))
    campaign = schedule(make_campaign(chain))

    do(campaigns.stop_campaign, campaign, now=NOON + 9 * MINUTE)
    tick(NOON + HOUR / 2)

    assert state_of(campaign) == "draft"
    assert deliveries() == []
    with transaction():
        draft = campaigns.Draft(name="new", audience={}, channels=("inbox",), **TEXT)
        assert campaigns.edit_campaign(chain.id, campaign.id, draft, by=SYSTEM, now=NOON).name == "new"


def test_after_them_it_cannot_be_taken_back():
    campaign = make_campaign(make_chain())
    start(campaign)

    with pytest.raises(errors.UndoOver):
        do(campaigns.stop_campaign, campaign)


def test_what_is_scheduled_is_not_edited():
    campaign = schedule(make_campaign(make_chain()))

    with pytest.raises(errors.CampaignStateConflict), transaction():
        draft = campaigns.Draft(name="new", audience={}, channels=("inbox",), **TEXT)
        campaigns.edit_campaign(campaign.chain_id, campaign.id, draft, by=SYSTEM, now=NOON)


# --- runs


def test_a_run_keeps_the_message_as_it_was():
    campaign = make_campaign(make_chain())

    run = start(campaign)

    assert {name: getattr(run, name) for name in TEXT} == TEXT
    assert (run.due_at, run.send_until) == (NOON, NOON + DAY)


def test_starting_twice_makes_one_run():
    chain = make_chain()
    make_member(make_code(chain))
    campaign = make_campaign(chain)
    start(campaign)

    runs.start_due_batch(now=NOON)
    with transaction():
        assert runs.start_run(campaign.id, now=NOON) is None

    assert len(deliveries()) == db.session.scalar(db.select(db.func.count(Run.id))) == 1


def test_a_campaign_ends_when_nothing_is_left():
    chain = make_chain()
    make_member(make_code(chain))
    campaign = make_campaign(chain)
    start(campaign)

    tick(NOON)
    assert state_of(campaign) == "running"
    send_all()
    tick(NOON + MINUTE)

    assert (state_of(campaign), newest_run(campaign).state) == ("finished", "finished")
    kinds = db.session.scalars(db.select(Event.kind).where(Event.kind.like("campaign.%")).order_by(Event.id)).all()
    assert kinds == ["campaign.started", "campaign.finished"]


def test_a_campaign_that_reaches_nobody_ends_too():
    campaign = make_campaign(make_chain())
    run = start(campaign)

    tick(NOON)

    assert (run.audience_count, state_of(campaign)) == (0, "finished")


def test_a_recurring_campaign_runs_week_after_week_and_ends_with_its_last_day():
    chain = make_chain()
    make_member(make_code(chain))
    campaign = make_campaign(chain)
    schedule(campaign, FRIDAYS | {"until": "2026-05-29"})

    states = []
    for week in range(3):
        now = FIRST_FRIDAY + week * 7 * DAY
        tick(now)
        send_all(now=now)
        tick(now + MINUTE)
        states.append(state_of(campaign))

    assert states == ["scheduled", "finished", "finished"]
    assert [run.due_at for run in runs.list_runs(chain.id, campaign.id)] == [FIRST_FRIDAY + 7 * DAY, FIRST_FRIDAY]


def test_the_audience_is_asked_anew_at_each_run():
    chain = make_chain()
    code = make_code(chain)
    make_member(code)
    campaign = make_campaign(chain)
    schedule(campaign, FRIDAYS)
    tick(FIRST_FRIDAY)

    make_member(code)
    tick(FIRST_FRIDAY + 7 * DAY)

    assert [run.audience_count for run in runs.list_runs(chain.id, campaign.id)] == [2, 1]


# --- missed


def test_what_is_a_little_late_still_goes():
    campaign = schedule(make_campaign(make_chain()), {"kind": "at", "at": "2026-05-20T13:00"})

    tick(NOON + 2 * HOUR)

    assert newest_run(campaign).started_at == NOON + 2 * HOUR


def test_what_is_too_late_is_missed_and_asks():
    chain = make_chain()
    make_member(make_code(chain))
    campaign = schedule(make_campaign(chain), {"kind": "at", "at": "2026-05-20T13:00"})

    tick(NOON + 2 * HOUR + MINUTE)

    assert (state_of(campaign), deliveries()) == ("missed", [])


def test_what_was_missed_can_be_sent_after_all():
    chain = make_chain()
    make_member(make_code(chain))
    campaign = schedule(make_campaign(chain), {"kind": "at", "at": "2026-05-20T13:00"})
    late = NOON + 5 * HOUR
    tick(late)

    schedule(campaign, {"kind": "now"}, now=late)
    tick(late + 10 * MINUTE)

    assert newest_run(campaign).audience_count == 1


def test_a_recurring_campaign_that_missed_its_day_can_wait_for_the_next():
    campaign = schedule(make_campaign(make_chain()), FRIDAYS)
    tick(FIRST_FRIDAY + 2 * HOUR)
    assert state_of(campaign) == "missed"

    resumed = do(campaigns.resume_campaign, campaign, now=FIRST_FRIDAY + 3 * HOUR)

    assert (resumed.state, resumed.next_run_at) == ("scheduled", FIRST_FRIDAY + 7 * DAY)


# --- pause, resume, cancel


def test_a_paused_run_sends_nothing_until_it_is_resumed():
    chain = make_chain()
    make_member(make_code(chain))
    campaign = make_campaign(chain)
    start(campaign)

    do(campaigns.pause_campaign, campaign)
    send_all()
    assert outcomes() == {("inbox", "pending", None): 1}
    do(campaigns.resume_campaign, campaign)
    send_all()

    assert outcomes() == {("inbox", "delivered", None): 1}


def test_a_campaign_paused_before_its_time_is_not_started():
    campaign = schedule(make_campaign(make_chain()))

    do(campaigns.pause_campaign, campaign)
    tick(NOON + 20 * MINUTE)

    assert runs.list_runs(campaign.chain_id, campaign.id) == []


def test_resumed_after_its_time_it_goes_in_ten_minutes():
    campaign = schedule(make_campaign(make_chain()))
    do(campaigns.pause_campaign, campaign)

    later = NOON + 5 * HOUR
    resumed = do(campaigns.resume_campaign, campaign, now=later)

    assert (resumed.state, resumed.next_run_at) == ("scheduled", later + 10 * MINUTE)
    assert resumed.send_until == later + 10 * MINUTE + DAY


def test_resumed_before_its_time_it_keeps_it():
    campaign = schedule(make_campaign(make_chain()), {"kind": "at", "at": "2026-05-21T13:00"})
    do(campaigns.pause_campaign, campaign)

    resumed = do(campaigns.resume_campaign, campaign, now=NOON + HOUR)

    assert resumed.next_run_at == NOON + DAY + HOUR


def test_cancelling_makes_what_has_not_gone_stale_and_keeps_the_sums():
    chain = make_chain()
    make_member(make_code(chain))
    campaign = make_campaign(chain)
    run = start(campaign)

    do(campaigns.cancel_campaign, campaign)
    send_all()

    assert outcomes() == {("inbox", "skipped", "stale"): 1}
    sums = runs.count_sums([run.id])[run.id]
    assert (sums.audience, sums.states["skipped"], sums.reasons) == (1, 1, {"stale": 1})
    assert (state_of(campaign), newest_run(campaign).state) == ("cancelled", "cancelled")


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        (campaigns.pause_campaign, "draft"),
        (campaigns.resume_campaign, "draft"),
        (campaigns.resume_campaign, "scheduled"),
        (campaigns.pause_campaign, "cancelled"),
        (campaigns.cancel_campaign, "cancelled"),
        (campaigns.stop_campaign, "draft"),
    ],
)
def test_what_the_state_does_not_allow_is_refused(verb, state):
    campaign = make_campaign(make_chain())
    if state == "scheduled":
        schedule(campaign)
    if state == "cancelled":
        do(campaigns.cancel_campaign, campaign)

    with pytest.raises(errors.CampaignStateConflict):
        do(verb, campaign)


def test_the_list_pages_by_key_newest_first():
    chain = make_chain()
    made = [make_campaign(chain).id for _ in range(3)]

    first = campaigns.list_campaigns(chain.id, limit=2)
    second = campaigns.list_campaigns(chain.id, after=first[-1].id, limit=2)

    assert [campaign.id for campaign in [*first, *second]] == made[::-1]
