"""What happens to each delivery, and why; and that no two workers do one twice."""

import asyncio
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from cards.models import Card, CardState, Member
from core.audit import SYSTEM
from core.db import db, transaction
from coupons import offers
from coupons.models import Coupon
from push import campaigns, runs
from push.audiences import consents
from push.audiences.freezing import freeze
from push.channels import PermanentError, RetryError
from push.delivering import handing_over, sending
from push.delivering.leasing import MAX_ATTEMPTS
from push.delivering.noting import wait_before
from push.delivering.sending import deliver_inbox_batch
from push.models import Campaign, Delivery, Run
from push.sweeping import sweep_batch
from push.timing.policies import Policy, set_policy
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_offer, make_store, make_store_code
from tests.push.memory import MemoryChannel
from tests.push.pushing import deliveries, make_campaign, make_member, outcomes, schedule, send, send_all, start

pytestmark = pytest.mark.usefixtures("app")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NIGHT = datetime(2026, 5, 20, 14, tzinfo=UTC)  # 22:00 in Shanghai
MORNING = datetime(2026, 5, 21, 1, tzinfo=UTC)  # 09:00
EVERY = ("inbox", "email", "gateway")


class Failing(MemoryChannel):
    """Raises what it is told, then takes messages."""

    def __init__(self, *problems):
        super().__init__()
        self.problems = list(problems)

    async def send(self, message):
        if self.problems:
            raise self.problems.pop(0)
        return await super().send(message)


def make_code(chain, **more):
    return make_store_code(make_store(chain, **more))


def only():
    (delivery,) = deliveries()
    return delivery


def sums_add_up():
    for run_id, sums in runs.count_sums(list(db.session.scalars(db.select(Run.id)))).items():
        frozen = db.session.scalar(db.select(Run.audience_count).where(Run.id == run_id))
        assert sums.audience == frozen == sum(sums.states.values())
        assert sums.states["skipped"] == sum(sums.reasons.values())


# --- freezing


def test_everybody_gets_a_row_for_each_channel_with_the_reason_where_it_is_known():
    chain = make_chain()
    code = make_code(chain)
    make_member(code, email="a@example.com", phone="+8613800000001")
    make_member(code)
    make_member(code, email="c@example.com", agrees_to=())
    muted = make_member(code, email="d@example.com", phone="+8613800000004")
    frozen = make_member(code, email="e@example.com", phone="+8613800000005")
    with transaction():
        consents.withdraw(muted.member_id, "inbox", "test", NOON)
        consents.withdraw(muted.member_id, "email", "test", NOON)
        db.session.get_one(Card, frozen.id).state = CardState.FROZEN
    run = start(make_campaign(chain, *EVERY))

    assert run.audience_count == 15
    assert outcomes() == {
        ("inbox", "pending", None): 3,
        ("inbox", "skipped", "opted_out"): 1,
        ("inbox", "skipped", "card_inactive"): 1,
        ("email", "pending", None): 1,
        ("email", "skipped", "no_address"): 1,
        ("email", "skipped", "opted_out"): 2,
        ("email", "skipped", "card_inactive"): 1,
        ("gateway", "pending", None): 2,
        ("gateway", "skipped", "no_address"): 2,
        ("gateway", "skipped", "card_inactive"): 1,
    }
    sums_add_up()


def test_freezing_twice_adds_nothing():
    chain = make_chain()
    make_member(make_code(chain))
    campaign = make_campaign(chain)
    run = start(campaign)

    with transaction():
        freeze(db.session.get_one(Run, run.id), db.session.get_one(Campaign, campaign.id), now=NOON)

    assert len(deliveries()) == 1


def test_who_joins_later_is_not_in_a_frozen_audience():
    chain = make_chain()
    code = make_code(chain)
    make_member(code)
    start(make_campaign(chain))
    make_member(code)

    send_all()

    assert outcomes() == {("inbox", "delivered", None): 1}


def test_freezing_is_one_statement_a_channel(count_queries):
    chain = make_chain()
    code = make_code(chain)
    for n in range(20):
        make_member(code, email=f"m{n}@example.com")
    campaign = make_campaign(chain, "inbox", "email")
    count_queries.clear()

    start(campaign)

    assert len([statement for statement in count_queries if "INSERT INTO deliveries" in statement]) == 2


# --- going out


def test_a_message_speaks_the_members_language():
    chain = make_chain()
    code = make_code(chain)
    make_member(code, email="a@example.com")
    make_member(code, email="b@example.com", language="en")
    start(make_campaign(chain, "email"))

    sent = send_all()["email"].sent

    assert {(m.to, m.chain, m.title, m.body) for m in sent} == {
        ("a@example.com", "雪山冰品", "周五冰淇淋", "今天第二份半价。"),
        ("b@example.com", "Snow Peak", "Ice cream Friday", "Half price today."),
    }


def test_a_language_that_was_not_written_falls_back():
    chain = make_chain()
    make_member(make_code(chain), email="b@example.com", language="en")
    start(make_campaign(chain, "email", title_en="", body_en=""))

    assert [m.title for m in send_all()["email"].sent] == ["周五冰淇淋"]


def test_the_sums_add_up_at_every_step():
    chain = make_chain()
    code = make_code(chain)
    for n in range(7):
        make_member(code, email=f"m{n}@example.com", phone=f"+861380000000{n}")
    start(make_campaign(chain, *EVERY))
    sums_add_up()
    send("email", Failing(*[RetryError("later"), PermanentError("gone")]))
    sums_add_up()
    send_all()
    sums_add_up()

    assert outcomes()["inbox", "delivered", None] == 7


# --- quiet hours


def test_the_night_holds_a_message_until_the_morning():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"), now=NIGHT)

    assert send_all(now=NIGHT)["email"].sent == []
    assert (only().state, only().due_at, only().attempts) == ("pending", MORNING, 0)
    assert send_all(now=MORNING - timedelta(seconds=1))["email"].sent == []
    assert len(send_all(now=MORNING)["email"].sent) == 1


def test_the_night_is_that_of_the_members_store():
    chain = make_chain()
    make_member(make_code(chain), email="shanghai@example.com")
    make_member(make_code(chain, timezone="Europe/London"), email="london@example.com")
    start(make_campaign(chain, "email"), now=NIGHT)

    assert [m.to for m in send_all(now=NIGHT)["email"].sent] == ["london@example.com"]


def test_the_inbox_disturbs_nobody_at_night():
    chain = make_chain()
    make_member(make_code(chain))
    start(make_campaign(chain), now=NIGHT)

    send_all(now=NIGHT)

    assert outcomes() == {("inbox", "delivered", None): 1}


def test_a_chain_sets_its_own_night():
    chain = make_chain()
    with transaction():
        set_policy(chain.id, Policy(quiet_from=23, quiet_until=7), by=SYSTEM, now=NOON)
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"), now=NIGHT)

    assert len(send_all(now=NIGHT)["email"].sent) == 1


@pytest.mark.parametrize(("hour", "sent"), [(18, 2), (22, 0)])
def test_by_the_members_clocks_the_last_day_ends_where_each_is(hour, sent):
    chain = make_chain()
    make_member(make_code(chain), email="shanghai@example.com")
    make_member(make_code(chain, timezone="America/New_York"), email="new-york@example.com")
    campaign = make_campaign(chain, "email")
    every_day = {"kind": "recurring", "weekdays": ["wed"], "time": f"{hour}:00", "zone": "member"}
    schedule(campaign, every_day | {"until": "2026-05-20"})
    out = MemoryChannel()
    for hours in range(38):  # until the 21st has come to New York, at noon of Shanghai's
        now = NOON + hours * HOUR
        runs.start_due_batch(now=now)
        send("email", out, now=now)

    assert len(out.sent) == sent
    assert outcomes() == ({("email", "sent", None): 2} if sent else {("email", "skipped", "stale"): 2})
    by_member = {row.member_id: row.due_at for row in deliveries()}
    if not sent:  # held by the night until the day was over, there
        assert [at - NOON for at in by_member.values()] == [12 * HOUR, 24 * HOUR]


def test_what_the_night_outlasts_is_stale():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    campaign = make_campaign(chain, "email")
    with transaction():
        campaigns.schedule_campaign(
            chain.id, campaign.id, {"kind": "now", "fresh_hours": 3}, by=SYSTEM, now=NIGHT - 10 * MINUTE
        )
    runs.start_due_batch(now=NIGHT)
    send_all(now=NIGHT)
    assert only().due_at == NIGHT + 3 * HOUR

    send_all(now=NIGHT + 3 * HOUR)

    assert outcomes() == {("email", "skipped", "stale"): 1}


def test_what_no_worker_took_in_time_is_swept_as_stale():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))

    assert sweep_batch(now=NOON + DAY - MINUTE) == 0
    assert sweep_batch(now=NOON + DAY) == 1

    assert outcomes() == {("email", "skipped", "stale"): 1}
    runs.finish_batch(now=NOON + DAY)
    assert db.session.scalar(db.select(Run.state)) == "finished"


# --- caps


def test_one_a_day_and_three_a_week_rolling_over_all_channels():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com", phone="+8613800000001")
    hours = [0, 23, 24, 48, 72, 167, 168, 169, 192]
    got = []
    for n, hour in enumerate(hours):
        now = NOON + hour * HOUR
        with transaction():
            set_policy(chain.id, Policy(quiet_from=0, quiet_until=0), by=SYSTEM, now=NOON)
        campaign = make_campaign(chain, ("email", "gateway")[n % 2])
        start(campaign, now=now)
        send_all(now=now)
        got.append(deliveries(campaign)[0].reason or "sent")

    #       0h       23h       24h     48h     72h       167h      168h    169h      192h
    assert got == ["sent", "capped", "sent", "sent", "capped", "capped", "sent", "capped", "sent"]


def test_two_channels_of_one_campaign_are_two_messages():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com", phone="+8613800000001")
    start(make_campaign(chain, *EVERY))

    send_all()

    assert outcomes() == {
        ("inbox", "delivered", None): 1,
        ("email", "sent", None): 1,
        ("gateway", "skipped", "capped"): 1,
    }


def test_the_inbox_neither_counts_nor_is_capped():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    for _ in range(3):
        start(make_campaign(chain))
        send_all()
    start(make_campaign(chain, "email"))
    send_all()

    assert outcomes() == {("inbox", "delivered", None): 3, ("email", "sent", None): 1}


def test_a_message_that_failed_for_good_does_not_count():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))
    send("email", Failing(PermanentError("smtp 550")))
    second = make_campaign(chain, "email")
    start(second)

    send_all()

    assert outcomes(second) == {("email", "sent", None): 1}


def test_a_message_waiting_for_its_next_try_holds_its_place():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    first, second = make_campaign(chain, "email"), make_campaign(chain, "email")
    start(first)
    send("email", Failing(RetryError("busy")))
    start(second)
    send_all()

    send_all(now=NOON + 5 * MINUTE)

    assert outcomes(first) == {("email", "sent", None): 1}
    assert outcomes(second) == {("email", "skipped", "capped"): 1}


def test_a_chain_sets_its_own_caps():
    chain = make_chain()
    with transaction():
        set_policy(chain.id, Policy(cap_per_day=2, cap_per_week=2), by=SYSTEM, now=NOON)
    make_member(make_code(chain), email="a@example.com")
    for _ in range(3):
        start(make_campaign(chain, "email"))

    send_all()

    assert outcomes() == {("email", "sent", None): 2, ("email", "skipped", "capped"): 1}


def test_workers_at_once_keep_a_members_cap(app, monkeypatch):
    """Eight campaigns to one member, eight workers with one row each: one message."""
    monkeypatch.setattr(sending, "BATCH", 1)
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    for _ in range(8):
        start(make_campaign(chain, "email"))
    outs = [MemoryChannel() for _ in range(8)]

    def work(number):
        while send("email", outs[number]):
            pass

    race(app, work, racers=8)

    assert sum(len(out.sent) for out in outs) == 1
    assert outcomes() == {("email", "sent", None): 1, ("email", "skipped", "capped"): 7}


# --- wishes and cards, at the last moment


def test_an_opt_out_after_the_freeze_is_heard():
    chain = make_chain()
    card = make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))
    with transaction():
        consents.withdraw(card.member_id, "email", "test", NOON)

    assert send_all()["email"].sent == []
    assert outcomes() == {("email", "skipped", "opted_out"): 1}


def test_a_card_closed_after_the_freeze_gets_nothing():
    chain = make_chain()
    card = make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))
    with transaction():
        db.session.get_one(Card, card.id).state = CardState.FROZEN

    send_all()

    assert outcomes() == {("email", "skipped", "card_inactive"): 1}


def test_an_address_removed_after_the_freeze_is_not_written_to():
    chain = make_chain()
    card = make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))
    with transaction():
        db.session.get_one(Member, card.member_id).email = None

    send_all()

    assert outcomes() == {("email", "skipped", "no_address"): 1}


# --- results


def test_a_permanent_refusal_ends_it():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    run = start(make_campaign(chain, "email"))

    send("email", Failing(PermanentError("smtp 550")))

    assert (only().state, only().error, only().attempts) == ("failed", "smtp 550", 1)
    assert runs.count_errors(run.id) == [("smtp 550", 1)]


def test_a_passing_refusal_is_tried_again_later_and_later_under_the_same_key():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))
    keys, now = [], NOON

    class Busy(MemoryChannel):
        async def send(self, message):
            keys.append(message.key)
            raise RetryError("busy")

    waits = []
    for _ in range(4):
        send("email", Busy(), now=now)
        waits.append(only().due_at - now)
        assert send("email", Busy(), now=only().due_at - timedelta(seconds=1)) == 0
        now = only().due_at

    assert len(set(keys)) == 1
    assert waits == [wait_before(attempt, only().id) for attempt in (1, 2, 3, 4)]
    assert len(send_all(now=now)["email"].sent) == 1


def always_awake(chain):
    with transaction():
        set_policy(chain.id, Policy(quiet_from=0, quiet_until=0), by=SYSTEM, now=NOON)


def tried_until_it_ends(*, problem="busy"):
    """When each attempt came, from the first to the one after which it was not tried again."""
    now, tries = NOON, []
    while only().state == "pending":
        now = only().due_at
        if send("email", Failing(RetryError(problem, is_provider=False)), now=now):
            tries.append(now - NOON)
    return tries


def test_it_is_tried_until_its_run_ends_and_not_for_ever():
    chain = make_chain()
    always_awake(chain)
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))

    tries = tried_until_it_ends()

    assert (only().state, only().error, only().attempts) == ("failed", "busy", len(tries))
    assert tries[-1] < DAY <= tries[-1] + wait_before(len(tries), only().id)


def test_it_is_tried_for_three_days_at_most():
    chain = make_chain()
    always_awake(chain)
    make_member(make_code(chain), email="a@example.com")
    campaign = make_campaign(chain, "email")
    with transaction():
        campaigns.schedule_campaign(
            chain.id, campaign.id, {"kind": "now", "fresh_hours": 168}, by=SYSTEM, now=NOON - 10 * MINUTE
        )
    runs.start_due_batch(now=NOON)

    tries = tried_until_it_ends()

    assert only().state == "failed"
    assert 2 * DAY < tries[-1] < 3 * DAY <= tries[-1] + wait_before(len(tries), only().id)
    waits = [after - before for before, after in pairwise(tries)]
    assert waits == sorted(waits)
    assert max(waits) <= 6 * HOUR * 1.2


def test_a_provider_may_say_when_to_come_back():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))

    send("email", Failing(RetryError("429", after=HOUR)))

    assert only().due_at == NOON + HOUR


def test_a_channel_that_breaks_is_not_the_end_of_the_batch():
    chain = make_chain()
    code = make_code(chain)
    for n in range(3):
        make_member(code, email=f"m{n}@example.com")
    start(make_campaign(chain, "email"))

    send("email", Failing(KeyError("a bug of ours")))

    assert Counter(row.state for row in deliveries()) == {"pending": 1, "sent": 2}
    assert [row.error for row in deliveries() if row.error] == ["internal: KeyError"]


# --- leases and workers


def test_a_dead_workers_rows_are_taken_again_when_its_lease_ends():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))

    dead = MemoryChannel()
    with pytest.MonkeyPatch.context() as patch:  # the process is gone before it could note anything
        patch.setattr("push.delivering.handing_over.note_batch", lambda *_, **__: None)
        send("email", dead)
    assert only().state == "sending"
    assert send("email", MemoryChannel(), now=NOON + MINUTE) == 0
    after = MemoryChannel()
    send("email", after, now=NOON + 2 * MINUTE)

    assert [m.key for m in after.sent] == [m.key for m in dead.sent]
    assert (only().state, only().attempts) == ("sent", 2)


def test_a_worker_that_dies_at_the_last_attempt_leaves_a_failure_not_a_riddle():
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))
    with transaction():
        row = db.session.get_one(Delivery, only().id)
        row.state, row.attempts, row.leased_until = "sending", MAX_ATTEMPTS, NOON

    assert send("email", MemoryChannel(), now=NOON + MINUTE) == 0
    sweep_batch(now=NOON + MINUTE)

    assert (only().state, only().error) == ("failed", "no result")


def test_a_late_success_beats_the_retry_that_came_between(app):
    chain = make_chain()
    make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email"))

    def other():
        with app.app_context():
            send("email", Failing(RetryError("busy")), now=NOON + 3 * MINUTE)

    class Slow(MemoryChannel):
        async def send(self, message):
            second_worker = threading.Thread(target=other)
            second_worker.start()
            second_worker.join()
            return await super().send(message)

    send("email", Slow())

    assert (only().state, only().attempts) == ("sent", 2)


def test_a_worker_that_is_stopping_gives_back_what_it_has_not_sent():
    chain = make_chain()
    code = make_code(chain)
    for n in range(5):
        make_member(code, email=f"m{n}@example.com")
    start(make_campaign(chain, "email"))
    out = MemoryChannel()

    send("email", out, is_stopping=lambda: len(out.sent) >= 2)

    assert Counter((row.state, row.attempts) for row in deliveries()) == {("sent", 1): 2, ("pending", 0): 3}
    assert len(send_all()["email"].sent) == 3


def test_a_message_that_hangs_holds_up_no_other_and_results_are_noted_meanwhile(app, monkeypatch):
    """Forty rows in batches of ten: one of the first hangs, and is given an answer when all the others are noted."""
    monkeypatch.setattr(sending, "BATCH", 10)
    monkeypatch.setattr(handing_over, "GROUP_SECONDS", 0.05)
    chain = make_chain()
    code = make_code(chain)
    for n in range(40):
        make_member(code, email=f"m{n}@example.com")
    start(make_campaign(chain, "email"))
    seen = []

    def count_sent():
        with app.app_context():
            return db.session.scalar(db.select(db.func.count(Delivery.id)).where(Delivery.state == "sent"))

    class Hanging(MemoryChannel):
        async def send(self, message):
            if message.to == "m3@example.com":
                until = time.monotonic() + 20
                while not seen and time.monotonic() < until:
                    await asyncio.sleep(0.05)
                    if await asyncio.to_thread(count_sent) == 39:
                        seen.append(39)
            return await super().send(message)

    assert send("email", Hanging(parallel=4)) == 40

    assert seen == [39]
    assert outcomes() == {("email", "sent", None): 40}


def test_workers_share_a_run_without_doing_anything_twice(app, monkeypatch):
    monkeypatch.setattr(sending, "BATCH", 7)
    chain = make_chain()
    code = make_code(chain)
    for n in range(240):
        make_member(code, email=f"m{n}@example.com")
    start(make_campaign(chain, "email"))
    outs = [MemoryChannel() for _ in range(4)]

    def work(number):
        while send("email", outs[number]):
            pass

    race(app, work, racers=4)

    keys = [message.key for out in outs for message in out.sent]
    assert len(keys) == len(set(keys)) == 240
    assert outcomes() == {("email", "sent", None): 240}


def test_inbox_workers_share_a_run_without_doing_anything_twice(app, monkeypatch):
    monkeypatch.setattr(sending, "INBOX_BATCH", 7)
    chain = make_chain()
    offer = make_offer(chain, stock=1000)
    code = make_code(chain)
    for _ in range(60):
        make_member(code)
    start(make_campaign(chain, offer_id=offer.id))

    def work(_):
        while deliver_inbox_batch(now=NOON):
            pass

    race(app, work, racers=4)

    assert outcomes() == {("inbox", "delivered", None): 60}
    assert db.session.scalar(db.select(db.func.count(Coupon.id))) == 60


# --- the offer that is handed out


def coupons_of(member_id):
    db.session.commit()
    return db.session.scalars(db.select(Coupon).filter_by(member_id=member_id)).all()


def test_the_coupon_comes_with_the_message_once_for_all_channels():
    chain = make_chain()
    with transaction():
        set_policy(chain.id, Policy(0, 0, 5, 5), by=SYSTEM, now=NOON)
    offer = make_offer(chain, stock=10)
    card = make_member(make_code(chain), email="a@example.com", phone="+8613800000001")
    start(make_campaign(chain, *EVERY, offer_id=offer.id))

    outs = send_all()

    (coupon,) = coupons_of(card.member_id)
    assert (coupon.source, coupon.card_id) == ("campaign", card.id)
    assert {row.coupon_id for row in deliveries()} == {coupon.id}
    assert outs["email"].sent[0].coupon == "满30减5"


def test_workers_of_two_channels_give_one_coupon(app):
    chain = make_chain()
    offer = make_offer(chain, per_member_limit=5)
    code = make_code(chain)
    cards = [make_member(code, email=f"m{n}@example.com") for n in range(12)]
    start(make_campaign(chain, "inbox", "email", offer_id=offer.id))

    def work(number):
        if number % 2:
            deliver_inbox_batch(now=NOON)
        else:
            send("email", MemoryChannel())

    race(app, work, racers=4)

    assert {len(coupons_of(card.member_id)) for card in cards} == {1}


def test_a_retry_brings_no_second_coupon():
    chain = make_chain()
    offer = make_offer(chain, per_member_limit=5)
    card = make_member(make_code(chain), email="a@example.com")
    start(make_campaign(chain, "email", offer_id=offer.id))
    send("email", Failing(RetryError("busy")))

    send_all(now=NOON + HOUR)

    assert len(coupons_of(card.member_id)) == 1
    assert only().state == "sent"


def test_a_sold_out_offer_promises_nothing():
    chain = make_chain()
    offer = make_offer(chain, stock=1)
    code = make_code(chain)
    for n in range(3):
        make_member(code, email=f"m{n}@example.com")
    run = start(make_campaign(chain, "email", offer_id=offer.id))

    sent = send_all()["email"].sent

    assert len(sent) == 1
    assert outcomes() == {("email", "sent", None): 1, ("email", "failed", None): 2}
    assert runs.count_errors(run.id) == [("offer_sold_out", 2)]
    sums_add_up()


def test_more_members_than_coupons_over_two_channels_are_told_only_of_what_they_have():
    chain = make_chain()
    offer = make_offer(chain, stock=7)
    code = make_code(chain)
    cards = [make_member(code, email=f"m{n}@example.com") for n in range(20)]
    start(make_campaign(chain, "inbox", "email", offer_id=offer.id))

    sent = send_all()["email"].sent

    with_coupon = {card.member_id for card in cards if coupons_of(card.member_id)}
    assert len(with_coupon) == len(sent) == 7
    assert outcomes() == {
        ("inbox", "delivered", None): 7,
        ("inbox", "failed", None): 13,
        ("email", "sent", None): 7,
        ("email", "failed", None): 13,
    }
    assert {row.member_id for row in deliveries() if row.coupon_id} == with_coupon
    sums_add_up()


def test_an_offer_with_a_days_limit_is_handed_out_up_to_it():
    chain = make_chain()
    offer = make_offer(chain, stock=100, per_day_limit=3)
    code = make_code(chain)
    for _ in range(5):
        make_member(code)
    run = start(make_campaign(chain, offer_id=offer.id))

    send_all()

    assert outcomes() == {("inbox", "delivered", None): 3, ("inbox", "failed", None): 2}
    assert runs.count_errors(run.id) == [("offer_day_limit_reached", 2)]


def test_who_has_the_coupon_already_is_not_told_again():
    chain = make_chain()
    offer = make_offer(chain)
    make_member(make_code(chain))
    for _ in range(2):
        start(make_campaign(chain, offer_id=offer.id))
        send_all()

    assert outcomes() == {("inbox", "delivered", None): 1, ("inbox", "skipped", "duplicate"): 1}


def test_an_offer_paused_meanwhile_is_not_handed_out():
    chain = make_chain()
    offer = make_offer(chain)
    make_member(make_code(chain))
    start(make_campaign(chain, offer_id=offer.id))
    with transaction():
        offers.pause(chain.id, offer.id, by=SYSTEM, now=NOON)

    send_all()

    assert (only().state, only().error) == ("failed", "offer_not_running")
