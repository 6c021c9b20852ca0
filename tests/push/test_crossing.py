"""What happens at the same moment, in an order that nobody expected: nothing is lost, nothing comes twice."""

import asyncio
from datetime import timedelta
from threading import Thread

import pytest

from core.audit import SYSTEM
from core.db import db, transaction
from coupons.models import Coupon
from push import campaigns, runs
from push.audiences.consents import grant
from push.channels import Handed, PermanentError, UnansweredError
from push.channels.models import EarlyReceipt
from push.channels.receipts import Receipt, ReceiptStatus, take_early_batch, take_receipts
from push.channels.wechat_users import allow, know_user
from push.delivering import handing_over, sending
from push.delivering.deciding import take_batch
from push.delivering.models import ChannelState
from push.models import Campaign, ChannelMode, Delivery, PushChannel, Run
from push.rewording import Wording, reword_campaign
from push.sweeping import sweep_batch
from push.timing.entering import enter_batch
from push.timing.policies import Policy, set_policy
from push.watching import retry_failed
from push.wording.vendor_templates import NewTemplate, create_template
from tests.concurrency.racing import race
from tests.factories import NOON, make_chain, make_coupon, make_offer, make_store, make_store_code
from tests.push.memory import MemoryChannel
from tests.push.pushing import (
    deliveries,
    make_campaign,
    make_member,
    outcomes,
    schedule,
    send,
    send_all,
    start,
)
from tests.push.webhooks import listen, messages

pytestmark = pytest.mark.usefixtures("app")
MINUTE = timedelta(minutes=1)
NEW = {"title": "改好了", "title_en": "Put right", "body": "今天第三份半价。", "body_en": "The third half price."}


@pytest.fixture
def chain():
    made = make_chain()
    with transaction():
        set_policy(made.id, Policy(0, 0, 9, 9), by=SYSTEM, now=NOON)
    return made


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


class Broken(MemoryChannel):
    async def send(self, message):
        raise PermanentError("no such address")


def reword(campaign, *, now=NOON, **words):
    def do(verb, *more):
        with transaction():
            return verb(campaign.chain_id, campaign.id, *more, by=SYSTEM, now=now)

    do(campaigns.pause_campaign)
    moved = do(reword_campaign, Wording(**NEW | words))
    do(campaigns.resume_campaign)
    return moved


def sums_add_up():
    db.session.commit()
    for run_id, sums in runs.count_sums(list(db.session.scalars(db.select(Run.id)))).items():
        assert sums.audience == db.session.scalar(db.select(Run.audience_count).where(Run.id == run_id))


def first_of(campaign):
    with transaction():
        db.session.get_one(Campaign, campaign.id).channel_mode = ChannelMode.FIRST
    return campaign


# --- an event and the clock


def test_who_is_entered_while_a_run_of_that_moment_began_goes_at_the_next(chain, code):
    campaign = make_campaign(chain, "inbox")
    schedule(campaign, {"kind": "event", "event": "joined", "days": 0}, now=NOON - timedelta(hours=1))
    runs.start_due_batch(now=NOON)
    for minute in (1, 2):
        make_member(code, now=NOON + minute * MINUTE)
        enter_batch(now=NOON + minute * MINUTE)
        assert runs.start_entered_batch(now=NOON + 5 * MINUTE) == 2 - minute  # 0 at last, or the clock would never rest

    assert runs.start_entered_batch(now=NOON + 6 * MINUTE) == 1
    assert len(deliveries(campaign)) == 2


# --- other words


def test_the_words_change_between_two_channels_and_the_member_has_one_coupon(chain, code):
    card = make_member(code, email="a@example.com")
    campaign = make_campaign(chain, "inbox", "email", offer_id=make_offer(chain, per_member_limit=5).id)
    start(campaign)
    with transaction():
        for row in deliveries(campaign):
            if row.channel == "email":
                db.session.merge(row).due_at = NOON + MINUTE
    send_all()

    reword(campaign)
    out = send_all(now=NOON + MINUTE)["email"]

    (coupon,) = db.session.scalars(db.select(Coupon).filter_by(member_id=card.member_id))
    assert {row.coupon_id for row in deliveries(campaign)} == {coupon.id}
    assert [message.title for message in out.sent] in ([NEW["title"]], [NEW["title_en"]])


def test_new_words_still_name_the_coupon_that_is_about_to_expire(chain, code):
    card = make_member(code, email="a@example.com", language="zh")
    campaign = make_campaign(chain, "email")
    schedule(campaign, {"kind": "event", "event": "coupon_expiring", "days": 3}, now=NOON - timedelta(hours=1))
    runs.start_due_batch(now=NOON)
    make_coupon(make_offer(chain), card, valid_until=NOON + timedelta(days=2))
    enter_batch(now=NOON)
    runs.start_entered_batch(now=NOON)

    assert reword(campaign, body="{coupon} 快过期了。") == 1
    (message,) = send_all()["email"].sent

    assert message.body == "满30减5 快过期了。"


def test_the_sums_hold_when_the_next_channel_is_tried_while_the_words_change(chain, code, monkeypatch):
    """A message that was on its way when the run was paused fails in the very moment of the rewording."""
    from push import rewording

    for n in range(3):
        make_member(code, email=f"m{n}@example.com", phone=f"+861380000000{n}")
    campaign = first_of(make_campaign(chain, "email", "gateway"))
    run = start(campaign)
    free_time = rewording._free_time

    def meanwhile(seen):
        db.session.execute(
            db.update(Run)
            .where(Run.id == seen.id)
            .values(audience_count=Run.audience_count + 1)
            .execution_options(synchronize_session=False)
        )
        row = deliveries_now(seen.id)[0]
        kept = ("chain_id", "campaign_id", "run_id", "member_id", "card_id", "due_at", "attempts")
        db.session.add(
            Delivery(**{name: getattr(row, name) for name in kept}, channel="gateway", state="failed", variant="A")
        )
        db.session.flush()
        return free_time(seen)

    monkeypatch.setattr(rewording, "_free_time", meanwhile)
    reword(campaign)

    sums_add_up()
    assert db.session.get_one(Run, run.id, populate_existing=True).audience_count == 1


def deliveries_now(run_id):
    return db.session.scalars(db.select(Delivery).where(Delivery.run_id == run_id).order_by(Delivery.id)).all()


# --- the next channel


def test_what_went_over_the_next_channel_is_not_tried_again_over_the_first(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001")
    campaign = first_of(make_campaign(chain, "email", "gateway"))
    run = start(campaign)
    send("email", Broken())
    send("gateway", MemoryChannel())

    with transaction():
        assert retry_failed(chain.id, run.id, by=SYSTEM, now=NOON) == 0
    assert outcomes() == {("email", "failed", None): 1, ("gateway", "sent", None): 1}


def test_of_two_channels_that_failed_the_last_is_tried_again(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001")
    campaign = first_of(make_campaign(chain, "email", "gateway"))
    run = start(campaign)
    send("email", Broken())
    send("gateway", Broken())

    with transaction():
        assert retry_failed(chain.id, run.id, by=SYSTEM, now=NOON) == 1
    assert outcomes() == {("email", "failed", None): 1, ("gateway", "pending", None): 1}


def test_where_the_next_channel_was_of_no_use_the_first_is_tried_again(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001", agrees_to=("email",))
    campaign = first_of(make_campaign(chain, "email", "gateway"))
    run = start(campaign)
    send("email", Broken())
    send("gateway", MemoryChannel())
    assert outcomes() == {("email", "failed", None): 1, ("gateway", "skipped", "opted_out"): 1}

    with transaction():
        assert retry_failed(chain.id, run.id, by=SYSTEM, now=NOON) == 1


# --- results and receipts


class Answering(MemoryChannel):
    """The provider's receipt is here before we have noted that the message went."""

    def __init__(self):
        super().__init__(parallel=4)

    async def send(self, message):
        with transaction():
            named = Receipt(ReceiptStatus.DELIVERED, message_key=message.key)
            assert take_receipts(PushChannel.GATEWAY, [named], source="test", now=NOON) == 1
        await super().send(message)
        return Handed(ref=f"ref-{message.key}")


def test_a_receipt_before_our_own_note_is_told_to_partners_once(chain, code):
    make_member(code, phone="+8613800000001")
    listen(chain, "http://127.0.0.1:9/", "delivery.delivered", "delivery.sent")
    start(make_campaign(chain, "gateway"))
    out = Answering()

    send("gateway", out, clock=lambda: NOON + timedelta(seconds=3))

    (row,) = deliveries()
    (told,) = messages()
    assert (row.state, told.kind) == ("delivered", "delivery.delivered")
    assert row.provider_ref == f"ref-{out.sent[0].key}"  # what is told later may name it


class Away(Exception):
    """The database."""


def test_results_are_kept_while_the_database_takes_none(chain, code, monkeypatch):
    for n in range(12):
        make_member(code, phone=f"+86138{n:08d}")
    start(make_campaign(chain, "gateway"))
    monkeypatch.setattr(handing_over, "GROUP", 4)
    monkeypatch.setattr(handing_over, "GROUP_SECONDS", 0.01)
    note, tries = handing_over.note_batch, []

    def failing(name, results, leave, *, now):
        tries.append(len(results))
        if results and len(tries) < 5:
            raise Away()
        return note(name, results, leave, now=now)

    monkeypatch.setattr(handing_over, "note_batch", failing)
    out = MemoryChannel(parallel=2)
    send("gateway", out)

    assert 4 <= len(out.sent) < 12  # nothing more is tried meanwhile
    assert outcomes() == {
        ("gateway", "sent", None): len(out.sent),
        ("gateway", "pending", None): 12 - len(out.sent),
    }
    monkeypatch.setattr(handing_over, "note_batch", note)
    send("gateway", out)
    assert len({message.key for message in out.sent}) == len(out.sent) == 12


def test_a_database_that_stays_away_is_not_waited_for_for_ever(chain, code, monkeypatch):
    make_member(code, phone="+8613800000001")
    start(make_campaign(chain, "gateway"))
    monkeypatch.setattr(handing_over, "PATIENCE_SECONDS", 0.0)

    def away(*_, **__):
        raise Away()

    monkeypatch.setattr(handing_over, "note_batch", away)
    with pytest.raises(Away):
        send("gateway", MemoryChannel())


def test_what_is_on_its_way_is_noted_when_taking_more_breaks(chain, code, monkeypatch):
    for n in range(8):
        make_member(code, phone=f"+86138{n:08d}")
    start(make_campaign(chain, "gateway"))
    monkeypatch.setattr(sending, "BATCH", 4)
    take_batch, taken = sending.take_batch, []

    def breaking(*args, **more):
        taken.append(1)
        if len(taken) > 1:
            raise Away()
        return take_batch(*args, **more)

    monkeypatch.setattr(sending, "take_batch", breaking)
    out = Slow(parallel=6)
    with pytest.raises(Away):
        send("gateway", out)

    assert len(out.sent) == 4
    assert outcomes() == {("gateway", "sent", None): 4, ("gateway", "pending", None): 4}


class Slow(MemoryChannel):
    async def send(self, message):
        await asyncio.sleep(0.2)
        return await super().send(message)


# --- people change their minds while it goes


@pytest.mark.parametrize(
    ("verb", "rest"), [("pause_campaign", "pending"), ("cancel_campaign", "skipped")], ids=["paused", "cancelled"]
)
def test_a_run_that_is_stopped_by_a_person_stops_in_the_middle_of_a_batch(chain, code, monkeypatch, verb, rest):
    monkeypatch.setattr(sending, "LOOK_SECONDS", 0.0)
    for n in range(20):
        make_member(code, phone=f"+86138{n:08d}")
    campaign = make_campaign(chain, "gateway")
    start(campaign)

    class Stopped(MemoryChannel):
        async def send(self, message):
            if len(self.sent) == 4:
                with transaction():
                    getattr(campaigns, verb)(chain.id, campaign.id, by=SYSTEM, now=NOON)
            return await super().send(message)

    out = Stopped()
    send("gateway", out)
    sweep_batch(now=NOON)

    assert len(out.sent) == 5  # with the one that was being handed over
    reason = "stale" if rest == "skipped" else None
    assert outcomes() == {("gateway", "sent", None): 5, ("gateway", rest, reason): 15}
    sums_add_up()


# --- a slow pace


def test_of_two_workers_at_a_slow_pace_the_second_holds_nothing_it_cannot_send_in_time(app, chain, code):
    """Its slot would come after its lease had ended, when another would have sent it."""
    for n in range(6):
        make_member(code, phone=f"+86138{n:08d}")
    start(make_campaign(chain, "gateway"))
    out = MemoryChannel(parallel=4)

    looked_at = race(app, lambda _: send("gateway", out, rate=1 / 60, lease=timedelta(seconds=60)), racers=3)

    assert sum(looked_at) == len(out.sent) == 1
    assert outcomes() == {("gateway", "sent", None): 1, ("gateway", "pending", None): 5}
    db.session.commit()
    state = db.session.get(ChannelState, "gateway")
    assert state.next_slot_at == NOON + MINUTE  # no slot is lost


def test_a_worker_that_is_stopping_waits_for_no_slot(chain, code):
    for n in range(4):
        make_member(code, phone=f"+86138{n:08d}")
    start(make_campaign(chain, "gateway"))
    out = MemoryChannel()

    send("gateway", out, rate=2.0, is_stopping=lambda: bool(out.sent))

    assert len(out.sent) == 1
    assert outcomes() == {("gateway", "sent", None): 1, ("gateway", "pending", None): 3}


# --- providers that drop no second message


def test_what_a_dead_worker_had_in_its_hands_is_not_repeated_where_nobody_drops_a_second_one(chain, code):
    name = "wechat_subscription"
    card = make_member(code)
    with transaction():
        know_user(chain.id, card.member_id, "o-lin", is_following=True, by=SYSTEM, now=NOON)
        grant(card.member_id, name, "test", NOON)
        allow(chain.id, card.member_id, "T-1", 2, now=NOON)
        create_template(
            chain.id, NewTemplate(PushChannel(name), "T-1", "券到账", "zh", {"thing1": "{title}"}), by=SYSTEM, now=NOON
        )
    start(make_campaign(chain, name, texts={"A": {name: {"zh": {"template": "T-1"}}}}))
    with transaction():
        assert take_batch(PushChannel(name), now=NOON, lease=MINUTE, limit=9).looked_at == 1
    out = MemoryChannel()

    later = NOON + 5 * MINUTE
    assert send(name, out, now=later) == 0
    sweep_batch(now=later)

    assert out.sent == []
    assert [(row.state, row.error) for row in deliveries()] == [("failed", "no result")]


def test_an_unanswered_message_is_not_repeated_once_the_provider_may_have_forgotten_it(chain, code):
    class Silent(MemoryChannel):
        async def send(self, message):
            await super().send(message)
            problem = UnansweredError("wechat: TimeoutError")
            problem.drops_within = 10 * MINUTE
            raise problem

    make_member(code, phone="+8613800000001")
    start(make_campaign(chain, "gateway"))
    out, now = Silent(), NOON
    while send("gateway", out, now=now) or now < NOON + timedelta(hours=1):
        now += MINUTE

    assert len(out.sent) == 3  # at once, after half a minute, after two more: the next would come too late
    assert outcomes() == {("gateway", "failed", None): 1}


# --- a run that ends while it is given work


def test_a_run_is_not_over_when_it_was_given_work_as_the_clock_looked(app, database, chain, code):
    """The clock waits for whoever gives the run work, and then looks again; it has it otherwise, the run goes on."""
    make_member(code, email="a@example.com")
    campaign = make_campaign(chain, "email")
    run = start(campaign)
    send("email", Broken())
    clock = Thread(target=lambda: finish(app))
    with transaction():
        assert retry_failed(chain.id, run.id, by=SYSTEM, now=NOON) == 1
        clock.start()
        clock.join(0.7)
    clock.join(20)

    db.session.commit()
    assert db.session.get_one(Run, run.id, populate_existing=True).state == "running"
    assert campaigns.get_campaign(chain.id, campaign.id).state == "running"


def finish(app):
    with app.app_context():
        runs.finish_batch(now=NOON)


class Reporting(MemoryChannel):
    """It names the message by its own reference, and tells what became of it before we have noted that."""

    def __init__(self, status):
        super().__init__()
        self.status = status

    async def send(self, message):
        await super().send(message)
        named = Receipt(self.status, ref=f"ref-{message.key}", error="no such phone")
        with transaction():
            take_receipts(PushChannel.GATEWAY, [named], source="test", now=NOON)
        return Handed(ref=f"ref-{message.key}")


def test_a_receipt_that_names_a_reference_we_have_not_noted_is_kept_until_we_have(chain, code):
    make_member(code, phone="+8613800000001")
    start(make_campaign(chain, "gateway"))
    send("gateway", Reporting(ReceiptStatus.DELIVERED))
    assert outcomes() == {("gateway", "sent", None): 1}

    assert take_early_batch(now=NOON + MINUTE) == 1
    assert take_early_batch(now=NOON + MINUTE) == 0

    (row,) = deliveries()
    assert (row.state, row.delivered_at) == ("delivered", NOON)


def test_a_failure_told_too_early_still_lets_the_next_channel_have_its_turn(chain, code):
    make_member(code, email="a@example.com", phone="+8613800000001")
    campaign = first_of(make_campaign(chain, "gateway", "email"))
    with transaction():
        db.session.get_one(Campaign, campaign.id).channels = ["gateway", "email"]
    start(campaign)
    send("gateway", Reporting(ReceiptStatus.FAILED))
    take_early_batch(now=NOON)
    send("email", MemoryChannel())

    assert outcomes() == {("gateway", "failed", None): 1, ("email", "sent", None): 1}
    sums_add_up()


def test_a_reference_that_is_nobodys_is_forgotten_within_the_hour(chain):
    with transaction():
        assert (
            take_receipts(
                PushChannel.GATEWAY, [Receipt(ReceiptStatus.DELIVERED, ref="another-shop")], source="test", now=NOON
            )
            == 0
        )
    assert take_early_batch(now=NOON + MINUTE) == 0
    assert db.session.query(EarlyReceipt).count() == 1

    take_early_batch(now=NOON + 61 * MINUTE)
    db.session.commit()
    assert db.session.query(EarlyReceipt).count() == 0
