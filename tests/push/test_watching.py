"""The next channel after one that did not reach; runs that fail are paused; what failed is tried again."""

from datetime import timedelta

import pytest

from core.audit import SYSTEM
from core.db import db, insert, transaction
from push import campaigns, errors, runs
from push.audiences import consents
from push.channels import PermanentError, RetryError
from push.channels.receipts import Receipt, ReceiptStatus, take_receipts
from push.delivering.sending import deliver_inbox_batch
from push.models import Campaign, ChannelMode, PushChannel, PushPolicy, Run
from push.watching import IN_ALL, pause_failing_batch, retry_failed, worst_part
from push.wording.writing import message_key
from tests.factories import NOON, make_chain, make_offer, make_store, make_store_code
from tests.push.memory import MemoryChannel
from tests.push.pushing import deliveries, make_campaign, make_member, newest_run, send, start, state_of

pytestmark = pytest.mark.usefixtures("app")


class Broken(MemoryChannel):
    """A provider that refuses everything in one way."""

    def __init__(self, problem):
        super().__init__()
        self.problem = problem

    async def send(self, message):
        raise self.problem


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


def first_of(campaign):
    with transaction():
        row = db.session.get_one(Campaign, campaign.id)
        row.channel_mode = ChannelMode.FIRST
    return row


def rows(campaign):
    return [(row.channel, row.state) for row in deliveries(campaign)]


def report(status, key):
    with transaction():
        told = Receipt(ReceiptStatus(status), message_key=key)
        assert take_receipts(PushChannel.GATEWAY, [told], source="test", now=NOON + timedelta(hours=3)) == 1


def test_what_arrives_after_all_goes_over_no_next_channel(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001")
    campaign, out = make_campaign(chain, "gateway", "email", channel_mode="first"), MemoryChannel()
    start(campaign)
    send("gateway", out)
    report("failed", out.sent[0].key)
    waiting = rows(campaign)
    report("delivered", out.sent[0].key)
    mails = MemoryChannel()
    send("email", mails, now=NOON + timedelta(hours=3))
    runs.finish_batch(now=NOON + timedelta(hours=3))

    assert waiting == [("gateway", "failed"), ("email", "pending")]
    assert [(row.channel, row.state, row.reason) for row in deliveries(campaign)] == [
        ("gateway", "delivered", None), ("email", "skipped", "duplicate"),
    ]  # fmt: skip
    assert (mails.sent, state_of(campaign)) == ([], "finished")


def test_over_every_channel_an_arrival_calls_off_no_other(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001")
    campaign, out = make_campaign(chain, "email", "gateway"), MemoryChannel()
    start(campaign)
    send("gateway", out)
    report("delivered", out.sent[0].key)

    assert sorted(rows(campaign)) == [("email", "pending"), ("gateway", "delivered")]


def test_a_message_that_fails_for_good_goes_over_the_next_channel_with_the_same_coupon(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001")
    campaign = first_of(make_campaign(chain, "email", "gateway", offer_id=make_offer(chain).id))
    start(campaign)
    send("email", Broken(PermanentError("no such address")))
    texts = MemoryChannel()
    send("gateway", texts)

    assert rows(campaign) == [("email", "failed"), ("gateway", "sent")]
    assert len(texts.sent) == 1
    assert len({row.coupon_id for row in deliveries(campaign)}) == 1
    assert db.session.get_one(Run, newest_run(campaign).id).audience_count == 2


def test_a_message_that_may_still_go_does_not_go_over_another_channel(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001")
    campaign = first_of(make_campaign(chain, "email", "gateway"))
    start(campaign)
    send("email", Broken(RetryError("busy")))

    assert rows(campaign) == [("email", "pending")]


def test_over_every_channel_nothing_falls_back(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001")
    campaign = make_campaign(chain, "email", "gateway")
    start(campaign)
    send("email", Broken(PermanentError("no")))

    assert rows(campaign) == [("email", "failed"), ("gateway", "pending")]


def test_the_last_channel_is_the_last(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001")
    campaign = first_of(make_campaign(chain, "email", "gateway"))
    start(campaign)
    for name in ("email", "gateway"):
        send(name, Broken(PermanentError("no")))
    runs.finish_batch(now=NOON)

    assert rows(campaign) == [("email", "failed"), ("gateway", "failed")]
    assert state_of(campaign) == "finished"


def test_who_says_no_while_it_waits_is_asked_over_the_next_channel(chain, code):
    member = make_member(code, email="a@example.com", phone="+8613800000001")
    campaign = first_of(make_campaign(chain, "email", "gateway"))
    start(campaign)
    with transaction():
        consents.withdraw(member.member_id, "email", "test", NOON)
    send("email", MemoryChannel())
    send("gateway", MemoryChannel())

    assert rows(campaign) == [("email", "skipped"), ("gateway", "sent")]


def failing(chain, code, members, *channels, share_bp=5000, after=4):
    with transaction():
        db.session.execute(
            insert(PushPolicy).values(chain_id=chain.id, error_pause_bp=share_bp, error_pause_after=after)
        )
    for each in range(members):
        make_member(code, email=f"m{each}@example.com")
    campaign = make_campaign(chain, *(channels or ("email",)))
    start(campaign)
    return campaign


@pytest.mark.parametrize(("members", "paused"), [(3, 0), (4, 1)])
def test_a_run_is_paused_when_too_much_of_enough_went_wrong(chain, code, members, paused):
    campaign = failing(chain, code, members)
    send("email", Broken(RetryError("down")))

    assert pause_failing_batch(now=NOON) == paused
    assert pause_failing_batch(now=NOON) == 0
    assert newest_run(campaign).pause_reason == ("errors" if paused else None)
    assert state_of(campaign) == ("paused" if paused else "running")


@pytest.mark.parametrize(("members", "asked"), [(3, 1), (4, 2)])
def test_the_messages_of_a_run_that_is_too_small_to_be_paused_are_not_counted(
    chain, code, count_queries, members, asked
):
    failing(chain, code, members)
    db.session.commit()
    count_queries.clear()
    pause_failing_batch(now=NOON)

    assert len([sql for sql in count_queries if sql.startswith("SELECT")]) == asked


def test_what_lies_in_wallets_does_not_hide_that_a_channel_takes_nothing(chain, code):
    for _ in range(6):
        make_member(code)
    campaign = failing(chain, code, 4, "inbox", "email")
    deliver_inbox_batch(now=NOON)
    send("email", Broken(PermanentError("refused")))

    assert pause_failing_batch(now=NOON) == 1
    assert state_of(campaign) == "paused"
    assert worst_part(newest_run(campaign)) == ("email", 4, 4)


def test_a_channel_over_which_too_little_was_tried_is_not_named(chain, code):
    campaign = failing(chain, code, 4, "inbox", "email", after=5)
    deliver_inbox_batch(now=NOON)
    send("email", Broken(PermanentError("refused")))

    assert pause_failing_batch(now=NOON) == 1
    assert worst_part(newest_run(campaign)) == (IN_ALL, 8, 4)


def test_a_run_that_goes_well_is_left_alone(chain, code):
    failing(chain, code, 5)
    send("email", MemoryChannel())

    assert pause_failing_batch(now=NOON) == 0


def test_a_run_resumed_by_a_person_is_not_paused_again(chain, code):
    campaign = failing(chain, code, 4)
    send("email", Broken(RetryError("down")))
    pause_failing_batch(now=NOON)
    with transaction():
        campaigns.resume_campaign(chain.id, campaign.id, by=SYSTEM, now=NOON)

    assert pause_failing_batch(now=NOON) == 0
    assert state_of(campaign) == "running"


def test_what_failed_is_tried_again_and_the_run_goes_on_until_it_is_done(chain, code):
    campaign = failing(chain, code, 2)
    send("email", Broken(PermanentError("no such address")))
    runs.finish_batch(now=NOON)
    run = newest_run(campaign)
    with transaction():
        tried = retry_failed(chain.id, run.id, error="no such address", by=SYSTEM, now=NOON)
    going = state_of(campaign)
    send("email", MemoryChannel())
    runs.finish_batch(now=NOON)

    assert (tried, going) == (2, "running")
    assert rows(campaign) == [("email", "sent")] * 2
    assert state_of(campaign) == "finished"


def test_what_the_provider_took_and_reported_as_failed_is_tried_again_under_a_new_key(chain, code):
    make_member(code, phone="+8613800000001")
    campaign, out = make_campaign(chain, "gateway"), MemoryChannel()
    start(campaign)
    send("gateway", out)
    report("failed", out.sent[0].key)
    later = NOON + timedelta(hours=1)
    with transaction():
        assert retry_failed(chain.id, newest_run(campaign).id, by=SYSTEM, now=later) == 1
    send("gateway", Broken(RetryError("busy")), now=later)
    send("gateway", out, now=later + timedelta(hours=1))
    again = rows(campaign)
    report("delivered", out.sent[1].key)

    assert len({message.key for message in out.sent}) == 2
    assert out.sent[1].key == message_key(later, deliveries(campaign)[0].id)  # of its first attempt, as at any other
    assert (again, rows(campaign)) == ([("gateway", "sent")], [("gateway", "delivered")])


def test_what_the_provider_did_not_take_keeps_its_key(chain, code):
    make_member(code, phone="+8613800000001")
    campaign, out = make_campaign(chain, "gateway"), MemoryChannel()
    run = start(campaign)
    send("gateway", Broken(PermanentError("gateway 422")))
    with transaction():
        retry_failed(chain.id, run.id, by=SYSTEM, now=NOON + timedelta(hours=1))
    send("gateway", out, now=NOON + timedelta(hours=1))

    assert [message.key for message in out.sent] == [message_key(run.due_at, deliveries(campaign)[0].id)]


def test_only_the_chosen_errors_are_tried_again(chain, code):
    campaign = failing(chain, code, 1)
    send("email", Broken(PermanentError("no such address")))
    run = newest_run(campaign)
    with transaction():
        assert retry_failed(chain.id, run.id, error="another", by=SYSTEM, now=NOON) == 0

    assert rows(campaign) == [("email", "failed")]


def test_a_run_past_its_time_is_not_tried_again_nor_another_chains(chain, code):
    campaign = failing(chain, code, 1)
    send("email", Broken(PermanentError("no such address")))
    run = newest_run(campaign)
    other = make_chain("other")

    with pytest.raises(errors.RunOver), transaction():
        retry_failed(chain.id, run.id, by=SYSTEM, now=run.send_until + timedelta(seconds=1))
    with pytest.raises(errors.CampaignNotFound), transaction():
        retry_failed(other.id, run.id, by=SYSTEM, now=NOON)


def test_while_little_goes_wrong_what_went_well_is_not_counted_each_second(chain, code, count_queries):
    with transaction():
        db.session.add(PushPolicy(chain_id=chain.id, error_pause_after=1))
    make_member(code, email="a@example.com")
    run = start(make_campaign(chain, "email"))
    send("email", MemoryChannel())
    count_queries.clear()

    pause_failing_batch(now=NOON)

    asked = [statement for statement in count_queries if "FROM deliveries" in statement]
    assert len(asked) == 1, asked
    if db.engine.dialect.name == "sqlite":
        with db.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked[0]}", (run.id, "failed", "pending")).all()
        assert any("ix_deliveries_error" in row[3] for row in plan), plan
