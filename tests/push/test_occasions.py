"""Campaigns that wait for something to happen to a member."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from cards.models import Card, Member, Tier
from core.audit import SYSTEM
from core.db import db, transaction
from coupons.models import Coupon, CouponState
from push import campaigns, runs
from push.audiences import freezing
from push.audiences.models import CampaignEntry
from push.models import Campaign
from push.timing import entering
from push.timing.entering import enter_batch
from tests.factories import make_chain, make_coupon, make_offer, make_store, make_store_code
from tests.push.pushing import deliveries, make_campaign, make_member, send_all, state_of
from tests.push.pushing import schedule as schedule_campaign
from tests.push.test_conditions import buy

pytestmark = pytest.mark.usefixtures("app")
MORNING = datetime(2026, 5, 20, 2, tzinfo=UTC)  # 10:00 in Shanghai
DAY = timedelta(days=1)


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def code(chain):
    return make_store_code(make_store(chain))


def waiting(chain, event, days=0, *, audience=None, begun=MORNING, **more):
    """An event campaign that has begun."""
    campaign = make_campaign(chain, "inbox", audience=audience)
    schedule_campaign(campaign, {"kind": "event", "event": event, "days": days} | more, now=begun - timedelta(hours=1))
    runs.start_due_batch(now=begun)
    assert state_of(campaign) == "running"
    return campaign


def tick(now):
    """What the clock does; whom it told."""
    enter_batch(now=now)
    while runs.start_entered_batch(now=now):
        pass
    send_all(now=now)
    runs.finish_batch(now=now)


def told(campaign):
    return sorted(row.member_id for row in deliveries(campaign))


def wait_other_days(campaign, days, now):
    """Head office changes how many days the campaign waits."""
    with transaction():
        campaigns.pause_campaign(campaign.chain_id, campaign.id, by=SYSTEM, now=now)
        db.session.get_one(Campaign, campaign.id).schedule = {**campaign.schedule, "days": days}
    with transaction():
        campaigns.resume_campaign(campaign.chain_id, campaign.id, by=SYSTEM, now=now)


def test_who_joins_after_it_began_is_told_once(chain, code):
    make_member(code, now=MORNING - DAY)
    campaign = waiting(chain, "joined")
    new = make_member(code, now=MORNING + timedelta(minutes=5))
    for minutes in (6, 7, 8):
        tick(MORNING + timedelta(minutes=minutes))

    assert told(campaign) == [new.member_id]
    assert state_of(campaign) == "running"


def test_so_many_days_after_joining_means_those_days(chain, code):
    campaign = waiting(chain, "joined", 3)
    new = make_member(code, now=MORNING + timedelta(minutes=5))
    tick(MORNING + 3 * DAY)
    before = told(campaign)
    tick(MORNING + 3 * DAY + timedelta(minutes=5))

    assert (before, told(campaign)) == ([], [new.member_id])


def test_a_birthday_comes_once_a_year_at_its_hour(chain, code):
    member = make_member(code, birthday="05-21")
    make_member(code, birthday="05-22")
    make_member(code)
    campaign = waiting(chain, "birthday")
    tick(datetime(2026, 5, 21, 1, 59, tzinfo=UTC))
    early = told(campaign)
    for hour in (2, 3, 9):
        tick(datetime(2026, 5, 21, hour, tzinfo=UTC))
    this_year = told(campaign)
    tick(datetime(2027, 5, 21, 3, tzinfo=UTC))

    assert early == []
    assert this_year == [member.member_id]
    assert told(campaign) == [member.member_id] * 2


def test_a_birthday_still_to_come_is_told_late_when_the_clock_was_away_and_one_that_is_over_is_not(chain, code):
    member = make_member(code, birthday="05-23")
    make_member(code, birthday="05-21")
    ahead, on_the_day = waiting(chain, "birthday", 2), waiting(chain, "birthday")
    tick(MORNING + timedelta(minutes=1))
    tick(MORNING + 2 * DAY)  # 21 May went by without a clock

    assert told(ahead) == [member.member_id]
    assert told(on_the_day) == []


def test_at_new_year_a_birthday_belongs_to_its_own_year(chain, code):
    member = make_member(code, birthday="01-02")
    campaign = waiting(chain, "birthday", 3, begun=datetime(2026, 12, 29, 2, tzinfo=UTC))
    for day in (29, 30, 31):
        tick(datetime(2026, 12, day, 3, tzinfo=UTC))
    tick(datetime(2027, 1, 2, 3, tzinfo=UTC))

    assert told(campaign) == [member.member_id]
    assert db.session.scalars(select(CampaignEntry.occasion)).all() == ["birthday:2027"]


def test_a_leap_day_is_kept_on_the_first_of_march(chain, code):
    member = make_member(code, birthday="02-29")
    campaign = waiting(chain, "birthday")
    tick(datetime(2027, 3, 1, 3, tzinfo=UTC))
    tick(datetime(2028, 2, 29, 3, tzinfo=UTC))
    tick(datetime(2028, 3, 1, 3, tzinfo=UTC))

    assert told(campaign) == [member.member_id] * 2


def test_a_coupon_about_to_expire_is_told_of_once_and_a_used_one_never(chain, code):
    offer = make_offer(chain, valid_days=5, per_member_limit=3)
    holder, other = make_member(code), make_member(code)
    make_coupon(holder, offer, now=MORNING)
    campaign = waiting(chain, "coupon_expiring", 2)
    for day in range(6):
        tick(MORNING + day * DAY + timedelta(minutes=1))

    assert told(campaign) == [holder.member_id]
    assert other.member_id not in told(campaign)


def test_only_who_crosses_the_line_after_it_began_has_lapsed_and_a_visit_begins_anew(chain, code):
    make_member(code, now=MORNING - 90 * DAY, last_visit_at=MORNING - 80 * DAY)  # long gone
    member = make_member(code, now=MORNING - 90 * DAY, last_visit_at=MORNING - 29 * DAY)
    campaign = waiting(chain, "lapsed", 30)
    tick(MORNING + timedelta(minutes=1))
    at_first = told(campaign)
    for day in (2, 3):
        tick(MORNING + day * DAY)
    once = told(campaign)
    with transaction():
        db.session.get_one(Member, member.member_id).last_visit_at = MORNING + 5 * DAY
    tick(MORNING + 40 * DAY)

    assert (at_first, once) == ([], [member.member_id])
    assert told(campaign) == [member.member_id] * 2


def test_a_tier_reached_before_it_began_is_no_news(chain, code):
    gold = db.session.scalars(db.select(Tier).filter_by(chain_id=chain.id, rank=1)).one()
    old, new = make_member(code), make_member(code)
    with transaction():
        db.session.get_one(Card, old.id).tier_id = gold.id
    campaign = waiting(chain, "tier_reached")
    tick(MORNING + timedelta(minutes=1))
    with transaction():
        db.session.get_one(Card, new.id).tier_id = gold.id
    for minute in (2, 6, 12):  # it is looked for every five minutes
        tick(MORNING + timedelta(minutes=minute))

    assert told(campaign) == [new.member_id]


def test_the_audience_still_decides(chain, code):
    english = {"all": [{"field": "language", "op": "in", "value": ["en"]}]}
    campaign = waiting(chain, "joined", audience=english)
    make_member(code, now=MORNING + timedelta(minutes=1))
    meant = make_member(code, now=MORNING + timedelta(minutes=1), language="en")
    tick(MORNING + timedelta(minutes=2))

    assert told(campaign) == [meant.member_id]


def test_who_comes_to_belong_to_the_audience_long_after_his_day_is_not_welcomed_any_more(chain, code):
    campaign = waiting(chain, "joined", audience={"all": [{"field": "points", "op": "at_least", "value": 100}]})
    soon, late = (make_member(code, now=MORNING + timedelta(minutes=1)) for _ in range(2))
    tick(MORNING + timedelta(minutes=2))
    for card, day in ((soon, DAY / 2), (None, DAY), (None, 2 * DAY), (late, 3 * DAY)):
        if card is not None:
            with transaction():
                db.session.get_one(Card, card.id).points = 100
        tick(MORNING + day)

    assert told(campaign) == [soon.member_id]


def test_with_other_days_it_looks_at_those_whose_days_were_not_over(chain, code):
    campaign = waiting(chain, "joined", 5)
    member = make_member(code, now=MORNING + timedelta(minutes=1))
    for day in range(4):
        tick(MORNING + day * DAY)
    wait_other_days(campaign, 1, MORNING + 3 * DAY)
    tick(MORNING + 4 * DAY)

    assert told(campaign) == [member.member_id]


@pytest.mark.parametrize("days", [1, 3])
def test_with_other_days_nobody_is_welcomed_who_joined_long_ago(chain, code, days):
    campaign = waiting(chain, "joined", 2, audience={"all": [{"field": "points", "op": "at_least", "value": 100}]})
    old = make_member(code, now=MORNING + timedelta(minutes=1))
    for day in range(30):
        tick(MORNING + day * DAY)
    with transaction():
        db.session.get_one(Card, old.id).points = 100  # he belongs to the audience only now
    wait_other_days(campaign, days, MORNING + 30 * DAY)
    tick(MORNING + 31 * DAY)

    assert told(campaign) == []


def test_the_last_day_of_a_coupon_is_a_business_day_of_the_chain(chain):
    with transaction():
        db.session.merge(chain).cutoff_hour = 4
    campaigns_of = {}
    for zone in ("Asia/Shanghai", "Pacific/Auckland", "America/Los_Angeles"):
        holder = make_member(make_store_code(make_store(chain, timezone=zone)))
        make_coupon(holder, make_offer(chain, valid_days=3), now=MORNING)  # until 4 o'clock on 23 May: the 22nd is last
        campaigns_of[holder.member_id] = zone
    by_chain = waiting(chain, "coupon_expiring", 1)
    by_member = waiting(chain, "coupon_expiring", 1, zone="member")
    first_told = {}
    for hours in range(72):
        now = MORNING + timedelta(hours=hours, minutes=1)
        tick(now)
        for campaign in (by_chain, by_member):
            for member in told(campaign):
                first_told.setdefault((campaign.id, campaigns_of[member]), now.isoformat(" ", "hours")[5:13])

    assert set(told(by_chain)) == set(campaigns_of)
    assert {first_told[by_chain.id, zone] for zone in campaigns_of.values()} == {"05-21 02"}  # ten o'clock in Shanghai
    assert [first_told[by_member.id, zone] for zone in campaigns_of.values()] == ["05-21 02", "05-20 22", "05-21 17"]


def test_who_was_not_let_in_when_it_was_paused_comes_in_when_it_goes_on(chain, code, monkeypatch):
    monkeypatch.setattr(entering, "LOT", 2)
    campaign, offer, holders = waiting(chain, "coupon_expiring", 1), make_offer(chain, valid_days=2), []
    for _ in range(5):
        holders.append(make_member(code))
        make_coupon(holders[-1], offer, now=MORNING)
    write = entering._write

    def write_and_pause(*args, **more):
        campaigns.pause_campaign(chain.id, campaign.id, by=SYSTEM, now=MORNING)
        return write(*args, **more)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(entering, "_write", write_and_pause)
        entered = enter_batch(now=MORNING + timedelta(minutes=1))
    with transaction():
        campaigns.resume_campaign(chain.id, campaign.id, by=SYSTEM, now=MORNING + timedelta(minutes=5))
    tick(MORNING + timedelta(minutes=6))

    assert entered == 2
    assert told(campaign) == sorted(holder.member_id for holder in holders)


@pytest.mark.parametrize(
    "begins",
    [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)],
    ids=["an hour that is skipped", "an hour that comes twice"],
)
def test_where_the_clocks_change_it_looks_at_all_members_once_that_day(chain, code, count_queries, begins):
    with transaction():
        db.session.merge(chain).timezone = "Europe/Berlin"
    waiting(chain, "lapsed", 30, time="02:30", begun=begins - 2 * DAY)
    looked_at = []
    for minutes in range(-60, 240, 5):
        db.session.commit()
        count_queries.clear()
        enter_batch(now=begins + timedelta(minutes=minutes))
        looked_at += [minutes] * any("coalesce(members.last_visit_at" in sql for sql in count_queries)

    assert len(looked_at) == 1


def test_all_coupons_are_looked_through_once_for_many_lots(chain, code, monkeypatch, count_queries):
    monkeypatch.setattr(entering, "LOT", 1)
    campaign, offer = waiting(chain, "coupon_expiring", 1), make_offer(chain, valid_days=2)
    for _ in range(5):
        make_coupon(make_member(code), offer, now=MORNING)
    db.session.commit()
    count_queries.clear()
    assert enter_batch(now=MORNING + timedelta(minutes=1)) == 5

    assert len([sql for sql in count_queries if "min(coupons.id)" in sql]) == 1
    assert len([sql for sql in count_queries if sql.startswith("INSERT INTO campaign_entries")]) == 5
    assert state_of(campaign) == "running"


def test_who_is_where_everybody_begins_is_not_written_down_for_a_tier(chain, code):
    gold = db.session.scalars(db.select(Tier).filter_by(chain_id=chain.id, rank=1)).one()
    risen, _ = make_member(code), make_member(code)
    with transaction():
        db.session.get_one(Card, risen.id).tier_id = gold.id
    waiting(chain, "tier_reached")

    assert db.session.scalars(select(CampaignEntry.member_id)).all() == [risen.member_id]


@pytest.mark.parametrize("few", [10, 2])
def test_where_few_came_in_only_what_they_bought_is_counted(chain, code, count_queries, monkeypatch, few):
    monkeypatch.setattr(freezing, "FEW", few)
    bought = {"all": [{"field": "purchases", "op": "at_least", "value": {"count": 2, "days": None}}]}
    campaign = waiting(chain, "joined", audience=bought)
    buyers = [make_member(code, now=MORNING + timedelta(minutes=1)) for _ in range(3)]
    once = make_member(code, now=MORNING + timedelta(minutes=1))
    earlier = make_member(code, now=MORNING - DAY)
    for card in (*buyers, *buyers, once, earlier, earlier):
        buy(card, at=MORNING + timedelta(minutes=2))
    db.session.commit()
    count_queries.clear()
    tick(MORNING + timedelta(minutes=3))

    (frozen,) = [sql for sql in count_queries if sql.startswith("INSERT INTO deliveries")]
    assert told(campaign) == sorted(card.member_id for card in buyers)
    assert ("checkouts.card_id IN" in frozen) == (few == 10)
    assert "members.id IN (SELECT" not in frozen  # SQLite would go through all of them for each card


def test_who_has_two_occasions_in_one_run_is_told_once(chain, code):
    offer, holder = make_offer(chain, valid_days=2, per_member_limit=2), make_member(code)
    campaign = waiting(chain, "coupon_expiring", 1)
    first, second = (make_coupon(holder, offer, now=MORNING) for _ in range(2))
    enter_batch(now=MORNING + timedelta(minutes=1))
    with transaction():
        db.session.get_one(Coupon, first.id).state = CouponState.VOID
    entering._enter_campaign(campaign.id, now=MORNING + DAY)
    entries = db.session.scalars(select(CampaignEntry.occasion).order_by(CampaignEntry.occasion)).all()
    tick(MORNING + DAY)

    assert entries == [f"coupon:{first.id}", f"coupon:{second.id}"]
    assert told(campaign) == [holder.member_id]


def test_many_at_once_are_let_in_lot_by_lot(chain, code, monkeypatch):
    monkeypatch.setattr(entering, "LOT", 2)
    campaign = waiting(chain, "joined")
    new = [make_member(code, now=MORNING + timedelta(minutes=1)).member_id for _ in range(5)]
    tick(MORNING + timedelta(minutes=2))

    assert told(campaign) == sorted(new)


def test_a_look_that_finds_nothing_new_writes_nothing(chain, code, count_queries):
    holder = make_member(code, birthday="05-20")
    make_coupon(holder, make_offer(chain, valid_days=5), now=MORNING)
    for event, days in (("joined", 0), ("birthday", 0), ("coupon_expiring", 5), ("lapsed", 30), ("tier_reached", 0)):
        waiting(chain, event, days)
    enter_batch(now=MORNING + timedelta(minutes=1))
    db.session.commit()
    count_queries.clear()

    assert enter_batch(now=MORNING + timedelta(minutes=2)) == 0

    assert [sql for sql in count_queries if not sql.startswith(("SELECT", "BEGIN"))] == []
    assert "BEGIN IMMEDIATE" not in count_queries  # whoever writes does not wait for it
    of_all_members = [sql for sql in count_queries if "coalesce(members.last_visit_at" in sql or "coupons" in sql]
    assert of_all_members == []  # these were looked for today


def test_by_the_members_clocks_the_hour_is_that_of_his_store(chain, code):
    auckland = make_store_code(make_store(chain, timezone="Pacific/Auckland"))
    here, there = make_member(code, birthday="05-21"), make_member(auckland, birthday="05-21")
    campaign = waiting(chain, "birthday", zone="member")
    tick(datetime(2026, 5, 20, 22, tzinfo=UTC))  # 10:00 of the 21st in Auckland
    first = told(campaign)
    tick(datetime(2026, 5, 21, 2, tzinfo=UTC))

    assert first == [there.member_id]
    assert told(campaign) == sorted([here.member_id, there.member_id])


def test_by_the_members_clocks_its_last_day_is_that_of_his_store(chain, code):
    auckland = make_store_code(make_store(chain, timezone="Pacific/Auckland"))
    new_york = make_store_code(make_store(chain, timezone="America/New_York"))
    make_member(auckland, birthday="05-22")
    last = make_member(new_york, birthday="05-21")
    campaign = waiting(chain, "birthday", zone="member", until="2026-05-21")
    tick(datetime(2026, 5, 21, 13, tzinfo=UTC))  # 01:00 of the 22nd in Auckland
    tick(datetime(2026, 5, 21, 22, 30, tzinfo=UTC))  # 10:30 there, 18:30 of the 21st in New York, the 22nd in Shanghai
    going = state_of(campaign)
    tick(datetime(2026, 5, 22, 4, tzinfo=UTC))

    assert told(campaign) == [last.member_id]
    assert {row.state for row in deliveries(campaign)} == {"delivered"}
    assert (going, state_of(campaign)) == ("running", "finished")


def test_paused_it_enters_nobody_and_resumed_it_goes_on(chain, code):
    campaign = waiting(chain, "joined")
    with transaction():
        campaigns.pause_campaign(chain.id, campaign.id, by=SYSTEM, now=MORNING)
    new = make_member(code, now=MORNING + timedelta(minutes=1))
    tick(MORNING + timedelta(minutes=2))
    while_paused = told(campaign)
    with transaction():
        campaigns.resume_campaign(chain.id, campaign.id, by=SYSTEM, now=MORNING + timedelta(minutes=3))
    tick(MORNING + timedelta(minutes=4))

    assert while_paused == []
    assert told(campaign) == [new.member_id]


def test_after_its_last_day_it_is_finished(chain, code):
    campaign = waiting(chain, "joined", until="2026-05-20")
    make_member(code, now=MORNING + timedelta(minutes=1))
    tick(MORNING + timedelta(minutes=2))
    going = state_of(campaign)
    tick(MORNING + DAY)

    assert (going, state_of(campaign)) == ("running", "finished")
    assert db.session.get_one(Campaign, campaign.id).chain_id == chain.id
