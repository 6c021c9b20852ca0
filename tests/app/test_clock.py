"""The clock: one has the duty, another stands by; what is due starts once; nights come once."""

from datetime import UTC, datetime, timedelta

import pytest

from app import clock as clock_module
from app.clock import LEASED_FOR, Clock, build_scheduler, next_night
from core.clock import utc_now
from core.db import db, transaction
from core.events import Event
from core.hot import this_transaction
from coupons.claiming import claim
from coupons.models import Coupon
from push.models import Run
from push.runs import start_due_batch
from stores.models import Chain
from tests.concurrency.racing import race
from tests.factories import NOON, make_card, make_chain, make_offer, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member, outcomes, schedule, send_all, state_of

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def make_code(chain):
    return make_store_code(make_store(chain))


def test_a_tick_starts_what_is_due_and_a_later_one_ends_it(app):
    chain = make_chain()
    make_member(make_code(chain))
    campaign = schedule(make_campaign(chain), now=NOON - 10 * MINUTE)
    clock = Clock(app)

    clock.tick(NOON)
    db.session.commit()
    assert state_of(campaign) == "running"
    send_all()
    clock.tick(NOON + 5 * SECOND)
    db.session.commit()

    assert state_of(campaign) == "finished"
    assert outcomes() == {("inbox", "delivered", None): 1}


def test_a_second_clock_stands_by(app):
    first, second = Clock(app, "first"), Clock(app, "second")

    assert first.tick(NOON)
    assert not second.tick(NOON + 5 * SECOND)
    assert first.tick(NOON + 10 * SECOND)
    assert not second.tick(NOON + 29 * SECOND)


def test_each_minute_a_chain_hears_that_its_stock_is_gone(app):
    offer = make_offer(make_chain(), stock=1)
    card = make_card(make_code(db.session.get_one(Chain, offer.chain_id)))
    with transaction():
        claim(this_transaction(), offer.id, card_id=card.id, now=NOON)
    clock = Clock(app)

    assert clock.minute(NOON)
    assert not Clock(app, "second").minute(NOON + 5 * SECOND)
    assert clock.minute(NOON + 10 * SECOND)
    db.session.commit()

    kinds = db.session.scalars(db.select(Event.kind).order_by(Event.id)).all()
    assert kinds.count("offer.sold_out") == 1


def test_it_takes_over_when_the_first_is_gone(app):
    first, second = Clock(app, "first"), Clock(app, "second")
    first.tick(NOON)

    assert second.tick(NOON + LEASED_FOR)
    assert not first.tick(NOON + LEASED_FOR + SECOND)


def test_a_clock_that_ends_in_order_hands_over_at_once(app):
    first, second = Clock(app, "first"), Clock(app, "second")
    first.tick()

    first.retire()

    assert second.tick()


def test_a_clock_without_the_duty_starts_nothing(app):
    campaign = schedule(make_campaign(make_chain()), now=NOON - 10 * MINUTE)
    Clock(app, "first").tick(NOON - MINUTE)

    Clock(app, "second").tick(NOON - 50 * SECOND)
    db.session.commit()

    assert state_of(campaign) == "scheduled"


def test_clocks_at_once_start_a_campaign_once(app):
    """Even if every one of them believed it had the duty."""
    chain = make_chain()
    make_member(make_code(chain))
    schedule(make_campaign(chain), now=NOON - 10 * MINUTE)

    race(app, lambda _: start_due_batch(now=NOON), racers=8)
    db.session.commit()

    assert db.session.scalar(db.select(db.func.count(Run.id))) == 1
    assert outcomes() == {("inbox", "pending", None): 1}


def test_the_night_expires_coupons_whose_time_is_over(app):
    chain = make_chain()
    offer = make_offer(chain, valid_days=2, per_member_limit=2)
    card = make_card(make_code(chain))
    for now in (NOON, NOON + DAY):
        with transaction():
            claim(this_transaction(), offer.id, card_id=card.id, now=now)

    Clock(app).night(NOON + 2 * DAY)
    db.session.commit()

    states = db.session.scalars(db.select(Coupon.state).order_by(Coupon.id)).all()
    assert states == ["expired", "claimed"]


def test_each_chain_has_its_night_once_and_by_its_own_clock(app):
    shanghai, london = make_chain(), make_chain("london", timezone="Europe/London")
    clock = Clock(app, "one")
    evening = datetime(2026, 5, 20, 10, tzinfo=UTC)
    clock.night(evening)  # the first time for both

    nights = {}
    for hour in range(1, 30):
        for chain_id in clock.night(evening + timedelta(hours=hour)):
            nights.setdefault(chain_id, []).append((evening + timedelta(hours=hour)).hour)

    assert nights == {shanghai.id: [19], london.id: [2]}  # 03:00 there, in UTC


def test_a_night_that_failed_is_tried_again(app, monkeypatch):
    chain = make_chain()
    tries = []

    def broken(chain_id, now):
        tries.append(chain_id)
        if len(tries) == 1:
            raise RuntimeError("the disk is full")

    monkeypatch.setattr(clock_module, "NIGHTLY", [broken])
    with pytest.raises(RuntimeError):
        Clock(app, "one").night(NOON)
    Clock(app, "one").night(NOON + MINUTE)
    Clock(app, "one").night(NOON + 2 * MINUTE)

    assert tries == [chain.id, chain.id]


def test_each_night_the_planner_of_sqlite_counts_anew_and_autovacuum_does_so_on_postgresql(app, count_queries):
    make_chain()
    count_queries.clear()

    Clock(app, "one").night(NOON)

    is_sqlite = db.engine.dialect.name == "sqlite"
    assert [statement for statement in count_queries if statement == "ANALYZE"] == ["ANALYZE"] * is_sqlite


def test_three_in_the_morning_comes_every_day_also_when_the_clocks_change():
    moment = datetime(2026, 3, 27, tzinfo=UTC)
    nights = []
    while len(nights) < 4:
        moment = next_night("Europe/London", moment)
        nights.append(moment.hour)

    assert nights == [3, 3, 2, 2]


def test_the_jobs_never_pile_up(app):
    scheduler = build_scheduler(Clock(app))
    jobs = scheduler._pending_jobs

    assert {job.id for job, _, _ in jobs} == {"tick", "minute", "night"}
    assert scheduler._job_defaults == {"coalesce": True, "max_instances": 1, "misfire_grace_time": 60}


def test_the_commands_look_once(app):
    chain = make_chain()
    make_member(make_code(chain))
    campaign = schedule(make_campaign(chain), now=utc_now() - 10 * MINUTE)
    runner = app.test_cli_runner()

    for command in ("clock", "worker", "clock"):
        answer = runner.invoke(args=[command, "--once"])
        assert answer.exit_code == 0, answer.output
    db.session.commit()

    assert state_of(campaign) == "finished"


def test_a_job_that_fails_in_one_chain_holds_up_no_other(app, monkeypatch):
    first, second = make_chain("first"), make_chain("second")
    done = []

    def job(chain_id, now):
        if chain_id == first.id:
            raise RuntimeError("broken")
        done.append(chain_id)

    monkeypatch.setattr(clock_module, "MINUTELY", [job])

    with pytest.raises(RuntimeError):
        clock_module.Clock(app).minute(NOON)

    assert done == [second.id]
